//! Context: what a behaviour may ask of its actor and runtime while it handles a message.

use std::cell::{Cell as StdCell, RefCell};
use std::sync::Arc;

use crate::behaviour::Flow;
use crate::cell::Cell;
use crate::details::Signal;
use crate::payload::Payload;
use crate::pid::Pid;
use crate::runtime::Runtime;
use crate::send::SendError;
use crate::shared::{Shared, WeakShared};
use crate::sync::thread_local;

thread_local! {
    static CURRENT: StdCell<Option<Pid>> = const { StdCell::new(None) };
}

thread_local! {
    /// Those whose code the current actor's runs within, outermost first.
    static BENEATH: RefCell<Vec<Pid>> = const { RefCell::new(Vec::new()) };
}

/// The actor that runs on this thread.
#[must_use]
pub fn current() -> Option<Pid> {
    CURRENT.with(StdCell::get)
}

/// Whether this thread is within the actor's code: it runs the actor, or what another actor does meanwhile, as when a handler
/// stops an actor whose memory is given back then. Until this thread returns there, the actor neither answers nor ends.
#[must_use]
pub fn is_within(pid: Pid) -> bool {
    current().is_some_and(|current| current == pid || BENEATH.with(|beneath| beneath.borrow().contains(&pid)))
}

/// All whose code this thread is within, outermost first; for a thread that acts in its place ([`on_behalf_of`]).
#[must_use]
pub fn callers() -> Vec<Pid> {
    let mut callers = BENEATH.with(|beneath| beneath.borrow().clone());
    callers.extend(current());
    callers
}

/// Does something as if this thread were within the code of all of `callers`.
pub fn on_behalf_of<T>(callers: &[Pid], act: impl FnOnce() -> T) -> T {
    let Some((caller, others)) = callers.split_first() else { return act() };
    let _caller = enter(*caller);
    on_behalf_of(others, act)
}

/// Marks this thread as running an actor until the guard goes, for hosts that run actors on threads of their own. Guards of
/// one thread go in the opposite order of their making.
pub fn enter(pid: Pid) -> Entered {
    let before = CURRENT.with(|current| current.replace(Some(pid)));
    let covered = before.filter(|before| *before != pid);
    if let Some(covered) = covered {
        BENEATH.with(|beneath| beneath.borrow_mut().push(covered));
    }
    Entered { before, covers: covered.is_some() }
}

/// Marks this thread as running no actor: in a forked child the actor whose code forked is the parent's.
pub fn leave() {
    CURRENT.with(|current| current.set(None));
    BENEATH.with(|beneath| beneath.borrow_mut().clear());
}

/// See [`enter`].
#[derive(Debug)]
#[must_use]
pub struct Entered {
    before: Option<Pid>,
    covers: bool,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.before));
        if self.covers {
            BENEATH.with(|beneath| beneath.borrow_mut().pop());
        }
    }
}

/// The actor a message is handled for.
pub struct Context<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) cell: &'a Cell,
    pub(crate) pid: Pid,
}

impl Context<'_> {
    /// The actor's pid.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The actor's runtime. Keeping it does not keep the runtime open.
    #[must_use]
    pub fn runtime(&self) -> Runtime {
        Runtime::inner(Arc::clone(self.shared))
    }

    /// Sends without blocking, as [`Runtime::try_send`].
    ///
    /// # Errors
    /// Gives the payload back with the reason it was refused.
    pub fn send(&self, pid: Pid, payload: impl Into<Payload>) -> Result<(), SendError> {
        self.shared.try_send(pid, payload.into())
    }

    /// Readies the actor to be suspended: return [`Flow::Suspend`] next. `cancel` is called, once and on any thread, when
    /// the actor ends or is restarted before it is resumed.
    pub fn suspend(&self, cancel: Box<dyn FnOnce() + Send>) -> Suspension {
        Suspension::new(self.shared, self.cell, self.pid, cancel)
    }
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("pid", &self.pid).finish_non_exhaustive()
    }
}

/// A suspended actor's way back. Dropped without [`Suspension::resume`], the actor goes on.
pub struct Suspension {
    shared: WeakShared,
    pid: Pid,
    number: u64,
    resumed: bool,
}

impl Suspension {
    pub(crate) fn new(shared: &Arc<Shared>, cell: &Cell, pid: Pid, cancel: Box<dyn FnOnce() + Send>) -> Self {
        let suspended = cell.with_details(pid, |details| {
            details.suspensions += 1;
            (details.suspensions, details.cancel.replace(cancel))
        });
        let (number, before) = suspended.unwrap_or((0, None));
        drop(before);
        Self { shared: WeakShared::new(shared), pid, number, resumed: false }
    }

    /// The suspended actor.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The message is done: the actor goes on, or ends. Ignored where the actor ended meanwhile.
    pub fn resume(mut self, flow: Flow) {
        self.send(flow);
    }

    fn send(&mut self, flow: Flow) {
        self.resumed = true;
        if let Some(shared) = self.shared.upgrade() {
            shared.signal(self.pid, Signal::Resume(self.number, flow));
        }
    }
}

impl Drop for Suspension {
    fn drop(&mut self) {
        if !self.resumed {
            self.send(Flow::Continue);
        }
    }
}

impl std::fmt::Debug for Suspension {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suspension").field("pid", &self.pid).finish_non_exhaustive()
    }
}
