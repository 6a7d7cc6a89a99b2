//! Stepper: an owner takes a ready actor through its signals and up to its budget of messages.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::behaviour::{Behaviour, Flow};
use crate::bounded;
use crate::cell::{Cell, flag};
use crate::context::{self, Context};
use crate::counters::Dropped;
use crate::details::{Details, Signal};
use crate::ending;
use crate::exit::{ExitReason, Failure};
use crate::history::Code;
use crate::lane::Slice;
use crate::message::Message;
use crate::node::{Node, Queued};
use crate::pid::Pid;
use crate::quietly::quietly;
use crate::shared::Shared;

/// Messages of one turn after which an empty mailbox is expected to fill again soon.
const BUSY: u32 = 4;
/// About half a microsecond.
const LINGER_SPINS: u32 = 24;

/// Gives the senders a moment to queue more. Without a look at the word, which is theirs meanwhile.
#[cold]
fn linger() {
    for _ in 0..LINGER_SPINS {
        std::hint::spin_loop();
    }
}

/// A message taken from a mailbox, as it lay there. Each kind of mailbox has its own loop: where a message may be one or the
/// other, it is moved once more.
pub(crate) trait Taken: Sized {
    /// The next message that is to be handled; what is not is counted as dropped. `None` also where signals go first.
    fn take(stepper: &mut Stepper<'_>) -> Option<Self>;

    fn into_message(self) -> Message;

    /// As one word, to keep.
    fn into_queued(self, pid: Pid) -> Queued;
}

impl Taken for Queued {
    #[inline]
    fn take(stepper: &mut Stepper<'_>) -> Option<Self> {
        loop {
            let Some(queued) = Self::new(stepper.take_node()?) else { continue };
            stepper.cell.count_taken(1);
            let why = if queued.generation() != stepper.pid.generation() {
                Dropped::ActorExited
            } else if queued.is_expired() {
                Dropped::AskExpired
            } else {
                return Some(queued);
            };
            let receiver = stepper.pid.of_generation(queued.generation());
            stepper.shared.drop_message(receiver, queued.into_message(), why);
        }
    }

    #[inline]
    fn into_message(self) -> Message {
        self.into_message()
    }

    fn into_queued(self, _pid: Pid) -> Queued {
        self
    }
}

/// Of a bounded mailbox.
impl Taken for Message {
    fn take(stepper: &mut Stepper<'_>) -> Option<Self> {
        loop {
            let message = bounded::take_after_signals(stepper.shared, stepper.cell, stepper.pid)?;
            if !message.is_expired() {
                return Some(message);
            }
            stepper.shared.drop_message(stepper.pid, message, Dropped::AskExpired);
        }
    }

    fn into_message(self) -> Message {
        self
    }

    fn into_queued(self, pid: Pid) -> Queued {
        Queued::from_message(pid.generation(), self)
    }
}

/// What the owner meets next.
pub(crate) enum Next<T> {
    /// A message to handle.
    Message(T),
    /// The budget is used up, or a long queue is readied piece by piece; the actor is still owned.
    Budget,
    /// The actor is not owned any more: it went idle, waits, moved, or ended.
    Over,
}

/// One turn of one actor, by its owner.
pub(crate) struct Stepper<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) cell: &'a Cell,
    pub(crate) pid: Pid,
    pub(crate) interrupts: &'a AtomicU32,
    pub(crate) seen: u32,
    pub(crate) left: u32,
    pub(crate) budget: u32,
    pub(crate) look: bool,
    /// Looked up once: the flags lie on the line that senders write.
    pub(crate) bounded: bool,
}

/// Runs a turn to its end: the actor goes idle, or away, or has used up its turn and goes to the end of its lane's queue,
/// which is told by true.
pub(crate) fn run(shared: &Arc<Shared>, cell: &Cell, interrupts: &AtomicU32, slice: &mut Slice) -> bool {
    let mut stepper = Stepper::new(shared, cell, interrupts);
    let _entered = context::enter(stepper.pid);
    loop {
        let step = catch_unwind(AssertUnwindSafe(|| {
            if stepper.bounded {
                stepper.handle_messages::<Message>(slice)
            } else {
                stepper.handle_messages::<Queued>(slice)
            }
        }));
        let flow = step.unwrap_or_else(|panic| Some(Flow::Stop(panicked(panic))));
        match flow {
            None => return false,
            Some(Flow::Continue) => {
                shared.schedule_last(cell);
                return true;
            }
            Some(Flow::Suspend) => stepper.suspend(),
            Some(Flow::Stop(reason)) => {
                if ending::fail(shared, cell, stepper.pid, reason) {
                    return false;
                }
                stepper.wait_for_restart();
            }
        }
    }
}

pub(crate) fn panicked(panic: Box<dyn std::any::Any + Send>) -> ExitReason {
    let message = panic
        .downcast_ref::<&'static str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is not text".to_owned());
    quietly("the drop of what a panic carried", || drop(panic));
    ExitReason::Panic(Arc::new(Failure::new("panic", message)))
}

