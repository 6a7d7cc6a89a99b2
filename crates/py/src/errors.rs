//! Errors: each kind of the core as the Python class of the same name.

use iris_core::{Error, ErrorKind};
use pyo3::prelude::*;

/// The classes, written in Python so that users can read them and type checkers know them.
mod classes {
    pyo3::import_exception!(iris.errors, NoProcessError);
    pyo3::import_exception!(iris.errors, MailboxFullError);
    pyo3::import_exception!(iris.errors, NameTakenError);
    pyo3::import_exception!(iris.errors, NoSuchNameError);
    pyo3::import_exception!(iris.errors, InvalidArgumentError);
    pyo3::import_exception!(iris.errors, LimitReachedError);
    pyo3::import_exception!(iris.errors, AskTimeoutError);
    pyo3::import_exception!(iris.errors, AskFailedError);
    pyo3::import_exception!(iris.errors, WouldDeadlockError);
    pyo3::import_exception!(iris.errors, RuntimeClosedError);
    pyo3::import_exception!(iris.errors, ForkedRuntimeError);
    pyo3::import_exception!(iris.errors, NoSupervisorError);
    pyo3::import_exception!(iris.errors, NoSuchBufferError);
    pyo3::import_exception!(iris.errors, WrongActorKindError);
    pyo3::import_exception!(iris.errors, NodeDownError);
    pyo3::import_exception!(iris.errors, ListenFailedError);
    pyo3::import_exception!(iris.errors, NotPermittedError);
    pyo3::import_exception!(iris.errors, IrisError);
}

/// Finds all classes, when the module is imported: see `prepare` in lib.rs.
pub(crate) fn find_classes(py: Python<'_>) {
    for kind in ErrorKind::ALL {
        drop(raise_kind(kind, "").into_value(py));
    }
    py.get_type::<classes::IrisError>();
}

/// The Python exception for an error of the core.
#[expect(clippy::needless_pass_by_value, reason = "used as a function of `map_err`")]
pub(crate) fn raise(error: Error) -> PyErr {
    raise_kind(error.kind(), error.message())
}

/// A Python exception of this kind.
pub(crate) fn raise_kind(kind: ErrorKind, message: &str) -> PyErr {
    let message = message.to_owned();
    match kind {
        ErrorKind::NoProcess => classes::NoProcessError::new_err(message),
        ErrorKind::MailboxFull => classes::MailboxFullError::new_err(message),
        ErrorKind::NameTaken => classes::NameTakenError::new_err(message),
        ErrorKind::NoSuchName => classes::NoSuchNameError::new_err(message),
        ErrorKind::InvalidArgument => classes::InvalidArgumentError::new_err(message),
        ErrorKind::LimitReached => classes::LimitReachedError::new_err(message),
        ErrorKind::AskTimeout => classes::AskTimeoutError::new_err(message),
        ErrorKind::AskFailed => classes::AskFailedError::new_err(message),
        ErrorKind::WouldDeadlock => classes::WouldDeadlockError::new_err(message),
        ErrorKind::RuntimeClosed => classes::RuntimeClosedError::new_err(message),
        ErrorKind::ForkedRuntime => classes::ForkedRuntimeError::new_err(message),
        ErrorKind::NoSupervisor => classes::NoSupervisorError::new_err(message),
        ErrorKind::NoSuchBuffer => classes::NoSuchBufferError::new_err(message),
        ErrorKind::WrongActorKind => classes::WrongActorKindError::new_err(message),
        ErrorKind::NodeDown => classes::NodeDownError::new_err(message),
        ErrorKind::ListenFailed => classes::ListenFailedError::new_err(message),
        ErrorKind::NotPermitted => classes::NotPermittedError::new_err(message),
        _ => classes::IrisError::new_err(message),
    }
}

/// Whether the runtime raised it.
pub(crate) fn is_ours(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<classes::IrisError>(py)
}

/// An argument is outside its range.
pub(crate) fn invalid(message: impl AsRef<str>) -> PyErr {
    raise_kind(ErrorKind::InvalidArgument, message.as_ref())
}

/// The kinds by name, for the test that compares the languages.
#[pyfunction]
#[pyo3(name = "_error_kinds")]
pub(crate) fn error_kinds() -> Vec<&'static str> {
    ErrorKind::ALL.iter().map(|kind| kind.name()).collect()
}

/// Adds the context of a refused call to the result of the core.
pub(crate) trait OrRaise<T> {
    /// The value, or the Python exception.
    fn or_raise(self) -> PyResult<T>;
}

impl<T> OrRaise<T> for iris_core::Result<T> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(raise)
    }
}
