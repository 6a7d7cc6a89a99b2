//! The runtime's Python lane: one interpreter thread that keeps its thread state, and spare threads.
//!
//! Whoever drains the lane is an *executor*: the lane's own thread, or a spare that was started because a handler
//! blocks. An executor that finds nothing to do puts itself on `sleepers` and only then lets the core's lane fall asleep,
//! so a wake finds somebody to unpark, or nobody because an executor is still awake and looks at the lane again before
//! it sleeps. A handler that blocks in a call of the binding gives its part as executor up for that time (`cover`): the
//! lane sleeps if nothing is ready, and a wake that then finds no sleeper starts a spare. A handler that blocks in
//! anything else is noticed by the monitor.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use iris_core::sync::Mutex;
use iris_core::{Drained, HostedLane, LaneHost, LaneId};
use pyo3::prelude::*;

use crate::interpreter;
use crate::parker::{Parker, spin};

/// How long one drain may hold the interpreter: CPython's own switch interval.
pub(crate) const SLICE: Duration = Duration::from_millis(5);
/// How long handlers may block a lane before a spare thread takes over.
const BLOCKED_AFTER: Duration = Duration::from_millis(100);
/// How many times as long as a spare waited for the interpreter a lane may stand still. A wait among threads that compute ends
/// by chance, at any of their turns, so one wait tells little of the next.
const WAITS_OF_PATIENCE: u32 = 8;
/// Most spare threads of one lane: beyond this a handler that blocks is a design fault, not a need.
const SPARES_MAX: u32 = 64;
/// A spare that found nothing to do for this long ends.
const SPARE_IDLE: Duration = Duration::from_secs(1);
/// Stack of a thread that runs Python, as large as those of CPython's own threads: with less, input that nests deeply
/// meets the end of the stack, and ends the process, before it meets the interpreter's recursion limit.
pub(crate) const STACK: usize = 8 << 20;

/// Looks at a sleeping lane before the monitor sleeps too.
const MONITOR_LOOKS: u32 = 10;

thread_local! {
    /// The lane whose wakes this thread holds back.
    static HUSHED: Cell<*const PyLane> = const { Cell::new(std::ptr::null()) };
    static OWED: Cell<bool> = const { Cell::new(false) };
    /// The lane whose handler this thread runs.
    static EXECUTES: RefCell<Option<Arc<PyLane>>> = const { RefCell::new(None) };
}

/// A lane of Python handlers and the threads that drain it.
pub(crate) struct PyLane {
    name: String,
    lane: OnceLock<Arc<HostedLane>>,
    sleepers: Mutex<Vec<Arc<Parker>>>,
    closing: AtomicBool,
    threads: AtomicU32,
    spares: AtomicU32,
    /// Executors on their way into the interpreter: while one waits there, another would only wait as well.
    asking: AtomicU32,
    /// How long spares waited for the interpreter lately, in microseconds; 0 where there are none.
    spares_waited: AtomicU64,
    /// Executors whose handler waits in a call of the binding.
    covered: AtomicU32,
    /// Somebody drains for us: the next look at an empty lane need not be repeated.
    helped: AtomicBool,
    monitor: OnceLock<Arc<Parker>>,
    monitor_sleeps: AtomicBool,
}

/// The lane as the core knows it.
struct Host(Weak<PyLane>);

impl LaneHost for Host {
    fn wake(&self) {
        if HUSHED.get() == Weak::as_ptr(&self.0) {
            OWED.set(true);
        } else if let Some(lane) = self.0.upgrade() {
            lane.wake();
        }
    }
}

impl PyLane {
    /// A lane without threads.
    pub(crate) fn new(core: &iris_core::Runtime, name: &str) -> iris_core::Result<Arc<Self>> {
        let this = Arc::new(Self {
            name: name.to_owned(),
            lane: OnceLock::new(),
            sleepers: Mutex::default(),
            closing: AtomicBool::new(false),
            threads: AtomicU32::new(0),
            spares: AtomicU32::new(0),
            asking: AtomicU32::new(0),
            spares_waited: AtomicU64::new(0),
            covered: AtomicU32::new(0),
            helped: AtomicBool::new(false),
            monitor: OnceLock::new(),
            monitor_sleeps: AtomicBool::new(false),
        });
        let lane = core.add_lane(Arc::new(Host(Arc::downgrade(&this))))?;
        this.lane.get_or_init(|| lane);
        Ok(this)
    }

    pub(crate) fn hosted(&self) -> &Arc<HostedLane> {
        self.lane.get().expect("set before the lane is shared")
    }

    pub(crate) fn id(&self) -> LaneId {
        self.hosted().id()
    }

    /// Starts one more thread that drains the lane until it is closed.
    pub(crate) fn start_thread(self: &Arc<Self>) -> std::io::Result<()> {
        self.start_executor(None)
    }

