//! A lane and its actors under every interleaving of a few threads: sleep against wake, swap and stop against run, bounds.

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::{Drained, HostedLane, LaneHost};
use crate::behaviour::{Behaviour, Flow};
use crate::clock::Clock;
use crate::context::Context;
use crate::message::Message;
use crate::options::{Bounds, RuntimeOptions, SpawnOptions};
use crate::overflow::Overflow;
use crate::pid::Pid;
use crate::runtime::Runtime;

/// A host that can be waited for.
#[derive(Default)]
struct Bell(Mutex<usize>, Condvar);

impl LaneHost for Bell {
    fn wake(&self) {
        *self.0.lock().expect("no model panics under it") += 1;
        self.1.notify_one();
    }
}

struct World {
    runtime: Runtime,
    lane: std::sync::Arc<HostedLane>,
    bell: std::sync::Arc<Bell>,
    /// Messages handled by the first behaviour and by its successor.
    handled: Arc<[AtomicUsize; 2]>,
}

impl World {
    fn new() -> Arc<Self> {
        let options = RuntimeOptions { workers: 1, clock: Clock::manual().0, ..RuntimeOptions::default() };
        let runtime = Runtime::with_options(options).expect("a runtime");
        let bell = std::sync::Arc::<Bell>::default();
        let host: std::sync::Arc<dyn LaneHost> = std::sync::Arc::clone(&bell) as _;
        let lane = runtime.add_lane(host).expect("a lane");
        Arc::new(Self { runtime, lane, bell, handled: Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]) })
    }

    fn spawn(&self, options: SpawnOptions) -> Pid {
        let options = SpawnOptions { lane: self.lane.id(), ..options };
        self.runtime.spawn_shared(self.counting(0), options).expect("an actor")
    }

    fn counting(&self, version: usize) -> std::sync::Arc<dyn Behaviour> {
        let handled = Arc::clone(&self.handled);
        std::sync::Arc::new(move |_: &Context<'_>, _: Message| {
            handled[version].fetch_add(1, Ordering::Relaxed);
            Flow::Continue
        })
    }

    fn handled(&self) -> [usize; 2] {
        [0, 1].map(|version| self.handled[version].load(Ordering::Relaxed))
    }

    fn send(&self, pid: Pid) -> usize {
        usize::from(self.runtime.try_send(pid, b"x".into()).is_ok())
    }

    fn drain(&self) {
        while self.lane.drain_one() {}
    }

    /// The life of a lane's host, until so many messages were handled.
    fn host(&self, lane: &HostedLane, count: usize) {
        let mut woken = 0;
        loop {
            while lane.drain_one() {}
            if self.handled()[0] == count {
                return;
            }
            if lane.try_sleep() {
                let mut rung = self.bell.0.lock().expect("no model panics under it");
                while *rung == woken {
                    rung = self.bell.1.wait(rung).expect("no model panics under it");
                }
                woken = *rung;
            }
        }
    }

    fn accounted(&self) -> usize {
        let letters = self.runtime.dead_letters();
        let dropped: u64 = letters.iter().map(|(_, count)| *count).sum();
        let [old, new] = self.handled();
        old + new + usize::try_from(dropped).expect("few")
    }
}

/// At most this often a thread is stopped where it could go on; each one more takes twice the time.
const PREEMPTIONS: usize = 5;

fn check(model: impl Fn(&Arc<World>) + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.max_branches = 10_000;
    builder.check(move || {
        let world = World::new();
        model(&world);
        let stats = world.runtime.stats();
        assert_eq!(stats.sent, u64::try_from(world.accounted()).expect("few") + stats.queued, "{stats:?}");
    });
}

#[test]
fn a_host_that_falls_asleep_is_woken_for_every_message() {
    check(|world| {
        let pid = world.spawn(SpawnOptions::default());
        let host = Arc::clone(world);
        let host = thread::spawn(move || host.host(&host.lane, 2));
        assert_eq!(world.send(pid) + world.send(pid), 2);
        host.join().expect("the host");
        assert_eq!(world.handled(), [2, 0]);
    });
}

#[test]
fn a_sender_that_is_late_takes_nothing_from_a_lane_that_began_again() {
    check(|world| {
        let heir = world.runtime.add_lane(std::sync::Arc::clone(&world.bell) as _).expect("a lane");
        let first = world.spawn(SpawnOptions::default());
        let sender = Arc::clone(world);
        let sender = thread::spawn(move || sender.send(first));
        world.runtime.remove_lane(&world.lane, heir.id());
        world.host(&heir, 1);
        world.lane.begin_again(std::sync::Arc::clone(&world.bell) as _);
        let second = world.spawn(SpawnOptions::default());
        assert_eq!(world.send(second), 1);
        assert_eq!(sender.join().expect("the sender"), 1);
        assert!(world.lane.drain_one() && !heir.has_work());
        assert_eq!(world.handled(), [2, 0]);
    });
}

#[test]
fn two_threads_that_drain_one_lane_never_enter_an_actor_twice() {
    check(|world| {
        let pid = world.spawn(SpawnOptions::default());
        let other = Arc::clone(world);
        let other = thread::spawn(move || other.drain());
        assert_eq!(world.send(pid), 1);
        world.drain();
        assert_eq!(world.send(pid), 1);
        other.join().expect("the other");
        world.drain();
        assert_eq!(world.handled(), [2, 0]);
        assert_eq!(world.lane.drain(std::time::Instant::now()), Drained::Empty);
    });
}

