//! `netlab responder`: what the `http`, `tcp` and `udp` services of a lab run.

use std::net::SocketAddr;

use super::Exit;
use crate::error::Error;
use crate::kernel::responder;
use crate::topology::Responder;

/// Answer with one's name and the client's address
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to speak
    #[arg(value_parser = ["http", "tcp", "udp"])]
    proto: String,
    /// ADDRESS:PORT to listen on
    listen: SocketAddr,
    /// The name to answer with
    name: String,
}

pub(super) fn run(args: &Args) -> Exit {
    let proto = match args.proto.as_str() {
        "http" => Responder::Http,
        "tcp" => Responder::Tcp,
        _ => Responder::Udp,
    };
    responder::serve(proto, args.listen, &args.name)
        .map_err(|e| Error::machine(format!("cannot listen on {}", args.listen)).cause(e))?;
    Ok(0)
}
