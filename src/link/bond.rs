//! bond: several interfaces as one. When a cable of it fails, traffic goes on over another.
//!
//! The members take the bond's Ethernet address and MTU, and the bond brings them up: the kernel takes a member only while it
//! is down. Without link monitoring (`miimon 0`, the kernel's own default) a bond never notices that a cable is dead, so
//! netlab asks for it unless the lab says otherwise.

use rtnetlink::packet_route::link::{BondLacpRate, BondMode, BondXmitHashPolicy, InfoBond, InfoData, InfoKind};
use serde::{Deserialize, Serialize};

use super::{LinkKind, Properties, device};
use crate::error::{Problems, did_you_mean};
use crate::name::IfName;
use crate::span::{Sp, Span};

device::section! {
    /// A bond, as written.
    Written as "Bond" {
        /// The interfaces that it is made of.
        interfaces: Vec<Sp<String>>,
        /// Which of them carry packets: `balance-rr` (each in turn; the usual), `active-backup`, `balance-xor`, `broadcast`,
        /// `802.3ad` (LACP), `balance-tlb`, `balance-alb`.
        mode: Option<Sp<String>>,
        /// How often it looks whether its cables are alive: `100ms` if not said; `0` for never.
        mii_monitor_interval: Option<Sp<String>>,
        /// The member that carries the packets whenever it is alive.
        primary: Option<Sp<String>>,
        /// How often partners of 802.3ad speak: `slow` (every 30 s; the usual) or `fast` (every second).
        lacp_rate: Option<Sp<String>>,
        /// What of a packet chooses its member: `layer2` (the usual), `layer2+3`, `layer3+4`, `encap2+3`, `encap3+4`.
        transmit_hash_policy: Option<Sp<String>>,
    }
}

/// A bond.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bond {
    /// Which members carry packets.
    pub mode: String,
    /// Milliseconds between two looks at the cables.
    pub miimon: u32,
    /// The preferred member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<IfName>,
    /// How often partners speak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacp_rate: Option<String>,
    /// What chooses the member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xmit_hash_policy: Option<String>,
}

const MODES: &[&str] =
    &["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"];
const WITH_PRIMARY: &[&str] = &["active-backup", "balance-tlb", "balance-alb"];
const WITH_HASH: &[&str] = &["balance-xor", "802.3ad", "balance-tlb"];
const MUST_MONITOR: &[&str] = &["802.3ad", "balance-tlb", "balance-alb"];
const RATES: &[&str] = &["slow", "fast"];
const POLICIES: &[&str] = &["layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4"];

impl Written {
    /// What it means.
    pub fn resolve(&self, at: Span, problems: &mut Problems) -> Option<Bond> {
        if self.interfaces.is_empty() {
            problems.warn(at, "a bond without `interfaces` carries nothing").help("as in `interfaces: [eth0, eth1]`");
        }
        let mode =
            one_of(self.mode.as_ref(), "bond mode", MODES, problems).or(self.mode.is_none().then_some("balance-rr"));
        let mode = mode?;
        let miimon = self.mii_monitor_interval.as_ref().map_or(Some(100), |text| milliseconds(text, problems))?;
        if let Some(text) = self.mii_monitor_interval.as_ref().filter(|_| miimon == 0) {
            if MUST_MONITOR.contains(&mode) {
                problems
                    .error(text.span, format!("{mode} does not work without link monitoring"))
                    .help("as in `100ms`");
            } else {
                problems.warn(text.span, "this bond never notices that a cable is dead").help("as in `100ms`");
            }
        }
        for (key, text, modes) in [
            ("primary", &self.primary, WITH_PRIMARY),
            ("lacp-rate", &self.lacp_rate, &["802.3ad"][..]),
            ("transmit-hash-policy", &self.transmit_hash_policy, WITH_HASH),
        ] {
            if let Some(text) = text.as_ref().filter(|_| !modes.contains(&mode)) {
                problems
                    .error(text.span, format!("`{key}` means nothing to a bond of mode {mode}"))
                    .help(format!("delete it, or take a mode that has one: {}", modes.join(", ")));
            }
        }
        let members = || self.interfaces.iter().map(|i| i.value.as_str());
        if let Some(text) = self.primary.as_ref().filter(|p| !members().any(|m| m == p.as_str())) {
            let names = members().collect::<Vec<_>>().join(", ");
            problems
                .error(text.span, format!("`{text}` is no member of this bond"))
                .help(did_you_mean(text, members()).unwrap_or(format!("its members: {names}")));
        }
        Some(Bond {
            mode: mode.into(),
            miimon,
            primary: self.primary.as_ref().and_then(|p| IfName::new(p).ok()),
            lacp_rate: one_of(self.lacp_rate.as_ref(), "LACP rate", RATES, problems).map(Into::into),
            xmit_hash_policy: one_of(self.transmit_hash_policy.as_ref(), "hash policy", POLICIES, problems)
                .map(Into::into),
        })
    }
}