    fn start_executor(self: &Arc<Self>, idle: Option<Duration>) -> std::io::Result<()> {
        let this = Arc::clone(self);
        self.threads.fetch_add(1, Ordering::SeqCst);
        self.asking.fetch_add(1, Ordering::Relaxed);
        let is_spare = u32::from(idle.is_some());
        self.spares.fetch_add(is_spare, Ordering::Relaxed);
        let started =
            std::thread::Builder::new().name(self.name.clone()).stack_size(STACK).spawn(move || {
                let asked = Instant::now();
                interpreter::attach(None, |py| {
                    if idle.is_some() {
                        this.spare_waited(asked.elapsed());
                    }
                    this.asking.fetch_sub(1, Ordering::Relaxed);
                    this.execute(py, idle);
                });
                this.threads.fetch_sub(1, Ordering::SeqCst);
                if this.spares.fetch_sub(is_spare, Ordering::Relaxed) == is_spare {
                    this.spares_waited.store(0, Ordering::Relaxed);
                }
            });
        if let Err(error) = started {
            self.threads.fetch_sub(1, Ordering::SeqCst);
            self.asking.fetch_sub(1, Ordering::Relaxed);
            self.spares.fetch_sub(is_spare, Ordering::Relaxed);
            return Err(error);
        }
        Ok(())
    }

    /// Drains until the lane is closed, or for a spare until it was idle for so long.
    fn execute(self: &Arc<Self>, py: Python<'_>, idle: Option<Duration>) {
        let parker = Parker::new();
        EXECUTES.set(Some(Arc::clone(self)));
        while !self.is_closing() {
            let goes_on = match self.hosted().drain(Instant::now() + SLICE) {
                Drained::More => {
                    self.asking.fetch_add(1, Ordering::Relaxed);
                    interpreter::Turnstile::pass(py);
                    self.asking.fetch_sub(1, Ordering::Relaxed);
                    true
                }
                Drained::Empty => self.step_out(py, || {
                    (!self.helped.swap(false, Ordering::Relaxed)
                        && spin(|| self.hosted().has_work() || self.is_closing()))
                        || self.sleep(&parker, idle.map(|idle| Instant::now() + idle))
                }),
            };
            if !goes_on {
                break;
            }
        }
        EXECUTES.set(None);
    }

    fn step_out(&self, py: Python<'_>, wait: impl FnOnce() -> bool + Send) -> bool {
        let result = interpreter::detached(py, || {
            let result = wait();
            self.asking.fetch_add(1, Ordering::Relaxed);
            result
        });
        self.asking.fetch_sub(1, Ordering::Relaxed);
        result
    }

    /// Sleeps as an executor. False: the deadline passed, and nobody woke us.
    fn sleep(&self, parker: &Arc<Parker>, deadline: Option<Instant>) -> bool {
        if !self.lie_down(parker) {
            return true;
        }
        parker.park(deadline);
        !self.get_up(parker)
    }

    /// Puts a sleeper on the list and the lane to sleep. False: there is something to drain.
    fn lie_down(&self, parker: &Arc<Parker>) -> bool {
        self.sleepers.lock().push(Arc::clone(parker));
        if !self.is_closing() && self.hosted().try_sleep() {
            return true;
        }
        self.get_up(parker);
        false
    }

    /// Takes a sleeper off the list. False: a wake did so.
    fn get_up(&self, parker: &Arc<Parker>) -> bool {
        let mut sleepers = self.sleepers.lock();
        let place = sleepers.iter().rposition(|sleeper| Arc::ptr_eq(sleeper, parker));
        place.map(|place| sleepers.remove(place)).is_some()
    }

    /// Unparks the executor that lay down last; starts one where all there are wait in a handler.
    fn wake(self: &Arc<Self>) {
        let sleeper = self.sleepers.lock().pop();
        match sleeper {
            Some(sleeper) => sleeper.unpark(),
            None if self.covered.load(Ordering::SeqCst) > 0 => self.start_spare(),
            None => {}
        }
        self.rouse_monitor();
    }

    /// Leaves the lane to others: asleep where nothing is ready, else with somebody awake.
    pub(crate) fn hand_over(self: &Arc<Self>) {
        if !self.hosted().try_sleep() {
            self.wake();
        }
    }

    /// A thread that asked ran the handler itself.
    pub(crate) fn was_helped(&self) {
        self.helped.store(true, Ordering::Relaxed);
    }

    fn start_spare(self: &Arc<Self>) {
        if self.spares.load(Ordering::Relaxed) < SPARES_MAX && !self.is_closing() {
            // Without a thread to be had, the monitor tries again.
            drop(self.start_executor(Some(SPARE_IDLE)));
        }
    }

