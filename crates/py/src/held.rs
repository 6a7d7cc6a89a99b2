//! Held: a Python object that the runtime keeps.

use std::mem::ManuallyDrop;
use std::ops::Deref;

use pyo3::prelude::*;

use crate::interpreter;

/// A reference that any thread may let go, to an object whose end may run code of the user for long.
pub(crate) struct Held<T = PyAny>(ManuallyDrop<Py<T>>);

impl Held {
    pub(crate) fn new(object: &Bound<'_, PyAny>) -> Self {
        object.clone().unbind().into()
    }
}

impl<T> From<Py<T>> for Held<T> {
    fn from(object: Py<T>) -> Self {
        Self(ManuallyDrop::new(object))
    }
}

impl<T> Deref for Held<T> {
    type Target = Py<T>;

    fn deref(&self) -> &Py<T> {
        &self.0
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        // SAFETY: taken here alone, and not looked at afterwards.
        let object = unsafe { ManuallyDrop::take(&mut self.0) };
        interpreter::let_go(object);
    }
}
