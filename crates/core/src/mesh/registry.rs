//! Registry: which nodes this one is connected with, under which addresses, and whom it is dialling.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::connection::Connection;
use super::hello::Refused;
use super::options::{DIAL_QUEUE_MAX, NODES_MAX};
use super::tie::{self, Place};
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

/// A connection that is made.
struct Made {
    connection: Arc<Connection>,
    serial: u64,
}

/// See the module documentation. Lies under one lock, so that each decision and what comes of it are one step.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) closed: bool,
    nodes: HashMap<String, Made>,
    addresses: HashMap<String, Arc<Connection>>,
    pub(crate) dials: HashMap<String, Dial>,
    /// Connections that this node has decided on and the other has not confirmed, by node.
    promised: HashMap<String, Place>,
    /// The number of the last decision.
    serial: u64,
}

impl Registry {
    pub(crate) fn by_address(&self, address: &str) -> Option<&Arc<Connection>> {
        self.addresses.get(address)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Arc<Connection>> {
        self.nodes.get(name).map(|made| &made.connection)
    }

    pub(crate) fn connections(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.nodes.values().map(|made| &made.connection)
    }

    fn made(&self, name: &str) -> Option<Place> {
        let place =
            |made: &Made| Place { incarnation: made.connection.hello.incarnation, serial: made.serial };
        self.nodes.get(name).map(place)
    }

    fn decide(&mut self, name: &str, incarnation: u64) -> Result<Place, Refused> {
        tie::decide(self.made(name), self.promised.get(name).copied(), incarnation)?;
        self.serial += 1;
        Ok(Place { incarnation, serial: self.serial })
    }

    /// A node dialled and said who it is. The result is the number of the decision for this connection, which is then
    /// promised; 0 where the other decides, later.
    pub(crate) fn welcome(&mut self, this: &str, name: &str, incarnation: u64) -> Result<u64, Refused> {
        if self.closed || (self.nodes.len() >= NODES_MAX && !self.nodes.contains_key(name)) {
            return Err(Refused::Busy);
        }
        if !tie::decides(this, name) {
            let is_stale = self.made(name).is_some_and(|made| made.incarnation > incarnation);
            return if is_stale { Err(Refused::Stale) } else { Ok(0) };
        }
        let place = self.decide(name, incarnation)?;
        self.promised.insert(name.to_owned(), place);
        Ok(place.serial)
    }

    /// The handshake with a node that dialled is over, however it ended.
    pub(crate) fn greeted(&mut self, name: &str, serial: u64) {
        if self.promised.get(name).is_some_and(|promised| promised.serial == serial) {
            self.promised.remove(name);
        }
    }

    /// The node that dialled confirms. `serial` is what it was promised, or what it decided. The result is a connection
    /// that this one replaces.
    pub(crate) fn accepted(
        &mut self,
        this: &str,
        connection: &Arc<Connection>,
        serial: u64,
    ) -> Result<Option<Arc<Connection>>, Refused> {
        let name = connection.name();
        let place = Place { incarnation: connection.hello.incarnation, serial };
        if self.closed {
            return Err(Refused::Busy);
        }
        if !tie::decides(this, name) {
            tie::follow(self.made(name), place)?;
        } else if self.promised.get(name) != Some(&place) {
            // A later start of the node was promised a connection meanwhile.
            return Err(Refused::Stale);
        }
        Ok(self.insert(connection, serial))
    }

    /// A node that was dialled said who it is, and what it decided where that is its part. The result is what to tell it
    /// of our decision, and a connection that this one replaces.
    pub(crate) fn dialled(
        &mut self,
        this: &str,
        connection: &Arc<Connection>,
    ) -> Result<(u64, Option<Arc<Connection>>), Refused> {
        let (name, incarnation) = (connection.name(), connection.hello.incarnation);
        if self.closed {
            return Err(Refused::Busy);
        }
        if tie::decides(this, name) {
            let serial = self.decide(name, incarnation)?.serial;
            return Ok((serial, self.insert(connection, serial)));
        }
        let serial = connection.hello.serial;
        tie::follow(self.made(name), Place { incarnation, serial })?;
        Ok((0, self.insert(connection, serial)))
    }

    fn insert(&mut self, connection: &Arc<Connection>, serial: u64) -> Option<Arc<Connection>> {
        let made = Made { connection: Arc::clone(connection), serial };
        let replaced = self.nodes.insert(connection.name().to_owned(), made)?.connection;
        self.forget_addresses(&replaced);
        Some(replaced)
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
