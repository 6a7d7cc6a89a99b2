//! Runtime: the front of the core. A value, not a singleton: several live side by side in one process.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::actor_ref::ActorRef;
use crate::bounded;
use crate::cell::{Cell, flag};
use crate::context;
use crate::details::{Details, ExitHook};
use crate::error::{Error, Result};
use crate::exit::ExitReason;
use crate::lane::{HostedLane, LaneHost, LaneId};
use crate::log::RuntimeLog;
use crate::message::Message;
use crate::options::{RuntimeOptions, WORKERS_MAX};
use crate::overflow::Overflow;
use crate::payload::Payload;
use crate::pid::Pid;
use crate::send::{Refusal, SendError};
use crate::shared::Shared;
use crate::supervisors::OnGiveUp;
use crate::sync::{Condvar, Mutex};
use crate::table::ACTORS_MAX;

/// A handle of one runtime. Clones are handles of the same runtime; when the last one that a user made goes, the
/// runtime closes. Handles that actors get from their [`Context`](crate::Context) do not keep it open.
///
/// ```
/// use iris_core::{Context, Flow, Message, Runtime, SpawnOptions};
/// use std::sync::{Arc, mpsc};
///
/// let (told, heard) = mpsc::channel();
/// let runtime = Runtime::new().expect("a runtime");
/// let pid = runtime
///     .spawn(
///         move |_: &Context<'_>, message: Message| {
///             let _ = told.send(message.payload().as_slice().to_vec());
///             Flow::Continue
///         },
///         SpawnOptions::default(),
///     )
///     .expect("an actor");
/// runtime.send(pid, b"hello".into()).expect("a live actor");
/// assert_eq!(heard.recv().unwrap(), b"hello");
/// ```
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
    keeper: Option<Arc<Keeper>>,
}

/// Closes the runtime when the last handle of a user goes.
struct Keeper(Arc<Shared>);

impl Drop for Keeper {
    fn drop(&mut self) {
        crate::shutdown::close(&self.0, Duration::ZERO);
    }
}

impl Runtime {
    /// A runtime with default options. No thread is started before the first Rust actor or timer needs one.
    ///
    /// # Errors
    /// None today; a runtime that cannot get what it needs will say so here.
    pub fn new() -> Result<Self> {
        Self::with_options(RuntimeOptions::default())
    }

    /// A runtime with these options.
    ///
    /// # Errors
    /// `InvalidArgument` for a number of workers that is 0 or above [`WORKERS_MAX`], and for one of actors that is 0 or above
    /// [`ACTORS_MAX`].
    pub fn with_options(options: RuntimeOptions) -> Result<Self> {
        if options.workers == 0 || options.workers > WORKERS_MAX {
            return Err(Error::invalid(format!("workers must be 1 to {WORKERS_MAX}")));
        }
        if options.actors_max == 0 || options.actors_max > ACTORS_MAX {
            let message = format!("actors_max must be from 1 to {ACTORS_MAX}, not {}", options.actors_max);
            return Err(Error::invalid(message));
        }
        let shared = Shared::new(options);
        let keeper = Arc::new(Keeper(Arc::clone(&shared)));
        Ok(Self { shared, keeper: Some(keeper) })
    }

