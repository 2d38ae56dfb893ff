//! What every device section of a lab file has in common: addresses, MAC, MTU, up.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::span::Sp;

/// The settings that any interface may have.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Addresses with prefix length.
    pub addresses: Vec<Sp<String>>,
    /// Ethernet address.
    pub mac: Option<Sp<String>>,
    /// Largest packet in bytes.
    pub mtu: Option<Sp<u32>>,
    /// `off` leaves it down.
    pub up: Option<Sp<bool>>,
}

/// A section that can give them. (serde's `flatten` would lose the positions.)
pub trait HasSettings {
    /// The settings.
    fn settings(&self) -> Settings;
}

/// Writes [`HasSettings`] for a section with the four usual keys.
macro_rules! has_settings {
    ($type:ty) => {
        impl $crate::link::device::HasSettings for $type {
            fn settings(&self) -> $crate::link::device::Settings {
                $crate::link::device::Settings {
                    addresses: self.addresses.clone(),
                    mac: self.mac.clone(),
                    mtu: self.mtu.clone(),
                    up: self.up.clone(),
                }
            }
        }
    };
}
pub(crate) use has_settings;

/// A section that has nothing but the usual keys.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Device")]
pub struct Plain {
    /// Addresses with prefix length: `192.168.15.1/24`.
    pub addresses: Vec<Sp<String>>,
    /// Ethernet address; a stable one is made from the names if not said.
    pub mac: Option<Sp<String>>,
    /// Largest packet in bytes.
    pub mtu: Option<Sp<u32>>,
    /// `off` leaves the interface down.
    pub up: Option<Sp<bool>>,
}

has_settings!(Plain);
has_settings!(super::bridge::Written);
