//! Supervisor: an actor of the runtime that restarts its children by OTP's rules.
//!
//! What to do is decided purely ([`crate::strategy`], [`crate::intensity`], [`crate::backoff`]); here it is done. A child
//! is restarted in place (it keeps pid, name, path and queue) or made anew by a factory (it gets a new pid). All
//! of it happens in the supervisor's own turns; the front only edits the list of children.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::behaviour::{Behaviour, Flow};
use crate::cell::flag;
use crate::child::{Child, Hold, Source, StartDone, Status};
use crate::context::Context;
use crate::details::Signal;
use crate::error::{Error, Result};
use crate::exit::{ExitReason, Failure};
use crate::intensity::Intensity;
use crate::message::Message;
use crate::options::SupervisorOptions;
use crate::pid::Pid;
use crate::quietly::quietly;
use crate::shared::{Shared, WeakShared};
use crate::strategy::{Restart, Strategy};
use crate::sync::{Mutex, MutexGuard};

/// What a supervisor hears.
pub(crate) enum Event {
    /// A child that is restarted in place stopped by itself and waits.
    Failed { pid: Pid, reason: ExitReason },
    /// A child exited; with `hold`, it counts as live until its successor is there or will not be.
    Exited { pid: Pid, reason: ExitReason, hold: Option<Hold> },
    /// A factory made a child, or did not.
    Started { child: u64, outcome: std::result::Result<Pid, Failure> },
    /// A child's pause before its restart is over.
    Due { child: u64 },
    /// Children that were told to stop had time enough.
    Overdue,
}

/// A supervisor's state; its behaviour is a shared handle of it.
pub(crate) struct Supervisor {
    shared: WeakShared,
    pid: std::sync::OnceLock<Pid>,
    options: SupervisorOptions,
    /// Gives up on a child instead of ending itself: the runtime's own supervisors.
    endures: bool,
    state: Mutex<State>,
}

struct State {
    children: Vec<Child>,
    intensity: Intensity,
}

/// The supervisor as an actor's behaviour.
pub(crate) struct Supervising(pub(crate) Arc<Supervisor>);

impl Behaviour for Supervising {
    fn handle(&self, _: &Context<'_>, _: Message) -> Flow {
        Flow::Continue
    }

    fn event(&self, context: &Context<'_>, event: Box<dyn Any + Send>) -> Flow {
        match event.downcast::<Event>() {
            Ok(event) => self.0.hear(context.shared, *event),
            Err(_) => Flow::Continue,
        }
    }

    fn keeps_children(&self) -> bool {
        true
    }

    fn restarted(&self) -> std::result::Result<Option<Arc<dyn Behaviour>>, Failure> {
        self.0.begin_anew();
        Ok(None)
    }
}

impl Supervisor {
    pub(crate) fn new(shared: WeakShared, options: SupervisorOptions, endures: bool) -> Self {
        let intensity = Intensity::new(options.intensity, options.period);
        let state = State { children: Vec::new(), intensity };
        Self { shared, pid: std::sync::OnceLock::new(), options, endures, state: Mutex::new(state) }
    }

    pub(crate) fn set_pid(&self, pid: Pid) {
        let _ = self.pid.set(pid);
    }

    fn pid(&self) -> Option<Pid> {
        self.pid.get().copied()
    }

    pub(crate) fn strategy(&self) -> Strategy {
        self.options.strategy
    }

    /// The children's pids, in the order they were added.
    pub(crate) fn child_pids(&self) -> Vec<Pid> {
        self.state.lock().children.iter().map(|child| child.pid).collect()
    }

    /// Adds a live actor, or changes how a known child is restarted; false: it was on the list. A child that is restarted
    /// in place stays so: it asks for that when it fails, and may do so at this moment.
    pub(crate) fn add(
        &self,
        id: u64,
        pid: Pid,
        source: Source,
        strategy: Strategy,
        restart: Restart,
    ) -> Result<bool> {
        let mut state = self.state.lock();
        if let Some(child) = state.children.iter_mut().find(|child| child.pid == pid) {
            match (&child.source, &source) {
                (Source::InPlace, Source::Watched) => return Ok(false),
                (Source::InPlace, _) => {
                    let message = format!("actor {pid} is restarted in place: unsupervise it first");
                    return Err(Error::invalid(message));
                }
                _ => {}
            }
            let before = std::mem::replace(&mut child.source, source);
            (child.strategy, child.restart) = (strategy, restart);
            drop(state);
            // A factory is a user's, and may ask for this list when it goes.
            drop(before);
            return Ok(false);
        }
        let (status, attempts) = (Status::Running, 0);
        state.children.push(Child {
            id,
            pid,
            source,
            strategy,
            restart,
            status,
            attempts,
            restarted_at: None,
            hold: None,
        });
        Ok(true)
    }

