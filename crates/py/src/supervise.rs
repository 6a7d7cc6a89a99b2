//! Links, monitors and supervisors.

use std::sync::Arc;

use iris_core::{
    Backoff, ChildSpec, Error, ErrorKind, Factory, Failure, Pid, Restart, SpawnOptions, StartDone,
    SupervisorOptions,
};
use pyo3::prelude::*;

use crate::behaviour::{PyHandler, check_callable, is_async};
use crate::crash;
use crate::errors::{OrRaise, invalid, raise};
use crate::held::Held;
use crate::interpreter;
use crate::numbers::{seconds, two_seconds, whole};
use crate::pid::PidArgument;
use crate::runtime::{Runtime, budget};
use crate::spawn::{lane_for, pull};
use crate::words;

#[pymethods]
impl Runtime {
    /// Link two live actors: when one exits, the other is told `EXIT`. A link informs, it does not end anybody.
    ///
    /// Raises:
    ///     NoProcessError: one of them is not alive.
    fn link(&self, a: PidArgument, b: PidArgument) -> PyResult<()> {
        self.shared.core()?.link(a.required()?, b.required()?).or_raise()
    }

    /// Take a link away.
    ///
    /// Returns:
    ///     True if they were linked.
    fn unlink(&self, a: PidArgument, b: PidArgument) -> PyResult<bool> {
        let core = self.shared.core()?;
        let (Some(a), Some(b)) = (a.get(), b.get()) else { return Ok(false) };
        Ok(core.unlink(a, b))
    }

    /// Have `watcher` told `DOWN`, once, when an actor exits.
    ///
    /// Args:
    ///     pid: the actor to watch, which must be alive.
    ///     watcher: a pull or observed actor; without it, the actor whose code calls this.
    ///
    /// Returns:
    ///     The monitor, for `demonitor`; it is in the `metadata` of the DOWN message.
    #[pyo3(signature = (pid, watcher=None))]
    fn monitor(&self, pid: PidArgument, watcher: Option<PidArgument>) -> PyResult<u64> {
        let core = self.shared.core()?;
        let watcher = match watcher {
            Some(watcher) => watcher.required()?,
            None => iris_core::current()
                .ok_or_else(|| invalid("outside of an actor, monitor needs the pid of a watcher"))?,
        };
        core.monitor(pid.required()?, watcher).or_raise()
    }

    /// Take a monitor away.
    ///
    /// Returns:
    ///     True if it was there; its DOWN message does not come any more.
    fn demonitor(&self, #[pyo3(from_py_with = whole)] monitor: i64) -> PyResult<bool> {
        let core = self.shared.core()?;
        Ok(u64::try_from(monitor).is_ok_and(|monitor| core.demonitor(monitor)))
    }

    /// List an actor under the runtime's supervisor until it exits.
    ///
    /// It is not restarted, as nothing says how; with `"RestartAll"` its failure restarts the siblings that have a
    /// factory.
    #[pyo3(signature = (pid, strategy="RestartOne"))]
    fn watch(&self, pid: PidArgument, strategy: &str) -> PyResult<()> {
        let core = self.shared.core()?;
        let strategy = words::strategy(strategy)?;
        core.watch(core.root_supervisor().or_raise()?, pid.required()?, strategy).or_raise()
    }

