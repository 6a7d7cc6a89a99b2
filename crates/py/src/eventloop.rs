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
use pyo3::prelude::*;

use crate::asks::Awaited;
use crate::async_waiter::AsyncWaiter;
use crate::callbacks::{Reader, Soon};
use crate::carried;
use crate::errors::{OrRaise, raise};
use crate::guest;
use crate::held::Held;
use crate::help;
use crate::interpreter;
use crate::lane::{SLICE, STACK};
use crate::loops::running_loop;
use crate::once::intern;
use crate::parker::Parker;
use crate::payload;
use crate::shared::{Shared, thread_refused};
use crate::wakefd::Waker;

/// Something the loop's thread must do.
pub(crate) enum Job {
    /// Resolve an ask's future.
    Answer(Awaited, Result<Payload, Error>),
    /// Let an async pull actor look at its mailbox.
    Wake(Arc<AsyncWaiter>),
    /// Anything rare.
    Call(Box<dyn FnOnce(Python<'_>) + Send>),
}

/// What is under way on a loop, and ends with it: a loop that is closed calls nobody back.
pub(crate) trait UnderWay: Send + Sync {
    /// The loop is closed.
    fn abandon(&self, shared: &Shared);
}

/// One runtime's lane on one event loop.
pub(crate) struct LoopLane {
    shared: Weak<Shared>,
    event_loop: Held,
    create_future: Held,
    /// Where the loop's callbacks run: neither in the context of whoever used the loop first, nor of whoever sends.
    context: Held,
    call_soon: Held,
    /// Made for the first actor on the loop: a loop that only asks needs none.
    hosted: OnceLock<Arc<HostedLane>>,
    hosting: Mutex<()>,
    /// The thread that ran the loop last.
    thread: AtomicU64,
    /// Whether that thread is within `drain`, where the loop runs and nobody need be asked for it.
    draining: AtomicBool,
    waker: OnceLock<Waker>,
    soon: OnceLock<Py<Soon>>,
    soon_scheduled: AtomicBool,
    jobs: Mutex<Vec<Job>>,
    has_jobs: AtomicBool,
    /// The loop's thread while it is blocked in a call of the binding.
    helper: Mutex<Option<Arc<Parker>>>,
    /// The tasks of actors that are on the loop, and some that have ended.
    under_way: Mutex<Vec<Weak<dyn UnderWay>>>,
    /// Asks whose futures are the loop's, and whose answers are to come through it.
    asks: AtomicUsize,
    /// The runtime is closed, and the loop is left once it has no asks.
    leaving: AtomicBool,
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
    pub(crate) fn new(
        shared: &Arc<Shared>,
        event_loop: &Bound<'_, PyAny>,
        thread: u64,
    ) -> PyResult<Arc<Self>> {
        let py = event_loop.py();
        let lane = Arc::new(Self {
            shared: Arc::downgrade(shared),
            event_loop: Held::new(event_loop),
            create_future: event_loop.getattr(intern!(py, "create_future"))?.unbind().into(),
            call_soon: event_loop.getattr(intern!(py, "call_soon"))?.unbind().into(),
            context: carried::empty(py)?.into(),
            hosted: OnceLock::new(),
            hosting: Mutex::new(()),
            thread: AtomicU64::new(thread),
            draining: AtomicBool::new(false),
            waker: OnceLock::new(),
            soon: OnceLock::new(),
            soon_scheduled: AtomicBool::new(false),
            jobs: Mutex::default(),
            has_jobs: AtomicBool::new(false),
            helper: Mutex::default(),
            under_way: Mutex::default(),
            asks: AtomicUsize::new(0),
            leaving: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        lane.soon.get_or_init(|| {
            Py::new(py, Soon::new(Arc::downgrade(&lane))).expect("a small object can be made")
        });
        lane.start_waker(py)?;
        Ok(lane)
    }

    /// Has the loop watch a file descriptor, or a thread tell it where it cannot.
    fn start_waker(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        #[cfg(unix)]
        {
            let fd = crate::wakefd::WakeFd::new()?;
            let raw = fd.raw();
            let reader = Bound::new(py, Reader::new(Arc::clone(self)))?;
            let number = raw.into_pyobject(py)?.into_any();
            let arguments = [&number, reader.as_any()];
            let add = || interpreter::call_method(self.event_loop(py), intern!(py, "add_reader"), &arguments);
            match carried::within(py, &self.context, add)? {
                Ok(_) => {
                    self.waker.get_or_init(|| Waker::Fd(fd));
                    return Ok(());
                }
                // What asyncio raises on a loop that watches no file descriptors, such as Windows' default one.
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
            if interpreter::call_method(lane.event_loop(py), call, &[soon.bind(py)]).is_err() {
                return lane.end();
            }
            if lane.leaving.load(Ordering::SeqCst) && lane.asks.load(Ordering::SeqCst) == 0 {
                return;
            }
        }
    }

    /// The number of the core's lane, for an actor that is to run on this loop.
    pub(crate) fn id(self: &Arc<Self>, shared: &Shared) -> PyResult<LaneId> {
        if let Some(hosted) = self.hosted.get() {
            return Ok(hosted.id());
        }
        let _hosting = self.hosting.lock();
        if let Some(hosted) = self.hosted.get() {
            return Ok(hosted.id());
        }
        let hosted = shared.core()?.add_lane(Arc::new(Host(Arc::downgrade(self)))).or_raise()?;
        let asleep = hosted.try_sleep();
        debug_assert!(asleep, "nothing is ready on a lane that nobody knows");
        Ok(self.hosted.get_or_init(|| hosted).id())
    }

    pub(crate) fn event_loop<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.event_loop.bind(py)
    }

    /// A new future of the loop.
    pub(crate) fn create_future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        interpreter::call_empty(self.create_future.bind(py))
    }

    /// Whether this thread was the last to run the loop, as far as is known.
    pub(crate) fn was_here(&self) -> bool {
        self.thread.load(Ordering::Relaxed) == interpreter::thread_ident()
    }

    /// Whether the loop runs on this thread, which may then call it directly. Another thread may have taken it over, and
    /// the system gives the identity of a thread that ended to the next one.
    pub(crate) fn runs_here(&self, py: Python<'_>) -> bool {
        matches!(running_loop(py), Ok(Some(event_loop)) if event_loop.is(&*self.event_loop))
    }

    /// Whether the loop runs on this thread; for callers that may not be attached.
    fn with_loop_here<R>(&self, call: impl FnOnce(Python<'_>) -> R) -> Option<R> {
        if !self.was_here() || !interpreter::holds_gil() {
            return None;
        }
        Python::attach(|py| (self.draining.load(Ordering::Relaxed) || self.runs_here(py)).then(|| call(py)))
    }

    /// Whether the loop is this thread's: it runs here, or ran here last and rests.
    pub(crate) fn is_blocked_here(&self, py: Python<'_>) -> PyResult<bool> {
        if self.runs_here(py) {
            return Ok(true);
        }
        let runs = interpreter::call_method(self.event_loop(py), intern!(py, "is_running"), &[])?;
        Ok(!interpreter::is_true(&runs)?)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// A task of an actor is to run on the loop.
    pub(crate) fn add(&self, task: Weak<dyn UnderWay>) {
        let mut tasks = self.under_way.lock();
        // Forgets those that have ended whenever the list would grow: a few steps for each task, on the whole.
        if tasks.len() == tasks.capacity() {
            tasks.retain(|task| task.strong_count() > 0);
            let room = tasks.len() + 1;
            tasks.shrink_to(2 * room);
            tasks.reserve(room);
        }
        tasks.push(task);
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
    pub(crate) fn answer(awaited: Awaited, outcome: Result<Payload, Error>) {
        let mut outcome = Some(outcome);
        awaited.lane.with_loop_here(|py| {
            if let Some(outcome) = outcome.take() {
                resolve(py, &awaited, outcome);
            }
        });
        if let Some(outcome) = outcome {
            let lane = Arc::clone(&awaited.lane);
            lane.post(Job::Answer(awaited, outcome));
        }
    }

    pub(crate) fn begin_ask(&self) {
        self.asks.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn end_ask(self: &Arc<Self>) {
        if self.asks.fetch_sub(1, Ordering::SeqCst) == 1 && self.leaving.load(Ordering::SeqCst) {
            self.part();
        }
    }

    fn wake(&self) {
        if self.with_loop_here(|py| self.drain_soon(py)).is_some() {
            return;
        }
        self.signal();
        if let Some(helper) = &*self.helper.lock() {
            helper.unpark();
        }
    }

    fn signal(&self) {
        if let Some(waker) = self.waker.get() {
            waker.signal();
        }
    }

    fn drain_soon(&self, py: Python<'_>) {
        if self.soon_scheduled.swap(true, Ordering::AcqRel) {
            return;
        }
        let Some(soon) = self.soon.get() else { return };
        let called =
            carried::within(py, &self.context, || interpreter::call(self.call_soon.bind(py), soon.bind(py)));
        if guest::told(py, called.flatten()).is_none() {
            // Either the loop is closed, and its reader's end moves the actors; or a signal handler raised before the loop took
            // the call, and what runs no Python wakes it.
            self.soon_scheduled.store(false, Ordering::Release);
            self.signal();
        }
    }

    /// The file descriptor is readable.
    pub(crate) fn read(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        if let Some(waker) = self.waker.get() {
            waker.clear();
        }
        self.drain(py)
    }

    /// The call came that was scheduled.
    pub(crate) fn come(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        self.soon_scheduled.store(false, Ordering::Release);
        self.drain(py)
    }

    fn drain(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        self.thread.store(interpreter::thread_ident(), Ordering::Relaxed);
        let outermost = !self.draining.swap(true, Ordering::Relaxed);
        let drained = guest::as_guest(py, || self.drain_for(py, Instant::now() + SLICE));
        if outermost {
            self.draining.store(false, Ordering::Relaxed);
        }
        drained
    }

    fn drain_for(self: &Arc<Self>, py: Python<'_>, deadline: Instant) {
        loop {
            self.do_jobs(py);
            let drained = self.hosted.get().map_or(Drained::Empty, |hosted| hosted.drain(deadline));
            let late = self.has_work() && Instant::now() >= deadline;
            if drained == Drained::More || late {
                return self.drain_soon(py);
            }
            if !self.has_jobs.load(Ordering::Acquire) && self.try_sleep() {
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
                Job::Answer(awaited, outcome) => resolve(py, &awaited, outcome),
                Job::Wake(waiter) => waiter.resolve(py),
                Job::Call(call) => call(py),
            }
        }
    }

    pub(crate) fn has_work(&self) -> bool {
        self.has_jobs.load(Ordering::Acquire) || self.hosted.get().is_some_and(|hosted| hosted.has_work())
    }

    fn try_sleep(&self) -> bool {
        self.hosted.get().is_none_or(|hosted| hosted.try_sleep())
    }

    /// Runs ready actors on the loop's thread while it is blocked; false: none was ready, and the next one that is
    /// unparks the helper. Answers stay for the loop, which resumes tasks.
    pub(crate) fn drain_blocked(self: &Arc<Self>, py: Python<'_>, deadline: Instant) -> PyResult<bool> {
        let Some(hosted) = self.hosted.get() else { return Ok(false) };
        if !hosted.has_work() {
            // The thread may be blocked within a drain of this lane, which is awake then: who makes an actor ready would
            // wake nobody.
            return Ok(!hosted.try_sleep());
        }
        let run = guest::as_guest(py, || help::in_empty_context(py, || hosted.drain(deadline)));
        let is_empty = matches!(run, Ok(Ok(Drained::Empty)));
        if !is_empty || !hosted.try_sleep() {
            self.drain_soon(py);
        }
        run.map(|_| true)
    }

    /// Has wakes unpark the loop's thread, too, while it is blocked.
    pub(crate) fn lie_down(&self, parker: Option<Arc<Parker>>) {
        *self.helper.lock() = parker;
    }

    /// The runtime is closed: the loop need not watch for its news any more, once it has done what is posted and what it asked
    /// is answered.
    pub(crate) fn leave(self: &Arc<Self>) {
        self.leaving.store(true, Ordering::SeqCst);
        if self.asks.load(Ordering::SeqCst) == 0 {
            self.part();
        }
    }

    fn part(self: &Arc<Self>) {
        match self.waker.get() {
            #[cfg(unix)]
            Some(Waker::Fd(fd)) => {
                let (lane, raw) = (Arc::clone(self), fd.raw());
                self.post(Job::Call(Box::new(move |py| {
                    // A loop that is closed already has dropped it.
                    let remove = intern!(py, "remove_reader");
                    let Ok(raw) = raw.into_pyobject(py);
                    guest::told(py, interpreter::call_method(lane.event_loop(py), remove, &[raw.as_any()]));
                })));
            }
            Some(waker) => waker.signal(),
            None => {}
        }
    }

    /// The loop is closed: its push actors go on elsewhere, but for those whose task was on it, which end.
    pub(crate) fn end(self: &Arc<Self>) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        // What ends with them may be code of users, which runs without the lock.
        drop(std::mem::take(&mut *self.jobs.lock()));
        if let Some(waker) = self.waker.get() {
            waker.signal();
        }
        let Some(shared) = self.shared.upgrade() else { return };
        shared.loops.forget(self);
        if shared.is_forked() || interpreter::is_exiting() {
            return;
        }
        let tasks = std::mem::take(&mut *self.under_way.lock());
        for task in tasks.iter().filter_map(Weak::upgrade) {
            task.abandon(&shared);
        }
        if shared.is_closed() {
            return;
        }
        if let Some(hosted) = self.hosted.get()
            && let Ok(lane) = shared.python_lane()
        {
            shared.core_here().remove_lane(hosted, lane.id());
        }
    }
}

fn resolve(py: Python<'_>, awaited: &Awaited, outcome: Result<Payload, Error>) {
    let Some(future) = &awaited.future(py) else { return };
    let set = match outcome {
        Ok(payload) => {
            let answer = payload::into_python(py, payload).into_any();
            interpreter::call_method(future, intern!(py, "set_result"), &[&answer])
        }
        Err(error) => {
            let error = raise(error).into_value(py).into_bound(py).into_any();
            interpreter::call_method(future, intern!(py, "set_exception"), &[&error])
        }
    };
    // A future that is done already, or whose loop was closed meanwhile, has nobody to tell.
    guest::told(py, set);
}
