//! What must hold whatever the bytes are. `cargo fuzz` looks for bytes for which it does not; `tests/fuzz.rs` holds it for
//! those that were found once, and for the labs and bad labs of this repository.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::sync::OnceLock;

use netlab::apply::journal::{self, FORMAT, Header, PlanHead};
use netlab::check::filter::Filter;
use netlab::check::packet::{Frame, Packet};
use netlab::ip::iptables::Line;
use netlab::ip::{Address, Fdb, Mac, Neighbor, Route, Rule, bird, conntrack, ipset, nat, qdisc};
use netlab::plan::{Mode, Outcome, Plan, batches, build, expect, explain, script, undo};
use netlab::report::diagnostic;
use netlab::span::Source;
use netlab::topology::{self, Topology};

/// Labs with more are planned by nobody: what they have more of is more of the same.
const MOST_NODES: usize = 64;

/// A lab file: read, understood, planned, or refused with words that can be shown. Whatever is planned can be printed, and
/// has a way back.
pub fn lab(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let source = Source::new("fuzz.yaml", text);
    match topology::load(source) {
        Err(error) => {
            assert!(is_fit_for_a_screen(&diagnostic::error(&error)));
            let _ = diagnostic::error_json(&error);
        }
        Ok((topology, warnings)) => {
            assert!(is_fit_for_a_screen(&diagnostic::problems(&warnings)));
            if topology.nodes.len() <= MOST_NODES {
                planned(&topology);
            }
        }
    }
}

fn planned(topology: &Topology) {
    for mode in [Mode::Isolated, Mode::OnHost] {
        let plan = build(topology, mode);
        assert_eq!(plan, build(topology, mode), "two plans of one lab");
        assert_eq!(batches(&plan).iter().map(|b| b.steps.len()).sum::<usize>(), plan.steps.len());
        let _ = (explain(&plan), script(&plan), expect(&plan));
        let begun = Outcome::Begun(None);
        let _ = undo(&plan, |_| &begun);
        let json = serde_json::to_string(&plan.steps).unwrap();
        let again: Vec<netlab::plan::Step> = serde_json::from_str(&json).unwrap();
        assert_eq!(again, plan.steps, "the journal says something else");
    }
}

/// No control characters but line feeds: those would move the cursor.
fn is_fit_for_a_screen(text: &str) -> bool {
    let styled = text.replace("\u{1b}[", "");
    !styled.chars().any(|c| c.is_control() && c != '\n')
}

/// The words of `ip` and `iptables`: what can be read is printed as something that reads the same.
pub fn words(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    survives::<Address>(text);
    // What a route does not say, the kernel does: `scope link` without a gateway. It is printed as the kernel shows it.
    if let Some((_, first, again)) = reread::<Route>(text) {
        assert_eq!(first, again, "{text:?}");
    }
    survives::<Rule>(text);
    survives::<Neighbor>(text);
    survives::<Fdb>(text);
    survives::<Mac>(text);
    survives::<Line>(text);
    if let Ok(line) = text.parse::<Line>() {
        // As `iptables-restore` gets it: one line, whatever is in the words.
        assert!(!line.restore().contains('\n'), "{line:?}");
    }
    let _ = (qdisc::Share::parse(text), qdisc::parse_time(text), qdisc::parse_rate(text), qdisc::parse_size(text));
}

fn survives<T: FromStr + PartialEq + Debug + Display>(text: &str) {
    let Some(([first, again], printed, reprinted)) = reread::<T>(text) else { return };
    assert_eq!(first, again, "{text:?} is printed as {printed:?}");
    assert_eq!(printed, reprinted);
}

/// What was read, printed and read again; and the two printings.
fn reread<T: FromStr + Display>(text: &str) -> Option<([T; 2], String, String)> {
    let first = text.parse::<T>().ok()?;
    let printed = first.to_string();
    let Ok(again) = printed.parse::<T>() else { panic!("{text:?} is printed as {printed:?}, which cannot be read") };
    let reprinted = again.to_string();
    Some(([first, again], printed, reprinted))
}

