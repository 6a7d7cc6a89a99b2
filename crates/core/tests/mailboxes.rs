//! Mailboxes with bounds: each overflow policy, exactly.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use common::{DEADLINE, Gate, collector, counter, gated_collector, runtime};
use iris_core::{
    Bounds, Context, Drained, ErrorKind, Flow, LANES_MAX, LaneHost, Mailbox, Message, Overflow, Pid, Refusal,
    Runtime, SpawnOptions,
};

/// An actor with room for two messages that handles one, and waits at the gate.
fn stuck(runtime: &Runtime, gate: &Gate, overflow: Overflow) -> (Pid, Receiver<Vec<u8>>) {
    let (behaviour, heard) = gated_collector(gate);
    let options = SpawnOptions { bounds: Some(Bounds::messages(2)), overflow, ..SpawnOptions::default() };
    let pid = runtime.spawn(behaviour, options).unwrap();
    runtime.send(pid, b"0".into()).unwrap();
    gate.wait_for_one_inside();
    runtime.send(pid, b"1".into()).unwrap();
    runtime.send(pid, b"2".into()).unwrap();
    (pid, heard)
}

fn hear(heard: &Receiver<Vec<u8>>, count: usize) -> Vec<String> {
    let heard = (0..count).map(|_| String::from_utf8(heard.recv_timeout(DEADLINE).unwrap()).unwrap());
    heard.collect()
}

#[test]
fn bounded_refuses_new() {
    let (runtime, gate) = (runtime(), Gate::default());
    let (pid, heard) = stuck(&runtime, &gate, Overflow::DropNewest);
    let refused = runtime.send(pid, b"3".into()).unwrap_err();
    assert_eq!((refused.refusal, refused.payload.as_slice()), (Refusal::Full, &b"3"[..]));
    assert_eq!(runtime.mailbox_size(pid), Some(2));
    gate.open();
    assert_eq!(hear(&heard, 3), ["0", "1", "2"]);
    assert!(runtime.dead_letters().contains(&("MailboxFull", 1)));
}

#[test]
fn bounded_drops_old() {
    let (runtime, gate) = (runtime(), Gate::default());
    let (pid, heard) = stuck(&runtime, &gate, Overflow::DropOldest);
    runtime.send(pid, b"3".into()).unwrap();
    assert_eq!(runtime.mailbox_size(pid), Some(2));
    gate.open();
    assert_eq!(hear(&heard, 3), ["0", "2", "3"]);
    assert!(runtime.dead_letters().contains(&("DroppedOldest", 1)));
}

#[test]
fn bounded_blocks() {
    let (runtime, gate) = (runtime(), Gate::default());
    let (pid, heard) = stuck(&runtime, &gate, Overflow::Block);
    let refused = runtime.try_send(pid, b"3".into()).unwrap_err();
    assert_eq!(refused.refusal, Refusal::WouldBlock);
    assert!(!runtime.wait_for_room(pid, Duration::from_millis(1)));
    std::thread::scope(|scope| {
        scope.spawn(|| runtime.send(pid, b"3".into()).unwrap());
        gate.open();
        assert_eq!(hear(&heard, 4), ["0", "1", "2", "3"]);
    });
}

#[test]
fn bounded_redirects() {
    let (runtime, gate) = (runtime(), Gate::default());
    let (other, other_heard) = collector();
    let other = runtime.spawn(other, SpawnOptions::default()).unwrap();
    let (pid, heard) = stuck(&runtime, &gate, Overflow::Redirect(other));
    runtime.send(pid, b"3".into()).unwrap();
    assert_eq!(hear(&other_heard, 1), ["3"]);
    gate.open();
    assert_eq!(hear(&heard, 3), ["0", "1", "2"]);
}

#[test]
fn bounded_spills_in_order() {
    let (runtime, gate) = (runtime(), Gate::default());
    let (pid, heard) = stuck(&runtime, &gate, Overflow::Spill(None));
    for number in 3..1_000 {
        runtime.send(pid, number.to_string().into_bytes().into()).unwrap();
    }
    assert_eq!(runtime.mailbox_size(pid), Some(999));
    gate.open();
    let expected: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    assert_eq!(hear(&heard, 1_000), expected);
}

#[test]
fn two_full_mailboxes_that_redirect_to_each_other_refuse() {
    let (runtime, gate) = (runtime(), Gate::default());
    let (a, _a_heard) = stuck(&runtime, &gate, Overflow::DropNewest);
    let second = Gate::default();
    let (b, _b_heard) = stuck(&runtime, &second, Overflow::Redirect(a));
    runtime.set_overflow(a, Overflow::Redirect(b)).unwrap();
    assert_eq!(runtime.send(a, b"x".into()).unwrap_err().refusal, Refusal::Full);
    gate.open();
    second.open();
}

#[test]
fn an_offer_that_finds_no_room_is_not_counted() {
    for (overflow, refused) in [
        (Overflow::DropNewest, true),
        (Overflow::Block, true),
        (Overflow::DropOldest, false),
        (Overflow::Spill(None), false),
    ] {
        let (runtime, gate) = (runtime(), Gate::default());
        let (pid, _heard) = stuck(&runtime, &gate, overflow);
        let offered = runtime.offer(pid, b"3".into());
        let expected = refused.then_some(Refusal::WouldBlock);
        assert_eq!(offered.err().map(|error| error.refusal), expected, "{overflow:?}");
        assert!(runtime.dead_letters().contains(&("MailboxFull", 0)));
        gate.open();
        assert!(runtime.wait_for_room(pid, DEADLINE));
        assert!(runtime.offer(pid, b"4".into()).is_ok());
        assert_eq!(
            runtime.offer(Pid::from_u64(4711 << 28).unwrap(), b"5".into()).unwrap_err().refusal,
            Refusal::NoProcess
        );
    }
}

