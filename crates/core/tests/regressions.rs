//! Faults that were found and mended, each as the smallest program that showed it.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

use common::{DEADLINE, Gate, bytes, collector, counter, eventually, fragile, gated_collector, runtime};
use iris_core::{
    AskOptions, Backoff, Behaviour, Bounds, ChildSpec, Context, Error, ErrorKind, ExitReason, Factory,
    Failure, Flow, Incoming, Mailbox, Message, Overflow, Own, Pid, Refusal, Restart, Runtime, RuntimeOptions,
    SpawnOptions, StartDone, Strategy, SupervisorOptions,
};

/// How long the late stops are raced: thousands of rounds.
const RACE: Duration = Duration::from_millis(500);
/// Well above the grace in which a shutdown ends what it killed.
const SHUTDOWN: Duration = Duration::from_secs(1);
/// A line of actors this long, each stopped within its parent's stop, would need more than a thread's stack.
const DESCENDANTS: usize = 50_000;

fn with_workers(workers: usize) -> Runtime {
    Runtime::with_options(RuntimeOptions { workers, ..RuntimeOptions::default() }).unwrap()
}

/// Restarted in place by `supervisor`.
fn under(supervisor: Pid) -> SpawnOptions {
    let supervisor = Some(ChildSpec { supervisor, restart: Restart::Permanent });
    SpawnOptions { supervisor, ..SpawnOptions::default() }
}

/// Ends with `parent`.
fn below(parent: Pid) -> SpawnOptions {
    SpawnOptions { parent: Some(parent), ..SpawnOptions::default() }
}

fn spawn_collector(runtime: &Runtime) -> (Pid, Receiver<Vec<u8>>) {
    let (behaviour, heard) = collector();
    (runtime.spawn(behaviour, SpawnOptions::default()).unwrap(), heard)
}

/// An actor that has taken its first message, and waits at the gate.
fn spawn_stuck(runtime: &Runtime, gate: &Gate, options: SpawnOptions) -> (Pid, Receiver<Vec<u8>>) {
    let (behaviour, heard) = gated_collector(gate);
    let pid = runtime.spawn(behaviour, options).unwrap();
    runtime.send(pid, b"0".into()).unwrap();
    gate.wait_for_one_inside();
    (pid, heard)
}

fn hear(heard: &Receiver<Vec<u8>>, count: usize) -> Vec<String> {
    let heard = (0..count).map(|_| String::from_utf8(heard.recv_timeout(DEADLINE).unwrap()).unwrap());
    heard.collect()
}

// Slots that are used again

#[test]
fn a_stop_that_comes_late_leaves_the_next_actor_alone() {
    let runtime = runtime();
    let ends_itself = |_: &Context<'_>, _: Message| Flow::Stop(ExitReason::Normal);
    let goes_on = |_: &Context<'_>, _: Message| Flow::Continue;
    let target = AtomicU64::new(0);
    let until = Instant::now() + RACE;
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while Instant::now() < until {
                    if let Some(pid) = Pid::from_u64(target.load(Ordering::Relaxed)) {
                        runtime.stop(pid);
                    }
                }
            });
        }
        while Instant::now() < until {
            let ended = runtime.spawn(ends_itself, SpawnOptions::default()).unwrap();
            runtime.send(ended, b"end".into()).unwrap();
            target.store(ended.get(), Ordering::Relaxed);
            eventually("the actor's end", || runtime.mailbox_size(ended).is_none());
            let next = runtime.spawn(goes_on, SpawnOptions::default()).unwrap();
            assert!((0..20).all(|_| runtime.is_alive(next)), "a stranger's stop closed actor {next}");
            assert!(runtime.stop(next));
        }
    });
}

