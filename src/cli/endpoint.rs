//! `netlab endpoint`: the program behind a tunnel that the kernel does not carry.

use std::net::Ipv4Addr;

use super::Exit;
use crate::error::Error;
use crate::kernel::endpoint;
use crate::link::Endpoint;
use crate::link::endpoint::Ends;
use crate::link::tunnel::Outer;
use crate::link::wireguard::Wireguard;
use crate::name::IfName;

/// Carry a tunnel's packets in user space
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Debug, clap::Subcommand)]
enum Mode {
    /// IPv4 in IPv4
    Ipip {
        /// The TUN device, made if it is not there
        dev: String,
        /// This end's address
        #[arg(long)]
        local: Option<Ipv4Addr>,
        /// The other end's address; each packet's route says it if left out
        #[arg(long)]
        remote: Option<Ipv4Addr>,
        /// Time to live of the outer packets; the inner one's if left out
        #[arg(long)]
        ttl: Option<u8>,
        /// The interface that the outer packets leave by
        #[arg(long = "dev", id = "below")]
        below: Option<String>,
        /// FROM or FROM,TO: packets between these are another tunnel's
        #[arg(long)]
        except: Vec<Ends>,
    },
    /// WireGuard; standard input has what `wg setconf` reads
    Wireguard {
        /// The TUN device, made if it is not there
        dev: String,
    },
}

pub(super) fn run(args: &Args) -> Exit {
    let name = |text: &str| IfName::new(text).map_err(|e| Error::usage(format!("`{text}`: {e}")));
    let (dev, endpoint) = match &args.mode {
        Mode::Ipip { dev, local, remote, ttl, below, except } => {
            let below = below.as_deref().map(name).transpose()?;
            let outer = Outer { local: *local, remote: *remote, ttl: *ttl, dev: below };
            (name(dev)?, Endpoint::Ipip { outer, except: except.clone() })
        }
        Mode::Wireguard { dev } => {
            let text = std::io::read_to_string(std::io::stdin())
                .map_err(|e| Error::usage("cannot read standard input").cause(e))?;
            let wireguard = Wireguard::parse(&text).map_err(|e| Error::usage(format!("standard input: {e}")))?;
            (name(dev)?, Endpoint::Wireguard(Box::new(wireguard)))
        }
    };
    endpoint::run(&dev, &endpoint).map_err(|e| Error::machine(format!("the endpoint of `{dev}` ends")).cause(e))?;
    Ok(0)
}
