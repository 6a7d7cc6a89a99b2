//! Actors through the public face: spawn, send, order, crash, stop, join, swap, ask.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use common::{DEADLINE, Gate, collector, counter, gated_collector, runtime};
use iris_core::{
    Context, ErrorKind, ExitReason, Flow, Message, Payload, Reply, Runtime, RuntimeOptions, SpawnOptions,
};

#[test]
fn order_is_kept() {
    let runtime = runtime();
    let (behaviour, heard) = collector();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    for number in 0..10_000_u32 {
        runtime.send(pid, Payload::copy_from(&number.to_le_bytes())).unwrap();
    }
    for number in 0..10_000_u32 {
        assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), number.to_le_bytes());
    }
}

#[test]
fn senders_lose_nothing() {
    let runtime = runtime();
    let (behaviour, handled) = counter();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50_000 {
                    runtime.send(pid, b"x".into()).unwrap();
                }
            });
        }
    });
    handled.wait_for(200_000);
    let stats = runtime.stats();
    assert_eq!((stats.sent, stats.handled, stats.queued), (200_000, 200_000, 0));
}

#[test]
fn crash_is_isolated() {
    let runtime = runtime();
    let bad = runtime
        .spawn(|_: &Context<'_>, _: Message| -> Flow { panic!("no such luck") }, SpawnOptions::default())
        .unwrap();
    let (reasons, reason) = mpsc::channel();
    runtime.on_exit(bad, Box::new(move |_, reason| reasons.send(reason.clone()).unwrap()));
    runtime.send(bad, b"x".into()).unwrap();
    let reason = reason.recv_timeout(DEADLINE).unwrap();
    assert_eq!(reason.name(), "Panic");
    assert_eq!(reason.failure().unwrap().message, "no such luck");
    assert!(runtime.join(bad, Some(DEADLINE)));
    assert!(!runtime.is_alive(bad));
    let (behaviour, heard) = collector();
    let good = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    runtime.send(good, b"still here".into()).unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"still here");
}

#[test]
fn stop_goes_first() {
    let runtime = runtime();
    let (enter, entered) = mpsc::channel();
    let (leave, left) = mpsc::channel::<()>();
    let left = std::sync::Mutex::new(left);
    let handled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&handled);
    let pid = runtime
        .spawn(
            move |_: &Context<'_>, _: Message| {
                enter.send(()).unwrap();
                left.lock().unwrap().recv().unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                Flow::Continue
            },
            SpawnOptions::default(),
        )
        .unwrap();
    for _ in 0..1_000 {
        runtime.send(pid, b"x".into()).unwrap();
    }
    entered.recv_timeout(DEADLINE).unwrap();
    assert!(runtime.stop(pid));
    assert!(!runtime.is_alive(pid));
    assert_eq!(runtime.send(pid, b"x".into()).unwrap_err().payload.as_slice(), b"x");
    leave.send(()).unwrap();
    assert!(runtime.join(pid, Some(DEADLINE)));
    assert_eq!(handled.load(Ordering::SeqCst), 1);
    let stats = runtime.stats();
    assert_eq!(stats.sent, stats.handled + stats.dropped.iter().map(|(_, count)| count).sum::<u64>());
}

#[test]
fn stop_of_idle_is_immediate() {
    let runtime = runtime();
    let (behaviour, _handled) = counter();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    assert!(runtime.stop(pid));
    assert_eq!(runtime.mailbox_size(pid), None);
    assert!(!runtime.stop(pid));
}

#[test]
fn swap_meets_every_later_message() {
    let runtime = runtime();
    let (old, old_heard) = collector();
    let (new, new_heard) = collector();
    let pid = runtime.spawn(old, SpawnOptions::default()).unwrap();
    runtime.send(pid, b"1".into()).unwrap();
    assert_eq!(old_heard.recv_timeout(DEADLINE).unwrap(), b"1");
    assert_eq!(runtime.hot_swap(pid, Arc::new(new)).unwrap(), 2);
    assert_eq!(runtime.behavior_version(pid).unwrap(), 2);
    runtime.send(pid, b"2".into()).unwrap();
    assert_eq!(new_heard.recv_timeout(DEADLINE).unwrap(), b"2");
}

