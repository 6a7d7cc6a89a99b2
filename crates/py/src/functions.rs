//! Functions: what each pull actor was spawned with, kept so that its first swap can be rolled back.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use iris_core::Pid;
use iris_core::sync::Mutex;
use pyo3::prelude::*;

use crate::held::Held;
use crate::pull::Function;

/// The first function of each live pull actor.
#[derive(Default)]
pub(crate) struct Functions {
    first: Mutex<HashMap<Pid, First>>,
}

struct First {
    function: Held,
    /// It is an `async def` function: a task of a loop, not a thread.
    is_async: bool,
}

impl Functions {
    pub(crate) fn add(&self, pid: Pid, function: Py<PyAny>, is_async: bool) {
        let function = function.into();
        self.first.lock().insert(pid, First { function, is_async });
    }

    /// Whether the actor is a task of a loop; `None` where it is no pull actor.
    pub(crate) fn is_async(&self, pid: Pid) -> Option<bool> {
        self.first.lock().get(&pid).map(|first| first.is_async)
    }

    pub(crate) fn forget(&self, pid: Pid) {
        // Dropped after the lock is released: the function's end may run Python code.
        let function = self.first.lock().remove(&pid);
        drop(function);
    }

    pub(crate) fn get(&self, py: Python<'_>, pid: Pid) -> Option<Arc<dyn Any + Send + Sync>> {
        let function = self.first.lock().get(&pid).map(|first| first.function.clone_ref(py))?;
        Some(Arc::new(Function(function.into())))
    }
}
