//! Wait: a count-down that the measuring thread sleeps on, and the nanoseconds since the process began.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Longer than any figure takes: what is not there by then is lost.
const DEADLINE: Duration = Duration::from_mins(1);

/// Opens when it was counted down to nothing.
#[derive(Debug)]
pub(crate) struct Latch {
    left: AtomicUsize,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Latch {
    pub(crate) fn new(count: usize) -> Self {
        Self { left: AtomicUsize::new(count), open: Mutex::new(count == 0), opened: Condvar::new() }
    }

    /// One thing less to wait for, counted by many.
    pub(crate) fn count_down(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.release();
        }
    }

    /// One thing less to wait for, counted by one thread at a time: no locked instruction.
    pub(crate) fn count_down_alone(&self) {
        let left = self.left.load(Ordering::Relaxed) - 1;
        self.left.store(left, Ordering::Release);
        if left == 0 {
            self.release();
        }
    }

    fn release(&self) {
        *self.open.lock().expect("no panic under the lock") = true;
        self.opened.notify_all();
    }

    /// Whether everything happened.
    pub(crate) fn is_open(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    /// Sleeps until it opens.
    pub(crate) fn wait(&self) {
        let open = self.open.lock().expect("no panic under the lock");
        let (open, _) =
            self.opened.wait_timeout_while(open, DEADLINE, |open| !*open).expect("no panic under the lock");
        assert!(*open, "{} things did not happen within {DEADLINE:?}", self.left.load(Ordering::Acquire));
    }
}

/// Nanoseconds since the first call.
pub(crate) fn now_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}
