//! The interpreter's state of a thread of ours: how a thread gets it together with the GIL, and lets both go.
//!
//! CPython 3.11 lists the state of a thread that it did not start itself before the state is filled in, and without the
//! GIL. `faulthandler.dump_traceback` holds the GIL and reads the list without its lock: where it meets such a state, it
//! ends the process. So a new thread takes the GIL there by a state that is kept for this alone, makes its own under it,
//! and goes on with that one. From 3.12 on a state is listed when it is complete.

use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

use iris_core::sync::Mutex;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::interpreter::unwinding;

/// The first version that lists complete states alone.
const LISTS_COMPLETE_STATES: (u8, u8) = (3, 12);

/// Stack of the thread that makes the loan. A thread that runs Python asks for more, so none takes this stack over, and
/// with it the identity that the loan's state carries.
const MAKER_STACK: usize = 128 << 10;

/// A state of no living thread, by which new threads take the GIL in turn.
struct Loan {
    state: State,
    turn: Mutex<()>,
}

struct State(NonNull<ffi::PyThreadState>);

// SAFETY: the state is made on one thread, and from then on used by whoever has the turn.
unsafe impl Send for State {}

/// Null where the version needs none, and before the first runtime.
static LOAN: AtomicPtr<Loan> = AtomicPtr::new(null_mut());

/// Makes what [`attached`] needs, before the first thread of ours starts.
pub(crate) fn prepare(py: Python<'_>) -> std::io::Result<()> {
    if py.version_info() >= LISTS_COMPLETE_STATES || !LOAN.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    // We hold the GIL until the state is complete.
    let made = std::thread::Builder::new()
        .stack_size(MAKER_STACK)
        // SAFETY: the main interpreter is alive; a state is made with the GIL or without.
        .spawn(|| NonNull::new(unsafe { ffi::PyThreadState_New(ffi::PyInterpreterState_Main()) }).map(State))?
        .join();
    let Ok(Some(state)) = made else { return Err(std::io::ErrorKind::OutOfMemory.into()) };
    // Never freed: a thread may wait with it until the process ends.
    LOAN.store(Box::into_raw(Box::new(Loan { state, turn: Mutex::default() })), Ordering::Release);
    Ok(())
}

/// Called in a forked child: the interpreter deleted all states but one, and a thread that is not there may have the turn.
pub(crate) fn forked() {
    LOAN.store(null_mut(), Ordering::Release);
}

/// Runs `body` on a thread that has no state, with a state and the GIL.
pub(crate) fn attached<R>(body: impl FnOnce(Python<'_>) -> R) -> R {
    // SAFETY: loans are never freed.
    match unsafe { LOAN.load(Ordering::Acquire).as_ref() } {
        // SAFETY: the main interpreter is alive, or ends this thread.
        None => drop(unsafe { ffi::PyGILState_Ensure() }),
        Some(loan) => loan.attach(),
    }
    let _release = Release;
    Python::attach(body)
}

impl Loan {
    fn attach(&self) {
        let _turn = self.turn.lock();
        // SAFETY: whoever has the turn owns the loan's state. The new one is noted as this thread's by `PyThreadState_New`,
        // as one that `PyGILState_Ensure` makes is.
        unsafe {
            unwinding(ffi::PyEval_AcquireThread, self.state.0.as_ptr());
            let own = ffi::PyThreadState_New(ffi::PyInterpreterState_Main());
            if own.is_null() {
                ffi::Py_FatalError(c"iris: no memory for the state of a new thread".as_ptr());
            }
            ffi::PyThreadState_Swap(own);
        }
    }
}

/// Deletes this thread's state, and lets the GIL go. What thread-local variables of users hold goes with the state, and may
/// run code of theirs.
struct Release;

impl Drop for Release {
    fn drop(&mut self) {
        // SAFETY: the thread is attached, with a state that this call is the last to use.
        unsafe { unwinding(ffi::PyGILState_Release, ffi::PyGILState_STATE::PyGILState_UNLOCKED) }
    }
}