#[test]
fn rollback_brings_back() {
    let runtime = runtime();
    let (old, old_heard) = collector();
    let (new, _new_heard) = collector();
    let pid = runtime.spawn(old, SpawnOptions::default()).unwrap();
    runtime.hot_swap(pid, Arc::new(new)).unwrap();
    assert_eq!(runtime.rollback_behavior(pid, 1).unwrap(), 1);
    runtime.send(pid, b"3".into()).unwrap();
    assert_eq!(old_heard.recv_timeout(DEADLINE).unwrap(), b"3");
    let error = runtime.rollback_behavior(pid, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

fn echo(_: &Context<'_>, mut message: Message) -> Flow {
    /// What is never answered, and not dropped, which would be an answer, too.
    static KEPT: Mutex<Vec<Reply>> = Mutex::new(Vec::new());
    let reply = message.take_reply();
    match message.payload().as_slice() {
        b"never" => KEPT.lock().unwrap().extend(reply),
        b"die" => return Flow::Stop(ExitReason::Normal),
        _ => {
            if let Some(reply) = reply {
                reply.send(message.into_payload());
            }
        }
    }
    Flow::Continue
}

#[test]
fn ask_is_answered() {
    let runtime = runtime();
    let pid = runtime.spawn(echo, SpawnOptions::default()).unwrap();
    let answer = runtime.ask_blocking(pid, b"hello".into(), Some(DEADLINE)).unwrap();
    assert_eq!(answer.as_slice(), b"hello");
}

#[test]
fn ask_times_out() {
    let runtime = runtime();
    let pid = runtime.spawn(echo, SpawnOptions::default()).unwrap();
    let timeout = Some(std::time::Duration::from_millis(20));
    let late = runtime.ask_blocking(pid, b"never".into(), timeout).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::AskTimeout);
}

#[test]
fn ask_of_dying_fails() {
    let runtime = runtime();
    let pid = runtime.spawn(echo, SpawnOptions::default()).unwrap();
    let died = runtime.ask_blocking(pid, b"die".into(), Some(DEADLINE)).unwrap_err();
    assert_eq!(died.kind(), ErrorKind::AskFailed);
    assert!(runtime.join(pid, Some(DEADLINE)));
    let gone = runtime.ask_blocking(pid, b"hello".into(), Some(DEADLINE)).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NoProcess);
}

#[test]
fn ask_expired_is_not_executed() {
    let runtime = runtime();
    let gate = Gate::default();
    let (behaviour, heard) = gated_collector(&gate);
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    runtime.send(pid, b"first".into()).unwrap();
    let timeout = Some(std::time::Duration::from_millis(1));
    let late = runtime.ask_blocking(pid, b"expired".into(), timeout).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::AskTimeout);
    runtime.send(pid, b"last".into()).unwrap();
    gate.open();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"first");
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"last");
    assert!(runtime.dead_letters().contains(&("AskExpired", 1)));
}

/// Of a flood on the only worker: how many messages are handled between a send in its midst and the turn of whom it was to.
fn overtaken(budget: u32, from_outside: bool) -> usize {
    const FLOOD: usize = 20_000;
    let options = RuntimeOptions { workers: 1, ..RuntimeOptions::default() };
    let runtime = Runtime::with_options(options).unwrap();
    let (handled, gate) = (Arc::new(AtomicUsize::new(0)), Gate::default());
    let (tell, told) = mpsc::channel();
    let seen = Arc::clone(&handled);
    let looks = move |_: &Context<'_>, _: Message| {
        tell.send(seen.load(Ordering::SeqCst)).unwrap();
        Flow::Continue
    };
    let other = runtime.spawn(looks, SpawnOptions::default()).unwrap();
    let (count, door) = (Arc::clone(&handled), gate.clone());
    let flooded = move |context: &Context<'_>, _: Message| {
        door.pass();
        if count.fetch_add(1, Ordering::SeqCst) == FLOOD / 2 {
            let send = || context.runtime().send(other, b"mine".into()).unwrap();
            if from_outside { std::thread::scope(|scope| scope.spawn(send).join().unwrap()) } else { send() }
        }
        Flow::Continue
    };
    let flooded = runtime.spawn(flooded, SpawnOptions { budget, ..SpawnOptions::default() }).unwrap();
    for _ in 0..FLOOD {
        runtime.send(flooded, b"x".into()).unwrap();
    }
    gate.open();
    told.recv_timeout(DEADLINE).unwrap() - FLOOD / 2
}

