//! iris-gate: the hot paths of core on one thread, for callgrind to count their instructions.
//!
//! `iris-gate send_busy 10000` runs one path so many times within a function called `measured_...`, which is where callgrind
//! counts. The actors live on a hosted lane that this thread drains, as Python's and Node's do, so nothing that is counted
//! depends on another thread: the same binary and the same input give the same number.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use iris_core::{
    ActorRef, AskOptions, Behaviour, Context, Drained, Flow, HostedLane, LaneHost, Message, Payload, Pid,
    Runtime, SpawnOptions,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BODY: [u8; 16] = *b"0123456789abcdef";

/// What the paths run on: a runtime, a lane that this thread drains, and what its actors handled.
struct Bench {
    runtime: Runtime,
    lane: Arc<HostedLane>,
    behaviour: Arc<dyn Behaviour>,
    handled: Arc<AtomicUsize>,
}

/// Nobody sleeps on the lane: this thread drains it when it wants to.
struct Nobody;

impl LaneHost for Nobody {
    fn wake(&self) {}
}

impl Bench {
    fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let lane = runtime.add_lane(Arc::new(Nobody)).expect("a lane");
        let handled = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&handled);
        let behaviour = move |_: &Context<'_>, mut message: Message| {
            seen.fetch_add(1, Ordering::Relaxed);
            if let Some(reply) = message.take_reply() {
                reply.send(message.into_payload());
            }
            Flow::Continue
        };
        Self { runtime, lane, behaviour: Arc::new(behaviour), handled }
    }

    fn spawn(&self) -> Pid {
        let options = SpawnOptions { lane: self.lane.id(), ..SpawnOptions::default() };
        self.runtime.spawn_shared(Arc::clone(&self.behaviour), options).expect("an actor")
    }

    fn spawn_all(&self, count: usize) -> Vec<Pid> {
        (0..count).map(|_| self.spawn()).collect()
    }

    fn send(&self, pid: Pid) {
        self.runtime.try_send(pid, Payload::copy_from(&BODY)).expect("a live actor");
    }

    fn drain(&self) {
        let late = Instant::now() + Duration::from_hours(1);
        assert_eq!(self.lane.drain(late), Drained::Empty, "everything is handled");
    }
}

#[inline(never)]
fn measured_spawn(bench: &Bench, count: usize) -> Vec<Pid> {
    bench.spawn_all(count)
}

#[inline(never)]
fn measured_send(bench: &Bench, pids: &[Pid]) {
    for pid in pids {
        bench.send(*pid);
    }
}

#[inline(never)]
fn measured_ref_send(actor: &ActorRef, count: usize) {
    for _ in 0..count {
        actor.try_send(Payload::copy_from(&BODY)).expect("a live actor");
    }
}

#[inline(never)]
fn measured_drain(bench: &Bench) {
    bench.drain();
}

#[inline(never)]
fn measured_ask(bench: &Bench, pid: Pid, count: usize) {
    for _ in 0..count {
        let answered = Box::new(|outcome| drop(black_box(outcome)));
        bench.runtime.ask_with(pid, Payload::copy_from(&BODY), AskOptions::default(), answered);
        bench.drain();
    }
}

#[inline(never)]
fn measured_timers(bench: &Bench, pids: &[Pid]) {
    let set =
        |pid: &Pid| bench.runtime.send_after(*pid, 3_600_000, Payload::copy_from(&BODY)).expect("a timer");
    let timers: Vec<u64> = pids.iter().map(set).collect();
    for timer in timers {
        assert!(bench.runtime.cancel_timer(timer), "a pending timer is cancelled");
    }
}

#[inline(never)]
fn measured_swap(bench: &Bench, pid: Pid, count: usize) {
    for _ in 0..count {
        bench.runtime.hot_swap(pid, Arc::clone(&bench.behaviour)).expect("a swap");
        bench.send(pid);
        bench.drain();
    }
}

#[inline(never)]
fn measured_stop(bench: &Bench, pids: &[Pid]) {
    for pid in pids {
        assert!(bench.runtime.stop(*pid), "a live actor is stopped");
    }
}

/// Runs one path so many times, and says how many messages that handled.
fn run(path: &str, count: usize) -> (Bench, usize) {
    let bench = Bench::new();
    let one = bench.spawn();
    let handled = match path {
        "spawn" => {
            black_box(measured_spawn(&bench, count));
            0
        }
        "send_idle" => {
            measured_send(&bench, &bench.spawn_all(count));
            count
        }
        "send_busy" => {
            measured_send(&bench, &vec![one; count]);
            count
        }
        "ref_send" => {
            measured_ref_send(&bench.runtime.actor_ref(one).expect("a live actor"), count);
            count
        }
        "handle_one" => {
            (0..count).for_each(|_| bench.send(one));
            measured_drain(&bench);
            count
        }
        "handle_many" => {
            bench.spawn_all(count).into_iter().for_each(|pid| bench.send(pid));
            measured_drain(&bench);
            count
        }
        "ask" => {
            measured_ask(&bench, one, count);
            count
        }
        "timer" => {
            measured_timers(&bench, &vec![one; count]);
            0
        }
        "swap" => {
            measured_swap(&bench, one, count);
            count
        }
        "stop" => {
            measured_stop(&bench, &bench.spawn_all(count));
            0
        }
        other => panic!("no path is called {other}"),
    };
    bench.drain();
    (bench, handled)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("a path, such as send_busy");
    let count = arguments.next().and_then(|count| count.parse().ok()).expect("a count");
    let (bench, expected) = run(&path, count);
    assert_eq!(bench.handled.load(Ordering::Relaxed), expected, "every message is handled once");
}
