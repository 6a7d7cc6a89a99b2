//! Errors on their way to JavaScript: `IrisError` with `code` set to the name of the kind.

use iris_core::{Error, Pid};
use napi::Status;

use crate::raw;
use crate::state::State;

/// A napi result whose error was thrown already.
pub(crate) type Result<T> = napi::Result<T>;

impl State {
    /// Throws the error as an `IrisError`; what is returned tells napi-rs that it was thrown.
    #[cold]
    pub(crate) fn raise(&self, error: &Error) -> napi::Error {
        raw::throw(self.env, self.error_class.get(), error);
        napi::Error::new(Status::PendingException, String::new())
    }

    /// The value, or the error thrown.
    #[inline]
    pub(crate) fn check<T>(&self, result: iris_core::Result<T>) -> Result<T> {
        result.map_err(|error| self.raise(&error))
    }

    /// The pid a number stands for; `NoProcess` thrown where it can be none.
    pub(crate) fn pid(&self, number: f64) -> Result<Pid> {
        raw::pid_of(number).ok_or_else(|| self.raise(&Error::no_process(number)))
    }
}
