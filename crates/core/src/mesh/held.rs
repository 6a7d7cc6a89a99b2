//! Held: the payload of a message that came over the wire. While it is held, its sender's credit is held.
//!
//! One allocation: a head and the bytes behind it. [`HostBytes`] passes it through a mailbox as one pointer; whoever
//! drops the payload, on whatever thread, gives the credit back.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

use super::credit::{cost, is_worth_telling};
use crate::payload::{HostBytes, Payload};

/// What the messages of one connection have cost and given back; the receiver's side of [`super::credit`].
pub(crate) struct Ledger {
    returned: AtomicU64,
    received: AtomicU64,
    window: u64,
    /// What all that came has cost; the reader's, as `seen`.
    taken: AtomicU64,
    /// What was given back when the reader looked last.
    seen: AtomicU64,
    /// The peer should be told.
    due: AtomicBool,
    bell: Arc<Notify>,
}

impl Ledger {
    pub(crate) fn new(window: u64, bell: Arc<Notify>) -> Arc<Self> {
        let (returned, received, taken, seen) = Default::default();
        Arc::new(Self { returned, received, window, taken, seen, due: AtomicBool::new(false), bell })
    }

    /// The reader: one more message came.
    pub(crate) fn count_received(&self) {
        // The reader alone writes it.
        self.received.store(self.received.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// The reader: a message of this length came, which its sender had to have credit for. False: it had none.
    pub(crate) fn take(&self, length: usize) -> bool {
        let before = self.taken.load(Ordering::Relaxed);
        let taken = before + cost(length);
        self.taken.store(taken, Ordering::Relaxed);
        // Most often what was known is enough, and others' threads are left alone.
        if taken - self.seen.load(Ordering::Relaxed) <= self.window {
            return true;
        }
        let returned = self.returned.load(Ordering::Acquire);
        self.seen.store(returned, Ordering::Relaxed);
        // One that is larger than the window comes alone.
        taken - returned <= self.window || before == returned
    }

    /// A payload that holds its sender's credit.
    pub(crate) fn hold(self: &Arc<Self>, bytes: &[u8]) -> Payload {
        Payload::host(Held::copy(Arc::clone(self), bytes))
    }

    /// Gives back what a message cost.
    pub(crate) fn give_back(&self, length: usize) {
        let cost = cost(length);
        let before = self.returned.fetch_add(cost, Ordering::AcqRel);
        if is_worth_telling(before, cost, self.window) {
            self.due.store(true, Ordering::Release);
            self.bell.notify_one();
        }
    }

    /// The writer: whether the peer should be told now.
    pub(crate) fn is_due(&self) -> bool {
        self.due.load(Ordering::Relaxed) && self.due.swap(false, Ordering::AcqRel)
    }

    /// What to tell: bytes given back and messages received.
    pub(crate) fn sums(&self) -> (u64, u64) {
        (self.returned.load(Ordering::Acquire), self.received.load(Ordering::Relaxed))
    }
}

struct Head {
    ledger: Arc<Ledger>,
    length: usize,
}

/// An owned pointer to a head with its bytes behind it.
struct Held(NonNull<Head>);

// SAFETY: the allocation is owned by one `Held`; its parts are `Send`.
unsafe impl Send for Held {}

impl Held {
    fn layout(length: usize) -> (Layout, usize) {
        let bytes = Layout::array::<u8>(length).expect("a payload is shorter than the address space");
        Layout::new::<Head>().extend(bytes).expect("as above")
    }

    fn copy(ledger: Arc<Ledger>, bytes: &[u8]) -> Self {
        let (layout, offset) = Self::layout(bytes.len());
        // SAFETY: the layout has the head's size at least, which is not zero.
        let Some(place) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        let head = place.cast::<Head>();
        // SAFETY: the allocation is ours, aligned for the head, and has room for both parts.
        unsafe {
            head.write(Head { ledger, length: bytes.len() });
            let place = head.cast::<u8>().add(offset);
            place.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
        }
        Self(head)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: the head was written by `copy` and is read once, here.
        let Head { ledger, length } = unsafe { self.0.read() };
        // SAFETY: allocated by `copy` with the layout of this length.
        unsafe { dealloc(self.0.as_ptr().cast(), Self::layout(length).0) };
        ledger.give_back(length);
    }
}

// SAFETY: the bytes are written once, before the pointer is given to anybody, and freed by the drop alone, which may
// run on any thread.
unsafe impl HostBytes for Held {
    fn into_raw(self) -> NonNull<()> {
        std::mem::ManuallyDrop::new(self).0.cast()
    }

    unsafe fn from_raw(raw: NonNull<()>) -> Self {
        Self(raw.cast())
    }

    unsafe fn slice<'a>(raw: NonNull<()>) -> &'a [u8] {
        let head = raw.cast::<Head>();
        // SAFETY: the caller keeps the allocation for `'a`; the bytes lie behind the head.
        unsafe {
            let length = head.as_ref().length;
            let place = head.cast::<u8>().add(Self::layout(length).1);
            std::slice::from_raw_parts(place.as_ptr(), length)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_is_held_as_long_as_the_payload() {
        let ledger = Ledger::new(1600, Arc::new(Notify::new()));
        let payloads: Vec<Payload> =
            (0..40_u8).map(|length| ledger.hold(&vec![length; usize::from(length)])).collect();
        assert_eq!(ledger.sums().0, 0);
        assert!(!ledger.is_due());
        for (length, payload) in payloads.iter().enumerate() {
            assert_eq!(payload.as_slice(), vec![u8::try_from(length).unwrap(); length]);
        }
        std::thread::spawn(move || drop(payloads)).join().unwrap();
        assert_eq!(ledger.sums().0, (0..40).map(cost).sum());
        assert!(ledger.is_due() && !ledger.is_due());
        assert_eq!(Arc::strong_count(&ledger), 1);
    }
}
