//! Pid: the integer users hold, read without an exception for integers that no actor can have.

use iris_core::{Error, Pid};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyAny;

use crate::errors;

/// A pid as an argument: `None` where no actor can have it.
#[derive(Clone, Copy)]
pub(crate) struct PidArgument {
    pid: Option<Pid>,
}

impl<'py> FromPyObject<'_, 'py> for PidArgument {
    type Error = PyErr;

    #[inline]
    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let mut overflow = 0;
        // SAFETY: the object is alive. Of CPython's conversions this one is quick for integers of two digits, as pids are.
        let raw = unsafe { ffi::PyLong_AsLongLongAndOverflow(object.as_ptr(), &raw mut overflow) };
        if raw == -1
            && overflow == 0
            && let Some(error) = PyErr::take(object.py())
        {
            return Err(error);
        }
        let pid = if overflow == 0 { u64::try_from(raw).ok().and_then(Pid::from_u64) } else { None };
        Ok(Self { pid })
    }
}

impl PidArgument {
    /// The pid, where an actor can have it.
    #[inline]
    pub(crate) fn get(self) -> Option<Pid> {
        self.pid
    }

    /// The pid, or `NoProcessError`.
    pub(crate) fn required(self) -> PyResult<Pid> {
        self.pid.ok_or_else(|| {
            errors::raise(Error::new(iris_core::ErrorKind::NoProcess, "no live actor has this pid"))
        })
    }
}