#[test]
fn fairness_under_flood() {
    for (budget, from_outside) in [(10, false), (10, true), (1_000, false), (1_000, true)] {
        let overtaken = overtaken(budget, from_outside);
        // What is left of the turn, and one more where the worker looks at its queue before whom it ran last sent to.
        let most = 2 * budget as usize;
        assert!(overtaken <= most, "{overtaken} of the flood went first, of a budget of {budget}");
    }
}

#[test]
fn pids_are_not_reused() {
    let runtime = runtime();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..10_000 {
        let (behaviour, _) = counter();
        let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
        assert!(seen.insert(pid));
        runtime.stop(pid);
        assert!(runtime.send(pid, b"x".into()).is_err());
    }
    let other = common::runtime();
    assert!(seen.iter().all(|pid| !other.is_alive(*pid)));
}

#[test]
fn counters_balance() {
    let runtime = runtime();
    let (behaviour, handled) = counter();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    for _ in 0..1_000 {
        runtime.send(pid, b"x".into()).unwrap();
    }
    handled.wait_for(1_000);
    runtime.stop(pid);
    assert!(runtime.join(pid, Some(DEADLINE)));
    assert!(runtime.send(pid, b"x".into()).is_err());
    let stats = runtime.stats();
    assert_eq!((stats.sent, stats.handled, stats.queued), (1_001, 1_000, 0));
    assert!(stats.dropped.contains(&("NoProcess", 1)));
}

#[test]
fn dead_letters_are_counted() {
    let runtime = runtime();
    let gate = Gate::default();
    let (behaviour, _heard) = gated_collector(&gate);
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    for _ in 0..3 {
        runtime.send(pid, b"x".into()).unwrap();
    }
    gate.wait_for_one_inside();
    runtime.stop(pid);
    gate.open();
    assert!(runtime.join(pid, Some(DEADLINE)));
    assert!(runtime.dead_letters().contains(&("ActorExited", 2)));
}

#[test]
fn an_actor_that_handles_ten_thousand_others_messages_reaches_all() {
    let runtime = runtime();
    let (behaviour, handled) = counter();
    let shared: Arc<dyn iris_core::Behaviour> = Arc::new(behaviour);
    let pids: Vec<_> = (0..10_000)
        .map(|_| runtime.spawn_shared(Arc::clone(&shared), SpawnOptions::default()).unwrap())
        .collect();
    for _ in 0..10 {
        for pid in &pids {
            runtime.send(*pid, b"x".into()).unwrap();
        }
    }
    handled.wait_for(100_000);
    assert_eq!(runtime.stats().actors, 10_000);
}

#[test]
fn handlers_that_never_return_hurt_nobody_else() {
    let options = RuntimeOptions { workers: 2, ..RuntimeOptions::default() };
    let runtime = Runtime::with_options(options).unwrap();
    let gate = Gate::default();
    let mut heard = Vec::new();
    for _ in 0..5 {
        let (behaviour, stuck) = gated_collector(&gate);
        let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
        runtime.send(pid, b"x".into()).unwrap();
        heard.push(stuck);
    }
    let (behaviour, other) = collector();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    runtime.send(pid, b"still here".into()).unwrap();
    assert_eq!(other.recv_timeout(DEADLINE).unwrap(), b"still here");
    gate.open();
    assert!(heard.iter().all(|heard| heard.recv_timeout(DEADLINE).is_ok()));
}
