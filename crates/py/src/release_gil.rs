//! `release_gil=True`: push actors with a thread of their own, and the pool for those beyond the limit.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use iris_core::sync::Mutex;
use iris_core::{ErrorKind, ExitReason, LaneId, Pid};
use pyo3::prelude::*;

use crate::errors::{OrRaise, invalid, raise_kind};
use crate::lane::PyLane;
use crate::shared::{Shared, thread_refused};

/// Threads for actors of their own, unless told otherwise.
const THREADS_MAX: usize = 256;
/// Threads of the pool, unless told otherwise.
const POOL_SIZE: usize = 8;
/// Largest value of either limit: beyond it a process runs out of memory maps.
const LIMIT_MAX: usize = 30_000;

/// The limits and lanes of one runtime's `release_gil` actors.
pub(crate) struct ReleaseGil {
    limits: Mutex<Limits>,
    strict: AtomicBool,
    own: Mutex<Vec<Arc<PyLane>>>,
    /// Lanes whose actor ended, with their thread: the next actor takes one over.
    free: Mutex<Vec<Arc<PyLane>>>,
    pool: Mutex<Option<Arc<PyLane>>>,
    /// Where each live actor runs, for its next handler.
    lanes: Mutex<HashMap<Pid, LaneId>>,
}

#[derive(Clone, Copy)]
struct Limits {
    threads_max: usize,
    pool_size: usize,
}

impl ReleaseGil {
    /// With the limits that the environment gives.
    pub(crate) fn from_environment() -> PyResult<Self> {
        let threads_max =
            variable(&["IRIS_MAX_RELEASE_GIL_THREADS", "MYRMIDON_MAX_RELEASE_GIL_THREADS"], 0, THREADS_MAX)?;
        let pool_size = variable(&["IRIS_GIL_POOL_SIZE", "MYRMIDON_GIL_POOL_SIZE"], 1, POOL_SIZE)?;
        Ok(Self {
            limits: Mutex::new(Limits { threads_max, pool_size }),
            strict: AtomicBool::new(false),
            own: Mutex::default(),
            free: Mutex::default(),
            pool: Mutex::default(),
            lanes: Mutex::default(),
        })
    }

    pub(crate) fn set_limits(&self, threads_max: usize, pool_size: usize) -> PyResult<()> {
        if threads_max > LIMIT_MAX {
            return Err(invalid(format!("max_threads must be 0 to {LIMIT_MAX}, not {threads_max}")));
        }
        if pool_size == 0 || pool_size > LIMIT_MAX {
            return Err(invalid(format!("gil_pool_size must be 1 to {LIMIT_MAX}, not {pool_size}")));
        }
        *self.limits.lock() = Limits { threads_max, pool_size };
        Ok(())
    }

    pub(crate) fn set_strict(&self, strict: bool) {
        self.strict.store(strict, Ordering::Relaxed);
    }

    /// The lane for one more actor: one of its own while the limit allows it, else the pool's.
    pub(crate) fn lane(&self, shared: &Shared) -> PyResult<Assigned> {
        shared.check_open()?;
        let limits = *self.limits.lock();
        if let Some(lane) = self.free.lock().pop() {
            return Ok(Assigned { lane, is_own: true });
        }
        let mut own = self.own.lock();
        if own.len() < limits.threads_max {
            let lane = PyLane::new(shared.core()?, "iris-release-gil").or_raise()?;
            lane.start_thread().map_err(|error| thread_refused(&error))?;
            own.push(Arc::clone(&lane));
            return Ok(Assigned { lane, is_own: true });
        }
        drop(own);
        if self.strict.load(Ordering::Relaxed) {
            return Err(raise_kind(
                ErrorKind::LimitReached,
                &format!(
                    "all {} threads for release_gil actors are taken; raise max_threads, or allow the pool with \
                     set_release_gil_strict(False)",
                    limits.threads_max
                ),
            ));
        }
        let mut pool = self.pool.lock();
        let lane = match &*pool {
            Some(lane) => Arc::clone(lane),
            None => Arc::clone(pool.insert(PyLane::new(shared.core()?, "iris-gil-pool").or_raise()?)),
        };
        while (lane.threads() as usize) < limits.pool_size {
            lane.start_thread().map_err(|error| thread_refused(&error))?;
        }
        Ok(Assigned { lane, is_own: false })
    }

    /// The lane of a live actor that was spawned with `release_gil=True`.
    pub(crate) fn lane_of(&self, pid: Pid) -> Option<LaneId> {
        self.lanes.lock().get(&pid).copied()
    }

    /// The actor of this lane ended.
    fn give_back(&self, lane: Arc<PyLane>) {
        self.free.lock().push(lane);
    }

    pub(crate) fn close(&self) {
        for lane in self.own.lock().iter() {
            lane.close();
        }
        if let Some(pool) = &*self.pool.lock() {
            pool.close();
        }
    }
}

/// A lane for one actor.
pub(crate) struct Assigned {
    lane: Arc<PyLane>,
    is_own: bool,
}

impl Assigned {
    pub(crate) fn id(&self) -> LaneId {
        self.lane.id()
    }

    /// Keeps the lane for its actor, and frees it when the actor ends.
    pub(crate) fn until_exit(self, shared: &Arc<Shared>, pid: Pid) {
        shared.release_gil.lanes.lock().insert(pid, self.id());
        let weak = Arc::downgrade(shared);
        let gone = Box::new(move |_: Pid, _: &ExitReason| {
            if let Some(shared) = weak.upgrade() {
                shared.release_gil.lanes.lock().remove(&pid);
                self.unused(&shared);
            }
        });
        shared.core_here().on_exit(pid, gone);
    }

    /// Frees the lane of an actor that was not spawned.
    pub(crate) fn unused(self, shared: &Shared) {
        if self.is_own {
            shared.release_gil.give_back(self.lane);
        }
    }
}

/// The value of the first of these environment variables that is set.
fn variable(names: &[&str], least: usize, default: usize) -> PyResult<usize> {
    let Some((name, value)) = names.iter().find_map(|name| Some((*name, std::env::var_os(name)?))) else {
        return Ok(default);
    };
    parse(&value).filter(|value| (least..=LIMIT_MAX).contains(value)).ok_or_else(|| {
        invalid(format!("{name} must be a number from {least} to {LIMIT_MAX}, not '{}'", value.display()))
    })
}

fn parse(value: &OsString) -> Option<usize> {
    value.to_str()?.trim().parse().ok()
}
