//! Workloads: W1 to W13 of benches/README.md, written once for every system of actors in Rust.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::measure::{Latch, Sample, float, now_ns, percentile, rate, resident_bytes, words, words_body};
use super::{BODY, Behaviour, Body, Next, System};

/// Takes one sample of the workload.
///
/// # Panics
/// Where this system has no such workload, or a message was lost.
pub fn measure<S: System>(workload: &str, count: usize) -> Sample {
    match workload {
        "W1a" | "W1b" => spawn_idle::<S>(count),
        "W2" => many_actors::<S>(count, 1),
        "W2x10" => many_actors::<S>(count, 10),
        "W3" => producers::<S>(1, count),
        "W4" => producers::<S>(2, count),
        "W5" => ping_pong::<S>(count),
        "W6" => ring::<S>(count),
        "W7" => skynet::<S>(count),
        "W8a" => ask_sequential::<S>(count),
        "W8b" => ask_in_flight::<S>(count),
        "W10" => fairness::<S>(count),
        "W11" => S::HOT_SWAPS.expect("a system that swaps code")(count),
        "W12" => timers::<S>(count),
        "W13" => S::RESTARTS.expect("a system that restarts actors")(count),
        other => panic!("no workload is called {other}"),
    }
}

/// Does nothing, and answers what it is asked.
#[derive(Clone)]
struct Idle;

impl<S: System> Behaviour<S> for Idle {
    fn handle(&self, _: impl FnOnce() -> S::Address<Self>, _: Body) -> Next {
        Next::Continue
    }
}

fn spawn_idle<S: System>(count: usize) -> Sample {
    // The threads are there before the count begins.
    let first = S::spawn(Idle);
    S::ask_blocking(&first, BODY);
    let before = resident_bytes();
    let start = Instant::now();
    let actors = S::spawn_all(&Idle, count);
    let mut sample = rate(count, start);
    // The last answers when all began.
    S::ask_blocking(&actors[count - 1], BODY);
    sample.push(("bytes", float(resident_bytes().saturating_sub(before)) / float(count)));
    drop(actors);
    sample
}

/// Counts what all actors handle.
#[derive(Clone)]
struct Counting(Arc<Latch>);

impl<S: System> Behaviour<S> for Counting {
    fn handle(&self, _: impl FnOnce() -> S::Address<Self>, _: Body) -> Next {
        self.0.count_down();
        Next::Continue
    }
}

fn many_actors<S: System>(count: usize, rounds: usize) -> Sample {
    let handled = Arc::new(Latch::new(count * rounds));
    let actors = S::spawn_all(&Counting(Arc::clone(&handled)), count);
    S::ask_blocking(&actors[count - 1], BODY);
    let start = Instant::now();
    for _ in 0..rounds {
        for actor in &actors {
            S::send(actor, BODY);
        }
    }
    handled.wait();
    rate(count * rounds, start)
}

/// Counts what one actor handles.
struct CountingAlone(Arc<Latch>);

impl<S: System> Behaviour<S> for CountingAlone {
    fn handle(&self, _: impl FnOnce() -> S::Address<Self>, _: Body) -> Next {
        self.0.count_down_alone();
        Next::Continue
    }
}

fn producers<S: System>(producers: usize, count: usize) -> Sample {
    let handled = Arc::new(Latch::new(count));
    let actor = S::spawn(CountingAlone(Arc::clone(&handled)));
    S::ask_blocking(&actor, BODY);
    let produce = || (0..count / producers).for_each(|_| S::send(&actor, BODY));
    let start = std::thread::scope(|scope| {
        let start = Instant::now();
        for _ in 1..producers {
            scope.spawn(produce);
        }
        produce();
        handled.wait();
        start
    });
    rate(count, start)
}

/// Hands each message on to the next of its ring. The first counts the laps and ends the game.
struct Hop<S: System> {
    next: Arc<OnceLock<S::Address<Hop<S>>>>,
    laps: Option<Arc<Latch>>,
}

