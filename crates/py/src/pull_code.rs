//! Pull code: the function of a pull actor that is in force, and what makes it anew at a restart.

use pyo3::prelude::*;

use crate::held::Held;

/// The code of one pull actor.
pub(crate) struct PullCode {
    function: Held,
    maker: Option<Maker>,
}

struct Maker {
    make: Held,
    /// By which the core knows all that the maker makes.
    first: Held,
    latest: Held,
    in_force: bool,
}

impl PullCode {
    pub(crate) fn new(py: Python<'_>, function: Py<PyAny>, make: Option<Py<PyAny>>) -> Self {
        let maker = make.map(|make| {
            let [first, latest] = [(); 2].map(|()| function.clone_ref(py).into());
            Maker { make: make.into(), first, latest, in_force: true }
        });
        Self { function: function.into(), maker }
    }

    /// The function to be called next.
    pub(crate) fn function(&self, py: Python<'_>) -> Py<PyAny> {
        self.function.clone_ref(py)
    }

    /// What makes the function at a restart, unless other code was swapped in.
    pub(crate) fn maker(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.maker.as_ref().filter(|maker| maker.in_force).map(|maker| maker.make.clone_ref(py))
    }

    /// Other code is in force; where it is the maker's, the latest that was made. Returns what goes, to be dropped under no lock.
    #[must_use]
    pub(crate) fn swap(&mut self, py: Python<'_>, function: &Py<PyAny>) -> Held {
        let mut next = function;
        if let Some(maker) = &mut self.maker {
            maker.in_force = maker.first.is(function);
            if maker.in_force {
                next = &maker.latest;
            }
        }
        std::mem::replace(&mut self.function, next.clone_ref(py).into())
    }

    /// The maker made this. Returns what goes, to be dropped under no lock.
    #[must_use]
    pub(crate) fn remade(&mut self, fresh: &Bound<'_, PyAny>) -> [Option<Held>; 2] {
        let before = self.maker.as_mut().map(|maker| std::mem::replace(&mut maker.latest, Held::new(fresh)));
        [before, Some(std::mem::replace(&mut self.function, Held::new(fresh)))]
    }
}
