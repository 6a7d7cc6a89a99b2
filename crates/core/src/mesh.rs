//! Mesh: actors of other nodes. A node is a runtime that listens; what is sent to a remote actor looks like any send.
//!
//! An actor of another node is known here by a *proxy*: a cell of the table whose pid has bit 52 set, which ends when the
//! actor ends or its node is gone. Links, monitors, supervisors and joins of a proxy are those of any actor; what
//! must be told to the other node goes through [`crate::remote::Peer`]. docs/protocol.md describes the wire.

mod allow;
mod asks;
mod calls;
mod certificates;
mod connection;
#[cfg(test)]
mod corpus_tests;
mod credit;
mod datagram;
mod elder;
mod frame;
mod globals;
mod gossip;
mod held;
mod hello;
#[cfg(test)]
mod limits_tests;
mod listed;
mod listener;
mod liveness;
mod malformed;
mod members;
mod naming;
mod network;
mod node;
mod obey;
mod old;
mod options;
mod outbox;
mod peer;
mod registry;
mod seeds;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod simulation_clocks;
#[cfg(test)]
mod simulation_gossip;
#[cfg(test)]
mod simulation_supervisors;
#[cfg(test)]
mod simulation_tests;
mod stream;
mod tell;
mod tie;
mod tls;
mod v1;

use std::any::Any;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};

pub use allow::Allow;
pub use certificates::dev_certs;
pub use options::{Certificates, MeshOptions, NODES_MAX};

use self::node::Node;
use crate::error::{Error, ErrorKind, Result};
use crate::payload::Payload;
use crate::pid::Pid;
use crate::runtime::Runtime;
use crate::send::SendError;

/// What is called with the outcome of a call to another node, once, on a thread of the mesh.
pub type MeshCompletion<T> = Box<dyn FnOnce(Result<T>) + Send>;

/// A look at a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshInfo {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// The names of the nodes it is connected with, sorted.
    pub nodes: Vec<String>,
    /// Connections that were refused, or closed before they were made, since it began.
    pub refused: u64,
}

impl Runtime {
    /// Makes this runtime a node with these options, without listening. Needed only where other options than the
    /// defaults are wanted: every call below makes it one.
    ///
    /// # Errors
    /// `InvalidArgument` for options that are out of range, or others than the node was made with; `RuntimeClosed`.
    pub fn start_mesh(&self, options: MeshOptions) -> Result<()> {
        self.node_with(Some(options)).map(drop)
    }

    /// Listens for other nodes at `host:port`; port 0 takes a free one. The result is the address really bound.
    ///
    /// # Errors
    /// `ListenFailed` for an address that is in use or not of this machine; `NotPermitted` for one that others can reach
    /// without TLS; `InvalidArgument` for what is no address, and as [`Runtime::start_mesh`].
    pub fn listen(&self, address: &str, options: Option<MeshOptions>) -> Result<SocketAddr> {
        self.node_with(options)?.listen(address)
    }

    /// Looks for the actor that has this name at another node, and makes a proxy for it: a pid of here that stands for
    /// it, and is the same for the same actor. `None`: nobody has the name. Blocks for the node's time-out at most.
    ///
    /// # Errors
    /// `NodeDown`, `NotPermitted`, `InvalidArgument`, `LimitReached`, `RuntimeClosed`.
    pub fn resolve_remote(&self, address: &str, name: &str) -> Result<Option<Pid>> {
        wait(|done| self.resolve_remote_with(address, name, done))
    }

    /// As [`Runtime::resolve_remote`] without blocking.
    pub fn resolve_remote_with(&self, address: &str, name: &str, done: MeshCompletion<Option<Pid>>) {
        if name.len() > frame::TEXT_MAX {
            let message = format!("a name has at most {} bytes, not {}", frame::TEXT_MAX, name.len());
            return done(Err(Error::invalid(message)));
        }
        let (address, name) = (address.to_owned(), name.to_owned());
        self.start(done, |node| node.resolve(address, name));
    }

    /// Sends to an actor of another node by its proxy, or by the pid that it has there. What is sent before the node
    /// answers waits for it; what it does not get is a dead letter.
    ///
    /// # Errors
    /// Gives the payload back with the reason it was refused.
    pub fn send_remote(&self, address: &str, pid: Pid, payload: Payload) -> Result<(), SendError> {
        if pid.is_proxy() {
            return self.try_send(pid, payload);
        }
        match self.node() {
            Ok(node) => node.send(address, pid, payload),
            Err(_) => Err(SendError { refusal: crate::send::Refusal::NoProcess, payload }),
        }
    }

    /// The proxy of an actor of another node, which exits when that actor or its node is gone: at the latest when the
    /// node was silent for three heartbeats. Every proxy does; this makes one for an actor that is known by the pid it has
    /// there. Blocks as [`Runtime::resolve_remote`].
    ///
    /// # Errors
    /// As [`Runtime::resolve_remote`]; `NoProcess` for a proxy that ended.
    pub fn monitor_remote(&self, address: &str, pid: Pid) -> Result<Pid> {
        wait(|done| self.monitor_remote_with(address, pid, done))
    }