impl<S: System> Behaviour<S> for Hop<S> {
    fn handle(&self, _: impl FnOnce() -> S::Address<Self>, message: Body) -> Next {
        if self.laps.as_ref().is_none_or(|laps| !laps.count_down_alone()) {
            S::send(self.next.get().expect("a next actor"), message);
        }
        Next::Continue
    }
}

/// Seconds that a message takes for so many laps through a ring of so many actors.
fn laps<S: System>(actors: usize, count: usize) -> Instant {
    let over = Arc::new(Latch::new(count));
    let nexts: Vec<_> = (0..actors).map(|_| Arc::new(OnceLock::new())).collect();
    let ring: Vec<_> = nexts
        .iter()
        .enumerate()
        .map(|(place, next)| {
            let laps = (place == 0).then(|| Arc::clone(&over));
            S::spawn(Hop { next: Arc::clone(next), laps })
        })
        .collect();
    for (place, next) in nexts.iter().enumerate() {
        assert!(next.set(ring[(place + 1) % actors].clone()).is_ok(), "each actor has one next");
    }
    S::ask_blocking(&ring[actors - 1], BODY);
    let start = Instant::now();
    S::send(&ring[1], BODY);
    over.wait();
    start
}

fn ping_pong<S: System>(round_trips: usize) -> Sample {
    let start = laps::<S>(2, round_trips);
    rate(round_trips, start)
}

fn ring<S: System>(hops: usize) -> Sample {
    const ACTORS: usize = 1_000;
    let start = laps::<S>(ACTORS, hops / ACTORS);
    rate(hops, start)
}

/// Whom a node of the skynet tells its sum.
enum Parent<S: System> {
    Node(S::Address<Node<S>>),
    Root(Arc<(Latch, AtomicU64)>),
}

/// A node of the skynet: told to start, it begins ten children and starts them, adds up what they tell, tells its parent and
/// ends; a leaf tells its number.
struct Node<S: System> {
    parent: Parent<S>,
    number: u64,
    leaves: u64,
    missing: AtomicUsize,
    sum: AtomicU64,
}

const BRANCHES: usize = 10;

impl<S: System> Node<S> {
    fn new(parent: Parent<S>, number: u64, leaves: u64) -> Self {
        Self { parent, number, leaves, missing: AtomicUsize::new(0), sum: AtomicU64::new(0) }
    }

    fn tell(&self, sum: u64) -> Next {
        match &self.parent {
            Parent::Node(node) => S::send(node, words_body([sum, 0])),
            Parent::Root(root) => {
                root.1.store(sum, Ordering::Relaxed);
                root.0.count_down();
            }
        }
        Next::Stop
    }

    fn begin(&self, me: &S::Address<Self>) {
        self.missing.store(BRANCHES, Ordering::Relaxed);
        let leaves = self.leaves / 10;
        for branch in 0..10 {
            let child = Self::new(Parent::Node(me.clone()), self.number + branch * leaves, leaves);
            S::send(&S::spawn(child), BODY);
        }
    }
}

impl<S: System> Behaviour<S> for Node<S> {
    fn handle(&self, me: impl FnOnce() -> S::Address<Self>, message: Body) -> Next {
        if self.leaves == 1 {
            return self.tell(self.number);
        }
        let missing = self.missing.load(Ordering::Relaxed);
        if missing == 0 {
            self.begin(&me());
            return Next::Continue;
        }
        let sum = self.sum.load(Ordering::Relaxed) + words(&message)[0];
        self.sum.store(sum, Ordering::Relaxed);
        self.missing.store(missing - 1, Ordering::Relaxed);
        if missing == 1 { self.tell(sum) } else { Next::Continue }
    }
}

