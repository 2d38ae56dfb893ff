//! netem and tbf as netlink attributes: netlink-packet-route knows neither, so these are the structs of
//! `linux/pkt_sched.h`, in the machine's byte order.

use rtnetlink::packet_core::{DefaultNla, Nla};
use rtnetlink::packet_route::tc::{TcAttribute, TcHandle, TcHeader, TcMessage, TcOption};

use crate::ip::qdisc::{BURST_STEP, NETEM_LIMIT, Netem, Qdisc, Share, Tbf};

const TCA_OPTIONS: u16 = 2;
const TCA_NETEM_REORDER: u16 = 3;
const TCA_NETEM_CORRUPT: u16 = 4;
const TCA_NETEM_RATE: u16 = 6;
const TCA_NETEM_RATE64: u16 = 8;
const TCA_NETEM_LATENCY64: u16 = 10;
const TCA_NETEM_JITTER64: u16 = 11;
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;
const TCA_TBF_BURST: u16 = 6;
/// sizeof(struct tc_netem_qopt): latency, limit, loss, gap, duplicate, jitter.
const NETEM_OPT: usize = 24;
/// Nanoseconds in a tick of the packet scheduler.
const TICK: u64 = 64;

/// The root qdisc of an interface, or a question for all (`index` 0).
pub(super) fn message(qdisc: Option<&Qdisc>, index: u32) -> TcMessage {
    let header = TcHeader {
        index: index as i32,
        parent: if index == 0 { TcHandle::UNSPEC } else { TcHandle::ROOT },
        ..TcHeader::default()
    };
    let mut attributes = Vec::new();
    if let Some(qdisc) = qdisc {
        attributes.push(TcAttribute::Kind(qdisc.word().into()));
        attributes.push(TcAttribute::Other(DefaultNla::new(TCA_OPTIONS, options(qdisc))));
    }
    TcMessage::from_parts(header, attributes)
}

/// The interface and its root qdisc, where it is one that a lab can ask for.
pub(super) fn from_message(message: &TcMessage) -> Option<(u32, Qdisc)> {
    if message.header.parent != TcHandle::ROOT {
        return None;
    }
    let kind = message.attributes.iter().find_map(|a| match a {
        TcAttribute::Kind(kind) => Some(kind.as_str()),
        _ => None,
    })?;
    let bytes = message.attributes.iter().find_map(|a| match a {
        TcAttribute::Options(list) => list.iter().find_map(|option| match option {
            TcOption::Other(nla) => {
                let mut bytes = vec![0; nla.value_len()];
                nla.emit_value(&mut bytes);
                Some(bytes)
            }
            _ => None,
        }),
        _ => None,
    })?;
    let qdisc = match kind {
        "netem" => Qdisc::Netem(read_netem(&bytes)?),
        "tbf" => Qdisc::Tbf(read_tbf(&bytes)?),
        _ => return None,
    };
    Some((message.header.index as u32, qdisc))
}

fn options(qdisc: &Qdisc) -> Vec<u8> {
    match qdisc {
        Qdisc::Netem(netem) => write_netem(netem),
        Qdisc::Tbf(tbf) => write_tbf(tbf),
    }
}

fn write_netem(netem: &Netem) -> Vec<u8> {
    // Overtaking is counted from one packet to the next: without a gap nothing is reordered.
    let gap = u32::from(netem.reorder.0 > 0);
    let mut bytes = Vec::new();
    for word in [0, netem.limit, netem.loss.0, gap, netem.duplicate.0, 0] {
        bytes.extend(u32::to_ne_bytes(word));
    }
    attribute(&mut bytes, TCA_NETEM_LATENCY64, &netem.delay.to_ne_bytes());
    attribute(&mut bytes, TCA_NETEM_JITTER64, &netem.jitter.to_ne_bytes());
    for (kind, share) in [(TCA_NETEM_REORDER, netem.reorder), (TCA_NETEM_CORRUPT, netem.corrupt)] {
        if share.0 > 0 {
            // Probability and correlation.
            attribute(&mut bytes, kind, &[share.0.to_ne_bytes(), [0; 4]].concat());
        }
    }
    if netem.rate > 0 {
        // Rate, packet overhead, cell size, cell overhead; a rate that does not fit stands in an attribute of its own.
        let rate = u32::try_from(netem.rate).unwrap_or(u32::MAX);
        attribute(&mut bytes, TCA_NETEM_RATE, &[rate.to_ne_bytes(), [0; 4], [0; 4], [0; 4]].concat());
        if rate == u32::MAX {
            attribute(&mut bytes, TCA_NETEM_RATE64, &netem.rate.to_ne_bytes());
        }
    }
    bytes
}