/// The words of `sees`: the first line is a filter, the rest a packet that it looks at.
pub fn filter(data: &[u8]) {
    let (line, packet) =
        data.iter().position(|b| *b == b'\n').map_or((data, &[][..]), |n| (&data[..n], &data[n + 1..]));
    let Ok(text) = std::str::from_utf8(line) else { return };
    let Ok(filter) = text.parse::<Filter>() else { return };
    let printed = filter.to_string();
    assert_eq!(printed.parse::<Filter>().as_ref(), Ok(&filter), "{text:?} is printed as {printed:?}");
    let _ = (filter.tcpdump(), filter.addresses().count());
    let frame = Frame { bytes: packet.to_vec(), bare: None, tag: None };
    let packet = Packet::read(&frame);
    let fits = filter.matches(&frame, &packet);
    // What is said to be different is different.
    let _ = (fits, filter.difference(std::iter::once(&packet)));
}

/// Text and packets that come from the kernel, from programs, and from whoever is on a wire.
pub fn readers(data: &[u8]) {
    for (bare, tag) in [(None, None), (Some(0x800), None), (Some(0x86dd), None), (None, Some(5))] {
        let packet = Packet::read(&Frame { bytes: data.to_vec(), bare, tag });
        let _ = (packet.words(|_| true), packet.is_housekeeping());
    }
    let text = String::from_utf8_lossy(data);
    let _ = (ipset::parse_save(&text), nat::follow(&text), bird::sessions(&text));
    text.lines().for_each(|line| drop(conntrack::Flow::parse(line)));
    assert!(!netlab::report::printable(&text).chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
}

/// A journal: bytes that nobody wrote, and a real one in which bytes were changed. Nothing that was not written is ever done.
pub fn journal(data: &[u8]) {
    let _ = journal::parse(&String::from_utf8_lossy(data));
    let (text, plan) = written();
    let mut bytes = text.clone().into_bytes();
    for edit in data.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) * 7 % bytes.len().max(1);
        match edit[2] % 5 {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= edit[3].max(1),
            2 => bytes.insert(at, edit[3]),
            3 if at < bytes.len() => drop(bytes.remove(at)),
            // A whole piece once more.
            _ if bytes.len() < 2 * text.len() => bytes.extend_from_within(at.min(bytes.len())..),
            _ => {}
        }
    }
    let Ok(Some(entry)) = journal::parse(&String::from_utf8_lossy(&bytes)) else { return };
    assert_eq!(entry.header.source, plan.1, "another lab file");
    let Some(read) = entry.plan else { return };
    assert_eq!(read.steps.len(), entry.outcomes.len());
    assert_eq!(read.steps, plan.0.steps, "steps that nobody wrote");
}

/// The journal of a lab that is up, and what it says.
fn written() -> &'static (String, (Plan, Source)) {
    static WRITTEN: OnceLock<(String, (Plan, Source))> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let source = netlab::labs::find("veth-lab").unwrap().source();
        let (topology, _) = topology::load(source.clone()).unwrap();
        let plan = build(&topology, Mode::Isolated);
        let header = Header {
            format: FORMAT,
            boot_id: "b".into(),
            at: 0,
            user: "root".into(),
            file: None,
            source: source.clone(),
            on_host: false,
            plan: PlanHead::of(&plan),
        };
        let mut text = record(&serde_json::json!({ "header": header }));
        plan.steps.iter().for_each(|step| text += &record(&serde_json::json!({ "step": step })));
        text += &record(&serde_json::json!({ "planned": plan.steps.len() }));
        text += &record(&serde_json::json!({ "begin-all": { "start": 0, "end": plan.steps.len() } }));
        text += &record(
            &serde_json::json!({ "done-all": { "steps": { "start": 0, "end": plan.steps.len() }, "done": [] } }),
        );
        text += &record(&serde_json::json!("up"));
        let entry = journal::parse(&text).unwrap().unwrap();
        assert!(entry.is_running() && entry.plan.as_ref() == Some(&plan), "this is how a journal is written");
        (text, (plan, source))
    })
}

fn record(value: &serde_json::Value) -> String {
    let json = value.to_string();
    format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()))
}
