//! Edges: arguments that no sane program passes. Each has its clear outcome.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use common::{
    DEADLINE, Gate, collector, counter, eventually, fragile, gated_collector, kind, plain, proptest_config,
    runtime, scaled, spawn,
};
use iris_core::{
    AskOptions, Backoff, Bounds, ChildSpec, Clock, Context, DELAY_MS_MAX, ErrorKind, Flow, Mailbox, Message,
    Overflow, PID_MAX, Pid, Refusal, Restart, Runtime, RuntimeOptions, SpawnOptions, Strategy as Restarts,
    SupervisorOptions,
};
use proptest::prelude::*;
use proptest::test_runner::Config;

const FOREVER: Duration = Duration::MAX;

// Arguments

#[test]
fn times_of_nothing_and_for_ever() {
    let runtime = runtime();
    let pid = spawn(&runtime);
    assert!(!runtime.join(pid, Some(Duration::ZERO)));
    assert!(runtime.wait_for_room(pid, Duration::ZERO) && runtime.wait_for_room(pid, FOREVER));
    let silent = runtime.spawn_observed(plain()).unwrap();
    assert_eq!(kind(runtime.ask_blocking(silent, b"x".into(), Some(Duration::ZERO))), ErrorKind::AskTimeout);
    let asked = AskOptions { timeout: Some(FOREVER), context: None };
    assert!(runtime.ask_with(silent, b"x".into(), asked, Box::new(|_| {})).cancel());
    let (told, heard) = mpsc::channel();
    let pull = move |mailbox: &mut Mailbox| {
        told.send(mailbox.recv(Some(Duration::ZERO)).is_none()).unwrap();
        told.send(mailbox.recv(Some(FOREVER)).is_some()).unwrap();
    };
    let pull = runtime.spawn_thread(pull, plain()).unwrap();
    assert!(heard.recv_timeout(DEADLINE).unwrap());
    runtime.send(pull, b"x".into()).unwrap();
    assert!(heard.recv_timeout(DEADLINE).unwrap());
    assert!(runtime.stop(pid) && runtime.join(pid, Some(FOREVER)));
    assert!(runtime.shutdown(FOREVER).unfinished.is_empty());
}

#[test]
fn delays_and_intervals_from_nothing_to_too_much() {
    let (clock, hand) = Clock::manual();
    let runtime = Runtime::with_options(RuntimeOptions { clock, ..RuntimeOptions::default() }).unwrap();
    let (behaviour, handled) = counter();
    let pid = runtime.spawn(behaviour, plain()).unwrap();
    runtime.send_after(pid, 0, b"x".into()).unwrap();
    hand.advance(Duration::ZERO);
    handled.wait_for(1);
    let last = runtime.send_after(pid, DELAY_MS_MAX, b"x".into()).unwrap();
    assert!(runtime.cancel_timer(last) && !runtime.cancel_timer(last));
    for delay in [DELAY_MS_MAX + 1, u64::MAX] {
        assert_eq!(kind(runtime.send_after(pid, delay, b"x".into())), ErrorKind::InvalidArgument);
        assert_eq!(kind(runtime.send_interval(pid, delay, b"x".into())), ErrorKind::InvalidArgument);
    }
    assert_eq!(kind(runtime.send_interval(pid, 0, b"x".into())), ErrorKind::InvalidArgument);
    let longest = runtime.send_interval(pid, DELAY_MS_MAX, b"x".into()).unwrap();
    hand.advance(Duration::from_hours(24 * 365 * 1_000));
    assert!(runtime.cancel_timer(longest));
    assert!([0, 1, u64::MAX].into_iter().all(|unknown| !runtime.cancel_timer(unknown)));
}