#[test]
fn an_unbounded_mailbox_has_no_policy() {
    let runtime = runtime();
    let (behaviour, _heard) = collector();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    let error = runtime.set_overflow(pid, Overflow::DropOldest).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_mailbox_is_bounded_by_bytes_too() {
    let (runtime, gate) = (runtime(), Gate::default());
    let (behaviour, heard) = gated_collector(&gate);
    let bounds = Some(Bounds { messages: 100, bytes: 10 });
    let pid = runtime.spawn(behaviour, SpawnOptions { bounds, ..SpawnOptions::default() }).unwrap();
    runtime.send(pid, b"0".into()).unwrap();
    gate.wait_for_one_inside();
    runtime.send(pid, b"12345678".into()).unwrap();
    assert!(runtime.send(pid, b"abc".into()).is_err());
    runtime.send(pid, b"ab".into()).unwrap();
    gate.open();
    assert_eq!(hear(&heard, 3), ["0", "12345678", "ab"]);
}

struct Host;

impl LaneHost for Host {
    fn wake(&self) {}
}

#[test]
fn lanes_come_and_go_without_end_and_one_that_is_held_is_given_to_nobody() {
    let runtime = runtime();
    let [heir, held] = [(); 2].map(|()| runtime.add_lane(Arc::new(Host)).unwrap());
    let (handler, handled) = counter();
    let pid = runtime.spawn(handler, SpawnOptions { lane: held.id(), ..SpawnOptions::default() }).unwrap();
    runtime.remove_lane(&held, heir.id());
    for _ in 0..3 * LANES_MAX {
        let lane = runtime.add_lane(Arc::new(Host)).unwrap();
        assert!(lane.id() != held.id() && lane.id() != heir.id());
        let (handler, handled) = counter();
        let pid =
            runtime.spawn(handler, SpawnOptions { lane: lane.id(), ..SpawnOptions::default() }).unwrap();
        assert!(lane.try_sleep(), "a lane begins awake, and empty");
        runtime.send(pid, b"x".into()).unwrap();
        assert_eq!(lane.drain(Instant::now() + DEADLINE), Drained::Empty);
        handled.wait_for(1);
        runtime.stop(pid);
        runtime.remove_lane(&lane, heir.id());
    }
    runtime.send(pid, b"x".into()).unwrap();
    assert!(heir.drain_one(), "what is ready on a lane that was removed is its successor's");
    handled.wait_for(1);
}

#[test]
fn a_host_may_send_to_its_lane_when_it_goes() {
    struct LastWords(Runtime, Arc<OnceLock<Pid>>);
    impl LaneHost for LastWords {
        fn wake(&self) {}
    }
    impl Drop for LastWords {
        fn drop(&mut self) {
            self.0.send(*self.1.get().unwrap(), b"x".into()).unwrap();
        }
    }

    let runtime = runtime();
    let hears = Arc::new(OnceLock::new());
    let heir = runtime.add_lane(Arc::new(Host)).unwrap();
    let lane = runtime.add_lane(Arc::new(LastWords(runtime.downgrade(), Arc::clone(&hears)))).unwrap();
    let (handler, handled) = counter();
    let pid = runtime.spawn(handler, SpawnOptions { lane: lane.id(), ..SpawnOptions::default() }).unwrap();
    hears.set(pid).unwrap();
    assert!(lane.try_sleep());
    runtime.remove_lane(&lane, heir.id());
    assert!(heir.drain_one(), "the last words are the successor's to handle");
    handled.wait_for(1);
}

#[test]
fn a_long_queue_is_readied_piece_by_piece() {
    const FLOOD: usize = 50_000;
    let runtime = runtime();
    // On a lane of the test's own nobody else takes a turn meanwhile.
    let lane = runtime.add_lane(Arc::new(Host)).unwrap();
    let on_lane = || SpawnOptions { lane: lane.id(), ..SpawnOptions::default() };
    let (flooded, handled) = counter();
    let flooded = runtime.spawn(flooded, on_lane()).unwrap();
    for _ in 0..FLOOD {
        runtime.send(flooded, b"x".into()).unwrap();
    }
    let (tell, told) = mpsc::channel();
    let looks = move |context: &Context<'_>, _: Message| {
        tell.send(context.runtime().mailbox_size(flooded)).unwrap();
        Flow::Continue
    };
    let looks = runtime.spawn(looks, on_lane()).unwrap();
    runtime.send(looks, b"look".into()).unwrap();
    let until = Instant::now() + DEADLINE;
    while lane.drain(until) == Drained::More {}
    assert_eq!(told.recv_timeout(DEADLINE).unwrap(), Some(FLOOD), "all of them were turned around at once");
    handled.wait_for(FLOOD);
}

#[test]
fn a_long_queue_is_whole_for_observed_and_pull_actors() {
    const MANY: usize = 20_000;
    let runtime = runtime();
    let observed = runtime.spawn_observed(SpawnOptions::default()).unwrap();
    let gate = Gate::default();
    let (door, (tell, told)) = (gate.clone(), mpsc::channel());
    let counts = move |mailbox: &mut Mailbox| {
        door.pass();
        let received = std::iter::from_fn(|| mailbox.recv(Some(DEADLINE))).take(MANY).count();
        tell.send(received).unwrap();
    };
    let pull = runtime.spawn_thread(counts, SpawnOptions::default()).unwrap();
    for _ in 0..MANY {
        runtime.send(observed, b"x".into()).unwrap();
        runtime.send(pull, b"x".into()).unwrap();
    }
    gate.open();
    assert_eq!(runtime.take_observed(observed).unwrap().len(), MANY);
    assert_eq!(told.recv_timeout(DEADLINE).unwrap(), MANY);
}
