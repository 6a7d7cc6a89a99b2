//! Peers: which other nodes are up, and the actors that are told of each that comes and goes.
//!
//! One lock orders what is told. So each listener hears of a node that it is up and that it is down in turns, beginning with
//! those that are up when it begins to listen, and all listeners hear the same.
//!
//! To tell is to wake, which may run code of users. So notices queue under the lock, and one thread at a time tells them
//! without it, in order; whoever finds it at that leaves its own to it.

use std::collections::{BTreeMap, VecDeque};

use crate::message::{NodeNotice, SystemKind, SystemMessage};
use crate::pid::Pid;
use crate::quietly::quietly;
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
    /// What is still to be told, oldest first.
    notices: VecDeque<(Pid, SystemMessage)>,
    /// A thread is telling.
    telling: bool,
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
            self.queue_for_all(&mut state, &down(name, before.address, "a later connection replaces it"));
        }
        self.queue_for_all(&mut state, &notice(SystemKind::NodeUp, name, address.to_owned(), String::new()));
        drop(state);
        self.tell_listeners();
    }

    /// A connection with a node is lost.
    pub(crate) fn peer_down(&self, name: &str, connection: u64, why: &str) {
        let mut state = self.peers.state.lock();
        if state.up.get(name).is_some_and(|up| up.connection == connection)
            && let Some(up) = state.up.remove(name)
        {
            self.queue_for_all(&mut state, &down(name, up.address, why));
        }
        drop(state);
        self.tell_listeners();
    }

    fn queue_for_all(&self, state: &mut State, message: &SystemMessage) {
        state.listeners.retain(|listener| self.table.get(*listener).is_some());
        state.notices.extend(state.listeners.iter().map(|listener| (*listener, message.clone())));
    }

    /// Tells what is queued, under no lock.
    fn tell_listeners(&self) {
        let mut state = self.peers.state.lock();
        if std::mem::replace(&mut state.telling, true) {
            return;
        }
        while let Some((listener, message)) = state.notices.pop_front() {
            drop(state);
            quietly("a waiter", || self.tell(listener, message));
            state = self.peers.state.lock();
        }
        state.telling = false;
    }

    /// Tells this actor which nodes are up, and of each change from now on.
    pub(crate) fn monitor_nodes(&self, listener: Pid) {
        let mut state = self.peers.state.lock();
        state.listeners.retain(|known| self.table.get(*known).is_some());
        if state.listeners.contains(&listener) {
            return;
        }
        let State { listeners, up, notices, .. } = &mut *state;
        listeners.push(listener);
        for (name, up) in up {
            notices
                .push_back((listener, notice(SystemKind::NodeUp, name, up.address.clone(), String::new())));
        }
        drop(state);
        self.tell_listeners();
    }

    /// Tells this actor no more. False: it was not told.
    pub(crate) fn demonitor_nodes(&self, listener: Pid) -> bool {
        let mut state = self.peers.state.lock();
        let before = state.listeners.len();
        state.listeners.retain(|known| *known != listener);
        state.notices.retain(|(known, _)| *known != listener);
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

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    use crate::details::Waiter;
    use crate::message::Incoming;
    use crate::options::SpawnOptions;
    use crate::pid::Pid;
    use crate::runtime::Runtime;

    /// A reader that changes what is told, when it is told.
    struct Changes(Runtime, Pid);

    impl Waiter for Changes {
        fn wake(&self) {
            self.0.shared().peer_down("node", 1, "told to");
            let _ = self.0.demonitor_nodes(self.1);
        }
    }

    #[test]
    fn a_reader_that_is_told_of_a_node_may_call_the_runtime() {
        let runtime = Runtime::new().expect("a runtime");
        let spawn = || runtime.spawn_observed(SpawnOptions::default()).expect("an actor");
        let (first, other) = (spawn(), spawn());
        for listener in [first, other] {
            runtime.monitor_nodes(listener).expect("it lives");
        }
        let reader = Changes(runtime.downgrade(), first);
        runtime.notify_observed(first, Arc::new(reader)).expect("it lives");
        let (told, returned) = mpsc::channel();
        let teller = runtime.downgrade();
        std::thread::spawn(move || {
            teller.shared().peer_up("node", "address", 1);
            let _ = told.send(());
        });
        returned.recv_timeout(Duration::from_secs(20)).expect("the telling ends");
        let heard = |pid| {
            let kept = runtime.take_observed(pid).expect("it lives");
            let name = |incoming: &Incoming| match incoming {
                Incoming::System(message) => message.kind.name(),
                Incoming::User(_) => "a message",
            };
            kept.iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(heard(first), ["NODE_UP"]);
        assert_eq!(heard(other), ["NODE_UP", "NODE_DOWN"]);
    }
}
