//! Supervisors under thousands of random schedules: children that crash, are stopped, are let go and are made anew at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shuttle::thread;

use super::{answers, check, handle, plain, race, settle, spawn};
use crate::backoff::Backoff;
use crate::exit::Failure;
use crate::options::{ChildSpec, SpawnOptions, SupervisorOptions};
use crate::pid::Pid;
use crate::runtime::Runtime;
use crate::strategy::{Restart, Strategy};

fn supervisor(runtime: &Runtime, strategy: Strategy) -> Pid {
    let backoff = Backoff::new(Duration::ZERO, Duration::ZERO).expect("no pause");
    let options = SupervisorOptions { strategy, intensity: 100, backoff, ..SupervisorOptions::default() };
    runtime.spawn_supervisor(options).expect("a supervisor")
}

fn under(supervisor: Pid) -> SpawnOptions {
    SpawnOptions { supervisor: Some(ChildSpec { supervisor, restart: Restart::Permanent }), ..plain() }
}

#[test]
fn children_that_crash_at_once_are_all_restarted() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        check(move |runtime, _| {
            let supervisor = supervisor(runtime, strategy);
            let children = [(); 2].map(|()| runtime.spawn(handle, under(supervisor)).expect("a child"));
            let [a, b] = children;
            let crash = |pid| move |runtime: &Runtime| runtime.send(pid, b"crash".into()).is_ok();
            assert_eq!(race(runtime, crash(a), crash(b)), (true, true));
            assert!(answers(runtime, a) && answers(runtime, b));
            assert_eq!(runtime.child_pids(supervisor).expect("it lives"), children);
        });
    }
}

#[test]
fn a_named_child_that_crashes_while_it_is_spawned_is_restarted() {
    check(|runtime, _| {
        let supervisor = supervisor(runtime, Strategy::OneForOne);
        let (child, _) = race(
            runtime,
            move |runtime| {
                let named = SpawnOptions { name: Some("child".to_owned()), ..under(supervisor) };
                runtime.spawn(handle, named).expect("a child")
            },
            |runtime| runtime.whereis("child").map(|pid| runtime.send(pid, b"crash".into()).is_ok()),
        );
        assert!(answers(runtime, child));
        assert_eq!(runtime.child_pids(supervisor).expect("it lives"), [child]);
    });
}

#[test]
fn a_child_that_is_stopped_while_it_restarts_stays_down() {
    check(|runtime, _| {
        let supervisor = supervisor(runtime, Strategy::OneForAll);
        let (a, b) = (
            runtime.spawn(handle, under(supervisor)).expect("a child"),
            runtime.spawn(handle, under(supervisor)).expect("a child"),
        );
        race(
            runtime,
            move |runtime| runtime.send(a, b"crash".into()).is_ok(),
            move |runtime| runtime.stop(b),
        );
        assert!(runtime.join(b, None));
        assert!(answers(runtime, a));
    });
}

#[test]
fn an_actor_unsupervised_while_it_crashes_ends_or_goes_on() {
    check(|runtime, _| {
        let supervisor = supervisor(runtime, Strategy::OneForOne);
        let pid = runtime.spawn(handle, under(supervisor)).expect("a child");
        race(
            runtime,
            move |runtime| runtime.send(pid, b"crash".into()).is_ok(),
            move |runtime| runtime.unsupervise(pid),
        );
        // Both orders are right, but it must not wait for a restart that nobody orders.
        let _ = answers(runtime, pid);
        runtime.stop(pid);
        assert!(runtime.join(pid, None));
    });
}

#[test]
fn what_a_factory_makes_is_supervised_or_the_supervisor_is_gone() {
    for stops in [false, true] {
        check(move |runtime, _| {
            let supervisor = supervisor(runtime, Strategy::OneForOne);
            let first = spawn(runtime);
            let (made, handle) = (Arc::new(AtomicU64::new(0)), runtime.downgrade());
            let last = Arc::clone(&made);
            let factory = move || {
                let pid = handle
                    .spawn(self::handle, plain())
                    .map_err(|error| Failure::new("Test", error.message()))?;
                last.store(pid.get(), Ordering::Relaxed);
                Ok(pid)
            };
            runtime
                .supervise_with_factory(supervisor, first, Arc::new(factory), Strategy::OneForOne)
                .expect("both live");
            race(
                runtime,
                move |runtime| runtime.send(first, b"crash".into()).is_ok(),
                move |runtime| stops && runtime.stop(supervisor),
            );
            assert!(runtime.join(first, None));
            if stops {
                assert!(runtime.join(supervisor, None));
                return;
            }
            let next = loop {
                let children = runtime.child_pids(supervisor).expect("it lives");
                assert_eq!(children.len(), 1);
                if children[0] != first {
                    break children[0];
                }
                thread::yield_now();
            };
            assert_eq!(next.get(), made.load(Ordering::Relaxed));
            assert!(answers(runtime, next));
        });
    }
}

#[test]
fn a_supervisor_that_gives_up_while_a_child_is_stopped_ends_with_all_of_them() {
    check(|runtime, _| {
        let options = SupervisorOptions { intensity: 0, ..SupervisorOptions::default() };
        let supervisor = runtime.spawn_supervisor(options).expect("a supervisor");
        let [a, b] = [(); 2].map(|()| runtime.spawn(handle, under(supervisor)).expect("a child"));
        race(
            runtime,
            move |runtime| runtime.send(a, b"crash".into()).is_ok(),
            move |runtime| runtime.stop(b),
        );
        settle(runtime, 0);
    });
}

#[test]
fn a_nested_supervisor_is_begun_anew_while_its_children_crash() {
    check(|runtime, _| {
        let top = supervisor(runtime, Strategy::OneForOne);
        let backoff = Backoff::new(Duration::ZERO, Duration::ZERO).expect("no pause");
        let place = Some(ChildSpec { supervisor: top, restart: Restart::Permanent });
        let options =
            SupervisorOptions { intensity: 0, backoff, supervisor: place, ..SupervisorOptions::default() };
        let nested = runtime.spawn_supervisor(options).expect("a supervisor");
        let [a, b] = [(); 2].map(|()| runtime.spawn(handle, under(nested)).expect("a child"));
        let crash = |pid| move |runtime: &Runtime| runtime.send(pid, b"crash".into()).is_ok();
        race(runtime, crash(a), crash(b));
        assert!(answers(runtime, a) && answers(runtime, b));
        assert_eq!(runtime.child_pids(nested).expect("it lives"), [a, b]);
    });
}
