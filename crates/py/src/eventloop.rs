//! Event loop: a lane whose actors run on an asyncio loop, and the jobs that only that loop's thread may do.
//!
//! One wake per batch. A wake from another thread is one write to a file descriptor the loop reads; a wake from the
//! loop's own thread is one `call_soon`. Each leads to one `drain`, which does the jobs (answers of asks, wakes of async
//! pull actors), runs ready actors for a slice, and comes back by `call_soon` while there is more. The loop owns the only
//! reference to the reader's callback: when the loop is closed it drops it, and that is how the lane learns of it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use iris_core::sync::Mutex;
use iris_core::{Drained, Error, HostedLane, LaneHost, LaneId, Payload};
use pyo3::exceptions::PyNotImplementedError;
use pyo3::intern;
use pyo3::prelude::*;

use crate::errors::{OrRaise, raise};
use crate::interpreter;
use crate::lane::{SLICE, STACK};
use crate::parker::Parker;
use crate::payload;
use crate::pull_async::AsyncWaiter;
use crate::shared::{Shared, thread_refused};
use crate::wakefd::Waker;

/// Something the loop's thread must do.
pub(crate) enum Job {
    /// Resolve an ask's future.
    Answer(Py<PyAny>, Result<Payload, Error>),
    /// Let an async pull actor look at its mailbox.
    Wake(Arc<AsyncWaiter>),
    /// Anything rare.
    Call(Box<dyn FnOnce(Python<'_>) + Send>),
}

/// One runtime's lane on one event loop.
pub(crate) struct LoopLane {
    shared: Weak<Shared>,
    event_loop: Py<PyAny>,
    create_future: Py<PyAny>,
    call_soon: Py<PyAny>,
    hosted: OnceLock<Arc<HostedLane>>,
    /// The thread that ran the loop last.
    thread: AtomicU64,
    waker: OnceLock<Waker>,
    soon: OnceLock<Py<Soon>>,
    soon_scheduled: AtomicBool,
    jobs: Mutex<Vec<Job>>,
    has_jobs: AtomicBool,
    /// The loop's thread while it is blocked in a call of the binding.
    helper: Mutex<Option<Arc<Parker>>>,
    closed: AtomicBool,
}

struct Host(Weak<LoopLane>);

impl LaneHost for Host {
    fn wake(&self) {
        if let Some(lane) = self.0.upgrade() {
            lane.wake();
        }
    }
}

impl LoopLane {
    fn new(shared: &Arc<Shared>, event_loop: &Bound<'_, PyAny>, thread: u64) -> PyResult<Arc<Self>> {
        let py = event_loop.py();
        let lane = Arc::new(Self {
            shared: Arc::downgrade(shared),
            event_loop: event_loop.clone().unbind(),
            create_future: event_loop.getattr(intern!(py, "create_future"))?.unbind(),
            call_soon: event_loop.getattr(intern!(py, "call_soon"))?.unbind(),
            hosted: OnceLock::new(),
            thread: AtomicU64::new(thread),
            waker: OnceLock::new(),
            soon: OnceLock::new(),
            soon_scheduled: AtomicBool::new(false),
            jobs: Mutex::default(),
            has_jobs: AtomicBool::new(false),
            helper: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        lane.soon.get_or_init(|| {
            Py::new(py, Soon { lane: Arc::downgrade(&lane) }).expect("a small object can be made")
        });
        lane.start_waker(py)?;
        let hosted = shared.core()?.add_lane(Arc::new(Host(Arc::downgrade(&lane)))).or_raise()?;
        let asleep = hosted.try_sleep();
        lane.hosted.get_or_init(|| hosted);
        if !asleep {
            lane.wake();
        }
        Ok(lane)
    }

    /// Has the loop watch a file descriptor, or a thread tell it where it cannot.
    fn start_waker(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        #[cfg(unix)]
        {
            let fd = crate::wakefd::WakeFd::new()?;
            let raw = fd.raw();
            let reader = Bound::new(py, Reader { lane: Arc::clone(self), disarmed: AtomicBool::new(false) })?;
            match self.event_loop.bind(py).call_method1(intern!(py, "add_reader"), (raw, &reader)) {
                Ok(_) => {
                    self.waker.get_or_init(|| Waker::Fd(fd));
                    return Ok(());
                }
                Err(error) if error.is_instance_of::<PyNotImplementedError>(py) => reader.get().disarm(),
                Err(error) => return Err(error),
            }
        }
        let parker = Parker::new();
        let (weak, bed) = (Arc::downgrade(self), Arc::clone(&parker));
        self.waker.get_or_init(|| Waker::Thread(parker));
        std::thread::Builder::new()
            .name("iris-waker".to_owned())
            .stack_size(STACK)
            .spawn(move || interpreter::attach(None, |py| Self::pass_wakes_on(py, &weak, &bed)))
            .map_err(|error| thread_refused(&error))?;
        Ok(())
    }

    /// What the thread of a loop that watches no file descriptor does.
    fn pass_wakes_on(py: Python<'_>, lane: &Weak<Self>, parker: &Parker) {
        loop {
            interpreter::detached(py, || parker.park(None));
            let Some(lane) = lane.upgrade() else { return };
            if lane.closed.load(Ordering::Acquire) {
                return;
            }
            let Some(soon) = lane.soon.get() else { return };
            let call = intern!(py, "call_soon_threadsafe");
            if lane.event_loop.bind(py).call_method1(call, (soon,)).is_err() {
                return lane.end();
            }
            if lane.shared.upgrade().is_none_or(|shared| shared.is_closed()) {
                return;
            }
        }
    }

    fn hosted(&self) -> &Arc<HostedLane> {
        self.hosted.get().expect("set before the lane is shared")
    }

    pub(crate) fn id(&self) -> LaneId {
        self.hosted().id()
    }

    pub(crate) fn event_loop<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.event_loop.bind(py)
    }

    /// A new future of the loop.
    pub(crate) fn create_future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.create_future.bind(py).call0()
    }

    /// Whether this thread runs the loop, as far as is known.
    pub(crate) fn is_here(&self) -> bool {
        self.thread.load(Ordering::Relaxed) == interpreter::thread_ident()
    }

    /// Has the loop's thread do something, soon.
    pub(crate) fn post(self: &Arc<Self>, job: Job) {
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        let first = {
            let mut jobs = self.jobs.lock();
            jobs.push(job);
            !self.has_jobs.swap(true, Ordering::AcqRel)
        };
        if first {
            self.wake();
        }
    }

    /// Resolves an ask's future: at once on the loop's thread, else through the loop.
    pub(crate) fn answer(self: &Arc<Self>, future: Py<PyAny>, outcome: Result<Payload, Error>) {
        if self.is_here() && interpreter::holds_gil() {
            Python::attach(|py| resolve(py, &future, outcome));
        } else {
            self.post(Job::Answer(future, outcome));
        }
    }

    fn wake(&self) {
        if self.is_here() && interpreter::holds_gil() {
            Python::attach(|py| self.drain_soon(py));
            return;
        }
        if let Some(waker) = self.waker.get() {
            waker.signal();
        }
        if let Some(helper) = &*self.helper.lock() {
            helper.unpark();
        }
    }

    fn drain_soon(&self, py: Python<'_>) {
        if self.soon_scheduled.swap(true, Ordering::AcqRel) {
            return;
        }
        let Some(soon) = self.soon.get() else { return };
        if self.call_soon.bind(py).call1((soon,)).is_err() {
            // The loop is closed; its reader's end moves the actors.
            self.soon_scheduled.store(false, Ordering::Release);
        }
    }

    fn drain(self: &Arc<Self>, py: Python<'_>) {
        self.thread.store(interpreter::thread_ident(), Ordering::Relaxed);
        let deadline = Instant::now() + SLICE;
        loop {
            self.do_jobs(py);
            let drained = self.hosted().drain(deadline);
            let late = self.has_work() && Instant::now() >= deadline;
            if drained == Drained::More || late {
                return self.drain_soon(py);
            }
            if !self.has_jobs.load(Ordering::Acquire) && self.hosted().try_sleep() {
                return;
            }
        }
    }

    fn do_jobs(&self, py: Python<'_>) {
        if !self.has_jobs.load(Ordering::Acquire) {
            return;
        }
        let jobs = {
            let mut jobs = self.jobs.lock();
            self.has_jobs.store(false, Ordering::Release);
            std::mem::take(&mut *jobs)
        };
        for job in jobs {
            match job {
                Job::Answer(future, outcome) => resolve(py, &future, outcome),
                Job::Wake(waiter) => waiter.resolve(py),
                Job::Call(call) => call(py),
            }
        }
    }

    pub(crate) fn has_work(&self) -> bool {
        self.has_jobs.load(Ordering::Acquire) || self.hosted().has_work()
    }

    /// Runs ready actors on the loop's thread while it is blocked; false: none was ready. Answers stay for the loop,
    /// which resumes tasks.
    pub(crate) fn drain_blocked(self: &Arc<Self>, py: Python<'_>, deadline: Instant) -> bool {
        if !self.hosted().has_work() {
            return false;
        }
        let drained = self.hosted().drain(deadline);
        if drained == Drained::More || !self.hosted().try_sleep() {
            self.drain_soon(py);
        }
        true
    }

    /// Has wakes unpark the loop's thread, too, while it is blocked.
    pub(crate) fn lie_down(&self, parker: Option<Arc<Parker>>) {
        *self.helper.lock() = parker;
    }

    /// The runtime is closed: the loop need not watch for its news any more, once it has done what is posted.
    fn leave(self: &Arc<Self>) {
        match self.waker.get() {
            #[cfg(unix)]
            Some(Waker::Fd(fd)) => {
                let (lane, raw) = (Arc::clone(self), fd.raw());
                self.post(Job::Call(Box::new(move |py| {
                    // A loop that is closed already has dropped it.
                    drop(lane.event_loop(py).call_method1(intern!(py, "remove_reader"), (raw,)));
                })));
            }
            Some(waker) => waker.signal(),
            None => {}
        }
    }

    /// The loop is closed: its actors go on elsewhere.
    fn end(self: &Arc<Self>) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.jobs.lock().clear();
        if let Some(waker) = self.waker.get() {
            waker.signal();
        }
        let Some(shared) = self.shared.upgrade() else { return };
        shared.loops.forget(self);
        if shared.is_forked() || shared.is_closed() || interpreter::is_exiting() {
            return;
        }
        if let Ok(lane) = shared.python_lane() {
            shared.core_here().remove_lane(self.hosted(), lane.id());
        }
    }
}

fn resolve(py: Python<'_>, future: &Py<PyAny>, outcome: Result<Payload, Error>) {
    let future = future.bind(py);
    let done = future.call_method0(intern!(py, "done")).and_then(|done| done.is_truthy());
    if !matches!(done, Ok(false)) {
        return;
    }
    let set = match outcome {
        Ok(payload) => future.call_method1(intern!(py, "set_result"), (payload::into_python(py, payload),)),
        Err(error) => future.call_method1(intern!(py, "set_exception"), (raise(error),)),
    };
    // A future whose loop was closed meanwhile has nobody to tell.
    drop(set);
}

/// What the loop calls when the file descriptor is readable; dropped when the loop is closed.
#[pyclass(frozen, module = "iris._iris")]
struct Reader {
    lane: Arc<LoopLane>,
    disarmed: AtomicBool,
}

impl Reader {
    /// The loop does not take it: its end says nothing.
    fn disarm(&self) {
        self.disarmed.store(true, Ordering::Relaxed);
    }
}

#[pymethods]
impl Reader {
    fn __call__(&self, py: Python<'_>) {
        if let Some(waker) = self.lane.waker.get() {
            waker.clear();
        }
        self.lane.drain(py);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if !*self.disarmed.get_mut() {
            self.lane.end();
        }
    }
}

/// What the loop calls soon, when its own thread woke the lane.
#[pyclass(frozen, module = "iris._iris")]
struct Soon {
    lane: Weak<LoopLane>,
}

#[pymethods]
impl Soon {
    fn __call__(&self, py: Python<'_>) {
        if let Some(lane) = self.lane.upgrade() {
            lane.soon_scheduled.store(false, Ordering::Release);
            lane.drain(py);
        }
    }
}

/// The loops one runtime has actors on.
#[derive(Default)]
pub(crate) struct Loops {
    count: AtomicUsize,
    lanes: Mutex<Vec<Arc<LoopLane>>>,
    own: Mutex<Option<Arc<LoopLane>>>,
}

impl Loops {
    /// The lane of the loop that runs on this thread, made at first need.
    #[inline]
    pub(crate) fn running(&self, py: Python<'_>, shared: &Arc<Shared>) -> PyResult<Option<Arc<LoopLane>>> {
        let Some(event_loop) = running_loop(py)? else { return Ok(None) };
        if let Some(lane) = self.find(|lane| lane.event_loop.is(&event_loop)) {
            return Ok(Some(lane));
        }
        let lane = LoopLane::new(shared, &event_loop, interpreter::thread_ident())?;
        self.add(&lane);
        Ok(Some(lane))
    }

