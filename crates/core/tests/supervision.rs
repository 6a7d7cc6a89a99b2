//! Supervision: factories, restarts in place, strategies, intensity, nesting, paths.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use common::{DEADLINE, collector, counter, fragile, runtime};
use iris_core::{
    Behaviour, ChildSpec, ErrorKind, ExitReason, Failure, Pid, Restart, Runtime, SpawnOptions, Strategy,
    SupervisorOptions,
};

/// A factory that spawns fragile actors and tells each pid.
fn factory(runtime: &Runtime) -> (Arc<dyn iris_core::Factory>, Receiver<Pid>) {
    let (tell, made) = mpsc::channel();
    let handle = runtime.downgrade();
    let make = move || {
        let (behaviour, _heard) = fragile();
        let pid = handle.spawn(behaviour, SpawnOptions::default()).expect("the runtime is open");
        let _ = tell.send(pid);
        Ok(pid)
    };
    (Arc::new(make), made)
}

fn spawn_fragile(runtime: &Runtime) -> Pid {
    let (behaviour, _heard) = fragile();
    runtime.spawn(behaviour, SpawnOptions::default()).unwrap()
}

/// An actor restarted in place by `supervisor`.
fn child(runtime: &Runtime, supervisor: Pid, restart: Restart) -> (Pid, Receiver<Vec<u8>>) {
    let (behaviour, heard) = fragile();
    let supervisor = Some(ChildSpec { supervisor, restart });
    (runtime.spawn(behaviour, SpawnOptions { supervisor, ..SpawnOptions::default() }).unwrap(), heard)
}

fn hears(runtime: &Runtime, pid: Pid, heard: &Receiver<Vec<u8>>, text: &'static [u8; 4]) {
    runtime.send(pid, text.into()).unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), text);
}

fn await_children(runtime: &Runtime, supervisor: Pid, what: impl Fn(&[Pid]) -> bool) -> Vec<Pid> {
    let until = std::time::Instant::now() + DEADLINE;
    loop {
        let children = runtime.child_pids(supervisor).unwrap();
        if what(&children) {
            return children;
        }
        assert!(std::time::Instant::now() < until, "the children stayed {children:?}");
        std::thread::yield_now();
    }
}

#[test]
fn factory_replaces_crashed() {
    let runtime = runtime();
    let root = runtime.root_supervisor().unwrap();
    let first = spawn_fragile(&runtime);
    let (factory, made) = factory(&runtime);
    runtime.supervise_with_factory(root, first, factory, Strategy::OneForOne).unwrap();
    assert_eq!(runtime.child_pids(root).unwrap(), [first]);
    assert!(made.try_recv().is_err(), "the factory was called before the first exit");
    let mut pid = first;
    for _ in 0..5 {
        runtime.send(pid, b"crash".into()).unwrap();
        let next = made.recv_timeout(DEADLINE).unwrap();
        assert_ne!(next, pid);
        await_children(&runtime, root, |children| children == [next]);
        pid = next;
    }
    assert!(runtime.stop(pid), "a stop is no normal exit: it is replaced, too");
    made.recv_timeout(DEADLINE).unwrap();
}

#[test]
fn factory_is_retried() {
    let runtime = runtime();
    let root = runtime.root_supervisor().unwrap();
    let pid = spawn_fragile(&runtime);
    let handle = runtime.downgrade();
    let (tell, made) = mpsc::channel();
    let tries = AtomicUsize::new(0);
    let factory = move || {
        if tries.fetch_add(1, Ordering::SeqCst) < 3 {
            return Err(Failure::new("Test", "not yet"));
        }
        let pid = spawn_fragile(&handle);
        let _ = tell.send(pid);
        Ok(pid)
    };
    runtime.supervise_with_factory(root, pid, Arc::new(factory), Strategy::OneForOne).unwrap();
    runtime.send(pid, b"crash".into()).unwrap();
    let next = made.recv_timeout(DEADLINE).unwrap();
    await_children(&runtime, root, |children| children == [next]);
}