#[test]
fn what_an_observed_actor_kept_is_not_counted_for_the_next_in_its_slot() {
    let runtime = runtime();
    let (tell, emptied) = mpsc::channel();
    let emptied_is_told = runtime.on_empty(Box::new(move || tell.send(()).unwrap()));
    assert!(emptied_is_told);
    let observed = runtime.spawn_observed(SpawnOptions::default()).unwrap();
    for text in ["a", "b", "c"] {
        runtime.send(observed, text.as_bytes().into()).unwrap();
    }
    let mut matcher = |incoming: &Incoming| {
        if bytes(incoming) == b"a" {
            runtime.stop(observed);
            emptied.recv_timeout(DEADLINE).unwrap();
        }
        Ok::<_, Error>(bytes(incoming) == b"b")
    };
    let found = runtime.select_observed(observed, &mut matcher).unwrap();
    assert_eq!(found.as_ref().map(bytes), Some(&b"b"[..]));
    let next = runtime.spawn_observed(SpawnOptions::default()).unwrap();
    let slot = |pid: Pid| pid.get() % (1 << 28);
    assert_eq!(slot(next), slot(observed), "the test is about an actor of the same slot");
    assert_eq!(runtime.mailbox_size(next), Some(0));
    assert_eq!(runtime.stats().queued, 0);
    assert!(runtime.dead_letters().contains(&("ActorExited", 2)));
    runtime.send(next, b"d".into()).unwrap();
    assert_eq!(runtime.mailbox_size(next), Some(1));
}

// Whose fault it is, and whose not

#[test]
fn a_panic_in_the_completion_of_an_ask_hurts_nobody() {
    let (runtime, gate) = (with_workers(1), Gate::default());
    let door = gate.clone();
    let ends_itself = move |_: &Context<'_>, _: Message| {
        door.pass();
        Flow::Stop(ExitReason::Normal)
    };
    let pid = runtime.spawn(ends_itself, SpawnOptions::default()).unwrap();
    runtime.send(pid, b"end".into()).unwrap();
    gate.wait_for_one_inside();
    let completion = Box::new(|outcome: Result<_, _>| panic!("told to panic: {:?}", outcome.err()));
    runtime.ask_with(pid, b"ask".into(), AskOptions::default(), completion);
    gate.open();
    assert!(runtime.join(pid, Some(DEADLINE)));
    let (other, heard) = spawn_collector(&runtime);
    runtime.send(other, b"x".into()).unwrap();
    assert_eq!(hear(&heard, 1), ["x"]);
}

#[test]
fn whom_a_stuck_handler_sent_to_runs_elsewhere() {
    let (runtime, gate) = (with_workers(2), Gate::default());
    let (told, heard) = spawn_collector(&runtime);
    let (busy, _handled) = counter();
    let busy = runtime.spawn(busy, SpawnOptions::default()).unwrap();
    // The other worker has turns all the time: it is no stand-still of the pool that helps.
    runtime.send_interval(busy, 5, b"beat".into()).unwrap();
    let door = gate.clone();
    let sends_and_waits = move |context: &Context<'_>, _: Message| {
        context.send(told, b"x").unwrap();
        door.pass();
        Flow::Continue
    };
    let stuck = runtime.spawn(sends_and_waits, SpawnOptions::default()).unwrap();
    runtime.send(stuck, b"go".into()).unwrap();
    // Half of what the gate waits for.
    let heard = heard.recv_timeout(DEADLINE / 2);
    gate.open();
    assert_eq!(heard.unwrap(), b"x");
}

#[test]
fn a_swap_of_a_suspended_async_actor_lets_its_future_end() {
    let runtime = runtime();
    let (tell, wakers) = mpsc::channel::<Waker>();
    let done = Arc::new(AtomicBool::new(false));
    let is_done = Arc::clone(&done);
    let waits = move |_: Own, _: Message| {
        let (tell, is_done) = (tell.clone(), Arc::clone(&is_done));
        async move {
            poll_fn(|context| {
                if is_done.load(Ordering::SeqCst) {
                    return Poll::Ready(());
                }
                tell.send(context.waker().clone()).unwrap();
                Poll::Pending
            })
            .await;
            Flow::Continue
        }
    };
    let pid = runtime.spawn_async(waits, SpawnOptions::default()).unwrap();
    runtime.send(pid, b"old".into()).unwrap();
    let waker = wakers.recv_timeout(DEADLINE).unwrap();
    let (behaviour, heard) = collector();
    runtime.hot_swap(pid, Arc::new(behaviour)).unwrap();
    done.store(true, Ordering::SeqCst);
    waker.wake();
    runtime.send(pid, b"new".into()).unwrap();
    assert_eq!(hear(&heard, 1), ["new"]);
}

// Parents and children

