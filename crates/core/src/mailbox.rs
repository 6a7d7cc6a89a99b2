//! Mailbox: one word that is message list, scheduling state and interrupt flag of an actor.
//!
//! The word is a pointer to the newest [`Node`] of a list (Treiber 1986: push by compare-and-swap, taken whole) with
//! four flags in the bits that a node's alignment leaves free:
//!
//! * `ACTIVE`: somebody owns the actor: it stands in a run queue, runs, or waits with `WAITING`. Whoever changes
//!   `ACTIVE` from 0 to 1 must see to it that the actor runs ([`Push::Schedule`]), so it is queued exactly once.
//! * `SIGNAL`: signals wait beside the list; the owner looks at them before the next message, and cannot go idle while
//!   the flag stands.
//! * `WAITING` with `ACTIVE`: the owner left with messages in the list, waiting for a signal. A message does not schedule
//!   the actor then, a signal does. `WAITING` alone: a pull actor whose holder waits for messages. Who finds that wakes the
//!   holder ([`Push::Wake`]) and owns nothing, so that whoever is told to schedule owns the actor that lives in the slot
//!   now, be it another than the one it sent to.
//! * `CLOSED`: messages are refused. Together with a cleared `ACTIVE`: the slot is vacant.
//!
//! What the owner may touch (the taken messages, the behaviour) passes from owner to owner through this word: it is
//! released by [`Word::try_idle`] and [`Word::try_wait`], acquired by the push or signal that schedules again.
//!
//! A node carries the generation of the actor it was sent to. A sender that looked the actor up before it ended may
//! push after the slot was given to another: the new owner sees the stranger's generation and drops the node, so a
//! message never reaches an actor it was not sent to.

use crate::list::List;
use crate::node::{Link, Node};
use std::ptr::NonNull;

use crate::sync::{AtomicUsize, Ordering};

const SIGNAL: usize = 1;
const ACTIVE: usize = 2;
const CLOSED: usize = 4;
const WAITING: usize = 8;
const FLAGS: usize = align_of::<Link>() - 1;

const _: () = assert!(FLAGS == SIGNAL | ACTIVE | CLOSED | WAITING);

/// What the sender of a message must do next.
#[must_use]
pub(crate) enum Push {
    /// Nothing: the actor's owner will find it.
    Queued,
    /// Put the actor on its lane.
    Schedule,
    /// Wake the holder of the pull actor, who waits for messages.
    Wake,
    /// Nothing was queued: the actor takes no messages any more.
    Refused(Node),
}

/// What the sender of a signal must do next.
#[must_use]
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Signalled {
    /// Nothing: the actor's owner will see the flag.
    Seen,
    /// Put the actor on its lane.
    Schedule,
    /// Nothing was signalled: there is no actor.
    Vacant,
}

/// The word itself.
pub(crate) struct Word(AtomicUsize);

impl Word {
    /// A vacant slot's word.
    pub(crate) fn vacant() -> Self {
        Self(AtomicUsize::new(CLOSED))
    }

    /// Opens a vacant slot for a new actor, idle or owned by the caller.
    pub(crate) fn open(&self, owned: bool) {
        self.0.store(if owned { ACTIVE } else { 0 }, Ordering::Release);
    }

    /// Ends the slot's actor: the caller owned it and has emptied it. What came since is given back to be dropped.
    pub(crate) fn vacate(&self) -> List {
        List::from_newest((self.0.swap(CLOSED, Ordering::AcqRel) & !FLAGS) as *mut Link)
    }

