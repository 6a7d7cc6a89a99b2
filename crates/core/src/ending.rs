//! Ending: what happens when an actor fails or ends, in this order.
//!
//! 1. Messages are refused from here on.
//! 2. Its children are stopped, youngest first; the actor waits for them, at most `child_stop_timeout`.
//! 3. Its pid becomes stale: look-ups, names and paths no longer find it.
//! 4. Queued messages are dropped and counted, asks among them fail.
//! 5. Timers are cancelled; links are told EXIT, monitors DOWN; hooks (joins, supervisors) run; the parent is told.
//! 6. Hooks run that were set after its pid became stale: a join returns when all before this is done.
//! 7. The slot is given back.
//!
//! All of it runs on the thread that owns the actor, marked as the actor's own: what a drop of its memory asks of the
//! runtime is refused where it would wait for this end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::bounded;
use crate::cell::{Cell, flag};
use crate::context;
use crate::counters::Dropped;
use crate::details::{Details, ExitHook, Signal};
use crate::exit::ExitReason;
use crate::list::List;
use crate::message::{Incoming, SystemKind, SystemMessage};
use crate::pid::Pid;
use crate::quietly::quietly;
use crate::shared::Shared;
use crate::supervisor::Event;
use crate::table::Table;

/// The owner's actor stopped by itself, for this reason. True: it ended, or waits for its children, and is not owned any
/// more. False: it is still owned and must be suspended, because its supervisor decides.
pub(crate) fn fail(shared: &Arc<Shared>, cell: &Cell, pid: Pid, reason: ExitReason) -> bool {
    if let Some(failure) = reason.failure() {
        shared.counters.crashed.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(pid = pid.get(), kind = %failure.kind, message = %failure.message, "actor failed");
    }
    if asks_supervisor(shared, cell, pid, &reason) {
        return false;
    }
    end(shared, cell, pid, reason)
}

/// Whether a supervisor restarts the actor in place; it is told then.
pub(crate) fn asks_supervisor(shared: &Arc<Shared>, cell: &Cell, pid: Pid, reason: &ExitReason) -> bool {
    if shared.closed.load(Ordering::Acquire) {
        return false;
    }
    let spec = cell.look_at_details(pid, |details| {
        let spec = details.restarted_by.filter(|spec| spec.restart.follows(reason))?;
        // With a restart on its way already, for a sibling's failure, this one is no reason for another.
        details.awaits_restart = !details.signals.iter().any(|signal| matches!(signal, Signal::Restart));
        Some((spec, details.awaits_restart))
    });
    let Some((spec, awaits_restart)) = spec.flatten() else { return false };
    !awaits_restart || {
        let event = Event::Failed { pid, reason: reason.clone() };
        shared.signal(spec.supervisor, Signal::Event(Box::new(event)))
    }
}

/// Ends the owner's actor. True: it is not owned any more, ended or waiting for its children. False: it is still
/// owned, ends after its children, and has signals to obey.
pub(crate) fn end(shared: &Arc<Shared>, cell: &Cell, pid: Pid, reason: ExitReason) -> bool {
    let _within = context::enter(pid);
    cell.word.close();
    bounded::announce(cell, pid);
    let cancel = cell.look_at_details(pid, |details| details.cancel.take()).flatten();
    if let Some(cancel) = cancel {
        quietly("a cancellation", cancel);
    }
    let has_children = cell.look_at_details(pid, |details| !details.children.is_empty()).unwrap_or(false);
    if !has_children {
        finalize(shared, cell, pid, &reason);
        return true;
    }
    cell.raise(flag::ENDING);
    cell.with_details(pid, |details| details.ending = Some(reason));
    stop_children(shared, cell, pid);
    let alone = cell.look_at_details(pid, |details| details.children.is_empty()).unwrap_or(true);
    if alone {
        finish(shared, cell, pid);
        return true;
    }
    cell.raise(flag::TIMERS);
    shared.timing.end_without_children(shared, pid, shared.options.child_stop_timeout);
    cell.word.try_wait()
}

/// Ends the owner's actor that waited for its children.
pub(crate) fn finish(shared: &Arc<Shared>, cell: &Cell, pid: Pid) {
    let _within = context::enter(pid);
    let reason = cell.look_at_details(pid, |details| details.ending.take()).flatten();
    finalize(shared, cell, pid, &reason.unwrap_or(ExitReason::Killed));
}

/// Tells the actor's children to end, youngest first.
pub(crate) fn stop_children(shared: &Arc<Shared>, cell: &Cell, pid: Pid) {
    let children = cell
        .look_at_details(pid, |details| details.children.values().rev().copied().collect::<Vec<_>>())
        .unwrap_or_default();
    for child in children {
        shared.stop(child, ExitReason::Killed);
    }
}

/// Wakes whoever reads the mailbox of a pull or observed actor.
pub(crate) fn wake_waiter(cell: &Cell, pid: Pid) {
    if cell.has(flag::OBSERVED) {
        let readers = cell.look_at_details(pid, |details| std::mem::take(&mut details.readers));
        readers.into_iter().flatten().for_each(|reader| reader.wake());
        return;
    }
    let waiter = cell.look_at_details(pid, |details| details.waiter.clone()).flatten();
    if let Some(waiter) = waiter {
        waiter.wake();
    }
}

/// Wakes the holder of whichever pull actor lives there now: one that finds nothing waits again.
pub(crate) fn wake_holder(cell: &Cell) {
    if let Some(waiter) = cell.waiter() {
        waiter.wake();
    }
}

