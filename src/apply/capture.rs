//! Collecting the packets of a wire while something else runs.

use std::future::Future;
use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::check::Verdict;
use crate::check::packet::Frame;
use crate::check::sees::Capture;
use crate::kernel::Refusal;
use crate::kernel::capture::Capture as Socket;

/// For packets that are still on the way when the traffic has ended.
const GRACE: Duration = Duration::from_millis(50);
/// More than a check can need; a lab could send for ever.
const MOST_FRAMES: usize = 20_000;
const MOST_BYTES: usize = 64 << 20;

struct Collected {
    frames: Vec<Frame>,
    bytes: usize,
    lost: usize,
}

/// Runs the traffic and keeps every packet that the socket gets meanwhile.
pub async fn during(socket: Socket, traffic: impl Future<Output = Verdict>) -> Result<Capture, Refusal> {
    // SAFETY: the socket is open for as long as its owner, which the runtime's registration is dropped with.
    let socket =
        unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }.map_err(std::io::Error::from)?;
    let mut collected = Collected { frames: Vec::new(), bytes: 0, lost: 0 };
    tokio::pin!(traffic);
    let traffic = loop {
        tokio::select! {
            verdict = &mut traffic => break verdict,
            kept = keep(&socket, &mut collected) => kept?,
        }
    };
    let grace = tokio::time::sleep(GRACE);
    tokio::pin!(grace);
    loop {
        tokio::select! {
            () = &mut grace => break,
            kept = keep(&socket, &mut collected) => kept?,
        }
    }
    let lost = collected.lost + socket.get_ref().lost()?;
    Ok(Capture { frames: collected.frames, lost, traffic })
}

/// Keeps what is there, or waits for more.
async fn keep(socket: &AsyncFd<Socket>, collected: &mut Collected) -> Result<(), Refusal> {
    let mut ready = socket.readable().await?;
    loop {
        match socket.get_ref().next() {
            Ok(frame) if collected.frames.len() >= MOST_FRAMES || collected.bytes + frame.bytes.len() > MOST_BYTES => {
                collected.lost += 1;
            }
            Ok(frame) => {
                collected.bytes += frame.bytes.len();
                collected.frames.push(frame);
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                ready.clear_ready();
                return Ok(());
            }
            // The interface went down, and may come up again: what else it says is heard all the same.
            Err(e) if e.raw_os_error() == Some(libc::ENETDOWN) => {}
            Err(e) => return Err(Refusal::from(e)),
        }
    }
}
