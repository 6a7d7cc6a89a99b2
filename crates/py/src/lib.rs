//! `iris._iris`: the native half of the Python face. It converts, calls the core, and converts back.

#![expect(
    clippy::doc_markdown,
    clippy::doc_link_with_quotes,
    reason = "the doc comments of classes and methods are Python docstrings"
)]

mod asks;
mod async_turn;
mod async_waiter;
mod behaviour;
mod buffers;
mod callbacks;
mod carried;
mod crash;
mod errors;
mod eventloop;
mod fast;
mod fork;
mod functions;
mod guest;
mod held;
mod help;
mod inbox;
mod inspect;
mod interpreter;
mod lane;
mod log;
mod loops;
mod mesh;
mod names;
mod numbers;
mod observed;
mod once;
mod parker;
mod payload;
mod pid;
mod pull;
mod pull_async;
mod pull_code;
mod refs;
mod release_gil;
mod runtime;
mod shared;
mod spawn;
mod supervise;
mod system;
mod thread_state;
mod timers;
mod wait;
mod wakefd;
mod words;

use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::PySequence;

/// Messages are allocated on one thread and freed on another, which glibc's allocator does slowly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The version of the product.
#[pyfunction]
fn version() -> &'static str {
    iris_core::version()
}

/// The native module of Iris; use `iris`.
#[pymodule(gil_used = true)]
fn _iris(module: &Bound<'_, PyModule>) -> PyResult<()> {
    interpreter::check(module.py())?;
    module.add_class::<runtime::Runtime>()?;
    module.add_class::<refs::PyActorRef>()?;
    module.add_class::<pull::PyMailbox>()?;
    module.add_class::<pull_async::AsyncMailbox>()?;
    module.add_class::<system::PySystemMessage>()?;
    module.add_function(wrap_pyfunction!(version, module)?)?;
    module.add_function(wrap_pyfunction!(buffers::allocate_buffer, module)?)?;
    module.add_function(wrap_pyfunction!(errors::error_kinds, module)?)?;
    module.add_function(wrap_pyfunction!(wait::wait_seconds, module)?)?;
    module.add_function(wrap_pyfunction!(mesh::dev_certs, module)?)?;
    module.add_function(wrap_pyfunction!(shared::exit, module)?)?;
    module.add_function(wrap_pyfunction!(shared::forked_child, module)?)?;
    module.add_function(wrap_pyfunction!(fork::before, module)?)?;
    module.add_function(wrap_pyfunction!(fork::after, module)?)?;
    prepare(module)?;
    fast::install(module.py())
}

/// Makes what would else be made at first need. A fork in the midst of that, by another thread, would leave the child with
/// something that is being made for ever.
fn prepare(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    errors::find_classes(py);
    asks::prepare(py);
    buffers::prepare(py);
    callbacks::prepare(py);
    async_turn::prepare(py);
    pull_async::prepare(py);
    // What PyO3 makes itself: for a panic, for a list of arguments, and with the two refusals that name what they refuse.
    py.get_type::<PanicException>();
    py.get_type::<PySequence>();
    drop(module.extract::<bool>());
    drop(module.getattr("_wait_seconds")?.call1((module,)));
    interpreter::Turnstile::install(py)
}
