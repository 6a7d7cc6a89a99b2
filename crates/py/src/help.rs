//! Help: a blocked ask that runs the asked handler itself instead of waking the lane's thread for it.
//!
//! A wake costs a hundred times what a short handler does. But who runs a handler waits for as long as it takes, whatever
//! time-out was given. So a thread helps only an actor that has answered its last asks quickly ([`QUICK_ASKS`] of them),
//! stops as soon as an answer is slow, and never while it runs an actor itself: a handler that does not return is to hurt
//! no second actor. The lane must have had nothing else ready, so that the turn taken is the asked actor's; it is left to its
//! own thread before the handler runs. The handler runs in an empty context, as it does on the lane's thread.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use iris_core::Pid;
use pyo3::prelude::*;

use crate::carried;
use crate::guest::as_guest;
use crate::lane::{Hush, PyLane};
use crate::loops::running_loop;

/// Quick answers in a row before a thread runs the handler itself.
const QUICK_ASKS: u8 = 16;
/// What counts as quick: a wake of a thread on a busy machine, and a short handler.
const QUICK: Duration = Duration::from_micros(500);
/// Actors a thread remembers.
const REMEMBERED: usize = 64;

thread_local! {
    static RECORDS: RefCell<[(u64, u8); REMEMBERED]> = const { RefCell::new([(0, 0); REMEMBERED]) };
    static CONTEXT: RefCell<Option<Py<PyAny>>> = const { RefCell::new(None) };
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
    pub(crate) fn begin(py: Python<'_>, pid: Pid, lane: Option<Arc<PyLane>>) -> Self {
        // A handler finds no event loop running where it runs.
        let has_loop = || !matches!(running_loop(py), Ok(None));
        let helps = quick_asks(pid) >= QUICK_ASKS && iris_core::current().is_none() && !has_loop();
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
