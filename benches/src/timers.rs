//! Timers: a million of them over one second, and taking a million back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use iris_core::{Behaviour, Context, Flow, Message, Payload, Pid, Runtime, SpawnOptions};

use crate::messages::BODY;
use crate::report::{Must, Scale, figure, float, is_wanted, p99_ms, print};
use crate::wait::{Latch, now_ns};

const ACTORS: usize = 1_000;
/// The timers are set within this time, and go off in the second after it.
const SETTING: Duration = Duration::from_secs(1);
const SPREAD: Duration = Duration::from_secs(1);
/// Prime to every count here: multiples of it visit each number once, in no order.
const STRIDE: usize = 7_919;

pub(crate) fn measure(scale: Scale) {
    let count = scale.count(1_000_000);
    if is_wanted("timers_late_p99") {
        let (set, late) = (0..scale.runs).map(|_| fire(count)).unzip();
        print(scale, "timers_set", "ns", Must::Compare, set);
        print(scale, "timers_late_p99", "ms", Must::Ceiling(5.0), late);
    }
    figure(scale, "timer_cancel", "ns", Must::Ceiling(1_000.0), || cancel(count));
}

/// Notes for each timer how late its message is handled.
struct Noting {
    late: Vec<AtomicU64>,
    fired: Latch,
}

struct Noted(Arc<Noting>);

impl Behaviour for Noted {
    fn handle(&self, _: &Context<'_>, message: Message) -> Flow {
        let body = message.payload().as_slice();
        let word = |from: usize| u64::from_le_bytes(body[from..from + 8].try_into().expect("16 bytes"));
        let (number, due) = (word(0), word(8));
        let late = now_ns().checked_sub(due).expect("no timer goes off early");
        let slot = &self.0.late[usize::try_from(number).expect("a timer's number")];
        assert_eq!(slot.swap(late, Ordering::Relaxed), u64::MAX, "a timer went off twice");
        self.0.fired.count_down();
        Flow::Continue
    }
}

fn actors(runtime: &Runtime, behaviour: &Arc<dyn Behaviour>) -> Vec<Pid> {
    let spawn = |_| runtime.spawn_shared(Arc::clone(behaviour), SpawnOptions::default()).expect("an actor");
    (0..ACTORS).map(spawn).collect()
}

/// Nanoseconds to set a timer, and the 99th percentile of their lateness in milliseconds.
fn fire(count: usize) -> (f64, f64) {
    let runtime = Runtime::new().expect("a runtime");
    let late = (0..count).map(|_| AtomicU64::new(u64::MAX)).collect();
    let noting = Arc::new(Noting { late, fired: Latch::new(count) });
    let behaviour: Arc<dyn Behaviour> = Arc::new(Noted(Arc::clone(&noting)));
    let pids = actors(&runtime, &behaviour);
    let (start_ns, start) = (now_ns(), Instant::now());
    let step = u64::try_from(SPREAD.as_nanos()).unwrap_or(u64::MAX) / u64::try_from(count).unwrap_or(1);
    let setting = u64::try_from(SETTING.as_nanos()).unwrap_or(u64::MAX);
    for number in (0..count).map(|number| number * STRIDE % count) {
        let wanted = start_ns + setting + u64::try_from(number).unwrap_or(0) * step;
        let now = now_ns();
        let delay_ms = wanted.saturating_sub(now).div_ceil(1_000_000);
        let mut body = BODY;
        body[..8].copy_from_slice(&u64::try_from(number).unwrap_or(0).to_le_bytes());
        body[8..].copy_from_slice(&(now + delay_ms * 1_000_000).to_le_bytes());
        runtime.send_after(pids[number % ACTORS], delay_ms, Payload::copy_from(&body)).expect("a timer");
    }
    let set = start.elapsed();
    noting.fired.wait();
    let late = noting.late.iter().map(|late| late.load(Ordering::Relaxed)).collect();
    (set.as_secs_f64() * 1e9 / float(count), p99_ms(late))
}

/// Nanoseconds to take a timer back, in another order than they were set.
fn cancel(count: usize) -> f64 {
    let runtime = Runtime::new().expect("a runtime");
    let behaviour: Arc<dyn Behaviour> = Arc::new(|_: &Context<'_>, _: Message| Flow::Continue);
    let pids = actors(&runtime, &behaviour);
    let timers: Vec<u64> = (0..count)
        .map(|number| {
            let delay_ms = 60_000 + u64::try_from(number % 1_000).unwrap_or(0);
            runtime.send_after(pids[number % ACTORS], delay_ms, Payload::copy_from(&BODY)).expect("a timer")
        })
        .collect();
    let start = Instant::now();
    for number in (0..count).map(|number| number * STRIDE % count) {
        assert!(runtime.cancel_timer(timers[number]), "a pending timer is cancelled");
    }
    start.elapsed().as_secs_f64() * 1e9 / float(count)
}
