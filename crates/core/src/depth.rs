//! Depth: how far the calls of one thread go into each other, so that no stack overflows.

use crate::sync::thread_local;

/// How deep stops are nested in each other on this thread: an actor that is stopped stops its children.
pub(crate) struct Depth;

/// Deeper, a child is told by a signal instead, so that a long line of descendants does not overflow the stack.
const DEPTH_MAX: u32 = 32;

thread_local! {
    static DEPTH: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

impl Depth {
    pub(crate) fn enter() -> Self {
        DEPTH.with(|depth| depth.set(depth.get() + 1));
        Self
    }

    pub(crate) fn is_shallow() -> bool {
        DEPTH.with(std::cell::Cell::get) <= DEPTH_MAX
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(depth.get() - 1));
    }
}
