//! dummy: an interface that leads nowhere; what is sent there is dropped. A place for addresses.

use rtnetlink::packet_route::link::{InfoData, InfoKind};
use serde::{Deserialize, Serialize};

use super::{LinkKind, Properties};

/// A dummy interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dummy {}

impl LinkKind for Dummy {
    const WORD: &'static str = "dummy";

    fn words(&self) -> Vec<String> {
        Vec::new()
    }
    fn info(&self, _parent: Option<u32>) -> (InfoKind, Option<InfoData>) {
        (InfoKind::Dummy, None)
    }
    fn properties(&self) -> Properties {
        Properties::new()
    }
    fn observed(_data: &InfoData) -> Option<Properties> {
        None
    }
}
