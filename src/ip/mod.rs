//! The words of `ip` and `iptables`: addresses, routes, rules, neighbours, firewall lines.
//!
//! Parsed from what a learner writes, printed as the tools print them, compared by meaning. Nothing here knows
//! a lab or a kernel. Start with [`route`].

pub mod address;
pub mod bird;
pub mod conntrack;
pub mod fdb;
pub mod ipam;
pub mod ipset;
pub mod iptables;
pub mod mac;
pub mod nat;
pub mod neighbor;
pub mod qdisc;
pub mod route;
pub mod rule;
pub mod vlans;
mod words;

pub use address::Address;
pub use fdb::Fdb;
pub use ipset::IpSet;
pub use mac::Mac;
pub use neighbor::Neighbor;
pub use qdisc::Qdisc;
pub use route::Route;
pub use rule::Rule;
pub use vlans::PortVlans;
pub use words::{WordError, parse_ip, parse_net, parse_port, parse_socket, shell_quote};

use serde::{Deserialize, Serialize};

/// Which of the two Internet protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(ip: std::net::IpAddr) -> Family {
        if ip.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// `-6 ` for `ip`, nothing for IPv4.
    pub fn flag(self) -> &'static str {
        match self {
            Family::V4 => "",
            Family::V6 => "-6 ",
        }
    }

    /// `IPv4` or `IPv6`.
    pub fn name(self) -> &'static str {
        match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        }
    }
}
