//! Options: the choices of a spawn and of a runtime, with their defaults.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::lane::LaneId;
use crate::overflow::Overflow;
use crate::pid::Pid;
use crate::strategy::{Restart, Strategy};
use crate::table::ACTORS_MAX;

/// Messages an actor handles in one turn before others run: BEAM counts 4000 calls, a message here is a handler's run.
pub const BUDGET_DEFAULT: u32 = 100;

/// How a runtime is made.
#[derive(Clone, Debug)]
pub struct RuntimeOptions {
    /// Threads that run Rust actors, started at first need. Default: the machine's cores, at least 2.
    pub workers: usize,
    /// What time it is for the runtime's timers. Default: the machine's; tests use a manual one.
    pub clock: Clock,
    /// Time a shutdown gives children to end before their parent ends without them. Default 5 s.
    pub child_stop_timeout: Duration,
    /// The most actors at once, among them supervisors and the proxies of actors of other nodes; a spawn beyond is refused.
    /// From 1 to [`ACTORS_MAX`], which is the default: what the memory of a machine holds is its owner's to say.
    pub actors_max: u32,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            workers: cores.clamp(2, WORKERS_MAX),
            clock: Clock::real(),
            child_stop_timeout: Duration::from_secs(5),
            actors_max: ACTORS_MAX,
        }
    }
}

/// Most worker threads of a runtime: beyond this a shared injector becomes the bottleneck.
pub const WORKERS_MAX: usize = 256;

/// How an actor is spawned.
#[derive(Clone, Debug)]
pub struct SpawnOptions {
    /// Messages the actor may handle in one turn, at least 1. Default [`BUDGET_DEFAULT`].
    pub budget: u32,
    /// Where it runs. Default: the runtime's worker threads.
    pub lane: LaneId,
    /// The actor it ends with.
    pub parent: Option<Pid>,
    /// Bounds of its mailbox; unbounded by default.
    pub bounds: Option<Bounds>,
    /// What happens to a message beyond the bounds. Default: it is refused.
    pub overflow: Overflow,
    /// A name to register.
    pub name: Option<String>,
    /// A path to register.
    pub path: Option<String>,
    /// A virtual actor ends normally when it was idle for this long after a message.
    pub idle_timeout: Option<Duration>,
    /// The supervisor that restarts it in place.
    pub supervisor: Option<ChildSpec>,
}

impl Default for SpawnOptions {
    fn default() -> Self {
        Self {
            budget: BUDGET_DEFAULT,
            lane: LaneId::WORKERS,
            parent: None,
            bounds: None,
            overflow: Overflow::DropNewest,
            name: None,
            path: None,
            idle_timeout: None,
            supervisor: None,
        }
    }
}

impl SpawnOptions {
    pub(crate) fn check(&self) -> Result<()> {
        if self.budget == 0 {
            return Err(Error::invalid("budget must be at least 1 message a turn"));
        }
        if let Some(bounds) = self.bounds
            && (bounds.messages == 0 || bounds.bytes == 0)
        {
            return Err(Error::invalid("a mailbox's capacity must be at least 1"));
        }
        if self.parent.is_some() && self.supervisor.is_some() {
            return Err(Error::invalid(
                "an actor ends with its parent or with its supervisor, not with both",
            ));
        }
        Ok(())
    }
}

/// Bounds of a mailbox; whichever is met first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most messages queued.
    pub messages: usize,
    /// Most bytes queued. A single larger message is admitted to an empty mailbox.
    pub bytes: usize,
}

impl Bounds {
    /// A bound on the number of messages alone.
    #[must_use]
    pub fn messages(messages: usize) -> Self {
        Self { messages, bytes: usize::MAX }
    }
}

/// An actor's place under a supervisor that restarts it in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildSpec {
    /// The supervisor.
    pub supervisor: Pid,
    /// When it is restarted.
    pub restart: Restart,
}

/// How a supervisor is made.
#[derive(Clone, Debug)]
pub struct SupervisorOptions {
    /// Whom a child's failure concerns.
    pub strategy: Strategy,
    /// Restarts allowed within `period`; one more and the supervisor gives up. Default 3, as OTP's examples.
    pub intensity: u32,
    /// The window of `intensity`. Default 5 s.
    pub period: Duration,
    /// The pause before a child's repeated restart.
    pub backoff: Backoff,
    /// The supervisor this one is a child of.
    pub supervisor: Option<ChildSpec>,
}
