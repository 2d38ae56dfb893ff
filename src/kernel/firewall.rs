//! iptables: a namespace's lines in one `iptables-restore`, all or nothing; single rules on the machine.

use std::io::Write;
use std::process::{Command, Stdio};

use super::Refusal;
use crate::ip::Family;
use crate::ip::iptables::{Line, TABLES, Verb, restore_text};

fn program(family: Family, what: &str) -> String {
    match family {
        Family::V4 => format!("iptables{what}"),
        Family::V6 => format!("ip6tables{what}"),
    }
}

/// Loads lines in the calling thread's namespace. A bad line loads nothing, and is named.
pub fn load(family: Family, lines: &[Line]) -> Result<(), Refusal> {
    let text = restore_text(lines);
    let name = program(family, "-restore");
    let mut child = Command::new(&name)
        .args(["--noflush", "-w", "5"])
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| Refusal::from(e).about(&name))?;
    if let Some(mut input) = child.stdin.take() {
        // A program that dies early closes its end: what it has to say comes below.
        let _ = input.write_all(text.as_bytes());
    }
    let output = child.wait_with_output()?;
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
    let name = program(family, "-save");
    let output = Command::new(&name)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|e| Refusal::from(e).about(&name))?;
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

/// Empties every table of the calling thread's namespace: only ever inside a lab's own.
pub fn flush(family: Family) -> Result<(), Refusal> {
    let tables: String = shown_tables(family)?;
    let mut child = Command::new(program(family, "-restore")).args(["-w", "5"]).stdin(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        let _ = input.write_all(tables.as_bytes());
    }
    child.wait()?;
    Ok(())
}

fn shown_tables(family: Family) -> Result<String, Refusal> {
    let output = Command::new(program(family, "-save")).stdin(Stdio::null()).stderr(Stdio::null()).output()?;
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

/// The nftables tables of the calling thread's namespace; none where `nft` is not installed.
pub fn nft_tables() -> Vec<String> {
    let output = Command::new("nft").args(["list", "tables"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    text.lines().filter_map(|l| l.strip_prefix("table ")).map(str::to_string).collect()
}

/// Takes rules off the machine again, then the tables that iptables left behind empty.
pub fn delete(family: Family, lines: &[Line], tables_before: Option<&[String]>) -> Result<(), Refusal> {
    let tables = iptables::new(family == Family::V6).map_err(|e| Refusal::new(e.to_string()))?;
    for line in lines {
        let rule = line.spec("").trim().to_string();
        let (table, chain) = (line.table.as_str(), line.chain.as_str());
        match line.verb {
            Verb::Append | Verb::Insert => {
                let body = rule.strip_prefix(chain).unwrap_or(&rule).trim();
                // Absent is success; the comment in the rule makes sure that it is ours.
                while tables.exists(table, chain, body).unwrap_or(false) {
                    tables.delete(table, chain, body).map_err(|e| Refusal::new(e.to_string()))?;
                }
            }
            Verb::NewChain => {
                if tables.chain_exists(table, chain).unwrap_or(false) {
                    tables.delete_chain(table, chain).map_err(|e| Refusal::new(e.to_string()))?;
                }
            }
            Verb::Policy => {}
        }
    }
    if let Some(before) = tables_before {
        drop_empty_tables(before);
    }
    Ok(())
}

/// `iptables -A` makes an nftables table and its chains, and `-D` leaves them. One that was not there before and holds
/// no rule now goes again.
fn drop_empty_tables(before: &[String]) {
    for table in nft_tables().into_iter().filter(|t| !before.contains(t)) {
        let words: Vec<&str> = table.split(' ').collect();
        let listed = Command::new("nft").args(["list", "table"]).args(&words).stderr(Stdio::null()).output();
        let text = listed.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
        let chains_only = text.lines().map(str::trim).all(|l| {
            l.is_empty()
                || l == "}"
                || l.starts_with("table ")
                || l.starts_with("chain ")
                || l.starts_with("type ")
                || l.starts_with('#')
        });
        if chains_only && !text.is_empty() {
            let _ = Command::new("nft").args(["delete", "table"]).args(&words).stderr(Stdio::null()).status();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