    /// Takes an actor off the list. False: it was not on it.
    pub(crate) fn remove(&self, pid: Pid) -> bool {
        let mut state = self.state.lock();
        let Some(place) = state.children.iter().position(|child| child.pid == pid) else { return false };
        let child = state.children.remove(place);
        drop(state);
        drop(child);
        true
    }

    /// The supervisor has ended: nobody will be replaced.
    pub(crate) fn let_go(&self) {
        let children = std::mem::take(&mut self.state.lock().children);
        drop(children);
    }

    fn hear(&self, shared: &Arc<Shared>, event: Event) -> Flow {
        let flow = match event {
            Event::Failed { pid, reason } => self.child_failed(shared, pid, &reason),
            Event::Exited { pid, reason, hold } => self.child_exited(shared, pid, &reason, hold),
            Event::Started { child, outcome } => self.child_started(shared, child, outcome),
            Event::Due { child } => {
                self.start(shared, child);
                Flow::Continue
            }
            Event::Overdue => {
                self.wait_no_longer(shared);
                Flow::Continue
            }
        };
        if matches!(flow, Flow::Continue) {
            self.start_what_is_down(shared);
        }
        flow
    }

    fn child_failed(&self, shared: &Arc<Shared>, pid: Pid, reason: &ExitReason) -> Flow {
        let state = self.state.lock();
        // Whoever took it off the list in between restarts it.
        let Some(place) = state.children.iter().position(|child| child.pid == pid) else {
            return Flow::Continue;
        };
        if state.children[place].status != Status::Running || !awaits_restart(shared, pid) {
            // Of before a restart that was ordered since, for a sibling's failure or with the supervisor's own.
            return Flow::Continue;
        }
        self.restart_from(shared, state, place, reason)
    }

    fn child_exited(&self, shared: &Arc<Shared>, pid: Pid, reason: &ExitReason, hold: Option<Hold>) -> Flow {
        let mut state = self.state.lock();
        let Some(place) = state.children.iter().position(|child| child.pid == pid) else {
            drop(state);
            drop(hold);
            return Flow::Continue;
        };
        let child = &mut state.children[place];
        let is_replaced = matches!(child.status, Status::Down | Status::Starting);
        if is_replaced && matches!(child.source, Source::Factory(_)) {
            // Told twice of one exit: it was taken off the list and put there again.
            drop(state);
            drop(hold);
            return Flow::Continue;
        }
        child.hold = hold;
        if matches!(child.status, Status::Stopping(_)) {
            child.status = Status::Down;
            return Flow::Continue;
        }
        let is_restarted = matches!(child.source, Source::Factory(_)) && child.restart.follows(reason);
        let concerns_others = child.strategy != Strategy::OneForOne
            && matches!(child.source, Source::Watched)
            && reason.is_failure();
        if is_restarted || concerns_others {
            return self.restart_from(shared, state, place, reason);
        }
        let child = state.children.remove(place);
        drop(state);
        drop(child);
        Flow::Continue
    }

    /// A child is to be restarted, and others with it as its strategy says. Under the lock its place was found under: the
    /// front edits the list at any time.
    fn restart_from(
        &self,
        shared: &Arc<Shared>,
        mut state: MutexGuard<'_, State>,
        place: usize,
        reason: &ExitReason,
    ) -> Flow {
        if !state.intensity.allow(shared.timing.now()) {
            return self.give_up(shared, state, place, reason);
        }
        let now = shared.timing.now();
        let concerned = state.children[place].strategy.concerned(place, state.children.len());
        let mut to_stop = Vec::new();
        for other in concerned {
            let child = &mut state.children[other];
            if other == place {
                child.status = Status::Down;
            } else if child.status == Status::Running {
                match child.source {
                    Source::InPlace => child.status = Status::Down,
                    Source::Factory(_) => {
                        child.status = Status::Stopping(now);
                        to_stop.push(child.pid);
                    }
                    Source::Watched => {}
                }
            }
        }
        let watched = matches!(state.children[place].source, Source::Watched);
        let gone = watched.then(|| state.children.remove(place));
        drop(state);
        drop(gone);
        self.stop_all(shared, to_stop);
        Flow::Continue
    }

