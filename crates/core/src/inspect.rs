//! Inspection: what a runtime and its actors do, for people and for dashboards.

use std::sync::atomic::Ordering;

use crate::cell::{Cell, flag};
use crate::counters::Dropped;
use crate::pid::Pid;
use crate::runtime::Runtime;

/// A look at a whole runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeInfo {
    /// Live actors, without the runtime's own.
    pub actors: usize,
    /// Actors spawned so far.
    pub spawned: u64,
    /// Actors that ended so far.
    pub exited: u64,
    /// Failures of actors so far, restarted ones included.
    pub crashed: u64,
    /// Restarts by supervisors so far.
    pub restarted: u64,
    /// Messages sent so far, refused ones included.
    pub sent: u64,
    /// Messages handled so far, those in progress included.
    pub handled: u64,
    /// Messages that wait.
    pub queued: u64,
    /// Messages that were not delivered, by reason.
    pub dropped: Vec<(&'static str, u64)>,
    /// Timers pending.
    pub timers: usize,
    /// Names registered.
    pub names: usize,
    /// Paths registered.
    pub paths: usize,
}

/// A look at one actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorInfo {
    /// Its pid.
    pub pid: Pid,
    /// `"push"`, `"pull"`, `"observed"`, `"supervisor"` or `"proxy"`.
    pub kind: &'static str,
    /// `"idle"`, `"active"`, `"suspended"` or `"ending"`.
    pub state: &'static str,
    /// Messages that wait.
    pub mailbox_size: usize,
    /// Messages a turn.
    pub budget: u32,
    /// The version of its code.
    pub version: u32,
    /// Restarts in place so far.
    pub restarts: u32,
    /// Its names, sorted.
    pub names: Vec<String>,
    /// Its paths, sorted.
    pub paths: Vec<String>,
    /// Whom it is linked to.
    pub links: Vec<Pid>,
    /// Who monitors it.
    pub monitored_by: Vec<Pid>,
    /// The actor it ends with.
    pub parent: Option<Pid>,
    /// The actors that end with it, in the order they were spawned.
    pub children: Vec<Pid>,
    /// The supervisor it is a child of.
    pub supervisor: Option<Pid>,
}

impl Runtime {
    /// Counts over the whole runtime. sent = handled + the dropped ones + queued, at rest; walks all actors, about
    /// 10 ms for a million.
    #[must_use]
    pub fn stats(&self) -> RuntimeInfo {
        let shared = self.shared();
        let counters = &shared.counters;
        let handed_over = counters.handed_over.load(Ordering::Relaxed);
        let (mut enqueued, mut taken, mut live) = (handed_over, handed_over, 0_usize);
        for (cell, pid) in shared.table.slots() {
            taken += cell.taken.load(Ordering::Acquire);
            enqueued += cell.enqueued.load(Ordering::Acquire);
            live += usize::from(pid.is_some() && !cell.has(flag::INTERNAL));
        }
        let count = |refused: bool| -> u64 {
            let reasons = Dropped::ALL.iter().filter(|reason| reason.is_refusal() == refused);
            reasons.map(|reason| counters.dropped(*reason)).sum()
        };
        RuntimeInfo {
            actors: live,
            spawned: shared.table.spawned(),
            exited: counters.exited.load(Ordering::Relaxed),
            crashed: counters.crashed.load(Ordering::Relaxed),
            restarted: counters.restarted.load(Ordering::Relaxed),
            sent: enqueued + count(true),
            handled: taken.saturating_sub(count(false)),
            queued: enqueued.saturating_sub(taken),
            dropped: Dropped::ALL.iter().map(|reason| (reason.name(), counters.dropped(*reason))).collect(),
            timers: shared.timing.pending(),
            names: shared.names.len(),
            paths: shared.paths.len(),
        }
    }

    /// Dead letters so far, by reason.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<(&'static str, u64)> {
        let counters = &self.shared().counters;
        Dropped::ALL.iter().map(|reason| (reason.name(), counters.dropped(*reason))).collect()
    }

    /// A look at one actor; `None` for a pid that no live actor has.
    #[must_use]
    pub fn actor_info(&self, pid: Pid) -> Option<ActorInfo> {
        let cell = self.shared().table.get(pid)?;
        let supervisor = self.shared().supervisors.supervisor_of(pid);
        let mut info = ActorInfo {
            pid,
            kind: self.kind(cell, pid),
            state: state(cell),
            mailbox_size: cell.queued(),
            budget: cell.budget.load(Ordering::Relaxed),
            version: 1,
            restarts: 0,
            names: Vec::new(),
            paths: Vec::new(),
            links: Vec::new(),
            monitored_by: Vec::new(),
            parent: None,
            children: Vec::new(),
            supervisor,
        };
        cell.look_at_details(pid, |details| {
            info.version = details.history.as_ref().map_or(1, |history| history.version());
            info.restarts = details.restarts;
            info.names = details.names.iter().cloned().collect();
            info.paths = details.paths.iter().cloned().collect();
            info.links = details.links.iter().copied().collect();
            info.monitored_by = details.monitors.values().copied().collect();
            info.parent = details.parent.map(|(parent, _)| parent);
            info.children = details.children.values().copied().collect();
        });
        Some(info)
    }

    /// Looks at all live actors, in no order; parents and children name each other.
    #[must_use]
    pub fn tree(&self) -> Vec<ActorInfo> {
        let pids: Vec<Pid> = self.shared().table.slots().filter_map(|(_, pid)| pid).collect();
        pids.into_iter().filter_map(|pid| self.actor_info(pid)).collect()
    }

    fn kind(&self, cell: &Cell, pid: Pid) -> &'static str {
        if self.shared().supervisors.is_supervisor(pid) {
            "supervisor"
        } else if pid.is_proxy() {
            "proxy"
        } else if cell.has(flag::PULL) {
            "pull"
        } else if cell.has(flag::OBSERVED) {
            "observed"
        } else {
            "push"
        }
    }
}

fn state(cell: &Cell) -> &'static str {
    if cell.has(flag::ENDING) || !cell.word.is_open() {
        "ending"
    } else if cell.has(flag::SUSPENDED) && !cell.has(flag::OBSERVED | flag::REMOTE) {
        "suspended"
    } else if cell.word.is_idle() || cell.has(flag::OBSERVED | flag::REMOTE) {
        "idle"
    } else {
        "active"
    }
}
