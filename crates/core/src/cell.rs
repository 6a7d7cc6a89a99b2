//! Cell: one actor, 96 bytes, in a slot of the table that never moves.
//!
//! Who may touch what:
//! * `word`, `enqueued`, `generation`, `flags`, `lane`, `budget` are atomics: anybody.
//! * `link` belongs to the table while the slot is vacant.
//! * `next` belongs to the lane whose queue the cell stands in.
//! * `details` holds everything rare, under its lock; it is made on first use and taken when the actor ends. An access by
//!   pid checks the generation under the lock ([`Cell::with_details`]), so it never meets a later actor.
//! * `owned` belongs to the owner that the word names (see [`crate::mailbox`]): one thread at a time. Its behaviour is
//!   changed by the owner under the details' lock, so that others may read it under that lock.
//!
//! Senders write the first cache line, the owner the last words; the stride of 96 bytes keeps the two on different
//! lines for every cell.

use std::cell::UnsafeCell;
use std::sync::Arc;

use crate::behaviour::Behaviour;
use crate::details::{Details, Waiter};
use crate::lane::LaneId;
use crate::list::List;
use crate::mailbox::Word;
use crate::pid::Pid;
use crate::sync::{AtomicPtr, AtomicU16, AtomicU32, AtomicU64, Mutex, Ordering};
use crate::table::{Slot, Table};

/// One actor.
#[repr(C, align(32))]
pub(crate) struct Cell {
    pub(crate) word: Word,
    /// Messages accepted by this slot since the table was made.
    pub(crate) enqueued: AtomicU64,
    generation: AtomicU32,
    link: AtomicU32,
    details: Mutex<Option<Box<Details>>>,
    pub(crate) next: AtomicPtr<Cell>,
    lane: AtomicU16,
    flags: AtomicU16,
    pub(crate) budget: AtomicU32,
    index: u32,
    owned: UnsafeCell<Owned>,
    /// Messages taken out by this slot's owners since the table was made. Written by the owner alone.
    pub(crate) taken: AtomicU64,
}

/// What only the owner touches.
#[derive(Default)]
struct Owned {
    behaviour: Option<Arc<dyn Behaviour>>,
    local: List,
}

// SAFETY: `owned` is touched by the owner alone (module documentation); everything in it is `Send`.
unsafe impl Sync for Cell {}
// SAFETY: as above; the pointer `next` is to another cell of the same table.
unsafe impl Send for Cell {}

/// Facts about an actor that hot paths ask, one bit each.
pub(crate) mod flag {
    /// It takes its messages itself: a pull actor.
    pub(crate) const PULL: u16 = 1;
    /// It keeps its messages until somebody reads them.
    pub(crate) const OBSERVED: u16 = 2;
    /// Its messages are in `Details::bounded`.
    pub(crate) const BOUNDED: u16 = 4;
    /// Timers may name it.
    pub(crate) const TIMERS: u16 = 8;
    /// Its behaviour wants system messages.
    pub(crate) const SYSTEM: u16 = 16;
    /// Owner: it handles no message until a signal says so.
    pub(crate) const SUSPENDED: u16 = 32;
    /// Owner: it ended but for its children.
    pub(crate) const ENDING: u16 = 64;
    /// It ends when it has been idle for a while.
    pub(crate) const VIRTUAL: u16 = 128;
    /// It belongs to the runtime itself and is not counted.
    pub(crate) const INTERNAL: u16 = 256;
    /// It stands for an actor of another node: a proxy.
    pub(crate) const REMOTE: u16 = 512;
    /// Owner: its pid is stale, and not all is done that its end takes.
    pub(crate) const LEAVING: u16 = 1024;
    /// Owner: it failed, and waits for what its supervisor says. It is suspended, too.
    pub(crate) const FAILED: u16 = 2048;
}

