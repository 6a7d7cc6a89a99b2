//! Timers, pull actors, virtual actors, ends, shutdown, and arguments out of range.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use common::{Bell, DEADLINE, Gate, bytes, collector, counter, gated_collector, notice, pull, runtime};
use iris_core::{
    ACTORS_MAX, AskOptions, Behaviour, Clock, Context, Error, ErrorKind, ExitReason, Finish, Flow, Incoming,
    LaneId, ManualClock, Message, Payload, Pid, Received, Runtime, RuntimeOptions, SpawnOptions, SystemKind,
    Waiter,
};

fn runtime_with_clock() -> (Runtime, ManualClock) {
    let (clock, hands) = Clock::manual();
    (Runtime::with_options(RuntimeOptions { clock, ..RuntimeOptions::default() }).unwrap(), hands)
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn timer_fires_after() {
    let (runtime, clock) = runtime_with_clock();
    let (behaviour, heard) = collector();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    runtime.send_after(pid, 1_000, b"late".into()).unwrap();
    runtime.send_after(pid, 10, b"soon".into()).unwrap();
    clock.advance(999 * MS);
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"soon");
    assert!(heard.try_recv().is_err());
    clock.advance(MS);
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"late");
}

#[test]
fn timer_repeats() {
    let (runtime, clock) = runtime_with_clock();
    let (behaviour, heard) = collector();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    let timer = runtime.send_interval(pid, 10, b"beat".into()).unwrap();
    for _ in 0..5 {
        clock.advance(10 * MS);
        assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"beat");
    }
    assert!(runtime.cancel_timer(timer));
    assert!(!runtime.cancel_timer(timer));
    assert_eq!(runtime.send_interval(pid, 0, b"x".into()).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn timer_is_cancelled() {
    let (runtime, clock) = runtime_with_clock();
    let (behaviour, heard) = collector();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    let timer = runtime.send_after(pid, 10, b"never".into()).unwrap();
    assert!(runtime.cancel_timer(timer));
    assert!(!runtime.cancel_timer(timer));
    let fired = runtime.send_after(pid, 20, b"fired".into()).unwrap();
    clock.advance(30 * MS);
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"fired");
    assert!(!runtime.cancel_timer(fired));
}

#[test]
fn timer_ends_with_actor() {
    let (runtime, clock) = runtime_with_clock();
    let (behaviour, _heard) = collector();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    let timer = runtime.send_after(pid, 10, b"never".into()).unwrap();
    runtime.stop(pid);
    assert_eq!(runtime.stats().timers, 0);
    assert!(!runtime.cancel_timer(timer));
    clock.advance(20 * MS);
    assert_eq!(runtime.stats().sent, 0);
    assert_eq!(runtime.send_after(pid, 1, b"x".into()).unwrap_err().kind(), ErrorKind::NoProcess);
}

fn mailbox(runtime: &Runtime) -> (iris_core::PullMailbox, Arc<Bell>) {
    let bell = Arc::new(Bell::default());
    let waiter: Arc<dyn Waiter> = Arc::clone(&bell) as _;
    (runtime.spawn_pull(SpawnOptions::default(), waiter).unwrap(), bell)
}

#[test]
fn pull_receives() {
    let runtime = runtime();
    let (mut mailbox, bell) = mailbox(&runtime);
    let pid = mailbox.pid();
    let sender = runtime.clone();
    let thread = std::thread::spawn(move || {
        for number in 0..1_000_u32 {
            sender.send(pid, number.to_le_bytes().as_slice().into()).unwrap();
        }
    });
    for number in 0..1_000_u32 {
        assert_eq!(bytes(&pull(&mut mailbox, &bell).unwrap()), number.to_le_bytes());
    }
    thread.join().unwrap();
    assert!(matches!(mailbox.try_recv(), Received::Empty));
    let (behaviour, _) = counter();
    let other = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    runtime.monitor(other, pid).unwrap();
    runtime.send(pid, b"after the notice".into()).unwrap();
    runtime.stop(other);
    assert_eq!(notice(&pull(&mut mailbox, &bell).unwrap()).kind, SystemKind::Down);
    assert_eq!(bytes(&pull(&mut mailbox, &bell).unwrap()), b"after the notice");
    assert!(matches!(mailbox.finish(ExitReason::Normal), Finish::Ended));
    assert!(!runtime.is_alive(pid));
}

