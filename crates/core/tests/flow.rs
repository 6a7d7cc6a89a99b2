//! The flow of messages: waits for room, turns of those that wait behind others, code of users that runs under no lock.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use bytes::Bytes;
use common::nodes::HERE;
use common::{Bell, DEADLINE, Gate, bytes, collector, eventually, plain, runtime};
use iris_core::{
    Bounds, Context, Error, Flow, HostedLane, Incoming, LaneHost, MeshOptions, Message, Overflow, Own,
    Payload, Pid, PullMailbox, Received, Refusal, Runtime, RuntimeOptions, SpawnOptions, Waiter,
};

struct Host;

impl LaneHost for Host {
    fn wake(&self) {}
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Waiter for Woken {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Calls something when it goes.
struct Last<F: Fn()>(F);

impl<F: Fn()> Drop for Last<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl<F: Fn()> AsRef<[u8]> for Last<F> {
    fn as_ref(&self) -> &[u8] {
        &[b'x'; 100]
    }
}

fn bounded(messages: usize, overflow: Overflow) -> SpawnOptions {
    SpawnOptions { bounds: Some(Bounds::messages(messages)), overflow, ..plain() }
}

/// An actor that nobody runs, with room for one message, and that one.
fn full(runtime: &Runtime, lane: &HostedLane, overflow: Overflow) -> Pid {
    let options = SpawnOptions { lane: lane.id(), ..bounded(1, overflow) };
    let pid = runtime.spawn(collector().0, options).unwrap();
    runtime.send(pid, b"1".into()).unwrap();
    pid
}

/// On a thread of its own, since it may never return.
fn returns<T: Send + 'static>(what: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(act()));
    told.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("{what} does not return"))
}

#[test]
fn a_spilled_message_goes_under_no_lock() {
    let runtime = runtime();
    let lane = runtime.add_lane(Arc::new(Host)).unwrap();
    let pid = full(&runtime, &lane, Overflow::Spill(None));
    let sender = runtime.downgrade();
    let message = Last(move || drop(sender.try_send(pid, b"last words".into())));
    let sender = runtime.clone();
    returns("a send", move || sender.send(pid, Payload::from(Bytes::from_owner(message))).unwrap());
    assert_eq!(runtime.mailbox_size(pid), Some(3));
}

#[test]
fn a_function_that_a_swap_has_no_use_for_goes_under_no_lock() {
    let runtime = runtime();
    let mailbox = runtime.spawn_pull(plain(), Arc::new(Bell::default())).unwrap();
    let pid = mailbox.pid();
    runtime.hot_swap_pull(pid, None, Arc::new(())).unwrap();
    let looks = runtime.downgrade();
    let unused = Last(move || drop(looks.behavior_version(pid)));
    let swaps = runtime.downgrade();
    let version = returns("a swap", move || swaps.hot_swap_pull(pid, Some(Arc::new(unused)), Arc::new(())));
    assert_eq!(version.unwrap(), 3);
}

#[test]
fn what_waits_behind_a_stuck_handler_is_run_by_the_busy() {
    let runtime = Runtime::with_options(RuntimeOptions { workers: 2, ..RuntimeOptions::default() }).unwrap();
    let talks = Arc::new(AtomicUsize::new(0));
    let peers = Arc::new(OnceLock::<[Pid; 2]>::new());
    let talker = |other: usize| {
        let (talks, peers) = (Arc::clone(&talks), Arc::clone(&peers));
        let handler = move |context: &Context<'_>, _: Message| {
            talks.fetch_add(1, Ordering::Relaxed);
            let _ = context.send(peers.get().unwrap()[other], b"more");
            Flow::Continue
        };
        runtime.spawn(handler, plain()).unwrap()
    };
    let pair = [talker(1), talker(0)];
    peers.set(pair).unwrap();
    let (first, first_heard) = collector();
    let (second, second_heard) = collector();
    let (first, second) = (runtime.spawn(first, plain()).unwrap(), runtime.spawn(second, plain()).unwrap());
    let gate = Gate::default();
    let (waits, talked) = (gate.clone(), Arc::clone(&talks));
    let stuck = move |context: &Context<'_>, _: Message| {
        // They talk on the other worker by then, which is never idle.
        let before = talked.load(Ordering::Relaxed);
        eventually("the others talk", || talked.load(Ordering::Relaxed) > before + 100);
        context.send(first, b"first").unwrap();
        context.send(second, b"second").unwrap();
        waits.pass();
        Flow::Continue
    };
    let stuck = runtime.spawn(stuck, plain()).unwrap();
    runtime.send(pair[0], b"begin".into()).unwrap();
    runtime.send(stuck, b"go".into()).unwrap();
    gate.wait_for_one_inside();
    assert_eq!(second_heard.recv_timeout(DEADLINE / 2).unwrap(), b"second");
    assert_eq!(first_heard.recv_timeout(DEADLINE / 2).unwrap(), b"first");
    gate.open();
}

