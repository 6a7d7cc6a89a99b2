//! Senders against swaps, restarts in place and stops, on several threads: order by sender, nothing lost or doubled.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{DEADLINE, runtime, scaled};
use iris_core::{
    AskOptions, Backoff, Behaviour, Bounds, ChildSpec, Context, Error, ErrorKind, ExitReason, Failure, Flow,
    Message, Overflow, Payload, Pid, Restart, Runtime, RuntimeInfo, SpawnOptions, SupervisorOptions,
};

const SENDERS: usize = 8;
/// One in so many handled messages crashes its actor.
const CRASH_EVERY: u64 = 50;
/// Messages between two pauses of a sender, so that some are handled where most are refused.
const BURST: u64 = 32;
const ASKS: u64 = 300;

/// Messages of each sender.
fn messages() -> u64 {
    (scaled(100_000, 10_000_000) / SENDERS) as u64
}

/// What one actor handled, whichever behaviour was in force.
#[derive(Default)]
struct Seen {
    /// The next number a sender may send at the earliest.
    next: [AtomicU64; SENDERS],
    by_sender: [AtomicU64; SENDERS],
    handled: AtomicU64,
    out_of_order: AtomicU64,
    /// Behaviours that handle at this moment; never more than one.
    inside: AtomicU64,
    overlaps: AtomicU64,
}

impl Seen {
    fn note(&self, payload: &[u8]) -> Flow {
        if self.inside.fetch_add(1, Ordering::AcqRel) != 0 {
            self.overlaps.fetch_add(1, Ordering::Relaxed);
        }
        let handled = self.handled.fetch_add(1, Ordering::Relaxed);
        let flow = match payload.split_first() {
            Some((sender, number)) if usize::from(*sender) < SENDERS => {
                let number = u64::from_le_bytes(number.try_into().unwrap());
                let sender = usize::from(*sender);
                if self.next[sender].swap(number + 1, Ordering::Relaxed) > number {
                    self.out_of_order.fetch_add(1, Ordering::Relaxed);
                }
                self.by_sender[sender].fetch_add(1, Ordering::Relaxed);
                if handled % CRASH_EVERY == 1 {
                    Flow::Stop(ExitReason::crash(Failure::new("Test", "now and then")))
                } else {
                    Flow::Continue
                }
            }
            _ => Flow::Continue,
        };
        self.inside.fetch_sub(1, Ordering::AcqRel);
        flow
    }

    fn handled(&self) -> u64 {
        self.handled.load(Ordering::Relaxed)
    }

    fn check(&self, what: &str) {
        assert_eq!(self.out_of_order.load(Ordering::Relaxed), 0, "{what}: messages out of order");
        assert_eq!(self.overlaps.load(Ordering::Relaxed), 0, "{what}: an actor was entered twice");
    }
}

/// A behaviour that notes what it gets and answers asks.
fn noting(seen: &Arc<Seen>) -> impl Behaviour + use<> {
    let seen = Arc::clone(seen);
    move |_: &Context<'_>, mut message: Message| {
        let reply = message.take_reply();
        let flow = seen.note(message.payload().as_slice());
        if let Some(reply) = reply {
            reply.send(Payload::copy_from(b"answer"));
        }
        flow
    }
}

fn numbered(sender: usize, number: u64) -> Payload {
    let mut bytes = [0; 9];
    bytes[0] = u8::try_from(sender).unwrap();
    bytes[1..].copy_from_slice(&number.to_le_bytes());
    Payload::copy_from(&bytes)
}

/// A supervisor that restarts at once and never gives up.
fn patient_supervisor(runtime: &Runtime) -> Pid {
    let backoff = Backoff::new(Duration::ZERO, Duration::ZERO).unwrap();
    let options = SupervisorOptions { intensity: u32::MAX, backoff, ..SupervisorOptions::default() };
    runtime.spawn_supervisor(options).unwrap()
}

fn dropped(stats: &RuntimeInfo) -> u64 {
    stats.dropped.iter().map(|(_, count)| count).sum()
}