#[test]
fn unsupervised_stays_down() {
    let runtime = runtime();
    let root = runtime.root_supervisor().unwrap();
    let pid = spawn_fragile(&runtime);
    let (factory, made) = factory(&runtime);
    runtime.supervise_with_factory(root, pid, factory, Strategy::OneForOne).unwrap();
    assert!(runtime.unsupervise(pid));
    assert!(!runtime.unsupervise(pid));
    runtime.stop(pid);
    assert!(runtime.child_pids(root).unwrap().is_empty());
    let report = runtime.shutdown(DEADLINE);
    assert!(report.unfinished.is_empty());
    assert!(made.try_recv().is_err());
}

#[test]
fn restart_all_replaces_siblings() {
    let runtime = runtime();
    let root = runtime.root_supervisor().unwrap();
    let (one, other) = (spawn_fragile(&runtime), spawn_fragile(&runtime));
    let (factory, made) = factory(&runtime);
    runtime.supervise_with_factory(root, one, Arc::clone(&factory), Strategy::OneForAll).unwrap();
    runtime.supervise_with_factory(root, other, factory, Strategy::OneForAll).unwrap();
    runtime.send(one, b"crash".into()).unwrap();
    let new = [made.recv_timeout(DEADLINE).unwrap(), made.recv_timeout(DEADLINE).unwrap()];
    assert!(!runtime.is_alive(other));
    await_children(&runtime, root, |children| children == new);
}

#[test]
fn restart_in_place_keeps_queue() {
    let runtime = runtime();
    let supervisor = runtime.spawn_supervisor(SupervisorOptions::default()).unwrap();
    let (pid, heard) = child(&runtime, supervisor, Restart::Permanent);
    runtime.register("mail", pid).unwrap();
    for text in ["one.", "crash", "two."] {
        runtime.send(pid, text.as_bytes().into()).unwrap();
    }
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"one.");
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"two.");
    assert_eq!(runtime.whereis("mail"), Some(pid));
    let stats = runtime.stats();
    assert_eq!((stats.crashed, stats.restarted), (1, 1));
    assert_eq!(runtime.actor_info(pid).unwrap().restarts, 1);
}

#[test]
fn restart_asks_for_a_fresh_behaviour() {
    struct Stateful {
        handled: AtomicUsize,
        tell: mpsc::Sender<usize>,
    }
    impl Behaviour for Stateful {
        fn handle(&self, _: &iris_core::Context<'_>, message: iris_core::Message) -> iris_core::Flow {
            if message.payload().as_slice() == b"crash" {
                return iris_core::Flow::Stop(ExitReason::crash(Failure::new("Test", "told to crash")));
            }
            self.tell.send(self.handled.fetch_add(1, Ordering::SeqCst)).unwrap();
            iris_core::Flow::Continue
        }
        fn restarted(&self) -> Result<Option<Arc<dyn Behaviour>>, Failure> {
            Ok(Some(Arc::new(Self { handled: AtomicUsize::new(0), tell: self.tell.clone() })))
        }
    }
    let runtime = runtime();
    let supervisor = runtime.spawn_supervisor(SupervisorOptions::default()).unwrap();
    let (tell, heard) = mpsc::channel();
    let supervisor = Some(ChildSpec { supervisor, restart: Restart::Transient });
    let options = SpawnOptions { supervisor, ..SpawnOptions::default() };
    let pid = runtime.spawn(Stateful { handled: AtomicUsize::new(0), tell }, options).unwrap();
    for text in ["a", "b", "crash", "c"] {
        runtime.send(pid, text.as_bytes().into()).unwrap();
    }
    let counts: Vec<usize> = (0..3).map(|_| heard.recv_timeout(DEADLINE).unwrap()).collect();
    assert_eq!(counts, [0, 1, 0]);
}