fn mailbox_full(runtime: &Runtime) -> u64 {
    runtime.dead_letters().into_iter().find(|(reason, _)| *reason == "MailboxFull").unwrap().1
}

#[test]
fn an_offer_along_a_redirect_that_finds_no_room_is_not_counted() {
    for overflow in [Overflow::DropNewest, Overflow::Block] {
        let runtime = runtime();
        let lane = runtime.add_lane(Arc::new(Host)).unwrap();
        let last = full(&runtime, &lane, overflow);
        let first = full(&runtime, &lane, Overflow::Redirect(last));
        let refused = runtime.offer(first, b"2".into()).unwrap_err();
        assert_eq!((refused.refusal, mailbox_full(&runtime)), (Refusal::WouldBlock, 0), "{overflow:?}");
    }
}

#[test]
fn an_offer_to_another_node_waits_for_room_alone() {
    let there = runtime();
    let options = || MeshOptions { payload_max: 5_000, window: 70_000, ..MeshOptions::default() };
    let address = there.listen(HERE, Some(options())).unwrap();
    let kept = there.spawn_observed(plain()).unwrap();
    there.register("kept", kept).unwrap();
    let here = runtime();
    here.start_mesh(options()).unwrap();
    let proxy = here.resolve_remote(&address.to_string(), "kept").unwrap().unwrap();
    for overflow in [Overflow::DropNewest, Overflow::Block] {
        here.set_overflow(proxy, overflow).unwrap();
        let refused = loop {
            if let Err(refused) = here.offer(proxy, vec![0; 4_000].into()) {
                break refused.refusal;
            }
        };
        assert_eq!((refused, mailbox_full(&here)), (Refusal::WouldBlock, 0), "{overflow:?}");
    }
    let refused = here.offer(proxy, vec![0; 6_000].into()).unwrap_err();
    assert_eq!((refused.refusal, refused.payload.len()), (Refusal::TooLarge, 6_000));
    assert_eq!(mailbox_full(&here), 1);
}

fn offered(runtime: &Runtime, mailbox: &PullMailbox, text: &str) -> bool {
    runtime.try_send(mailbox.pid(), text.as_bytes().into()).is_ok()
}

fn select(mailbox: &mut PullMailbox, text: &str) -> Option<Incoming> {
    match mailbox.select::<Error>(&mut |incoming| Ok(bytes(incoming) == text.as_bytes())).unwrap() {
        Received::Message(incoming) => Some(incoming),
        Received::Empty => None,
        Received::Stopped => panic!("nobody stopped it"),
    }
}

#[test]
fn what_a_select_passes_over_counts_against_the_bounds() {
    let runtime = runtime();
    for overflow in [Overflow::DropNewest, Overflow::Block, Overflow::DropOldest] {
        let mut mailbox = runtime.spawn_pull(bounded(2, overflow), Arc::new(Bell::default())).unwrap();
        let drops = overflow == Overflow::DropOldest;
        for number in 0..10 {
            assert_eq!(
                offered(&runtime, &mailbox, &format!("{number}")),
                drops || number < 2,
                "{overflow:?}"
            );
            assert!(select(&mut mailbox, "none").is_none());
            assert!(runtime.mailbox_size(mailbox.pid()).unwrap() <= 2, "{overflow:?}");
        }
        let (first, second) = if drops { ("8", "9") } else { ("0", "1") };
        assert!(select(&mut mailbox, second).is_some(), "{overflow:?}");
        assert!(offered(&runtime, &mailbox, "last"), "{overflow:?}");
        for expected in [first, "last"] {
            let Received::Message(incoming) = mailbox.try_recv() else { panic!("{expected} is missing") };
            assert_eq!(bytes(&incoming), expected.as_bytes(), "{overflow:?}");
        }
        assert!(offered(&runtime, &mailbox, "a") && offered(&runtime, &mailbox, "b"), "{overflow:?}");
    }
    assert!(runtime.dead_letters().contains(&("DroppedOldest", 8)));
}

