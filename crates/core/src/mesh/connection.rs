//! Connection: one peer, as long as the connection with it lasts. Two tasks drive it: one reads, one writes.
//!
//! What is between the two nodes lies here: asks that wait for answers, calls, proxies of the peer's actors, and the
//! actors of here that the peer watches. When the connection is lost, all of it ends.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use crate::sync::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::allow::{self, names_for};
use super::asks::Asks;
use super::frame::Frame;
use super::gossip::Heard;
use super::held::Ledger;
use super::hello::Hello;
use super::liveness::believed;
use super::obey::addressee;
use super::options::{MeshOptions, PeerLimits};
use super::outbox::Outbox;
use crate::cell::{Cell, flag};
use crate::counters::Dropped;
use crate::error::{Error, ErrorKind, Result};
use crate::exit::ExitReason;
use crate::message::{Reply, SystemKind, SystemMessage};
use crate::pid::Pid;
use crate::remote::Remote;
use crate::runtime::Runtime;
use crate::shared::{Shared, WeakShared};

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    /// The peer closed it without a word.
    #[error("the peer closed the connection")]
    Closed,
    /// The peer said why.
    #[error("the peer said goodbye: {0}")]
    Goodbye(String),
    /// No heartbeat came.
    #[error("nothing was heard for {0:?}")]
    Silent(std::time::Duration),
    /// What came is not what the protocol says.
    #[error("the peer sent {0}")]
    Malformed(#[from] super::malformed::Malformed),
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Failed(#[from] std::io::Error),
    /// We closed it.
    #[error("this node closed the connection")]
    Finished,
    /// Another connection with the node is in its place.
    #[error("a later connection replaces it")]
    Replaced,
}

/// A question whose answer is a frame.
pub(super) enum Call {
    /// Who has a name?
    Resolve(oneshot::Sender<Result<Option<Pid>>>),
    /// The proxy of an actor was made without knowing whether it lives.
    Watch(Pid),
    /// Are you there?
    Ping(oneshot::Sender<()>),
}

/// An actor of here whose end the peer wants to know.
#[derive(Default)]
pub(super) struct Watched {
    /// The peer was told that it will be told.
    announced: bool,
    ended: Option<ExitReason>,
    hook: Option<u64>,
}

#[derive(Default)]
struct Proxies {
    by_target: HashMap<Pid, Pid>,
    closed: bool,
}

/// What a peer may reach where there are rules.
pub(super) struct Limits {
    /// Patterns of names.
    names: Vec<String>,
    /// Actors that it found by such a name, and those of here that were linked with its own.
    pub(super) granted: Mutex<HashSet<Pid>>,
}

/// See the module documentation.
pub(crate) struct Connection {
    pub(crate) hello: Hello,
    /// No other connection of this runtime has it.
    pub(super) number: u64,
    pub(super) shared: WeakShared,
    pub(super) outbox: Outbox,
    pub(super) ledger: Arc<Ledger>,
    pub(super) payload_max: usize,
    pub(super) heartbeat: std::time::Duration,
    pub(super) asks: Mutex<Asks>,
    pub(super) calls: Mutex<HashMap<u64, Call>>,
    proxies: Mutex<Proxies>,
    pub(super) most: PeerLimits,
    watched: Mutex<HashMap<Pid, Watched>>,
    /// What the peer may reach; `None`: everything.
    pub(super) limits: Option<Limits>,
    /// When observed actors were told last that the peer lives.
    told_alive: Mutex<Option<Instant>>,
    /// Asks of the peer that actors of here have not answered.
    pub(super) answering: AtomicUsize,
    ids: AtomicU64,
    /// Takes what the peer says of the members of the mesh.
    pub(super) hears: mpsc::Sender<Heard>,
    this: Weak<Self>,
}

impl Connection {
    pub(crate) fn new(
        shared: WeakShared,
        options: &MeshOptions,
        hello: Hello,
        hears: mpsc::Sender<Heard>,
    ) -> Arc<Self> {
        Self::with_limits(shared, options, hello, hears, PeerLimits::default())
    }

    /// As [`Connection::new`], with other limits than all have.
    pub(super) fn with_limits(
        shared: WeakShared,
        options: &MeshOptions,
        hello: Hello,
        hears: mpsc::Sender<Heard>,
        most: PeerLimits,
    ) -> Arc<Self> {
        let window = u64::from(hello.window).clamp(1, options.window as u64);
        let outbox = Outbox::new(window, hello.payload_max as usize);
        let ledger = Ledger::new(options.window as u64, Arc::clone(outbox.bell()));
        let names = names_for(options.allow.as_deref(), &hello.name);
        let limits = names.map(|names| Limits { names, granted: Mutex::default() });
        let number = shared.upgrade().map_or(0, |shared| shared.next_id());
        Arc::new_cyclic(|this| Self {
            hello,
            number,
            shared,
            outbox,
            ledger,
            payload_max: options.payload_max,
            heartbeat: options.heartbeat,
            asks: Mutex::new(Asks::new(most.asks)),
            calls: Mutex::default(),
            proxies: Mutex::default(),
            most,
            watched: Mutex::default(),
            limits,
            told_alive: Mutex::default(),
            answering: AtomicUsize::new(0),
            ids: AtomicU64::new(1),
            hears,
            this: this.clone(),
        })
    }

    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// The other node's name.
    pub(crate) fn name(&self) -> &str {
        &self.hello.name
    }

    pub(super) fn weak(&self) -> Weak<Self> {
        self.this.clone()
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }

    fn down(&self) -> Error {
        Error::new(ErrorKind::NodeDown, format!("the connection with node {:?} is lost", self.name()))
    }

    // Calls

    /// Asks who has a name there. The answer is a proxy.
    pub(crate) async fn resolve(&self, name: &str) -> Result<Option<Pid>> {
        let (tell, told) = oneshot::channel();
        let id = self.next_id();
        self.calls.lock().insert(id, Call::Resolve(tell));
        let asked = self.outbox.signal(&Frame::Resolve { id, name });
        let forget = Forget { connection: self, id };
        let answer = if asked { told.await.ok() } else { None };
        drop(forget);
        answer.unwrap_or_else(|| Err(self.down()))
    }

    /// Waits for a sign of life.
    pub(crate) async fn ping(&self) -> Result<()> {
        let (tell, told) = oneshot::channel();
        let id = self.next_id();
        self.calls.lock().insert(id, Call::Ping(tell));
        let asked = self.outbox.signal(&Frame::Ping { nonce: id });
        let _forget = Forget { connection: self, id };
        if asked && told.await.is_ok() { Ok(()) } else { Err(self.down()) }
    }

    // What the peer may reach

    /// The actor of here that the peer may speak to.
    pub(super) fn addressee<'a>(&self, shared: &'a Shared, target: u64) -> Option<(Pid, &'a Cell)> {
        let found = addressee(shared, target)?;
        let may = self.limits.as_ref().is_none_or(|limits| limits.granted.lock().contains(&found.0));
        may.then_some(found)
    }

    /// As [`Connection::addressee`], for one that the peer asks for by a name; without one, by any that it has.
    pub(super) fn grant(&self, shared: &Shared, pid: Pid, name: Option<&str>) -> Option<Pid> {
        let (pid, cell) = addressee(shared, pid.get())?;
        let Some(limits) = &self.limits else { return Some(pid) };
        let fits = |name: &str| limits.names.iter().any(|pattern| allow::fits(pattern, name));
        let may = match name {
            Some(name) => fits(name),
            None => {
                let by_name =
                    cell.look_at_details(pid, |details| details.names.iter().any(|name| fits(name)));
                by_name == Some(true) || limits.granted.lock().contains(&pid)
            }
        };
        if may {
            limits.granted.lock().insert(pid);
        }
        may.then_some(pid)
    }

    // Proxies

    /// The proxy of an actor there, made and watched where there is none yet.
    pub(crate) fn proxy(&self, target: Pid) -> Result<Pid> {
        let (proxy, is_new) = self.proxy_unwatched(target)?;
        if is_new {
            let id = watch_id(target);
            self.calls.lock().insert(id, Call::Watch(target));
            self.outbox.signal(&Frame::Watch { id, target: target.get() });
        }
        Ok(proxy)
    }

    /// As [`Connection::proxy`] for an actor that the peer watches already; true: it was made.
    pub(super) fn proxy_unwatched(&self, target: Pid) -> Result<(Pid, bool)> {
        let mut proxies = self.proxies.lock();
        if proxies.closed {
            return Err(self.down());
        }
        if let Some(proxy) = proxies.by_target.get(&target) {
            return Ok((*proxy, false));
        }
        if proxies.by_target.len() >= self.most.proxies {
            let message = format!("a node has at most {} proxies of another's actors", self.most.proxies);
            return Err(Error::new(ErrorKind::LimitReached, message));
        }
        let (Some(peer), Some(shared)) = (self.this.upgrade(), self.shared.upgrade()) else {
            return Err(self.down());
        };
        let remote = Remote { peer, pid: target, waits: false };
        let proxy = Runtime::inner(shared).spawn_proxy(remote)?;
        proxies.by_target.insert(target, proxy);
        Ok((proxy, true))
    }

    pub(super) fn known_proxy(&self, target: Pid) -> Option<Pid> {
        self.proxies.lock().by_target.get(&target).copied()
    }

    /// The actor there ended.
    pub(super) fn end_proxy(&self, shared: &Arc<Shared>, target: Pid, reason: ExitReason) {
        let proxy = self.proxies.lock().by_target.remove(&target);
        if let Some(proxy) = proxy {
            // A peer that tells the end before it answers leaves nothing behind.
            self.calls.lock().remove(&watch_id(target));
            shared.end(proxy, reason);
        }
    }

    /// Tells observed actors that monitor actors of the peer that it lives: once a heartbeat each.
    pub(super) fn tell_alive(&self, shared: &Arc<Shared>) {
        let now = Instant::now();
        {
            let mut told = self.told_alive.lock();
            if told.is_some_and(|told| now.duration_since(told) < believed(self.hello.heartbeat) / 2) {
                return;
            }
            *told = Some(now);
        }
        let proxies: Vec<Pid> = self.proxies.lock().by_target.values().copied().collect();
        let mut watchers = HashMap::new();
        for proxy in proxies {
            if let Some(cell) = shared.table.get(proxy) {
                cell.look_at_details(proxy, |details| {
                    watchers.extend(details.monitors.values().map(|watcher| (*watcher, proxy)));
                });
            }
        }
        for (watcher, proxy) in watchers {
            if shared.table.get(watcher).is_some_and(|cell| cell.has(flag::OBSERVED)) {
                let mut alive = SystemMessage::new(SystemKind::Pong);
                (alive.from_pid, alive.target_pid) = (Some(proxy), Some(proxy));
                shared.tell(watcher, alive);
            }
        }
    }

    // Watched actors

    /// Sees to it that the peer is told when this actor ends, and says so with `announce` before.
    pub(super) fn watch(&self, shared: &Arc<Shared>, pid: Pid, announce: &Frame<'_>) {
        let is_new = {
            let mut watched = self.watched.lock();
            let is_new = !watched.contains_key(&pid);
            watched.entry(pid).or_default();
            is_new
        };
        if is_new {
            let connection = self.weak();
            let hook = move |pid: Pid, reason: &ExitReason| {
                if let Some(connection) = connection.upgrade() {
                    connection.tell_end(pid, reason);
                }
            };
            let hook = Runtime::inner(Arc::clone(shared)).on_exit(pid, Box::new(hook));
            if let Some(watched) = self.watched.lock().get_mut(&pid) {
                watched.hook = Some(hook);
            }
        }
        // Under the lock, so that the end is not told before it is announced.
        let mut watched = self.watched.lock();
        self.outbox.signal(announce);
        let ended = watched.get_mut(&pid).and_then(|entry| {
            entry.announced = true;
            entry.ended.take()
        });
        if let Some(reason) = ended {
            watched.remove(&pid);
            self.outbox.signal(&Frame::Exit { pid: pid.get(), reason });
        }
    }

    /// Whether the end of an actor is still to be told to the peer, which is answered by `announce` then: it may have
    /// ended, but the peer is to hear the reason.
    pub(super) fn is_watched(&self, pid: Pid, announce: &Frame<'_>) -> bool {
        let watched = self.watched.lock();
        watched.contains_key(&pid) && self.outbox.signal(announce)
    }

    fn tell_end(&self, pid: Pid, reason: &ExitReason) {
        if let Some(limits) = &self.limits {
            limits.granted.lock().remove(&pid);
        }
        let mut watched = self.watched.lock();
        let Some(entry) = watched.get_mut(&pid) else { return };
        if entry.announced {
            watched.remove(&pid);
            self.outbox.signal(&Frame::Exit { pid: pid.get(), reason: reason.clone() });
        } else {
            entry.ended = Some(reason.clone());
        }
    }

    // Asks

    pub(super) fn take_ask(&self, id: u64) -> Option<Reply> {
        self.asks.lock().take(id)
    }

    // The beginning and the end

    /// Tells who listens that the node is up.
    pub(crate) fn tell_up(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.peer_up(self.name(), &self.hello.address, self.number);
        }
    }

    /// Says goodbye after what is still to be said.
    pub(crate) fn finish(&self) {
        self.outbox.finish(&Frame::Goodbye { message: "the node shuts down" });
    }

    /// Whether that has happened which [`Connection::lost`] does.
    pub(super) fn is_lost(&self) -> bool {
        self.proxies.lock().closed
    }

    /// Ends everything that was between the two nodes.
    pub(crate) fn lost(&self, end: &End) {
        let (unconfirmed, unwritten) = self.outbox.close();
        let proxies = {
            let mut proxies = self.proxies.lock();
            proxies.closed = true;
            std::mem::take(&mut proxies.by_target)
        };
        let shared = self.shared.upgrade();
        if let Some(shared) = &shared {
            count_lost(shared, unconfirmed, unwritten, &proxies);
        }
        let message = format!("the connection with node {:?} was lost: {end}", self.name());
        let asks = self.asks.lock().take_all();
        for reply in asks {
            reply.refuse(Error::new(ErrorKind::NodeDown, message.clone()));
        }
        drop(std::mem::take(&mut *self.calls.lock()));
        let watched = std::mem::take(&mut *self.watched.lock());
        let Some(shared) = shared else { return };
        let runtime = Runtime::inner(Arc::clone(&shared));
        for (pid, entry) in watched {
            if let Some(hook) = entry.hook {
                runtime.forget_exit(pid, hook);
            }
        }
        for proxy in proxies.into_values() {
            shared.end(proxy, ExitReason::NodeDown);
        }
        shared.peer_down(self.name(), self.number, &end.to_string());
    }
}

