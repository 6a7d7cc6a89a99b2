//! The interpreter seen from our threads: who of them is inside it, how they leave at exit, and what a fork leaves.
//!
//! A thread of ours counts in `INSIDE` from before it asks for the GIL until after it gave the GIL up. `exit` raises
//! `EXITING` and waits, without the GIL, until the count is zero or its patience ends. A thread that wants in looks at
//! `EXITING` after it has counted itself, so either `exit` sees the count or the thread sees the flag: nobody asks for
//! the GIL of an interpreter that is finalising. Threads stuck inside user code at that moment are ended by CPython
//! below 3.14 with a forced unwind. What may run code of users for long goes through [`call`] and its like, which stop
//! that unwind before it reaches Rust frames, and park the thread.

use std::cell::Cell;
use std::os::raw::c_char;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use iris_core::sync::{Condvar, Mutex, MutexGuard};
use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::fork;
use crate::once::Once;
use crate::thread_state;

static FORKS: AtomicU32 = AtomicU32::new(0);
/// The thread that ends the process; 0 before.
static ENDS: AtomicU64 = AtomicU64::new(0);
static EXITING: AtomicBool = AtomicBool::new(false);
static INSIDE: AtomicUsize = AtomicUsize::new(0);
static LEFT: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

thread_local! {
    static OURS: Cell<bool> = const { Cell::new(false) };
    /// Whether this thread of ours counts in `INSIDE`.
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// How many forks lie between the first process and this one.
pub(crate) fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Called in a forked child: no thread but this one is left.
pub(crate) fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    INSIDE.store(0, Ordering::SeqCst);
    ENDS.store(0, Ordering::SeqCst);
    OURS.set(false);
    IS_INSIDE.set(false);
    crate::parker::forked();
    thread_state::forked();
    iris_core::leave();
    crate::lane::forked();
}

/// Whether the process is ending.
pub(crate) fn is_exiting() -> bool {
    EXITING.load(Ordering::SeqCst)
}

/// Whether a thread ends the process, and with it all actors.
pub(crate) fn is_ending() -> bool {
    ENDS.load(Ordering::SeqCst) != 0
}

/// Whether this thread was started by the binding.
pub(crate) fn is_ours() -> bool {
    OURS.get()
}

/// Attaches a thread of ours for as long as `body` runs, keeping its thread state over every [`detached`] in it.
pub(crate) fn attach<R>(gate: Option<&Mutex<()>>, body: impl FnOnce(Python<'_>) -> R) -> R {
    OURS.set(true);
    let pass = gate.map(Mutex::lock);
    enter();
    let result = thread_state::attached(|py| {
        drop(pass);
        body(py)
    });
    leave();
    result
}

/// Gives the GIL up while `wait` runs.
pub(crate) fn detached<R: Send>(py: Python<'_>, wait: impl FnOnce() -> R + Send) -> R {
    if !is_ours() {
        return detached_user(py, wait);
    }
    py.detach(|| {
        leave();
        let result = wait();
        enter();
        result
    })
}

/// Gives the GIL up while `wait` runs, and asks for it back through `gate`: of many threads woken at once, only one
/// stands in the interpreter's own queue, whose cost grows with its length.
pub(crate) fn detached_through<R: Send>(
    py: Python<'_>,
    gate: &Mutex<()>,
    wait: impl FnOnce() -> R + Send,
) -> R {
    if !is_ours() {
        return detached_user(py, wait);
    }
    let (result, pass) = detached(py, || {
        let result = wait();
        (result, Pass(gate.lock()))
    });
    drop(pass);
    result
}

/// The hold of the gate on the way back into the interpreter.
struct Pass<'a>(#[expect(dead_code, reason = "held, not read")] MutexGuard<'a, ()>);

// SAFETY: `Py::detach` asks for it, and runs its closure on the thread that called it.
unsafe impl Send for Pass<'_> {}