#[test]
fn a_select_looks_at_what_was_spilled() {
    let runtime = runtime();
    let mut mailbox =
        runtime.spawn_pull(bounded(2, Overflow::Spill(None)), Arc::new(Bell::default())).unwrap();
    for number in 0..10 {
        assert!(offered(&runtime, &mailbox, &format!("{number}")));
        assert!(select(&mut mailbox, "none").is_none());
    }
    assert!(select(&mut mailbox, "9").is_some());
    for expected in 0..9 {
        let Received::Message(incoming) = mailbox.try_recv() else { panic!("{expected} is missing") };
        assert_eq!(bytes(&incoming), expected.to_string().as_bytes());
    }
}

#[test]
fn a_taker_leaves_the_next_reader_to_be_woken() {
    let runtime = runtime();
    let pid = runtime.spawn_observed(plain()).unwrap();
    runtime.send(pid, b"a".into()).unwrap();
    let woken = Arc::new(Woken::default());
    let found = runtime.select_observed::<Error>(pid, &mut |_| {
        // Another reader finds nothing meanwhile, and waits.
        assert!(runtime.take_observed(pid)?.is_empty());
        runtime.notify_observed(pid, Arc::clone(&woken) as _)?;
        Ok(false)
    });
    assert!(found.unwrap().is_none());
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
}

#[test]
fn a_virtual_actor_that_is_sent_to_by_a_redirect_retires() {
    let runtime = runtime();
    let lane = runtime.add_lane(Arc::new(Host)).unwrap();
    let (behaviour, heard) = collector();
    let options = SpawnOptions { idle_timeout: Some(Duration::from_millis(1)), ..plain() };
    let retires = runtime.spawn(behaviour, options).unwrap();
    let first = full(&runtime, &lane, Overflow::Redirect(retires));
    runtime.send(first, b"2".into()).unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"2");
    assert!(runtime.join(retires, Some(DEADLINE)));
}

#[test]
fn a_future_that_wakes_itself_leaves_others_their_turn() {
    let runtime = runtime();
    let lane = runtime.add_lane(Arc::new(Host)).unwrap();
    let options = || SpawnOptions { lane: lane.id(), ..plain() };
    let never = |_: Own, _: Message| {
        std::future::poll_fn(|context: &mut std::task::Context<'_>| {
            context.waker().wake_by_ref();
            std::task::Poll::<Flow>::Pending
        })
    };
    let restless = runtime.spawn_async(never, options()).unwrap();
    let (other, heard) = collector();
    let other = runtime.spawn(other, options()).unwrap();
    runtime.send(restless, b"go".into()).unwrap();
    runtime.send(other, b"x".into()).unwrap();
    let drained = Arc::clone(&lane);
    returns("a turn", move || (0..2).for_each(|_| assert!(drained.drain_one())));
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"x");
    assert!(runtime.stop(restless) && lane.drain_one());
    assert!(runtime.join(restless, Some(DEADLINE)));
}

/// In a process of its own: all its threads do without memory for a moment.
#[cfg(target_os = "linux")]
#[test]
fn workers_that_cannot_be_started_are_started_later() {
    const ALONE: &str = "IRIS_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return cannot_start_workers();
    }
    let name = "workers_that_cannot_be_started_are_started_later";
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let output = command.args([name, "--exact", "--test-threads=1"]).env(ALONE, "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[cfg(target_os = "linux")]
fn cannot_start_workers() {
    let runtime = runtime();
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let used = status.split(' ').next().unwrap().parse::<u64>().unwrap() * 4096;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointers are to a local, and a smaller limit takes nothing from what there is.
    unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) };
    let little = libc::rlimit { rlim_cur: used + (1 << 20), ..limit };
    // SAFETY: as above.
    unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const little) };
    let refused = runtime.spawn(collector().0, plain());
    // SAFETY: as above.
    unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) };
    assert!(refused.is_err(), "there was room for a thread");
    let (behaviour, heard) = collector();
    let pid = runtime.spawn(behaviour, plain()).unwrap();
    runtime.send(pid, b"x".into()).unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"x");
}
