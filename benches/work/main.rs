//! iris-work: the product's Rust face under the workloads that its peers are measured with.
//!
//! `iris-work W3 1000000` takes one sample and prints it. The harness is the peers' own, in another cargo workspace.

#[path = "../peers/rust/harness/src/lib.rs"]
#[expect(unreachable_pub, reason = "in the peers' workspace it is a crate of its own")]
mod harness;

#[path = "../src/pair.rs"]
mod pair;

use std::future::Future;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use iris_core::{
    Backoff, ChildSpec, Context, ExitReason, Flow, Message, Payload, Pid, Restart, Runtime, RuntimeOptions,
    SpawnOptions, SupervisorOptions,
};

use harness::measure::{Latch, Sample, percentile, print, rate};
use harness::workloads::{Crashing, crash_rounds};
use harness::{BODY, Behaviour, Body, Next, System};

static RUNTIME: OnceLock<Runtime> = OnceLock::new();
static ASKING: OnceLock<tokio::runtime::Runtime> = OnceLock::new();

fn runtime() -> &'static Runtime {
    RUNTIME.get().expect("it is open")
}

struct Iris;

/// A behaviour of a workload as iris-core sees it.
struct Host<B>(B);

impl<B: Behaviour<Iris>> iris_core::Behaviour for Host<B> {
    fn handle(&self, context: &Context<'_>, mut message: Message) -> Flow {
        let body = body_of(message.payload());
        if let Some(reply) = message.take_reply() {
            reply.send(Payload::copy_from(&self.0.answer(body)));
            return Flow::Continue;
        }
        match self.0.handle(|| Address(context.pid(), PhantomData), body) {
            Next::Continue => Flow::Continue,
            Next::Stop => Flow::Stop(ExitReason::Normal),
        }
    }
}

fn body_of(payload: &Payload) -> Body {
    payload.as_slice().try_into().expect("sixteen bytes")
}

/// A pid that knows what its actor does.
struct Address<B>(Pid, PhantomData<fn(B)>);

impl<B> Clone for Address<B> {
    fn clone(&self) -> Self {
        Self(self.0, PhantomData)
    }
}

impl System for Iris {
    type Address<B: Behaviour<Self>> = Address<B>;

    fn open() {
        let options = RuntimeOptions { workers: 2, ..RuntimeOptions::default() };
        let runtime = Runtime::with_options(options).expect("a runtime");
        assert!(RUNTIME.set(runtime).is_ok(), "it is opened once");
        let asking = tokio::runtime::Builder::new_current_thread().build().expect("a tokio runtime");
        assert!(ASKING.set(asking).is_ok(), "it is opened once");
    }

    fn spawn<B: Behaviour<Self>>(behaviour: B) -> Address<B> {
        let pid = runtime().spawn(Host(behaviour), SpawnOptions::default()).expect("an actor");
        Address(pid, PhantomData)
    }

    fn spawn_all<B: Behaviour<Self> + Clone>(behaviour: &B, count: usize) -> Vec<Address<B>> {
        let shared: Arc<dyn iris_core::Behaviour> = Arc::new(Host(behaviour.clone()));
        let spawn = |_| {
            let spawned = runtime().spawn_shared(Arc::clone(&shared), SpawnOptions::default());
            Address(spawned.expect("an actor"), PhantomData)
        };
        (0..count).map(spawn).collect()
    }

    fn send<B: Behaviour<Self>>(to: &Address<B>, message: Body) {
        runtime().try_send(to.0, Payload::copy_from(&message)).expect("a live actor");
    }

    fn send_after<B: Behaviour<Self>>(to: &Address<B>, delay: Duration, message: Body) {
        let delay_ms = u64::try_from(delay.as_millis()).expect("a short delay");
        runtime().send_after(to.0, delay_ms, Payload::copy_from(&message)).expect("a timer");
    }

    async fn ask<B: Behaviour<Self>>(to: &Address<B>, message: Body) -> Body {
        let answer = runtime().ask(to.0, Payload::copy_from(&message), None).await;
        body_of(&answer.expect("an answer"))
    }