fn skynet<S: System>(leaves: usize) -> Sample {
    let answer = Arc::new((Latch::new(1), AtomicU64::new(0)));
    let count = leaves as u64;
    let start = Instant::now();
    S::send(&S::spawn(Node::new(Parent::Root(Arc::clone(&answer)), 0, count)), BODY);
    answer.0.wait();
    let sample = rate(leaves, start);
    assert_eq!(answer.1.load(Ordering::Relaxed), count * (count - 1) / 2, "the sum of all leaves");
    sample
}

fn ask_sequential<S: System>(count: usize) -> Sample {
    let actor = S::spawn(Idle);
    for _ in 0..count / 10 {
        S::ask_blocking(&actor, BODY);
    }
    let mut each: Vec<u64> = Vec::with_capacity(count);
    let start = Instant::now();
    for _ in 0..count {
        let asked = now_ns();
        assert_eq!(S::ask_blocking(&actor, BODY), BODY);
        each.push(now_ns() - asked);
    }
    let mut sample = rate(count, start);
    each.sort_unstable();
    sample.push(("p50_us", percentile(&each, 50).as_secs_f64() * 1e6));
    sample.push(("p99_us", percentile(&each, 99).as_secs_f64() * 1e6));
    sample
}

fn ask_in_flight<S: System>(count: usize) -> Sample {
    const IN_FLIGHT: usize = 1_000;
    let actor = S::spawn(Idle);
    S::ask_blocking(&actor, BODY);
    let start = Instant::now();
    S::block_on(async {
        for _ in 0..count / IN_FLIGHT {
            S::ask_at_once(&actor, IN_FLIGHT).await;
        }
    });
    rate(count, start)
}

/// An actor that is busy for a while with each message.
struct Flooded {
    rounds: u32,
    over: Arc<AtomicBool>,
    handled: Arc<AtomicUsize>,
}

impl<S: System> Behaviour<S> for Flooded {
    fn handle(&self, _: impl FnOnce() -> S::Address<Self>, _: Body) -> Next {
        if !self.over.load(Ordering::Relaxed) {
            work(self.rounds);
        }
        self.handled.fetch_add(1, Ordering::Relaxed);
        Next::Continue
    }
}

/// An actor that notes how late each message is handled: since it was sent, and since it was planned.
#[derive(Clone)]
struct Late(Arc<Vec<Mutex<Vec<[u64; 2]>>>>, Arc<Latch>);

impl<S: System> Behaviour<S> for Late {
    fn handle(&self, _: impl FnOnce() -> S::Address<Self>, message: Body) -> Next {
        let (now, [sent, planned]) = (now_ns(), words(&message));
        let late = [now.saturating_sub(sent), now.saturating_sub(planned)];
        // Sixteen lists, so that two threads seldom want the same.
        let list = usize::from(message[0]) % self.0.len();
        self.0[list].lock().expect("no panic under the lock").push(late);
        self.1.count_down();
        Next::Continue
    }
}

impl Late {
    fn new(count: usize) -> Self {
        let lists = (0..16).map(|_| Mutex::new(Vec::with_capacity(count / 8 + 1))).collect();
        Self(Arc::new(lists), Arc::new(Latch::new(count)))
    }

    /// The 99th percentiles in milliseconds, when all came.
    fn p99_ms(&self) -> [f64; 2] {
        self.1.wait();
        let mut all: Vec<[u64; 2]> = Vec::new();
        for list in self.0.iter() {
            all.append(&mut list.lock().expect("no panic under the lock"));
        }
        [0, 1].map(|place| {
            let mut late: Vec<u64> = all.iter().map(|late| late[place]).collect();
            late.sort_unstable();
            percentile(&late, 99).as_secs_f64() * 1e3
        })
    }
}

fn work(rounds: u32) {
    for round in 0..rounds {
        black_box(round);
    }
}

/// How many rounds of [`work`] take two microseconds here.
fn rounds_of_work() -> u32 {
    const TRIAL: u32 = 4_000_000;
    let start = Instant::now();
    work(TRIAL);
    u32::try_from(u128::from(TRIAL) * 2_000 / start.elapsed().as_nanos()).expect("a loop takes some time")
}

