//! What is made at its first need, and kept for the life of the process.
//!
//! PyO3's `intern!` and `PyOnceLock` let others wait for the thread that makes the value, which gives the GIL up before it
//! begins. A fork by another thread, in that moment, leaves the child with a value that is being made for ever. Here nobody
//! waits: the GIL alone guards the value, so a child finds it made or not made.

use std::cell::OnceCell;

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::interpreter::loaded_module;

/// A value that is made once, under the GIL.
pub(crate) struct Once<T>(OnceCell<T>);

// SAFETY: both accesses ask for the token of a thread that holds the GIL, and none gives the GIL up in the cell.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T> Once<T> {
    pub(crate) const fn new() -> Self {
        Self(OnceCell::new())
    }

    #[inline]
    pub(crate) fn get(&self, _py: Python<'_>) -> Option<&T> {
        self.0.get()
    }

    /// The value, made where there is none. Where making it gives the GIL up, another thread may be faster: the first one that
    /// was made stays.
    pub(crate) fn get_or_make(&self, py: Python<'_>, make: impl FnOnce() -> PyResult<T>) -> PyResult<&T> {
        if let Some(value) = self.get(py) {
            return Ok(value);
        }
        let made = make()?;
        Ok(self.0.get_or_init(|| made))
    }
}

/// A word that code of ours names.
pub(crate) struct Word {
    text: &'static str,
    interned: Once<Py<PyString>>,
}

impl Word {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, interned: Once::new() }
    }

    #[inline]
    pub(crate) fn get<'py>(&self, py: Python<'py>) -> &Bound<'py, PyString> {
        self.interned.0.get_or_init(|| PyString::intern(py, self.text).unbind()).bind(py)
    }
}

/// A module of Python code.
pub(crate) struct Module {
    name: &'static str,
    loaded: Once<Py<PyModule>>,
}

pub(crate) static ASK: Module = Module::new("iris._ask");
pub(crate) static ASYNCIO: Module = Module::new("asyncio");
pub(crate) static CRASH: Module = Module::new("iris._crash");
pub(crate) static LOOP: Module = Module::new("iris._loop");

impl Module {
    const fn new(name: &'static str) -> Self {
        Self { name, loaded: Once::new() }
    }

    pub(crate) fn get<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyModule>> {
        Ok(self.loaded.get_or_make(py, || Ok(py.import(self.name)?.unbind()))?.bind(py))
    }
}

/// Loads the modules that runtimes may need, for the first of them: one that a thread loads while another one forks is locked
/// for ever in the child. All but asyncio, where the program itself has not loaded it: it takes longer than all the rest.
pub(crate) fn load_modules(py: Python<'_>) -> PyResult<()> {
    CRASH.get(py)?;
    if loaded_module(py, c"asyncio").is_some() {
        ASYNCIO.get(py)?;
        ASK.get(py)?;
        LOOP.get(py)?;
    }
    Ok(())
}

/// The Python string of a word, made once for each place that names it.
macro_rules! intern {
    ($py:expr, $text:literal) => {{
        static WORD: $crate::once::Word = $crate::once::Word::new($text);
        WORD.get($py)
    }};
}
pub(crate) use intern;
