//! What a line does to the packets that it carries, as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Text;
use crate::span::Sp;

/// What happens to packets that leave by an interface, in the units of `tc`: a `rate` alone is a token bucket (tbf),
/// anything else is a bad line (netem), which may have a rate too.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Qdisc {
    /// How long every packet waits: `50ms`.
    pub delay: Option<Text>,
    /// How much longer or shorter: `5ms`.
    pub jitter: Option<Text>,
    /// Packets that are lost: `1%`.
    pub loss: Option<Text>,
    /// Packets that are sent twice: `1%`.
    pub duplicate: Option<Text>,
    /// Packets in which a bit is turned over: `0.1%`.
    pub corrupt: Option<Text>,
    /// Packets that do not wait, and so overtake others: `25%`; needs a `delay`.
    pub reorder: Option<Text>,
    /// How fast: `10mbit`.
    pub rate: Option<Text>,
    /// Bytes that may go at once before a rate is enforced: `32kb`; with a `rate` alone.
    pub burst: Option<Text>,
    /// How long a packet may wait for its turn before it is dropped: `50ms`; with a `rate` alone.
    pub latency: Option<Text>,
    /// How many packets may wait: `1000`.
    pub limit: Option<Sp<u32>>,
}