#[test]
fn a_dropped_async_mailbox_ends_its_actor_and_children() {
    let (runtime, gate) = (runtime(), Gate::default());
    let mut mailbox = runtime.spawn_mailbox(SpawnOptions::default()).unwrap();
    let pid = mailbox.pid();
    let (child, _heard) = spawn_stuck(&runtime, &gate, below(pid));
    let waits = pin!(mailbox.recv()).poll(&mut TaskContext::from_waker(Waker::noop())).is_pending();
    assert!(waits);
    drop(mailbox);
    gate.open();
    assert!(runtime.join(child, Some(DEADLINE)));
    assert!(runtime.join(pid, Some(DEADLINE)));
}

#[test]
fn pull_parents_and_children_end_without_rust_actors() {
    let (runtime, gate) = (runtime(), Gate::default());
    let door = gate.clone();
    let parent = runtime.spawn_thread(move |_: &mut Mailbox| door.pass(), SpawnOptions::default()).unwrap();
    let until_told = |mailbox: &mut Mailbox| while mailbox.recv(None).is_some() {};
    let child = runtime.spawn_thread(until_told, below(parent)).unwrap();
    gate.open();
    assert!(runtime.join(child, Some(DEADLINE)));
    assert!(runtime.join(parent, Some(DEADLINE)));
}

/// A line of actors, each the child of the one before: the first and the last.
fn long_line(runtime: &Runtime) -> (Pid, Pid) {
    let (behaviour, _handled) = counter();
    let behaviour: Arc<dyn Behaviour> = Arc::new(behaviour);
    let first = runtime.spawn_shared(Arc::clone(&behaviour), SpawnOptions::default()).unwrap();
    let mut last = first;
    for _ in 0..DESCENDANTS {
        last = runtime.spawn_shared(Arc::clone(&behaviour), below(last)).unwrap();
    }
    (first, last)
}

#[test]
fn a_long_line_of_descendants_ends() {
    let runtime = runtime();
    let (first, last) = long_line(&runtime);
    runtime.stop(first);
    assert!(runtime.join(first, Some(DEADLINE)));
    assert!(!runtime.is_alive(last));
}

#[test]
fn a_runtime_is_closed_while_a_long_line_of_descendants_ends() {
    for _ in 0..5 {
        let runtime = runtime();
        let (first, _last) = long_line(&runtime);
        runtime.stop(first);
        runtime.shutdown(Duration::ZERO);
        eventually("all of the line to end", || runtime.live_actors() == 0);
    }
}

