//! Connections as the kernel tracks them: the lines of /proc/net/nf_conntrack, which `conntrack -L -o extended` prints too.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

/// A tracked connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// `tcp`, `udp`, `icmp`, …
    pub protocol: String,
    /// For TCP: its state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Seconds until it is forgotten.
    pub expires: u64,
    /// Who began it.
    pub from: String,
    /// To whom, as the first packet said.
    pub to: String,
    /// Who answers: another than `to` when the destination was translated.
    pub answered_by: String,
    /// To whom the answers go: another than `from` when the source was translated.
    pub answered_to: String,
    /// No answer has come.
    pub unreplied: bool,
    /// Firewall mark of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<u32>,
}

impl Flow {
    /// Reads a line; `None` for one that is not understood.
    pub fn parse(line: &str) -> Option<Flow> {
        // ipv4 2 tcp 6 119 TIME_WAIT src=… dst=… sport=… dport=… src=… dst=… sport=… dport=… [ASSURED] mark=0 use=1
        let mut words = line.split_whitespace();
        words.find(|w| *w == "ipv4" || *w == "ipv6")?;
        let protocol = words.nth(1)?.to_string();
        let expires = words.nth(1)?.parse().ok()?;
        let rest: Vec<&str> = words.collect();
        let state = rest.first().filter(|w| !w.contains(['=', '['])).map(|w| (*w).to_string());
        let all = |key: &str| -> Vec<&str> {
            rest.iter().filter_map(|w| w.split_once('=').filter(|(k, _)| *k == key).map(|(_, v)| v)).collect()
        };
        let (sources, targets) = (all("src"), all("dst"));
        let (sports, dports) = (all("sport"), all("dport"));
        let end = |addresses: &[&str], ports: &[&str], n: usize| -> Option<String> {
            let ip: IpAddr = addresses.get(n)?.parse().ok()?;
            let port = ports.get(n).and_then(|p| p.parse().ok());
            Some(port.map_or_else(|| ip.to_string(), |port| SocketAddr::new(ip, port).to_string()))
        };
        Some(Flow {
            protocol,
            state,
            expires,
            from: end(&sources, &sports, 0)?,
            to: end(&targets, &dports, 0)?,
            answered_by: end(&sources, &sports, 1)?,
            answered_to: end(&targets, &dports, 1)?,
            unreplied: rest.contains(&"[UNREPLIED]"),
            mark: all("mark").first().and_then(|m| m.parse().ok()).filter(|m| *m != 0),
        })
    }

    /// What was translated, in words: `to 192.168.15.2:80`, `from 203.0.113.2:40158`.
    pub fn translated(&self) -> String {
        let to = (self.answered_by != self.to).then(|| format!("to {}", self.answered_by));
        let from = (self.answered_to != self.from).then(|| format!("from {}", self.answered_to));
        to.into_iter().chain(from).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_show_what_was_translated() {
        let dnat = "ipv4     2 tcp      6 119 TIME_WAIT src=203.0.113.1 dst=203.0.113.2 sport=45628 dport=80 src=192.168.15.2 dst=203.0.113.1 sport=80 dport=45628 [ASSURED] mark=0 zone=0 use=2";
        let flow = Flow::parse(dnat).unwrap();
        assert_eq!((flow.protocol.as_str(), flow.state.as_deref(), flow.expires), ("tcp", Some("TIME_WAIT"), 119));
        assert_eq!((flow.from.as_str(), flow.to.as_str()), ("203.0.113.1:45628", "203.0.113.2:80"));
        assert_eq!(flow.translated(), "to 192.168.15.2:80");
        let snat = "ipv4     2 icmp     1 29 src=192.168.15.2 dst=8.8.8.8 type=8 code=0 id=26911 src=8.8.8.8 dst=203.0.113.2 type=0 code=0 id=26911 mark=16384 use=1";
        let flow = Flow::parse(snat).unwrap();
        assert_eq!((flow.translated(), flow.mark, flow.state), ("from 203.0.113.2".to_string(), Some(0x4000), None));
        let silent = "ipv6     10 udp      17 29 src=fd00::1 dst=fd00::2 sport=5 dport=53 [UNREPLIED] src=fd00::2 dst=fd00::1 sport=53 dport=5 mark=0 use=1";
        let flow = Flow::parse(silent).unwrap();
        assert!(flow.unreplied && flow.translated().is_empty());
        assert_eq!(flow.to, "[fd00::2]:53");
        assert_eq!(Flow::parse("conntrack v1.4.7: 9 flow entries have been shown."), None);
    }
}
