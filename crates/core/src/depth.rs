//! Depth: how far the calls of one thread go into each other, so that no stack overflows.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem::ManuallyDrop;

use crate::sync::thread_local;

/// How deep stops are nested in each other on this thread: an actor that is stopped stops its children.
pub(crate) struct Depth;

/// Deeper, a child is told by a signal instead, so that a long line of descendants does not overflow the stack.
const DEPTH_MAX: u32 = 32;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

impl Depth {
    pub(crate) fn enter() -> Self {
        DEPTH.with(|depth| depth.set(depth.get() + 1));
        Self
    }

    pub(crate) fn is_shallow() -> bool {
        DEPTH.with(Cell::get) <= DEPTH_MAX
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(depth.get() - 1));
    }
}

/// Deeper, a turn within turns waits until the outermost is done.
const NESTED_MAX: u32 = 8;

/// What waits. Without a destructor, so that it is there as long as its thread: code of users that a thread runs at its very end
/// may let a runtime go.
type Deferred = ManuallyDrop<RefCell<VecDeque<Box<dyn FnOnce()>>>>;

thread_local! {
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

thread_local! {
    static DEFERRED: Deferred = const { ManuallyDrop::new(RefCell::new(VecDeque::new())) };
}

/// Runs a turn on this thread: within the turn that asks for it, which may wait for its outcome, or after the outermost one,
/// where the end of each of a long line of actors is what the next one waits for.
pub(crate) fn run_nested(turn: impl FnOnce() + 'static) {
    let depth = NESTED.with(Cell::get);
    if depth >= NESTED_MAX {
        return DEFERRED.with(|deferred| deferred.borrow_mut().push_back(Box::new(turn)));
    }
    let _nested = Nested::enter(depth);
    turn();
    if depth == 0 {
        while let Some(turn) = DEFERRED.with(|deferred| deferred.borrow_mut().pop_front()) {
            turn();
        }
        DEFERRED.with(|deferred| deferred.borrow_mut().shrink_to_fit());
    }
}

/// The depth before, to which this thread comes back.
struct Nested(u32);

impl Nested {
    fn enter(depth: u32) -> Self {
        NESTED.with(|nested| nested.set(depth + 1));
        Self(depth)
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        NESTED.with(|nested| nested.set(self.0));
    }
}
