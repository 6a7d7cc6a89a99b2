//! Details: everything about an actor that most actors never need, allocated on first use.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::behaviour::Flow;
use crate::bounded::Bounded;
use crate::exit::ExitReason;
use crate::future::Task;
use crate::history::History;
use crate::message::{Incoming, SystemMessage};
use crate::options::ChildSpec;
use crate::pid::Pid;
use crate::remote::Remote;

/// Somebody who waits for an actor and is told without being an actor.
pub type ExitHook = Box<dyn FnOnce(Pid, &ExitReason) + Send>;

/// Who is woken when a pull or observed actor has something to read.
pub trait Waiter: Send + Sync + 'static {
    /// Wakes the reader. Called from any thread, under no lock of the runtime; must not block.
    fn wake(&self);
}

/// The protocol between the runtime and an actor. Signals go before messages.
pub(crate) enum Signal {
    /// End with `Killed`, children first.
    Stop,
    /// Go on with the behaviour the history names.
    Swap,
    /// The suspension with this number is over; do what the flow says.
    Resume(u64, Flow),
    /// Begin anew with a fresh behaviour; pid, name, path and queue stay.
    Restart,
    /// The supervisor gave up: end with this reason.
    Exit(ExitReason),
    /// A notice of the runtime.
    System(Box<SystemMessage>),
    /// The last child is gone, or was waited for long enough.
    ChildrenGone,
    /// The future of an async handler has something to do.
    Poll(Arc<Task>),
    /// An event of the runtime's own parts.
    Event(Box<dyn Any + Send>),
}

/// The rare parts of an actor, under the cell's lock.
#[derive(Default)]
pub(crate) struct Details {
    pub(crate) signals: VecDeque<Signal>,
    pub(crate) links: BTreeSet<Pid>,
    /// Who monitors this actor, by monitor id.
    pub(crate) monitors: BTreeMap<u64, Pid>,
    /// Whom this actor monitors, by monitor id.
    pub(crate) monitoring: BTreeMap<u64, Pid>,
    /// Whoever else waits for the exit, by the id that takes it back.
    pub(crate) exit_hooks: BTreeMap<u64, ExitHook>,
    pub(crate) names: BTreeSet<String>,
    pub(crate) paths: BTreeSet<String>,
    /// Children in the order they were spawned.
    pub(crate) children: BTreeMap<u64, Pid>,
    pub(crate) parent: Option<(Pid, u64)>,
    /// The supervisor that restarts this actor in place.
    pub(crate) restarted_by: Option<ChildSpec>,
    /// It failed, and its restart is not ordered yet.
    pub(crate) awaits_restart: bool,
    pub(crate) restarts: u32,
    pub(crate) bounded: Option<Box<Bounded>>,
    pub(crate) history: Option<Box<History>>,
    /// Number of the latest suspension.
    pub(crate) suspensions: u64,
    /// Tells the suspended work that nobody waits for it any more.
    pub(crate) cancel: Option<Box<dyn FnOnce() + Send>>,
    pub(crate) idle_timeout: Option<Duration>,
    /// Who is woken when a pull actor has something to read.
    pub(crate) waiter: Option<Arc<dyn Waiter>>,
    /// Who waits for an observed actor to get something; each is woken once.
    pub(crate) readers: Vec<Arc<dyn Waiter>>,
    /// How many readers of an observed actor look at what they took out.
    pub(crate) reading: u32,
    /// Another reader looked meanwhile, and found nothing.
    pub(crate) looked_in_vain: bool,
    pub(crate) ending: Option<ExitReason>,
    /// The function a pull actor was spawned with, where its host told.
    pub(crate) function: Option<Arc<dyn Any + Send + Sync>>,
    /// The function a pull actor was swapped to.
    pub(crate) swapped: Option<Arc<dyn Any + Send + Sync>>,
    /// Whom a proxy stands for.
    pub(crate) remote: Option<Remote>,
    /// What an observed actor keeps for its readers, oldest first.
    pub(crate) kept: VecDeque<Incoming>,
}
