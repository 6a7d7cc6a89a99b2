//! Help: a blocked ask that runs the asked handler itself instead of waking the lane's thread for it.
//!
//! A wake costs a hundred times what a short handler does. But who runs a handler waits for as long as it takes, whatever
//! time-out was given. So a thread helps only an actor that has answered its last asks quickly ([`QUICK_ASKS`] of them),
//! stops as soon as an answer is slow, and never while it runs an actor itself: a handler that does not return is to hurt
//! no second actor. The lane must have had nothing else ready, so that the turn taken is the asked actor's; it is left to its
//! own thread before the handler runs. The handler runs in an empty context, as it does on the lane's thread.
//!
//! A handler that runs on a thread of the user, here or on the user's event loop, stands in the way of the program's own
//! signal handlers: what those raise ends the actor, and is raised in the program as well ([`as_guest`]).

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use iris_core::Pid;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;

use crate::carried;
use crate::interpreter;
use crate::lane::{Hush, PyLane};

/// Quick answers in a row before a thread runs the handler itself.
const QUICK_ASKS: u8 = 16;
/// What counts as quick: a wake of a thread on a busy machine, and a short handler.
const QUICK: Duration = Duration::from_micros(500);
/// Actors a thread remembers.
const REMEMBERED: usize = 64;

thread_local! {
    static RECORDS: RefCell<[(u64, u8); REMEMBERED]> = const { RefCell::new([(0, 0); REMEMBERED]) };
    static CONTEXT: RefCell<Option<Py<PyAny>>> = const { RefCell::new(None) };
    static IS_GUEST: Cell<bool> = const { Cell::new(false) };
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// One ask under way: how quick its actor was so far, and when it began.
pub(crate) struct Helper {
    pid: Pid,
    began: Instant,
    lane: Option<Arc<PyLane>>,
    hush: Option<Hush>,
}

impl Helper {
    /// To be made before the ask is sent: holds the wake back where this thread will run the handler.
    pub(crate) fn begin(pid: Pid, lane: Option<Arc<PyLane>>) -> Self {
        let helps = quick_asks(pid) >= QUICK_ASKS && iris_core::current().is_none();
        let lane = lane.filter(|lane| helps && !lane.hosted().has_work());
        let hush = lane.as_ref().map(Hush::begin);
        Self { pid, began: Instant::now(), lane, hush }
    }

    /// To be called after the ask was sent: runs the handler, where this thread is to.
    pub(crate) fn help(&mut self, py: Python<'_>) -> PyResult<()> {
        let (Some(lane), Some(hush)) = (self.lane.take(), self.hush.take()) else { return Ok(()) };
        let mut owed = hush.end();
        // While the handler runs, the lane is asleep again: whatever becomes ready wakes the lane's own thread.
        let leave = || {
            if std::mem::take(&mut owed) {
                lane.hand_over();
            }
        };
        let run = as_guest(py, || in_empty_context(py, || lane.hosted().drain_one_after(leave)));
        lane.was_helped();
        if owed {
            lane.hand_over();
        }
        run?.map(drop)
    }

    /// To be called when the answer is there.
    pub(crate) fn end(self, answered: bool) {
        let quick = answered && self.began.elapsed() <= QUICK;
        RECORDS.with_borrow_mut(|records| {
            let record = &mut records[place(self.pid)];
            let before = if record.0 == self.pid.get() { record.1 } else { 0 };
            *record = (self.pid.get(), if quick { before.saturating_add(1) } else { 0 });
        });
    }
}

/// Runs handlers on a thread of the user. What a signal handler raised meanwhile was meant for the thread's own program:
/// it is given back, to be raised there.
pub(crate) fn as_guest<R>(py: Python<'_>, run: impl FnOnce() -> R) -> PyResult<R> {
    let before = IS_GUEST.replace(true);
    let handled = Handled::put_aside(py);
    let result = run();
    drop(handled);
    IS_GUEST.set(before);
    match RAISED.take() {
        Some(error) => Err(error),
        None => Ok(result),
    }
}

/// A handler that this thread ran raised this; kept for [`as_guest`], if it comes from a signal handler.
pub(crate) fn note(py: Python<'_>, error: &PyErr) {
    if IS_GUEST.get() && is_from_signal(py, error).unwrap_or(false) {
        RAISED.set(Some(error.clone_ref(py)));
    }
}

fn is_from_signal(py: Python<'_>, error: &PyErr) -> PyResult<bool> {
    let is_from_signal = py.import(intern!(py, "iris._crash"))?.getattr(intern!(py, "is_from_signal"))?;
    interpreter::is_true(&interpreter::call(&is_from_signal, error.value(py))?)
}

/// The exception that the caller is handling, kept from the handlers that run on its stack: it is no cause of theirs.
struct Handled<'py>(Option<Bound<'py, PyAny>>);

impl<'py> Handled<'py> {
    fn put_aside(py: Python<'py>) -> Self {
        // SAFETY: attached; both give a new reference, or null for none, and null may be set.
        unsafe {
            let Some(handled) = Bound::from_owned_ptr_or_opt(py, ffi::PyErr_GetHandledException()) else {
                return Self(None);
            };
            ffi::PyErr_SetHandledException(std::ptr::null_mut());
            // A generator sees what its caller handles, and that is not put aside: nor is it to be put back.
            let still = Bound::from_owned_ptr_or_opt(py, ffi::PyErr_GetHandledException());
            Self(Some(handled).filter(|handled| still.is_none_or(|still| !still.is(handled))))
        }
    }
}

impl Drop for Handled<'_> {
    fn drop(&mut self) {
        if let Some(handled) = &self.0 {
            // SAFETY: attached, and the exception is alive; the callee takes a reference of its own.
            unsafe { ffi::PyErr_SetHandledException(handled.as_ptr()) };
        }
    }
}

fn quick_asks(pid: Pid) -> u8 {
    RECORDS.with_borrow(|records| {
        let (known, quick) = records[place(pid)];
        if known == pid.get() { quick } else { 0 }
    })
}

fn place(pid: Pid) -> usize {
    usize::try_from(pid.get() % REMEMBERED as u64).unwrap_or(0)
}

/// Runs handlers in a context of this thread that is not its caller's.
pub(crate) fn in_empty_context<R>(py: Python<'_>, run: impl FnOnce() -> R) -> PyResult<R> {
    // Taken out of its place while it is entered.
    let kept = CONTEXT.take();
    let context = kept.map_or_else(|| carried::empty(py), Ok)?;
    let result = carried::within(py, &context, run)?;
    CONTEXT.set(Some(context));
    Ok(result)
}