impl Slot for Cell {
    fn fresh(index: u32) -> Self {
        Self {
            word: Word::vacant(),
            enqueued: AtomicU64::new(0),
            generation: AtomicU32::new(0),
            link: AtomicU32::new(0),
            details: Mutex::new(None),
            next: AtomicPtr::new(std::ptr::null_mut()),
            lane: AtomicU16::new(0),
            flags: AtomicU16::new(0),
            budget: AtomicU32::new(0),
            index,
            owned: UnsafeCell::default(),
            taken: AtomicU64::new(0),
        }
    }

    fn generation(&self) -> &AtomicU32 {
        &self.generation
    }

    fn link(&self) -> &AtomicU32 {
        &self.link
    }
}

impl Cell {
    /// Readies a vacant cell for a new actor. The caller has just occupied the slot and opens the word afterwards.
    pub(crate) fn furnish(&self, lane: LaneId, flags: u16, budget: u32, details: Option<Box<Details>>) {
        self.lane.store(lane.get(), Ordering::Relaxed);
        self.flags.store(flags, Ordering::Relaxed);
        self.budget.store(budget, Ordering::Relaxed);
        *self.details.lock() = details;
    }

    /// The pid of the actor that lives here; the caller knows that one does.
    pub(crate) fn pid(&self) -> Pid {
        Pid::new(self.index, self.generation.load(Ordering::Relaxed))
    }

    pub(crate) fn current_generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn lane(&self) -> LaneId {
        LaneId::new(self.lane.load(Ordering::Relaxed))
    }