#[test]
fn restart_rest_for_one() {
    let runtime = runtime();
    let options = SupervisorOptions { strategy: Strategy::RestForOne, ..SupervisorOptions::default() };
    let supervisor = runtime.spawn_supervisor(options).unwrap();
    let (first, first_heard) = child(&runtime, supervisor, Restart::Permanent);
    let (second, second_heard) = child(&runtime, supervisor, Restart::Permanent);
    let (third, third_heard) = child(&runtime, supervisor, Restart::Permanent);
    runtime.send(second, b"crash".into()).unwrap();
    for (pid, heard) in [(second, &second_heard), (third, &third_heard), (first, &first_heard)] {
        hears(&runtime, pid, heard, b"here");
    }
    let restarts = |pid| runtime.actor_info(pid).unwrap().restarts;
    let until = std::time::Instant::now() + DEADLINE;
    while restarts(third) == 0 {
        assert!(std::time::Instant::now() < until, "the third was never restarted");
        std::thread::yield_now();
    }
    assert_eq!((restarts(first), restarts(second), restarts(third)), (0, 1, 1));
}

#[test]
fn transient_and_temporary_children_stay_down_where_they_should() {
    let runtime = runtime();
    let supervisor = runtime.spawn_supervisor(SupervisorOptions::default()).unwrap();
    let (temporary, _) = child(&runtime, supervisor, Restart::Temporary);
    runtime.send(temporary, b"crash".into()).unwrap();
    assert!(runtime.join(temporary, Some(DEADLINE)));
    let (transient, _) = child(&runtime, supervisor, Restart::Transient);
    runtime.stop(transient);
    assert!(runtime.join(transient, Some(DEADLINE)));
    await_children(&runtime, supervisor, <[Pid]>::is_empty);
    assert!(runtime.is_alive(supervisor));
}

#[test]
fn intensity_ends_supervisor() {
    let runtime = runtime();
    let options = SupervisorOptions { intensity: 2, ..SupervisorOptions::default() };
    let supervisor = runtime.spawn_supervisor(options).unwrap();
    let (pid, _heard) = child(&runtime, supervisor, Restart::Permanent);
    let (sibling, _) = child(&runtime, supervisor, Restart::Permanent);
    let (reasons, reason) = mpsc::channel();
    runtime.on_exit(supervisor, Box::new(move |_, reason| reasons.send(reason.clone()).unwrap()));
    let (tell, told) = mpsc::channel();
    let on_give_up = move |pid: Pid, failure: &Failure| tell.send((pid, failure.kind.clone())).unwrap();
    assert!(runtime.on_give_up(Box::new(on_give_up)));
    assert!(!runtime.on_give_up(Box::new(|_, _| {})));
    for _ in 0..3 {
        runtime.send(pid, b"crash".into()).unwrap();
    }
    let expected = (supervisor, "RestartIntensityExceeded".to_owned());
    assert_eq!(told.recv_timeout(DEADLINE).unwrap(), expected);
    let reason = reason.recv_timeout(DEADLINE).unwrap();
    assert_eq!(reason.failure().unwrap().kind, "RestartIntensityExceeded");
    assert!(runtime.join(pid, Some(DEADLINE)));
    assert!(runtime.join(sibling, Some(DEADLINE)));
    let error = runtime.child_pids(supervisor).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSupervisor);
}

#[test]
fn nested_supervisor_heals() {
    let runtime = runtime();
    let top = runtime.spawn_supervisor(SupervisorOptions::default()).unwrap();
    let options = SupervisorOptions {
        intensity: 0,
        supervisor: Some(ChildSpec { supervisor: top, restart: Restart::Permanent }),
        ..SupervisorOptions::default()
    };
    let nested = runtime.spawn_supervisor(options).unwrap();
    let (pid, heard) = child(&runtime, nested, Restart::Permanent);
    let (sibling, sibling_heard) = child(&runtime, nested, Restart::Permanent);
    runtime.send(pid, b"crash".into()).unwrap();
    hears(&runtime, pid, &heard, b"here");
    hears(&runtime, sibling, &sibling_heard, b"here");
    assert!(runtime.is_alive(nested));
    assert_eq!(runtime.actor_info(nested).unwrap().restarts, 1);
}

