//! Watch: notices when no worker makes progress because handlers do not return, so that spares take over.
//!
//! A worker counts its turns in a word of its own; the watch compares their sum from tick to tick. While all workers
//! sleep the watch sleeps, too: a worker that wakes up wakes it.

use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Condvar, Mutex, Ordering};

/// How long no turn begins, with work waiting, before a spare is started: BEAM's and Go's monitors look every 10 ms;
/// a spare thread costs more than what they do.
const TICK: Duration = Duration::from_millis(50);
/// Most spare threads: that many handlers may be stuck, beyond the workers, before actors wait for them.
pub(crate) const SPARES_MAX: usize = 64;

/// What the watch of one pool sees.
pub(crate) struct Watch {
    turns: Box<[CachePadded<AtomicU64>]>,
    spare_turns: AtomicU64,
    spares: AtomicUsize,
    asleep: AtomicBool,
    lock: Mutex<()>,
    woken: Condvar,
}

impl Watch {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            turns: (0..workers).map(|_| CachePadded::default()).collect(),
            spare_turns: AtomicU64::new(0),
            spares: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            lock: Mutex::new(()),
            woken: Condvar::new(),
        }
    }

    /// Worker: begins a turn.
    #[inline]
    pub(crate) fn count_turn(&self, worker: usize) {
        let turns = &self.turns[worker];
        turns.store(turns.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub(crate) fn count_spare_turn(&self) {
        self.spare_turns.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn turns_of(&self, worker: usize) -> u64 {
        self.turns[worker].load(Ordering::Relaxed)
    }

    pub(crate) fn turns_of_each(&self) -> Vec<u64> {
        (0..self.turns.len()).map(|worker| self.turns_of(worker)).collect()
    }

    pub(crate) fn turns(&self) -> u64 {
        let turns = self.turns.iter().map(|turns| turns.load(Ordering::Relaxed));
        turns.sum::<u64>() + self.spare_turns.load(Ordering::Relaxed)
    }

    /// Whether one more spare may be started; it is counted then.
    pub(crate) fn may_start_spare(&self) -> bool {
        let one_more = |spares| (spares < SPARES_MAX).then_some(spares + 1);
        self.spares.fetch_update(Ordering::AcqRel, Ordering::Relaxed, one_more).is_ok()
    }

    pub(crate) fn spare_ended(&self) {
        self.spares.fetch_sub(1, Ordering::AcqRel);
    }

    /// Watch: waits for a tick, or for as long as there is nothing to watch.
    pub(crate) fn tick(&self, nothing_to_watch: impl Fn() -> bool) {
        let mut lock = self.lock.lock();
        self.asleep.store(true, Ordering::SeqCst);
        while nothing_to_watch() {
            // A worker that wakes after the look finds `asleep` raised and takes the lock, so its wake is not missed.
            self.woken.wait(&mut lock);
        }
        self.asleep.store(false, Ordering::SeqCst);
        self.woken.wait_for(&mut lock, TICK);
    }

    /// A worker woke up.
    pub(crate) fn wake_up(&self) {
        if self.asleep.load(Ordering::SeqCst) {
            self.wake_now();
        }
    }

    /// Ends the tick, whatever it is.
    pub(crate) fn wake_now(&self) {
        let _lock = self.lock.lock();
        self.woken.notify_all();
    }
}
