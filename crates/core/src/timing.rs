//! Timing: what the runtime's timers do when they go off.

use std::num::NonZeroU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::ask::AskState;
use crate::cell::flag;
use crate::clock::Clock;
use crate::details::Signal;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::payload::Payload;
use crate::pid::Pid;
use crate::quietly::quietly;
use crate::runtime::Runtime;
use crate::send::Refusal;
use crate::shared::{Shared, WeakShared};
use crate::supervisor::Event;
use crate::sync::{AtomicBool, Ordering};
use crate::timer_id::TimerId;
use crate::timers::{Delay, Timers};
use crate::wheel::Fired;

/// Longest delay and interval: 2^53 ms, the largest integer that every language counts exactly.
pub const DELAY_MS_MAX: u64 = 1 << 53;

/// How long a close waits for timers that are going off.
const CLOSE_WITHIN: Duration = Duration::from_millis(200);

/// A delay in whole milliseconds, rounded up so that nothing is early.
fn in_ms(delay: Duration) -> u64 {
    u64::try_from(delay.as_nanos().div_ceil(1_000_000)).map_or(DELAY_MS_MAX, |ms| ms.min(DELAY_MS_MAX))
}

/// What happens when a timer goes off.
pub(crate) enum Action {
    /// A message is sent.
    Send(Pid, Payload),
    /// An ask is over.
    EndAsk(Arc<AskState>, Pid, Duration),
    /// A virtual actor that took no message since ends.
    CheckIdle { pid: Pid, timeout: Duration, taken: u64 },
    /// An actor waited long enough for its children.
    EndWithoutChildren(Pid),
    /// A supervisor's pause is over.
    Due { supervisor: Pid, child: u64 },
    /// A supervisor waited long enough for children that it told to stop.
    Overdue { supervisor: Pid },
}

impl Action {
    /// The value of one firing of a periodic timer; only sends are periodic.
    fn copy(&self) -> Self {
        match self {
            Self::Send(pid, payload) => Self::Send(*pid, payload.copy()),
            Self::EndAsk(state, pid, timeout) => Self::EndAsk(Arc::clone(state), *pid, *timeout),
            Self::CheckIdle { pid, timeout, taken } => {
                Self::CheckIdle { pid: *pid, timeout: *timeout, taken: *taken }
            }
            Self::EndWithoutChildren(pid) => Self::EndWithoutChildren(*pid),
            Self::Due { supervisor, child } => Self::Due { supervisor: *supervisor, child: *child },
            Self::Overdue { supervisor } => Self::Overdue { supervisor: *supervisor },
        }
    }

    fn run(self, shared: &Arc<Shared>) {
        match self {
            Self::Send(pid, payload) => {
                // A refusal is counted as a dead letter where it is made; a timer waits for no room.
                let sent = shared.deliver(pid, Message::new(payload));
                if let Err((Refusal::WouldBlock, message)) = sent {
                    shared.refuse_full(pid, message);
                }
            }
            Self::EndAsk(state, pid, timeout) => {
                let message = format!("actor {pid} did not answer within {timeout:?}");
                state.complete(Err(Error::new(ErrorKind::AskTimeout, message)));
            }
            Self::CheckIdle { pid, timeout, taken } => check_idle(shared, pid, timeout, taken),
            Self::EndWithoutChildren(pid) => {
                shared.signal(pid, Signal::ChildrenGone);
            }
            Self::Due { supervisor, child } => {
                shared.signal(supervisor, Signal::Event(Box::new(Event::Due { child })));
            }
            Self::Overdue { supervisor } => {
                shared.signal(supervisor, Signal::Event(Box::new(Event::Overdue)));
            }
        }
    }
}

fn check_idle(shared: &Arc<Shared>, pid: Pid, timeout: Duration, taken_before: u64) {
    let Some(cell) = shared.table.get(pid) else { return };
    let taken = cell.taken.load(Ordering::Acquire);
    let was_used = taken != taken_before || cell.queued() > 0;
    if was_used || !shared.retire(cell, pid) {
        shared.timing.check_idle(shared, pid, timeout, taken);
    }
}

/// The timers of one runtime; their thread is started at first need.
pub(crate) struct Timing {
    timers: OnceLock<Timers<Action>>,
    clock: Clock,
    closed: AtomicBool,
}

impl Timing {
    /// The time since the runtime began, by its own clock.
    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    pub(crate) fn new(clock: Clock) -> Self {
        Self { timers: OnceLock::new(), clock, closed: AtomicBool::new(false) }
    }

    fn timers(&self, weak: impl FnOnce() -> WeakShared) -> &Timers<Action> {
        self.timers.get_or_init(|| {
            let weak = weak();
            let fire = move |fired: &mut Vec<Fired<Action>>| {
                if let Some(shared) = weak.upgrade() {
                    fired.drain(..).for_each(|fired| quietly("a timer", || fired.value.run(&shared)));
                }
            };
            Timers::new(self.clock.clone(), Action::copy, Box::new(fire))
        })
    }

