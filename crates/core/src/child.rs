//! Child: one entry of a supervisor's list, and the factories that make successors.

use std::sync::Arc;
use std::time::Duration;

use crate::details::Signal;
use crate::exit::Failure;
use crate::pid::Pid;
use crate::shared::{Shared, WeakShared};
use crate::strategy::{Restart, Strategy};
use crate::supervisor::Event;

/// Makes a new actor in the place of one that exited.
pub trait Factory: Send + Sync + 'static {
    /// Begins to make it. Called on a worker thread, which must not be blocked: a factory that takes its time hands
    /// the work on and completes from elsewhere.
    fn start(&self, done: StartDone);
}

impl<F> Factory for F
where
    F: Fn() -> Result<Pid, Failure> + Send + Sync + 'static,
{
    fn start(&self, done: StartDone) {
        done.complete(self());
    }
}

/// How a factory tells what it made. Dropped without a word, the start has failed.
#[derive(Debug)]
pub struct StartDone {
    shared: WeakShared,
    supervisor: Pid,
    child: u64,
    told: bool,
}

impl StartDone {
    pub(crate) fn new(shared: WeakShared, supervisor: Pid, child: u64) -> Self {
        Self { shared, supervisor, child, told: false }
    }

    /// Tells the supervisor, from any thread.
    pub fn complete(mut self, outcome: Result<Pid, Failure>) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: Result<Pid, Failure>) {
        self.told = true;
        if let Some(shared) = self.shared.upgrade() {
            // At once, not in the supervisor's next turn: whoever gets the new pid from the factory may unsupervise it.
            if let Ok(pid) = &outcome
                && shared.supervisors.take_over(&shared, self.supervisor, self.child, *pid)
            {
                return;
            }
            let event = Event::Started { child: self.child, outcome };
            shared.signal(self.supervisor, Signal::Event(Box::new(event)));
        }
    }
}

impl Drop for StartDone {
    fn drop(&mut self) {
        if !self.told {
            self.tell(Err(Failure::new("FactoryError", "the factory was given up")));
        }
    }
}

/// Where a child's successor comes from.
#[derive(Clone)]
pub(crate) enum Source {
    /// The actor itself begins anew.
    InPlace,
    /// A new actor.
    Factory(Arc<dyn Factory>),
    /// Nowhere: the child is only watched.
    Watched,
}

/// How a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It lives, as far as the supervisor knows.
    Running,
    /// Told to stop, at this time, to be started again after all others that stop.
    Stopping(Duration),
    /// To be started when nobody stops any more.
    Down,
    /// Waiting for its pause to end, or for its factory.
    Starting,
}

/// One child of a supervisor.
pub(crate) struct Child {
    pub(crate) id: u64,
    pub(crate) pid: Pid,
    pub(crate) source: Source,
    pub(crate) strategy: Strategy,
    pub(crate) restart: Restart,
    pub(crate) status: Status,
    /// Restarts in a row, each soon after the other.
    pub(crate) attempts: u32,
    pub(crate) restarted_at: Option<Duration>,
    /// It is gone and counts as live until its successor is there, or none will be.
    pub(crate) hold: Option<Hold>,
}

/// One more live actor in the runtime's count, until this goes.
#[derive(Debug)]
pub(crate) struct Hold(WeakShared);

impl Hold {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        shared.counters.hold_live();
        Self(WeakShared::new(shared))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.counters.release_live();
        }
    }
}
