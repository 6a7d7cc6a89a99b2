//! Quietly: code of users that runs where a panic would tear something of the runtime's own.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `code`; a panic in it is logged and goes no further.
pub(crate) fn quietly(what: &'static str, code: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(code)) {
        tracing::error!(what, "user code panicked");
        // What a panic carries may panic when it is dropped, and what that one carries as well: it is never dropped.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            std::mem::forget(second);
        }
    }
}
