//! Fairness: what a thousand quiet actors notice of one that is flooded.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use iris_core::{Behaviour, Context, Flow, Message, Payload, Pid, Runtime, SpawnOptions};

use crate::messages::BODY;
use crate::report::{Must, Scale, figure, p99_ms};
use crate::wait::now_ns;

const QUIET: usize = 1_000;
const BEAT: Duration = Duration::from_millis(10);
/// Work of one flooding message: a million of them keep a worker busy for about two seconds.
const WORK: Duration = Duration::from_micros(2);

pub(crate) fn measure(scale: Scale) {
    figure(scale, "fairness_p99", "ms", Must::Ceiling(10.0), || fairness(scale, 2));
    figure(scale, "fairness_p99_one_worker", "ms", Must::Compare, || fairness(scale, 1));
}

/// Tells how late each message is handled.
struct Quiet(mpsc::Sender<u64>);

impl Behaviour for Quiet {
    fn handle(&self, _: &Context<'_>, message: Message) -> Flow {
        let mut sent = [0; 8];
        sent.copy_from_slice(&message.payload().as_slice()[..8]);
        // Nobody listens any more when the span is over.
        let _ = self.0.send(now_ns() - u64::from_le_bytes(sent));
        Flow::Continue
    }
}

fn fairness(scale: Scale, workers: usize) -> f64 {
    let options = iris_core::RuntimeOptions { workers, ..Default::default() };
    let runtime = Runtime::with_options(options).expect("a runtime");
    let (rounds, handled) = (rounds_of_work(), Arc::new(AtomicUsize::new(0)));
    let (counted, over) = (Arc::clone(&handled), Arc::new(AtomicBool::new(false)));
    let ended = Arc::clone(&over);
    let flooded = move |_: &Context<'_>, _: Message| {
        if !ended.load(Ordering::Relaxed) {
            work(rounds);
        }
        counted.fetch_add(1, Ordering::Relaxed);
        Flow::Continue
    };
    let flooded = runtime.spawn(flooded, SpawnOptions::default()).expect("an actor");
    let (delays, delayed) = mpsc::channel();
    let quiet: Arc<dyn Behaviour> = Arc::new(Quiet(delays));
    let pids: Vec<Pid> = (0..QUIET)
        .map(|_| runtime.spawn_shared(Arc::clone(&quiet), SpawnOptions::default()).expect("an actor"))
        .collect();
    drop(quiet);
    let flood = scale.count(1_000_000);
    for _ in 0..flood {
        runtime.send(flooded, Payload::copy_from(&BODY)).expect("a live actor");
    }
    let sent = beat(&runtime, &pids, || handled.load(Ordering::Relaxed) < flood);
    over.store(true, Ordering::Relaxed);
    p99_ms(
        (0..sent)
            .map(|_| delayed.recv_timeout(Duration::from_secs(10)).expect("a message was lost"))
            .collect(),
    )
}

/// Sends one message to each, every beat, while the flood lasts and for three seconds at most; how many were sent.
fn beat(runtime: &Runtime, pids: &[Pid], lasts: impl Fn() -> bool) -> usize {
    let start = Instant::now();
    let mut next = start;
    let mut sent = 0;
    while lasts() && start.elapsed() < Duration::from_secs(3) {
        for pid in pids {
            runtime.send(*pid, Payload::copy_from(&now_ns().to_le_bytes())).expect("a live actor");
        }
        sent += pids.len();
        next += BEAT;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    sent
}

fn work(rounds: u32) {
    for round in 0..rounds {
        black_box(round);
    }
}

/// How many rounds of [`work`] take [`WORK`] here.
fn rounds_of_work() -> u32 {
    const TRIAL: u32 = 4_000_000;
    let start = Instant::now();
    work(TRIAL);
    let rounds = u128::from(TRIAL) * WORK.as_nanos() / start.elapsed().as_nanos();
    u32::try_from(rounds).expect("a loop takes some time")
}
