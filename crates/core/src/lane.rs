//! Lane: a run queue of ready actors with somebody to wake.
//!
//! A hosted lane belongs to a host language: its actors run on threads that the host brings ([`HostedLane::drain`]). Any
//! number of them may drain one lane at once, also re-entrantly, because an actor that runs stands in no queue: the
//! lock around the ready list is held for the moment of taking the next actor only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::cell::Cell;
use crate::ready::ReadyQueue;
use crate::shared::{Shared, WeakShared};
use crate::stepper;
use crate::sync::{AtomicU16, RwLock};
use crate::turn::Turn;

/// Most lanes of one runtime at a time: each is a thread or an event loop of the host.
pub const LANES_MAX: usize = 4096;

/// The number of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LaneId(u16);

impl LaneId {
    /// The runtime's own worker threads, for Rust actors.
    pub const WORKERS: Self = Self(0);
    /// No run queue: a pull actor is woken through its waiter.
    pub(crate) const PULL: Self = Self(u16::MAX);

    pub(crate) fn new(number: u16) -> Self {
        Self(number)
    }

    pub(crate) fn get(self) -> u16 {
        self.0
    }
}

/// Whoever drains a hosted lane.
pub trait LaneHost: Send + Sync + 'static {
    /// Something is ready and the lane was asleep. Called from any thread, once per sleep, and now and then once more for
    /// a lane that another host had before; must not block, and must not call back into the runtime.
    fn wake(&self);
}

/// What is left after a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Drained {
    /// Nothing is ready.
    Empty,
    /// The slice is over; call again.
    More,
}

/// A lane whose actors run on threads of the host.
pub struct HostedLane {
    id: LaneId,
    shared: WeakShared,
    ready: ReadyQueue,
    host: RwLock<Arc<dyn LaneHost>>,
    interrupts: AtomicU32,
    /// Where its actors go since the host is gone; `NO_LANE` while it is here. Changed together with the host, under
    /// its lock.
    successor: AtomicU16,
    turns: AtomicU32,
}

const NO_LANE: u16 = u16::MAX;

impl HostedLane {
    pub(crate) fn new(id: LaneId, shared: WeakShared, host: Arc<dyn LaneHost>) -> Self {
        Self {
            id,
            shared,
            ready: ReadyQueue::new(),
            host: RwLock::new(host),
            interrupts: AtomicU32::new(0),
            successor: AtomicU16::new(NO_LANE),
            turns: AtomicU32::new(0),
        }
    }

    /// The lane's number, for [`SpawnOptions::lane`](crate::SpawnOptions::lane).
    #[must_use]
    pub fn id(&self) -> LaneId {
        self.id
    }

    /// Runs turns of ready actors until nothing is ready or the deadline has passed.
    ///
    /// The clock is read every few messages, so a slice ends late by what those take. May be called from several
    /// threads at once and from within a handler; an actor that runs is never entered again.
    pub fn drain(&self, deadline: Instant) -> Drained {
        let Some(shared) = self.shared.upgrade() else { return Drained::Empty };
        let mut slice = Slice::until(deadline);
        while let Some(cell) = self.ready.pop() {
            self.turns.fetch_add(1, Ordering::Relaxed);
            stepper::run(&shared, cell, &self.interrupts, &mut slice);
            if slice.is_over() {
                return if self.has_work() { Drained::More } else { Drained::Empty };
            }
        }
        Drained::Empty
    }

    /// Runs one turn of the oldest ready actor, if there is one.
    pub fn drain_one(&self) -> bool {
        self.drain_one_after(|| ())
    }

    /// The same, where `taken` is called before the turn, once the actor stands in no queue any more: who runs a single
    /// turn can leave the lane to others there, since the turn may take for ever.
    pub fn drain_one_after(&self, taken: impl FnOnce()) -> bool {
        let Some(shared) = self.shared.upgrade() else { return false };
        let Some(cell) = self.ready.pop() else { return false };
        taken();
        self.turns.fetch_add(1, Ordering::Relaxed);
        stepper::run(
            &shared,
            cell,
            &self.interrupts,
            &mut Slice::until(Instant::now() + Duration::from_secs(1)),
        );
        true
    }

    /// Takes the oldest ready actor to be stepped by hand, for hosts that hand over whole batches.
    pub fn take_turn(self: &Arc<Self>) -> Option<Turn> {
        let shared = self.shared.upgrade()?;
        let cell = self.ready.pop()?;
        self.turns.fetch_add(1, Ordering::Relaxed);
        Some(Turn::new(shared, std::ptr::from_ref(cell), Arc::clone(self)))
    }

