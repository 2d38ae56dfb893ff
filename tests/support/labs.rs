//! Lab files that only tests need.

/// Two nodes and a cable, with other names than any lab inside netlab.
///
/// ```text
/// left 10.9.0.1/24 ──── 10.9.0.2/24 right (web)
/// ```
pub const OTHER: &str = "\
name: other-lab
nodes:
  left:
    interfaces: {to-right: {addresses: [10.9.0.1/24]}}
  right:
    interfaces: {to-left: {addresses: [10.9.0.2/24]}}
    services: {web: {http: 80}}
links:
  - endpoints: [left:to-right, right:to-left]
checks:
  - {name: left reaches right, from: left, ping: 10.9.0.2}
";
