//! Parker: one thread's place to sleep until it is unparked, a time passes, or both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use iris_core::Waiter;
use iris_core::sync::{Condvar, Mutex};

/// Longest spin before a sleep: waking a sleeping thread costs about as much.
const SPIN: Duration = Duration::from_micros(30);
/// Spins between two looks, about 0.1 µs.
const SPINS_PER_LOOK: u32 = 4;
/// Spins until another thread has stopped spinning, about 1 µs.
const SPINS_FOR_TURN: u32 = 50;

/// Whether a thread spins.
static SPINNING: AtomicBool = AtomicBool::new(false);

/// A token that is given by `unpark` and used up by `park`.
#[derive(Default)]
pub(crate) struct Parker {
    token: Mutex<bool>,
    given: Condvar,
}

impl Parker {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Gives the token; the thread that parks, now or next, goes on.
    pub(crate) fn unpark(&self) {
        // The lock is free again when the thread wakes up, which wants it.
        *self.token.lock() = true;
        self.given.notify_one();
    }

    /// Waits for the token and uses it up; false when the deadline came first.
    pub(crate) fn park(&self, deadline: Option<Instant>) -> bool {
        let mut token = self.token.lock();
        while !*token {
            match deadline {
                None => self.given.wait(&mut token),
                Some(deadline) => {
                    if self.given.wait_until(&mut token, deadline).timed_out() {
                        break;
                    }
                }
            }
        }
        std::mem::take(&mut *token)
    }
}

impl Waiter for Parker {
    fn wake(&self) {
        self.unpark();
    }
}

/// Called in a forked child, where no other thread spins.
pub(crate) fn forked() {
    SPINNING.store(false, Ordering::Release);
}

/// Spins until `ready`, for a short while and if no other thread of the process spins; false: not ready yet.
///
/// The thread that spins now is often the one that this thread just woke: it gets a moment to notice.
pub(crate) fn spin(ready: impl Fn() -> bool) -> bool {
    for _ in 0..SPINS_FOR_TURN {
        if ready() {
            return true;
        }
        if !SPINNING.swap(true, Ordering::Acquire) {
            let found = spin_alone(&ready);
            SPINNING.store(false, Ordering::Release);
            return found;
        }
        std::hint::spin_loop();
    }
    false
}

fn spin_alone(ready: &impl Fn() -> bool) -> bool {
    let end = Instant::now() + SPIN;
    while Instant::now() < end {
        for _ in 0..SPINS_PER_LOOK {
            std::hint::spin_loop();
        }
        if ready() {
            return true;
        }
    }
    false
}
