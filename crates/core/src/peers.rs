//! Peers: which other nodes are up, and the actors that are told of each that comes and goes.
//!
//! One lock orders what is told. So each listener hears of a node that it is up and that it is down in turns, beginning with
//! those that are up when it begins to listen, and all listeners hear the same.

use std::collections::BTreeMap;

use crate::message::{NodeNotice, SystemKind, SystemMessage};
use crate::pid::Pid;
use crate::shared::Shared;
use crate::sync::Mutex;

/// See the module documentation.
#[derive(Default)]
pub(crate) struct Peers {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    listeners: Vec<Pid>,
    up: BTreeMap<String, Up>,
}

struct Up {
    /// The number of the connection with it.
    connection: u64,
    address: String,
}

impl Shared {
    /// A connection with a node is made. It takes the place of one before.
    pub(crate) fn peer_up(&self, name: &str, address: &str, connection: u64) {
        let mut state = self.peers.state.lock();
        let up = Up { connection, address: address.to_owned() };
        if let Some(before) = state.up.insert(name.to_owned(), up) {
            self.tell_listeners(&mut state, &down(name, before.address, "a later connection replaces it"));
        }
        self.tell_listeners(&mut state, &notice(SystemKind::NodeUp, name, address.to_owned(), String::new()));
    }

    /// A connection with a node is lost.
    pub(crate) fn peer_down(&self, name: &str, connection: u64, why: &str) {
        let mut state = self.peers.state.lock();
        if state.up.get(name).is_some_and(|up| up.connection == connection)
            && let Some(up) = state.up.remove(name)
        {
            self.tell_listeners(&mut state, &down(name, up.address, why));
        }
    }

    fn tell_listeners(&self, state: &mut State, message: &SystemMessage) {
        state.listeners.retain(|listener| self.table.get(*listener).is_some());
        for listener in &state.listeners {
            self.tell(*listener, message.clone());
        }
    }

    /// Tells this actor which nodes are up, and of each change from now on.
    pub(crate) fn monitor_nodes(&self, listener: Pid) {
        let mut state = self.peers.state.lock();
        state.listeners.retain(|known| self.table.get(*known).is_some());
        if state.listeners.contains(&listener) {
            return;
        }
        state.listeners.push(listener);
        for (name, up) in &state.up {
            self.tell(listener, notice(SystemKind::NodeUp, name, up.address.clone(), String::new()));
        }
    }

    /// Tells this actor no more. False: it was not told.
    pub(crate) fn demonitor_nodes(&self, listener: Pid) -> bool {
        let mut state = self.peers.state.lock();
        let before = state.listeners.len();
        state.listeners.retain(|known| *known != listener);
        state.listeners.len() < before
    }
}

fn down(name: &str, address: String, why: &str) -> SystemMessage {
    notice(SystemKind::NodeDown, name, address, why.to_owned())
}

fn notice(kind: SystemKind, name: &str, address: String, why: String) -> SystemMessage {
    let node = Box::new(NodeNotice { name: name.to_owned(), address, why });
    SystemMessage { node: Some(node), ..SystemMessage::new(kind) }
}
