//! vrf: a routing table of its own for some interfaces of a node. What comes in by one of them is routed by that table.

use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVrf};
use serde::{Deserialize, Serialize};

use super::{LinkKind, Properties, device};
use crate::error::Problems;
use crate::span::{Sp, Span};

device::section! {
    /// A VRF, as written.
    Written as "Vrf" {
        /// The routing table's number.
        table: Option<Sp<u32>>,
        /// The interfaces that belong to it.
        interfaces: Vec<Sp<String>>,
    }
}

/// A VRF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vrf {
    /// The routing table's number.
    pub table: u32,
}

impl Written {
    /// What it means.
    pub fn resolve(&self, at: Span, problems: &mut Problems) -> Option<Vrf> {
        let Some(table) = &self.table else {
            problems.error(at, "a vrf needs `table`").help("as in `{table: 100, interfaces: [eth0]}`");
            return None;
        };
        if table.value == 0 || (253..=255).contains(&table.value) {
            problems
                .error(table.span, format!("table {table} is the kernel's own"))
                .help("take another number, as in 100");
            return None;
        }
        Some(Vrf { table: table.value })
    }
}

impl LinkKind for Vrf {
    const WORD: &'static str = "vrf";

    fn words(&self) -> Vec<String> {
        vec![format!("table {}", self.table)]
    }
    fn info(&self, _parent: Option<u32>) -> (InfoKind, Option<InfoData>) {
        (InfoKind::Vrf, Some(InfoData::Vrf(vec![InfoVrf::TableId(self.table)])))
    }
    fn properties(&self) -> Properties {
        Properties::from([("table".into(), self.table.to_string())])
    }
    fn observed(data: &InfoData) -> Option<Properties> {
        let InfoData::Vrf(attributes) = data else { return None };
        let table = attributes.iter().find_map(|a| if let InfoVrf::TableId(t) = a { Some(*t) } else { None });
        Some(table.map(|t| ("table".to_string(), t.to_string())).into_iter().collect())
    }
    fn unique(&self) -> Option<String> {
        Some(format!("table {}", self.table))
    }
}