#[test]
fn a_parent_and_a_supervisor_are_too_many() {
    let runtime = runtime();
    let supervisor = runtime.spawn_supervisor(SupervisorOptions::default()).unwrap();
    let (parent, _heard) = spawn_collector(&runtime);
    let (behaviour, _heard) = collector();
    let options = SpawnOptions { parent: Some(parent), ..under(supervisor) };
    let error = runtime.spawn(behaviour, options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(runtime.child_pids(supervisor).unwrap().is_empty());
}

// Supervision

#[test]
fn a_factory_that_panics_is_a_failed_start() {
    let runtime = runtime();
    let root = runtime.root_supervisor().unwrap();
    let (first, _heard) = spawn_collector(&runtime);
    let (tell, made) = mpsc::channel();
    let (handle, calls) = (runtime.downgrade(), AtomicUsize::new(0));
    let factory = move || -> Result<Pid, Failure> {
        assert_ne!(calls.fetch_add(1, Ordering::SeqCst), 0, "told to panic");
        let (pid, _heard) = spawn_collector(&handle);
        tell.send(pid).unwrap();
        Ok(pid)
    };
    runtime.supervise_with_factory(root, first, Arc::new(factory), Strategy::OneForOne).unwrap();
    runtime.stop(first);
    let next = made.recv_timeout(DEADLINE).unwrap();
    eventually("the successor is a child", || runtime.child_pids(root).unwrap() == [next]);
    assert_eq!(runtime.root_supervisor().unwrap(), root);
}

/// A factory that waits at a gate, beside the worker that called it.
struct Slow {
    runtime: Runtime,
    gate: Gate,
}

impl Factory for Slow {
    fn start(&self, done: StartDone) {
        let (runtime, gate) = (self.runtime.clone(), self.gate.clone());
        std::thread::spawn(move || {
            gate.pass();
            done.complete(Ok(spawn_collector(&runtime).0));
        });
    }
}

#[test]
fn an_actor_supervised_again_is_replaced_once() {
    let (runtime, gate) = (runtime(), Gate::default());
    // One restart of each child: a second one of either would be the supervisor's end.
    let options = SupervisorOptions { intensity: 2, ..SupervisorOptions::default() };
    let supervisor = runtime.spawn_supervisor(options).unwrap();
    let (twice, _heard) = spawn_collector(&runtime);
    let slow: Arc<dyn Factory> = Arc::new(Slow { runtime: runtime.downgrade(), gate: gate.clone() });
    let supervise = |pid, factory: &Arc<dyn Factory>| {
        runtime.supervise_with_factory(supervisor, pid, Arc::clone(factory), Strategy::OneForOne).unwrap();
    };
    supervise(twice, &slow);
    assert!(runtime.unsupervise(twice));
    supervise(twice, &slow);
    let (tell, made) = mpsc::channel();
    let handle = runtime.downgrade();
    let quick: Arc<dyn Factory> = Arc::new(move || {
        let (pid, _heard) = spawn_collector(&handle);
        tell.send(pid).unwrap();
        Ok(pid)
    });
    let (other, _heard) = spawn_collector(&runtime);
    supervise(other, &quick);
    runtime.stop(twice);
    assert!(runtime.join(twice, Some(DEADLINE)));
    runtime.stop(other);
    // The supervisor hears in order: when it has the other replaced, it has heard all about the first.
    let other = made.recv_timeout(DEADLINE).unwrap();
    gate.open();
    eventually("two successors", || {
        let children = runtime.child_pids(supervisor).unwrap();
        children.len() == 2 && children[0] != twice && children[1] == other
    });
    eventually("the supervisor and its children live", || runtime.live_actors() == 3);
    assert_eq!(runtime.stats().actors, 3);
}

#[test]
fn an_observed_actor_is_left_alone_by_a_restart_of_all() {
    let runtime = with_workers(1);
    let options = SupervisorOptions { strategy: Strategy::OneForAll, ..SupervisorOptions::default() };
    let supervisor = runtime.spawn_supervisor(options).unwrap();
    let observed = runtime.spawn_observed(under(supervisor)).unwrap();
    let (behaviour, heard) = fragile();
    let sibling = runtime.spawn(behaviour, under(supervisor)).unwrap();
    runtime.send(observed, b"kept".into()).unwrap();
    runtime.send(sibling, b"crash".into()).unwrap();
    runtime.send(sibling, b"here".into()).unwrap();
    assert_eq!(hear(&heard, 1), ["here"]);
    // The only worker comes to this one after those that the supervisor made ready.
    let (last, heard) = spawn_collector(&runtime);
    runtime.send(last, b"last".into()).unwrap();
    assert_eq!(hear(&heard, 1), ["last"]);
    let kept = runtime.take_observed(observed).unwrap();
    assert_eq!(kept.iter().map(bytes).collect::<Vec<_>>(), [b"kept"]);
    assert!(runtime.stop(observed));
    assert!(runtime.join(observed, Some(DEADLINE)));
}

#[test]
fn unsupervised_in_its_pause_an_actor_goes_on_alone() {
    let runtime = with_workers(1);
    let pause = Duration::from_hours(1);
    let backoff = Backoff::new(pause, pause).unwrap();
    let options = SupervisorOptions { backoff, ..SupervisorOptions::default() };
    let supervisor = runtime.spawn_supervisor(options).unwrap();
    let (behaviour, paused_heard) = fragile();
    let paused = runtime.spawn(behaviour, under(supervisor)).unwrap();
    for crashes in 1..=2 {
        runtime.send(paused, b"crash".into()).unwrap();
        eventually("the crash", || runtime.stats().crashed == crashes);
    }
    // The supervisor hears in order: when the sibling is back, the other's pause has begun.
    let (behaviour, heard) = fragile();
    let sibling = runtime.spawn(behaviour, under(supervisor)).unwrap();
    runtime.send(sibling, b"crash".into()).unwrap();
    runtime.send(sibling, b"here".into()).unwrap();
    assert_eq!(hear(&heard, 1), ["here"]);
    assert!(runtime.unsupervise(paused));
    assert_eq!(runtime.child_pids(supervisor).unwrap(), [sibling]);
    runtime.send(paused, b"again".into()).unwrap();
    assert_eq!(hear(&paused_heard, 1), ["again"]);
    runtime.send(paused, b"crash".into()).unwrap();
    assert!(runtime.join(paused, Some(DEADLINE)));
}

// Shutdown

#[test]
fn shutdown_waits_for_a_running_handler() {
    let (runtime, gate) = (runtime(), Gate::default());
    let (pid, _heard) = spawn_stuck(&runtime, &gate, SpawnOptions::default());
    assert_eq!(runtime.mailbox_size(pid), Some(0));
    assert!(!runtime.is_quiet());
    let begun = Instant::now();
    let report = runtime.shutdown(SHUTDOWN);
    assert!(begun.elapsed() >= SHUTDOWN, "it waited {:?} alone", begun.elapsed());
    assert_eq!((report.finished, report.killed, report.unfinished), (0, 0, vec![pid]));
    gate.open();
}

#[test]
fn an_observed_actor_does_not_hold_up_shutdown() {
    let runtime = runtime();
    let observed = runtime.spawn_observed(SpawnOptions::default()).unwrap();
    runtime.send(observed, b"unread".into()).unwrap();
    let begun = Instant::now();
    let report = runtime.shutdown(DEADLINE);
    assert!(begun.elapsed() < DEADLINE / 2, "it took {:?}", begun.elapsed());
    assert!(report.unfinished.is_empty());
}

// What waits leave behind

#[test]
fn a_join_that_ends_by_time_leaves_no_hook() {
    let runtime = runtime();
    let (pid, _heard) = spawn_collector(&runtime);
    let (tell, called) = mpsc::channel();
    let hook = |name: &'static str| {
        let tell = tell.clone();
        runtime.on_exit(pid, Box::new(move |_, _| tell.send(name).unwrap()))
    };
    let (before, joined, after) = (hook("before"), runtime.join(pid, Some(Duration::ZERO)), hook("after"));
    assert!(!joined);
    // Hooks are numbered from one counter, so the one of the join lies between these two.
    assert!(after - before > 1 && (before + 1..after).all(|hook| !runtime.forget_exit(pid, hook)));
    assert!(runtime.forget_exit(pid, before));
    assert!(!runtime.forget_exit(pid, before));
    runtime.stop(pid);
    assert!(runtime.join(pid, Some(DEADLINE)));
    assert!(!runtime.forget_exit(pid, after));
    assert_eq!(called.try_iter().collect::<Vec<_>>(), ["after"]);
}

