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

    /// Its title, without reading the whole file as YAML: lists are to appear at once.
    pub fn title(&self) -> &'static str {
        self.text.lines().find_map(|line| line.strip_prefix("title: ")).unwrap_or_default()
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
    "ipip-modes-lab",
    "vxlan-lab",
    "wireguard-lab",
    "gre-lab",
    "vlan-lab",
    "trunk-lab",
    "vrf-lab",
    "bond-lab",
    "macvlan-lab",
    "sit-lab",
    "geneve-lab",
    "star-lab",
    "ring-lab",
    "leaf-spine-lab",
    "mtu-lab",
    "impaired-lab",
    "services-lab",
    "ippool-lab",
    "bgp-lab",
    "bgp-ipip-lab",
    "policy-lab",
    "dns-lab",
    "ingress-lab",
];

/// The lab of that name.
pub fn find(name: &str) -> Option<&'static BuiltIn> {
    ALL.iter().find(|lab| lab.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sha2::{Digest, Sha256};

    use crate::ip::iptables::Line;
    use crate::topology;

    /// kube-proxy's `portProtoHash`: 16 characters of the base32 of a SHA-256.
    fn hash(text: &str) -> String {
        let digest = Sha256::digest(text);
        let bits: Vec<u8> = digest.iter().flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1)).collect();
        let letter = |five: &[u8]| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[five.iter().fold(0, |n, b| n << 1 | b) as usize];
        bits.chunks(5).take(16).map(|five| char::from(letter(five))).collect()
    }

    /// What the comments and targets of a node's rules say that each chain stands for.
    fn meant(lines: &[Line]) -> BTreeMap<String, String> {
        let mut meant = BTreeMap::new();
        for line in lines {
            let Some(comment) = line.value_of(&["--comment"]) else { continue };
            let service = comment.split(' ').next().unwrap();
            if let Some(endpoint) = line.value_of(&["--to-destination"]) {
                meant.insert(line.chain.clone(), format!("KUBE-SEP-{}", hash(&format!("{service}tcp{endpoint}"))));
            } else if let ("KUBE-SERVICES" | "KUBE-NODEPORTS", Some(chain)) = (&*line.chain, line.value_of(&["-j"]))
                && let Some((kind @ ("KUBE-SVC" | "KUBE-EXT"), _)) = chain.rsplit_once('-')
            {
                meant.insert(chain.to_string(), format!("{kind}-{}", hash(&format!("{service}tcp"))));
            }
        }
        meant
    }

    #[test]
    fn titles_are_what_the_files_say() {
        for lab in super::ALL {
            let read = topology::load(lab.source()).unwrap().0;
            assert_eq!((lab.name, lab.title()), (read.name.as_str(), read.title.as_str()));
        }
    }

    #[test]
    fn chains_of_services_are_named_as_kube_proxy_names_them() {
        assert_eq!(hash("default/kubernetes:httpstcp"), "NPX46M4PTMTKRN6Y");
        assert_eq!(hash("kube-system/kube-dns:dnsudp"), "TCOU7JCQXEZGVUNU");
        let lab = topology::load(super::find("services-lab").unwrap().source()).unwrap().0;
        for node in ["node1", "node2"] {
            let lines: Vec<Line> = lab.nodes[node].iptables.iter().map(|l| l.value.clone()).collect();
            let meant = meant(&lines);
            for (chain, name) in &meant {
                assert_eq!(chain, name, "{node}");
            }
            let hashed = |l: &&Line| ["KUBE-SVC-", "KUBE-EXT-", "KUBE-SEP-"].iter().any(|k| l.chain.starts_with(k));
            for line in lines.iter().filter(hashed) {
                assert!(meant.contains_key(&line.chain), "{node}: nothing says what {} is", line.chain);
            }
            assert!(meant.len() >= 12, "{meant:?}");
        }
    }
}
