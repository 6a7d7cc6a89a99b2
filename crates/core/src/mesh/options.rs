//! Options of a node, with the limits that hold for every one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::allow::Allow;
use super::hello::NODE_NAME_MAX;
use super::listed;
use super::liveness::{HEARTBEAT_MAX, HEARTBEAT_MIN};
use crate::error::{Error, Result};

/// Most nodes that one is connected with: each has two buffers and two tasks, and every pair its heartbeat.
pub const NODES_MAX: usize = 1024;
/// Most connections whose other side has not said yet who it is; the oldest goes for a new one, so that silent clients
/// keep nobody out.
pub(crate) const HANDSHAKES_MAX: usize = 256;
/// How long a client may take to say who it is.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Most proxies of one node's actors.
pub(crate) const PROXIES_MAX: usize = 1 << 20;
/// Most asks of one node that are not answered yet, in each direction.
pub(crate) const ASKS_MAX: usize = 1 << 20;
/// How many things one peer may have of this node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerLimits {
    pub(crate) proxies: usize,
    pub(crate) asks: usize,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self { proxies: PROXIES_MAX, asks: ASKS_MAX }
    }
}

/// Bytes of messages that wait for one address while it is being dialled.
pub(crate) const DIAL_QUEUE_MAX: usize = 1 << 20;
/// How long a closing node takes to tell the others, and a connection to be written out.
pub(crate) const CLOSE_GRACE: Duration = Duration::from_millis(500);

/// Longest payload that a node may be set to take.
const PAYLOAD_MAX: usize = 64 << 20;
/// Largest window.
const WINDOW_MAX: usize = 1 << 30;

/// How a runtime is a node: set at the first call that needs a connection, and the same from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshOptions {
    /// The node's name, by which others know it again. `None`: one of its own, new with every start.
    pub name: Option<String>,
    /// How long a connection, a look-up or a sign of life may take.
    pub timeout: Duration,
    /// How often each node tells each other that it lives. One that is silent for three of its heartbeats is gone.
    pub heartbeat: Duration,
    /// Longest payload that this node takes, in bytes.
    pub payload_max: usize,
    /// Bytes of messages from one node that may be under way, or wait in mailboxes, before its senders are refused. A
    /// message gives its bytes back when its [`Payload`](crate::Payload) is dropped: who keeps messages keeps copies.
    pub window: usize,
    /// The certificates that this node shows and trusts. With them every connection is TLS, and the node's name is one
    /// of its certificate.
    pub certificates: Option<Certificates>,
    /// Which peers may reach which names; `None`: each may reach all. An actor that a peer may reach by none of its names
    /// is not found, and takes no message from it, unless an actor of here was linked with the peer's.
    pub allow: Option<Vec<Allow>>,
    /// Whether addresses that others can reach may be used without TLS.
    pub insecure: bool,
    /// Hosts with which version 1 of the protocol, which proves nobody's identity, is spoken elsewhere than on loopback, and
    /// with certificates and rules too: IP addresses, or host names, which are looked up at the start and each minute.
    pub v1_hosts: Vec<String>,
}

/// Where a node's certificates are, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificates {
    /// The authority whose certificates this node trusts.
    pub authority: PathBuf,
    /// The node's certificate, for its name, with those between it and the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Certificates {
    /// The files of a node of this name in a directory: `ca.pem`, `NAME.pem` and `NAME.key`, as
    /// [`dev_certs`](crate::dev_certs) writes them.
    ///
    /// # Errors
    /// `InvalidArgument` for a name that cannot be that of a file.
    pub fn in_directory(directory: &Path, name: &str) -> Result<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if name.is_empty() || name.starts_with('.') || name == "ca" || !name.bytes().all(fits) {
            return Err(Error::invalid(format!("node name {name:?} must be a DNS name, and not \"ca\"")));
        }
        let file = |ending: &str| directory.join(format!("{name}.{ending}"));
        Ok(Self { authority: directory.join("ca.pem"), certificate: file("pem"), key: file("key") })
    }
}

impl Default for MeshOptions {
    fn default() -> Self {
        Self {
            name: None,
            timeout: Duration::from_secs(5),
            heartbeat: Duration::from_secs(1),
            payload_max: 1 << 20,
            window: 16 << 20,
            certificates: None,
            allow: None,
            insecure: false,
            v1_hosts: Vec::new(),
        }
    }
}

impl MeshOptions {
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(name) = &self.name
            && (name.is_empty() || name.len() > NODE_NAME_MAX || name.contains(char::is_control))
        {
            let message = format!("a node's name has 1 to {NODE_NAME_MAX} bytes and no control characters");
            return Err(Error::invalid(message));
        }
        if self.certificates.is_some() && self.name.is_none() {
            return Err(Error::invalid("a node with certificates needs the name that they are for"));
        }
        if self.timeout.is_zero() {
            return Err(Error::invalid("the time-out of a node must be longer than 0"));
        }
        if !(HEARTBEAT_MIN..=HEARTBEAT_MAX).contains(&self.heartbeat) {
            let message = format!("a heartbeat is from {HEARTBEAT_MIN:?} to {HEARTBEAT_MAX:?}");
            return Err(Error::invalid(message));
        }
        if self.payload_max == 0 || self.payload_max > PAYLOAD_MAX {
            return Err(Error::invalid(format!("payload_max is 1 to {PAYLOAD_MAX} bytes")));
        }
        if self.window < 2 * self.payload_max || self.window > WINDOW_MAX {
            let message = format!("a window holds two payloads at least and {WINDOW_MAX} bytes at most");
            return Err(Error::invalid(message));
        }
        listed::check(&self.v1_hosts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn options_are_checked() {
        let default = MeshOptions::default;
        assert_eq!(default().check(), Ok(()));
        let name = Some("n".repeat(NODE_NAME_MAX + 1));
        for wrong in [
            MeshOptions { name: Some(String::new()), ..default() },
            MeshOptions { name, ..default() },
            MeshOptions { name: Some("a\nb".to_owned()), ..default() },
            MeshOptions { timeout: Duration::ZERO, ..default() },
            MeshOptions { heartbeat: Duration::from_millis(9), ..default() },
            MeshOptions { heartbeat: Duration::from_secs(61), ..default() },
            MeshOptions { payload_max: 0, ..default() },
            MeshOptions { payload_max: PAYLOAD_MAX + 1, ..default() },
            MeshOptions { window: 1 << 20, ..default() },
            MeshOptions { window: WINDOW_MAX + 1, ..default() },
            MeshOptions { v1_hosts: vec!["10.0.0.0/8".to_owned()], ..default() },
        ] {
            assert_eq!(wrong.check().unwrap_err().kind(), ErrorKind::InvalidArgument, "{wrong:?}");
        }
    }
}
