//! Callbacks: what an event loop calls for its lane.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use pyo3::prelude::*;

use crate::eventloop::LoopLane;

/// What the loop calls when the file descriptor is readable; dropped when the loop is closed.
#[pyclass(frozen, module = "iris._iris")]
pub(crate) struct Reader {
    lane: Arc<LoopLane>,
    disarmed: AtomicBool,
}

impl Reader {
    pub(crate) fn new(lane: Arc<LoopLane>) -> Self {
        Self { lane, disarmed: AtomicBool::new(false) }
    }

    /// The loop does not take it: its end says nothing.
    pub(crate) fn disarm(&self) {
        self.disarmed.store(true, Ordering::Relaxed);
    }
}

#[pymethods]
impl Reader {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        self.lane.read(py)
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
pub(crate) struct Soon {
    lane: Weak<LoopLane>,
}

impl Soon {
    pub(crate) fn new(lane: Weak<LoopLane>) -> Self {
        Self { lane }
    }
}

#[pymethods]
impl Soon {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        self.lane.upgrade().map_or(Ok(()), |lane| lane.come(py))
    }
}

/// Makes the classes that users never name; see `prepare` in lib.rs.
pub(crate) fn prepare(py: Python<'_>) {
    py.get_type::<Reader>();
    py.get_type::<Soon>();
}