    fn after(&self, shared: &Shared, delay: Duration, owner: Option<Pid>, action: Action) -> u64 {
        // Refused beyond the limit of timers alone, which is logged there; the caller's own time-outs are best effort.
        if self.closed.load(Ordering::Acquire) {
            return 0;
        }
        let delay = Delay { delay_ms: in_ms(delay), interval_ms: None, owner };
        match self.timers(|| shared.weak()).insert(delay, action) {
            Ok(id) => id.get(),
            Err(error) => {
                if error.kind() != ErrorKind::RuntimeClosed {
                    tracing::error!(%error, "a timer of the runtime's own is not set");
                }
                0
            }
        }
    }

    pub(crate) fn end_ask(&self, shared: &Shared, state: &Arc<AskState>, pid: Pid, timeout: Duration) {
        state.set_timer(self.after(shared, timeout, None, Action::EndAsk(Arc::clone(state), pid, timeout)));
        if self.closed.load(Ordering::Acquire) {
            // The close may have come before the timer.
            end_with_runtime(state, pid);
        }
    }

    pub(crate) fn check_idle(&self, shared: &Shared, pid: Pid, timeout: Duration, taken: u64) {
        let _ = self.after(shared, timeout, Some(pid), Action::CheckIdle { pid, timeout, taken });
    }

    pub(crate) fn end_without_children(&self, shared: &Shared, pid: Pid, timeout: Duration) {
        let _ = self.after(shared, timeout, Some(pid), Action::EndWithoutChildren(pid));
    }

    pub(crate) fn due_after(&self, shared: &Shared, supervisor: Pid, pause: Duration, child: u64) {
        let _ = self.after(shared, pause, None, Action::Due { supervisor, child });
    }

    pub(crate) fn overdue_after(&self, shared: &Shared, supervisor: Pid, timeout: Duration) {
        let _ = self.after(shared, timeout, None, Action::Overdue { supervisor });
    }

    pub(crate) fn cancel(&self, timer: u64) -> bool {
        let (Some(id), Some(timers)) = (TimerId::from_u64(timer), self.timers.get()) else { return false };
        timers.cancel(id).is_some()
    }

    /// Cancels the timers of an actor that ended.
    pub(crate) fn cancel_of(&self, pid: Pid) {
        if let Some(timers) = self.timers.get() {
            timers.cancel_owner(pid);
        }
    }

    /// Timers pending.
    pub(crate) fn pending(&self) -> usize {
        self.timers.get().map_or(0, Timers::pending)
    }

    /// Ends the thread. Pending timers are dropped; asks that would end by one, end.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let Some(timers) = self.timers.get() else { return };
        for action in timers.close(CLOSE_WITHIN) {
            if let Action::EndAsk(state, pid, _) = action {
                quietly("an ask", || end_with_runtime(&state, pid));
            } else {
                quietly("the drop of a timer", || drop(action));
            }
        }
    }
}

fn end_with_runtime(state: &AskState, pid: Pid) {
    let message = format!("the runtime was closed before actor {pid} answered");
    state.complete(Err(Error::new(ErrorKind::RuntimeClosed, message)));
}

impl Runtime {
    /// Sends a message to the actor once, after `delay_ms` milliseconds. The timer ends with its actor.
    ///
    /// # Errors
    /// `NoProcess`; `InvalidArgument` above [`DELAY_MS_MAX`]; `LimitReached`; `RuntimeClosed`.
    pub fn send_after(&self, pid: Pid, delay_ms: u64, payload: Payload) -> Result<u64> {
        self.set_timer(pid, delay_ms, None, payload)
    }

    /// Sends a message to the actor every `interval_ms` milliseconds, first after one interval. A beat that is missed is
    /// left out. The timer ends with its actor.
    ///
    /// # Errors
    /// As [`Runtime::send_after`]; `InvalidArgument` also for an interval of 0.
    pub fn send_interval(&self, pid: Pid, interval_ms: u64, payload: Payload) -> Result<u64> {
        if interval_ms == 0 {
            return Err(Error::invalid("an interval must be at least 1 ms"));
        }
        self.set_timer(pid, interval_ms, Some(interval_ms), payload)
    }

    fn set_timer(&self, pid: Pid, delay_ms: u64, interval_ms: Option<u64>, payload: Payload) -> Result<u64> {
        self.shared().check_open()?;
        if delay_ms > DELAY_MS_MAX {
            return Err(Error::invalid(format!("a delay is at most {DELAY_MS_MAX} ms")));
        }
        let cell = self.shared().cell(pid)?;
        cell.raise(flag::TIMERS);
        // A host's object may wait for long: a million of them are memory of the host's that nobody has looked at since.
        let action = Action::Send(pid, payload.without_host());
        let delay = Delay { delay_ms, interval_ms: interval_ms.and_then(NonZeroU64::new), owner: Some(pid) };
        let timers = self.shared().timing.timers(|| self.shared().weak());
        let id = timers.insert(delay, action)?;
        if self.shared().table.get(pid).is_none() {
            // It ended in between, and may have cancelled its timers before this one was set.
            timers.cancel(id);
            return Err(Error::no_process(pid));
        }
        Ok(id.get())
    }

    /// Takes a timer back. True only if it was still pending.
    pub fn cancel_timer(&self, id: u64) -> bool {
        self.shared().timing.cancel(id)
    }
}