#[test]
fn path_supervisor_is_its_own() {
    let runtime = runtime();
    let root = runtime.root_supervisor().unwrap();
    let error = runtime.path_supervisor("/services").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSupervisor);
    assert!(error.message().contains("create_path_supervisor"));
    assert!(runtime.create_path_supervisor("/services").unwrap());
    assert!(!runtime.create_path_supervisor("/services").unwrap());
    let supervisor = runtime.path_supervisor("/services").unwrap();
    let pid = spawn_fragile(&runtime);
    let (factory, made) = factory(&runtime);
    runtime.supervise_with_factory(supervisor, pid, factory, Strategy::OneForOne).unwrap();
    assert_eq!(runtime.child_pids(supervisor).unwrap(), [pid]);
    assert!(runtime.child_pids(root).unwrap().is_empty());
    runtime.send(pid, b"crash".into()).unwrap();
    let next = made.recv_timeout(DEADLINE).unwrap();
    await_children(&runtime, supervisor, |children| children == [next]);
    assert!(runtime.remove_path_supervisor("/services"));
    assert!(!runtime.remove_path_supervisor("/services"));
    assert!(runtime.is_alive(next));
}

#[test]
fn children_end_with_parent() {
    let runtime = runtime();
    let (parent, _) = counter();
    let parent = runtime.spawn(parent, SpawnOptions::default()).unwrap();
    let (order, ended) = mpsc::channel();
    let spawn = |parent| {
        let (behaviour, _) = collector();
        let pid = runtime.spawn(behaviour, SpawnOptions { parent: Some(parent), ..SpawnOptions::default() });
        let pid = pid.unwrap();
        let order = order.clone();
        runtime.on_exit(pid, Box::new(move |pid, _| order.send(pid).unwrap()));
        pid
    };
    let first = spawn(parent);
    let second = spawn(parent);
    let grandchild = spawn(first);
    let told = order.clone();
    runtime.on_exit(parent, Box::new(move |pid, _| told.send(pid).unwrap()));
    runtime.stop(parent);
    let ended: Vec<Pid> = (0..4).map(|_| ended.recv_timeout(DEADLINE).unwrap()).collect();
    assert_eq!(ended, [second, grandchild, first, parent]);
}

#[test]
fn a_parent_waits_for_a_busy_child_and_not_for_ever() {
    let options = iris_core::RuntimeOptions {
        child_stop_timeout: Duration::from_millis(20),
        ..iris_core::RuntimeOptions::default()
    };
    let runtime = Runtime::with_options(options).unwrap();
    let gate = common::Gate::default();
    let (parent, _) = counter();
    let parent = runtime.spawn(parent, SpawnOptions::default()).unwrap();
    let (busy, _heard) = common::gated_collector(&gate);
    let busy = runtime.spawn(busy, SpawnOptions { parent: Some(parent), ..SpawnOptions::default() }).unwrap();
    runtime.send(busy, b"x".into()).unwrap();
    gate.wait_for_one_inside();
    runtime.stop(parent);
    assert!(!runtime.is_alive(parent));
    assert!(runtime.join(parent, Some(DEADLINE)));
    gate.open();
    assert!(runtime.join(busy, Some(DEADLINE)));
}

#[test]
fn what_a_factory_made_is_a_child_at_once() {
    struct LetsGo(Runtime, mpsc::Sender<(Pid, bool)>);
    impl iris_core::Factory for LetsGo {
        fn start(&self, done: iris_core::StartDone) {
            let pid = spawn_fragile(&self.0);
            done.complete(Ok(pid));
            let _ = self.1.send((pid, self.0.unsupervise(pid)));
            self.0.stop(pid);
        }
    }
    let runtime = runtime();
    let root = runtime.root_supervisor().unwrap();
    let pid = spawn_fragile(&runtime);
    let (tell, made) = mpsc::channel();
    let factory = Arc::new(LetsGo(runtime.downgrade(), tell));
    runtime.supervise_with_factory(root, pid, factory, Strategy::OneForOne).unwrap();
    runtime.send(pid, b"crash".into()).unwrap();
    let (made_pid, was_child) = made.recv_timeout(DEADLINE).unwrap();
    assert!(was_child);
    assert!(runtime.join(made_pid, Some(DEADLINE)));
    await_children(&runtime, root, <[Pid]>::is_empty);
    assert!(made.try_recv().is_err(), "its exit was final");
}
