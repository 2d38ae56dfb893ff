//! The connections that the calling thread's namespace tracks.

use std::process::{Command, Stdio};

use super::Refusal;
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
    let output = Command::new("conntrack")
        .args(["-L", "-o", "extended"])
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|e| Refusal::from(e).about("this kernel has no /proc/net/nf_conntrack, and `conntrack`"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
