//! Held: an object of the user that the runtime keeps.

use std::mem::ManuallyDrop;
use std::ops::Deref;

use pyo3::prelude::*;

use crate::interpreter;

/// A reference to an object whose end may run code of the user for long, wherever the runtime lets it go.
pub(crate) struct Held(ManuallyDrop<Py<PyAny>>);

impl Held {
    pub(crate) fn new(object: &Bound<'_, PyAny>) -> Self {
        object.clone().unbind().into()
    }
}

impl From<Py<PyAny>> for Held {
    fn from(object: Py<PyAny>) -> Self {
        Self(ManuallyDrop::new(object))
    }
}

impl Deref for Held {
    type Target = Py<PyAny>;

    fn deref(&self) -> &Py<PyAny> {
        &self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: taken here alone, and not looked at afterwards.
        let object = unsafe { ManuallyDrop::take(&mut self.0) };
        interpreter::let_go(object);
    }
}