#[test]
fn options_from_nothing_to_too_much() {
    let runtime = runtime();
    let refused =
        |options| assert_eq!(kind(runtime.spawn(collector().0, options)), ErrorKind::InvalidArgument);
    refused(SpawnOptions { budget: 0, ..plain() });
    refused(SpawnOptions { bounds: Some(Bounds { messages: 0, bytes: 1 }), ..plain() });
    refused(SpawnOptions { bounds: Some(Bounds { messages: 1, bytes: 0 }), ..plain() });
    for workers in [0, usize::MAX] {
        let options = RuntimeOptions { workers, ..RuntimeOptions::default() };
        assert_eq!(kind(Runtime::with_options(options)), ErrorKind::InvalidArgument);
    }
    let period = SupervisorOptions { period: Duration::ZERO, ..SupervisorOptions::default() };
    assert_eq!(kind(runtime.spawn_supervisor(period)), ErrorKind::InvalidArgument);
    let bounds = Some(Bounds { messages: usize::MAX, bytes: usize::MAX });
    let most = SpawnOptions { budget: u32::MAX, bounds, idle_timeout: Some(FOREVER), ..plain() };
    let (behaviour, handled) = counter();
    let pid = runtime.spawn(behaviour, most).unwrap();
    runtime.send(pid, b"alone".into()).unwrap();
    handled.wait_for(1);
    assert_eq!(runtime.send_many(pid, (0..1_000).map(|_| b"x".into())), 1_000);
    handled.wait_for(1_001);
    let at_once = SpawnOptions { idle_timeout: Some(Duration::ZERO), ..plain() };
    let brief = runtime.spawn(collector().0, at_once).unwrap();
    runtime.send(brief, b"x".into()).unwrap();
    assert!(runtime.join(brief, Some(DEADLINE)));
    let backoff = Backoff::new(FOREVER, FOREVER).unwrap();
    let options =
        SupervisorOptions { period: FOREVER, intensity: u32::MAX, backoff, ..SupervisorOptions::default() };
    let supervisor = runtime.spawn_supervisor(options).unwrap();
    let child = Some(ChildSpec { supervisor, restart: Restart::Permanent });
    let child = runtime.spawn(fragile().0, SpawnOptions { supervisor: child, ..plain() }).unwrap();
    for crashes in 1..=2 {
        runtime.send(child, b"crash".into()).unwrap();
        eventually("the crash", || runtime.stats().crashed == crashes);
    }
    assert!(runtime.stop(child));
}

/// What a pid that means nobody here gives, whatever is asked of it.
fn is_nobody(runtime: &Runtime, pid: Pid) {
    let live = runtime.live_actors();
    assert!(!runtime.is_alive(pid) && !runtime.stop(pid) && !runtime.unsupervise(pid));
    assert!(runtime.join(pid, Some(DEADLINE)) && runtime.wait_for_room(pid, DEADLINE));
    assert_eq!(runtime.send(pid, b"x".into()).unwrap_err().refusal, Refusal::NoProcess);
    assert_eq!(kind(runtime.ask_blocking(pid, b"x".into(), None)), ErrorKind::NoProcess);
    assert!(runtime.mailbox_size(pid).is_none() && runtime.actor_info(pid).is_none());
    assert!(runtime.actor_ref(pid).is_none());
    let here = spawn(runtime);
    let nobody = [
        kind(runtime.register("name", pid)),
        kind(runtime.register_path("/path", pid)),
        kind(runtime.link(pid, here)),
        kind(runtime.link(here, pid)),
        kind(runtime.monitor(pid, here)),
        kind(runtime.monitor(here, pid)),
        kind(runtime.hot_swap(pid, Arc::new(collector().0))),
        kind(runtime.rollback_behavior(pid, 1)),
        kind(runtime.behavior_version(pid)),
        kind(runtime.send_after(pid, 1, b"x".into())),
        kind(runtime.send_interval(pid, 1, b"x".into())),
        kind(runtime.set_overflow(pid, Overflow::DropOldest)),
        kind(runtime.take_observed(pid)),
        kind(runtime.listen_dead_letters(Some(pid))),
        kind(runtime.spawn(collector().0, SpawnOptions { parent: Some(pid), ..plain() })),
        kind(runtime.watch(runtime.root_supervisor().unwrap(), pid, Restarts::OneForOne)),
    ];
    assert!(nobody.iter().all(|kind| *kind == ErrorKind::NoProcess), "{nobody:?}");
    let spec = Some(ChildSpec { supervisor: pid, restart: Restart::Permanent });
    let places = [
        kind(runtime.child_pids(pid)),
        kind(runtime.watch(pid, here, Restarts::OneForOne)),
        kind(
            runtime.spawn_supervisor(SupervisorOptions { supervisor: spec, ..SupervisorOptions::default() }),
        ),
    ];
    assert!(places.iter().all(|kind| *kind == ErrorKind::NoSupervisor), "{places:?}");
    assert!(runtime.spawn(collector().0, SpawnOptions { supervisor: spec, ..plain() }).is_err());
    assert!(runtime.stop(here) && runtime.join(here, Some(DEADLINE)));
    eventually("nobody is left behind", || runtime.live_actors() == live);
    assert!(runtime.whereis("name").is_none() && runtime.whereis_path("/path").is_none());
}