#[test]
fn pull_selects() {
    let runtime = runtime();
    let (mut mailbox, bell) = mailbox(&runtime);
    for text in [b"1", b"2", b"3"] {
        runtime.send(mailbox.pid(), text.into()).unwrap();
    }
    let mut second = |incoming: &Incoming| Ok::<_, ()>(bytes(incoming) == b"2");
    let Ok(Received::Message(found)) = mailbox.select(&mut second) else { panic!("not found") };
    assert_eq!(bytes(&found), b"2");
    assert_eq!(runtime.mailbox_size(mailbox.pid()), Some(2));
    assert!(matches!(mailbox.select(&mut second), Ok(Received::Empty)));
    assert_eq!(bytes(&pull(&mut mailbox, &bell).unwrap()), b"1");
    assert_eq!(bytes(&pull(&mut mailbox, &bell).unwrap()), b"3");
}

#[test]
fn pull_stop_ends_recv() {
    let runtime = runtime();
    let (mut mailbox, bell) = mailbox(&runtime);
    let pid = mailbox.pid();
    let thread = std::thread::spawn(move || {
        let received = pull(&mut mailbox, &bell);
        (received.is_none(), mailbox)
    });
    assert!(runtime.stop(pid));
    assert!(!runtime.is_alive(pid));
    let (stopped, mailbox) = thread.join().unwrap();
    assert!(stopped);
    let (reasons, reason) = std::sync::mpsc::channel();
    runtime.on_exit(pid, Box::new(move |_, reason| reasons.send(reason.clone()).unwrap()));
    assert!(matches!(mailbox.finish(ExitReason::Normal), Finish::Ended));
    assert_eq!(reason.recv_timeout(DEADLINE).unwrap(), ExitReason::Killed);
}

#[test]
fn a_swapped_pull_actor_goes_on_with_the_new_function() {
    let runtime = runtime();
    let (mut mailbox, bell) = mailbox(&runtime);
    assert_eq!(runtime.hot_swap_pull(mailbox.pid(), None, Arc::new("new")).unwrap(), 2);
    assert_eq!(notice(&pull(&mut mailbox, &bell).unwrap()).kind, SystemKind::HotSwap);
    let Finish::Swapped(mailbox, function) = mailbox.finish(ExitReason::Normal) else { panic!("it ended") };
    assert_eq!(function.downcast_ref::<&str>(), Some(&"new"));
    assert!(matches!(mailbox.finish(ExitReason::Normal), Finish::Ended));
}

#[test]
fn virtual_starts_late_and_retires() {
    let (runtime, clock) = runtime_with_clock();
    let (behaviour, heard) = collector();
    let options = SpawnOptions { idle_timeout: Some(100 * MS), ..SpawnOptions::default() };
    let pid = runtime.spawn(behaviour, options).unwrap();
    clock.advance(1_000 * MS);
    assert!(runtime.is_alive(pid), "it retires after a message, not before the first");
    runtime.send(pid, b"x".into()).unwrap();
    heard.recv_timeout(DEADLINE).unwrap();
    let until = std::time::Instant::now() + DEADLINE;
    while runtime.is_alive(pid) {
        clock.advance(100 * MS);
        assert!(std::time::Instant::now() < until, "the idle actor stayed");
    }
    assert_eq!(runtime.stats().crashed, 0);
}