/// The same for a thread of the user. A daemon thread that waits while the process ends waits on: its runtime's end is
/// no news to it.
fn detached_user<R: Send>(py: Python<'_>, wait: impl FnOnce() -> R + Send) -> R {
    py.detach(|| {
        let result = wait();
        let ends = ENDS.load(Ordering::SeqCst);
        if ends != 0 && ends != thread_ident() {
            hang();
        }
        result
    })
}

/// This thread begins to end the process.
pub(crate) fn begin_exit() {
    ENDS.store(thread_ident(), Ordering::SeqCst);
}

/// Raises the exit flag and waits until our threads are out of the interpreter, or the patience ends.
pub(crate) fn exit(py: Python<'_>, patience: Duration) {
    EXITING.store(true, Ordering::SeqCst);
    let deadline = Instant::now() + patience;
    py.detach(|| {
        let (mutex, left) = &LEFT;
        let mut guard = mutex.lock();
        while INSIDE.load(Ordering::SeqCst) > 0 {
            if left.wait_until(&mut guard, deadline).timed_out() {
                return;
            }
        }
    });
}

fn enter() {
    INSIDE.fetch_add(1, Ordering::SeqCst);
    IS_INSIDE.set(true);
    if is_exiting() {
        leave();
        hang();
    }
}

fn leave() {
    IS_INSIDE.set(false);
    INSIDE.fetch_sub(1, Ordering::SeqCst);
    if is_exiting() {
        let (mutex, left) = &LEFT;
        let _guard = mutex.lock();
        left.notify_all();
    }
}

/// Where a thread that goes on lets another one in that has waited for the interpreter.
///
/// Giving the GIL up and asking for it at once lets nobody in: the thread that is woken finds it taken again. An empty
/// Python function asks the interpreter itself, which hands the GIL over to whoever has waited for a switch interval, and
/// waits until it was taken.
pub(crate) struct Turnstile(Py<PyAny>);

static TURNSTILE: Once<Turnstile> = Once::new();

impl Turnstile {
    /// Makes it, when the module is imported.
    pub(crate) fn install(py: Python<'_>) -> PyResult<()> {
        TURNSTILE.get_or_make(py, || Ok(Self(py.eval(c"lambda: None", None, None)?.unbind()))).map(drop)
    }

    pub(crate) fn pass(py: Python<'_>) {
        if let Some(Self(function)) = TURNSTILE.get(py) {
            // What the interpreter raises here, it raises in a thread without a program of its own.
            drop(call_empty(function.bind(py)));
        }
    }
}

/// Spins a moment until no thread of ours is inside. Who sent a message to this thread is often about to wait itself;
/// to ask for the GIL before it lets go would put this thread to sleep for many times that moment.
pub(crate) fn spin_until_free() {
    const SPINS: u32 = 100;
    for _ in 0..SPINS {
        if INSIDE.load(Ordering::Relaxed) == 0 {
            return;
        }
        std::hint::spin_loop();
    }
}

/// The end of a thread that must not touch the interpreter any more; the process ends without it.
fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

struct HangOnUnwind;

impl Drop for HangOnUnwind {
    fn drop(&mut self) {
        hang();
    }
}

type Vectorcall = unsafe extern "C-unwind" fn(
    *mut ffi::PyObject,
    *const *mut ffi::PyObject,
    usize,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;

/// Calls user code with one argument. Where CPython ends the thread inside that call, the thread parks instead.
#[inline]
pub(crate) fn call<'py>(
    callable: &Bound<'py, PyAny>,
    argument: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    // One free slot before the argument: bound methods put `self` there instead of copying the arguments.
    let arguments = [std::ptr::null_mut(), argument.as_ptr()];
    // SAFETY: one argument follows the free slot that the offset flag promises.
    unsafe { vectorcall(callable, arguments.as_ptr().add(1), 1 | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET, None) }
}

/// Calls user code with one argument that has a name, as [`call`] does.
pub(crate) fn call_named<'py>(
    callable: &Bound<'py, PyAny>,
    names: &Bound<'py, PyTuple>,
    argument: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    debug_assert_eq!(names.len(), 1, "one argument has one name");
    let arguments = [std::ptr::null_mut(), argument.as_ptr()];
    let offset = ffi::PY_VECTORCALL_ARGUMENTS_OFFSET;
    // SAFETY: no argument by place and one by name follow the free slot that the offset flag promises.
    unsafe { vectorcall(callable, arguments.as_ptr().add(1), offset, Some(names)) }
}

