//! Whole runtimes under thousands of random schedules: names, links, monitors, children, timers, shutdown.
//!
//! Each model lets calls race that users may make at any time, waits for the end without time-outs, so that a lost wake-up
//! is a deadlock, and then asks for what holds in every order: who lives, what was told, that nothing is left behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shuttle::thread;

use super::Runtime;
use crate::behaviour::{Behaviour, Flow};
use crate::clock::{Clock, ManualClock};
use crate::context::Context;
use crate::exit::{ExitReason, Failure};
use crate::message::{Incoming, Message, SystemKind};
use crate::options::{Bounds, RuntimeOptions, SpawnOptions};
use crate::overflow::Overflow;
use crate::payload::Payload;
use crate::pid::Pid;
use crate::strategy::Strategy;
use crate::thread::Mailbox;

#[path = "overflow_model.rs"]
mod overflow;
#[path = "supervisors_model.rs"]
mod supervisors;

/// Schedules of each model.
const SCHEDULES: usize = 10_000;
/// Changes of priority in one half of them.
const CHANGES: usize = 3;
/// What a shutdown may take at most; each takes far less.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs a model under that many schedules, of which `IRIS_SCHEDULES` may say another number.
fn check(model: impl Fn(&Runtime, &ManualClock) + Send + Sync + 'static) {
    let asked = std::env::var("IRIS_SCHEDULES").ok();
    let schedules = asked.map_or(SCHEDULES, |asked| asked.parse().expect("IRIS_SCHEDULES is a number"));
    let one = Arc::new(move || {
        let (clock, hand) = Clock::manual();
        let options = RuntimeOptions { workers: 2, clock, ..RuntimeOptions::default() };
        let runtime = Runtime::with_options(options).expect("a runtime");
        model(&runtime, &hand);
        end(&runtime);
    });
    let again = Arc::clone(&one);
    // Even chances at each step find what needs many changes; few changes at chosen steps find what needs long pauses.
    shuttle::check_random(move || one(), schedules.div_ceil(2));
    shuttle::check_pct(move || again(), schedules / 2, CHANGES);
}

/// Ends the runtime, and looks for what is left behind.
fn end(runtime: &Runtime) {
    let report = runtime.shutdown(PATIENCE);
    assert!(report.unfinished.is_empty(), "{report:?}");
    let stats = runtime.stats();
    let dropped: u64 = stats.dropped.iter().map(|(_, count)| count).sum();
    assert_eq!((stats.sent, stats.queued), (stats.handled + dropped, 0), "{stats:?}");
    assert_eq!((stats.actors, stats.names, stats.timers), (0, 0, 0), "{stats:?}");
    assert_eq!(runtime.live_actors(), 0);
    assert_eq!(runtime.shared().paths.len(), 0);
    assert!(runtime.shared().monitors.is_empty(), "a monitor is left behind");
}

fn plain() -> SpawnOptions {
    SpawnOptions::default()
}

/// Answers asks, and fails when told to.
fn handle(_: &Context<'_>, mut message: Message) -> Flow {
    if message.payload().as_slice() == b"crash" {
        return Flow::Stop(ExitReason::crash(Failure::new("Test", "told to crash")));
    }
    if let Some(reply) = message.take_reply() {
        reply.send(Payload::copy_from(b"here"));
    }
    Flow::Continue
}

fn spawn(runtime: &Runtime) -> Pid {
    runtime.spawn(handle, plain()).expect("an actor")
}

fn answers(runtime: &Runtime, pid: Pid) -> bool {
    runtime.ask_blocking(pid, b"who".into(), None).is_ok()
}

/// Runs both at once.
fn race<A: Send + 'static, B: Send + 'static>(
    runtime: &Runtime,
    one: impl FnOnce(&Runtime) -> A + Send + 'static,
    other: impl FnOnce(&Runtime) -> B + Send + 'static,
) -> (A, B) {
    let (here, there) = (runtime.downgrade(), runtime.downgrade());
    let one = thread::spawn(move || one(&here));
    let other = thread::spawn(move || other(&there));
    (one.join().expect("the one"), other.join().expect("the other"))
}

/// What an observed actor was told of an actor.
fn told(runtime: &Runtime, listener: Pid, kind: SystemKind) -> usize {
    let kept = runtime.take_observed(listener).expect("the listener lives");
    let is_kind = |incoming: &&Incoming| matches!(incoming, Incoming::System(notice) if notice.kind == kind);
    kept.iter().filter(is_kind).count()
}

