//! The way back: what the target answers to, through every translation on the way.

use std::net::IpAddr;

use super::{Arrived, End, Walk};

impl Walk<'_, '_> {
    /// Follows the answer.
    pub(super) fn back(&mut self, arrived: &Arrived) -> Result<(), End> {
        let Some(source) = arrived.source else { return Ok(()) };
        self.returning = true;
        // The nodes of the way back are other ones, mostly: they are listed behind those of the way there.
        let lost = self.untranslated.first().map(|rule| format!(";\non the way out `{rule}` is missing"));
        let answer = |end: End, node: &str, to: IpAddr| match end {
            End::Broken(words) => {
                let lost = lost.clone().unwrap_or_default();
                End::Broken(format!(
                    "it arrives, but the answer of `{node}` to {to} does not come back:\n{words}{lost}"
                ))
            }
            End::Unknown => End::Unknown,
        };
        let (mut node, mut to) = (arrived.node.clone(), source);
        loop {
            let end = self.walk(&node, to, None, 0).map_err(|e| answer(e, &node, to))?;
            if end.node == self.flow.from {
                return Ok(());
            }
            // Whoever put its own address in takes it out again.
            let Some(at) = self.translated.iter().position(|t| t.node == end.node && t.to == to) else {
                return Err(End::Broken(format!(
                    "it arrives, but the answer goes to `{}`, which has {to} too, and not to `{}`",
                    end.node, self.flow.from
                )));
            };
            let translated = self.translated.remove(at);
            (node, to) = (translated.node, translated.from);
        }
    }

    /// Nothing is broken, so perhaps a rule throws it away: it is sent once more, and the counters say which.
    pub(super) fn thrown_away(&mut self) -> Option<String> {
        let nodes = self.passed.clone();
        let before: Vec<_> = nodes.iter().map(|node| self.ask.thrown_away(node)).collect();
        if before.iter().all(Vec::is_empty) {
            return None;
        }
        self.ask.try_again();
        for (node, before) in nodes.iter().zip(before) {
            for (count, line) in self.ask.thrown_away(node) {
                let earlier = before.iter().find(|(_, l)| *l == line).map_or(0, |(n, _)| *n);
                if count > earlier && super::rules::concerns(&line, self.flow) {
                    // What would have let it through is the reason, whatever took it in the end.
                    let missing = |words: &String| words.contains("is missing");
                    let lost = self.firewall_differs(node, "filter").filter(missing).or_else(|| self.set_differs(node));
                    let lost = lost.map(|words| format!(";\n{words}")).unwrap_or_default();
                    return Some(format!("the firewall of `{node}` throws it away, or the answer: `{line}`{lost}"));
                }
            }
        }
        None
    }
}