fn read_netem(bytes: &[u8]) -> Option<Netem> {
    let word = |n: usize| u32_at(bytes, n * 4);
    let mut netem = Netem {
        // Kernels that do not say it in nanoseconds (before 4.15) say it in ticks.
        delay: u64::from(word(0)?) * TICK,
        jitter: u64::from(word(5)?) * TICK,
        limit: word(1)?,
        loss: Share(word(2)?),
        duplicate: Share(word(4)?),
        corrupt: Share(0),
        reorder: Share(0),
        rate: 0,
    };
    for (kind, value) in attributes(bytes.get(NETEM_OPT..)?) {
        match kind {
            TCA_NETEM_LATENCY64 => netem.delay = u64_at(value)?,
            TCA_NETEM_JITTER64 => netem.jitter = u64_at(value)?,
            TCA_NETEM_REORDER => netem.reorder = Share(u32_at(value, 0)?),
            TCA_NETEM_CORRUPT => netem.corrupt = Share(u32_at(value, 0)?),
            TCA_NETEM_RATE if netem.rate == 0 => netem.rate = u32_at(value, 0)?.into(),
            TCA_NETEM_RATE64 => netem.rate = u64_at(value)?,
            _ => {}
        }
    }
    Some(netem)
}

fn write_tbf(tbf: &Tbf) -> Vec<u8> {
    /// TC_LINKLAYER_ETHERNET: the kernel counts by itself, without a table of ours.
    const ETHERNET: u8 = 1;
    let rate = u32::try_from(tbf.rate).unwrap_or(u32::MAX);
    // struct tc_tbf_qopt: two rates of 12 bytes (cell_log, linklayer, overhead, cell_align, mpu, rate), limit, buffer, mtu.
    let mut opt = vec![0, ETHERNET, 0, 0, 0, 0, 0, 0];
    opt.extend(rate.to_ne_bytes());
    opt.extend([0; 12]);
    opt.extend(tbf.limit.to_ne_bytes());
    opt.extend([0; 8]);
    let mut bytes = Vec::new();
    attribute(&mut bytes, TCA_TBF_PARMS, &opt);
    // The buffer in bytes: the kernel makes the time of it.
    attribute(&mut bytes, TCA_TBF_BURST, &tbf.burst.to_ne_bytes());
    if rate == u32::MAX {
        attribute(&mut bytes, TCA_TBF_RATE64, &tbf.rate.to_ne_bytes());
    }
    bytes
}

fn read_tbf(bytes: &[u8]) -> Option<Tbf> {
    let list = attributes(bytes);
    let find = |wanted: u16| list.iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| *value);
    let opt = find(TCA_TBF_PARMS)?;
    let rate = find(TCA_TBF_RATE64).and_then(u64_at).or(u32_at(opt, 8).map(u64::from))?;
    let (limit, buffer) = (u32_at(opt, 24)?, u32_at(opt, 28)?);
    let burst = u128::from(buffer) * u128::from(TICK) * u128::from(rate) / 1_000_000_000;
    let step = u128::from(BURST_STEP);
    let burst = u32::try_from((burst + step / 2) / step * step).unwrap_or(u32::MAX);
    Some(Tbf { rate, burst, limit })
}

fn attribute(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    bytes.extend((value.len() as u16 + 4).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

fn attributes(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut list = Vec::new();
    while let (Some(length), Some(kind)) = (u16_at(bytes, 0), u16_at(bytes, 2)) {
        let length = usize::from(length);
        let Some(value) = bytes.get(4..length) else { break };
        list.push((kind & 0x3fff, value));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    list
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(..8)?.try_into().ok()?))
}

/// One of each word, to ask the kernel about.
pub(super) fn plain(word: &str) -> Qdisc {
    let none = Share(0);
    match word {
        "tbf" => Qdisc::Tbf(Tbf { rate: 1_250_000, burst: 8192, limit: 65_536 }),
        _ => Qdisc::Netem(Netem {
            delay: 0,
            jitter: 0,
            loss: none,
            duplicate: none,
            corrupt: none,
            reorder: none,
            rate: 0,
            limit: NETEM_LIMIT,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let Qdisc::Netem(plain) = plain("netem") else { unreachable!() };
        let netem = Netem { delay: 7, jitter: 5, loss: Share(9), reorder: Share(3), rate: 5_000_000_000, ..plain };
        assert_eq!(read_netem(&write_netem(&netem)), Some(netem));
        assert_eq!(read_netem(&write_netem(&plain)), Some(plain));
    }
}
