//! The connections that the calling thread's namespace tracks.

use super::{Refusal, patience, program};
use crate::ip::conntrack::Flow;

/// All of them. Where the kernel has no /proc/net/nf_conntrack, the `conntrack` program is asked.
pub fn flows() -> Result<Vec<Flow>, Refusal> {
    // /proc/self/net is the first thread's namespace; this thread may be in another.
    let text = match std::fs::read_to_string("/proc/thread-self/net/nf_conntrack") {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => by_program()?,
        Err(e) => return Err(e.into()),
    };
    Ok(text.lines().filter_map(Flow::parse).collect())
}

fn by_program() -> Result<String, Refusal> {
    let output = program::run(program::of("conntrack", &["-L", "-o", "extended"]), "")
        .map_err(|refusal| refusal.about("this kernel has no /proc/net/nf_conntrack"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Forgets every connection of the calling thread's namespace. What was translated, or not, by rules that have changed would
/// stay so: a client that uses a port again would meet the old translation.
pub fn forget() -> Result<(), Refusal> {
    use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
    const DELETE: u16 = (1 << 8) | 2; // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE
    const FLAGS: u16 = 0x5; // NLM_F_REQUEST | NLM_F_ACK
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut request = Vec::from(20_u32.to_ne_bytes());
    request.extend(DELETE.to_ne_bytes());
    request.extend(FLAGS.to_ne_bytes());
    request.extend([0; 12]); // sequence, port, and an nfgenmsg that names no family and no connection: all
    socket.send(&request, 0)?;
    // A kernel that tracks nothing says so, and has nothing to forget.
    patience::receive(&socket).map(|_| ())
}
