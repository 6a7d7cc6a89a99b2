//! Options of a node, with the limits that hold for every one.

use std::time::Duration;

use super::hello::NODE_NAME_MAX;
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
    /// Bytes of messages from one node that may be under way, or wait in mailboxes, before its senders are refused.
    pub window: usize,
    /// Whether addresses that others can reach may be used without TLS.
    pub insecure: bool,
}

impl Default for MeshOptions {
    fn default() -> Self {
        Self {
            name: None,
            timeout: Duration::from_secs(5),
            heartbeat: Duration::from_secs(1),
            payload_max: 1 << 20,
            window: 16 << 20,
            insecure: false,
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
        Ok(())
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
        ] {
            assert_eq!(wrong.check().unwrap_err().kind(), ErrorKind::InvalidArgument, "{wrong:?}");
        }
    }
}