fn fairness<S: System>(count: usize) -> Sample {
    const QUIET: usize = 1_000;
    const BEAT: Duration = Duration::from_millis(10);
    // Two microseconds each: the flood lasts as long as the beats do, on one core.
    let beats = (count / 5_000).max(1);
    let (over, handled) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let flooded = S::spawn(Flooded {
        rounds: rounds_of_work(),
        over: Arc::clone(&over),
        handled: Arc::clone(&handled),
    });
    let late = Late::new(beats * QUIET);
    let quiet = S::spawn_all(&late, QUIET);
    S::ask_blocking(&quiet[QUIET - 1], BODY);
    for _ in 0..count {
        S::send(&flooded, BODY);
    }
    let (mut next, start) = (Instant::now(), now_ns());
    for beat in 0..beats as u64 {
        for actor in &quiet {
            S::send(actor, words_body([now_ns(), start + beat * 10_000_000]));
        }
        next += BEAT;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    over.store(true, Ordering::Relaxed);
    let [sent, planned] = late.p99_ms();
    let part = float(handled.load(Ordering::Relaxed)) / float(count);
    vec![("p99_ms", sent), ("p99_planned_ms", planned), ("flood_handled", part)]
}

fn timers<S: System>(count: usize) -> Sample {
    const ACTORS: usize = 1_000;
    const SETTING: Duration = Duration::from_secs(1);
    // Prime to every count here: multiples of it visit each number once, in no order.
    const STRIDE: usize = 7_919;
    let late = Late::new(count);
    let actors = S::spawn_all(&late, ACTORS);
    S::ask_blocking(&actors[ACTORS - 1], BODY);
    let start = now_ns();
    for number in (0..count).map(|number| number * STRIDE % count) {
        let due = start + 1_000_000_000 + (number as u64) * (1_000_000_000 / count as u64);
        let now = now_ns();
        let delay = Duration::from_millis(due.saturating_sub(now).div_ceil(1_000_000));
        let due = now + u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        S::send_after(&actors[number % ACTORS], delay, words_body([due, due]));
    }
    let set = Duration::from_nanos(now_ns() - start);
    assert!(set < SETTING * 60, "the timers took {set:?} to set");
    vec![("rate", float(count) / set.as_secs_f64()), ("p99_ms", late.p99_ms()[0])]
}

/// W13: rounds of five messages, one that crashes the actor, five more, and an ask until it is answered.
///
/// # Panics
/// Where the actor does not come back within a minute.
pub fn crash_rounds(
    rounds: usize,
    handled: &AtomicUsize,
    send: impl Fn(Body),
    mut asked: impl FnMut() -> bool,
) -> Sample {
    let start = Instant::now();
    for _ in 0..rounds {
        (0..5).for_each(|_| send(BODY));
        send(CRASH);
        (0..5).for_each(|_| send(BODY));
        while !asked() {
            assert!(start.elapsed() < Duration::from_mins(1), "the actor did not come back");
            std::thread::yield_now();
        }
    }
    let mut sample = rate(rounds, start);
    sample.push(("kept", float(handled.load(Ordering::Acquire)) / float(rounds * 10)));
    sample
}

/// The message that crashes the actor of W13.
pub const CRASH: Body = *b"crash on purpose";

/// The actor of W13: counts, and crashes where it is told to.
#[derive(Clone)]
pub struct Crashing(pub Arc<AtomicUsize>);

impl<S: System> Behaviour<S> for Crashing {
    fn handle(&self, _: impl FnOnce() -> S::Address<Self>, message: Body) -> Next {
        if message == CRASH {
            std::panic::panic_any(super::measure::ON_PURPOSE);
        }
        self.0.fetch_add(1, Ordering::AcqRel);
        Next::Continue
    }
}
