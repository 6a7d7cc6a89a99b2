//! Async turn: one message of an `async def` push handler, as a task on an event loop.

use std::sync::Arc;

use iris_core::sync::Mutex;
use iris_core::{Context, ExitReason, Flow, Pid, Reply, Suspension};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::behaviour;
use crate::carried::Carried;
use crate::crash;
use crate::eventloop::{Job, LoopLane, UnderWay};
use crate::fork;
use crate::guest;
use crate::interpreter;
use crate::once::intern;
use crate::pull_async::task_reason;
use crate::shared::Shared;

/// The task, once it is made; and whether it is to be cancelled.
#[derive(Default)]
struct TaskSlot {
    task: Option<Py<PyAny>>,
    cancelled: bool,
}

/// Hands the coroutine to the loop that runs here, or to the runtime's own. The caller suspends the actor.
pub(crate) fn start(
    shared: &Arc<Shared>,
    context: &Context<'_>,
    coroutine: &Bound<'_, PyAny>,
    reply: Option<Reply>,
    carried: Option<Box<Carried>>,
) -> PyResult<()> {
    let py = coroutine.py();
    let lane = match shared.loops.running(py, shared)? {
        Some(lane) => lane,
        None => shared.loops.own(py, shared)?,
    };
    let slot = Arc::new(Mutex::new(TaskSlot::default()));
    let (task, on) = (Arc::clone(&slot), Arc::clone(&lane));
    let suspension = context.suspend(Box::new(move || cancel(&task, &on)));
    let turn = Arc::new(Turn {
        suspension: Mutex::new(Some(suspension)),
        reply: Mutex::new(reply),
        slot: Arc::clone(&slot),
    });
    let known = Arc::downgrade(&turn);
    lane.add(known);
    let end = Py::new(py, TurnEnd { turn, forks: interpreter::forks() })?;
    if lane.runs_here(py) {
        return make_task(&lane, coroutine, carried, end.bind(py), &slot);
    }
    let coroutine = coroutine.clone().unbind();
    let that = Arc::clone(&lane);
    lane.post(Job::Call(Box::new(move |py| {
        if let Err(error) = make_task(&that, coroutine.bind(py), carried, end.bind(py), &slot) {
            end.get().turn.fail(py, error);
        }
    })));
    Ok(())
}

fn make_task(
    lane: &LoopLane,
    coroutine: &Bound<'_, PyAny>,
    carried: Option<Box<Carried>>,
    end: &Bound<'_, TurnEnd>,
    slot: &Mutex<TaskSlot>,
) -> PyResult<()> {
    let py = coroutine.py();
    let (event_loop, create) = (lane.event_loop(py), intern!(py, "create_task"));
    let task = match carried {
        None => interpreter::call_method(event_loop, create, &[coroutine])?,
        Some(carried) => {
            let names = PyTuple::new(py, [intern!(py, "context")])?;
            let arguments = [coroutine, carried.0.bind(py)];
            interpreter::call_method_with(event_loop, create, &arguments, Some(&names))?
        }
    };
    interpreter::call_method(&task, intern!(py, "add_done_callback"), &[end.as_any()])?;
    let cancelled = {
        let mut slot = slot.lock();
        slot.task = Some(task.clone().unbind());
        slot.cancelled
    };
    if cancelled {
        interpreter::call_method(&task, intern!(py, "cancel"), &[])?;
    }
    Ok(())
}

/// The actor ended while its task ran: on any thread.
fn cancel(slot: &Mutex<TaskSlot>, lane: &Arc<LoopLane>) {
    let task = {
        let mut slot = slot.lock();
        slot.cancelled = true;
        slot.task.take()
    };
    if let Some(task) = task {
        lane.post(Job::Call(Box::new(move |py| {
            // A task that is done already needs no cancel.
            let task = task.into_bound(py);
            guest::told(py, interpreter::call_method(&task, intern!(py, "cancel"), &[]));
            interpreter::release(task);
        })));
    }
}

/// The message under way: the actor that waits for its task, and the asker who waits for the answer.
struct Turn {
    suspension: Mutex<Option<Suspension>>,
    reply: Mutex<Option<Reply>>,
    slot: Arc<Mutex<TaskSlot>>,
}

impl Turn {
    /// Ends the turn once; nothing where it is over.
    fn end(&self, outcome: impl FnOnce(Pid, Option<Reply>) -> Flow) {
        let Some(suspension) = self.suspension.lock().take() else { return };
        let reply = self.reply.lock().take();
        let flow = outcome(suspension.pid(), reply);
        suspension.resume(flow);
    }

    fn fail(&self, py: Python<'_>, error: PyErr) {
        self.end(|pid, reply| stop(crash::reason(py, pid, error), reply));
    }
}

impl UnderWay for Turn {
    /// Ends the actor as the cancelling of its task does.
    fn abandon(&self, _: &Shared) {
        self.end(|_, reply| stop(ExitReason::Killed, reply));
    }
}

fn stop(reason: ExitReason, reply: Option<Reply>) -> Flow {
    behaviour::fail(reply, &reason);
    Flow::Stop(reason)
}

/// What the loop calls when the task is done.
#[pyclass(frozen, module = "iris._iris")]
struct TurnEnd {
    turn: Arc<Turn>,
    forks: u32,
}

#[pymethods]
impl TurnEnd {
    fn __call__(&self, task: &Bound<'_, PyAny>) {
        let py = task.py();
        if interpreter::forks() != self.forks {
            fork::end(py, interpreter::call_method(task, intern!(py, "result"), &[]));
        }
        // Here the caller holds the task as well; whoever let it go last would run what it leaves.
        let known = self.turn.slot.lock().task.take();
        drop(known);
        self.turn.end(|pid, reply| match task_reason(task, pid) {
            ExitReason::Normal => {
                if let Ok(result) = interpreter::call_method(task, intern!(py, "result"), &[]) {
                    behaviour::answer(&result, reply);
                }
                Flow::Continue
            }
            reason => stop(reason, reply),
        });
    }
}

/// Makes the classes that users never name; see `prepare` in lib.rs.
pub(crate) fn prepare(py: Python<'_>) {
    py.get_type::<TurnEnd>();
}