    async fn ask_at_once<B: Behaviour<Self>>(to: &Address<B>, count: usize) {
        let ask = |_| runtime().ask(to.0, Payload::copy_from(&BODY), None);
        let answers: Vec<_> = (0..count).map(ask).collect();
        for answer in answers {
            answer.await.expect("an answer");
        }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        ASKING.get().expect("it is open").block_on(future)
    }

    fn ask_blocking<B: Behaviour<Self>>(to: &Address<B>, message: Body) -> Body {
        let answer = runtime().ask_blocking(to.0, Payload::copy_from(&message), None);
        body_of(&answer.expect("an answer"))
    }

    const HOT_SWAPS: Option<fn(usize) -> Sample> = Some(hot_swaps);
    const RESTARTS: Option<fn(usize) -> Sample> = Some(restarts);
}

fn hot_swaps(swaps: usize) -> Sample {
    let handled = Arc::new(Latch::new(swaps * 10));
    let newest = Arc::new(AtomicUsize::new(0));
    let nothing = |_: &Context<'_>, _: Message| Flow::Continue;
    let pid = runtime().spawn(nothing, SpawnOptions::default()).expect("an actor");
    let start = Instant::now();
    for version in 1..=swaps {
        let (handled, newest) = (Arc::clone(&handled), Arc::clone(&newest));
        let behaviour = move |_: &Context<'_>, _: Message| {
            newest.store(version, Ordering::Relaxed);
            handled.count_down();
            Flow::Continue
        };
        runtime().hot_swap(pid, Arc::new(behaviour)).expect("a swap");
        for _ in 0..10 {
            runtime().send(pid, Payload::copy_from(&BODY)).expect("a live actor");
        }
    }
    handled.wait();
    assert_eq!(newest.load(Ordering::Relaxed), swaps);
    rate(swaps, start)
}

/// The actor of W13, made afresh at each restart.
struct Restarting(Host<Crashing>);

impl iris_core::Behaviour for Restarting {
    fn handle(&self, context: &Context<'_>, message: Message) -> Flow {
        self.0.handle(context, message)
    }

    fn restarted(&self) -> Result<Option<Arc<dyn iris_core::Behaviour>>, iris_core::Failure> {
        Ok(Some(Arc::new(Self(Host(self.0.0.clone())))))
    }
}

fn restarts(rounds: usize) -> Sample {
    let handled = Arc::new(AtomicUsize::new(0));
    let backoff = Backoff::new(Duration::ZERO, Duration::ZERO).expect("no pause");
    let options = SupervisorOptions { intensity: u32::MAX, backoff, ..SupervisorOptions::default() };
    let supervisor = runtime().spawn_supervisor(options).expect("a supervisor");
    let child = ChildSpec { supervisor, restart: Restart::Permanent };
    let options = SpawnOptions { supervisor: Some(child), ..SpawnOptions::default() };
    let behaviour = Restarting(Host(Crashing(Arc::clone(&handled))));
    let pid = runtime().spawn(behaviour, options).expect("an actor");
    crash_rounds(
        rounds,
        &handled,
        |body| drop(runtime().send(pid, Payload::copy_from(&body))),
        || runtime().ask_blocking(pid, Payload::copy_from(&BODY), None).is_ok(),
    )
}

/// W9b: asks of another process.
fn remote_asks(count: usize) -> Sample {
    let pair = pair::Pair::begin(None);
    let took = pair::each(count, || pair::ask(&pair));
    let sorted: Vec<u64> =
        took.iter().map(|one| u64::try_from(one.as_nanos()).expect("a short time")).collect();
    let rate = harness::measure::float(count) / took.iter().sum::<Duration>().as_secs_f64();
    let micros = |percent| percentile(&sorted, percent).as_secs_f64() * 1e6;
    vec![("rate", rate), ("p50_us", micros(50)), ("p99_us", micros(99))]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = || arguments[1].parse().expect("a count");
    match arguments.first().map(String::as_str) {
        Some(pair::CHILD_FLAG) => pair::child(arguments.get(1).map(Path::new)),
        Some("W9a") => print(&rate(count(), pair::one_way(&pair::Pair::begin(None), count()))),
        Some("W9b") => print(&remote_asks(count())),
        _ => harness::main::<Iris>(),
    }
}
