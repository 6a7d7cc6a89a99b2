//! Shutdown: stop accepting, let finish up to a deadline, children first, then kill; the rest is reported.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::cell::{Cell, flag};
use crate::exit::ExitReason;
use crate::pid::Pid;
use crate::runtime::Runtime;
use crate::shared::Shared;
use crate::sync::{Condvar, Mutex, thread};

/// Time the runtime's own threads get to end, and killed actors to be gone, after the deadline.
#[cfg(not(shuttle))]
const GRACE: Duration = Duration::from_millis(200);
/// In a model no thread is late because the machine is busy.
#[cfg(shuttle)]
const GRACE: Duration = Duration::from_mins(1);

/// Longest deadline of a shutdown.
const DEADLINE_MAX: Duration = Duration::from_hours(24 * 365);

/// What became of the actors of a runtime that was shut down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Actors that were idle, or finished what they had, within the deadline.
    pub finished: usize,
    /// Actors that still had messages at the deadline and ended when they were killed.
    pub killed: usize,
    /// Actors that did not end: a handler or a pull function that does not return.
    pub unfinished: Vec<Pid>,
}

impl Runtime {
    /// Closes the runtime: nothing is spawned any more; actors handle what is queued until the deadline; then all are
    /// stopped, children before their parents. Blocks for the deadline and a fraction of a second at most. Closing again
    /// reports nothing, but leaves a shutdown that is under way no more time than this.
    ///
    /// Called from a handler of this runtime it does not wait for the calling actor.
    pub fn shutdown(&self, deadline: Duration) -> ShutdownReport {
        close(self.shared(), deadline)
    }

    /// Gives a shutdown that is under way, or one that is to come, no more time than this.
    pub fn hurry_shutdown(&self, deadline: Duration) {
        hurry(self.shared(), deadline);
    }

    /// The first step of a shutdown alone: nothing is spawned any more. For hosts that wait in their own way.
    pub fn stop_accepting(&self) {
        self.shared().closed.store(true, Ordering::SeqCst);
    }

    /// The middle of a shutdown: ends all actors without waiting for handlers. Returns those that did not end yet. A
    /// [`Runtime::shutdown`] afterwards waits for them and ends the runtime's threads.
    pub fn kill_all(&self) -> Vec<Pid> {
        self.shared().closed.store(true, Ordering::SeqCst);
        kill(self.shared());
        live(self.shared())
    }

    /// Whether no actor has anything to finish: no message waits and no handler runs.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.shared().table.slots().all(|(cell, pid)| pid.is_none_or(|pid| !is_busy(cell, pid)))
    }
}

/// Shuts a runtime down; see [`Runtime::shutdown`].
pub(crate) fn close(shared: &Arc<Shared>, deadline: Duration) -> ShutdownReport {
    shared.closed.store(true, Ordering::SeqCst);
    hurry(shared, deadline);
    if shared.ended.swap(true, Ordering::SeqCst) {
        return ShutdownReport::default();
    }
    let before = live(shared).len();
    let busy = wait_until_quiet(shared);
    let unfinished = wait_until_gone(shared, Instant::now() + GRACE);
    if let Some(attached) = shared.attached.get() {
        attached.close();
    }
    shared.timing.close();
    end_threads(shared);
    let killed = busy.saturating_sub(unfinished.len());
    ShutdownReport { finished: before.saturating_sub(busy.max(unfinished.len())), killed, unfinished }
}

fn hurry(shared: &Shared, deadline: Duration) {
    let until = Instant::now() + deadline.min(DEADLINE_MAX);
    let mut ends_by = shared.ends_by.lock();
    *ends_by = Some(ends_by.map_or(until, |before| before.min(until)));
}

fn live(shared: &Shared) -> Vec<Pid> {
    let internal = shared.supervisors.internal();
    let pids = shared.table.slots().filter_map(|(_, pid)| pid);
    pids.filter(|pid| !pid.is_proxy() && !internal.contains(pid)).collect()
}

/// Waits until no messages are queued, or the time is over, which others may shorten; how many actors still have some.
fn wait_until_quiet(shared: &Shared) -> usize {
    let pause = (Mutex::new(()), Condvar::new());
    loop {
        let busy =
            shared.table.slots().filter(|(cell, pid)| pid.is_some_and(|pid| is_busy(cell, pid))).count();
        if busy == 0 || shared.ends_by.lock().is_none_or(|until| Instant::now() >= until) {
            return busy;
        }
        let mut guard = pause.0.lock();
        pause.1.wait_for(&mut guard, Duration::from_millis(1));
    }
}

/// Whether an actor has something to finish: messages that wait, or a handler that runs. What an observed actor keeps waits
/// for a reader; a pull actor that waits for messages has none to finish; the caller's own actor is not waited for.
fn is_busy(cell: &Cell, pid: Pid) -> bool {
    if cell.has(flag::OBSERVED | flag::INTERNAL) || crate::context::is_within(pid) {
        return false;
    }
    cell.queued() > 0 || (!cell.has(flag::PULL) && !cell.word.is_idle())
}

/// Stops all that were not told to stop yet, supervisors first.
fn kill(shared: &Arc<Shared>) {
    let internal = shared.supervisors.internal().into_iter();
    for supervisor in internal.filter(|supervisor| shared.cell(*supervisor).is_ok()) {
        shared.stop(supervisor, ExitReason::Killed);
    }
    for (cell, pid) in shared.table.slots() {
        // Whom a proxy stands for lives on elsewhere.
        if let Some(pid) = pid.filter(|pid| !pid.is_proxy() && cell.word.is_open()) {
            shared.stop(pid, ExitReason::Killed);
        }
    }
}

/// Those that can end while this thread waits.
fn not_ours(mut pids: Vec<Pid>) -> Vec<Pid> {
    pids.retain(|pid| !crate::context::is_within(*pid));
    pids
}

fn wait_until_gone(shared: &Arc<Shared>, until: Instant) -> Vec<Pid> {
    let pause = (Mutex::new(()), Condvar::new());
    loop {
        // Again and again: a spawn that was under way and the look before may have missed each other.
        kill(shared);
        // What is ready on a host's lane has its stop before it: it ends here, and no handler is called.
        shared.drain_lanes();
        let left = not_ours(live(shared));
        // What the runtime's own supervisors did not hear yet may count as live.
        let mut own = not_ours(shared.supervisors.internal()).into_iter();
        let is_over = left.is_empty() && own.all(|supervisor| shared.table.get(supervisor).is_none());
        if is_over || Instant::now() >= until {
            return left;
        }
        let mut guard = pause.0.lock();
        pause.1.wait_for(&mut guard, Duration::from_millis(1));
    }
}

/// Ends the workers. One that is caught in a handler is left behind; it ends when the handler returns.
fn end_threads(shared: &Arc<Shared>) {
    let until = Instant::now() + GRACE;
    let inside = shared.workers.is_current();
    for thread in shared.workers.close() {
        while !inside && !thread.is_finished() && Instant::now() < until {
            thread::park_timeout(Duration::from_micros(200));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}