/// Calls user code without arguments, as [`call`] does.
pub(crate) fn call_empty<'py>(callable: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let arguments: [*mut ffi::PyObject; 1] = [std::ptr::null_mut()];
    // SAFETY: no argument is promised.
    unsafe { vectorcall(callable, arguments.as_ptr().add(1), ffi::PY_VECTORCALL_ARGUMENTS_OFFSET, None) }
}

#[inline]
unsafe fn vectorcall<'py>(
    callable: &Bound<'py, PyAny>,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: Option<&Bound<'py, PyTuple>>,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: the same function, declared so that an unwind through it is defined. The compiler must not see which one
    // it is: it holds that functions declared `extern "C"` do not unwind, and would drop the guard.
    let function = std::hint::black_box(unsafe {
        std::mem::transmute::<unsafe extern "C" fn(_, _, _, _) -> _, Vectorcall>(ffi::PyObject_Vectorcall)
    });
    let names = names.map_or(std::ptr::null_mut(), |names| names.as_ptr());
    let guard = HangOnUnwind;
    // SAFETY: the thread is attached, `callable` is alive, the caller vouches for the arguments.
    let result = unsafe { function(callable.as_ptr(), arguments, count, names) };
    std::mem::forget(guard);
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(callable.py(), result) }
}

/// Calls user code with two arguments, as [`call`] does.
pub(crate) fn call_two<'py>(
    callable: &Bound<'py, PyAny>,
    first: &Bound<'py, PyAny>,
    second: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let arguments = [std::ptr::null_mut(), first.as_ptr(), second.as_ptr()];
    // SAFETY: two arguments follow the free slot that the offset flag promises.
    unsafe { vectorcall(callable, arguments.as_ptr().add(1), 2 | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET, None) }
}

/// Most arguments of a method that is called by [`call_method`].
const ARGUMENTS_MAX: usize = 3;

/// Calls a method, as [`call`] does. What a loop does for us is user code as well: it may be anybody's, and asyncio's own lets
/// other threads in wherever it runs Python.
pub(crate) fn call_method<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    arguments: &[&Bound<'py, PyAny>],
) -> PyResult<Bound<'py, PyAny>> {
    call_method_with(object, name, arguments, None)
}

/// As [`call_method`], where the last arguments have names.
pub(crate) fn call_method_with<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    arguments: &[&Bound<'py, PyAny>],
    names: Option<&Bound<'py, PyTuple>>,
) -> PyResult<Bound<'py, PyAny>> {
    assert!(arguments.len() <= ARGUMENTS_MAX, "a call of ours has few arguments");
    let mut all = [std::ptr::null_mut(); ARGUMENTS_MAX + 2];
    all[1] = object.as_ptr();
    for (place, argument) in all[2..].iter_mut().zip(arguments) {
        *place = argument.as_ptr();
    }
    let named = names.map_or(0, |names| names.len());
    let positional = (1 + arguments.len() - named) | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET;
    let names = names.map_or(std::ptr::null_mut(), |names| names.as_ptr());
    // SAFETY: as in `vectorcall`.
    let function = std::hint::black_box(unsafe {
        std::mem::transmute::<unsafe extern "C" fn(_, _, _, _) -> _, Vectorcall>(
            ffi::PyObject_VectorcallMethod,
        )
    });
    let guard = HangOnUnwind;
    // SAFETY: attached; `self` and the arguments follow the free slot that the offset flag promises, and all are alive.
    let result = unsafe { function(name.as_ptr(), all.as_ptr().add(1), positional, names) };
    std::mem::forget(guard);
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(object.py(), result) }
}