/// The id of the question whether an actor lives: there is one at a time, and no counter comes so far.
fn watch_id(target: Pid) -> u64 {
    target.get() | 1 << 63
}

/// Counts what is known, or must be feared, to be lost.
fn count_lost(
    shared: &Shared,
    unconfirmed: u64,
    unwritten: impl IntoIterator<Item = Vec<u8>>,
    proxies: &HashMap<Pid, Pid>,
) {
    let mut on_the_way = unconfirmed;
    for segment in unwritten {
        let mut rest = segment.as_slice();
        while let Ok(Some((frame, length))) = Frame::parse(rest, usize::MAX >> 1) {
            rest = &rest[length..];
            if let Frame::Send { target, payload } | Frame::Ask { target, payload, .. } = frame {
                on_the_way = on_the_way.saturating_sub(1);
                let proxy = Pid::from_u64(target).and_then(|target| proxies.get(&target));
                if let Some(proxy) = proxy {
                    shared.count_lost(*proxy, Some(payload), Dropped::NodeDown);
                }
            }
        }
    }
    shared.counters.drop_many(Dropped::NodeDown, on_the_way);
}

/// Forgets a call when nobody waits for its answer any more.
struct Forget<'a> {
    connection: &'a Connection,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.connection.calls.lock().remove(&self.id);
    }
}