#[test]
fn shutdown_lets_finish() {
    let runtime = runtime();
    let (behaviour, handled) = counter();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    for _ in 0..1_000 {
        runtime.send(pid, b"x".into()).unwrap();
    }
    let report = runtime.shutdown(DEADLINE);
    handled.wait_for(1_000);
    assert_eq!((report.finished, report.killed, report.unfinished.len()), (1, 0, 0));
    let (behaviour, _) = counter();
    let error = runtime.spawn(behaviour, SpawnOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RuntimeClosed);
}

#[test]
fn shutdown_reports_who_does_not_end() {
    let runtime = runtime();
    let gate = Gate::default();
    let (behaviour, _heard) = gated_collector(&gate);
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    runtime.send(pid, b"x".into()).unwrap();
    gate.wait_for_one_inside();
    let report = runtime.shutdown(Duration::ZERO);
    assert_eq!(report.unfinished, [pid]);
    gate.open();
    assert!(runtime.join(pid, Some(DEADLINE)));
}

#[test]
fn closing_again_leaves_a_shutdown_no_more_time() {
    let runtime = runtime();
    let gate = Gate::default();
    let (behaviour, _heard) = gated_collector(&gate);
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    runtime.send(pid, b"x".into()).unwrap();
    gate.wait_for_one_inside();
    std::thread::scope(|scope| {
        let patient = scope.spawn(|| runtime.shutdown(Duration::from_hours(1)));
        while runtime.spawn(collector().0, SpawnOptions::default()).is_ok() {
            std::thread::yield_now();
        }
        runtime.hurry_shutdown(Duration::ZERO);
        assert_eq!(patient.join().unwrap().unfinished, [pid]);
    });
    gate.open();
}

#[test]
fn bad_arguments_are_refused() {
    let runtime = runtime();
    let invalid = |options: SpawnOptions| {
        let (behaviour, _) = counter();
        runtime.spawn(behaviour, options).unwrap_err().kind()
    };
    assert_eq!(invalid(SpawnOptions { budget: 0, ..SpawnOptions::default() }), ErrorKind::InvalidArgument);
    let bounds = Some(iris_core::Bounds::messages(0));
    assert_eq!(invalid(SpawnOptions { bounds, ..SpawnOptions::default() }), ErrorKind::InvalidArgument);
    let name = Some(String::new());
    assert_eq!(invalid(SpawnOptions { name, ..SpawnOptions::default() }), ErrorKind::InvalidArgument);
    let path = Some("no/slash".to_owned());
    assert_eq!(invalid(SpawnOptions { path, ..SpawnOptions::default() }), ErrorKind::InvalidArgument);
    assert_eq!(runtime.stats().actors, 0);
    let workers = RuntimeOptions { workers: 0, ..RuntimeOptions::default() };
    assert_eq!(Runtime::with_options(workers).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(SpawnOptions::default().lane, LaneId::WORKERS);
}

#[test]
fn actors_are_limited() {
    let limited =
        |actors_max| Runtime::with_options(RuntimeOptions { actors_max, ..RuntimeOptions::default() });
    let runtime = limited(3).unwrap();
    let spawn = || runtime.spawn_observed(SpawnOptions::default());
    let pids = [spawn().unwrap(), spawn().unwrap(), spawn().unwrap()];
    assert_eq!(spawn().unwrap_err().kind(), ErrorKind::LimitReached);
    assert_eq!(counter_of(&runtime).unwrap_err().kind(), ErrorKind::LimitReached);
    assert_eq!(runtime.stats().actors, 3);
    assert!(runtime.stop(pids[1]));
    assert!(runtime.join(pids[1], Some(DEADLINE)));
    let next = counter_of(&runtime).unwrap();
    assert_eq!(spawn().unwrap_err().kind(), ErrorKind::LimitReached);
    assert!(runtime.is_alive(next) && runtime.is_alive(pids[0]) && runtime.is_alive(pids[2]));
    for outside in [0, ACTORS_MAX + 1, u32::MAX] {
        assert_eq!(limited(outside).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    assert!(limited(ACTORS_MAX).is_ok());
}

fn counter_of(runtime: &Runtime) -> iris_core::Result<iris_core::Pid> {
    runtime.spawn(counter().0, SpawnOptions::default())
}

#[test]
fn a_thread_goes_on_with_the_function_it_was_swapped_to() {
    let runtime = runtime();
    let (tell, heard) = std::sync::mpsc::channel();
    let version = move |name: &'static str| {
        let tell = tell.clone();
        move |mailbox: &mut iris_core::Mailbox| {
            while let Some(incoming) = mailbox.recv(None) {
                match incoming {
                    Incoming::System(_) => return,
                    Incoming::User(_) => tell.send(name).unwrap(),
                }
            }
        }
    };
    let pid = runtime.spawn_thread(version("old"), SpawnOptions::default()).unwrap();
    runtime.send(pid, b"x".into()).unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE), Ok("old"));
    assert_eq!(runtime.hot_swap_thread(pid, version("new")).unwrap(), 2);
    runtime.send(pid, b"x".into()).unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE), Ok("new"));
    runtime.stop(pid);
    assert!(runtime.join(pid, Some(DEADLINE)));
}

