//! netlab's own ends of tunnels, for kernels that lack a tunnel's kind: `netlab endpoint …`, a program inside the node.
//!
//! One thread, one loop: it sleeps until the device or the wire has something, takes what there is, and passes it on.
//! Nothing is allocated per packet.

mod icmp;
mod ipip;
mod next;
mod packet;
mod tun;
mod uapi;
mod wireguard;

pub use tun::Tun;
pub use uapi::seen;

use crate::link::Endpoint;
use crate::name::IfName;

/// Packets taken from one side before the other is looked at.
const BATCH: usize = 64;
/// The largest packet of IP.
const LARGEST: usize = 65_535;

/// Carries packets until it is ended, or its device is gone.
pub fn run(dev: &IfName, endpoint: &Endpoint) -> std::io::Result<()> {
    match endpoint {
        Endpoint::Ipip { outer, except } => ipip::run(dev, outer, except),
        Endpoint::Wireguard(wireguard) => wireguard::run(dev, wireguard),
    }
}

/// The number of an interface in the calling thread's namespace.
fn index(dev: &IfName) -> std::io::Result<u32> {
    nix::net::if_::if_nametoindex(dev.as_str()).map_err(std::io::Error::from)
}

/// The device was deleted: there is nothing left to do.
fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBADFD | libc::EIO | libc::ENODEV | libc::ENXIO))
}