    /// Leaves the lane to others while the handler that this thread runs waits.
    fn cover(self: &Arc<Self>) {
        self.covered.fetch_add(1, Ordering::SeqCst);
        self.hand_over();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst) || interpreter::is_exiting()
    }

    /// Ends the lane's threads as soon as their handlers return.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        for sleeper in self.sleepers.lock().drain(..) {
            sleeper.unpark();
        }
        if let Some(monitor) = self.monitor.get() {
            monitor.unpark();
        }
    }

    /// How many threads drain the lane now.
    pub(crate) fn threads(&self) -> u32 {
        self.threads.load(Ordering::SeqCst)
    }
}

/// Holds this thread's wakes of one lane back: it drains the lane itself.
pub(crate) struct Hush(());

impl Hush {
    pub(crate) fn begin(lane: &Arc<PyLane>) -> Self {
        OWED.set(false);
        HUSHED.set(Arc::as_ptr(lane));
        Self(())
    }

    /// Ends it; true where a wake is owed.
    #[must_use]
    pub(crate) fn end(self) -> bool {
        drop(self);
        OWED.replace(false)
    }
}

impl Drop for Hush {
    fn drop(&mut self) {
        HUSHED.set(std::ptr::null());
    }
}

/// Called in a forked child: the lane whose handler forked is the parent's.
pub(crate) fn forked() {
    EXECUTES.with_borrow_mut(|lane| std::mem::forget(lane.take()));
}

/// Runs `wait`, with somebody else draining the lane whose handler calls this, if one does.
pub(crate) fn covered<R>(wait: impl FnOnce() -> R) -> R {
    let Some(lane) = EXECUTES.with_borrow(Clone::clone) else { return wait() };
    lane.cover();
    let result = wait();
    lane.covered.fetch_sub(1, Ordering::SeqCst);
    result
}

// The monitor: a thread without Python that looks whether the lane moves.
impl PyLane {
    /// Starts the thread that watches for handlers that block.
    pub(crate) fn start_monitor(self: &Arc<Self>) -> std::io::Result<()> {
        let parker = Arc::clone(self.monitor.get_or_init(Parker::new));
        let this = Arc::clone(self);
        std::thread::Builder::new()
            .name(format!("{}-monitor", self.name))
            .stack_size(128 << 10)
            .spawn(move || this.watch(&parker))
            .map(drop)
    }

    fn watch(self: &Arc<Self>, parker: &Parker) {
        let mut before = self.hosted().turns();
        let (mut still, mut looks_asleep) = (Duration::ZERO, 0);
        while !self.is_closing() {
            if looks_asleep < MONITOR_LOOKS {
                parker.park(Some(Instant::now() + BLOCKED_AFTER));
            } else {
                self.monitor_sleeps.store(true, Ordering::SeqCst);
                // With the fence of `rouse_monitor`: one of the two sees what the other wrote.
                fence(Ordering::SeqCst);
                if self.hosted().is_asleep() {
                    parker.park(None);
                }
                self.monitor_sleeps.store(false, Ordering::SeqCst);
            }
            looks_asleep = if self.hosted().is_asleep() { looks_asleep + 1 } else { 0 };
            let now = self.hosted().turns();
            let is_still =
                now == before && self.hosted().has_work() && self.asking.load(Ordering::Relaxed) == 0;
            still = if is_still { still + BLOCKED_AFTER } else { Duration::ZERO };
            if still >= self.patience() {
                // Nothing moved for a while though actors are ready: somebody else drains.
                self.relieve();
                still = Duration::ZERO;
            }
            before = now;
        }
    }

    /// How long a lane may stand still before its handlers are taken to block. Where spares waited for the interpreter
    /// among threads that compute, so do handlers, and one more spare would make all of them wait longer.
    fn patience(&self) -> Duration {
        BLOCKED_AFTER
            .max(WAITS_OF_PATIENCE * Duration::from_micros(self.spares_waited.load(Ordering::Relaxed)))
    }

    /// A spare is inside the interpreter. One that was lucky counts half, so that it does not bring all the others.
    fn spare_waited(&self, waited: Duration) {
        let waited = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        let before = self.spares_waited.load(Ordering::Relaxed);
        self.spares_waited.store(waited.max(before / 2), Ordering::Relaxed);
    }

    fn relieve(self: &Arc<Self>) {
        let is_somebody_asleep = !self.sleepers.lock().is_empty();
        if is_somebody_asleep { self.wake() } else { self.start_spare() }
    }

    fn rouse_monitor(&self) {
        fence(Ordering::SeqCst);
        if self.monitor_sleeps.load(Ordering::SeqCst)
            && let Some(monitor) = self.monitor.get()
        {
            monitor.unpark();
        }
    }
}
