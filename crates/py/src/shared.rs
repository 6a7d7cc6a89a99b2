//! Shared: what all handles of one Runtime have in common, and the list of runtimes that exit must close.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use iris_core::sync::Mutex;
use iris_core::{Error, ErrorKind, RuntimeOptions};
use pyo3::prelude::*;

use crate::behaviour::HandlerCache;
use crate::crash;
use crate::errors::{OrRaise, raise, raise_kind};
use crate::fork;
use crate::functions::Functions;
use crate::interpreter;
use crate::lane::PyLane;
use crate::log;
use crate::loops::Loops;
use crate::once;
use crate::parker::Parker;
use crate::release_gil::ReleaseGil;
use crate::thread_state;
use crate::wait;

/// Time that `close` gives pull actors to return.
const CLOSE_PATIENCE: Duration = Duration::from_millis(500);

/// Time that the end of the process gives the pull actors of all runtimes to return.
const EXIT_PATIENCE: Duration = Duration::from_millis(500);

/// Time that the end of the process then gives threads inside user code to come out of the interpreter. Together with
/// the pauses of a shutdown and with a `close` just before, the three make less than 2 seconds.
const LEAVE_PATIENCE: Duration = Duration::from_millis(250);

static RUNTIMES: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// One runtime.
pub(crate) struct Shared {
    core: ManuallyDrop<iris_core::Runtime>,
    forks: u32,
    closed: AtomicBool,
    pub(crate) contextvars: bool,
    /// Pull threads pass here one by one on their way back into the interpreter.
    pub(crate) gate: Mutex<()>,
    python_lane: OnceLock<Arc<PyLane>>,
    python_lane_start: Mutex<()>,
    pub(crate) loops: Loops,
    pub(crate) release_gil: ReleaseGil,
    pub(crate) handlers: HandlerCache,
    pub(crate) functions: Functions,
    /// Threads of pull actors that have not ended.
    pub(crate) pull_threads: AtomicUsize,
}

impl Shared {
    pub(crate) fn new(py: Python<'_>, contextvars: bool, options: RuntimeOptions) -> PyResult<Arc<Self>> {
        if interpreter::is_exiting() {
            return Err(raise_kind(
                ErrorKind::RuntimeClosed,
                "the process is ending: no runtime can be made any more",
            ));
        }
        thread_state::prepare(py).map_err(|error| thread_refused(&error))?;
        once::load_modules(py)?;
        let release_gil = ReleaseGil::from_environment()?;
        let core = iris_core::Runtime::with_options(options).or_raise()?;
        core.on_give_up(Box::new(crash::report_give_up));
        log::begin(&core);
        let shared = Arc::new(Self {
            core: ManuallyDrop::new(core),
            forks: interpreter::forks(),
            closed: AtomicBool::new(false),
            contextvars,
            gate: Mutex::new(()),
            python_lane: OnceLock::new(),
            python_lane_start: Mutex::new(()),
            loops: Loops::default(),
            release_gil,
            handlers: HandlerCache::default(),
            functions: Functions::default(),
            pull_threads: AtomicUsize::new(0),
        });
        let mut runtimes = RUNTIMES.lock();
        runtimes.retain(|runtime| runtime.strong_count() > 0);
        runtimes.push(Arc::downgrade(&shared));
        Ok(shared)
    }

    /// The core's runtime, unless this is a forked child.
    #[inline]
    pub(crate) fn core(&self) -> PyResult<&iris_core::Runtime> {
        if self.is_forked() { Err(forked()) } else { Ok(&self.core) }
    }

    /// The core's runtime, for threads of this process.
    pub(crate) fn core_here(&self) -> &iris_core::Runtime {
        &self.core
    }

    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.forks != interpreter::forks()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Nothing is started for a runtime that is closed, whose end has passed it by.
    pub(crate) fn check_open(&self) -> PyResult<()> {
        if self.is_closed() {
            return Err(raise_kind(ErrorKind::RuntimeClosed, "the runtime is closed"));
        }
        Ok(())
    }

    /// The lane of plain handlers, with its thread: both made at first need.
    pub(crate) fn python_lane(&self) -> PyResult<&Arc<PyLane>> {
        if let Some(lane) = self.python_lane.get() {
            return Ok(lane);
        }
        let _starting = self.python_lane_start.lock();
        if let Some(lane) = self.python_lane.get() {
            return Ok(lane);
        }
        self.check_open()?;
        let lane = PyLane::new(&self.core, "iris-python").or_raise()?;
        lane.start_thread().map_err(|error| thread_refused(&error))?;
        lane.start_monitor().map_err(|error| thread_refused(&error))?;
        Ok(self.python_lane.get_or_init(|| lane))
    }

    /// The lane of plain handlers, where there is one.
    pub(crate) fn python_lane_if_any(&self) -> Option<Arc<PyLane>> {
        self.python_lane.get().cloned()
    }

    /// Stops everything: lets actors finish for `grace`, then ends them and the binding's threads.
    pub(crate) fn shutdown(
        self: &Arc<Self>,
        py: Python<'_>,
        grace: Duration,
    ) -> PyResult<Option<iris_core::ShutdownReport>> {
        self.begin_shutdown(py, grace).wait(py)
    }