/// Waits until that many actors live and those that ended have told everybody: a join that finds the pid gone already
/// does not wait for that.
fn settle(runtime: &Runtime, live: usize) {
    while runtime.live_actors() != live {
        thread::yield_now();
    }
}

// Names and paths

#[test]
fn a_name_belongs_to_one_and_goes_with_its_actor() {
    check(|runtime, _| {
        let (a, b) = (spawn(runtime), spawn(runtime));
        let (first, second) = race(
            runtime,
            move |runtime| {
                let registered = runtime.register("name", a).is_ok();
                runtime.stop(a);
                registered
            },
            move |runtime| runtime.register("name", b).is_ok(),
        );
        settle(runtime, 1);
        assert!(first || second, "nobody got the name");
        assert_eq!(runtime.whereis("name"), second.then_some(b));
    });
}

#[test]
fn a_path_registered_while_its_actor_ends_is_not_left_behind() {
    check(|runtime, _| {
        let pid = spawn(runtime);
        let (registered, unregistered) = race(
            runtime,
            move |runtime| runtime.register_path("/a/b", pid).is_ok(),
            move |runtime| {
                let unregistered = runtime.unregister_path("/a/b/");
                runtime.stop(pid);
                unregistered
            },
        );
        assert!(registered || !unregistered);
        settle(runtime, 0);
        assert_eq!(runtime.whereis_path("/a/b"), None);
        assert!(runtime.list_children("/").expect("the root").is_empty());
    });
}

// Links and monitors

#[test]
fn a_link_that_was_made_tells_exit_once_and_no_other_does() {
    for reversed in [false, true] {
        check(move |runtime, _| {
            let listener = runtime.spawn_observed(plain()).expect("a listener");
            let pid = spawn(runtime);
            let (linked, _) = race(
                runtime,
                move |runtime| {
                    let (a, b) = if reversed { (pid, listener) } else { (listener, pid) };
                    runtime.link(a, b).is_ok()
                },
                move |runtime| runtime.stop(pid),
            );
            settle(runtime, 1);
            assert_eq!(told(runtime, listener, SystemKind::Exit), usize::from(linked));
            let left = runtime.actor_info(listener).expect("the listener lives").links;
            assert!(left.is_empty(), "linked to an actor that is gone: {left:?}");
        });
    }
}

#[test]
fn what_was_unlinked_is_silent() {
    check(|runtime, _| {
        let listener = runtime.spawn_observed(plain()).expect("a listener");
        let pid = spawn(runtime);
        runtime.link(listener, pid).expect("both live");
        let (unlinked, _) =
            race(runtime, move |runtime| runtime.unlink(listener, pid), move |runtime| runtime.stop(pid));
        settle(runtime, 1);
        assert_eq!(told(runtime, listener, SystemKind::Exit), usize::from(!unlinked));
    });
}

#[test]
fn a_monitor_tells_down_once_unless_it_was_taken_back() {
    check(|runtime, _| {
        let watcher = runtime.spawn_observed(plain()).expect("a watcher");
        let pid = spawn(runtime);
        let (monitored, _) = race(
            runtime,
            move |runtime| {
                let kept = runtime.monitor(pid, watcher).is_ok();
                let taken_back = runtime.monitor(pid, watcher).is_ok_and(|id| !runtime.demonitor(id));
                usize::from(kept) + usize::from(taken_back)
            },
            move |runtime| runtime.stop(pid),
        );
        settle(runtime, 1);
        assert_eq!(told(runtime, watcher, SystemKind::Down), monitored);
    });
}

#[test]
fn two_linked_actors_that_end_at_once_leave_nothing() {
    check(|runtime, _| {
        let (a, b) = (spawn(runtime), spawn(runtime));
        runtime.link(a, b).expect("both live");
        runtime.monitor(a, b).expect("both live");
        runtime.monitor(b, a).expect("both live");
        race(
            runtime,
            move |runtime| runtime.stop(a),
            move |runtime| runtime.send(b, b"crash".into()).is_ok(),
        );
        settle(runtime, 0);
    });
}

// Running