    #[inline]
    pub(crate) fn push(&self, node: Node) -> Push {
        let raw = node.into_raw();
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            if old & CLOSED != 0 {
                // SAFETY: `raw` was not published.
                return Push::Refused(unsafe { Node::from_raw(NonNull::new_unchecked(raw)) });
            }
            // SAFETY: `raw` is ours until the exchange below publishes it.
            unsafe { (*raw).next = (old & !FLAGS) as *mut Link };
            let kept = if old & ACTIVE == 0 { old & FLAGS & !WAITING } else { old & FLAGS };
            let new = raw as usize | kept | ACTIVE;
            match self.0.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if old & ACTIVE != 0 => return Push::Queued,
                Ok(_) if old & WAITING != 0 => return Push::Wake,
                Ok(_) => return Push::Schedule,
                Err(seen) => old = seen,
            }
        }
    }

    /// Raises `SIGNAL`; with `close`, refuses messages from now on.
    pub(crate) fn signal(&self, close: bool) -> Signalled {
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            if old & (CLOSED | ACTIVE) == CLOSED {
                return Signalled::Vacant;
            }
            let new = (old | SIGNAL | ACTIVE | if close { CLOSED } else { 0 }) & !WAITING;
            match self.0.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if old & ACTIVE == 0 || old & WAITING != 0 => return Signalled::Schedule,
                Ok(_) => return Signalled::Seen,
                Err(seen) => old = seen,
            }
        }
    }

    /// Tells that a message waits outside of the list: as [`Word::signal`], but an owner that waits is left alone.
    pub(crate) fn poke(&self) -> Signalled {
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            if old & (CLOSED | ACTIVE) == CLOSED {
                return Signalled::Vacant;
            }
            if old & WAITING != 0 && old & ACTIVE != 0 {
                return Signalled::Seen;
            }
            match self.0.compare_exchange_weak(
                old,
                (old | SIGNAL | ACTIVE) & !WAITING,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) if old & ACTIVE == 0 => return Signalled::Schedule,
                Ok(_) => return Signalled::Seen,
                Err(seen) => old = seen,
            }
        }
    }

    /// Becomes the owner of an idle actor.
    pub(crate) fn try_claim(&self) -> bool {
        self.0.compare_exchange(0, ACTIVE, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Holder of a pull actor: waits for messages. False where something came.
    pub(crate) fn try_lie_down(&self) -> bool {
        self.0.compare_exchange(ACTIVE, WAITING, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Holder of a pull actor: ends its wait by itself.
    pub(crate) fn try_get_up(&self) -> bool {
        self.0.compare_exchange(WAITING, ACTIVE, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Opens a vacant slot for an actor whose messages schedule nobody.
    pub(crate) fn open_waiting(&self) {
        self.0.store(ACTIVE | WAITING, Ordering::Release);
    }

    /// Becomes the owner of an actor whose owner left to wait, unless a signal came.
    pub(crate) fn try_claim_waiting(&self) -> bool {
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            if old & WAITING == 0 || old & ACTIVE == 0 || old & SIGNAL != 0 {
                return false;
            }
            match self.0.compare_exchange_weak(old, old & !WAITING, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(seen) => old = seen,
            }
        }
    }

    /// Owner: refuses messages from now on.
    pub(crate) fn close(&self) {
        self.0.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// Owner: whether signals wait.
    pub(crate) fn is_signalled(&self) -> bool {
        self.0.load(Ordering::Acquire) & SIGNAL != 0
    }

    /// Owner: lowers `SIGNAL`; what was signalled before is visible afterwards.
    pub(crate) fn clear_signal(&self) {
        self.0.fetch_and(!SIGNAL, Ordering::AcqRel);
    }

    /// Whether messages or signals wait, as seen by a consumer that spins.
    pub(crate) fn has_news(&self) -> bool {
        let word = self.0.load(Ordering::Relaxed);
        word & SIGNAL != 0 || word & !FLAGS != 0
    }

    /// Whether messages are accepted.
    pub(crate) fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire) & CLOSED == 0
    }

    /// Whether nobody owns the actor.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.load(Ordering::Relaxed) & ACTIVE == 0
    }

    /// Owner: takes all messages, oldest first.
    pub(crate) fn take(&self) -> List {
        self.take_and_look().0
    }

    /// Owner: takes all messages, oldest first, and tells whether signals wait. What a signal changed before a message was
    /// sent must be changed before it is handled, so whoever handles messages looks with the taking, not before it.
    pub(crate) fn take_and_look(&self) -> (List, bool) {
        if self.0.load(Ordering::Relaxed) & !FLAGS == 0 {
            return (List::default(), false);
        }
        let word = self.0.fetch_and(FLAGS, Ordering::AcqRel);
        (List::from_newest((word & !FLAGS) as *mut Link), word & SIGNAL != 0)
    }

    /// Owner: goes idle. False where a message or a signal came.
    pub(crate) fn try_idle(&self) -> bool {
        self.0.compare_exchange(ACTIVE, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Owner: leaves, to be woken by a signal alone. False where a signal came.
    pub(crate) fn try_wait(&self) -> bool {
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            if old & SIGNAL != 0 {
                return false;
            }
            match self.0.compare_exchange_weak(old, old | WAITING, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(seen) => old = seen,
            }
        }
    }
}

impl Drop for Word {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(all(test, loom))]
#[path = "mailbox_model.rs"]
mod model;