#[test]
fn two_swaps_of_a_pull_actor_are_one_change() {
    let runtime = runtime();
    let (mut mailbox, bell) = mailbox(&runtime);
    let pid = mailbox.pid();
    runtime.hot_swap_pull(pid, None, Arc::new("second")).unwrap();
    runtime.hot_swap_pull(pid, None, Arc::new("third")).unwrap();
    runtime.send(pid, b"x".into()).unwrap();
    assert_eq!(notice(&pull(&mut mailbox, &bell).unwrap()).kind, SystemKind::HotSwap);
    let Finish::Swapped(mut mailbox, function) = mailbox.finish(ExitReason::Normal) else {
        panic!("it ended")
    };
    assert_eq!(function.downcast_ref::<&str>(), Some(&"third"));
    assert_eq!(bytes(&pull(&mut mailbox, &bell).unwrap()), b"x");
    assert!(matches!(mailbox.finish(ExitReason::Normal), Finish::Ended));
}

/// A behaviour that does something when its memory is given back.
struct OnDrop<F: Fn() + Send + Sync + 'static>(F);

impl<F: Fn() + Send + Sync + 'static> Behaviour for OnDrop<F> {
    fn handle(&self, _: &Context<'_>, _: Message) -> Flow {
        Flow::Continue
    }
}

impl<F: Fn() + Send + Sync + 'static> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn a_join_that_begins_while_an_actor_ends_waits_for_all_of_its_end() {
    let runtime = runtime();
    let gate = Gate::default();
    let held_up = gate.clone();
    let pid = runtime.spawn(OnDrop(move || held_up.pass()), SpawnOptions::default()).unwrap();
    let linked = runtime.spawn_observed(SpawnOptions::default()).unwrap();
    runtime.link(pid, linked).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| runtime.stop(pid));
        gate.wait_for_one_inside();
        // Its pid is stale by now.
        assert_eq!(runtime.link(pid, linked).unwrap_err().kind(), ErrorKind::NoProcess);
        assert!(!runtime.join(pid, Some(Duration::ZERO)));
        let (tell, called) = mpsc::channel();
        let hook = |name: &'static str| {
            let tell = tell.clone();
            let hook = move |_: Pid, reason: &ExitReason| tell.send((name, reason.clone())).unwrap();
            runtime.on_exit(pid, Box::new(hook))
        };
        let [kept, taken_back] = ["kept", "taken back"].map(hook);
        assert!(runtime.forget_exit(pid, taken_back));
        assert!(called.try_recv().is_err());
        gate.open();
        assert!(runtime.join(pid, Some(DEADLINE)));
        // A join that begins when all but the hooks is done does not wait for those.
        assert_eq!(called.recv_timeout(DEADLINE), Ok(("kept", ExitReason::Killed)));
        assert!(!runtime.forget_exit(pid, kept) && called.try_recv().is_err());
    });
    assert_eq!(runtime.take_observed(linked).unwrap().len(), 1);
    assert_eq!(runtime.stats().exited, 1);
}

