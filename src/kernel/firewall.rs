//! iptables: a namespace's lines in one `iptables-restore`, all or nothing; single rules on the machine.

use super::{Refusal, patience, program};
use crate::ip::Family;
use crate::ip::iptables::{Line, TABLES, Verb, restore_text};

fn called(family: Family, what: &str) -> String {
    match family {
        Family::V4 => format!("iptables{what}"),
        Family::V6 => format!("ip6tables{what}"),
    }
}

/// Loads lines in the calling thread's namespace. A bad line loads nothing, and is named.
pub fn load(family: Family, lines: &[Line]) -> Result<(), Refusal> {
    let text = restore_text(lines);
    let output = program::run(program::of(&called(family, "-restore"), &["--noflush", "-w", "5"]), &text)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = failed_line(&said).and_then(|n| text.lines().nth(n.checked_sub(1)?)).and_then(|bad| {
        let matches = |l: &Line| l.restore() == bad;
        lines.iter().position(matches)
    });
    Err(Refusal { errno: 0, words: words(&said), line })
}

/// `Error occurred at line: 3` or `line 3: RULE_APPEND failed`.
fn failed_line(said: &str) -> Option<usize> {
    let at = said.rfind("line: ").map(|i| i + 6).or_else(|| said.find("line ").map(|i| i + 5))?;
    let digits: String = said[at..].chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// What iptables says, without its name, version and advice.
fn words(said: &str) -> String {
    let noise = ["Error occurred at line", "Try `", "# Warning"];
    let lines = said.lines().map(str::trim).filter(|l| !l.is_empty() && !noise.iter().any(|n| l.starts_with(n)));
    let text: Vec<&str> = lines
        .map(|l| {
            l.split_once("): ")
                .filter(|(v, _)| v.starts_with("iptables") || v.starts_with("ip6tables"))
                .map_or(l, |(_, rest)| rest)
        })
        .collect();
    text.join(" ").trim().to_string()
}

/// What `iptables-save` shows in the calling thread's namespace: rules, own chains and policies that are not ACCEPT.
pub fn shown(family: Family) -> Result<Vec<String>, Refusal> {
    let output = program::run(program::of(&called(family, "-save"), &[]), "")?;
    let mut table = String::new();
    let mut lines = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name.to_string();
        } else if let Some(chain) = line.strip_prefix(':') {
            let words: Vec<&str> = chain.split(' ').collect();
            match words.as_slice() {
                [chain, "-", ..] => lines.push(format!("-t {table} -N {chain}")),
                [chain, policy, ..] if *policy != "ACCEPT" => lines.push(format!("-t {table} -P {chain} {policy}")),
                _ => {}
            }
        } else if line.starts_with("-A ") {
            lines.push(format!("-t {table} {line}"));
        }
    }
    Ok(lines)
}

