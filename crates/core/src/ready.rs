//! Ready: the run queue that everybody may push to. An inbox in front, and what was taken from it, oldest first, behind a
//! lock that only takers touch.

use crate::cell::Cell;
use crate::inbox::{Inbox, Linked};
use crate::sync::{AtomicPtr, Mutex, Ordering};

impl Linked for Cell {
    fn next(&self) -> &AtomicPtr<Self> {
        &self.next
    }
}

/// Ready actors, oldest first.
pub(crate) struct ReadyQueue {
    inbox: Inbox<Cell>,
    taken: Mutex<Taken>,
}

struct Taken {
    first: *const Cell,
}

// SAFETY: a pointer to a cell of the table, which is `Sync` and outlives the queue's use of it.
unsafe impl Send for Taken {}

impl ReadyQueue {
    pub(crate) fn new() -> Self {
        Self { inbox: Inbox::new(), taken: Mutex::new(Taken { first: std::ptr::null() }) }
    }

    /// Adds an actor that stands in no queue; true: the taker sleeps and must be woken.
    #[must_use]
    pub(crate) fn push(&self, cell: &Cell) -> bool {
        self.inbox.push(cell)
    }

    /// Takes the oldest.
    pub(crate) fn pop(&self) -> Option<&Cell> {
        self.taken.lock().pop(&self.inbox)
    }

    /// Takes the oldest, and hands up to `more` of the next to `keep`.
    pub(crate) fn pop_batch(&self, more: usize, mut keep: impl FnMut(&Cell)) -> Option<&Cell> {
        let mut taken = self.taken.lock();
        let oldest = taken.pop(&self.inbox)?;
        for _ in 0..more {
            match taken.pop(&self.inbox) {
                Some(cell) => keep(cell),
                None => break,
            }
        }
        Some(oldest)
    }

    /// See [`Inbox::draw_line`].
    pub(crate) fn draw_line(&self) {
        self.inbox.draw_line();
    }

    pub(crate) fn has_work(&self) -> bool {
        self.inbox.has_work() || !self.taken.lock().first.is_null()
    }

    /// The taker falls asleep; false where something is there.
    pub(crate) fn try_park(&self) -> bool {
        self.taken.lock().first.is_null() && self.inbox.try_park()
    }

    pub(crate) fn unpark(&self) -> bool {
        self.inbox.unpark()
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.inbox.is_parked()
    }
}

impl Taken {
    fn pop<'a>(&mut self, inbox: &Inbox<Cell>) -> Option<&'a Cell> {
        if self.first.is_null() {
            self.first = inbox.take();
        }
        // SAFETY: cells live as long as the table, which outlives the queue's use; a queued cell is in one queue only.
        let cell = unsafe { self.first.as_ref()? };
        self.first = cell.next.load(Ordering::Relaxed);
        Some(cell)
    }
}