fn finalize(shared: &Arc<Shared>, cell: &Cell, pid: Pid, reason: &ExitReason) {
    cell.word.close();
    let (details, behaviour) = cell.take_details(|| Table::retire_pid(cell));
    if let Some(details) = &details {
        forget_names(shared, pid, details);
    }
    drop_queued(shared, cell, pid);
    quietly("the drop of a behaviour", || drop(behaviour));
    if cell.has(flag::TIMERS) {
        shared.timing.cancel_of(pid);
    }
    drop_all(shared, cell, pid, cell.word.vacate());
    shared.counters.exited.fetch_add(1, Ordering::Relaxed);
    if let Some(mut details) = details {
        drop_kept(shared, cell, pid, &mut details);
        tell_others(shared, pid, reason, *details);
    }
    if let Some(late) = cell.take_late_details() {
        run_hooks(pid, reason, late.exit_hooks);
    }
    let internal = cell.has(flag::INTERNAL);
    shared.table.give_back(cell, pid.index());
    if !internal {
        shared.counters.release_live();
    }
}

fn forget_names(shared: &Shared, pid: Pid, details: &Details) {
    for name in &details.names {
        shared.names.remove(name, pid);
    }
    for path in &details.paths {
        shared.paths.remove(path, pid);
    }
}

fn drop_queued(shared: &Shared, cell: &Cell, pid: Pid) {
    // SAFETY: the caller owns the actor; readers of an observed actor's messages found its pid stale.
    let local = std::mem::take(unsafe { cell.local() });
    drop_all(shared, cell, pid, local);
    drop_all(shared, cell, pid, cell.word.take());
}

/// Mostly there are none: what is done with them is kept apart.
#[inline]
fn drop_all(shared: &Shared, cell: &Cell, pid: Pid, list: List) {
    if !list.is_empty() {
        drop_each(shared, cell, pid, list);
    }
}

#[cold]
fn drop_each(shared: &Shared, cell: &Cell, pid: Pid, mut list: List) {
    while let Some(node) = list.pop() {
        let receiver = pid.of_generation(node.generation());
        if let Incoming::User(message) = node.into_incoming() {
            cell.count_taken(1);
            shared.drop_message(receiver, message, Dropped::ActorExited);
        }
    }
}

fn drop_kept(shared: &Shared, cell: &Cell, pid: Pid, details: &mut Details) {
    for incoming in details.kept.drain(..) {
        if let Incoming::User(message) = incoming {
            cell.count_taken(1);
            shared.drop_message(pid, message, Dropped::ActorExited);
        }
    }
    let Some(mut bounded) = details.bounded.take() else { return };
    while let Some(message) = bounded.pop() {
        cell.count_taken_beside_senders(1);
        shared.drop_message(pid, message, Dropped::ActorExited);
    }
    for _ in 0..bounded.take_lost() {
        cell.count_taken_beside_senders(1);
        shared.counters.drop_one(Dropped::ActorExited);
    }
    bounded.room().announce();
}

fn tell_others(shared: &Arc<Shared>, pid: Pid, reason: &ExitReason, details: Details) {
    for peer in details.links {
        if let Some(cell) = shared.table.get(peer) {
            // Where it is not linked any more, it was unlinked a moment ago: whoever did was told that it is silent.
            if cell.look_at_details(peer, |details| details.links.remove(&pid)) == Some(true) {
                shared.tell(peer, SystemMessage::exited(SystemKind::Exit, pid, reason, None));
            }
        }
    }
    for (monitor, watcher) in details.monitors {
        if shared.monitors.remove(&monitor).is_none() {
            // It was taken back a moment ago: whoever did was told that it is silent.
            continue;
        }
        if let Some(cell) = shared.table.get(watcher) {
            cell.look_at_details(watcher, |details| details.monitoring.remove(&monitor));
            shared.tell(watcher, SystemMessage::exited(SystemKind::Down, pid, reason, Some(monitor)));
        }
    }
    for (monitor, target) in details.monitoring {
        shared.monitors.remove(&monitor);
        if let Some(cell) = shared.table.get(target) {
            cell.look_at_details(target, |details| details.monitors.remove(&monitor));
        }
    }
    // A child that came while its parent ended.
    for child in details.children.into_values().rev() {
        shared.stop(child, ExitReason::Killed);
    }
    for waiter in details.waiter.into_iter().chain(details.readers) {
        quietly("a waiter", || waiter.wake());
    }
    if let Some((parent, order)) = details.parent {
        forget_child(shared, parent, order);
    }
    if let Some(spec) = details.restarted_by {
        let event = Event::Exited { pid, reason: reason.clone(), hold: None };
        shared.signal(spec.supervisor, Signal::Event(Box::new(event)));
    }
    run_hooks(pid, reason, details.exit_hooks);
    quietly("the drop of earlier code", || {
        drop((details.history, details.function, details.swapped, details.cancel));
    });
}

/// The parent's child of this number is gone.
pub(crate) fn forget_child(shared: &Shared, parent: Pid, order: u64) {
    let Some(cell) = shared.table.get(parent) else { return };
    let last = cell.look_at_details(parent, |details| {
        details.children.remove(&order);
        details.children.is_empty() && details.ending.is_some()
    });
    if last == Some(true) {
        shared.signal(parent, Signal::ChildrenGone);
    }
}

fn run_hooks(pid: Pid, reason: &ExitReason, hooks: BTreeMap<u64, ExitHook>) {
    for hook in hooks.into_values() {
        quietly("an exit hook", || hook(pid, reason));
    }
}
