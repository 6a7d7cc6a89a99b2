//! Timers: one thread that sleeps until the next deadline of the wheel and fires what is due.
//!
//! The wheel and everything about the sleep are under one lock; the thread fires in batches with the lock let go, so
//! inserting and cancelling wait for a batch to be taken out, never for it to be delivered. An inserter wakes the
//! thread only when its timer is due before the thread's `sleeps_until`. The thread starts with the first timer; under a
//! manual clock there is none, and whoever moves the clock fires.

use std::any::Any;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::clock::{Clock, Timed};
use crate::error::{Error, ErrorKind, Result};
use crate::pid::Pid;
use crate::short_slice;
use crate::sync::{AtomicUsize, Condvar, Mutex, Ordering, thread};
use crate::timer_id::{TIMERS_MAX, TimerId};
use crate::wheel::{Fired, Schedule, Wheel};

/// Timers taken out under one hold of the lock: some 50 µs, which is what an inserter waits at worst.
const BATCH_MAX: usize = 1024;
const TICK: Duration = Duration::from_millis(1);

/// What is done with a batch of timers that went off; what it leaves in the list is dropped. Must not block.
pub(crate) type Fire<T> = Box<dyn Fn(&mut Vec<Fired<T>>) + Send + Sync>;

/// When a timer is due, counted from now, and whom it ends with.
#[expect(clippy::struct_field_names, reason = "the contract's word with its unit")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delay {
    pub(crate) delay_ms: u64,
    /// Fire again, this long after the last deadline.
    pub(crate) interval_ms: Option<NonZeroU64>,
    pub(crate) owner: Option<Pid>,
}

/// The timers of one runtime.
pub(crate) struct Timers<T: Send + 'static> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    clock: Clock,
    fire: Fire<T>,
    state: Mutex<State<T>>,
    /// The thread has something to do, or has ended.
    changed: Condvar,
    /// Timers pending, as of the last change.
    pending: AtomicUsize,
    /// The batch in delivery; its lock makes deliveries follow each other.
    batch: Mutex<Vec<Fired<T>>>,
}

struct State<T> {
    wheel: Wheel<T>,
    /// The tick the thread sleeps until; 0 while it is awake.
    sleeps_until: u64,
    closed: bool,
    thread: Thread,
}

enum Thread {
    /// Starts with the first timer.
    None,
    /// Whoever moves the clock does its work.
    Manual,
    Running(thread::JoinHandle<()>),
    Ended,
}

impl<T: Send + 'static> Timers<T> {
    /// Without a thread yet. `copy` makes the value of one firing of a periodic timer; it is called under the lock.
    pub(crate) fn new(clock: Clock, copy: fn(&T) -> T, fire: Fire<T>) -> Self {
        let state = State { wheel: Wheel::new(copy), sleeps_until: 0, closed: false, thread: Thread::None };
        let shared = Arc::new(Shared {
            clock,
            fire,
            state: Mutex::new(state),
            changed: Condvar::new(),
            pending: AtomicUsize::new(0),
            batch: Mutex::new(Vec::new()),
        });
        let timed: Weak<Shared<T>> = Arc::downgrade(&shared);
        if shared.clock.moves(timed) {
            shared.state.lock().thread = Thread::Manual;
        }
        Self { shared }
    }

    /// Adds a timer. It never fires early, and at most one tick (1 ms) plus the machine's load late.
    pub(crate) fn insert(&self, delay: Delay, value: T) -> Result<TimerId> {
        let time = self.shared.clock.now();
        let now = tick(time);
        let deadline = match delay.delay_ms {
            0 => now,
            delay_ms => {
                now.saturating_add(delay_ms) + u64::from(!time.subsec_nanos().is_multiple_of(1_000_000))
            }
        };
        let schedule = Schedule { deadline, period: delay.interval_ms, owner: delay.owner };
        let mut state = self.shared.state.lock();
        if state.closed {
            return Err(Error::new(ErrorKind::RuntimeClosed, "the runtime is closed and takes no timers"));
        }
        if matches!(state.thread, Thread::None) {
            state.thread = Thread::Running(self.start()?);
        }
        let Ok(id) = state.wheel.insert(now, schedule, value) else {
            let message = format!("{TIMERS_MAX} timers are pending, which is the limit");
            return Err(Error::new(ErrorKind::LimitReached, message));
        };
        self.shared.count(&state);
        let wakes = state.wheel.next_wake().is_some_and(|next| next < state.sleeps_until);
        if wakes {
            state.sleeps_until = 0;
        }
        drop(state);
        if wakes {
            self.shared.changed.notify_all();
        }
        Ok(id)
    }

    /// Takes a timer back; `None` if it is no longer pending.
    pub(crate) fn cancel(&self, id: TimerId) -> Option<T> {
        let (value, _unused) = {
            let mut state = self.shared.state.lock();
            let value = state.wheel.cancel(id);
            self.shared.count(&state);
            (value, state.wheel.take_unused())
        };
        value
    }

    /// Takes back the timers of an actor that ended; how many they were. Costs one load where no timer is pending.
    pub(crate) fn cancel_owner(&self, owner: Pid) -> usize {
        if self.pending() == 0 {
            return 0;
        }
        let (values, _unused) = {
            let mut state = self.shared.state.lock();
            let values = state.wheel.cancel_owner(owner);
            self.shared.count(&state);
            (values, state.wheel.take_unused())
        };
        values.len()
    }

    /// How many timers are pending.
    pub(crate) fn pending(&self) -> usize {
        self.shared.pending.load(Ordering::Relaxed)
    }

    /// Ends the thread, waiting for what it fires for so long. Returns what was pending.
    pub(crate) fn close(&self, within: Duration) -> Vec<T> {
        let deadline = Instant::now() + within;
        let mut state = self.shared.state.lock();
        state.closed = true;
        state.sleeps_until = 0;
        let values = state.wheel.clear();
        self.shared.count(&state);
        self.shared.changed.notify_all();
        if matches!(&state.thread, Thread::Running(thread) if thread.thread().id() != thread::current().id())
        {
            let is_running = |state: &mut State<T>| matches!(state.thread, Thread::Running(_));
            self.shared.changed.wait_while_until(&mut state, is_running, deadline);
        }
        values
    }

    fn start(&self) -> Result<thread::JoinHandle<()>> {
        let shared = self.shared.clone();
        let thread = thread::Builder::new().name("iris-timer".into()).spawn(move || {
            short_slice::ask();
            shared.run();
        });
        thread.map_err(|error| Error::new(ErrorKind::LimitReached, format!("no thread for timers: {error}")))
    }
}

