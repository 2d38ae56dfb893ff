//! The labs inside the binary.

use crate::span::Source;

/// A lab that netlab brings along.
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
}

impl BuiltIn {
    /// Its text under the name that messages show.
    pub fn source(&self) -> Source {
        Source::new(format!("labs/{}.yaml", self.name), self.text)
    }
}

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        /// All of them, in teaching order.
        pub const ALL: &[BuiltIn] =
            &[$(BuiltIn { name: $name, text: include_str!(concat!("../labs/", $name, ".yaml")) }),+];
    };
}

built_in![
    "veth-lab",
    "bridge-lab",
    "nat-lab",
    "pod-lab",
    "ipip-lab",
    "vxlan-lab",
    "gre-lab",
    "vlan-lab",
    "vrf-lab",
    "geneve-lab",
    "policy-lab",
];

/// The lab of that name.
pub fn find(name: &str) -> Option<&'static BuiltIn> {
    ALL.iter().find(|lab| lab.name == name)
}
