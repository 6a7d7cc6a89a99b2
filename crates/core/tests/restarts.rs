//! Restarts in place: what an actor that failed does until its supervisor has decided, and what the supervisor counts.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::{DEADLINE, Gate, eventually, fragile, kind, plain, spawn};
use iris_core::{
    Backoff, Behaviour, ChildSpec, Clock, Context, ErrorKind, ExitReason, Failure, Flow, HostedLane,
    LaneHost, ManualClock, Message, Pid, Restart, Runtime, RuntimeOptions, SpawnOptions, Strategy,
    SupervisorOptions, SystemMessage,
};

/// The pause before a restart that comes soon after another, by the test's own clock.
const PAUSE: Duration = Duration::from_hours(1);

struct Host;

impl LaneHost for Host {
    fn wake(&self) {}
}

/// A runtime whose actors run when the test drains their lane, and whose time the test moves.
struct World {
    runtime: Runtime,
    lane: Arc<HostedLane>,
    hand: ManualClock,
}

impl World {
    fn new() -> Self {
        let (clock, hand) = Clock::manual();
        let runtime = Runtime::with_options(RuntimeOptions { clock, ..RuntimeOptions::default() }).unwrap();
        let lane = runtime.add_lane(Arc::new(Host)).unwrap();
        Self { runtime, lane, hand }
    }

    fn supervisor(&self, intensity: u32, under: Option<Pid>) -> Pid {
        let options = SupervisorOptions {
            intensity,
            period: PAUSE,
            backoff: Backoff::new(PAUSE, PAUSE).unwrap(),
            supervisor: under.map(in_place),
            ..SupervisorOptions::default()
        };
        self.runtime.spawn_supervisor(options).unwrap()
    }

    fn child(&self, supervisor: Pid, behaviour: impl Behaviour) -> Pid {
        let supervisor = Some(in_place(supervisor));
        self.runtime.spawn(behaviour, SpawnOptions { supervisor, lane: self.lane.id(), ..plain() }).unwrap()
    }

    fn drain(&self) {
        while self.lane.drain_one() {}
    }

    fn send(&self, pid: Pid, text: &'static [u8]) {
        self.runtime.send(pid, text.into()).unwrap();
        self.drain();
    }

    /// Waits until a supervisor has heard all that it was told so far.
    fn heard_all(&self, supervisor: Pid) {
        let _ = self.runtime.ask_blocking(supervisor, b"?".into(), Some(DEADLINE));
    }

    /// A child that failed, and waits until the test's clock is moved by [`PAUSE`].
    fn failed_twice(&self, supervisor: Pid, behaviour: impl Behaviour) -> Pid {
        let pid = self.child(supervisor, behaviour);
        for crashes in 1..=2 {
            self.runtime.send(pid, b"crash".into()).unwrap();
            eventually("the crash", || {
                self.drain();
                self.runtime.stats().crashed == crashes
            });
        }
        self.heard_all(supervisor);
        pid
    }

    fn end_pause(&self) {
        self.hand.advance(PAUSE);
        eventually("the restart is ordered", || self.lane.has_work());
        self.drain();
    }
}

fn in_place(supervisor: Pid) -> ChildSpec {
    ChildSpec { supervisor, restart: Restart::Permanent }
}

/// Fails on `b"crash"` with a suspension that is never used, and tells of messages and notices.
struct Hears(mpsc::Sender<Vec<u8>>);

impl Behaviour for Hears {
    fn handle(&self, context: &Context<'_>, message: Message) -> Flow {
        if message.payload().as_slice() == b"crash" {
            let _unused = context.suspend(Box::new(|| {}));
            return Flow::Stop(ExitReason::crash(Failure::new("Test", "told to crash")));
        }
        let _ = self.0.send(message.payload().as_slice().to_vec());
        Flow::Continue
    }

    fn wants_system(&self) -> bool {
        true
    }

    fn system(&self, _: &Context<'_>, _: SystemMessage) -> Flow {
        let _ = self.0.send(b"notice".to_vec());
        Flow::Continue
    }
}