/// Waits until nothing is queued and everything sent is accounted for, as long as there is progress.
fn settled(runtime: &Runtime, handled: impl Fn() -> u64, what: &str) -> RuntimeInfo {
    let (mut until, mut before) = (Instant::now() + DEADLINE, 0);
    loop {
        let stats = runtime.stats();
        if std::mem::replace(&mut before, stats.handled) != stats.handled {
            until = Instant::now() + DEADLINE;
        }
        if stats.queued == 0 && stats.sent == stats.handled + dropped(&stats) && stats.handled == handled() {
            return stats;
        }
        assert!(Instant::now() < until, "{what}: {} were handled, {stats:?}", handled());
        std::thread::yield_now();
    }
}

/// Sends each sender's numbers in order; how many each had accepted.
fn send_all(runtime: &Runtime, pid: impl Fn() -> Pid + Sync, messages: u64) -> [u64; SENDERS] {
    let mut accepted = [0; SENDERS];
    std::thread::scope(|scope| {
        for (sender, accepted) in accepted.iter_mut().enumerate() {
            let pid = &pid;
            scope.spawn(move || {
                for number in 0..messages {
                    *accepted += u64::from(runtime.send(pid(), numbered(sender, number)).is_ok());
                    if number % BURST == 0 {
                        std::thread::yield_now();
                    }
                }
            });
        }
    });
    accepted
}

/// What became of asks.
#[derive(Default)]
struct Outcomes {
    completed: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    late: AtomicU64,
}

impl Outcomes {
    fn note(&self, outcome: &Result<Payload, Error>) {
        if let Err(error) = outcome {
            let count = match error.kind() {
                ErrorKind::MailboxFull => &self.refused,
                ErrorKind::AskTimeout => &self.late,
                _ => &self.failed,
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.completed.fetch_add(1, Ordering::Release);
    }

    /// Waits for all of them: how many were refused, failed, and were too late.
    fn wait(&self, what: &str) -> [u64; 3] {
        let until = Instant::now() + DEADLINE;
        while self.completed.load(Ordering::Acquire) != ASKS {
            let completed = self.completed.load(Ordering::Relaxed);
            assert!(
                completed < ASKS && Instant::now() < until,
                "{what}: {completed} of {ASKS} asks completed"
            );
            std::thread::yield_now();
        }
        [&self.refused, &self.failed, &self.late].map(|count| count.load(Ordering::Relaxed))
    }
}

/// Asks beside the senders; each must complete exactly once.
fn ask_all(runtime: &Runtime, pid: impl Fn() -> Pid, outcomes: &Arc<Outcomes>) {
    for ask in 0..ASKS {
        let outcomes = Arc::clone(outcomes);
        let timeout = (ask % 3 == 0).then(|| Duration::from_micros(50 * ask));
        let options = AskOptions { timeout, context: None };
        let done = Box::new(move |outcome| outcomes.note(&outcome));
        let _ = runtime.ask_with(pid(), b"\xffask".into(), options, done);
    }
}

/// Swaps and rolls back until told to end.
fn swap_until(runtime: &Runtime, pid: impl Fn() -> Pid, seen: &Arc<Seen>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let _ = runtime.hot_swap(pid(), Arc::new(noting(seen)));
        let _ = runtime.rollback_behavior(pid(), 1);
        std::thread::yield_now();
    }
}

fn options(supervisor: Pid, overflow: Option<Overflow>) -> SpawnOptions {
    SpawnOptions {
        budget: 7,
        bounds: overflow.map(|_| Bounds::messages(64)),
        overflow: overflow.unwrap_or(Overflow::DropNewest),
        supervisor: Some(ChildSpec { supervisor, restart: Restart::Permanent }),
        ..SpawnOptions::default()
    }
}

/// What a full mailbox may do to messages that were sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loses {
    Nothing,
    /// It refuses them, and their senders know.
    New,
    /// It drops them after it took them.
    Old,
}