    /// Stops children, last first, and waits no longer for them than a parent does.
    fn stop_all(&self, shared: &Arc<Shared>, pids: Vec<Pid>) {
        if let (Some(this), false) = (self.pid(), pids.is_empty()) {
            shared.timing.overdue_after(shared, this, shared.options.child_stop_timeout);
        }
        for pid in pids.into_iter().rev() {
            shared.stop(pid, ExitReason::Killed);
        }
    }

    /// Those that were told to stop long ago are made anew beside what is left of them.
    fn wait_no_longer(&self, shared: &Shared) {
        let (now, timeout) = (shared.timing.now(), shared.options.child_stop_timeout);
        for child in &mut self.state.lock().children {
            if matches!(child.status, Status::Stopping(since) if now.saturating_sub(since) >= timeout) {
                tracing::warn!(child = child.pid.get(), ?timeout, "a child does not stop: it is replaced");
                child.status = Status::Down;
            }
        }
    }

    /// Too many restarts: the supervisor ends, and its children with it; one that endures lets the child go.
    fn give_up(
        &self,
        shared: &Arc<Shared>,
        mut state: MutexGuard<'_, State>,
        place: usize,
        reason: &ExitReason,
    ) -> Flow {
        let (intensity, period) = (self.options.intensity, self.options.period);
        let child = state.children[place].pid;
        let message =
            format!("child {child} made it more than {intensity} restarts within {period:?}: {reason}");
        let failure = Failure::new("RestartIntensityExceeded", message);
        tracing::error!(child = child.get(), intensity, ?period, "supervisor gives up");
        if !self.endures {
            state.children[place].status = Status::Down;
            drop(state);
            self.tell_give_up(shared, &failure);
            return Flow::Stop(ExitReason::crash(failure));
        }
        let child = state.children.remove(place);
        drop(state);
        self.tell_give_up(shared, &failure);
        if matches!(child.source, Source::InPlace) {
            shared.signal(child.pid, Signal::Exit(reason.clone()));
        }
        Flow::Continue
    }

    fn tell_give_up(&self, shared: &Shared, failure: &Failure) {
        if let Some(pid) = self.pid() {
            shared.supervisors.tell_give_up(pid, failure);
        }
    }

    /// What a factory made takes its child's place; false: the child is gone, or the actor is another child's.
    pub(crate) fn take_over(&self, shared: &Arc<Shared>, id: u64, pid: Pid) -> bool {
        let mut state = self.state.lock();
        let is_taken = state.children.iter().any(|child| child.pid == pid && child.id != id);
        if is_taken || self.pid() == Some(pid) {
            return false;
        }
        let Some(child) = state.children.iter_mut().find(|child| child.id == id) else { return false };
        (child.pid, child.status) = (pid, Status::Running);
        let hold = child.hold.take();
        drop(state);
        self.hook(shared, pid);
        drop(hold);
        true
    }

    /// A factory failed, or made what cannot take its child's place.
    fn child_started(
        &self,
        shared: &Arc<Shared>,
        id: u64,
        outcome: std::result::Result<Pid, Failure>,
    ) -> Flow {
        let mut state = self.state.lock();
        let Some(place) = state.children.iter().position(|child| child.id == id) else {
            drop(state);
            if let Ok(pid) = outcome {
                // Taken off the list while its factory ran: the new actor is nobody's child.
                tracing::debug!(pid = pid.get(), "a factory made an actor that is supervised no more");
            }
            return Flow::Continue;
        };
        let failure = outcome.map_or_else(
            |failure| failure,
            |pid| {
                let message =
                    format!("the factory returned pid {pid}, the supervisor or another child of it");
                Failure::new("FactoryError", message)
            },
        );
        tracing::warn!(kind = %failure.kind, message = %failure.message, "a factory failed");
        if !state.intensity.allow(shared.timing.now()) {
            return self.give_up(shared, state, place, &ExitReason::crash(failure));
        }
        state.children[place].status = Status::Down;
        Flow::Continue
    }