#[test]
fn a_swap_and_a_stop_that_race_with_messages_keep_the_count() {
    check(|runtime, _| {
        let (old, new) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counting = |count: &Arc<AtomicUsize>| {
            let count = Arc::clone(count);
            move |_: &Context<'_>, _: Message| {
                count.fetch_add(1, Ordering::Relaxed);
                Flow::Continue
            }
        };
        let successor: Arc<dyn Behaviour> = Arc::new(counting(&new));
        let pid = runtime.spawn(counting(&old), plain()).expect("an actor");
        let (accepted, ()) = race(
            runtime,
            move |runtime| (0..3).filter(|_| runtime.send(pid, b"x".into()).is_ok()).count(),
            move |runtime| {
                runtime.hot_swap(pid, successor).expect("it lives");
                let before = old.load(Ordering::Relaxed);
                // What was in progress when the swap came may end under the old code; nothing else meets it.
                runtime.stop(pid);
                assert!(runtime.join(pid, None));
                assert!(old.load(Ordering::Relaxed) <= before + 1, "the old code went on after the swap");
            },
        );
        settle(runtime, 0);
        let stats = runtime.stats();
        assert_eq!(stats.sent, 3);
        assert_eq!(usize::try_from(stats.handled).expect("few"), accepted - exited(runtime));
        assert!(new.load(Ordering::Relaxed) <= accepted);
    });
}

fn exited(runtime: &Runtime) -> usize {
    let letters = runtime.dead_letters();
    let exited = letters.iter().find(|(reason, _)| *reason == "ActorExited").map_or(0, |(_, count)| *count);
    usize::try_from(exited).expect("few")
}

#[test]
fn two_who_stop_one_actor_end_it_once() {
    check(|runtime, _| {
        let ended = Arc::new(AtomicUsize::new(0));
        let pid = spawn(runtime);
        let count = Arc::clone(&ended);
        runtime.on_exit(pid, Box::new(move |_, _| assert_eq!(count.fetch_add(1, Ordering::Relaxed), 0)));
        runtime.send(pid, b"x".into()).expect("it lives");
        race(runtime, move |runtime| runtime.stop(pid), move |runtime| runtime.stop(pid));
        settle(runtime, 0);
        assert_eq!((ended.load(Ordering::Relaxed), runtime.stats().exited), (1, 1));
    });
}

#[test]
fn a_sender_that_waits_for_room_is_let_in_or_told_of_the_end() {
    for stops in [false, true] {
        check(move |runtime, _| {
            let options =
                SpawnOptions { bounds: Some(Bounds::messages(1)), overflow: Overflow::Block, ..plain() };
            let pid = runtime.spawn(handle, options).expect("an actor");
            let send =
                move |runtime: &Runtime| (0..3).filter(|_| runtime.send(pid, b"x".into()).is_ok()).count();
            let (one, other) =
                race(
                    runtime,
                    send,
                    move |runtime| if stops { usize::from(runtime.stop(pid)) } else { send(runtime) },
                );
            if stops {
                assert!(runtime.join(pid, None));
            } else {
                assert_eq!((one, other), (3, 3));
            }
        });
    }
}

#[test]
fn a_pull_actor_sleeps_on_no_message_and_on_no_stop() {
    check(|runtime, _| {
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        let function = move |mailbox: &mut Mailbox| {
            while mailbox.recv(None).is_some() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        };
        let pid = runtime.spawn_thread(function, plain()).expect("an actor");
        let (accepted, _) = race(
            runtime,
            move |runtime| (0..2).filter(|_| runtime.send(pid, b"x".into()).is_ok()).count(),
            move |runtime| runtime.stop(pid),
        );
        settle(runtime, 0);
        assert_eq!(seen.load(Ordering::Relaxed) + exited(runtime), accepted);
    });
}

#[test]
fn an_ask_is_answered_or_fails_whatever_becomes_of_its_target() {
    check(|runtime, hand| {
        let pid = spawn(runtime);
        let later = runtime.downgrade();
        let asker =
            thread::spawn(move || later.ask_blocking(pid, b"who".into(), Some(Duration::from_millis(5))));
        let stopper = runtime.downgrade();
        let stopper = thread::spawn(move || stopper.stop(pid));
        hand.advance(Duration::from_millis(10));
        stopper.join().expect("the stopper");
        let _ = asker.join().expect("the asker");
        settle(runtime, 0);
        // An ask that was set after the clock moved is ended by its target's end, and takes its timer along.
        assert_eq!(runtime.stats().timers, 0);
    });
}

// Children

#[test]
fn a_child_that_comes_while_its_parent_ends_ends_too() {
    check(|runtime, _| {
        let parent = spawn(runtime);
        let (child, _) = race(
            runtime,
            move |runtime| runtime.spawn(handle, SpawnOptions { parent: Some(parent), ..plain() }).ok(),
            move |runtime| runtime.stop(parent),
        );
        settle(runtime, 0);
        assert!(child.is_none_or(|child| !runtime.is_alive(child)));
    });
}