/// Each message that was not handled is told of, and counted once, by its reason. An ask that is too late may be counted by
/// what befell it before or after.
fn check_losses(what: &str, stats: &RuntimeInfo, unheard: [u64; 2], asks: [u64; 3]) {
    let ([refused, lost], [refused_asks, failed_asks, late_asks]) = (unheard, asks);
    for (reason, count) in &stats.dropped {
        let told = match *reason {
            "MailboxFull" => refused + refused_asks,
            "DroppedOldest" => lost + failed_asks,
            _ => 0,
        };
        let most = match *reason {
            "MailboxFull" | "DroppedOldest" | "AskExpired" => told + late_asks,
            _ => told,
        };
        assert!((told..=most).contains(count), "{what}: {reason}: {told} to {most} were told of: {stats:?}");
    }
}

/// Eight senders, an asker, a swapper and a crash now and then against one actor that stays.
fn hammer(what: &str, overflow: impl Fn(Pid) -> Option<Overflow>, loses: Loses) {
    let runtime = runtime();
    let supervisor = patient_supervisor(&runtime);
    let (seen, spared) = (Arc::new(Seen::default()), Arc::new(Seen::default()));
    let other = runtime.spawn(noting(&spared), options(supervisor, None)).unwrap();
    let overflow = overflow(other);
    let pid = runtime.spawn(noting(&seen), options(supervisor, overflow)).unwrap();
    let (over, outcomes) = (AtomicBool::new(false), Arc::new(Outcomes::default()));
    let accepted = std::thread::scope(|scope| {
        scope.spawn(|| swap_until(&runtime, || pid, &seen, &over));
        let asker = scope.spawn(|| ask_all(&runtime, || pid, &outcomes));
        let accepted = send_all(&runtime, || pid, messages());
        asker.join().unwrap();
        over.store(true, Ordering::Relaxed);
        accepted
    });
    let stats = settled(&runtime, || seen.handled() + spared.handled(), what);
    let asks = outcomes.wait(what);
    seen.check(what);
    spared.check(what);
    let mut unheard = [0; 2];
    for (sender, accepted) in accepted.into_iter().enumerate() {
        let handled =
            seen.by_sender[sender].load(Ordering::Relaxed) + spared.by_sender[sender].load(Ordering::Relaxed);
        assert!(handled <= accepted, "{what}: sender {sender} was heard more often than accepted");
        assert!(loses == Loses::New || accepted == messages(), "{what}: sender {sender} was refused");
        assert!(loses == Loses::Old || accepted == handled, "{what}: of sender {sender}'s some were lost");
        unheard[0] += messages() - accepted;
        unheard[1] += accepted - handled;
    }
    check_losses(what, &stats, unheard, asks);
    assert!(runtime.is_alive(pid), "{what}: a restart in place keeps the pid");
    assert!(stats.restarted > 0 && stats.restarted <= stats.crashed, "{what}: {stats:?}");
}

#[test]
fn an_unbounded_mailbox_loses_nothing() {
    hammer("unbounded", |_| None, Loses::Nothing);
}

#[test]
fn drop_newest_keeps_order_and_count() {
    hammer("dropnew", |_| Some(Overflow::DropNewest), Loses::New);
}

#[test]
fn drop_oldest_keeps_order_and_count() {
    hammer("dropold", |_| Some(Overflow::DropOldest), Loses::Old);
}

#[test]
fn block_loses_nothing() {
    hammer("block", |_| Some(Overflow::Block), Loses::Nothing);
}

#[test]
fn redirect_loses_nothing_and_keeps_the_order_at_each() {
    hammer("redirect", |other| Some(Overflow::Redirect(other)), Loses::Nothing);
}

#[test]
fn spill_loses_nothing() {
    hammer("spill", |_| Some(Overflow::Spill(None)), Loses::Nothing);
}

#[test]
fn spill_into_another_loses_nothing() {
    hammer("spill to", |other| Some(Overflow::Spill(Some(other))), Loses::Nothing);
}