    /// As [`Runtime::monitor_remote`] without blocking.
    pub fn monitor_remote_with(&self, address: &str, pid: Pid, done: MeshCompletion<Pid>) {
        if pid.is_proxy() {
            return done(if self.is_alive(pid) { Ok(pid) } else { Err(Error::no_process(pid)) });
        }
        let address = address.to_owned();
        self.start(done, |node| node.monitor(address, pid));
    }

    /// Whether a node answers at this address, within its time-out. Blocks.
    #[must_use]
    pub fn is_node_up(&self, address: &str) -> bool {
        wait(|done| self.is_node_up_with(address, done)).unwrap_or(false)
    }

    /// As [`Runtime::is_node_up`] without blocking.
    pub fn is_node_up_with(&self, address: &str, done: MeshCompletion<bool>) {
        let address = address.to_owned();
        let done: MeshCompletion<()> = Box::new(move |outcome| done(Ok(outcome.is_ok())));
        self.start(done, |node| node.check(address));
    }

    /// Joins the nodes found at these addresses, `host:port`, and all nodes that those have joined: each member is
    /// connected with each, also with those that come later. A host may be a DNS name of many nodes. The nodes of a mesh
    /// may start in any order; the addresses are tried time and again. This node must listen at an address that the others
    /// can dial.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no address, for a node that does not listen, and for one that has joined; `NotPermitted`
    /// for an address that others can reach without TLS; `RuntimeClosed`.
    pub fn join_mesh(&self, addresses: &[String]) -> Result<()> {
        self.shared().check_open()?;
        let node =
            self.attached().ok_or_else(|| Error::invalid("a node must listen before it joins others"))?;
        node.join(addresses)
    }

    /// As [`Runtime::register`], for a name that is known to all members of the mesh: they find the actor by `whereis`, as a
    /// proxy, and by whatever takes a name. One name has one owner: where several nodes give it at once, who was first
    /// keeps it, and the others' actors end with `NameConflict`. A name that an actor of a node has for itself alone
    /// hides the global one there.
    ///
    /// # Errors
    /// As [`Runtime::register`]; `InvalidArgument` for a proxy, and for a node that has not joined; `LimitReached`.
    pub fn register_global(&self, name: &str, pid: Pid) -> Result<()> {
        self.shared().check_open()?;
        let node = self
            .attached()
            .ok_or_else(|| Error::invalid("global names are those of a mesh: join_mesh comes first"))?;
        node.register_global(self, name, pid)
    }

    /// A look at this node; `None` where the runtime is none.
    #[must_use]
    pub fn mesh_info(&self) -> Option<MeshInfo> {
        self.attached().map(|node| node.info())
    }

    fn attached(&self) -> Option<Arc<Node>> {
        let attached: Arc<dyn Any + Send + Sync> = self.shared().attached.get()?.clone();
        attached.downcast::<Node>().ok()
    }

    fn node(&self) -> Result<Arc<Node>> {
        self.node_with(None)
    }

    fn node_with(&self, options: Option<MeshOptions>) -> Result<Arc<Node>> {
        self.shared().check_open()?;
        let attached = &self.shared().attached;
        if attached.get().is_none() {
            let node = Node::start(self.shared().weak(), options.clone().unwrap_or_default())?;
            // Another thread may have been quicker; its node is taken then.
            let _ = attached.set(node);
        }
        let node = self.attached().expect("only nodes are attached");
        match options {
            Some(options) if options != node.options => {
                Err(Error::invalid("this runtime is a node with other options already"))
            }
            _ => Ok(node),
        }
    }

    fn start<T, F>(&self, done: MeshCompletion<T>, call: impl FnOnce(Arc<Node>) -> F)
    where
        F: Future<Output = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        match self.node() {
            Ok(node) => {
                let handle = node.handle.clone();
                let call = call(node);
                handle.spawn(async move { done(call.await) });
            }
            Err(error) => done(Err(error)),
        }
    }
}

/// Blocks until a call is done.
fn wait<T: Send + 'static>(start: impl FnOnce(MeshCompletion<T>)) -> Result<T> {
    if node::is_mesh_thread() {
        let message = "a thread of the mesh would wait for itself: use the form with a completion";
        return Err(Error::new(ErrorKind::WouldDeadlock, message));
    }
    let (tell, told) = mpsc::sync_channel(1);
    start(Box::new(move |outcome| {
        let _ = tell.send(outcome);
    }));
    // The call has a limit of its own; a node that closes meanwhile drops it.
    told.recv().unwrap_or_else(|_| Err(Error::new(ErrorKind::RuntimeClosed, "the runtime is closed")))
}
