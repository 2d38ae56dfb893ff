//! What every device section of a lab file has in common: addresses, MAC, MTU, up.

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

/// Writes a section as it stands in a lab file: its own keys, then the four that every device has.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident as $title:literal { $($(#[$about:meta])* $key:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
        #[schemars(rename = $title)]
        pub struct $name {
            $($(#[$about])* pub $key: $type,)*
            /// Addresses with prefix length: `192.168.15.1/24`.
            pub addresses: Vec<$crate::span::Sp<String>>,
            /// Ethernet address, where the kind has one of its own; a stable one is made from the names if not said.
            pub mac: Option<$crate::span::Sp<String>>,
            /// Largest packet in bytes.
            pub mtu: Option<$crate::span::Sp<u32>>,
            /// `off` leaves it down.
            pub up: Option<$crate::span::Sp<bool>>,
        }

        impl $crate::link::device::HasSettings for $name {
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
pub(crate) use section;

section! {
    /// A section that has nothing but the usual keys.
    Plain as "Device" {}
}
