//! What senders that wait for room are told, and what strangers leave in the mailbox.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::*;
use crate::behaviour::Flow;
use crate::context::Context;
use crate::lane::{HostedLane, LaneHost};
use crate::node::Node;
use crate::options::SpawnOptions;
use crate::runtime::Runtime;
use crate::send::Refusal;

const DEADLINE: Duration = Duration::from_secs(20);

struct Host;

impl LaneHost for Host {
    fn wake(&self) {}
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < until, "not in time: {what}");
        std::thread::yield_now();
    }
}

fn waiting(runtime: &Runtime, pid: Pid) -> usize {
    let cell = runtime.shared().table.get(pid).expect("an actor");
    let room = cell.look_at_details(pid, |details| details.bounded.as_ref().map(|bounded| bounded.room()));
    room.flatten().map_or(0, |room| room.waiting.load(Ordering::SeqCst))
}

fn block(lane: &HostedLane) -> SpawnOptions {
    let bounds = Some(Bounds::messages(1));
    SpawnOptions { lane: lane.id(), bounds, overflow: Overflow::Block, ..SpawnOptions::default() }
}

type Sender = JoinHandle<Result<(), Refusal>>;

fn sender(runtime: &Runtime, pid: Pid) -> Sender {
    let runtime = runtime.downgrade();
    std::thread::spawn(move || runtime.send(pid, b"x".into()).map_err(|error| error.refusal))
}

fn outcome(sender: Sender) -> Result<(), Refusal> {
    eventually("the wait for room ends", || sender.is_finished());
    sender.join().expect("the sender")
}

/// A full mailbox of an actor that nobody runs, and a sender that waits for room in it.
fn blocked() -> (Runtime, Arc<HostedLane>, Pid, Sender) {
    let runtime = Runtime::new().expect("a runtime");
    let lane = runtime.add_lane(Arc::new(Host)).expect("a lane");
    let pid = runtime.spawn(|_: &Context<'_>, _: Message| Flow::Continue, block(&lane)).expect("an actor");
    runtime.send(pid, b"1".into()).expect("there is room");
    let sender = sender(&runtime, pid);
    eventually("the sender waits", || waiting(&runtime, pid) == 1);
    (runtime, lane, pid, sender)
}

#[test]
fn a_stop_ends_the_wait_for_room_at_an_actor_that_does_not_return() {
    let (runtime, lane, pid, sender) = blocked();
    assert!(runtime.stop(pid));
    assert_eq!(outcome(sender), Err(Refusal::NoProcess));
    assert!(lane.drain_one());
}

#[test]
fn the_wait_for_room_ends_with_an_actor_that_waits_for_its_children() {
    let runtime = Runtime::new().expect("a runtime");
    let lane = runtime.add_lane(Arc::new(Host)).expect("a lane");
    let looks = runtime.downgrade();
    let ends = move |context: &Context<'_>, _: Message| {
        eventually("one sends, one waits", || {
            looks.mailbox_size(context.pid()) == Some(1) && waiting(&looks, context.pid()) == 1
        });
        Flow::Stop(crate::exit::ExitReason::Normal)
    };
    let pid = runtime.spawn(ends, block(&lane)).expect("an actor");
    let of_it = SpawnOptions { parent: Some(pid), lane: lane.id(), ..SpawnOptions::default() };
    let child = runtime.spawn(|_: &Context<'_>, _: Message| Flow::Continue, of_it).expect("a child");
    runtime.send(pid, b"1".into()).expect("there is room");
    runtime.send(child, b"1".into()).expect("there is room");
    let senders = [sender(&runtime, pid), sender(&runtime, pid)];
    assert!(lane.drain_one(), "the actor's turn");
    let mut outcomes = senders.map(outcome);
    outcomes.sort_by_key(Result::is_err);
    assert_eq!(outcomes, [Ok(()), Err(Refusal::NoProcess)]);
    assert!(runtime.shared().table.get(pid).is_some(), "it waits for its child");
    while lane.drain_one() {}
}

#[test]
fn a_change_of_policy_ends_the_wait_for_room() {
    for (policy, expected) in [
        (Overflow::DropNewest, Err(Refusal::Full)),
        (Overflow::Spill(None), Ok(())),
        (Overflow::DropOldest, Ok(())),
    ] {
        let (runtime, _lane, pid, sender) = blocked();
        runtime.set_overflow(pid, policy).expect("it is bounded");
        assert_eq!(outcome(sender), expected, "{policy:?}");
    }
}

#[test]
fn a_late_message_is_a_dead_letter_of_whom_it_was_sent_to() {
    let runtime = Runtime::new().expect("a runtime");
    let lane = runtime.add_lane(Arc::new(Host)).expect("a lane");
    let listener = runtime.spawn_observed(SpawnOptions::default()).expect("a listener");
    runtime.listen_dead_letters(Some(listener)).expect("it lives");
    let spawn =
        || runtime.spawn(|_: &Context<'_>, _: Message| Flow::Continue, block(&lane)).expect("an actor");
    let earlier = spawn();
    assert!(runtime.stop(earlier));
    let later = || Some(spawn()).filter(|pid| pid.index() == earlier.index());
    let pid = std::iter::repeat_with(later).flatten().next().expect("the slot is used again");
    let cell = runtime.shared().cell(pid).expect("it lives");
    assert!(matches!(
        cell.word.push(Node::new(earlier.generation(), Message::new(b"late".into()))),
        crate::mailbox::Push::Schedule
    ));
    cell.enqueued.fetch_add(1, Ordering::Release);
    runtime.shared().schedule(cell);
    assert!(lane.drain_one());
    let told = runtime.take_observed(listener).expect("the listener lives");
    let [Incoming::System(letter)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((letter.target_pid, letter.detail), (Some(earlier), Some(Dropped::ActorExited.name())));
    assert_eq!(runtime.mailbox_size(pid), Some(0));
}