    /// A handle that does not keep the runtime open.
    pub(crate) fn inner(shared: Arc<Shared>) -> Self {
        Self { shared, keeper: None }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// A handle of the same runtime that does not keep it open.
    #[must_use]
    pub fn downgrade(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), keeper: None }
    }

    // Sending

    /// Sends without blocking.
    ///
    /// # Errors
    /// Gives the payload back with the reason it was refused.
    #[inline]
    pub fn try_send(&self, pid: Pid, payload: Payload) -> Result<(), SendError> {
        self.shared.try_send(pid, payload)
    }

    /// Sends, and waits for room where the mailbox is full under the `block` policy. Within a handler, and to the actor
    /// that sends, it does not wait but is refused, since the wait could be for itself.
    ///
    /// # Errors
    /// Gives the payload back with the reason it was refused.
    pub fn send(&self, pid: Pid, payload: Payload) -> Result<(), SendError> {
        let mut payload = payload;
        loop {
            match self.shared.try_send(pid, payload) {
                Err(SendError { refusal: Refusal::WouldBlock, payload: back }) => {
                    if self.is_in_handler() || context::is_within(pid) {
                        return Err(self.give_up(pid, back));
                    }
                    self.shared.wait_for_room(pid, Duration::MAX);
                    payload = back;
                }
                outcome => return outcome,
            }
        }
    }

    /// Whether a push handler of this runtime runs on this thread: it must not wait for what may be queued behind it.
    fn is_in_handler(&self) -> bool {
        let current = context::current().and_then(|pid| self.shared.table.get(pid));
        current.is_some_and(|cell| !cell.has(flag::PULL))
    }

    /// Counts a message that would have had to wait for room and does not.
    pub fn give_up(&self, pid: Pid, payload: Payload) -> SendError {
        let message = self.shared.refuse_full(pid, Message::new(payload));
        SendError { refusal: Refusal::Full, payload: message.into_payload() }
    }

    /// Sends with something attached for the handler's language.
    ///
    /// # Errors
    /// As [`Runtime::try_send`].
    pub fn send_with_context(
        &self,
        pid: Pid,
        payload: Payload,
        context: Box<dyn Any + Send>,
    ) -> Result<(), SendError> {
        let message = Message::with_extra(payload, None, Some(context));
        self.shared
            .deliver(pid, message)
            .map_err(|(refusal, message)| SendError { refusal, payload: message.into_payload() })
    }

    /// Sends several messages in order, without waiting, and tells how many were accepted; the first refused one ends
    /// the call.
    pub fn send_many(&self, pid: Pid, payloads: impl IntoIterator<Item = Payload>) -> usize {
        let mut accepted = 0;
        for payload in payloads {
            match self.try_send(pid, payload) {
                Ok(()) => accepted += 1,
                Err(refused) => {
                    if refused.refusal == Refusal::WouldBlock {
                        self.give_up(pid, refused.payload);
                    }
                    break;
                }
            }
        }
        accepted
    }

    /// As [`Runtime::try_send`], for a sender that will try again: where a mailbox has no room and refuses, here, where it
    /// redirects to or at another node, it refuses with `WouldBlock`, and nothing is counted.
    ///
    /// # Errors
    /// As [`Runtime::try_send`].
    pub fn offer(&self, pid: Pid, payload: Payload) -> Result<(), SendError> {
        self.shared
            .deliver_or_wait(pid, Message::new(payload))
            .map_err(|(refusal, message)| SendError { refusal, payload: message.into_payload() })
    }

    /// Waits until a full mailbox has room, or its senders should look again: it has another policy, or takes nothing any more.
    /// False: the time is over.
    #[must_use]
    pub fn wait_for_room(&self, pid: Pid, timeout: Duration) -> bool {
        self.shared.wait_for_room(pid, timeout)
    }

    /// Calls when a message to another node's actor that was refused for want of room may be tried again, or the actor is
    /// gone, on any thread; at once for an actor of here. For threads that must not wait.
    pub fn when_room(&self, pid: Pid, done: Box<dyn FnOnce() + Send>) {
        match self.shared.table.get(pid).and_then(|cell| crate::remote::of(cell, pid)) {
            Some(remote) => remote.peer.when_room(done),
            None => done(),
        }
    }

    /// A handle with the actor's cell in hand: the fastest way to send. `None`: no live actor has this pid.
    #[must_use]
    pub fn actor_ref(&self, pid: Pid) -> Option<ActorRef> {
        let cell = self.shared.table.get(pid).filter(|cell| cell.word.is_open())?;
        Some(ActorRef::new(Arc::clone(&self.shared), cell, pid))
    }

    // Ending

    /// Ends an actor with `Killed`, before any message that is queued. An idle push actor has ended when this
    /// returns. False: no live actor has this pid.
    pub fn stop(&self, pid: Pid) -> bool {
        let known = self.is_alive(pid);
        if known && self.shared.table.get(pid).is_some_and(|cell| cell.has(flag::OBSERVED | flag::PULL)) {
            // What is left to do afterwards, such as waiting for children, is done by the workers.
            let _ = self.shared.workers.start(&self.shared);
        }
        self.shared.stop(pid, ExitReason::Killed) && known
    }

    /// Whether the actor takes messages: from its spawn until it ends or is told to.
    #[must_use]
    pub fn is_alive(&self, pid: Pid) -> bool {
        self.shared.table.get(pid).is_some_and(|cell| cell.word.is_open())
    }

    /// Calls `hook` once when the actor has ended, on the thread that ends it; at once, with `Normal`, where no actor
    /// has this pid. The result takes the hook back with [`Runtime::forget_exit`].
    pub fn on_exit(&self, pid: Pid, hook: ExitHook) -> u64 {
        let id = self.shared.next_id();
        let mut hook = Some(hook);
        let mut keep = |details: &mut Details| details.exit_hooks.extend(hook.take().map(|hook| (id, hook)));
        let table = &self.shared.table;
        if table.get(pid).and_then(|cell| cell.with_details(pid, &mut keep)).is_none() {
            table.vacated(pid).and_then(|cell| cell.with_late_details(pid, &mut keep));
        }
        if let Some(hook) = hook {
            hook(pid, &ExitReason::Normal);
        }
        id
    }

    /// Takes a hook back, so that waits which end by time leave nothing behind. False: it was called, or never set.
    pub fn forget_exit(&self, pid: Pid, hook: u64) -> bool {
        let mut take = |details: &mut Details| details.exit_hooks.remove(&hook);
        let table = &self.shared.table;
        let taken = table.get(pid).and_then(|cell| cell.look_at_details(pid, &mut take)).flatten();
        let taken = taken
            .or_else(|| table.vacated(pid).and_then(|cell| cell.with_late_details(pid, &mut take)).flatten());
        taken.is_some()
    }

    /// Blocks until the actor has ended. False: the time is over. True at once for a pid that no actor has; false at once
    /// for an actor whose end this thread would hold up: it is within that actor's code, or within its end.
    #[must_use]
    pub fn join(&self, pid: Pid, timeout: Option<Duration>) -> bool {
        if context::is_within(pid) {
            return false;
        }
        let slot = Arc::new((Mutex::new(false), Condvar::new()));
        let told = Arc::clone(&slot);
        let hook = move |_: Pid, _: &ExitReason| {
            *told.0.lock() = true;
            told.1.notify_all();
        };
        let hook = self.on_exit(pid, Box::new(hook));
        let mut ended = slot.0.lock();
        match timeout {
            None => slot.1.wait_while(&mut ended, |ended| !*ended),
            Some(timeout) => {
                slot.1.wait_while_for(&mut ended, |ended| !*ended, timeout);
            }
        }
        let ended = *ended;
        if !ended {
            self.forget_exit(pid, hook);
        }
        ended
    }

    /// Messages of users that wait in the actor's mailbox; `None` for a pid that no live actor has.
    #[must_use]
    pub fn mailbox_size(&self, pid: Pid) -> Option<usize> {
        self.shared.table.get(pid).map(Cell::queued)
    }

    /// Changes what happens to messages beyond the bounds. For an actor of another node: whether a send waits or is
    /// refused while the connection takes no more.
    ///
    /// # Errors
    /// `NoProcess` (also for a target); `InvalidArgument` for a mailbox without bounds or a redirect to itself.
    pub fn set_overflow(&self, pid: Pid, policy: Overflow) -> Result<()> {
        let cell = self.shared.cell(pid)?;
        if let Overflow::Redirect(target) | Overflow::Spill(Some(target)) = policy {
            self.shared.cell(target)?;
            if target == pid {
                return Err(Error::invalid("a mailbox cannot overflow into itself"));
            }
        }
        if cell.has(flag::REMOTE) {
            return set_waiting(cell, pid, &policy);
        }
        let set = cell.look_at_details(pid, |details| {
            details.bounded.as_mut().map(|bounded| bounded.policy = policy).is_some()
        });
        if set == Some(true) {
            bounded::announce(cell, pid);
            return Ok(());
        }
        Err(Error::invalid(format!("actor {pid} has an unbounded mailbox: it never overflows")))
    }

    // Lanes

    /// Adds a lane whose actors run on threads of the caller.
    ///
    /// Hold it for as long as an actor names it: a lane that was removed and that nobody holds may be given to another host.
    ///
    /// # Errors
    /// `LimitReached` beyond [`LANES_MAX`](crate::LANES_MAX) lanes.
    pub fn add_lane(&self, host: Arc<dyn LaneHost>) -> Result<Arc<HostedLane>> {
        self.shared.add_lane(host)
    }

    /// The lane of this number, to be held.
    #[must_use]
    pub fn lane(&self, id: LaneId) -> Option<Arc<HostedLane>> {
        self.shared.kept_lane(id)
    }

    /// Retires a lane: its actors, ready or not, run on `successor` from now on, which is to be held for as long.
    pub fn remove_lane(&self, lane: &HostedLane, successor: LaneId) {
        struct Nobody;
        impl LaneHost for Nobody {
            fn wake(&self) {}
        }
        if successor != lane.id() {
            lane.retire(&self.shared, successor, Arc::new(Nobody));
        }
    }

    /// Whether the runtime was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    /// Actors that live, those counted that a supervisor is about to replace; the runtime's own supervisors are not.
    #[must_use]
    pub fn live_actors(&self) -> usize {
        self.shared.counters.live()
    }

    /// Calls `on_empty` whenever the number of live actors falls to 0, on the thread that ended the last. Can be set
    /// once; false: it was set already.
    pub fn on_empty(&self, on_empty: Box<dyn Fn() + Send + Sync>) -> bool {
        self.shared.counters.set_on_empty(on_empty)
    }

    /// Calls `on_give_up` with the supervisor's pid and the failure whenever a supervisor gives up, on the thread it runs
    /// on. Can be set once; false: it was set already.
    pub fn on_give_up(&self, on_give_up: OnGiveUp) -> bool {
        self.shared.supervisors.set_on_give_up(on_give_up)
    }

    /// What this runtime tells whoever operates it, for those who read no `tracing` events. Does not keep it open.
    #[must_use]
    pub fn log(&self) -> Arc<RuntimeLog> {
        Arc::clone(&self.shared.log)
    }

    /// Whether this is a handle of the same runtime.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// The policy of a proxy: `block`, or `dropnew` which it begins with.
fn set_waiting(cell: &Cell, pid: Pid, policy: &Overflow) -> Result<()> {
    let waits = match policy {
        Overflow::Block => true,
        Overflow::DropNewest => false,
        _ => return Err(Error::invalid("sends to another node are refused or wait: dropnew or block")),
    };
    cell.look_at_details(pid, |details| details.remote.as_mut().map(|remote| remote.waits = waits));
    Ok(())
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keeps = self.keeper.is_some();
        f.debug_struct("Runtime").field("keeps_open", &keeps).finish_non_exhaustive()
    }
}

#[cfg(all(test, shuttle))]
#[path = "runtime_model.rs"]
mod model;