// Bounds by bytes

fn bounded_by_bytes(bytes: usize, overflow: Overflow) -> SpawnOptions {
    let bounds = Some(Bounds { messages: usize::MAX, bytes });
    SpawnOptions { bounds, overflow, ..SpawnOptions::default() }
}

#[test]
fn a_message_waits_until_it_fits_by_its_bytes() {
    let (runtime, gate) = (runtime(), Gate::default());
    let (pid, heard) = spawn_stuck(&runtime, &gate, bounded_by_bytes(10, Overflow::Block));
    runtime.send(pid, b"12345678".into()).unwrap();
    // One that would fit into an empty mailbox, and one that is larger than the mailbox.
    for text in ["abc", "larger than all"] {
        let refused = runtime.try_send(pid, text.as_bytes().into()).unwrap_err();
        assert_eq!(refused.refusal, Refusal::WouldBlock);
        assert!(!runtime.wait_for_room(pid, Duration::from_millis(1)), "no room for {text:?}");
    }
    runtime.send(pid, b"90".into()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for text in ["abc", "larger than all", "d"] {
                runtime.send(pid, text.as_bytes().into()).unwrap();
            }
        });
        gate.open();
        assert_eq!(hear(&heard, 6), ["0", "12345678", "90", "abc", "larger than all", "d"]);
    });
}

#[test]
fn a_mailbox_bounded_by_bytes_spills_in_order() {
    let (runtime, gate) = (runtime(), Gate::default());
    let (pid, heard) = spawn_stuck(&runtime, &gate, bounded_by_bytes(10, Overflow::Spill(None)));
    let send = |numbers: std::ops::Range<usize>| {
        for number in numbers {
            runtime.send(pid, number.to_string().into_bytes().into()).unwrap();
        }
    };
    send(1..1_000);
    assert_eq!(runtime.mailbox_size(pid), Some(999));
    gate.open();
    // While it reads back what was spilled.
    send(1_000..2_000);
    let expected: Vec<String> = (0..2_000).map(|number| number.to_string()).collect();
    assert_eq!(hear(&heard, 2_000), expected);
    eventually("an empty mailbox", || runtime.mailbox_size(pid) == Some(0));
}
