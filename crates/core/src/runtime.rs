//! Runtime: the front of the core. A value, not a singleton: several live side by side in one process.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::ask::{AskState, Completion};
use crate::behaviour::Behaviour;
use crate::bounded::Bounded;
use crate::cell::{Cell, flag};
use crate::context;
use crate::details::{Details, ExitHook, Waiter};
use crate::error::{Error, ErrorKind, Result};
use crate::exit::ExitReason;
use crate::lane::{HostedLane, LaneHost, LaneId};
use crate::message::{Message, Reply};
use crate::options::{RuntimeOptions, SpawnOptions, WORKERS_MAX};
use crate::overflow::Overflow;
use crate::payload::Payload;
use crate::pid::Pid;
use crate::pull::PullMailbox;
use crate::send::{Refusal, SendError};
use crate::shared::Shared;

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

/// How a question is asked.
#[derive(Default)]
pub struct AskOptions {
    /// How long the caller waits; `None`: for ever.
    pub timeout: Option<Duration>,
    /// What travels with the message for the handler's language.
    pub context: Option<Box<dyn Any + Send>>,
}

impl std::fmt::Debug for AskOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AskOptions").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// An ask under way.
#[derive(Clone, Debug)]
pub struct AskHandle {
    state: Arc<AskState>,
}

impl AskHandle {
    /// Gives the ask up: its completion is not called, and it is not executed if it is still queued. False: it was
    /// complete already.
    pub fn cancel(&self) -> bool {
        self.state.cancel()
    }