    /// The loop of the runtime itself, on a thread of its own, made at first need.
    pub(crate) fn own(&self, py: Python<'_>, shared: &Arc<Shared>) -> PyResult<Arc<LoopLane>> {
        if let Some(lane) = self.own.lock().clone() {
            return Ok(lane);
        }
        let event_loop = py.import(intern!(py, "asyncio"))?.call_method0(intern!(py, "new_event_loop"))?;
        let lane = LoopLane::new(shared, &event_loop, 0)?;
        // Another thread may have made one while Python ran; the later one is closed unused.
        let before = {
            let mut own = self.own.lock();
            let before = own.clone();
            if before.is_none() {
                *own = Some(Arc::clone(&lane));
            }
            before
        };
        if let Some(before) = before {
            event_loop.call_method0(intern!(py, "close"))?;
            return Ok(before);
        }
        self.add(&lane);
        let run = py.import(intern!(py, "iris._loop"))?.getattr(intern!(py, "run"))?.unbind();
        let event_loop = event_loop.unbind();
        std::thread::Builder::new()
            .name("iris-asyncio".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                interpreter::attach(None, |py| {
                    // What ends the loop with an error was told to the loop's exception handler.
                    drop(interpreter::call(run.bind(py), event_loop.bind(py)));
                    drop((run, event_loop));
                });
            })
            .map_err(|error| {
                self.forget(&lane);
                thread_refused(&error)
            })?;
        Ok(lane)
    }