#[test]
fn pids_of_nobody() {
    let (runtime, other) = (runtime(), common::runtime());
    let ended = spawn(&runtime);
    assert!(runtime.stop(ended) && runtime.join(ended, Some(DEADLINE)));
    let foreign = [spawn(&other), other.root_supervisor().unwrap(), other.spawn_observed(plain()).unwrap()];
    let [last, proxy, other_proxy] =
        [PID_MAX, (1 << 52) + (1 << 28), (1 << 52) + (2 << 28)].map(|number| Pid::from_u64(number).unwrap());
    for pid in foreign.into_iter().chain([ended, last, proxy]) {
        is_nobody(&runtime, pid);
    }
    assert_eq!(kind(runtime.link(proxy, other_proxy)), ErrorKind::NoProcess);
    assert!(foreign.into_iter().all(|pid| other.is_alive(pid)), "another runtime was touched");
    assert!([0, PID_MAX + 1, u64::MAX].into_iter().all(|number| Pid::from_u64(number).is_none()));
}

proptest! {
    // Fewer than others: each case starts and ends threads.
    #![proptest_config(Config { cases: u32::try_from(scaled(32, 2_000)).unwrap(), ..proptest_config() })]

    #[test]
    fn any_number_is_a_pid_of_nobody_or_no_pid(number in any::<u64>(), low in 0..u64::from(u32::MAX)) {
        let runtime = runtime();
        for number in [number, number % PID_MAX, low] {
            if let Some(pid) = Pid::from_u64(number) {
                assert_eq!(pid.get(), number);
                is_nobody(&runtime, pid);
            }
        }
    }

    #[test]
    fn any_text_is_a_name_or_refused_and_never_both(text in any::<String>(), part in "[/.a\\x00]{0,12}") {
        let runtime = runtime();
        let pid = spawn(&runtime);
        for text in [&text, &part, &format!("/{part}"), &part.repeat(200)] {
            match runtime.register(text, pid) {
                Ok(()) => assert!(runtime.whereis(text) == Some(pid) && runtime.unregister(text)),
                Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidArgument),
            }
            assert_eq!(runtime.whereis(text), None);
            match runtime.register_path(text, pid) {
                Ok(()) => {
                    let listed = runtime.list_children("/").unwrap();
                    assert!(matches!(&listed[..], [(path, owner)] if *owner == pid && text.starts_with(&**path)));
                    assert!(!text.contains("//") && !text.contains('\0') && !text.contains("/../"));
                    assert!(runtime.unregister_path(text));
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidArgument),
            }
            assert!(!runtime.unregister_path(text) && runtime.list_children("/").unwrap().is_empty());
            let _ = (runtime.list_children(text), runtime.list_children_direct(text), runtime.path_supervisor(text));
        }
    }
}

#[test]
fn a_great_many_names_and_paths_of_one_actor() {
    let runtime = runtime();
    let (pid, names) = (spawn(&runtime), scaled(50_000, 1_000_000));
    let until = Instant::now() + 6 * DEADLINE;
    for number in 0..names {
        runtime.register(&format!("name {number}"), pid).unwrap();
        runtime.register_path(&format!("/path/{number}"), pid).unwrap();
        assert!(Instant::now() < until, "{number} names were given");
    }
    for number in 0..names / 2 {
        assert!(runtime.unregister(&format!("name {number}")));
        assert!(Instant::now() < until, "{number} names were taken back");
    }
    let stats = runtime.stats();
    assert_eq!((stats.names, stats.paths), (names - names / 2, names));
    assert!(runtime.stop(pid) && runtime.join(pid, Some(DEADLINE)));
    eventually("no name is left", || runtime.stats().names + runtime.stats().paths == 0);
}