#[test]
fn what_failed_neither_handles_messages_nor_hears_notices_before_its_restart() {
    let world = World::new();
    let (tell, heard) = mpsc::channel();
    let pid = world.failed_twice(world.supervisor(3, None), Hears(tell));
    let other = spawn(&world.runtime);
    world.runtime.monitor(other, pid).unwrap();
    assert!(world.runtime.stop(other) && world.runtime.join(other, Some(DEADLINE)));
    world.send(pid, b"x");
    assert_eq!(heard.try_recv(), Err(mpsc::TryRecvError::Empty), "the code that failed goes on");
    world.end_pause();
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), [b"notice".to_vec(), b"x".to_vec()]);
    assert_eq!(world.runtime.actor_info(pid).unwrap().restarts, 2);
}

#[test]
fn what_failed_is_stopped_and_swapped_before_its_restart() {
    let world = World::new();
    let supervisor = world.supervisor(9, None);
    let (tell, heard) = mpsc::channel();
    let pid = world.failed_twice(supervisor, Hears(tell));
    let (successor, swapped) = common::collector();
    world.runtime.hot_swap(pid, Arc::new(successor)).unwrap();
    world.send(pid, b"crash");
    assert!(swapped.try_recv().is_err());
    world.end_pause();
    assert_eq!(swapped.try_recv().unwrap(), b"crash");
    assert!(heard.try_recv().is_err());
    let pid = world.child(supervisor, fragile().0);
    for _ in 0..2 {
        world.send(pid, b"crash");
        world.heard_all(supervisor);
        world.drain();
    }
    assert!(world.runtime.stop(pid) && world.runtime.join(pid, Some(DEADLINE)));
}

#[test]
fn a_supervisor_gives_up_once_however_many_of_its_children_failed() {
    let world = World::new();
    let outer = world.supervisor(1, None);
    let inner = world.supervisor(0, Some(outer));
    let [first, second] = [(); 2].map(|()| world.child(inner, fragile().0));
    let gate = Gate::default();
    let door = gate.clone();
    assert!(world.runtime.on_give_up(Box::new(move |_, _| door.pass())));
    world.send(first, b"crash");
    gate.wait_for_one_inside();
    // The supervisor hears of this one when it has given up already.
    world.send(second, b"crash");
    gate.open();
    eventually("both are restarted", || world.runtime.stats().restarted == 3);
    world.drain();
    for supervisor in [inner, outer] {
        world.heard_all(supervisor);
    }
    assert!(world.runtime.is_alive(outer), "one giving-up counted twice");
    let restarts = |pid| world.runtime.actor_info(pid).map(|info| info.restarts);
    assert_eq!([inner, first, second].map(restarts), [Some(1); 3]);
}

/// Keeps the supervisor within a turn of its own until the gate is opened.
fn keep_busy(world: &World, supervisor: Pid) -> Gate {
    let gate = Gate::default();
    let (door, handle) = (gate.clone(), world.runtime.downgrade());
    let factory = move || {
        door.pass();
        Ok(spawn(&handle))
    };
    let pid = spawn(&world.runtime);
    world.runtime.supervise_with_factory(supervisor, pid, Arc::new(factory), Strategy::OneForOne).unwrap();
    assert!(world.runtime.stop(pid));
    gate.wait_for_one_inside();
    gate
}

#[test]
fn unsupervised_before_its_supervisor_hears_of_its_failure_an_actor_goes_on_alone() {
    for supervisor_ends in [false, true] {
        let world = World::new();
        let supervisor = world.supervisor(3, None);
        let gate = keep_busy(&world, supervisor);
        let (behaviour, heard) = fragile();
        let pid = world.child(supervisor, behaviour);
        world.send(pid, b"crash");
        assert!(world.runtime.unsupervise(pid));
        if supervisor_ends {
            assert!(world.runtime.stop(supervisor));
        }
        gate.open();
        world.heard_all(supervisor);
        world.send(pid, b"x");
        assert_eq!(heard.try_recv().unwrap(), b"x");
        assert_eq!(world.runtime.actor_info(pid).unwrap().restarts, 1);
    }
}

