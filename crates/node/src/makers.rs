//! Makers: JavaScript functions that make a fresh handler when an actor is restarted in place.
//!
//! A restart happens while the JavaScript thread steps the actor's turn, so the function can be called at once.

use std::cell::Cell;
use std::ptr;

use iris_core::Failure;
use napi::sys;

use crate::raw;
use crate::slots::Slots;
use crate::state::State;

thread_local! {
    static STEPPING: Cell<*const State> = const { Cell::new(ptr::null()) };
}

/// Steps turns of this runtime: restarts on the way may call its makers.
pub(crate) fn while_stepping<R>(state: &State, step: impl FnOnce() -> R) -> R {
    struct Restore(*const State);
    impl Drop for Restore {
        fn drop(&mut self) {
            STEPPING.set(self.0);
        }
    }
    let _restore = Restore(STEPPING.replace(ptr::from_ref(state)));
    step()
}

/// Calls the maker in this slot; what `adopt` makes of the slot of the handler it made.
pub(crate) fn call<R>(slot: u32, adopt: impl FnOnce(&mut Slots, u32) -> R) -> Result<R, Failure> {
    let stepping = STEPPING.get();
    // SAFETY: set by `while_stepping`, which borrows the state until it resets it, on this thread.
    let Some(state) = (unsafe { stepping.as_ref() }) else {
        return Err(Failure::new("Error", "the actor's JavaScript thread is gone"));
    };
    let env = state.env;
    let Some(made) = state.call_maker(slot) else {
        return Err(Failure::new("Error", "the maker could not be called"));
    };
    if let Some(failure) = raw::text_of(env, made) {
        return Err(raw::failure_of(&failure));
    }
    let mut fresh = 0;
    // SAFETY: a value of the current callback.
    unsafe { sys::napi_get_value_uint32(env, made, &raw mut fresh) };
    Ok(adopt(&mut state.slots.borrow_mut(), fresh))
}
