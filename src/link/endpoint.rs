//! netlab's own end of a tunnel, in user space, for kernels that lack the tunnel's kind.
//!
//! The interface is a TUN device; a program of netlab's inside the node (`netlab endpoint …`) takes what the node sends
//! into it, wraps it, and puts the same bytes on the wire as the kernel would. The other end may be the kernel's.

use std::fmt;
use std::net::{AddrParseError, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Properties;
use super::tunnel::Outer;
use super::wireguard::Wireguard;
use crate::name::IfName;

/// The kind of interface that an endpoint stands behind, as the kernel calls it.
pub const DEVICE: &str = "tun";
/// The property of such an interface that says whether a program is behind it.
pub const PROPERTY: &str = "endpoint";

/// Who carries a tunnel's packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The kernel.
    #[default]
    Kernel,
    /// netlab's endpoint.
    UserSpace,
}

impl By {
    /// Whether it is the kernel, which goes without saying.
    pub fn is_kernel(&self) -> bool {
        *self == By::Kernel
    }
}

/// What an endpoint needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// IPv4 in IPv4.
    Ipip {
        /// Its ends.
        outer: Outer,
        /// Other ipip tunnels of the node: what is between their ends is theirs.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        except: Vec<Ends>,
    },
    /// IP in UDP, sealed.
    Wireguard(Box<Wireguard>),
}

/// Between whom a tunnel is; printed as `FROM` or `FROM,TO`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// The other end.
    pub from: Ipv4Addr,
    /// This one; any address of the node if absent.
    pub to: Option<Ipv4Addr>,
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Some(to) => write!(f, "{},{to}", self.from),
            None => write!(f, "{}", self.from),
        }
    }
}

impl FromStr for Ends {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Ends, AddrParseError> {
        Ok(match text.split_once(',') {
            Some((from, to)) => Ends { from: from.parse()?, to: Some(to.parse()?) },
            None => Ends { from: text.parse()?, to: None },
        })
    }
}

impl Endpoint {
    /// The words after `netlab endpoint`.
    pub fn words(&self, dev: &IfName) -> Vec<String> {
        match self {
            Endpoint::Ipip { outer, except } => {
                let mut words = vec!["ipip".to_string(), dev.to_string()];
                let mut option = |name: &str, value: Option<String>| {
                    words.extend(value.into_iter().flat_map(|v| [format!("--{name}"), v]));
                };
                option("local", outer.local.map(|a| a.to_string()));
                option("remote", outer.remote.map(|a| a.to_string()));
                option("ttl", outer.ttl.map(|t| t.to_string()));
                option("dev", outer.dev.as_ref().map(ToString::to_string));
                except.iter().for_each(|ends| option("except", Some(ends.to_string())));
                words
            }
            Endpoint::Wireguard(_) => vec!["wireguard".to_string(), dev.to_string()],
        }
    }

    /// What it reads from its standard input, line by line: secrets have no place among the words, which `ps` shows.
    pub fn input(&self) -> Option<Vec<String>> {
        match self {
            Endpoint::Ipip { .. } => None,
            Endpoint::Wireguard(wireguard) => Some(wireguard.lines()),
        }
    }

    /// The folder below the node's own /run that it needs.
    pub fn run_folder(&self) -> Option<&'static str> {
        match self {
            Endpoint::Ipip { .. } => None,
            Endpoint::Wireguard(_) => Some("wireguard"),
        }
    }
}

impl Endpoint {
    /// What `status` compares.
    pub fn properties(&self) -> Properties {
        let mut all = properties(true);
        if let Endpoint::Wireguard(wireguard) = self {
            all.extend(wireguard.described());
        }
        all
    }
}

/// The properties of a TUN device: whether a program is behind it, which is what its carrier says.
pub fn properties(carrier: bool) -> Properties {
    Properties::from([(PROPERTY.to_string(), if carrier { "running" } else { "gone" }.to_string())])
}