fn one_of<'a>(text: Option<&Sp<String>>, what: &str, known: &[&'a str], problems: &mut Problems) -> Option<&'a str> {
    let text = text?;
    let found = known.iter().find(|k| **k == text.as_str()).copied();
    if found.is_none() {
        problems
            .error(text.span, format!("there is no {what} `{text}`"))
            .help(did_you_mean(text, known.iter().copied()).unwrap_or(format!("there are {}", known.join(", "))));
    }
    found
}

/// `100ms`, `1s`, or netplan's plain `100`.
fn milliseconds(text: &Sp<String>, problems: &mut Problems) -> Option<u32> {
    let number = |digits: &str| digits.trim().parse::<u32>().ok();
    let found = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => number(digits),
        (None, Some(digits)) => number(digits).and_then(|n| n.checked_mul(1000)),
        (None, None) => number(text),
    };
    let found = found.filter(|n| *n <= 60_000);
    if found.is_none() {
        problems.error(text.span, format!("`{text}` is no time from 0 to 60s")).help("as in `100ms`");
    }
    found
}

impl LinkKind for Bond {
    const WORD: &'static str = "bond";
    const MODULE: &'static str = "bonding";
    const LENDS: bool = true;

    fn words(&self) -> Vec<String> {
        let mut words = vec![format!("mode {} miimon {}", self.mode, self.miimon)];
        words.extend(self.primary.as_ref().map(|p| format!("primary {p}")));
        words.extend(self.xmit_hash_policy.as_ref().map(|p| format!("xmit_hash_policy {p}")));
        words.extend(self.lacp_rate.as_ref().map(|r| format!("lacp_rate {r}")));
        words
    }

    fn info(&self, parent: Option<u32>) -> (InfoKind, Option<InfoData>) {
        let mut list = vec![InfoBond::Mode(self.mode.parse().unwrap_or(BondMode::BalanceRr))];
        list.push(InfoBond::MiiMon(self.miimon));
        list.extend(parent.map(InfoBond::Primary));
        let policy = self.xmit_hash_policy.as_ref().and_then(|p| p.parse::<BondXmitHashPolicy>().ok());
        list.extend(policy.map(InfoBond::XmitHashPolicy));
        let rate = self.lacp_rate.as_ref().and_then(|r| r.parse::<BondLacpRate>().ok());
        list.extend(rate.map(InfoBond::AdLacpRate));
        (InfoKind::Bond, Some(InfoData::Bond(list)))
    }

    fn properties(&self) -> Properties {
        let mut properties = Properties::from([("mode".into(), self.mode.clone())]);
        properties.insert("miimon".into(), self.miimon.to_string());
        properties.extend(self.primary.as_ref().map(|p| ("primary".to_string(), p.to_string())));
        properties.extend(self.xmit_hash_policy.clone().map(|p| ("xmit_hash_policy".to_string(), p)));
        properties.extend(self.lacp_rate.clone().map(|r| ("lacp_rate".to_string(), r)));
        properties
    }

    fn observed(data: &InfoData) -> Option<Properties> {
        let InfoData::Bond(list) = data else { return None };
        let word = |attribute: &InfoBond| match attribute {
            InfoBond::Mode(mode) => Some(("mode", mode.to_string())),
            InfoBond::MiiMon(interval) => Some(("miimon", interval.to_string())),
            InfoBond::Primary(number) => Some(("primary", super::numbered(*number))),
            InfoBond::XmitHashPolicy(policy) => Some(("xmit_hash_policy", policy.to_string())),
            InfoBond::AdLacpRate(rate) => Some(("lacp_rate", rate.to_string())),
            _ => None,
        };
        Some(list.iter().filter_map(word).map(|(key, value)| (key.to_string(), value)).collect())
    }

    /// The kernel notes the primary by the number of its interface, which must be there first.
    fn parent(&self) -> Option<&IfName> {
        self.primary.as_ref()
    }
}
