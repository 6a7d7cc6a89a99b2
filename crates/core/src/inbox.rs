//! Inbox: cells that became ready, pushed by anybody, taken whole and in order by the lane that runs them.
//!
//! One word: `EMPTY` with the lane awake, `PARKED` with the lane asleep, or the newest cell of a list linked through
//! `Cell::next`. The push that finds `PARKED` replaces it, so exactly one push per sleep learns that it must wake the
//! lane; the lane falls asleep by changing `EMPTY` to `PARKED`, which fails when anything was pushed.

use crate::sync::{AtomicPtr, AtomicUsize, Ordering};

const EMPTY: usize = 0;
const PARKED: usize = 1;

/// What an inbox links: a thing with a place for the pointer.
pub(crate) trait Linked: Sized {
    /// The link, owned by whoever holds the thing.
    fn next(&self) -> &AtomicPtr<Self>;
}

/// Ready things of one lane.
pub(crate) struct Inbox<T> {
    word: AtomicUsize,
    marker: std::marker::PhantomData<*const T>,
}

// SAFETY: the inbox only passes pointers on; what they point to is `Sync`.
unsafe impl<T: Sync> Sync for Inbox<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Send for Inbox<T> {}

impl<T: Linked> Inbox<T> {
    pub(crate) fn new() -> Self {
        Self { word: AtomicUsize::new(EMPTY), marker: std::marker::PhantomData }
    }

    /// Adds a thing that stands in no queue; true: the lane sleeps and the caller must wake it.
    #[must_use]
    pub(crate) fn push(&self, thing: &T) -> bool {
        let raw = std::ptr::from_ref(thing);
        let mut old = self.word.load(Ordering::Relaxed);
        loop {
            let next = if old == PARKED { EMPTY } else { old };
            thing.next().store(next as *mut T, Ordering::Relaxed);
            match self.word.compare_exchange_weak(old, raw as usize, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return old == PARKED,
                Err(seen) => old = seen,
            }
        }
    }

    /// Takes everything, linked oldest first; null where there is nothing.
    pub(crate) fn take(&self) -> *const T {
        let mut old = self.word.load(Ordering::Relaxed);
        loop {
            if old <= PARKED {
                return std::ptr::null();
            }
            match self.word.compare_exchange_weak(old, EMPTY, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break,
                Err(seen) => old = seen,
            }
        }
        let mut first: *const T = std::ptr::null();
        let mut thing = old as *const T;
        while !thing.is_null() {
            // SAFETY: the exchange above made the list ours, and its things live as long as their table.
            let next = unsafe { (*thing).next() };
            let older = next.load(Ordering::Relaxed);
            next.store(first.cast_mut(), Ordering::Relaxed);
            first = thing;
            thing = older;
        }
        first
    }

    /// Falls asleep; false where something is there.
    pub(crate) fn try_park(&self) -> bool {
        match self.word.compare_exchange(EMPTY, PARKED, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => true,
            Err(seen) => seen == PARKED,
        }
    }

    /// Wakes up by itself; false where a push already saw to it.
    pub(crate) fn unpark(&self) -> bool {
        self.word.compare_exchange(PARKED, EMPTY, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// What was pushed until now is there to be taken, and every later push sees what this thread did before.
    pub(crate) fn draw_line(&self) {
        self.word.fetch_or(0, Ordering::AcqRel);
    }

    pub(crate) fn has_work(&self) -> bool {
        self.word.load(Ordering::Acquire) > PARKED
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.word.load(Ordering::Acquire) == PARKED
    }
}

#[cfg(all(test, loom))]
mod model {
    //! One lane and two producers: what is pushed is taken once, and a lane never sleeps on work.

    use loom::sync::Arc;
    use loom::sync::atomic::AtomicBool;
    use loom::thread;

    use super::*;

    struct Thing {
        next: AtomicPtr<Thing>,
    }

    impl Linked for Thing {
        fn next(&self) -> &AtomicPtr<Self> {
            &self.next
        }
    }

    fn things() -> [&'static Thing; 2] {
        [(); 2].map(|()| &*Box::leak(Box::new(Thing { next: AtomicPtr::new(std::ptr::null_mut()) })))
    }

    fn count(inbox: &Inbox<Thing>) -> usize {
        let mut thing = inbox.take();
        let mut count = 0;
        while !thing.is_null() {
            count += 1;
            // SAFETY: the things are leaked, and `take` made the list ours.
            thing = unsafe { (*thing).next.load(Ordering::Relaxed) };
        }
        count
    }

    #[test]
    fn exactly_one_push_wakes_a_sleeping_lane() {
        loom::model(|| {
            let inbox = Arc::new(Inbox::new());
            let [one, other] = things();
            assert!(inbox.try_park());
            let shared = Arc::clone(&inbox);
            let producer = thread::spawn(move || shared.push(one));
            let mine = inbox.push(other);
            let wakes = usize::from(mine) + usize::from(producer.join().expect("the producer"));
            assert_eq!((wakes, count(&inbox)), (1, 2));
        });
    }

    #[test]
    fn a_lane_does_not_sleep_on_work() {
        loom::model(|| {
            let inbox = Arc::new(Inbox::new());
            let woken = Arc::new(AtomicBool::new(false));
            let [one, other] = things();
            let (shared, wake) = (Arc::clone(&inbox), Arc::clone(&woken));
            let producer = thread::spawn(move || {
                for thing in [one, other] {
                    if shared.push(thing) {
                        wake.store(true, Ordering::SeqCst);
                    }
                }
            });
            let mut taken = count(&inbox);
            let sleeps = inbox.try_park();
            producer.join().expect("the producer");
            assert!(!sleeps || taken == 2 || woken.load(Ordering::SeqCst), "it sleeps and nobody wakes it");
            taken += count(&inbox);
            assert_eq!(taken, 2);
        });
    }
}
