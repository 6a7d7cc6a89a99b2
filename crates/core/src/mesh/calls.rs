//! Calls: what a node does to reach an address: one dial at a time for each, shared by all who want it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::connection::Connection;
use super::frame::Frame;
use super::node::{Met, Node};
use super::tell::tell;
use crate::counters::Dropped;
use crate::error::{Error, ErrorKind, Result};
use crate::payload::Payload;
use crate::pid::Pid;
use crate::send::{Refusal, SendError};

/// How long a dial that met another connection with the same node waits for that one before it tries again.
const ELSEWHERE: Duration = Duration::from_millis(250);

impl Node {
    /// The connection with whoever listens there, made where there is none.
    pub(crate) async fn connect(self: &Arc<Self>, address: &str) -> Result<Arc<Connection>> {
        let (tell, told) = oneshot::channel();
        {
            let mut registry = self.registry.lock();
            if registry.closed {
                return Err(closed());
            }
            if let Some(connection) = registry.by_address(address) {
                return Ok(Arc::clone(connection));
            }
            let is_dialled = registry.dials.contains_key(address);
            registry.dials.entry(address.to_owned()).or_default().waiters.push(tell);
            if !is_dialled {
                self.spawn_dial(address);
            }
        }
        told.await.unwrap_or_else(|_| Err(closed()))
    }

    fn spawn_dial(self: &Arc<Self>, address: &str) {
        let (node, address) = (Arc::clone(self), address.to_owned());
        self.handle.spawn(async move {
            let limit = node.options.timeout;
            let met = timeout(limit, node.dial_until_met(&address)).await.unwrap_or_else(|_| {
                let message = format!("node {address} did not answer within {limit:?}");
                Err(Error::new(ErrorKind::NodeDown, message))
            });
            node.dial_ended(&address, &met);
        });
    }

    async fn dial_until_met(self: &Arc<Self>, address: &str) -> Result<Arc<Connection>> {
        loop {
            let name = match self.dial(address).await? {
                Met::Node(connection) => return Ok(connection),
                Met::Elsewhere(name) => name,
            };
            if let Ok(connection) = timeout(ELSEWHERE, self.elsewhere(name.as_deref(), address)).await {
                return Ok(connection);
            }
        }
    }

    /// The connection that a dial met. Where the peer does not tell its name, it is known by where it listens.
    async fn elsewhere(&self, name: Option<&str>, address: &str) -> Arc<Connection> {
        loop {
            // Before the look, so that none is missed that is made after it.
            let made = self.made.notified();
            let found = {
                let registry = self.registry.lock();
                match name {
                    Some(name) => registry.by_name(name).cloned(),
                    None => registry.connections().find(|known| known.hello.address == address).cloned(),
                }
            };
            if let Some(connection) = found {
                return connection;
            }
            made.await;
        }
    }

    fn dial_ended(&self, address: &str, met: &Result<Arc<Connection>>) {
        let dial = {
            let mut registry = self.registry.lock();
            let mut dial = registry.dials.remove(address).unwrap_or_default();
            if let Ok(connection) = met {
                // Before the address is known, so that what is sent from now on goes behind it.
                for (pid, payload) in std::mem::take(&mut dial.queue) {
                    self.send_over(connection, pid, payload);
                }
                if registry.by_name(connection.name()).is_some_and(|known| known.is_same(connection)) {
                    registry.set_address(address, connection);
                }
            }
            dial
        };
        if let Some(shared) = self.shared.upgrade() {
            for (pid, payload) in dial.queue {
                shared.count_lost(pid, Some(payload.as_slice()), Dropped::NodeDown);
            }
        }
        for waiter in dial.waiters {
            let _ = waiter.send(met.clone());
        }
    }

    fn send_over(&self, connection: &Connection, pid: Pid, payload: Payload) {
        let Some(shared) = self.shared.upgrade() else { return };
        match connection.proxy(pid) {
            // A refusal is counted where it is made.
            Ok(proxy) => drop(shared.try_send(proxy, payload)),
            Err(_) => shared.count_lost(pid, Some(payload.as_slice()), Dropped::NodeDown),
        }
    }

    // What users call

    pub(crate) async fn resolve(self: Arc<Self>, address: String, name: String) -> Result<Option<Pid>> {
        self.in_time(&address, async {
            let connection = self.connect(&address).await?;
            connection.resolve(&name).await
        })
        .await
    }

    pub(crate) async fn check(self: Arc<Self>, address: String) -> Result<()> {
        self.in_time(&address, async {
            let connection = self.connect(&address).await?;
            connection.ping().await
        })
        .await
    }

    /// The proxy of an actor that is known by its pid alone.
    pub(crate) async fn monitor(self: Arc<Self>, address: String, target: Pid) -> Result<Pid> {
        self.in_time(&address, async {
            let connection = self.connect(&address).await?;
            connection.proxy(target)
        })
        .await
    }

    /// Tells another node what this one knows of the members of the mesh.
    pub(crate) fn say_gossip(self: &Arc<Self>, from: SocketAddr, to: SocketAddr, message: Vec<u8>) {
        let (node, from, address) = (Arc::clone(self), from.to_string(), to.to_string());
        self.handle.spawn(async move {
            match node.connect(&address).await {
                Ok(connection) => {
                    connection.outbox.signal(&Frame::Gossip { from: &from, message: &message });
                }
                Err(error) => node.tell_unreachable(&address, &error),
            }
        });
    }

    /// A member that gossip names did not answer.
    pub(super) fn tell_unreachable(&self, address: &str, error: &Error) {
        tell!(
            self.shared,
            DEBUG,
            "a member cannot be reached",
            node = self.name,
            address = address,
            error = error,
        );
    }

    async fn in_time<T>(&self, address: &str, step: impl Future<Output = Result<T>>) -> Result<T> {
        let limit = self.options.timeout;
        timeout(limit, step).await.unwrap_or_else(|_| {
            let message = format!("node {address} did not answer within {limit:?}");
            Err(Error::new(ErrorKind::NodeDown, message))
        })
    }

    /// Sends to an actor that is known by its pid alone. What is sent before the node answers waits for it.
    pub(crate) fn send(
        self: &Arc<Self>,
        address: &str,
        target: Pid,
        payload: Payload,
    ) -> Result<(), SendError> {
        let Some(shared) = self.shared.upgrade() else {
            return Err(SendError { refusal: Refusal::NoProcess, payload });
        };
        let connection = {
            let mut registry = self.registry.lock();
            match registry.by_address(address) {
                Some(connection) => Arc::clone(connection),
                None => {
                    let is_dialled = registry.dials.contains_key(address);
                    let queued = registry.dials.entry(address.to_owned()).or_default().queue(target, payload);
                    if !is_dialled {
                        self.spawn_dial(address);
                    }
                    drop(registry);
                    return queued.map_err(|payload| {
                        shared.count_lost(target, Some(payload.as_slice()), Dropped::MailboxFull);
                        SendError { refusal: Refusal::Full, payload }
                    });
                }
            }
        };
        match connection.proxy(target) {
            Ok(proxy) => shared.try_send(proxy, payload),
            Err(_) => {
                shared.count_lost(target, Some(payload.as_slice()), Dropped::NoProcess);
                Err(SendError { refusal: Refusal::NoProcess, payload })
            }
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::RuntimeClosed, "the runtime is closed")
}