    /// List the actors one level below a path under the runtime's supervisor.
    fn watch_path(&self, prefix: &str) -> PyResult<()> {
        let core = self.shared.core()?;
        let root = core.root_supervisor().or_raise()?;
        for (_, pid) in core.list_children_direct(prefix).or_raise()? {
            match core.watch(root, pid, words::strategy("RestartOne")?) {
                Err(error) if error.kind() != ErrorKind::NoProcess => return Err(raise(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Replace an actor whenever it exits for another reason than `"Normal"`: `factory()` makes the new one.
    ///
    /// Args:
    ///     pid: the actor.
    ///     factory: called without arguments, on a thread of its own, at each exit; gives a pid. It may block. Where it
    ///         raises, it is called again after a pause, within the supervisor's intensity.
    ///     strategy: `"RestartOne"`; or `"RestartAll"`: the siblings are stopped first, then all are made anew.
    ///
    /// Example:
    ///     >>> import iris, threading
    ///     >>> healed = threading.Event()
    ///     >>> def worker(message): raise ValueError(message)
    ///     >>> def factory():
    ///     ...     healed.set()
    ///     ...     return rt.spawn(bytes.upper)
    ///     >>> with iris.Runtime() as rt:
    ///     ...     pid = rt.spawn_observed_handler()
    ///     ...     rt.supervise_with_factory(pid, factory, "RestartOne")
    ///     ...     rt.stop(pid), healed.wait(5)
    ///     (True, True)
    fn supervise_with_factory(
        &self,
        pid: PidArgument,
        factory: &Bound<'_, PyAny>,
        strategy: &str,
    ) -> PyResult<()> {
        let root = self.shared.core()?.root_supervisor().or_raise()?;
        self.supervise(root, pid, factory, strategy)
    }

    /// Take an actor from its supervisor: the next exit is final.
    ///
    /// Returns:
    ///     True if it was supervised.
    fn unsupervise(&self, pid: PidArgument) -> PyResult<bool> {
        let core = self.shared.core()?;
        Ok(pid.get().is_some_and(|pid| core.unsupervise(pid)))
    }

    /// The actors under a supervisor, by default the runtime's own.
    #[pyo3(signature = (supervisor=None))]
    fn child_pids(&self, supervisor: Option<PidArgument>) -> PyResult<Vec<u64>> {
        let core = self.shared.core()?;
        let supervisor = match supervisor {
            Some(supervisor) => supervisor.required()?,
            None => core.root_supervisor().or_raise()?,
        };
        Ok(numbers(core.child_pids(supervisor).or_raise()?))
    }

    /// How many actors are under a supervisor, by default the runtime's own.
    #[pyo3(signature = (supervisor=None))]
    fn children_count(&self, supervisor: Option<PidArgument>) -> PyResult<usize> {
        Ok(self.child_pids(supervisor)?.len())
    }

    /// Make a supervisor for a path, beside the runtime's own.
    ///
    /// Returns:
    ///     True if it was made, False if the path had one.
    fn create_path_supervisor(&self, path: &str) -> PyResult<bool> {
        self.shared.core()?.create_path_supervisor(path).or_raise()
    }

    /// Remove a path's supervisor. Its actors live on without one.
    ///
    /// Returns:
    ///     True if the path had one.
    fn remove_path_supervisor(&self, path: &str) -> PyResult<bool> {
        Ok(self.shared.core()?.remove_path_supervisor(path))
    }

    /// List an actor under a path's supervisor until it exits.
    ///
    /// Raises:
    ///     NoSupervisorError: the path has none.
    fn path_supervisor_watch(&self, path: &str, pid: PidArgument) -> PyResult<()> {
        let core = self.shared.core()?;
        let supervisor = core.path_supervisor(path).or_raise()?;
        core.watch(supervisor, pid.required()?, words::strategy("RestartOne")?).or_raise()
    }

    /// The actors under a path's supervisor.
    ///
    /// Raises:
    ///     NoSupervisorError: the path has none.
    fn path_supervisor_children(&self, path: &str) -> PyResult<Vec<u64>> {
        let core = self.shared.core()?;
        Ok(numbers(core.child_pids(core.path_supervisor(path).or_raise()?).or_raise()?))
    }

    /// As `supervise_with_factory`, under a path's supervisor.
    ///
    /// Raises:
    ///     NoSupervisorError: the path has none.
    fn path_supervise_with_factory(
        &self,
        path: &str,
        pid: PidArgument,
        factory: &Bound<'_, PyAny>,
        strategy: &str,
    ) -> PyResult<()> {
        let supervisor = self.shared.core()?.path_supervisor(path).or_raise()?;
        self.supervise(supervisor, pid, factory, strategy)
    }

    /// Start a supervisor as OTP has them.
    ///
    /// Args:
    ///     strategy: `"one_for_one"`, `"one_for_all"` or `"rest_for_one"`: whom a child's failure concerns.
    ///     intensity: restarts allowed within `period`; one more and the supervisor gives up and ends.
    ///     period: seconds, more than 0.
    ///     backoff: shortest and longest pause before a repeated restart, in seconds.
    ///     supervisor: the supervisor this one is a child of.
    ///
    /// Returns:
    ///     Its pid, for `start_child` and `child_pids`; `stop` ends it and its children.
    #[pyo3(signature = (strategy="one_for_one", intensity=3, period=5.0, backoff=(0.01, 5.0), supervisor=None))]
    fn spawn_supervisor(
        &self,
        strategy: &str,
        #[pyo3(from_py_with = whole)] intensity: i64,
        #[pyo3(from_py_with = seconds)] period: f64,
        #[pyo3(from_py_with = two_seconds)] backoff: (f64, f64),
        supervisor: Option<PidArgument>,
    ) -> PyResult<u64> {
        let intensity = u32::try_from(intensity)
            .map_err(|_| invalid(format!("intensity must be 0 or more restarts, not {intensity}")))?;
        let supervisor = supervisor
            .map(|pid| Ok::<_, PyErr>(ChildSpec { supervisor: pid.required()?, restart: Restart::Permanent }))
            .transpose()?;
        let least = words::seconds("backoff", backoff.0)?;
        let most = words::seconds("backoff", backoff.1)?;
        let options = SupervisorOptions {
            strategy: words::strategy(strategy)?,
            intensity,
            period: words::seconds("period", period)?,
            backoff: Backoff::new(least, most).or_raise()?,
            supervisor,
        };
        Ok(self.shared.core()?.spawn_supervisor(options).or_raise()?.get())
    }

    /// Start an actor that a supervisor restarts in place: pid, name, path and waiting messages stay.
    ///
    /// Args:
    ///     supervisor: a pid from `spawn_supervisor`.
    ///     make_handler: called without arguments now and at each restart; gives a fresh handler.
    ///     restart: `"permanent"` (always), `"transient"` (after a failure), `"temporary"` (never).
    ///     budget: as for `spawn`.
    ///     name: a name to register.
    ///     path: a path to register.
    ///     kind: `"push"` or `"pull"`.
    ///
    /// Returns:
    ///     The actor's pid, which stays.
    #[pyo3(signature = (supervisor, make_handler, *, restart="permanent", budget=100, name=None, path=None,
                        kind="push"))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of a Python method")]
    fn start_child(
        &self,
        supervisor: PidArgument,
        make_handler: &Bound<'_, PyAny>,
        restart: &str,
        #[pyo3(from_py_with = whole)] budget: i64,
        name: Option<String>,
        path: Option<String>,
        kind: &str,
    ) -> PyResult<u64> {
        let core = self.shared.core()?;
        let spec = ChildSpec { supervisor: supervisor.required()?, restart: words::restart(restart)? };
        let options = SpawnOptions {
            budget: self::budget(budget)?,
            name,
            path,
            supervisor: Some(spec),
            ..SpawnOptions::default()
        };
        check_callable("handler", make_handler)?;
        let py = make_handler.py();
        let handler = interpreter::call_empty(make_handler)?;
        match kind {
            "push" => {
                let lane = lane_for(py, &self.shared, is_async(&handler))?;
                let handler = PyHandler::made(&self.shared, &handler, make_handler, lane)?;
                Ok(core.spawn_shared(Arc::new(handler), options).or_raise()?.get())
            }
            "pull" => pull(&self.shared, &handler, Some(make_handler.clone().unbind()), options),
            _ => Err(invalid(format!("kind must be 'push' or 'pull', not '{kind}'"))),
        }
    }
}

impl Runtime {
    fn supervise(
        &self,
        supervisor: Pid,
        pid: PidArgument,
        factory: &Bound<'_, PyAny>,
        strategy: &str,
    ) -> PyResult<()> {
        check_callable("factory", factory)?;
        let factory = Arc::new(PyFactory { factory: Arc::new(Held::new(factory)) });
        let strategy = words::strategy(strategy)?;
        self.shared.core()?.supervise_with_factory(supervisor, pid.required()?, factory, strategy).or_raise()
    }
}

fn numbers(pids: Vec<Pid>) -> Vec<u64> {
    pids.into_iter().map(Pid::get).collect()
}

/// A Python function that makes a new actor, called on a thread of its own since it may block.
struct PyFactory {
    factory: Arc<Held>,
}

impl Factory for PyFactory {
    fn start(&self, done: StartDone) {
        let factory = Arc::clone(&self.factory);
        let started = std::thread::Builder::new()
            .name("iris-factory".to_owned())
            .stack_size(crate::lane::STACK)
            .spawn(move || interpreter::attach(None, |py| done.complete(make(py, &factory))));
        // Without a thread `done` is dropped, which the supervisor counts as a failure and tries again.
        drop(started);
    }
}

fn make(py: Python<'_>, factory: &Py<PyAny>) -> Result<Pid, Failure> {
    let made = interpreter::call_empty(factory.bind(py)).and_then(|made| {
        let argument: PidArgument = made.extract()?;
        argument.get().ok_or_else(|| {
            raise(Error::new(
                ErrorKind::NoProcess,
                format!("the factory gave {made}, which is no live actor's pid"),
            ))
        })
    });
    made.map_err(|error| crash::of_factory(py, error))
}
