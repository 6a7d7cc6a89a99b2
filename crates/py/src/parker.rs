//! Parker: one thread's place to sleep until it is unparked, a time passes, or both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use iris_core::Waiter;
use parking_lot::{Condvar, Mutex};

/// Longest spin before a sleep: waking a sleeping thread costs about as much.
const SPIN: Duration = Duration::from_micros(30);
/// Spins between two looks at the clock.
const SPINS_PER_LOOK: u32 = 16;

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
        let mut token = self.token.lock();
        *token = true;
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

/// Spins until `ready`, for a short while and if no other thread of the process spins; false: not ready yet.
pub(crate) fn spin(ready: impl Fn() -> bool) -> bool {
    if ready() {
        return true;
    }
    if SPINNING.swap(true, Ordering::Acquire) {
        return false;
    }
    let end = Instant::now() + SPIN;
    let found = loop {
        for _ in 0..SPINS_PER_LOOK {
            std::hint::spin_loop();
        }
        if ready() {
            break true;
        }
        if Instant::now() >= end {
            break false;
        }
    };
    SPINNING.store(false, Ordering::Release);
    found
}
