//! TUN devices: interfaces whose packets a program reads and writes.

use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use super::packet::{self, OFFLOAD};
use crate::name::IfName;

const DEVICE: &str = "/dev/net/tun";
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const TUNSETPERSIST: libc::c_ulong = 0x4004_54cb;
/// Packets of IP, with what is still to be done to each in front ([`packet::offload`]).
const FLAGS: libc::c_int = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR;

/// A TUN device with this program behind it: the interface has its carrier as long as this lives.
pub struct Tun {
    file: File,
    name: IfName,
}

impl Tun {
    /// Whether this machine lets anybody make one.
    pub fn possible() -> std::io::Result<()> {
        File::options().read(true).write(true).open(DEVICE).map(|_| ())
    }

    /// Makes one, or gets behind one that is there already, in the calling thread's namespace. A new one goes when this
    /// does, unless it is kept. A second program behind the same device is refused (EBUSY).
    pub fn open(name: &IfName) -> std::io::Result<Tun> {
        let file = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(DEVICE)?;
        // SAFETY: all zeroes is a valid `ifreq`, a plain C structure.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(name.as_str().bytes().take(libc::IFNAMSIZ - 1)) {
            *to = from as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = FLAGS as libc::c_short;
        // SAFETY: TUNSETIFF reads and writes one `ifreq`, which lives on this stack.
        if unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF as _, &raw mut request) } < 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(Tun { file, name: name.clone() })
    }

    /// Leaves the device in place when nobody is behind it any more.
    pub fn keep(&self) -> std::io::Result<()> {
        // SAFETY: TUNSETPERSIST takes its number in the place of the pointer.
        if unsafe { libc::ioctl(self.file.as_raw_fd(), TUNSETPERSIST as _, 1 as libc::c_ulong) } < 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(())
    }

    /// The next packet that the node sends into the device; `WouldBlock` when there is none.
    pub fn receive<'b>(&self, buffer: &'b mut [u8]) -> std::io::Result<&'b [u8]> {
        let n = (&self.file).read(buffer)?;
        // The device offers the kernel nothing, so that nothing is left to be done to what comes from there.
        Ok(buffer.get(OFFLOAD..n).unwrap_or_default())
    }

    /// Hands a packet to the node as received by the device. A device that is down takes none: that is no error.
    pub fn deliver(&self, packet: &[u8]) {
        let todo = packet::offload(packet, || self.mtu());
        let _ = (&self.file).write_vectored(&[IoSlice::new(&todo), IoSlice::new(packet)]);
    }

    /// The device's MTU right now; the smallest that every host takes if it cannot be read.
    fn mtu(&self) -> usize {
        let text = std::fs::read_to_string(format!("/sys/class/net/{}/mtu", self.name)).unwrap_or_default();
        text.trim().parse().unwrap_or(576)
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