#[test]
fn a_parent_ends_when_its_last_child_is_stopped_meanwhile() {
    check(|runtime, _| {
        let parent = spawn(runtime);
        let below = || SpawnOptions { parent: Some(parent), ..plain() };
        let child = runtime.spawn(handle, below()).expect("the parent lives");
        runtime.send(child, b"x".into()).expect("it lives");
        race(runtime, move |runtime| runtime.stop(parent), move |runtime| runtime.stop(child));
        assert!(runtime.join(child, None) && runtime.join(parent, None));
    });
}

#[test]
fn a_child_that_ends_while_it_is_spawned_holds_no_parent_up() {
    check(|runtime, _| {
        let parent = spawn(runtime);
        race(
            runtime,
            move |runtime| runtime.spawn(handle, SpawnOptions { parent: Some(parent), ..plain() }).is_ok(),
            move |runtime| {
                let found: Vec<_> = runtime.shared().table.slots().filter_map(|(_, pid)| pid).collect();
                found.into_iter().filter(|pid| *pid != parent).for_each(|pid| {
                    runtime.stop(pid);
                });
            },
        );
        runtime.stop(parent);
        assert!(runtime.join(parent, None));
    });
}

// Timers

#[test]
fn a_timer_fires_or_is_cancelled() {
    check(|runtime, hand| {
        let fired = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&fired);
        let counting = move |context: &Context<'_>, message: Message| {
            count.fetch_add(1, Ordering::Relaxed);
            handle(context, message)
        };
        let pid = runtime.spawn(counting, plain()).expect("an actor");
        let timer = runtime.send_after(pid, 5, b"x".into()).expect("a timer");
        let canceller = runtime.downgrade();
        let canceller = thread::spawn(move || canceller.cancel_timer(timer));
        hand.advance(Duration::from_millis(10));
        let cancelled = canceller.join().expect("the canceller");
        assert!(answers(runtime, pid));
        assert_eq!(fired.load(Ordering::Relaxed), 1 + usize::from(!cancelled));
    });
}

#[test]
fn a_virtual_actor_that_retires_loses_no_message_unaccounted() {
    check(|runtime, hand| {
        let options = SpawnOptions { idle_timeout: Some(Duration::from_millis(5)), ..plain() };
        let pid = runtime.spawn(handle, options).expect("an actor");
        assert!(answers(runtime, pid));
        let sender = runtime.downgrade();
        let sender = thread::spawn(move || sender.ask_blocking(pid, b"who".into(), None).is_ok());
        hand.advance(Duration::from_millis(6));
        let answered = sender.join().expect("the sender");
        assert!(answered || !runtime.is_alive(pid));
        while runtime.is_alive(pid) {
            hand.advance(Duration::from_millis(5));
            thread::yield_now();
        }
        settle(runtime, 0);
    });
}

// Shutdown

#[test]
fn a_shutdown_ends_what_comes_meanwhile() {
    check(|runtime, _| {
        let parent = spawn(runtime);
        let late = move |runtime: &Runtime| {
            let spawned = runtime.spawn(handle, SpawnOptions { name: Some("late".into()), ..plain() });
            let child = runtime.spawn(handle, SpawnOptions { parent: Some(parent), ..plain() });
            let sent = spawned.as_ref().is_ok_and(|pid| runtime.send(*pid, b"x".into()).is_ok());
            let asked = runtime.ask_blocking(parent, b"who".into(), None);
            (spawned.is_ok(), child.is_ok(), sent, asked.is_ok())
        };
        let (_, report) = race(runtime, late, |runtime| runtime.shutdown(PATIENCE));
        assert!(report.unfinished.is_empty(), "{report:?}");
    });
}

#[test]
fn two_shutdowns_at_once_end_everything_once() {
    check(|runtime, _| {
        let (parent, supervisor) = (spawn(runtime), runtime.root_supervisor().expect("the first"));
        runtime.watch(supervisor, parent, Strategy::OneForOne).expect("both live");
        runtime.spawn(handle, SpawnOptions { parent: Some(parent), ..plain() }).expect("the parent lives");
        runtime.send(parent, b"crash".into()).expect("it lives");
        race(runtime, |runtime| runtime.shutdown(PATIENCE), |runtime| runtime.shutdown(Duration::ZERO));
    });
}
