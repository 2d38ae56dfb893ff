//! Bad lines: which interface they belong to, and what they do.

use indexmap::IndexMap;

use super::Node;
use super::interfaces::word;
use crate::error::{Problems, did_you_mean};
use crate::ip::qdisc::{BURST_STEP, NETEM_LIMIT, Netem, Qdisc, Share, Tbf, parse_rate, parse_size, parse_time};
use crate::name::NodeName;
use crate::span::{Sp, Span};
use crate::spec::{self, Text};

/// What a rate lets wait when nobody says: 50 ms of it.
const LATENCY: u64 = 50_000_000;

/// The qdiscs of links and of nodes; those of a node count more.
pub(super) fn resolve(lab: &spec::Lab, nodes: &mut IndexMap<NodeName, Node>, problems: &mut Problems) {
    for link in &lab.links {
        let Some(written) = &link.qdisc else { continue };
        let Some(qdisc) = one(written, written.span, &lab.holes, problems) else { continue };
        for (node, dev) in link.endpoints.iter().filter_map(|end| end.split_once(':')) {
            if let Some(interface) = nodes.get_mut(node).and_then(|node| node.interfaces.get_mut(dev)) {
                interface.qdisc = Some(qdisc.clone());
            }
        }
    }
    for (key, written) in &lab.nodes {
        let Some(node) = nodes.get_mut(key.value.as_str()) else { continue };
        for (dev, qdisc) in &written.qdiscs {
            let resolved = one(qdisc, qdisc.span, &lab.holes, problems);
            let known: Vec<String> = node.interfaces.keys().map(ToString::to_string).filter(|n| n != "lo").collect();
            match node.interfaces.get_mut(dev.value.as_str()) {
                Some(_) if dev.value == "lo" => {
                    problems.error(dev.span, "`lo` is no line").help("put it on an interface that leads somewhere");
                }
                Some(interface) => interface.qdisc = resolved.or(interface.qdisc.take()),
                None if lab.holes.top("links") => {}
                None => {
                    let near = did_you_mean(dev, known.iter().map(String::as_str));
                    let help = near.unwrap_or_else(|| match known.as_slice() {
                        [] => "give the node an interface first".into(),
                        list => format!("its interfaces: {}", list.join(", ")),
                    });
                    problems.error(dev.span, format!("`{key}` has no interface `{dev}`")).help(help);
                }
            }
        }
    }
}

fn one(written: &spec::Qdisc, span: Span, holes: &spec::Holes, problems: &mut Problems) -> Option<Sp<Qdisc>> {
    let w = written;
    let bad_line = [&w.delay, &w.jitter, &w.loss, &w.duplicate, &w.corrupt, &w.reorder];
    if bad_line.iter().all(|o| o.is_none()) && w.rate.is_none() {
        if !holes.inside(span) {
            problems
                .error(span, "this says nothing that happens to packets")
                .help("as in `{delay: 50ms, loss: 1%}` or `{rate: 10mbit}`");
        }
        return None;
    }
    let qdisc = if bad_line.iter().any(|o| o.is_some()) { netem(w, problems) } else { tbf(w, problems) };
    qdisc.map(|qdisc| Sp::new(qdisc, span))
}

fn netem(written: &spec::Qdisc, problems: &mut Problems) -> Option<Qdisc> {
    let before = problems.errors().count();
    for (text, name) in [(&written.burst, "burst"), (&written.latency, "latency")] {
        if let Some(text) = text {
            problems
                .error(text.span, format!("`{name}` goes with a `rate` alone"))
                .help("a bad line enforces its rate packet by packet; `limit` says how many packets may wait");
        }
    }
    let mut time = |text: &Option<Text>| read(text, parse_time, problems);
    let (delay, jitter) = (time(&written.delay), time(&written.jitter));
    let mut share = |text: &Option<Text>| read(text, Share::parse, problems).unwrap_or_default();
    let (loss, duplicate) = (share(&written.loss), share(&written.duplicate));
    let (corrupt, reorder) = (share(&written.corrupt), share(&written.reorder));
    let rate = read(&written.rate, parse_rate, problems).unwrap_or(0);
    let delay = delay.unwrap_or(0);
    if let Some(text) = &written.reorder
        && written.delay.is_none()
    {
        problems
            .error(text.span, "packets that do not wait overtake only those that do")
            .help("add a `delay`, as in `{delay: 10ms, reorder: 25%}`");
    }
    if let Some(text) = &written.jitter
        && jitter.is_some_and(|jitter| jitter > delay)
        && problems.errors().count() == before
    {
        problems
            .error(text.span, format!("a jitter of {text} is more than the delay"))
            .help("a packet cannot arrive before it was sent: make the delay larger");
    }
    let limit = written.limit.as_ref().map_or(NETEM_LIMIT, |l| l.value);
    let netem = Netem { delay, jitter: jitter.unwrap_or(0), loss, duplicate, corrupt, reorder, rate, limit };
    (problems.errors().count() == before).then_some(Qdisc::Netem(netem))
}

fn tbf(written: &spec::Qdisc, problems: &mut Problems) -> Option<Qdisc> {
    if let Some(limit) = &written.limit {
        problems
            .error(limit.span, "`limit` counts the packets that wait on a bad line")
            .help("with a `rate` alone, `latency: 50ms` says how long a packet may wait");
        return None;
    }
    let rate = read(&written.rate, parse_rate, problems);
    let burst = read(&written.burst, parse_size, problems);
    let latency = read(&written.latency, parse_time, problems).unwrap_or(LATENCY);
    let rate = rate?;
    // A bucket must hold what the rate brings between two ticks of a clock of 250 Hz, and a packet or two.
    let burst = burst.unwrap_or_else(|| u32::try_from(rate / 250).unwrap_or(u32::MAX).max(4096));
    let burst = burst.checked_next_multiple_of(BURST_STEP).unwrap_or(burst);
    let waiting = u128::from(rate) * u128::from(latency) / 1_000_000_000;
    let limit = u32::try_from(waiting + u128::from(burst)).unwrap_or(u32::MAX);
    Some(Qdisc::Tbf(Tbf { rate, burst, limit }))
}

fn read<T>(
    text: &Option<Text>,
    parse: impl Fn(&str) -> Result<T, crate::ip::WordError>,
    problems: &mut Problems,
) -> Option<T> {
    let text = text.as_ref()?;
    word(text, parse(text), problems).map(|value| value.value)
}
