//! Loops: the event loops that one runtime has to do with, and its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use iris_core::sync::Mutex;
use pyo3::prelude::*;

use crate::eventloop::{Job, LoopLane};
use crate::interpreter;
use crate::lane::STACK;
use crate::once::{ASYNCIO, LOOP, Once, intern};
use crate::shared::{Shared, thread_refused};

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
        if let Some(lane) = self.find(|lane| lane.event_loop(py).is(&event_loop)) {
            return Ok(Some(lane));
        }
        shared.check_open()?;
        let lane = LoopLane::new(shared, &event_loop, interpreter::thread_ident())?;
        self.add(&lane);
        Ok(Some(lane))
    }

    /// The loop of the runtime itself, on a thread of its own, made at first need.
    pub(crate) fn own(&self, py: Python<'_>, shared: &Arc<Shared>) -> PyResult<Arc<LoopLane>> {
        if let Some(lane) = self.own.lock().clone() {
            return Ok(lane);
        }
        shared.check_open()?;
        let asyncio = ASYNCIO.get(py)?;
        let event_loop = interpreter::call_method(asyncio, intern!(py, "new_event_loop"), &[])?;
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
            interpreter::call_method(&event_loop, intern!(py, "close"), &[])?;
            return Ok(before);
        }
        self.add(&lane);
        let run = LOOP.get(py)?.getattr(intern!(py, "run"))?.unbind();
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
    pub(crate) fn of_this_thread(&self, py: Python<'_>) -> PyResult<Option<Arc<LoopLane>>> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return Ok(None);
        }
        let Some(lane) = self.find(LoopLane::was_here) else { return Ok(None) };
        Ok(lane.is_blocked_here(py)?.then_some(lane))
    }

    fn find(&self, is_it: impl Fn(&LoopLane) -> bool) -> Option<Arc<LoopLane>> {
        self.lanes.lock().iter().find(|lane| is_it(lane)).cloned()
    }

    fn add(&self, lane: &Arc<LoopLane>) {
        let mut lanes = self.lanes.lock();
        lanes.push(Arc::clone(lane));
        self.count.store(lanes.len(), Ordering::Relaxed);
    }

    pub(crate) fn forget(&self, lane: &Arc<LoopLane>) {
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
                if let Ok(module) = LOOP.get(py) {
                    drop(interpreter::call_method(module, intern!(py, "stop"), &[that.event_loop(py)]));
                }
            })));
        }
    }
}

/// The loop that runs on this thread, without importing asyncio where nobody did.
#[inline]
pub(crate) fn running_loop(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    static GET: Once<Py<PyAny>> = Once::new();
    let get = if let Some(get) = GET.get(py) {
        get
    } else {
        let Some(module) = interpreter::loaded_module(py, c"_asyncio") else { return Ok(None) };
        GET.get_or_make(py, || Ok(module.getattr(intern!(py, "_get_running_loop"))?.unbind()))?
    };
    let event_loop = get.bind(py).call0()?;
    Ok((!event_loop.is_none()).then_some(event_loop))
}