    /// Whether it is still unanswered.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state.is_open()
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
    /// `InvalidArgument` for a number of workers that is 0 or above [`WORKERS_MAX`].
    pub fn with_options(options: RuntimeOptions) -> Result<Self> {
        if options.workers == 0 || options.workers > WORKERS_MAX {
            return Err(Error::invalid(format!("workers must be 1 to {WORKERS_MAX}")));
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

    // Spawning

    /// Spawns a push actor: its behaviour is called once per message. Returns at once; nothing runs before the first
    /// message.
    ///
    /// # Errors
    /// `InvalidArgument`, `NameTaken`, `NoProcess` (parent), `NoSupervisor`, `LimitReached`, `RuntimeClosed`.
    pub fn spawn(&self, behaviour: impl Behaviour, options: SpawnOptions) -> Result<Pid> {
        self.spawn_shared(Arc::new(behaviour), options)
    }

    /// As [`Runtime::spawn`], with a behaviour that many actors share.
    ///
    /// # Errors
    /// As [`Runtime::spawn`].
    pub fn spawn_shared(&self, behaviour: Arc<dyn Behaviour>, options: SpawnOptions) -> Result<Pid> {
        self.shared.check_open()?;
        options.check()?;
        self.spawn_flagged(behaviour, options, 0)
    }

    pub(crate) fn spawn_flagged(
        &self,
        behaviour: Arc<dyn Behaviour>,
        options: SpawnOptions,
        flags: u16,
    ) -> Result<Pid> {
        let lane = behaviour.lane().unwrap_or(options.lane);
        if lane == LaneId::WORKERS {
            self.shared.workers.start(&self.shared)?;
        }
        let mut flags = flags | if behaviour.wants_system() { flag::SYSTEM } else { 0 };
        let details = self.details(&options, &mut flags);
        let (cell, pid) = self.occupy(lane, flags, options.budget, details)?;
        drop(cell.replace_behaviour(Some(behaviour)));
        cell.word.open(false);
        self.settle(pid, options)
    }

    /// Spawns a pull actor: whoever holds the mailbox is the actor.
    ///
    /// # Errors
    /// As [`Runtime::spawn`].
    pub fn spawn_pull(&self, options: SpawnOptions, waiter: Arc<dyn Waiter>) -> Result<PullMailbox> {
        self.shared.check_open()?;
        options.check()?;
        let mut flags = flag::PULL;
        let mut details = self.details(&options, &mut flags).unwrap_or_default();
        details.waiter = Some(waiter);
        let (cell, pid) = self.occupy(LaneId::PULL, flags, options.budget, Some(details))?;
        cell.word.open(true);
        let mailbox = PullMailbox::new(Arc::clone(&self.shared), cell, pid);
        self.settle(pid, options)?;
        Ok(mailbox)
    }

    /// Spawns an observed actor: it keeps what it gets until somebody reads it.
    ///
    /// # Errors
    /// As [`Runtime::spawn`].
    pub fn spawn_observed(&self, options: SpawnOptions) -> Result<Pid> {
        self.shared.check_open()?;
        options.check()?;
        if options.bounds.is_some() || options.idle_timeout.is_some() {
            return Err(Error::invalid("an observed actor has neither bounds nor an idle time-out"));
        }
        let mut flags = flag::OBSERVED | flag::SUSPENDED;
        let details = self.details(&options, &mut flags);
        let (cell, pid) = self.occupy(LaneId::WORKERS, flags, options.budget, details)?;
        cell.word.open_waiting();
        self.settle(pid, options)
    }

    fn occupy(
        &self,
        lane: LaneId,
        flags: u16,
        budget: u32,
        details: Option<Box<Details>>,
    ) -> Result<(&Cell, Pid)> {
        let (cell, pid) = self.shared.table.occupy()?;
        cell.furnish(lane, flags, budget, details);
        if flags & flag::INTERNAL == 0 {
            self.shared.counters.hold_live();
        }
        Ok((cell, pid))
    }

    fn details(&self, options: &SpawnOptions, flags: &mut u16) -> Option<Box<Details>> {
        if options.bounds.is_none() && options.idle_timeout.is_none() {
            return None;
        }
        let mut details = Box::<Details>::default();
        if let Some(bounds) = options.bounds {
            *flags |= flag::BOUNDED;
            details.bounded = Some(Box::new(Bounded::new(bounds, options.overflow)));
        }
        if let Some(timeout) = options.idle_timeout {
            *flags |= flag::VIRTUAL;
            details.idle_timeout = Some(timeout);
        }
        Some(details)
    }

    /// Gives a new actor its place: parent, supervisor, name, path. What fails ends it again.
    fn settle(&self, pid: Pid, options: SpawnOptions) -> Result<Pid> {
        let SpawnOptions { parent, supervisor, name, path, .. } = options;
        if parent.is_none() && supervisor.is_none() && name.is_none() && path.is_none() {
            return Ok(pid);
        }
        let settled = (|| {
            if let Some(parent) = parent {
                self.adopt(parent, pid)?;
            }
            if let Some(name) = &name {
                self.register(name, pid)?;
            }
            if let Some(path) = &path {
                self.register_path(path, pid)?;
            }
            if let Some(spec) = supervisor {
                self.adopt(spec.supervisor, pid)?;
                self.shared.supervisors.add_in_place(&self.shared, spec, pid)?;
            }
            Ok(pid)
        })();
        if settled.is_err() {
            self.stop(pid);
        }
        settled
    }

    /// Makes `child` end with `parent`.
    fn adopt(&self, parent: Pid, child: Pid) -> Result<()> {
        let order = self.shared.next_id();
        let parent_cell = self.shared.cell(parent)?;
        let child_cell = self.shared.cell(child)?;
        child_cell.with_details(child, |details| details.parent = Some((parent, order)));
        let adopted = parent_cell.with_details(parent, |details| {
            let alive = details.ending.is_none();
            if alive {
                details.children.insert(order, child);
            }
            alive
        });
        if adopted == Some(true) { Ok(()) } else { Err(Error::no_process(parent)) }
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

    /// Sends, and waits for room where the mailbox is full under the `block` policy. Within a handler it does not
    /// wait but is refused, since the wait could be for itself.
    ///
    /// # Errors
    /// Gives the payload back with the reason it was refused.
    pub fn send(&self, pid: Pid, payload: Payload) -> Result<(), SendError> {
        let mut payload = payload;
        loop {
            match self.shared.try_send(pid, payload) {
                Err(SendError { refusal: Refusal::WouldBlock, payload: back }) => {
                    if context::current().is_some() {
                        return Err(self.give_up(pid, back));
                    }
                    self.shared.wait_for_room(pid, Duration::MAX);
                    payload = back;
                }
                outcome => return outcome,
            }
        }
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

    /// Sends several messages in order and tells how many were accepted; the first refused one ends the call.
    pub fn send_many(&self, pid: Pid, payloads: impl IntoIterator<Item = Payload>) -> usize {
        payloads.into_iter().take_while(|_| true).map_while(|payload| self.try_send(pid, payload).ok()).count()
    }

    /// Waits until a full mailbox has room, or its actor is gone. False: the time is over.
    #[must_use]
    pub fn wait_for_room(&self, pid: Pid, timeout: Duration) -> bool {
        self.shared.wait_for_room(pid, timeout)
    }

    /// A handle with the actor's cell in hand: the fastest way to send.
    #[must_use]
    pub fn actor_ref(&self, pid: Pid) -> Option<ActorRef> {
        let cell = self.shared.table.get(pid)?;
        Some(ActorRef { shared: Arc::clone(&self.shared), cell: std::ptr::from_ref(cell), pid })
    }

    /// Asks: `completion` is called once with the answer or the reason there is none, on the thread that answers, or on
    /// this one where the message is refused.
    pub fn ask_with(
        &self,
        pid: Pid,
        payload: Payload,
        options: AskOptions,
        completion: Completion,
    ) -> AskHandle {
        let state = Arc::new(AskState::new(completion));
        if let Some(timeout) = options.timeout {
            self.shared.timing.end_ask(&self.shared, &state, pid, timeout);
        }
        let reply = Reply::new(Arc::clone(&state), pid);
        let message = Message::with_extra(payload, Some(reply), options.context);
        if let Err((refusal, mut message)) = self.shared.deliver(pid, message) {
            let error = match refusal {
                Refusal::NoProcess => Error::no_process(pid),
                Refusal::Full | Refusal::WouldBlock => {
                    Error::new(ErrorKind::MailboxFull, format!("the mailbox of actor {pid} is full"))
                }
            };
            state.complete(Err(error));
            drop(message.take_reply());
        }
        AskHandle { state }
    }

    /// Asks and blocks this thread until the answer is there.
    ///
    /// # Errors
    /// `AskTimeout`, `AskFailed`, `NoProcess`, `MailboxFull`; `WouldDeadlock` for an actor that asks itself.
    pub fn ask_blocking(&self, pid: Pid, payload: Payload, timeout: Option<Duration>) -> Result<Payload> {
        if context::current() == Some(pid) {
            return Err(Error::new(ErrorKind::WouldDeadlock, format!("actor {pid} would wait for itself")));
        }
        let slot = Arc::new((Mutex::new(None), Condvar::new()));
        let answered = Arc::clone(&slot);
        let completion = Box::new(move |outcome| {
            *answered.0.lock() = Some(outcome);
            answered.1.notify_one();
        });
        let handle = self.ask_with(pid, payload, AskOptions { timeout, context: None }, completion);
        let mut outcome = slot.0.lock();
        loop {
            if let Some(outcome) = outcome.take() {
                return outcome;
            }
            debug_assert!(handle.is_open() || outcome.is_none());
            slot.1.wait(&mut outcome);
        }
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
    /// has this pid.
    pub fn on_exit(&self, pid: Pid, hook: ExitHook) {
        let mut hook = Some(hook);
        if let Some(cell) = self.shared.table.get(pid) {
            cell.with_details(pid, |details| details.exit_hooks.extend(hook.take()));
        }
        if let Some(hook) = hook {
            hook(pid, &ExitReason::Normal);
        }
    }

    /// Blocks until the actor has ended. False: the time is over. True at once for a pid that no actor has.
    #[must_use]
    pub fn join(&self, pid: Pid, timeout: Option<Duration>) -> bool {
        let slot = Arc::new((Mutex::new(false), Condvar::new()));
        let ended = Arc::clone(&slot);
        let hook = move |_: Pid, _: &ExitReason| {
            *ended.0.lock() = true;
            ended.1.notify_all();
        };
        self.on_exit(pid, Box::new(hook));
        let mut ended = slot.0.lock();
        match timeout {
            None => slot.1.wait_while(&mut ended, |ended| !*ended),
            Some(timeout) => {
                slot.1.wait_while_for(&mut ended, |ended| !*ended, timeout);
            }
        }
        *ended
    }

    /// Messages of users that wait in the actor's mailbox; `None` for a pid that no live actor has.
    #[must_use]
    pub fn mailbox_size(&self, pid: Pid) -> Option<usize> {
        self.shared.table.get(pid).map(Cell::queued)
    }

    /// Changes what happens to messages beyond the bounds.
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
        let set = cell.look_at_details(pid, |details| {
            details.bounded.as_mut().map(|bounded| bounded.policy = policy).is_some()
        });
        if set == Some(true) {
            return Ok(());
        }
        Err(Error::invalid(format!("actor {pid} has an unbounded mailbox: it never overflows")))
    }

    // Lanes

    /// Adds a lane whose actors run on threads of the caller.
    ///
    /// # Errors
    /// `LimitReached` beyond [`LANES_MAX`](crate::LANES_MAX) lanes.
    pub fn add_lane(&self, host: Arc<dyn LaneHost>) -> Result<Arc<HostedLane>> {
        self.shared.add_lane(host)
    }

    /// Retires a lane: its actors, ready or not, run on `successor` from now on.
    pub fn remove_lane(&self, lane: &HostedLane, successor: LaneId) {
        struct Nobody;
        impl LaneHost for Nobody {
            fn wake(&self) {}
        }
        lane.retire(&self.shared, successor, Arc::new(Nobody));
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

    /// Whether this is a handle of the same runtime.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keeps = self.keeper.is_some();
        f.debug_struct("Runtime").field("keeps_open", &keeps).finish_non_exhaustive()
    }
}

/// A handle of one actor, found without a look-up. Good for as long as it is kept; a send after the actor's end is
/// refused.
#[derive(Clone)]
pub struct ActorRef {
    shared: Arc<Shared>,
    cell: *const Cell,
    pid: Pid,
}

// SAFETY: cells are `Sync` and live as long as `shared`.
unsafe impl Send for ActorRef {}
// SAFETY: as above.
unsafe impl Sync for ActorRef {}

impl ActorRef {
    fn cell(&self) -> Option<&Cell> {
        // SAFETY: cells live as long as `shared`.
        let cell = unsafe { &*self.cell };
        (cell.current_generation() == self.pid.generation()).then_some(cell)
    }

    /// The actor's pid.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The actor's runtime. Keeping it does not keep the runtime open.
    #[must_use]
    pub fn runtime(&self) -> Runtime {
        Runtime::inner(Arc::clone(&self.shared))
    }

    /// As [`Runtime::try_send`].
    ///
    /// # Errors
    /// Gives the payload back with the reason it was refused.
    #[inline]
    pub fn try_send(&self, payload: Payload) -> Result<(), SendError> {
        let Some(cell) = self.cell() else { return self.shared.try_send(self.pid, payload) };
        self.shared
            .deliver_to(cell, self.pid, Message::new(payload))
            .map_err(|(refusal, message)| SendError { refusal, payload: message.into_payload() })
    }

    /// As [`Runtime::is_alive`].
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.cell().is_some_and(|cell| cell.word.is_open())
    }
}

impl std::fmt::Debug for ActorRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActorRef").field("pid", &self.pid).finish_non_exhaustive()
    }
}