    /// Lets the supervisor hear of the exit of an actor that a factory made or that is only watched.
    pub(crate) fn hook(&self, shared: &Arc<Shared>, pid: Pid) {
        let Some(this) = self.pid() else { return };
        let weak = self.shared.clone();
        let hook = move |pid: Pid, reason: &ExitReason| {
            if let Some(shared) = weak.upgrade() {
                let hold = Some(Hold::new(&shared));
                let event = Event::Exited { pid, reason: reason.clone(), hold };
                shared.signal(this, Signal::Event(Box::new(event)));
            }
        };
        let mut hook = Some(Box::new(hook) as crate::details::ExitHook);
        if let Some(cell) = shared.table.get(pid) {
            let id = shared.next_id();
            cell.with_details(pid, |details| details.exit_hooks.extend(hook.take().map(|hook| (id, hook))));
        }
        if let Some(hook) = hook {
            // A factory that returned a dead pid failed.
            hook(
                pid,
                &ExitReason::crash(Failure::new(
                    "FactoryError",
                    "the actor was gone before it was supervised",
                )),
            );
        }
    }

    /// Starts every child that is down, after its pause, once no other is still stopping.
    fn start_what_is_down(&self, shared: &Arc<Shared>) {
        let mut due = Vec::new();
        {
            let mut state = self.state.lock();
            if state.children.iter().any(|child| matches!(child.status, Status::Stopping(_))) {
                return;
            }
            let (period, backoff) = (self.options.period, &self.options.backoff);
            let now = shared.timing.now();
            for child in state.children.iter_mut().filter(|child| child.status == Status::Down) {
                let soon = child.restarted_at.is_some_and(|at| now.saturating_sub(at) < period);
                child.attempts = if soon { child.attempts + 1 } else { 0 };
                child.restarted_at = Some(now);
                child.status = Status::Starting;
                let seed = child.id.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(child.attempts);
                let pause = match child.attempts {
                    0 => Duration::ZERO,
                    attempts => backoff.delay(attempts - 1, seed),
                };
                due.push((child.id, pause));
            }
        }
        let Some(this) = self.pid() else { return };
        for (child, pause) in due {
            if pause.is_zero() {
                self.start(shared, child);
            } else {
                shared.timing.due_after(shared, this, pause, child);
            }
        }
    }

    fn start(&self, shared: &Arc<Shared>, id: u64) {
        let (pid, source) = {
            let mut state = self.state.lock();
            let Some(child) = state.children.iter_mut().find(|child| child.id == id) else { return };
            if child.status != Status::Starting {
                return;
            }
            if matches!(child.source, Source::InPlace) {
                child.status = Status::Running;
            }
            (child.pid, child.source.clone())
        };
        match source {
            Source::InPlace => order_restart(shared, pid),
            Source::Factory(factory) => {
                let Some(supervisor) = self.pid() else { return };
                shared.counters.restarted.fetch_add(1, Ordering::Relaxed);
                let done = StartDone::new(self.shared.clone(), supervisor, id);
                quietly("a factory", || factory.start(done));
            }
            Source::Watched => {}
        }
    }

    /// The supervisor itself was restarted in place: all its children begin anew.
    fn begin_anew(&self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let mut to_stop = Vec::new();
        {
            let mut state = self.state.lock();
            state.intensity = Intensity::new(self.options.intensity, self.options.period);
            let now = shared.timing.now();
            for child in &mut state.children {
                match (&child.source, child.status) {
                    (Source::Factory(_), Status::Running) => {
                        child.status = Status::Stopping(now);
                        to_stop.push(child.pid);
                    }
                    (Source::InPlace, _) => child.status = Status::Down,
                    _ => {}
                }
            }
        }
        self.stop_all(&shared, to_stop);
        self.start_what_is_down(&shared);
    }
}

fn awaits_restart(shared: &Shared, pid: Pid) -> bool {
    let cell = shared.table.get(pid);
    cell.and_then(|cell| cell.look_at_details(pid, |details| details.awaits_restart)) == Some(true)
}

fn order_restart(shared: &Shared, pid: Pid) {
    let Some(cell) = shared.table.get(pid) else { return };
    // Who was told to stop ends, and an observed actor has nothing that could begin anew.
    if cell.word.is_open() && !cell.has(flag::OBSERVED) {
        shared.counters.restarted.fetch_add(1, Ordering::Relaxed);
    }
    shared.signal_with(cell, pid, false, |details| {
        details.awaits_restart = false;
        details.signals.push_back(Signal::Restart);
    });
}