/// Fails on every message, and counts how often it is restarted.
struct Counts(Arc<AtomicUsize>);

impl Behaviour for Counts {
    fn handle(&self, _: &Context<'_>, _: Message) -> Flow {
        Flow::Stop(ExitReason::crash(Failure::new("Test", "told to crash")))
    }

    fn restarted(&self) -> Result<Option<Arc<dyn Behaviour>>, Failure> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(None)
    }
}

#[test]
fn a_closing_thread_restarts_nobody() {
    let world = World::new();
    let supervisor = world.supervisor(3, None);
    // The restart comes after the turn in which the child failed, not within it.
    let gate = keep_busy(&world, supervisor);
    let restarts = Arc::new(AtomicUsize::new(0));
    let pid = world.child(supervisor, Counts(Arc::clone(&restarts)));
    world.send(pid, b"x");
    gate.open();
    eventually("the restart is ordered", || world.lane.has_work());
    assert!(world.runtime.shutdown(Duration::ZERO).unfinished.is_empty());
    assert_eq!(restarts.load(Ordering::SeqCst), 0, "the actor's own code ran on the closing thread");
}

// One actor on several lists

#[test]
fn a_child_that_is_restarted_in_place_is_watched_already() {
    let world = World::new();
    let supervisor = world.supervisor(3, None);
    let (behaviour, heard) = fragile();
    let pid = world.child(supervisor, behaviour);
    world.runtime.watch(supervisor, pid, Strategy::OneForOne).unwrap();
    world.send(pid, b"crash");
    world.heard_all(supervisor);
    world.send(pid, b"x");
    assert_eq!(heard.try_recv().unwrap(), b"x");
    assert_eq!(world.runtime.child_pids(supervisor).unwrap(), [pid]);
}

#[test]
fn a_supervisor_restarts_a_child_in_place_or_by_a_factory() {
    let world = World::new();
    let supervisor = world.supervisor(3, None);
    let (behaviour, heard) = fragile();
    let pid = world.child(supervisor, behaviour);
    let supervise = || {
        let factory = || -> Result<Pid, Failure> { panic!("it is restarted in place") };
        world.runtime.supervise_with_factory(supervisor, pid, Arc::new(factory), Strategy::OneForOne)
    };
    assert_eq!(kind(supervise()), ErrorKind::InvalidArgument);
    world.send(pid, b"crash");
    world.heard_all(supervisor);
    world.send(pid, b"x");
    assert_eq!(heard.try_recv().unwrap(), b"x");
    // Alone it may be supervised anew, in another way.
    assert!(world.runtime.unsupervise(pid));
    supervise().unwrap();
}

#[test]
fn unsupervised_an_actor_is_nobodys_child() {
    let world = World::new();
    let root = world.runtime.root_supervisor().unwrap();
    let supervisor = world.supervisor(3, None);
    let pid = world.child(supervisor, fragile().0);
    world.runtime.watch(root, pid, Strategy::OneForOne).unwrap();
    world.send(pid, b"crash");
    world.heard_all(supervisor);
    world.drain();
    let info = world.runtime.actor_info(pid).unwrap();
    assert_eq!(
        (info.restarts, info.supervisor),
        (1, Some(supervisor)),
        "it is restarted while others watch it"
    );
    assert!(world.runtime.unsupervise(pid) && !world.runtime.unsupervise(pid));
    for supervisor in [root, supervisor] {
        assert!(world.runtime.child_pids(supervisor).unwrap().is_empty());
    }
    assert!(world.runtime.stop(supervisor) && world.runtime.join(supervisor, Some(DEADLINE)));
    assert!(world.runtime.is_alive(pid));
    world.send(pid, b"crash");
    assert!(world.runtime.join(pid, Some(DEADLINE)));
}

