//! Actors through the public face: spawn, send, order, crash, stop, join, swap, ask.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use common::{DEADLINE, collector, counter, runtime};
use iris_core::{Context, ErrorKind, ExitReason, Flow, Message, Payload, SpawnOptions};

#[test]
fn messages_arrive_in_the_order_sent() {
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
fn four_senders_lose_nothing() {
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
fn a_panic_ends_one_actor_only() {
    let runtime = runtime();
    let bad = runtime
        .spawn(
            |_: &Context<'_>, _: Message| -> Flow { panic!("no such luck") },
            SpawnOptions::default(),
        )
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
fn stop_goes_before_queued_messages() {
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
fn an_idle_actor_has_ended_when_stop_returns() {
    let runtime = runtime();
    let (behaviour, _handled) = counter();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    assert!(runtime.stop(pid));
    assert_eq!(runtime.mailbox_size(pid), None);
    assert!(!runtime.stop(pid));
}

#[test]
fn a_swap_takes_effect_for_every_later_message() {
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
    assert_eq!(runtime.rollback_behavior(pid, 1).unwrap(), 1);
    runtime.send(pid, b"3".into()).unwrap();
    assert_eq!(old_heard.recv_timeout(DEADLINE).unwrap(), b"3");
    let error = runtime.rollback_behavior(pid, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn an_ask_is_answered_times_out_or_fails() {
    let runtime = runtime();
    let echo = |_: &Context<'_>, mut message: Message| {
        let reply = message.take_reply();
        match message.payload().as_slice() {
            b"never" => std::mem::forget(reply),
            b"die" => return Flow::Stop(ExitReason::Normal),
            _ => {
                if let Some(reply) = reply {
                    reply.send(message.into_payload());
                }
            }
        }
        Flow::Continue
    };
    let pid = runtime.spawn(echo, SpawnOptions::default()).unwrap();
    let answer = runtime.ask_blocking(pid, b"hello".into(), Some(DEADLINE)).unwrap();
    assert_eq!(answer.as_slice(), b"hello");
    let timeout = std::time::Duration::from_millis(20);
    let late = runtime.ask_blocking(pid, b"never".into(), Some(timeout)).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::AskTimeout);
    let died = runtime.ask_blocking(pid, b"die".into(), Some(DEADLINE)).unwrap_err();
    assert_eq!(died.kind(), ErrorKind::AskFailed);
    assert!(runtime.join(pid, Some(DEADLINE)));
    let gone = runtime.ask_blocking(pid, b"hello".into(), Some(DEADLINE)).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NoProcess);
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