/// As [`hammer`], while the actor is stopped and replaced again and again: its slot is used anew at once.
fn replace(what: &str, overflow: Option<Overflow>) {
    let runtime = runtime();
    let supervisor = patient_supervisor(&runtime);
    let seen = Arc::new(Seen::default());
    let spawn = || runtime.spawn(noting(&seen), options(supervisor, overflow)).unwrap();
    let (current, over) = (AtomicU64::new(spawn().get()), AtomicBool::new(false));
    let pid = || Pid::from_u64(current.load(Ordering::Acquire)).unwrap();
    let outcomes = Arc::new(Outcomes::default());
    let mut replaced = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| swap_until(&runtime, pid, &seen, &over));
        scope.spawn(|| {
            ask_all(&runtime, pid, &outcomes);
            send_all(&runtime, pid, messages() / 4);
            over.store(true, Ordering::Relaxed);
        });
        while !over.load(Ordering::Relaxed) {
            let old = pid();
            assert!(runtime.stop(old), "{what}: nobody else stops it");
            assert!(!runtime.is_alive(old));
            assert!(runtime.join(old, Some(DEADLINE)), "{what}: a stopped actor stayed");
            current.store(spawn().get(), Ordering::Release);
            replaced += 1;
        }
    });
    settled(&runtime, || seen.handled(), what);
    outcomes.wait(what);
    seen.check(what);
    assert!(runtime.is_alive(pid()) && replaced > 0);
    runtime.stop(pid());
    assert!(runtime.join(pid(), Some(DEADLINE)));
    let until = Instant::now() + DEADLINE;
    while runtime.live_actors() != 1 {
        assert!(Instant::now() < until, "{what}: {} live beside the supervisor", runtime.live_actors());
        std::thread::yield_now();
    }
    assert!(runtime.child_pids(supervisor).is_ok());
}

#[test]
fn stops_and_slots_used_again_unbounded() {
    replace("unbounded", None);
}

#[test]
fn stops_and_slots_used_again_dropping() {
    replace("dropold", Some(Overflow::DropOldest));
}

#[test]
fn stops_and_slots_used_again_blocking() {
    replace("block", Some(Overflow::Block));
}

#[test]
fn stops_and_slots_used_again_spilling() {
    replace("spill", Some(Overflow::Spill(None)));
}

/// Actors of each kind that end by themselves while several stop them and many send to them: their slots change hands
/// at once, and whoever lives there next is nobody's victim.
#[test]
fn slots_change_hands() {
    const ROUNDS: usize = 1_500;
    let runtime = runtime();
    let (current, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let ends = || |_: &Context<'_>, _: Message| Flow::Stop(ExitReason::Normal);
    let probed = Arc::new(Seen::default());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (runtime, current, over) = (&runtime, &current, &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let Some(pid) = Pid::from_u64(current.load(Ordering::Relaxed)) else { continue };
                    match thread {
                        0 | 1 => drop(runtime.stop(pid)),
                        2 => drop(runtime.try_send(pid, b"\xffend".into())),
                        _ => drop(runtime.hot_swap(pid, Arc::new(ends()))),
                    }
                    std::thread::yield_now();
                }
            });
        }
        for round in 0..ROUNDS {
            let bounds = (round % 3 == 1).then(|| Bounds::messages(2));
            let victim = match round % 3 {
                2 => runtime.spawn_observed(SpawnOptions::default()).unwrap(),
                _ => runtime.spawn(ends(), SpawnOptions { bounds, ..SpawnOptions::default() }).unwrap(),
            };
            current.store(victim.get(), Ordering::Relaxed);
            assert!(runtime.join(victim, Some(DEADLINE)), "round {round}: the victim stayed");
            let bounds = (round % 2 == 1).then(|| Bounds::messages(2));
            let options = SpawnOptions { bounds, ..SpawnOptions::default() };
            let probe = runtime.spawn(noting(&probed), options).unwrap();
            let answer = runtime.ask_blocking(probe, b"\xffask".into(), Some(DEADLINE));
            assert!(answer.is_ok(), "round {round}: the next in its slot does not answer: {answer:?}");
            assert!(runtime.is_alive(probe) && runtime.stop(probe));
            assert!(runtime.join(probe, Some(DEADLINE)), "round {round}: the next in its slot stayed");
        }
        over.store(true, Ordering::Relaxed);
    });
    probed.check("probes");
    let until = Instant::now() + DEADLINE;
    loop {
        let stats = runtime.stats();
        let is_balanced = stats.queued == 0 && stats.sent == stats.handled + dropped(&stats);
        if is_balanced && runtime.live_actors() == 0 {
            return;
        }
        assert!(Instant::now() < until, "{stats:?}");
        std::thread::yield_now();
    }
}
