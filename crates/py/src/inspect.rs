//! Inspection: counts over the runtime, looks at actors, dead letters.

use iris_core::{ActorInfo, Pid};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::OrRaise;
use crate::pid::PidArgument;
use crate::runtime::Runtime;

#[pymethods]
impl Runtime {
    /// Counts over the whole runtime. At rest, sent = handled + queued + the dropped ones. Walks all actors.
    ///
    /// Returns:
    ///     A dict with `actors`, `spawned`, `exited`, `crashed`, `restarted`, `sent`, `handled`, `queued`, `dropped`
    ///     (a dict by reason), `timers`, `names` and `paths`.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let info = self.shared.core()?.stats();
        let dict = PyDict::new(py);
        dict.set_item("actors", info.actors)?;
        dict.set_item("spawned", info.spawned)?;
        dict.set_item("exited", info.exited)?;
        dict.set_item("crashed", info.crashed)?;
        dict.set_item("restarted", info.restarted)?;
        dict.set_item("sent", info.sent)?;
        dict.set_item("handled", info.handled)?;
        dict.set_item("queued", info.queued)?;
        dict.set_item("dropped", by_reason(py, info.dropped)?)?;
        dict.set_item("timers", info.timers)?;
        dict.set_item("names", info.names)?;
        dict.set_item("paths", info.paths)?;
        Ok(dict)
    }

    /// A look at one actor.
    ///
    /// Returns:
    ///     A dict with `pid`, `kind`, `state`, `mailbox_size`, `budget`, `version`, `restarts`, `names`, `paths`, `links`,
    ///     `monitored_by`, `parent`, `children` and `supervisor`; `None` for a pid that no live actor has.
    fn actor_info<'py>(&self, py: Python<'py>, pid: PidArgument) -> PyResult<Option<Bound<'py, PyDict>>> {
        let core = self.shared.core()?;
        let info = pid.get().and_then(|pid| core.actor_info(pid));
        info.map(|info| actor(py, info)).transpose()
    }

    /// Looks at all live actors, as `actor_info`, in no order; parents and children name each other.
    fn tree<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let core = self.shared.core()?;
        core.tree().into_iter().map(|info| actor(py, info)).collect()
    }

    /// How many messages could not be delivered, by reason.
    fn dead_letters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        by_reason(py, self.shared.core()?.dead_letters())
    }

    /// Have an actor told `DEAD_LETTER` for each message that cannot be delivered from now on.
    ///
    /// Args:
    ///     pid: a pull or observed actor; `None` ends it.
    fn listen_dead_letters(&self, pid: Option<PidArgument>) -> PyResult<()> {
        let listener = pid.map(PidArgument::required).transpose()?;
        self.shared.core()?.listen_dead_letters(listener).or_raise()
    }
}

fn by_reason<'py>(py: Python<'py>, counts: Vec<(&'static str, u64)>) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (reason, count) in counts {
        dict.set_item(reason, count)?;
    }
    Ok(dict)
}

fn actor(py: Python<'_>, info: ActorInfo) -> PyResult<Bound<'_, PyDict>> {
    let numbers = |pids: Vec<Pid>| pids.into_iter().map(Pid::get).collect::<Vec<_>>();
    let dict = PyDict::new(py);
    dict.set_item("pid", info.pid.get())?;
    dict.set_item("kind", info.kind)?;
    dict.set_item("state", info.state)?;
    dict.set_item("mailbox_size", info.mailbox_size)?;
    dict.set_item("budget", info.budget)?;
    dict.set_item("version", info.version)?;
    dict.set_item("restarts", info.restarts)?;
    dict.set_item("names", info.names)?;
    dict.set_item("paths", info.paths)?;
    dict.set_item("links", numbers(info.links))?;
    dict.set_item("monitored_by", numbers(info.monitored_by))?;
    dict.set_item("parent", info.parent.map(Pid::get))?;
    dict.set_item("children", numbers(info.children))?;
    dict.set_item("supervisor", info.supervisor.map(Pid::get))?;
    Ok(dict)
}