#[test]
fn a_swap_meets_every_message_that_was_sent_after_it() {
    for bounds in [None, Some(Bounds::messages(2))] {
        swap_against_run(bounds);
    }
}

fn swap_against_run(bounds: Option<Bounds>) {
    check(move |world| {
        let pid = world.spawn(SpawnOptions { bounds, ..SpawnOptions::default() });
        let runner = Arc::clone(world);
        world.send(pid);
        let runner = thread::spawn(move || runner.drain());
        world.runtime.hot_swap(pid, world.counting(1)).expect("it lives");
        world.send(pid);
        runner.join().expect("the runner");
        world.drain();
        let [old, new] = world.handled();
        assert!(old <= 1 && old + new == 2, "{old} met the old code, {new} the new");
    });
}

#[test]
fn a_stop_against_a_run_ends_the_actor_once_and_accounts_for_its_messages() {
    check(|world| {
        let pid = world.spawn(SpawnOptions::default());
        world.send(pid);
        let runner = Arc::clone(world);
        let runner = thread::spawn(move || runner.drain());
        assert!(world.runtime.stop(pid));
        assert!(!world.runtime.is_alive(pid) && world.send(pid) == 0);
        let handled = world.handled();
        runner.join().expect("the runner");
        world.drain();
        assert_eq!(world.runtime.stats().exited, 1);
        // One that was in the handler when the stop came ends there.
        assert!(world.handled()[0] <= handled[0] + 1);
        assert_eq!(world.accounted(), 2);
    });
}

fn full_with_one(overflow: Overflow) -> SpawnOptions {
    SpawnOptions { bounds: Some(Bounds::messages(1)), overflow, ..SpawnOptions::default() }
}

#[test]
fn a_bounded_mailbox_never_holds_more_and_loses_nothing_unaccounted() {
    for overflow in [Overflow::DropNewest, Overflow::DropOldest] {
        check(move |world| {
            let pid = world.spawn(full_with_one(overflow));
            let runner = Arc::clone(world);
            let runner = thread::spawn(move || runner.drain());
            world.send(pid);
            assert!(world.runtime.mailbox_size(pid).expect("it lives") <= 1);
            world.send(pid);
            runner.join().expect("the runner");
            world.drain();
            assert_eq!(world.accounted(), 2);
            assert!(world.handled()[0] >= 1);
        });
    }
}

#[test]
fn two_senders_that_see_the_last_place_do_not_both_take_it() {
    for (overflow, taken, dropped) in
        [(Overflow::DropNewest, 1, "MailboxFull"), (Overflow::DropOldest, 2, "DroppedOldest")]
    {
        check(move |world| {
            let pid = world.spawn(full_with_one(overflow));
            let other = Arc::clone(world);
            let other = thread::spawn(move || other.send(pid));
            let sent = world.send(pid);
            assert_eq!(sent + other.join().expect("the other"), taken);
            assert_eq!(world.runtime.mailbox_size(pid), Some(1));
            assert!(world.runtime.dead_letters().contains(&(dropped, 1)));
            world.drain();
            assert_eq!((world.handled(), world.accounted()), ([1, 0], 2));
        });
    }
}

#[test]
fn two_senders_and_a_runner_at_the_last_place_lose_nothing_unaccounted() {
    for overflow in [Overflow::DropNewest, Overflow::DropOldest] {
        check(move |world| {
            let pid = world.spawn(full_with_one(overflow));
            let other = Arc::clone(world);
            let other = thread::spawn(move || other.send(pid));
            let runner = Arc::clone(world);
            let runner = thread::spawn(move || runner.drain());
            let sent = world.send(pid);
            let taken = sent + other.join().expect("the other");
            runner.join().expect("the runner");
            world.drain();
            let handled = world.handled()[0];
            assert_eq!(world.accounted(), 2);
            match overflow {
                Overflow::DropNewest => assert_eq!(handled, taken, "what was taken is handled"),
                _ => assert_eq!(taken, 2, "nothing is refused"),
            }
            assert!(handled >= 1);
        });
    }
}

#[test]
fn a_sender_that_waits_for_room_is_let_in() {
    check(|world| {
        let pid = world.spawn(full_with_one(Overflow::Block));
        let host = Arc::clone(world);
        let host = thread::spawn(move || host.host(&host.lane, 2));
        for _ in 0..2 {
            world.runtime.send(pid, b"x".into()).expect("it lives");
        }
        host.join().expect("the host");
        assert_eq!(world.handled(), [2, 0]);
    });
}

#[test]
fn a_sender_that_waits_for_room_is_told_of_the_end() {
    check(|world| {
        let pid = world.spawn(full_with_one(Overflow::Block));
        world.send(pid);
        let sender = Arc::clone(world);
        let sender = thread::spawn(move || sender.runtime.send(pid, b"x".into()).is_ok());
        world.runtime.stop(pid);
        world.drain();
        // The stop came before the room was made, or the message got in and went with the actor.
        let _ = sender.join().expect("the sender");
        assert_eq!(world.accounted(), 2);
    });
}
