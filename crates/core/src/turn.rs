//! Turn: an actor's turn stepped by its host, for hosts that hand messages over in batches.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::behaviour::{Behaviour, Flow};
use crate::bounded;
use crate::cell::{Cell, flag};
use crate::context::Suspension;
use crate::counters::Dropped;
use crate::lane::{HostedLane, Slice};
use crate::message::{Message, Reply};
use crate::node::Queued;
use crate::payload::PayloadView;
use crate::pid::Pid;
use crate::shared::Shared;
use crate::stepper::{Next, Stepper, Taken};

/// A message in the hands of a host, where it lay in the mailbox. Dropped, it counts as handled.
pub struct Delivery(Queued);

impl Delivery {
    /// A look at its payload.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> PayloadView<'_> {
        self.0.payload()
    }

    /// Whether somebody waits for an answer.
    #[must_use]
    #[inline]
    pub fn wants_reply(&self) -> bool {
        self.0.wants_reply()
    }

    /// The way to answer it, once.
    pub fn take_reply(&mut self) -> Option<Reply> {
        self.0.take_reply()
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Delivery").field(&self.payload()).finish()
    }
}

/// A turn stepped by its host: message by message, with the outcome told at the end.
///
/// Dropped without [`Turn::finish`], the actor goes on as after [`Flow::Continue`].
pub struct Turn {
    shared: Arc<Shared>,
    cell: *const Cell,
    lane: Arc<HostedLane>,
    pid: Pid,
    seen: u32,
    left: u32,
    look: bool,
    owned: bool,
}

impl Turn {
    pub(crate) fn new(shared: Arc<Shared>, cell: *const Cell, lane: Arc<HostedLane>) -> Self {
        // SAFETY: the lane just gave the cell to us; it lives as long as `shared`.
        let (pid, left) = unsafe { ((*cell).pid(), (*cell).budget.load(Ordering::Relaxed)) };
        Self { shared, cell, lane, pid, seen: 0, left, look: true, owned: true }
    }

    fn cell(&self) -> &Cell {
        // SAFETY: cells live as long as `shared`.
        unsafe { &*self.cell }
    }

    fn step<R>(&mut self, step: impl FnOnce(&mut Stepper<'_>) -> R) -> R {
        let mut stepper = Stepper {
            shared: &self.shared,
            // SAFETY: as in `cell`.
            cell: unsafe { &*self.cell },
            pid: self.pid,
            interrupts: self.lane.interrupts(),
            seen: self.seen,
            left: self.left,
            budget: self.left,
            look: self.look,
            // SAFETY: as in `cell`.
            bounded: unsafe { (*self.cell).has(flag::BOUNDED) },
        };
        let result = step(&mut stepper);
        (self.seen, self.left, self.look) = (stepper.seen, stepper.left, stepper.look);
        result
    }

    /// The actor whose turn it is.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Its behaviour; `None` once the turn is over.
    #[must_use]
    pub fn behaviour(&self) -> Option<&Arc<dyn Behaviour>> {
        // SAFETY: while `owned`, we own the actor, and the behaviour is replaced by `next_message(&mut self)` alone.
        if self.owned { unsafe { self.cell().behaviour() } } else { None }
    }

    /// The next message, within budget and after signals. `None`: there is none now, or the turn is over.
    ///
    /// Once this returned `None` for lack of messages the actor is idle and the turn over.
    pub fn next_message(&mut self) -> Option<Delivery> {
        if !self.owned {
            return None;
        }
        let next = self
            .step(|stepper| if stepper.bounded { next::<Message>(stepper) } else { next::<Queued>(stepper) });
        match next {
            Next::Message(queued) => Some(Delivery(queued)),
            Next::Budget => None,
            Next::Over => {
                self.owned = false;
                None
            }
        }
    }

    /// The next message if one is there, keeping the actor owned where none is: for hosts that handle what they took
    /// before the turn may end.
    #[inline]
    pub fn take_ready(&mut self) -> Option<Delivery> {
        if !self.owned || self.left == 0 {
            return None;
        }
        if self.look || self.lane.interrupts().load(Ordering::Acquire) != self.seen {
            if self.is_interrupted() {
                return None;
            }
            self.seen = self.lane.interrupts().load(Ordering::Acquire);
            self.look = false;
        }
        let queued =
            self.step(
                |stepper| {
                    if stepper.bounded { take::<Message>(stepper) } else { take::<Queued>(stepper) }
                },
            )?;
        self.left -= 1;
        Some(Delivery(queued))
    }

    /// Whether something waits that goes before the next message: a stop, a swap, a suspension.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.cell().word.is_signalled() || self.cell().has(flag::SUSPENDED | flag::ENDING)
    }