/// Calls a function of the interpreter that may run user code or ask for the GIL, as [`call`] does.
#[inline]
pub(crate) unsafe fn unwinding<A, R>(function: unsafe extern "C" fn(A) -> R, argument: A) -> R {
    // SAFETY: as in `vectorcall`.
    let function = std::hint::black_box(unsafe {
        std::mem::transmute::<unsafe extern "C" fn(A) -> R, unsafe extern "C-unwind" fn(A) -> R>(function)
    });
    let guard = HangOnUnwind;
    // SAFETY: the caller vouches for the argument and for what the function asks of this thread.
    let result = unsafe { function(argument) };
    std::mem::forget(guard);
    result
}

/// Whether an object of the user is true.
pub(crate) fn is_true(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    // SAFETY: attached, and the object is alive.
    match unsafe { unwinding(ffi::PyObject_IsTrue, object.as_ptr()) } {
        -1 => Err(PyErr::fetch(object.py())),
        truth => Ok(truth != 0),
    }
}

/// The next thing of an iterator of the user.
pub(crate) fn next<'py>(iterator: &Bound<'py, PyAny>) -> Option<PyResult<Bound<'py, PyAny>>> {
    // SAFETY: attached; the iterator is alive and one. A new reference, or null with or without an exception set.
    unsafe {
        let next = unwinding(ffi::PyIter_Next, iterator.as_ptr());
        match Bound::from_owned_ptr_or_opt(iterator.py(), next) {
            Some(next) => Some(Ok(next)),
            None => PyErr::take(iterator.py()).map(Err),
        }
    }
}

/// Lets an object of the user go, whose end may run user code.
#[inline]
pub(crate) fn release(object: Bound<'_, PyAny>) {
    // SAFETY: attached; the reference was owned by `object`.
    unsafe { unwinding(ffi::Py_DecRef, object.into_ptr()) }
}

/// Lets an object of the user go on any thread: as [`release`] on ours within the interpreter, elsewhere as PyO3 does it.
pub(crate) fn let_go<T>(object: Py<T>) {
    if IS_INSIDE.get() {
        // SAFETY: a thread of ours that is inside is attached.
        release(object.into_bound(unsafe { Python::assume_attached() }).into_any());
    } else {
        put_aside(object);
    }
}

/// Drops a reference on any thread. Without the GIL PyO3 notes it on a list of the process, which no fork finds locked.
#[inline]
pub(crate) fn put_aside<T>(object: Py<T>) {
    let _noting = (!IS_INSIDE.get() && !holds_gil()).then(fork::note);
    drop(object);
}

/// Whether this thread holds the GIL, whoever attached it.
pub(crate) fn holds_gil() -> bool {
    // SAFETY: always safe to call.
    unsafe { ffi::PyGILState_Check() == 1 }
}

/// The identity `threading.get_ident` gives this thread.
pub(crate) fn thread_ident() -> u64 {
    // SAFETY: always safe to call.
    unsafe { ffi::PyThread_get_thread_ident() as u64 }
}

/// Refuses interpreters whose rules this extension does not keep: its threads attach to the main interpreter, and its
/// locks rely on the GIL.
pub(crate) fn check(py: Python<'_>) -> PyResult<()> {
    // SAFETY: attached; the interpreter of this thread is alive.
    let number = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    if number != 0 {
        let message =
            "iris runs in the main interpreter alone: its handlers are called on threads that belong to it";
        return Err(PyImportError::new_err(message));
    }
    let flags = py.import("sys")?.getattr("abiflags").and_then(|flags| flags.extract::<String>());
    if flags.is_ok_and(|flags| flags.contains('t')) {
        let message = "iris needs a Python with the GIL: it was not tried on a free-threaded build";
        return Err(PyImportError::new_err(message));
    }
    Ok(())
}

/// A module that is imported already, without importing it.
pub(crate) fn loaded_module<'py>(py: Python<'py>, name: &std::ffi::CStr) -> Option<Bound<'py, PyAny>> {
    // SAFETY: attached; both calls give borrowed references.
    unsafe {
        let modules = ffi::PyImport_GetModuleDict();
        let module = ffi::PyDict_GetItemString(modules, name.as_ptr().cast::<c_char>());
        Bound::from_borrowed_ptr_or_opt(py, module)
    }
}
