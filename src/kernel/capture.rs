//! Looking at what passes an interface: a packet socket inside the node.

use std::ffi::CString;
use std::io::{Error, ErrorKind, Result};
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use socket2::{Domain, MaybeUninitSlice, MsgHdrMut, SockAddr, SockAddrStorage, Socket, Type};

use crate::check::packet::Frame;

/// Loopback has Ethernet headers too, all zero.
const WITH_ETHERNET: [u16; 2] = [libc::ARPHRD_ETHER, libc::ARPHRD_LOOPBACK];
/// veth hands over unsegmented packets, as large as IP allows.
const LARGEST: usize = 70_000;
/// A burst of large packets must not be lost while the runtime does something else.
const RECEIVE_BUFFER: libc::c_int = 32 << 20;

/// A socket that gets a copy of every packet of one interface, in both directions.
pub struct Capture {
    socket: Socket,
    ethernet: bool,
    buffer: std::cell::RefCell<Vec<u8>>,
}

impl Capture {
    /// Begins, in the namespace of the calling thread.
    pub fn open(interface: &str) -> Result<Capture> {
        let index = index(interface)?;
        let raw = bound(Type::RAW, index)?;
        // Only a bound socket knows what kind of interface it is on.
        let ethernet = WITH_ETHERNET.contains(&link_address(&raw.local_addr()?).sll_hatype);
        // A tunnel has no Ethernet header, and what it has instead differs by kind: this way it is taken off.
        let socket = if ethernet { raw } else { bound(Type::DGRAM, index)? };
        Ok(Capture { socket, ethernet, buffer: vec![0; LARGEST].into() })
    }

    /// The next packet; `WouldBlock` when there is none yet.
    pub fn next(&self) -> Result<Frame> {
        let mut buffer = self.buffer.borrow_mut();
        // Aligned as the kernel's control messages are.
        let mut control = [MaybeUninit::<u64>::uninit(); 8];
        let mut from = SockAddr::from(std::net::SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 0));
        let (length, controlled) = {
            // SAFETY: the same memory, initialised; recvmsg only writes initialised bytes to it.
            let data = unsafe { std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast(), buffer.len()) };
            // SAFETY: the same memory as bytes, which may be uninitialised as they were.
            let control = unsafe {
                std::slice::from_raw_parts_mut(control.as_mut_ptr().cast::<MaybeUninit<u8>>(), size_of::<[u64; 8]>())
            };
            let mut data = [MaybeUninitSlice::new(data)];
            let mut message = MsgHdrMut::new().with_addr(&mut from).with_buffers(&mut data).with_control(control);
            let length = self.socket.recvmsg(&mut message, 0)?;
            (length, message.control_len())
        };
        // SAFETY: the kernel has written that many bytes.
        let control =
            unsafe { std::slice::from_raw_parts(control.as_ptr().cast::<u8>(), controlled.min(size_of::<[u64; 8]>())) };
        let bytes = buffer[..length.min(buffer.len())].to_vec();
        let bare = (!self.ethernet).then(|| u16::from_be(link_address(&from).sll_protocol));
        Ok(Frame { bytes, bare, tag: tag(control) })
    }

    /// How many packets the kernel had no room for, since the last time this was asked.
    pub fn lost(&self) -> Result<usize> {
        let mut statistics = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
        let mut size = size_of::<libc::tpacket_stats>() as libc::socklen_t;
        // SAFETY: the kernel writes at most `size` bytes, which is what the struct has.
        let done = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut statistics).cast(),
                &raw mut size,
            )
        };
        if done == 0 { Ok(statistics.tp_drops as usize) } else { Err(Error::last_os_error()) }
    }
}

impl AsFd for Capture {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Capture {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn index(interface: &str) -> Result<libc::c_int> {
    let name = CString::new(interface).map_err(|e| Error::new(ErrorKind::InvalidInput, e))?;
    // SAFETY: a string that ends with a zero byte.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(Error::last_os_error()),
        index => Ok(index as libc::c_int),
    }
}

/// Protocol 0 until it is bound: no packet of another interface gets in between.
fn bound(kind: Type, index: libc::c_int) -> Result<Socket> {
    let socket = Socket::new(Domain::PACKET, kind, None)?;
    socket.set_nonblocking(true)?;
    // An unprivileged limit; root goes beyond it. Without, the kernel's usual size has to do.
    let _ = set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, RECEIVE_BUFFER);
    set(&socket, libc::SOL_PACKET, libc::PACKET_AUXDATA, 1)?;
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is an address of the packet family, smaller than the storage.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::AF_PACKET as libc::sa_family_t;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = index;
    // SAFETY: the address was filled in above, and this is its length.
    let address = unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as libc::socklen_t) };
    socket.bind(&address)?;
    Ok(socket)
}

fn set(socket: &Socket, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> Result<()> {
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option is an int, and `size` is its size.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), size) };
    if done == 0 { Ok(()) } else { Err(Error::last_os_error()) }
}

fn link_address(address: &SockAddr) -> libc::sockaddr_ll {
    let mut storage = address.clone().as_storage();
    // SAFETY: every packet socket's addresses are sockaddr_ll, and the storage is larger and zeroed behind them.
    unsafe { *storage.view_as::<libc::sockaddr_ll>() }
}

/// The 802.1Q tag among the control messages: the kernel takes it out of the frame.
fn tag(control: &[u8]) -> Option<u16> {
    let header = size_of::<libc::cmsghdr>();
    let mut rest = control;
    while rest.len() >= header {
        let length = usize::from_ne_bytes(rest.get(..size_of::<usize>())?.try_into().ok()?);
        let word = |at: usize| rest.get(at..at + 4)?.try_into().ok().map(i32::from_ne_bytes);
        let (level, kind) = (word(size_of::<usize>())?, word(size_of::<usize>() + 4)?);
        let data = rest.get(header..length.max(header))?;
        if (level, kind) == (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
            // struct tpacket_auxdata: status, len, snaplen (u32), mac, net, vlan_tci, vlan_tpid (u16)
            let status = u32::from_ne_bytes(data.get(..4)?.try_into().ok()?);
            let tci = u16::from_ne_bytes(data.get(16..18)?.try_into().ok()?);
            return (status & libc::TP_STATUS_VLAN_VALID != 0).then_some(tci);
        }
        rest = rest.get(length.max(header).next_multiple_of(size_of::<usize>())..)?;
    }
    None
}