    /// Obeys the signals that wait; false: the turn is over.
    pub fn obey_signals(&mut self) -> bool {
        if self.owned && self.cell().word.is_signalled() {
            self.owned = self.step(|stepper| stepper.obey_signals());
        }
        if self.owned && self.cell().has(flag::SUSPENDED | flag::ENDING) && self.cell().word.try_wait() {
            self.owned = false;
        }
        self.owned
    }

    /// Whether the actor is still this turn's.
    #[must_use]
    pub fn is_owned(&self) -> bool {
        self.owned
    }

    /// Puts messages that were taken and not handled back, in order, before all others.
    pub fn put_back(&mut self, deliveries: Vec<Delivery>) {
        if !self.owned {
            for Delivery(queued) in deliveries {
                self.shared.drop_message(self.pid, queued.into_message(), Dropped::ActorExited);
            }
            return;
        }
        let count = deliveries.len() as u64;
        let cell = self.cell();
        if cell.has(flag::BOUNDED) {
            let messages = deliveries.into_iter().map(|Delivery(queued)| queued.into_message());
            bounded::put_back(cell, self.pid, messages.collect());
            return;
        }
        // SAFETY: the turn owns the actor, and the reference ends with this call.
        let local = unsafe { cell.local() };
        for Delivery(queued) in deliveries.into_iter().rev() {
            local.push_front(queued.into_node());
        }
        cell.count_put_back(count);
    }

    /// Readies a suspension, as [`Context::suspend`](crate::Context::suspend).
    pub fn suspension(&self, cancel: Box<dyn FnOnce() + Send>) -> Suspension {
        Suspension::new(&self.shared, self.cell(), self.pid, cancel)
    }

    /// Ends the turn: the actor queues again, is suspended, or ends.
    pub fn finish(mut self, flow: Flow) {
        self.end(flow);
    }

    fn end(&mut self, flow: Flow) {
        if !std::mem::replace(&mut self.owned, false) {
            return;
        }
        if !matches!(flow, Flow::Continue) && !self.step(|stepper| stepper.follow(flow)) {
            return;
        }
        let cell = self.cell();
        if cell.has(flag::SUSPENDED | flag::ENDING) {
            if cell.word.try_wait() {
                return;
            }
        } else if self.has_nothing_left() && cell.word.try_idle() {
            return;
        }
        self.shared.schedule_last(cell);
    }

    /// Whether no message is left that nobody would tell of again.
    fn has_nothing_left(&self) -> bool {
        if self.cell().has(flag::BOUNDED) {
            return bounded::is_empty(self.cell(), self.pid);
        }
        // SAFETY: the turn owns the actor, and the reference ends here.
        unsafe { self.cell().local() }.is_empty()
    }
}

fn next<T: Taken>(stepper: &mut Stepper<'_>) -> Next<Queued> {
    match stepper.next::<T>(&mut Slice::endless()) {
        Next::Message(message) => Next::Message(message.into_queued(stepper.pid)),
        Next::Budget => Next::Budget,
        Next::Over => Next::Over,
    }
}

#[inline]
fn take<T: Taken>(stepper: &mut Stepper<'_>) -> Option<Queued> {
    Some(T::take(stepper)?.into_queued(stepper.pid))
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.end(Flow::Continue);
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").field("pid", &self.pid).finish_non_exhaustive()
    }
}