    /// The lane whose loop belongs to this thread.
    pub(crate) fn of_this_thread(&self) -> Option<Arc<LoopLane>> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.find(LoopLane::is_here)
    }

    fn find(&self, is_it: impl Fn(&LoopLane) -> bool) -> Option<Arc<LoopLane>> {
        self.lanes.lock().iter().find(|lane| is_it(lane)).cloned()
    }

    fn add(&self, lane: &Arc<LoopLane>) {
        let mut lanes = self.lanes.lock();
        lanes.push(Arc::clone(lane));
        self.count.store(lanes.len(), Ordering::Relaxed);
    }

    fn forget(&self, lane: &Arc<LoopLane>) {
        let mut lanes = self.lanes.lock();
        lanes.retain(|other| !Arc::ptr_eq(other, lane));
        self.count.store(lanes.len(), Ordering::Relaxed);
        let mut own = self.own.lock();
        if own.as_ref().is_some_and(|own| Arc::ptr_eq(own, lane)) {
            *own = None;
        }
    }

    /// Stops the runtime's own loop, and the threads that wake others.
    pub(crate) fn close(&self) {
        let (lanes, own) = (self.lanes.lock().clone(), self.own.lock().clone());
        for lane in lanes {
            if !own.as_ref().is_some_and(|own| Arc::ptr_eq(own, &lane)) {
                lane.leave();
            }
        }
        if let Some(lane) = own {
            let that = Arc::clone(&lane);
            lane.post(Job::Call(Box::new(move |py| {
                // A loop that is closed already needs no stop.
                let module = py.import(intern!(py, "iris._loop"));
                drop(module.and_then(|m| m.call_method1(intern!(py, "stop"), (&that.event_loop,))));
            })));
        }
    }
}

/// The loop that runs on this thread, without importing asyncio where nobody did.
#[inline]
fn running_loop(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static GET: pyo3::sync::PyOnceLock<Py<PyAny>> = pyo3::sync::PyOnceLock::new();
    let get = if let Some(get) = GET.get(py) {
        get
    } else {
        let Some(module) = interpreter::loaded_module(py, c"_asyncio") else { return Ok(None) };
        let get = module.getattr(intern!(py, "_get_running_loop"))?.unbind();
        GET.get_or_init(py, || get)
    };
    let event_loop = get.bind(py).call0()?;
    Ok((!event_loop.is_none()).then_some(event_loop))
}

/// Makes the classes that users never name; see `prepare` in lib.rs.
pub(crate) fn prepare(py: Python<'_>) {
    py.get_type::<Reader>();
    py.get_type::<Soon>();
}