/// A handler stops a parent, whose child ends within that end: none of the three can go on before the child's memory is
/// given back.
#[test]
fn what_runs_within_an_actors_code_or_end_is_refused_a_wait_for_it() {
    let runtime = runtime();
    let family = Arc::new(OnceLock::<[Pid; 3]>::new());
    let (tell, told) = mpsc::channel();
    let (within, waits_for) = (runtime.clone(), Arc::clone(&family));
    let last_words = move || {
        for pid in *waits_for.get().unwrap() {
            let refused = within.ask_blocking(pid, b"".into(), None).unwrap_err().kind();
            tell.send((refused, within.join(pid, None))).unwrap();
        }
    };
    let parent = runtime.spawn(collector().0, SpawnOptions::default()).unwrap();
    let options = SpawnOptions { parent: Some(parent), ..SpawnOptions::default() };
    let child = runtime.spawn(OnDrop(last_words), options).unwrap();
    let (outer, handled) = mpsc::channel();
    let stopper = move |context: &Context<'_>, _: Message| {
        let _ = outer.send((context.runtime().stop(parent), iris_core::is_within(child)));
        Flow::Continue
    };
    let stopper = runtime.spawn(stopper, SpawnOptions::default()).unwrap();
    family.set([child, parent, stopper]).unwrap();
    runtime.send(stopper, b"stop it".into()).unwrap();
    for _ in 0..3 {
        assert_eq!(told.recv_timeout(DEADLINE).unwrap(), (ErrorKind::WouldDeadlock, false));
    }
    assert_eq!(handled.recv_timeout(DEADLINE).unwrap(), (true, false));
    assert!(runtime.join(child, Some(DEADLINE)) && runtime.join(parent, Some(DEADLINE)));
}

#[test]
fn a_shutdown_ends_the_asks_of_who_does_not() {
    let (runtime, _clock) = runtime_with_clock();
    let gate = Gate::default();
    let (behaviour, _heard) = gated_collector(&gate);
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    runtime.send(pid, b"x".into()).unwrap();
    gate.wait_for_one_inside();
    let (tell, answer) = mpsc::channel();
    let asks = AskOptions { timeout: Some(DEADLINE), context: None };
    runtime.ask_with(pid, b"ask".into(), asks, Box::new(move |outcome| tell.send(outcome).unwrap()));
    assert_eq!(runtime.shutdown(Duration::ZERO).unfinished, [pid]);
    assert_eq!(answer.recv_timeout(DEADLINE).unwrap().unwrap_err().kind(), ErrorKind::RuntimeClosed);
    gate.open();
}

#[test]
fn an_ask_without_a_time_out_waits_for_ever() {
    let (runtime, clock) = runtime_with_clock();
    let gate = Gate::default();
    let door = gate.clone();
    let answers = move |_: &Context<'_>, mut message: Message| {
        door.pass();
        message.take_reply().unwrap().send(message.into_payload());
        Flow::Continue
    };
    let pid = runtime.spawn(answers, SpawnOptions::default()).unwrap();
    let (tell, told) = mpsc::channel();
    let completion = Box::new(move |outcome: Result<Payload, Error>| tell.send(outcome).unwrap());
    let ask = runtime.ask_with(pid, b"question".into(), AskOptions::default(), completion);
    clock.advance(1_000_000 * Duration::from_hours(1));
    assert!(ask.is_open() && told.try_recv().is_err());
    gate.open();
    assert_eq!(told.recv_timeout(DEADLINE).unwrap().unwrap().as_slice(), b"question");
}