    pub(crate) fn set_lane(&self, lane: LaneId) {
        self.lane.store(lane.get(), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn has(&self, flag: u16) -> bool {
        self.flags.load(Ordering::Relaxed) & flag != 0
    }

    /// Of two flags that two threads raise, the later thread sees what the earlier did before: who sets a timer sees that
    /// its actor has ended, or the end sees that there are timers.
    pub(crate) fn raise(&self, flag: u16) {
        self.flags.fetch_or(flag, Ordering::AcqRel);
    }

    pub(crate) fn lower(&self, flag: u16) {
        self.flags.fetch_and(!flag, Ordering::Relaxed);
    }

    /// Messages waiting.
    pub(crate) fn queued(&self) -> usize {
        let taken = self.taken.load(Ordering::Acquire);
        let enqueued = self.enqueued.load(Ordering::Acquire);
        usize::try_from(enqueued.saturating_sub(taken)).unwrap_or(usize::MAX)
    }

    /// Owner: messages were taken out. Touches nothing that senders write: in a busy mailbox that would cost more than
    /// the message itself.
    #[inline]
    pub(crate) fn count_taken(&self, messages: u64) {
        let taken = self.taken.load(Ordering::Relaxed);
        self.taken.store(taken + messages, Ordering::Release);
    }

    /// Owner: messages taken out go back.
    pub(crate) fn count_put_back(&self, messages: u64) {
        let taken = self.taken.load(Ordering::Relaxed);
        self.taken.store(taken - messages, Ordering::Release);
    }

    /// As [`Cell::count_taken`] for a bounded mailbox, where senders that drop the oldest count, too.
    pub(crate) fn count_taken_beside_senders(&self, messages: u64) {
        self.taken.fetch_add(messages, Ordering::AcqRel);
    }

    /// As [`Cell::count_put_back`] for a bounded mailbox.
    pub(crate) fn count_put_back_beside_senders(&self, messages: u64) {
        self.taken.fetch_sub(messages, Ordering::AcqRel);
    }

    /// The details of this actor, made where it had none; `None` where the pid is stale.
    pub(crate) fn with_details<R>(&self, pid: Pid, visit: impl FnOnce(&mut Details) -> R) -> Option<R> {
        let mut details = self.details.lock();
        if self.current_generation() != pid.generation() {
            return None;
        }
        Some(visit(details.get_or_insert_default()))
    }

    /// As [`Cell::with_details`], but `None` also where the actor has no details yet.
    pub(crate) fn look_at_details<R>(&self, pid: Pid, visit: impl FnOnce(&mut Details) -> R) -> Option<R> {
        let mut details = self.details.lock();
        if self.current_generation() != pid.generation() {
            return None;
        }
        details.as_deref_mut().map(visit)
    }

    /// Who holds the mailbox of the pull actor that lives here now.
    pub(crate) fn waiter(&self) -> Option<Arc<dyn Waiter>> {
        self.details.lock().as_ref().and_then(|details| details.waiter.clone())
    }

    /// As [`Cell::with_details`], with the behaviour in force beside.
    pub(crate) fn with_behaviour<R>(
        &self,
        pid: Pid,
        visit: impl FnOnce(&mut Details, Option<&Arc<dyn Behaviour>>) -> R,
    ) -> Option<R> {
        let mut details = self.details.lock();
        if self.current_generation() != pid.generation() {
            return None;
        }
        // SAFETY: the behaviour is only written under this lock; the owner itself only reads it meanwhile.
        let behaviour = unsafe { (*self.owned.get()).behaviour.as_ref() };
        Some(visit(details.get_or_insert_default(), behaviour))
    }

    /// Owner: brings a behaviour into force and gives back the one before.
    pub(crate) fn replace_behaviour(
        &self,
        behaviour: Option<Arc<dyn Behaviour>>,
    ) -> Option<Arc<dyn Behaviour>> {
        let _details = self.details.lock();
        // SAFETY: the caller is the owner, and readers hold the lock.
        unsafe { std::mem::replace(&mut (*self.owned.get()).behaviour, behaviour) }
    }

    /// Owner: takes the details and the behaviour for good, with `retire` called under the lock to make the pid stale.
    pub(crate) fn take_details(
        &self,
        retire: impl FnOnce(),
    ) -> (Option<Box<Details>>, Option<Arc<dyn Behaviour>>) {
        let mut details = self.details.lock();
        retire();
        self.raise(flag::LEAVING);
        // SAFETY: the caller is the owner, and readers hold the lock.
        let behaviour = unsafe { (*self.owned.get()).behaviour.take() };
        (details.take(), behaviour)
    }

    /// What came for the actor since its pid became stale; `None` where it has not, or its end is over.
    pub(crate) fn with_late_details<R>(&self, pid: Pid, visit: impl FnOnce(&mut Details) -> R) -> Option<R> {
        let mut details = self.details.lock();
        let is_leaving = Table::is_vacated(self, pid) && self.has(flag::LEAVING);
        is_leaving.then(|| visit(details.get_or_insert_default()))
    }

    /// Owner: the end is over. Gives what came since the pid became stale.
    pub(crate) fn take_late_details(&self) -> Option<Box<Details>> {
        let mut details = self.details.lock();
        self.lower(flag::LEAVING);
        details.take()
    }

    /// Owner: the behaviour in force.
    ///
    /// # Safety
    /// The caller owns the actor and does not replace the behaviour while it uses the reference.
    pub(crate) unsafe fn behaviour(&self) -> Option<&Arc<dyn Behaviour>> {
        // SAFETY: promised by the caller; others only read.
        unsafe { (*self.owned.get()).behaviour.as_ref() }
    }

    /// The messages the owner has taken and not handled yet.
    ///
    /// # Safety
    /// The caller owns the actor, and no other reference from this function is alive.
    #[expect(clippy::mut_from_ref, reason = "ownership is kept by the word, not by the borrow checker")]
    pub(crate) unsafe fn local(&self) -> &mut List {
        // SAFETY: promised by the caller.
        unsafe { &mut (*self.owned.get()).local }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_96_bytes_and_owner_and_senders_write_different_lines() {
        assert_eq!(size_of::<Cell>(), 96);
        assert!(std::mem::offset_of!(Cell, taken) >= 64 + std::mem::offset_of!(Cell, enqueued));
    }
}