#[test]
fn a_path_is_taken_back_however_it_is_written() {
    let runtime = runtime();
    let (one, other) = (spawn(&runtime), spawn(&runtime));
    runtime.register_path("/a/", one).unwrap();
    assert_eq!(runtime.actor_info(one).unwrap().paths, ["/a"]);
    assert!(runtime.unregister_path("/a"));
    assert!(!runtime.unregister_path("/a/"));
    assert!(runtime.actor_info(one).unwrap().paths.is_empty());
    runtime.register_path("/a", other).unwrap();
    runtime.stop(one);
    assert!(runtime.join(one, Some(DEADLINE)));
    assert_eq!(runtime.whereis_path("/a/"), Some(other));
}

// Mailboxes

/// An actor that waits at the gate with a full mailbox.
fn full(runtime: &Runtime, gate: &Gate, overflow: Overflow) -> Pid {
    let options = SpawnOptions { bounds: Some(Bounds::messages(1)), overflow, ..plain() };
    let pid = runtime.spawn(gated_collector(gate).0, options).unwrap();
    let inside = gate.inside();
    runtime.send(pid, b"in hand".into()).unwrap();
    eventually("it is in the handler", || gate.inside() > inside);
    runtime.send(pid, b"waits".into()).unwrap();
    pid
}

#[test]
fn redirects_in_a_circle_and_in_a_long_line_end() {
    let runtime = Runtime::with_options(RuntimeOptions { workers: 24, ..RuntimeOptions::default() }).unwrap();
    let gate = Gate::default();
    let circle = [(); 3].map(|()| full(&runtime, &gate, Overflow::DropNewest));
    for place in 0..3 {
        runtime.set_overflow(circle[place], Overflow::Redirect(circle[(place + 1) % 3])).unwrap();
    }
    assert_eq!(
        kind(runtime.set_overflow(circle[0], Overflow::Redirect(circle[0]))),
        ErrorKind::InvalidArgument
    );
    assert_eq!(
        kind(runtime.set_overflow(circle[0], Overflow::Spill(Some(circle[0])))),
        ErrorKind::InvalidArgument
    );
    assert_eq!(runtime.send(circle[0], b"x".into()).unwrap_err().refusal, Refusal::Full);
    let line: Vec<Pid> = (0..20).map(|_| full(&runtime, &gate, Overflow::DropNewest)).collect();
    for pair in line.windows(2) {
        runtime.set_overflow(pair[0], Overflow::Redirect(pair[1])).unwrap();
    }
    // A line as long as this is taken for a circle.
    assert_eq!(runtime.send(line[0], b"x".into()).unwrap_err().refusal, Refusal::Full);
    assert_eq!(runtime.stats().dropped.iter().map(|(_, count)| count).sum::<u64>(), 2);
    gate.open();
}

#[test]
fn a_send_to_oneself_when_full_is_refused_under_block() {
    let runtime = runtime();
    let bounded = || SpawnOptions { bounds: Some(Bounds::messages(1)), overflow: Overflow::Block, ..plain() };
    let (told, heard) = mpsc::channel();
    let tell = told.clone();
    let push = move |context: &Context<'_>, _: Message| {
        let sends = [(); 2].map(|()| context.runtime().send(context.pid(), b"again".into()));
        let _ = tell.send(sends.map(|sent| sent.map_err(|refused| refused.refusal)));
        Flow::Stop(iris_core::ExitReason::Normal)
    };
    let push = runtime.spawn(push, bounded()).unwrap();
    runtime.send(push, b"x".into()).unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), [Ok(()), Err(Refusal::Full)]);
    let pull = move |mailbox: &mut Mailbox| {
        let sends = [(); 2].map(|()| mailbox.runtime().send(mailbox.pid(), b"again".into()));
        let _ = told.send(sends.map(|sent| sent.map_err(|refused| refused.refusal)));
    };
    runtime.spawn_thread(pull, bounded()).unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), [Ok(()), Err(Refusal::Full)]);
}