/// The nat table with its counters, as `iptables-save -c` prints it, in the calling thread's namespace.
pub fn nat(family: Family) -> Result<String, Refusal> {
    let output = program::run(program::of(&called(family, "-save"), &["-c", "-t", "nat"]), "")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What these families show in the calling thread's namespace.
pub fn of(families: &[Family]) -> Vec<(Family, Result<Vec<String>, Refusal>)> {
    families.iter().map(|f| (*f, shown(*f))).collect()
}

/// What there is of any family; a refusal counts only for those that are `wanted`. Programs are started only for families
/// that have tables here.
pub fn all_of(wanted: &[Family]) -> Vec<(Family, Result<Vec<String>, Refusal>)> {
    let there: Vec<Family> = [Family::V4, Family::V6].into_iter().filter(|family| has_tables(*family)).collect();
    let mut found = of(&there);
    found.retain(|(family, shown)| shown.is_ok() || wanted.contains(family));
    found
}

/// Empties every table of the calling thread's namespace: only ever inside a lab's own.
pub fn flush(family: Family) -> Result<(), Refusal> {
    let tables: String = shown_tables(family)?;
    program::run(program::of(&called(family, "-restore"), &["-w", "5"]), &tables).map(|_| ())
}

fn shown_tables(family: Family) -> Result<String, Refusal> {
    let output = program::run(program::of(&called(family, "-save"), &[]), "")?;
    let present = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut text = String::new();
    for (table, chains) in TABLES {
        if present.lines().any(|l| l == format!("*{table}")) {
            text.push_str(&format!("*{table}\n"));
            chains.iter().for_each(|c| text.push_str(&format!(":{c} ACCEPT [0:0]\n")));
            text.push_str("COMMIT\n");
        }
    }
    Ok(text)
}

/// The nftables tables and chains of the calling thread's namespace, as `ip nat` and `ip nat POSTROUTING`; none where
/// `nft` is not installed.
pub fn nft_chains() -> Vec<String> {
    ruleset().into_iter().map(|(name, _)| name).collect()
}

/// The tables and chains, and whether each drops what reaches its end.
fn ruleset() -> Vec<(String, bool)> {
    let output = program::run(program::of("nft", &["list", "ruleset"]), "");
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let (mut list, mut table) = (Vec::new(), String::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("table ") {
            table = name.trim_end_matches(" {").to_string();
            list.push((table.clone(), false));
        } else if let Some(chain) = line.trim_start().strip_prefix("chain ") {
            list.push((format!("{table} {}", chain.trim_end_matches(" {")), false));
        } else if line.ends_with("policy drop;")
            && let Some((_, drops)) = list.last_mut()
        {
            *drops = true;
        }
    }
    list
}

/// Whether the calling thread's namespace has tables of a family. Cheap: no program is started, so that every node of a
/// large lab can be asked.
fn has_tables(family: Family) -> bool {
    let legacy = match family {
        Family::V4 => "ip_tables_names",
        Family::V6 => "ip6_tables_names",
    };
    let names = std::fs::read_to_string(format!("/proc/thread-self/net/{legacy}"));
    names.is_ok_and(|t| !t.trim().is_empty()) || nft_has_tables(family).unwrap_or(true)
}

/// Asks nf_tables for a family's tables: NFT_MSG_GETTABLE.
fn nft_has_tables(family: Family) -> Result<bool, Refusal> {
    use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
    const GETTABLE: u16 = (10 << 8) | 1; // NFNL_SUBSYS_NFTABLES, NFT_MSG_GETTABLE
    const FLAGS: u16 = 0x301; // NLM_F_REQUEST | NLM_F_DUMP
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut request = Vec::from(20_u32.to_ne_bytes());
    request.extend(GETTABLE.to_ne_bytes());
    request.extend(FLAGS.to_ne_bytes());
    let nfproto = match family {
        Family::V4 => libc::AF_INET,
        Family::V6 => libc::AF_INET6,
    };
    request.extend([0; 8]); // sequence, port
    request.extend([nfproto as u8, 0, 0, 0]); // nfgenmsg
    socket.send(&request, 0)?;
    let answer = patience::receive(&socket)?;
    let kind = answer.get(4..6).map_or(0, |b| u16::from_ne_bytes([b[0], b[1]]));
    // NLMSG_ERROR (no nf_tables in this kernel) and NLMSG_DONE mean none; a message of the subsystem is a table.
    Ok(kind >= 0x10)
}

/// Takes rules off the machine again, then the tables that iptables left behind empty.
pub fn delete(family: Family, lines: &[Line], chains_before: Option<&[String]>) -> Result<(), Refusal> {
    for line in lines {
        let iptables = |verb: &str, more: &[String]| -> Result<(), Refusal> {
            let mut command = program::of(&called(family, ""), &["-w", "5", "-t", &line.table, verb, &line.chain]);
            command.args(more);
            let output = program::run(command, "")?;
            if output.status.success() {
                Ok(())
            } else {
                Err(Refusal::new(words(&String::from_utf8_lossy(&output.stderr))))
            }
        };
        // Absent is success; one that does not answer is not absent.
        let is_there = |verb: &str, more: &[String]| match iptables(verb, more) {
            Err(refusal) if refusal.errno != 0 => Err(refusal),
            answer => Ok(answer.is_ok()),
        };
        match line.verb {
            // The comment in the rule makes sure that it is ours.
            Verb::Append | Verb::Insert => {
                while is_there("-C", &line.rest)? {
                    iptables("-D", &line.rest)?;
                }
            }
            Verb::NewChain => {
                if is_there("-S", &[])? {
                    iptables("-X", &[])?;
                }
            }
            Verb::Policy | Verb::Delete => {}
        }
    }
    if let Some(before) = chains_before {
        drop_empty_chains(before);
    }
    Ok(())
}

/// Puts policies back: what was set, and what was there before. What somebody has changed since is theirs.
pub fn restore_policies(family: Family, policies: &[(Line, String)]) -> Result<(), Refusal> {
    let shown = shown(family)?;
    for (line, before) in policies {
        let dropped = shown.contains(&format!("-t {} -P {} DROP", line.table, line.chain));
        let now = if dropped { "DROP" } else { "ACCEPT" };
        if line.rest != [now] || before == now {
            continue;
        }
        let set = program::of(&called(family, ""), &["-w", "5", "-t", &line.table, "-P", &line.chain, before]);
        let output = program::run(set, "")?;
        if !output.status.success() {
            return Err(Refusal::new(words(&String::from_utf8_lossy(&output.stderr))));
        }
    }
    Ok(())
}

/// Whether an nftables table, or a chain of one, is of those that iptables makes by itself: an empty one may as well be
/// somebody else's, who has only begun.
fn is_of_iptables(name: &str) -> bool {
    let words: Vec<&str> = name.split(' ').collect();
    let [family, table, chain @ ..] = words.as_slice() else { return false };
    let own = TABLES.iter().find(|(name, _)| name == table).filter(|_| matches!(*family, "ip" | "ip6"));
    own.is_some_and(|(_, chains)| chain.iter().all(|c| chains.contains(c)))
}

/// `iptables -A` makes an nftables table and chains, and `-D` leaves them. What was not there before and is empty now goes
/// again; `nft` itself refuses to delete a chain with rules in it.
fn drop_empty_chains(before: &[String]) {
    let nft = |words: &[&str]| {
        let _ = program::run(program::of("nft", words), "");
    };
    let new = |name: &&String| !before.contains(name) && is_of_iptables(name);
    // One that drops what reaches its end does something without any rule: somebody has told it to.
    let idle = ruleset().into_iter().filter(|(_, drops)| !drops).map(|(name, _)| name);
    for name in idle.collect::<Vec<_>>().iter().filter(new) {
        if let [family, table, chain] = name.split(' ').collect::<Vec<_>>().as_slice() {
            nft(&["delete", "chain", family, table, chain]);
        }
    }
    let now = nft_chains();
    for name in now.iter().filter(new) {
        // Deleting a table would delete its chains with it: only where none is left.
        let is_empty = !now.iter().any(|other| other.starts_with(&format!("{name} ")));
        if let ([family, table], true) = (name.split(' ').collect::<Vec<_>>().as_slice(), is_empty) {
            nft(&["delete", "table", family, table]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_of_somebody_else_is_not_taken_for_one_of_iptables() {
        for own in ["ip nat", "ip nat POSTROUTING", "ip6 filter FORWARD"] {
            assert!(is_of_iptables(own), "{own}");
        }
        for other in ["inet nat", "inet mine", "ip mine", "ip filter DOCKER", "bridge filter", "ip nat postrouting"] {
            assert!(!is_of_iptables(other), "{other}");
        }
    }

    #[test]
    fn both_backends_name_the_line() {
        assert_eq!(
            failed_line("iptables-restore v1.8.9 (nf_tables): unknown option \"--dport\"\nError occurred at line: 3\n"),
            Some(3)
        );
        assert_eq!(
            failed_line(
                "iptables-restore v1.8.9 (nf_tables): \nline 4: RULE_APPEND failed (No such file or directory)"
            ),
            Some(4)
        );
    }
}