    /// Whether an actor is ready.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.ready.has_work()
    }

    /// Falls asleep: from then on the next ready actor calls [`LaneHost::wake`], once. False: something is ready.
    #[must_use]
    pub fn try_sleep(&self) -> bool {
        self.ready.try_park()
    }

    /// Takes the sleep back, when the host woke by itself. False: a wake is on its way.
    pub fn cancel_sleep(&self) -> bool {
        self.ready.unpark()
    }

    /// Whether the lane is asleep.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        self.ready.is_parked()
    }

    /// Changes whenever a signal reaches an actor of this lane; a batch looks here between messages.
    #[must_use]
    pub fn interrupts(&self) -> &AtomicU32 {
        &self.interrupts
    }

    /// Turns begun, for a watchdog that asks whether the lane moves.
    #[must_use]
    pub fn turns(&self) -> u32 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Puts a ready actor at the end of the queue and wakes the host if it sleeps.
    pub(crate) fn push(&self, shared: &Shared, cell: &Cell) {
        if self.ready.push(cell) {
            let host = Arc::clone(&self.host.read());
            host.wake();
        }
        if self.successor.load(Ordering::Acquire) != NO_LANE {
            self.move_on(shared);
        }
    }

    pub(crate) fn interrupt(&self) {
        self.interrupts.fetch_add(1, Ordering::Release);
    }

    /// The host goes: what is ready now or later runs on another lane.
    pub(crate) fn retire(&self, shared: &Shared, successor: LaneId, nobody: Arc<dyn LaneHost>) {
        self.change_host(nobody, successor.get());
        self.ready.draw_line();
        self.move_on(shared);
    }

    /// Whether the host is gone, and all that was ready.
    pub(crate) fn is_retired(&self) -> bool {
        self.successor.load(Ordering::Acquire) != NO_LANE && !self.has_work()
    }

    /// A retired lane that nobody uses any more gets another host, and is awake.
    pub(crate) fn begin_again(&self, host: Arc<dyn LaneHost>) {
        self.change_host(host, NO_LANE);
        self.ready.unpark();
    }

    fn change_host(&self, host: Arc<dyn LaneHost>, successor: u16) {
        let mut place = self.host.write();
        self.successor.store(successor, Ordering::Release);
        let before = std::mem::replace(&mut *place, host);
        // Whatever a host's drop does, it does it without the lock.
        drop(place);
        drop(before);
    }

    fn move_on(&self, shared: &Shared) {
        while let Some((cell, successor)) = self.next_to_move() {
            cell.set_lane(successor);
            shared.schedule(cell);
        }
    }

    /// The oldest ready actor and where it goes; nothing since the lane began again. The lock makes the two one step: a
    /// sender that is late takes no actor from the next host.
    fn next_to_move(&self) -> Option<(&Cell, LaneId)> {
        let _host = self.host.read();
        let successor = self.successor.load(Ordering::Acquire);
        if successor == NO_LANE {
            return None;
        }
        self.ready.pop().map(|cell| (cell, LaneId::new(successor)))
    }
}

impl std::fmt::Debug for HostedLane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostedLane").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A time slice that reads the clock once per [`CLOCK_EVERY`] messages.
pub(crate) struct Slice {
    deadline: Option<Instant>,
    left: u32,
    over: bool,
    /// Times the owner may still wait for more, when it has emptied a busy mailbox.
    lingers: u32,
}

/// Reading the clock costs 20 ns, a message 50 to 100: every eighth message it is 3 % at most.
const CLOCK_EVERY: u32 = 8;

impl Slice {
    pub(crate) fn until(deadline: Instant) -> Self {
        Self { deadline: Some(deadline), left: CLOCK_EVERY, over: false, lingers: 0 }
    }

    pub(crate) fn endless() -> Self {
        Self { deadline: None, left: u32::MAX, over: false, lingers: 0 }
    }

    /// Lets the owner of a busy mailbox linger when it has emptied it, as often as said.
    pub(crate) fn allow_lingering(&mut self, lingers: u32) {
        self.lingers = lingers;
    }

    /// Takes one of the allowed waits.
    pub(crate) fn may_linger(&mut self) -> bool {
        let may = self.lingers > 0;
        self.lingers = self.lingers.saturating_sub(1);
        may
    }

    /// Counts one message; true when the slice is over.
    pub(crate) fn tick(&mut self) -> bool {
        self.left -= 1;
        if self.left == 0 {
            match self.deadline {
                Some(deadline) => {
                    self.left = CLOCK_EVERY;
                    self.over = Instant::now() >= deadline;
                }
                None => self.left = u32::MAX,
            }
        }
        self.over
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over
    }
}

#[cfg(all(test, loom))]
#[path = "lane_model.rs"]
mod model;
