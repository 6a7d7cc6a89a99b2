//! Pid: the integer users hold, read without an exception for integers that no actor can have.

use iris_core::{Error, Pid};
use pyo3::exceptions::PyOverflowError;
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
        match object.extract::<u64>() {
            Ok(raw) => Ok(Self { pid: Pid::from_u64(raw) }),
            Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => Ok(Self { pid: None }),
            Err(error) => Err(error),
        }
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
        self.pid.ok_or_else(|| errors::raise(Error::new(iris_core::ErrorKind::NoProcess, "no live actor has this pid")))
    }
}