    /// Has a thread of its own do what a shutdown waits for. Where the system has none left, this thread does it, and is deaf
    /// to Ctrl-C meanwhile.
    fn begin_shutdown(self: &Arc<Self>, py: Python<'_>, grace: Duration) -> Closing {
        let first = !self.closed.swap(true, Ordering::SeqCst);
        let closing =
            Closing { shared: Arc::clone(self), first, report: Arc::default(), parker: Parker::new() };
        let core = iris_core::Runtime::clone(&self.core);
        let (report, parker) = (Arc::clone(&closing.report), Arc::clone(&closing.parker));
        let callers = iris_core::callers();
        let close = Arc::new(move || {
            // An actor whose code closes its runtime is not waited for.
            *report.lock() = Some(iris_core::on_behalf_of(&callers, || core.shutdown(grace)));
            parker.unpark();
        });
        let there = Arc::clone(&close);
        if std::thread::Builder::new().name("iris-shutdown".to_owned()).spawn(move || there()).is_err() {
            interpreter::detached(py, || close());
        }
        closing
    }

    /// Stops everything now, and waits a moment for the threads of pull actors.
    pub(crate) fn close(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        if self.is_closed() {
            if let Ok(core) = self.core() {
                core.hurry_shutdown(Duration::ZERO);
            }
            return Ok(());
        }
        self.shutdown(py, Duration::ZERO)?;
        if iris_core::current().is_none() {
            self.wait_for_pull_threads(py, Instant::now() + CLOSE_PATIENCE)?;
        }
        Ok(())
    }

    fn close_lanes(&self) {
        // A lock that others take while they hold the GIL: nothing below it may wait for that.
        let starting = self.python_lane_start.lock();
        if let Some(lane) = self.python_lane.get() {
            lane.close();
        }
        drop(starting);
        self.release_gil.close();
        self.loops.close();
    }

    /// The last handle of the user is gone: ends everything without making its thread wait.
    pub(crate) fn abandon(self: &Arc<Self>) {
        if self.is_forked() || interpreter::is_exiting() || self.closed.swap(true, Ordering::SeqCst) {
            return;
        }
        let this = Arc::clone(self);
        let started = std::thread::Builder::new().name("iris-shutdown".to_owned()).spawn(move || {
            this.core.shutdown(Duration::ZERO);
            this.close_lanes();
        });
        if started.is_err() {
            self.core.kill_all();
            self.close_lanes();
        }
    }

    /// Waits until the threads of pull actors have ended.
    fn wait_for_pull_threads(self: &Arc<Self>, py: Python<'_>, deadline: Instant) -> PyResult<bool> {
        let ended = || self.pull_threads.load(Ordering::SeqCst) == 0;
        let parker = Parker::new();
        while !ended() {
            let now = Instant::now();
            if now >= deadline {
                return Ok(false);
            }
            let look = deadline.min(now + Duration::from_millis(5));
            wait::wait(py, self, &parker, Some(look), ended)?;
        }
        Ok(true)
    }
}

/// A shutdown under way.
struct Closing {
    shared: Arc<Shared>,
    /// Nobody closed the runtime before.
    first: bool,
    report: Arc<Mutex<Option<iris_core::ShutdownReport>>>,
    parker: Arc<Parker>,
}

impl Closing {
    fn wait(self, py: Python<'_>) -> PyResult<Option<iris_core::ShutdownReport>> {
        let waited = wait::wait(py, &self.shared, &self.parker, None, || self.report.lock().is_some());
        if waited.is_err() {
            // Whoever is interrupted has no more time to give.
            self.shared.core.hurry_shutdown(Duration::ZERO);
        }
        if self.first {
            self.shared.close_lanes();
        }
        waited?;
        Ok(self.report.lock().take())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if !self.is_forked() {
            // SAFETY: dropped once, and nobody uses it after this.
            unsafe { ManuallyDrop::drop(&mut self.core) }
        }
    }
}

/// The error of every call on a runtime that a fork left behind.
#[cold]
fn forked() -> PyErr {
    raise_kind(
        ErrorKind::ForkedRuntime,
        "this runtime belongs to the parent process; its threads do not exist after a fork: start processes \
         with multiprocessing's \"spawn\" method, or make a Runtime in the child",
    )
}

/// A thread could not be started.
pub(crate) fn thread_refused(error: &std::io::Error) -> PyErr {
    raise(Error::new(
        ErrorKind::LimitReached,
        format!("the operating system refuses another thread ({error}); `async def` handlers need none"),
    ))
}

/// Closes all runtimes of this process; registered with `atexit`.
#[pyfunction]
#[pyo3(name = "_exit")]
pub(crate) fn exit(py: Python<'_>) -> PyResult<()> {
    interpreter::begin_exit();
    let runtimes: Vec<_> = std::mem::take(&mut *RUNTIMES.lock());
    let mut runtimes: Vec<_> = runtimes.iter().filter_map(Weak::upgrade).collect();
    runtimes.retain(|runtime| !runtime.is_forked());
    let ended = end_all(py, &runtimes);
    // Also after Ctrl-C: none of our threads may be inside an interpreter that finalises.
    if !runtimes.is_empty() {
        interpreter::exit(py, LEAVE_PATIENCE);
    }
    // What is left lives until the process ends: dropping it would touch an interpreter that finalises.
    std::mem::forget(runtimes);
    ended
}

/// Closes runtimes side by side: what one of them waits for is no addition to what the next one waits for.
fn end_all(py: Python<'_>, runtimes: &[Arc<Shared>]) -> PyResult<()> {
    let open = runtimes.iter().filter(|runtime| !runtime.is_closed());
    let closing: Vec<_> = open.map(|runtime| runtime.begin_shutdown(py, Duration::ZERO)).collect();
    for closing in closing {
        closing.wait(py)?;
    }
    let deadline = Instant::now() + EXIT_PATIENCE;
    for runtime in runtimes {
        runtime.wait_for_pull_threads(py, deadline)?;
    }
    Ok(())
}

/// Marks a forked child; registered with `os.register_at_fork`.
#[pyfunction]
#[pyo3(name = "_forked")]
pub(crate) fn forked_child() {
    fork::after();
    interpreter::forked();
}