impl<'a> Stepper<'a> {
    fn new(shared: &'a Arc<Shared>, cell: &'a Cell, interrupts: &'a AtomicU32) -> Self {
        let budget = cell.budget.load(Ordering::Relaxed);
        let bounded = cell.has(flag::BOUNDED);
        Self { shared, cell, pid: cell.pid(), interrupts, seen: 0, left: budget, budget, look: true, bounded }
    }

    fn context(&self) -> Context<'a> {
        Context { shared: self.shared, cell: self.cell, pid: self.pid }
    }

    /// Handles messages until something else is to be done: `None` when the actor is not owned any more, `Continue`
    /// when it should queue again.
    fn handle_messages<T: Taken>(&mut self, slice: &mut Slice) -> Option<Flow> {
        let context = self.context();
        loop {
            let message = match self.next::<T>(slice) {
                Next::Message(message) => message,
                Next::Budget => return Some(Flow::Continue),
                Next::Over => return None,
            };
            // SAFETY: we own the actor; its behaviour is replaced by `next` alone, which runs after `handle`.
            let behaviour = unsafe { self.cell.behaviour() }?;
            match behaviour.handle(&context, message.into_message()) {
                Flow::Continue => {
                    if slice.tick() {
                        return Some(Flow::Continue);
                    }
                }
                flow => return Some(flow),
            }
        }
    }

    fn suspend(&mut self) {
        self.cell.raise(flag::SUSPENDED);
        self.look = true;
    }

    fn wait_for_restart(&mut self) {
        self.cell.raise(flag::FAILED);
        self.suspend();
    }

    #[inline]
    pub(crate) fn next<T: Taken>(&mut self, slice: &mut Slice) -> Next<T> {
        loop {
            let interrupts = self.interrupts.load(Ordering::Acquire);
            if self.look || interrupts != self.seen {
                self.look = false;
                self.seen = interrupts;
                if self.cell.word.is_signalled() && !self.obey_signals() {
                    return Next::Over;
                }
                if self.left == 0 && self.cell.word.is_signalled() {
                    self.look = true;
                    return Next::Budget;
                }
                if self.cell.has(flag::SUSPENDED | flag::ENDING) {
                    if self.cell.word.try_wait() {
                        return Next::Over;
                    }
                    self.look = true;
                    continue;
                }
            }
            if self.left == 0 {
                return Next::Budget;
            }
            match T::take(self) {
                Some(message) => {
                    self.left -= 1;
                    return Next::Message(message);
                }
                None if self.look => {}
                None if self.is_turning() => return Next::Budget,
                None if self.is_busy() && slice.may_linger() => linger(),
                None if self.cell.word.try_idle() => return Next::Over,
                None => self.look = true,
            }
        }
    }

    /// Whether this turn handled enough messages for more to be expected.
    fn is_busy(&self) -> bool {
        self.budget - self.left >= BUSY
    }

    fn take_node(&mut self) -> Option<Node> {
        // SAFETY: we own the actor, and the reference ends with this call.
        let local = unsafe { self.cell.local() };
        if local.is_empty() {
            (*local, self.look) = self.cell.word.take_and_look();
            if self.look {
                return None;
            }
        }
        local.pop_soon()
    }

    /// Whether messages are there that are only turned around yet: the others go first.
    fn is_turning(&self) -> bool {
        // SAFETY: as above.
        !self.bounded && unsafe { self.cell.local() }.is_turning()
    }

    /// Does what the signals say, oldest first; false: the actor is not owned any more. What a future wants done costs of the
    /// budget, since it may wake itself without end: when that is used up, the rest is signalled to the next turn.
    pub(crate) fn obey_signals(&mut self) -> bool {
        self.cell.word.clear_signal();
        loop {
            let signal = self.cell.look_at_details(self.pid, |details| self.next_signal(details)).flatten();
            let Some(signal) = signal else { return true };
            let is_poll = matches!(signal, Signal::Poll(_));
            if !self.obey(signal) {
                return false;
            }
            if is_poll {
                self.left = self.left.saturating_sub(1);
                if self.left == 0 {
                    let _ = self.cell.word.signal(false);
                    return true;
                }
            }
        }
    }

    /// The oldest signal, but a stop before all others: nothing of the actor's own code runs any more then, which may be
    /// on a thread that could not run it. What failed hears only what decides about it; the rest is for its successor.
    fn next_signal(&self, details: &mut Details) -> Option<Signal> {
        let is_last = |signal: &Signal| matches!(signal, Signal::Stop | Signal::Exit(_));
        let decides = |signal: &Signal| matches!(signal, Signal::Restart | Signal::Swap) || is_last(signal);
        let is_open = self.cell.word.is_open();
        let last = if is_open { None } else { details.signals.iter().position(is_last) };
        let has_failed = self.cell.has(flag::FAILED) && !self.cell.has(flag::ENDING);
        let place = match last {
            None if has_failed => details.signals.iter().position(decides)?,
            last => last.unwrap_or(0),
        };
        details.signals.remove(place)
    }

    fn obey(&mut self, signal: Signal) -> bool {
        let ending = self.cell.has(flag::ENDING);
        match signal {
            Signal::ChildrenGone if ending => {
                ending::finish(self.shared, self.cell, self.pid);
                return false;
            }
            _ if ending => {}
            Signal::ChildrenGone => {}
            Signal::Stop => return !ending::end(self.shared, self.cell, self.pid, ExitReason::Killed),
            Signal::Exit(reason) => return !ending::end(self.shared, self.cell, self.pid, reason),
            Signal::Swap => return self.swap(),
            Signal::Restart => return self.restart(),
            Signal::Resume(number, flow) => return self.resume(number, flow),
            Signal::System(message) => {
                return self.call(|behaviour, context| behaviour.system(context, *message));
            }
            Signal::Poll(task) => {
                if let Some((suspension, flow)) = task.run() {
                    suspension.resume(flow);
                }
            }
            Signal::Event(event) => return self.call(|behaviour, context| behaviour.event(context, event)),
        }
        true
    }

    /// Calls the behaviour for something that is no message.
    fn call(&mut self, call: impl FnOnce(&dyn Behaviour, &Context<'_>) -> Flow) -> bool {
        // SAFETY: we own the actor; the behaviour is not replaced during the call.
        let Some(behaviour) = (unsafe { self.cell.behaviour() }) else { return true };
        let context = self.context();
        let flow = catch_unwind(AssertUnwindSafe(|| call(&**behaviour, &context)))
            .unwrap_or_else(|panic| Flow::Stop(panicked(panic)));
        self.follow(flow)
    }

    pub(crate) fn follow(&mut self, flow: Flow) -> bool {
        match flow {
            Flow::Continue => {}
            Flow::Suspend => self.suspend(),
            Flow::Stop(reason) => {
                if ending::fail(self.shared, self.cell, self.pid, reason) {
                    return false;
                }
                self.wait_for_restart();
            }
        }
        true
    }

    fn resume(&mut self, number: u64, flow: Flow) -> bool {
        let current = self.cell.look_at_details(self.pid, |details| {
            // Dropped outside of the lock: it may hold things that call the runtime when they go.
            if details.suspensions == number { details.cancel.take() } else { None }
        });
        let Some(cancel) = current.flatten() else { return true };
        quietly("the drop of a cancellation", || drop(cancel));
        self.cell.lower(flag::SUSPENDED);
        self.follow(flow)
    }

    /// Brings the behaviour into force that the history names.
    fn swap(&mut self) -> bool {
        let code = self
            .cell
            .look_at_details(self.pid, |details| details.history.as_ref()?.current().cloned())
            .flatten();
        match code {
            Some(Code::Behaviour(behaviour)) => self.adopt(behaviour),
            _ => true,
        }
    }

    /// Begins anew after a failure, or because the supervisor says so.
    fn restart(&mut self) -> bool {
        if self.cell.has(flag::OBSERVED) {
            return true;
        }
        let cancel = self
            .cell
            .look_at_details(self.pid, |details| {
                details.restarts += 1;
                details.suspensions += 1;
                details.cancel.take()
            })
            .flatten();
        if let Some(cancel) = cancel {
            quietly("a cancellation", cancel);
        }
        self.cell.lower(flag::SUSPENDED | flag::FAILED);
        // SAFETY: we own the actor; the clone outlives the replacement.
        let Some(behaviour) = unsafe { self.cell.behaviour() }.cloned() else { return true };
        if !behaviour.keeps_children() {
            ending::stop_children(self.shared, self.cell, self.pid);
        }
        let fresh = catch_unwind(AssertUnwindSafe(|| behaviour.restarted()));
        match fresh {
            Ok(Ok(None)) => true,
            Ok(Ok(Some(fresh))) => self.adopt(fresh),
            Ok(Err(failure)) => self.follow(Flow::Stop(ExitReason::crash(failure))),
            Err(panic) => self.follow(Flow::Stop(panicked(panic))),
        }
    }

    /// Changes the behaviour, and the lane with it where it must run elsewhere.
    fn adopt(&mut self, behaviour: Arc<dyn Behaviour>) -> bool {
        let lane = behaviour.lane();
        let wants_system = behaviour.wants_system();
        let before = self.cell.replace_behaviour(Some(behaviour));
        quietly("the drop of a behaviour", || drop(before));
        if wants_system {
            self.cell.raise(flag::SYSTEM);
        }
        match lane {
            Some(lane) if lane != self.cell.lane() => {
                self.cell.set_lane(lane);
                // The remaining signals are looked at there: a turn begins with them.
                let _ = self.cell.word.signal(false);
                self.shared.schedule(self.cell);
                false
            }
            _ => true,
        }
    }
}
