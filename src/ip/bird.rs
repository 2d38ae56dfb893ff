//! What `birdc show protocols all` prints, as far as BGP sessions go.

use std::net::IpAddr;

use serde::Serialize;

/// A BGP session as BIRD shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// The protocol's name in the configuration: `Mesh_10_0_1_20`.
    pub name: String,
    /// The neighbour's address.
    pub neighbor: IpAddr,
    /// `up`, `start`, `down`.
    pub state: String,
    /// When it came into that state, as BIRD prints it.
    pub since: String,
    /// `Established`, or what keeps it from being that.
    pub info: String,
    /// Routes that it brought, and that were taken.
    pub imported: usize,
    /// Routes that it told.
    pub exported: usize,
}

impl Session {
    /// Whether routes flow.
    pub fn is_established(&self) -> bool {
        self.info.split_whitespace().next() == Some("Established")
    }

    /// What Calico calls such a peer, from the name that Calico gives its session.
    pub fn peer_type(&self) -> &'static str {
        match self.name.split('_').next() {
            Some("Mesh") => "node-to-node mesh",
            Some("Global") => "global",
            Some("Node") => "node specific",
            _ => "-",
        }
    }
}

/// The BGP sessions, in BIRD's order.
pub fn sessions(text: &str) -> Vec<Session> {
    let mut found: Vec<Session> = Vec::new();
    // Lines of a protocol are indented; the table's own lines are not.
    let mut open = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if !line.starts_with(' ') {
            open = match words.as_slice() {
                [name, "BGP", _, state, since, info @ ..] => Some((*name, *state, *since, info.join(" "))),
                _ => None,
            };
            continue;
        }
        match (words.as_slice(), &open) {
            (["Neighbor", "address:", address, ..], Some((name, state, since, info))) => {
                // `fe80::1%eth0`
                let address = address.split('%').next().unwrap_or(address);
                let Ok(neighbor) = address.parse() else { continue };
                found.push(Session {
                    name: name.to_string(),
                    neighbor,
                    state: state.to_string(),
                    since: since.to_string(),
                    info: info.clone(),
                    imported: 0,
                    exported: 0,
                });
            }
            (["Routes:", numbers @ ..], Some(_)) => {
                let count = |what: &str| {
                    let at = numbers.iter().position(|w| w.trim_end_matches(',') == what)?;
                    numbers.get(at.checked_sub(1)?)?.parse::<usize>().ok()
                };
                // One line for each channel: IPv4, IPv6.
                if let Some(session) = found.last_mut() {
                    session.imported += count("imported").unwrap_or(0);
                    session.exported += count("exported").unwrap_or(0);
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "\
BIRD 2.0.12 ready.
Name       Proto      Table      State  Since         Info
own_block  Static     master4    up     08:37:18.628  
  Channel ipv4
    Routes:         7 imported, 0 exported, 1 preferred
Mesh_10_0_1_20 BGP        ---        up     08:37:19.499  Established   
  BGP state:          Established
    Neighbor address: 10.0.1.20
    Neighbor AS:      64512
  Channel ipv4
    State:          UP
    Routes:         1 imported, 2 exported, 1 preferred
    Route change stats:     received   rejected   filtered    ignored   accepted
Global_10_0_1_10 BGP        ---        start  08:37:23.002  Active        BGP Error: Bad peer AS
  BGP state:          Active
    Neighbor address: 10.0.1.10
";

    #[test]
    fn sessions_have_their_peers_states_and_routes() {
        let sessions = sessions(SHOWN);
        assert_eq!(sessions.len(), 2);
        assert!(sessions[0].is_established() && !sessions[1].is_established());
        assert_eq!((sessions[0].imported, sessions[0].exported), (1, 2));
        assert_eq!(sessions[0].peer_type(), "node-to-node mesh");
        assert_eq!(sessions[1].neighbor.to_string(), "10.0.1.10");
        assert_eq!(sessions[1].info, "Active BGP Error: Bad peer AS");
    }
}