#[test]
fn the_supervisor_of_a_path_goes_without_touching_others() {
    let world = World::new();
    let root = world.runtime.root_supervisor().unwrap();
    assert!(world.runtime.create_path_supervisor("/a").unwrap());
    let of_path = world.runtime.path_supervisor("/a").unwrap();
    let [own, other] = [of_path, root].map(|supervisor| world.child(supervisor, fragile().0));
    for (supervisor, pid) in [(root, own), (of_path, other)] {
        world.runtime.watch(supervisor, pid, Strategy::OneForOne).unwrap();
    }
    assert!(world.runtime.remove_path_supervisor("/a"));
    assert_eq!(world.runtime.child_pids(root).unwrap(), [other, own]);
    world.send(other, b"crash");
    world.heard_all(root);
    world.drain();
    assert_eq!(world.runtime.actor_info(other).unwrap().restarts, 1);
    world.send(own, b"crash");
    assert!(world.runtime.join(own, Some(DEADLINE)), "nobody restarts it any more");
}

/// Looks at the supervisor's list when it goes.
struct Looks(Runtime, Pid, mpsc::Sender<Vec<Pid>>);

impl Drop for Looks {
    fn drop(&mut self) {
        let _ = self.2.send(self.0.child_pids(self.1).unwrap());
    }
}

#[test]
fn a_factory_that_is_replaced_may_ask_its_supervisor_when_it_goes() {
    let world = World::new();
    let root = world.runtime.root_supervisor().unwrap();
    let pid = spawn(&world.runtime);
    let (tell, seen) = mpsc::channel();
    let looks = Looks(world.runtime.downgrade(), root, tell);
    let replaced = move || {
        let _kept = &looks;
        Err(Failure::new("Test", "never called"))
    };
    let handle = world.runtime.downgrade();
    world.runtime.supervise_with_factory(root, pid, Arc::new(replaced), Strategy::OneForOne).unwrap();
    std::thread::spawn(move || {
        let factory = || Err(Failure::new("Test", "never called"));
        handle.supervise_with_factory(root, pid, Arc::new(factory), Strategy::OneForOne)
    });
    assert_eq!(seen.recv_timeout(DEADLINE).unwrap(), [pid]);
}

#[test]
fn a_sibling_that_does_not_stop_holds_restarts_up_for_a_while() {
    let world = World::new();
    let root = world.runtime.root_supervisor().unwrap();
    let (tell, made) = mpsc::channel();
    let supervise = |pid, name: &'static str, strategy| {
        let (tell, handle) = (tell.clone(), world.runtime.downgrade());
        let factory = move || {
            let pid = spawn(&handle);
            let _ = tell.send((name, pid));
            Ok(pid)
        };
        world.runtime.supervise_with_factory(root, pid, Arc::new(factory), strategy).unwrap();
    };
    let gate = Gate::default();
    let [failing, later] = [(); 2].map(|()| world.runtime.spawn(fragile().0, plain()).unwrap());
    let stuck = world.runtime.spawn(common::gated_collector(&gate).0, plain()).unwrap();
    supervise(failing, "failing", Strategy::OneForAll);
    supervise(stuck, "stuck", Strategy::OneForOne);
    world.runtime.send(stuck, b"x".into()).unwrap();
    gate.wait_for_one_inside();
    world.runtime.send(failing, b"crash".into()).unwrap();
    assert!(world.runtime.join(failing, Some(DEADLINE)));
    world.heard_all(root);
    supervise(later, "later", Strategy::OneForOne);
    world.runtime.send(later, b"crash".into()).unwrap();
    assert!(world.runtime.join(later, Some(DEADLINE)));
    world.heard_all(root);
    assert!(made.try_recv().is_err(), "the stuck one may still stop");
    world.hand.advance(RuntimeOptions::default().child_stop_timeout);
    let mut made: Vec<_> = (0..3).map(|_| made.recv_timeout(DEADLINE).unwrap()).collect();
    assert_eq!(made.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["failing", "stuck", "later"]);
    gate.open();
    assert!(world.runtime.join(stuck, Some(DEADLINE)));
    world.heard_all(root);
    let pids: Vec<Pid> = made.drain(..).map(|(_, pid)| pid).collect();
    assert_eq!(world.runtime.child_pids(root).unwrap(), pids, "its late end concerns nobody");
}
