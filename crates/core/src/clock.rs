//! Clock: the time since a runtime began: the machine's, or one that a test moves by hand.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::sync::Mutex;

/// Where a runtime takes its time from. A clone shows the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Real(Instant),
    Manual(Arc<Manual>),
}

/// Moves the time of a [`Clock`] that [`Clock::manual`] made.
#[derive(Debug)]
pub struct ManualClock(Arc<Manual>);

struct Manual {
    now: Mutex<Duration>,
    timed: Mutex<Vec<Weak<dyn Timed>>>,
    /// Held by the one who moves the time.
    moving: Mutex<()>,
}

/// What acts when the time comes, on the thread that moves a manual clock.
pub(crate) trait Timed: Send + Sync {
    /// When there is something to do next.
    fn next_due(&self) -> Option<Duration>;
    /// Does what is due.
    fn run_due(&self);
}

impl Clock {
    /// The machine's monotonic clock, beginning now.
    #[must_use]
    pub fn real() -> Self {
        Self(Source::Real(Instant::now()))
    }

    /// A clock that stands still until its [`ManualClock`] moves it.
    #[must_use]
    pub fn manual() -> (Self, ManualClock) {
        let (now, timed) = (Mutex::new(Duration::ZERO), Mutex::new(Vec::new()));
        let manual = Arc::new(Manual { now, timed, moving: Mutex::new(()) });
        (Self(Source::Manual(manual.clone())), ManualClock(manual))
    }

    /// The time since the beginning.
    #[must_use]
    pub fn now(&self) -> Duration {
        match &self.0 {
            Source::Real(start) => start.elapsed(),
            Source::Manual(manual) => *manual.now.lock(),
        }
    }

    /// When a real clock will show this time; `None` if it never will.
    pub(crate) fn instant_at(&self, time: Duration) -> Option<Instant> {
        match &self.0 {
            Source::Real(start) => start.checked_add(time),
            Source::Manual(_) => None,
        }
    }

    /// Has `timed` act on the thread that moves this clock; false for a real clock, which nobody moves.
    pub(crate) fn moves(&self, timed: Weak<dyn Timed>) -> bool {
        match &self.0 {
            Source::Real(_) => false,
            Source::Manual(manual) => {
                manual.timed.lock().push(timed);
                true
            }
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::real()
    }
}

impl ManualClock {
    /// Lets time pass. Stops at each moment at which something is due, and returns when all of it was done: an interval
    /// of a second fires ten times in ten seconds.
    ///
    /// Not to be called by what a timer fires.
    pub fn advance(&self, by: Duration) {
        let _moving = self.0.moving.lock();
        let target = *self.0.now.lock() + by;
        loop {
            let timed: Vec<_> = self.0.timed.lock().iter().filter_map(Weak::upgrade).collect();
            let due = timed.iter().filter_map(|timed| timed.next_due()).min();
            let stop = due.filter(|due| *due <= target);
            {
                let mut now = self.0.now.lock();
                *now = stop.unwrap_or(target).max(*now);
            }
            for timed in timed {
                timed.run_due();
            }
            if stop.is_none() {
                return;
            }
        }
    }
}

impl fmt::Debug for Manual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manual").field("now", &self.now).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_by_hand_only() {
        let (clock, hand) = Clock::manual();
        let twin = clock.clone();
        assert_eq!(clock.now(), Duration::ZERO);
        hand.advance(Duration::from_millis(7));
        hand.advance(Duration::from_millis(5));
        assert_eq!((clock.now(), twin.now()), (Duration::from_millis(12), Duration::from_millis(12)));
    }

    #[test]
    fn a_real_clock_moves_on() {
        let clock = Clock::real();
        let before = clock.now();
        assert!(clock.now() >= before);
        assert!(clock.instant_at(Duration::from_secs(1)).is_some_and(|at| at > Instant::now()));
    }
}
