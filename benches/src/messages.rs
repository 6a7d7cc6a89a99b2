//! Messages: one producer to one actor, to many actors, and two actors that answer each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use iris_core::{Behaviour, Context, Flow, Message, Payload, Pid, Runtime, SpawnOptions};

use crate::report::{Must, Scale, figure, float, millions_per_second};
use crate::wait::Latch;

/// Sixteen bytes, as in every figure of messages.
pub(crate) const BODY: [u8; 16] = *b"0123456789abcdef";

pub(crate) fn measure(scale: Scale) {
    figure(scale, "one_actor", "M/s", Must::Floor(12.0), || one_actor(scale.count(1_000_000)));
    figure(scale, "one_actor_ref", "M/s", Must::Compare, || one_actor_ref(scale.count(1_000_000)));
    figure(scale, "many_actors", "M/s", Must::Compare, || many_actors(scale.count(100_000), 10));
    figure(scale, "ping_pong", "M round trips/s", Must::Floor(8.0), || ping_pong(scale.count(1_000_000)));
    figure(scale, "ask", "k/s", Must::Compare, || ask(scale.count(100_000)));
}

/// Counts one thing down per message; many actors may share it.
struct Counting(Arc<Latch>);

impl Behaviour for Counting {
    fn handle(&self, _: &Context<'_>, _: Message) -> Flow {
        self.0.count_down();
        Flow::Continue
    }
}

/// A runtime with one actor that counts, and what it counts down.
fn counting_actor(count: usize) -> (Runtime, Pid, Arc<Latch>) {
    let runtime = Runtime::new().expect("a runtime");
    let handled = Arc::new(Latch::new(count));
    let seen = Arc::clone(&handled);
    let counting = move |_: &Context<'_>, _: Message| {
        seen.count_down_alone();
        Flow::Continue
    };
    let pid = runtime.spawn(counting, SpawnOptions::default()).expect("an actor");
    (runtime, pid, handled)
}

fn one_actor(count: usize) -> f64 {
    let (runtime, pid, handled) = counting_actor(count);
    let start = Instant::now();
    for _ in 0..count {
        runtime.send(pid, Payload::copy_from(&BODY)).expect("a live actor");
    }
    handled.wait();
    millions_per_second(count, start)
}

fn one_actor_ref(count: usize) -> f64 {
    let (runtime, pid, handled) = counting_actor(count);
    let actor = runtime.actor_ref(pid).expect("a live actor");
    let start = Instant::now();
    for _ in 0..count {
        actor.try_send(Payload::copy_from(&BODY)).expect("a live actor");
    }
    handled.wait();
    millions_per_second(count, start)
}

fn many_actors(actors: usize, each: usize) -> f64 {
    let runtime = Runtime::new().expect("a runtime");
    let handled = Arc::new(Latch::new(actors * each));
    let behaviour: Arc<dyn Behaviour> = Arc::new(Counting(Arc::clone(&handled)));
    let pids: Vec<Pid> = (0..actors)
        .map(|_| runtime.spawn_shared(Arc::clone(&behaviour), SpawnOptions::default()).expect("an actor"))
        .collect();
    let start = Instant::now();
    for _ in 0..each {
        for pid in &pids {
            runtime.send(*pid, Payload::copy_from(&BODY)).expect("a live actor");
        }
    }
    handled.wait();
    millions_per_second(actors * each, start)
}

/// The pid of an actor that is spawned later than its peer.
#[derive(Default)]
struct Peer(AtomicU64);

impl Peer {
    fn pid(&self) -> Pid {
        Pid::from_u64(self.0.load(Ordering::Relaxed)).expect("the peer's pid")
    }
}

fn ping_pong(round_trips: usize) -> f64 {
    let runtime = Runtime::new().expect("a runtime");
    let (peer, returned) = (Arc::new(Peer::default()), Arc::new(Latch::new(round_trips)));
    let caller = Arc::clone(&peer);
    let echo = move |context: &Context<'_>, message: Message| {
        context.send(caller.pid(), message.into_payload()).expect("a live caller");
        Flow::Continue
    };
    let echo = runtime.spawn(echo, SpawnOptions::default()).expect("an actor");
    let returns = Arc::clone(&returned);
    let calling = move |context: &Context<'_>, message: Message| {
        returns.count_down_alone();
        if !returns.is_open() {
            context.send(echo, message.into_payload()).expect("a live peer");
        }
        Flow::Continue
    };
    let calling = runtime.spawn(calling, SpawnOptions::default()).expect("an actor");
    peer.0.store(calling.get(), Ordering::Relaxed);
    let start = Instant::now();
    runtime.send(echo, Payload::copy_from(&BODY)).expect("a live actor");
    returned.wait();
    millions_per_second(round_trips, start)
}

/// Blocking asks, one after another.
fn ask(count: usize) -> f64 {
    let runtime = Runtime::new().expect("a runtime");
    let echo = |_: &Context<'_>, mut message: Message| {
        if let Some(reply) = message.take_reply() {
            reply.send(message.into_payload());
        }
        Flow::Continue
    };
    let pid = runtime.spawn(echo, SpawnOptions::default()).expect("an actor");
    let start = Instant::now();
    for _ in 0..count {
        runtime.ask_blocking(pid, Payload::copy_from(&BODY), None).expect("an answer");
    }
    float(count) / start.elapsed().as_secs_f64() / 1e3
}
