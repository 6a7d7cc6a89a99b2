//! Registry: which nodes this one is connected with, under which addresses, and whom it is dialling.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::connection::Connection;
use super::hello::Refused;
use super::options::{DIAL_QUEUE_MAX, NODES_MAX};
use super::tie::{self, Dialled, Known};
use crate::error::Result;
use crate::payload::Payload;
use crate::pid::Pid;

/// Who waits for an address to be dialled.
pub(crate) type Waiter = oneshot::Sender<Result<Arc<Connection>>>;

/// An address that is being dialled.
#[derive(Default)]
pub(crate) struct Dial {
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) queue: Vec<(Pid, Payload)>,
    queued_bytes: usize,
}

impl Dial {
    /// Keeps a message until the address answers.
    ///
    /// # Errors
    /// Gives it back where too much waits already.
    pub(crate) fn queue(&mut self, pid: Pid, payload: Payload) -> Result<(), Payload> {
        let bytes = self.queued_bytes + payload.len() + 64;
        if bytes > DIAL_QUEUE_MAX {
            return Err(payload);
        }
        self.queued_bytes = bytes;
        self.queue.push((pid, payload));
        Ok(())
    }
}

/// See the module documentation. Lies under one lock.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) closed: bool,
    nodes: HashMap<String, Arc<Connection>>,
    addresses: HashMap<String, Arc<Connection>>,
    pub(crate) dials: HashMap<String, Dial>,
    /// Connections that were accepted and are not ready yet, by node.
    accepting: HashMap<String, usize>,
}

impl Registry {
    pub(crate) fn by_address(&self, address: &str) -> Option<&Arc<Connection>> {
        self.addresses.get(address)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Arc<Connection>> {
        self.nodes.get(name)
    }

    pub(crate) fn connections(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.nodes.values()
    }

    fn known(&self, name: &str) -> Option<Known> {
        self.nodes.get(name).map(|known| Known { incarnation: known.hello.incarnation })
    }

    /// A node dialled and said who it is. Taken back by [`Registry::accepted`].
    pub(crate) fn accept(&mut self, name: &str, incarnation: u64) -> Result<(), Refused> {
        if self.closed || (self.nodes.len() >= NODES_MAX && !self.nodes.contains_key(name)) {
            return Err(Refused::Busy);
        }
        tie::accept(self.known(name), incarnation)?;
        *self.accepting.entry(name.to_owned()).or_default() += 1;
        Ok(())
    }

    /// The handshake with a node that dialled is over, however it ended.
    pub(crate) fn accepted(&mut self, name: &str) {
        if let Some(count) = self.accepting.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.accepting.remove(name);
            }
        }
    }

    /// A node that was dialled said who it is.
    pub(crate) fn dialled(&self, name: &str, incarnation: u64, this: &str) -> Dialled {
        tie::dialled(self.known(name), incarnation, self.accepting.contains_key(name), this < name)
    }

    /// The connection is made. The result is one that it replaces.
    pub(crate) fn insert(&mut self, connection: &Arc<Connection>) -> Option<Arc<Connection>> {
        let replaced = self.nodes.insert(connection.name().to_owned(), Arc::clone(connection));
        if let Some(replaced) = &replaced {
            self.forget_addresses(replaced);
        }
        replaced
    }

    pub(crate) fn set_address(&mut self, address: &str, connection: &Arc<Connection>) {
        self.addresses.insert(address.to_owned(), Arc::clone(connection));
    }

    /// The connection is lost.
    pub(crate) fn remove(&mut self, connection: &Connection) {
        if self.by_name(connection.name()).is_some_and(|known| known.is_same(connection)) {
            self.nodes.remove(connection.name());
        }
        self.forget_addresses(connection);
    }

    fn forget_addresses(&mut self, connection: &Connection) {
        self.addresses.retain(|_, known| !known.is_same(connection));
    }
}
