//! Async waiter: the future on which a task of an event loop waits for its actor, and who resolves it.
//!
//! The future, the task and the mailbox hold each other. A loop that is closed calls nobody back, so it is the lane that
//! ends the actors whose tasks were on it: [`UnderWay::abandon`].

use std::sync::{Arc, Weak};

use iris_core::sync::Mutex;
use iris_core::{ExitReason, PullMailbox, Waiter};
use pyo3::prelude::*;

use crate::eventloop::{Job, LoopLane, UnderWay};
use crate::guest;
use crate::inbox::Inbox;
use crate::interpreter;
use crate::once::intern;
use crate::shared::Shared;

/// How an async pull actor is woken: through its loop, which resolves the future its task waits on.
pub(crate) struct AsyncWaiter {
    this: Weak<AsyncWaiter>,
    pub(crate) lane: Arc<LoopLane>,
    future: Mutex<Option<Py<PyAny>>>,
    /// The actor's task: asyncio holds none that waits for what nobody else knows of.
    task: Mutex<Option<Py<PyAny>>>,
    /// The mailbox in the hands of the task.
    inbox: Mutex<Weak<Inbox>>,
    /// The mailbox while there is no task: its supervisor has not decided yet.
    undecided: Mutex<Option<PullMailbox>>,
}

impl AsyncWaiter {
    pub(crate) fn new(lane: Arc<LoopLane>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            lane,
            future: Mutex::default(),
            task: Mutex::default(),
            inbox: Mutex::default(),
            undecided: Mutex::default(),
        })
    }

    /// A waiter that resolves this future once.
    pub(crate) fn with_future(lane: Arc<LoopLane>, future: Py<PyAny>) -> Arc<Self> {
        let waiter = Self::new(lane);
        *waiter.future.lock() = Some(future);
        waiter
    }

    /// Whether a task waits for the future.
    pub(crate) fn is_awaited(&self, py: Python<'_>) -> PyResult<bool> {
        let future = self.future.lock().as_ref().map(|future| future.clone_ref(py));
        future.map_or(Ok(false), |future| is_pending(future.bind(py)))
    }

    /// Has a future that nobody waits on yet resolved by the next wake.
    pub(crate) fn await_by(&self, future: &Bound<'_, PyAny>) {
        let before = self.future.lock().replace(future.clone().unbind());
        drop(before);
    }

    /// Nobody will wait on that future: what was to wake its task came before.
    pub(crate) fn give_up(&self) {
        let future = self.future.lock().take();
        drop(future);
    }

    /// Holds the task of the actor until it is done, or its loop is closed.
    pub(crate) fn hold(&self, task: &Bound<'_, PyAny>) {
        let before = self.task.lock().replace(task.clone().unbind());
        drop(before);
    }

    /// The task is done, or never will be.
    pub(crate) fn let_go(&self) {
        let task = self.task.lock().take();
        drop(task);
    }

    /// A task takes from this mailbox from now on.
    pub(crate) fn serve(&self, inbox: &Arc<Inbox>) {
        *self.inbox.lock() = Arc::downgrade(inbox);
    }

    /// Keeps the mailbox until the supervisor has decided.
    pub(crate) fn keep(&self, mailbox: PullMailbox) {
        *self.undecided.lock() = Some(mailbox);
    }

    /// The mailbox about which the supervisor has decided.
    pub(crate) fn decided(&self) -> Option<PullMailbox> {
        self.undecided.lock().take()
    }

    /// Resolves the future, on the loop's thread.
    pub(crate) fn resolve(&self, py: Python<'_>) {
        let future = self.future.lock().take();
        if let Some(future) = future
            && matches!(is_pending(future.bind(py)), Ok(true))
        {
            // Of a closed loop nobody waits.
            let none = py.None().into_bound(py);
            guest::told(py, interpreter::call_method(future.bind(py), intern!(py, "set_result"), &[&none]));
        }
    }
}

impl UnderWay for AsyncWaiter {
    /// Ends the actor, whose task never goes on.
    fn abandon(&self, shared: &Shared) {
        self.give_up();
        self.let_go();
        let inbox = self.inbox.lock().upgrade();
        let taken = inbox.and_then(|inbox| inbox.borrow().ok()?.take());
        for mailbox in [taken, self.decided()].into_iter().flatten() {
            stop(shared, mailbox);
        }
    }
}

impl Waiter for AsyncWaiter {
    fn wake(&self) {
        if let Some(this) = self.this.upgrade() {
            self.lane.post(Job::Wake(this));
        }
    }
}

/// Ends an actor for good: its supervisor does not restart what was stopped.
pub(crate) fn stop(shared: &Shared, mailbox: PullMailbox) {
    shared.core_here().stop(mailbox.pid());
    drop(mailbox.finish(ExitReason::Killed));
}

fn is_pending(future: &Bound<'_, PyAny>) -> PyResult<bool> {
    let done = interpreter::call_method(future, intern!(future.py(), "done"), &[])?;
    Ok(!interpreter::is_true(&done)?)
}
