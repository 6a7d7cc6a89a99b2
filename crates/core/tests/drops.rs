//! What users' code does when it is dropped: it may panic wherever the runtime drops it, and hurts nobody.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::panic::panic_any;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use common::{DEADLINE, collector, runtime};
use iris_core::{
    AskOptions, Bounds, Clock, Context, ExitReason, Flow, HostedLane, LaneHost, Message, Payload, Runtime,
    RuntimeOptions, SpawnOptions,
};

/// Longer than a short message, which is copied.
const LONG: [u8; 100] = [b'x'; 100];

/// Panics when it is dropped.
struct Bomb;

impl AsRef<[u8]> for Bomb {
    fn as_ref(&self) -> &[u8] {
        &LONG
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("told to");
    }
}

fn bomb() -> Payload {
    Payload::from(Bytes::from_owner(Bomb))
}

struct Host;

impl LaneHost for Host {
    fn wake(&self) {}
}

fn lane_of(runtime: &Runtime) -> (Arc<HostedLane>, SpawnOptions) {
    let lane = runtime.add_lane(Arc::new(Host)).unwrap();
    let options = SpawnOptions { lane: lane.id(), ..SpawnOptions::default() };
    (lane, options)
}

#[test]
fn a_message_that_panics_when_it_is_dropped_hinders_no_end() {
    let runtime = runtime();
    let (lane, options) = lane_of(&runtime);
    let pid = runtime.spawn(collector().0, options).unwrap();
    let watcher = runtime.spawn_observed(SpawnOptions::default()).unwrap();
    runtime.monitor(pid, watcher).unwrap();
    runtime.link(pid, watcher).unwrap();
    let (tell, ended) = mpsc::channel();
    runtime.on_exit(pid, Box::new(move |_, reason| tell.send(reason.clone()).unwrap()));
    runtime.send(pid, bomb()).unwrap();
    runtime.stop(pid);
    while lane.drain_one() {}
    assert_eq!(ended.recv_timeout(DEADLINE), Ok(ExitReason::Killed));
    assert_eq!(runtime.take_observed(watcher).unwrap().len(), 2, "EXIT and DOWN");
    assert!(runtime.join(pid, Some(DEADLINE)));
    assert_eq!(runtime.live_actors(), 1);
}

#[test]
fn a_stop_does_not_panic_by_what_it_drops() {
    let runtime = runtime();
    let pid = runtime.spawn_observed(SpawnOptions::default()).unwrap();
    runtime.send(pid, bomb()).unwrap();
    assert!(runtime.stop(pid));
    assert_eq!(runtime.live_actors(), 0);
}

#[test]
fn a_message_that_panics_when_it_is_dropped_costs_no_other_timer() {
    let (clock, hand) = Clock::manual();
    let runtime = Runtime::with_options(RuntimeOptions { clock, ..RuntimeOptions::default() }).unwrap();
    let (_lane, options) = lane_of(&runtime);
    let bounded = SpawnOptions { bounds: Some(Bounds::messages(1)), ..options.clone() };
    let full = runtime.spawn(collector().0, bounded).unwrap();
    runtime.send(full, b"1".into()).unwrap();
    runtime.send_after(full, 10, bomb()).unwrap();
    let silent = runtime.spawn(collector().0, options).unwrap();
    let (tell, outcome) = mpsc::channel();
    let asks = AskOptions { timeout: Some(Duration::from_millis(10)), context: None };
    runtime.ask_with(silent, b"ask".into(), asks, Box::new(move |answer| tell.send(answer).unwrap()));
    hand.advance(Duration::from_mins(1));
    assert!(outcome.recv_timeout(DEADLINE).unwrap().is_err());
}

#[test]
fn what_a_panic_carries_may_panic_when_it_is_dropped() {
    let options = RuntimeOptions { workers: 1, ..RuntimeOptions::default() };
    let runtime = Runtime::with_options(options).unwrap();
    let handler = |_: &Context<'_>, _: Message| -> Flow { panic_any(Bomb) };
    let pid = runtime.spawn(handler, SpawnOptions::default()).unwrap();
    runtime.send(pid, b"x".into()).unwrap();
    assert!(runtime.join(pid, Some(DEADLINE)));
    let (behaviour, heard) = collector();
    let other = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    runtime.send(other, b"y".into()).unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE), Ok(b"y".to_vec()));
}