impl<T: Send + 'static> Drop for Timers<T> {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

impl<T: Send> Shared<T> {
    /// The thread's life.
    fn run(&self) {
        loop {
            self.run_due();
            let mut state = self.state.lock();
            if state.closed {
                state.thread = Thread::Ended;
                self.changed.notify_all();
                return;
            }
            let next = state.wheel.next_wake().unwrap_or(u64::MAX);
            if next <= tick(self.clock.now()) {
                continue;
            }
            state.sleeps_until = next;
            match self.clock.instant_at(Duration::from_millis(next)) {
                Some(at) => drop(self.changed.wait_until(&mut state, at)),
                None => self.changed.wait(&mut state),
            }
            state.sleeps_until = 0;
        }
    }

    fn count(&self, state: &State<T>) {
        self.pending.store(state.wheel.len(), Ordering::Relaxed);
    }

    /// Takes the next batch out of the wheel; false if nothing is due.
    fn take_due(&self, batch: &mut Vec<Fired<T>>) -> bool {
        let now = tick(self.clock.now());
        let mut state = self.state.lock();
        let more = !state.closed && state.wheel.advance(now, BATCH_MAX, batch);
        self.count(&state);
        more || !batch.is_empty()
    }
}

impl<T: Send> Timed for Shared<T> {
    fn next_due(&self) -> Option<Duration> {
        self.state.lock().wheel.next_wake().map(Duration::from_millis)
    }

    fn run_due(&self) {
        let mut batch = self.batch.lock();
        while self.take_due(&mut batch) {
            if batch.is_empty() {
                // Only entries that are not due yet were moved: others may need the core more.
                thread::yield_now();
                continue;
            }
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.fire)(&mut batch))) {
                tracing::error!(
                    panic = panic_text(&*panic),
                    "firing timers panicked, the rest of the batch is lost"
                );
            }
            batch.clear();
        }
        let unused = self.state.lock().wheel.take_unused();
        drop(unused);
    }
}

fn tick(time: Duration) -> u64 {
    u64::try_from(time.as_nanos() / TICK.as_nanos()).unwrap_or(u64::MAX)
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("of an unknown kind")
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "timers_tests.rs"]
mod tests;

#[cfg(all(test, loom))]
mod model {
    //! Who takes a timer back while it goes off: it fires once, or one of them has it. One that repeats comes no more.

    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    use super::*;
    use crate::clock::ManualClock;

    /// Timers that count what fires.
    fn counting() -> (Arc<Timers<()>>, ManualClock, Arc<AtomicUsize>) {
        let (clock, hand) = Clock::manual();
        let fired = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&fired);
        let fire = Box::new(move |batch: &mut Vec<Fired<()>>| {
            count.fetch_add(batch.len(), Ordering::Relaxed);
        });
        (Arc::new(Timers::new(clock, |()| (), fire)), hand, fired)
    }

    fn check(body: impl Fn() + Sync + Send + 'static) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(body);
    }

    #[test]
    fn a_timer_that_repeats_comes_no_more_when_it_was_taken_back() {
        check(|| {
            let (timers, hand, fired) = counting();
            let delay = Delay { delay_ms: 1, interval_ms: NonZeroU64::new(1), owner: None };
            let timer = timers.insert(delay, ()).expect("room");
            let that = Arc::clone(&timers);
            let cancelled = thread::spawn(move || that.cancel(timer).is_some());
            hand.advance(Duration::from_millis(1));
            assert!(cancelled.join().expect("it ends"), "it is pending until then");
            assert_eq!(timers.pending(), 0);
            let before = fired.load(Ordering::Relaxed);
            assert!(before <= 1);
            hand.advance(Duration::from_millis(2));
            assert_eq!(fired.load(Ordering::Relaxed), before);
        });
    }

    #[test]
    fn a_timer_fires_once_or_is_cancelled_once() {
        check(|| {
            let (timers, hand, fired) = counting();
            let owner = Pid::new(1, 1);
            let delay = Delay { delay_ms: 1, interval_ms: None, owner: Some(owner) };
            let timer = timers.insert(delay, ()).expect("room");
            let (one, other) = (Arc::clone(&timers), Arc::clone(&timers));
            let one = thread::spawn(move || usize::from(one.cancel(timer).is_some()));
            let other = thread::spawn(move || other.cancel_owner(owner));
            hand.advance(Duration::from_millis(1));
            let cancelled = one.join().expect("the one") + other.join().expect("the other");
            assert_eq!(fired.load(Ordering::Relaxed) + cancelled, 1);
            assert_eq!(timers.pending(), 0);
        });
    }
}
