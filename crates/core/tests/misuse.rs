//! Misuse: users who stop, make, throw and ask what they should not, and very much of everything. Each hurts one actor.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{DEADLINE, collector, counter, eventually, fragile, kind, plain, runtime, scaled, spawn};
use iris_core::{
    Backoff, Behaviour, Clock, Context, Error, ErrorKind, Failure, Flow, Incoming, Mailbox, Message, PID_MAX,
    Payload, Pid, Runtime, RuntimeOptions, SpawnOptions, Strategy as Restarts, SupervisorOptions,
};

// Stops

#[test]
fn stops_of_oneself_twice_of_a_last_child_and_during_the_start() {
    let runtime = runtime();
    let (told, heard) = mpsc::channel();
    let stops = move |context: &Context<'_>, _: Message| {
        let runtime = context.runtime();
        let (first, again) = (runtime.stop(context.pid()), runtime.stop(context.pid()));
        let sent = context.send(context.pid(), b"more".to_vec()).is_ok();
        let joined = runtime.join(context.pid(), None);
        told.send([first, again, sent, joined, runtime.is_alive(context.pid())]).unwrap();
        Flow::Continue
    };
    let pid = runtime.spawn(stops, plain()).unwrap();
    runtime.send(pid, b"x".into()).unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), [true, false, false, false, false]);
    assert!(runtime.join(pid, Some(DEADLINE)) && !runtime.stop(pid));
    let parent = spawn(&runtime);
    let child = runtime.spawn(collector().0, SpawnOptions { parent: Some(parent), ..plain() }).unwrap();
    assert!(runtime.stop(child) && runtime.join(child, Some(DEADLINE)));
    assert!(runtime.is_alive(parent) && runtime.actor_info(parent).unwrap().children.is_empty());
    for _ in 0..100 {
        let begun = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&begun);
        let function = move |mailbox: &mut Mailbox| {
            begins.store(true, Ordering::SeqCst);
            assert!(mailbox.recv(None).is_none());
        };
        let pid = runtime.spawn_thread(function, plain()).unwrap();
        assert!(runtime.stop(pid) && runtime.join(pid, Some(DEADLINE)));
        assert!(begun.load(Ordering::SeqCst), "a pull function is called once, and told to stop");
    }
    assert!(runtime.stop(parent));
}

// Factories

fn intense(runtime: &Runtime, intensity: u32) -> Pid {
    let backoff = Backoff::new(Duration::ZERO, Duration::ZERO).unwrap();
    runtime
        .spawn_supervisor(SupervisorOptions { intensity, backoff, ..SupervisorOptions::default() })
        .unwrap()
}

/// Supervises an actor by this factory, crashes it, and waits until the supervisor has given up.
fn gives_up(runtime: &Runtime, make: impl Fn(Pid) -> Result<Pid, Failure> + Send + Sync + 'static) -> usize {
    let (supervisor, calls) = (intense(runtime, 5), Arc::new(AtomicUsize::new(0)));
    let (first, sibling) = (runtime.spawn(fragile().0, plain()).unwrap(), spawn(runtime));
    runtime.watch(supervisor, sibling, Restarts::OneForOne).unwrap();
    let called = Arc::clone(&calls);
    let factory = move || {
        called.fetch_add(1, Ordering::SeqCst);
        make(sibling)
    };
    runtime.supervise_with_factory(supervisor, first, Arc::new(factory), Restarts::OneForOne).unwrap();
    runtime.send(first, b"crash".into()).unwrap();
    assert!(runtime.join(supervisor, Some(DEADLINE)), "it never gives up");
    assert!(runtime.is_alive(sibling) && runtime.stop(sibling));
    calls.load(Ordering::SeqCst)
}

#[test]
fn factories_that_fail_panic_or_make_nothing_new_end_in_giving_up() {
    let runtime = runtime();
    assert_eq!(gives_up(&runtime, |_| Err(Failure::new("Test", "told to fail"))), 5);
    assert_eq!(gives_up(&runtime, |_| panic!("told to panic")), 5);
    // The pid of another child of the supervisor, over and over.
    assert_eq!(gives_up(&runtime, Ok), 5);
    let dead = spawn(&runtime);
    assert!(runtime.stop(dead) && runtime.join(dead, Some(DEADLINE)));
    assert_eq!(gives_up(&runtime, move |_| Ok(dead)), 5);
    let nobody = Pid::from_u64(PID_MAX).unwrap();
    assert_eq!(gives_up(&runtime, move |_| Ok(nobody)), 5);
    eventually("nobody is left behind", || runtime.live_actors() == 0);
}

#[test]
fn a_factory_that_supervises_what_it_makes_ends_in_giving_up() {
    let runtime = runtime();
    let (supervisor, first) = (intense(&runtime, 5), runtime.spawn(fragile().0, plain()).unwrap());
    let (handle, made) = (runtime.downgrade(), Arc::new(Mutex::new(Vec::new())));
    let list = Arc::clone(&made);
    let factory = move || {
        let pid = spawn(&handle);
        let own = handle.clone();
        let again = move || Ok::<_, Failure>(spawn(&own));
        let supervised = handle.supervise_with_factory(supervisor, pid, Arc::new(again), Restarts::OneForOne);
        list.lock().unwrap().push(pid);
        supervised.map(|()| pid).map_err(|error| Failure::new("Test", error.message()))
    };
    runtime.supervise_with_factory(supervisor, first, Arc::new(factory), Restarts::OneForOne).unwrap();
    runtime.send(first, b"crash".into()).unwrap();
    assert!(runtime.join(supervisor, Some(DEADLINE)), "it never gives up");
    assert_eq!(made.lock().unwrap().len(), 5);
}

// Handlers

type Matcher = dyn FnMut(&Incoming) -> iris_core::Result<bool>;

#[test]
fn whatever_a_handler_throws_ends_its_actor_alone() {
    struct Grenade(&'static str);
    impl Behaviour for Grenade {
        fn handle(&self, _: &Context<'_>, _: Message) -> Flow {
            match self.0 {
                "text" => panic!("{}", String::from("text")),
                "number" => std::panic::panic_any(7),
                _ => panic!("whatever"),
            }
        }
    }
    impl Drop for Grenade {
        fn drop(&mut self) {
            assert!(self.0 != "drop" || std::thread::panicking(), "a behaviour that panics when it goes");
        }
    }
    let runtime = runtime();
    for what in ["text", "number", "drop"] {
        let (told, heard) = mpsc::channel();
        let pid = runtime.spawn(Grenade(what), plain()).unwrap();
        runtime.on_exit(pid, Box::new(|_, _| panic!("a hook that panics")));
        runtime.on_exit(pid, Box::new(move |_, reason| told.send(reason.name()).unwrap()));
        runtime.send(pid, b"x".into()).unwrap();
        assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), "Panic", "{what}");
    }
    let (behaviour, handled) = counter();
    runtime.send(runtime.spawn(behaviour, plain()).unwrap(), b"x".into()).unwrap();
    handled.wait_for(1);
}

#[test]
fn a_matcher_that_panics_or_fails_takes_nothing() {
    let runtime = runtime();
    let observed = runtime.spawn_observed(plain()).unwrap();
    assert_eq!(runtime.send_many(observed, [b"a".into(), b"b".into()]), 2);
    let select = |mut matcher: Box<Matcher>| {
        let select = std::panic::AssertUnwindSafe(|| runtime.select_observed(observed, &mut *matcher));
        std::panic::catch_unwind(select)
    };
    assert!(select(Box::new(|_| panic!("a matcher that panics"))).is_err());
    let failed = select(Box::new(|_| Err(Error::invalid("a matcher that fails"))));
    assert_eq!(kind(failed.unwrap()), ErrorKind::InvalidArgument);
    assert_eq!(runtime.mailbox_size(observed), Some(2));
    assert_eq!(runtime.take_observed(observed).unwrap().len(), 2);
    let (told, heard) = mpsc::channel();
    let pull = move |mailbox: &mut Mailbox| {
        let matched = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            mailbox.select(|_| panic!("a matcher that panics"), None)
        }));
        assert!(matched.is_err());
        let next = mailbox.recv(None).map(|incoming| common::bytes(&incoming).to_vec());
        told.send(next).unwrap();
    };
    let pull = runtime.spawn_thread(pull, plain()).unwrap();
    runtime.send(pull, b"first".into()).unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap().as_deref(), Some(&b"first"[..]));
}

#[test]
fn an_ask_of_oneself_is_refused_and_a_circle_of_asks_times_out() {
    let runtime = runtime();
    let (told, heard) = mpsc::channel();
    let other = Arc::new(Mutex::new(None::<Pid>));
    let asks = |whom: Arc<Mutex<Option<Pid>>>, told: mpsc::Sender<ErrorKind>| {
        move |context: &Context<'_>, mut message: Message| {
            let target = whom.lock().unwrap().unwrap_or(context.pid());
            let short = Some(Duration::from_millis(50));
            let answer = context.runtime().ask_blocking(target, b"x".into(), short);
            if let Err(error) = answer {
                let _ = told.send(error.kind());
            }
            if let Some(reply) = message.take_reply() {
                reply.send(Payload::copy_from(b"at last"));
            }
            Flow::Continue
        }
    };
    let one = runtime.spawn(asks(Arc::clone(&other), told.clone()), plain()).unwrap();
    runtime.send(one, b"x".into()).unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), ErrorKind::WouldDeadlock);
    let back = Arc::new(Mutex::new(Some(one)));
    *other.lock().unwrap() = Some(runtime.spawn(asks(back, told), plain()).unwrap());
    runtime.send(one, b"x".into()).unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), ErrorKind::AskTimeout);
}

// Great numbers

#[test]
fn a_great_many_timers_due_at_once() {
    let (clock, hand) = Clock::manual();
    let runtime = Runtime::with_options(RuntimeOptions { clock, ..RuntimeOptions::default() }).unwrap();
    let (behaviour, handled) = counter();
    let (pid, timers) = (runtime.spawn(behaviour, plain()).unwrap(), scaled(50_000, 1_000_000));
    for _ in 0..timers {
        runtime.send_after(pid, 1_000, b"x".into()).unwrap();
    }
    hand.advance(Duration::from_secs(1));
    handled.wait_for(timers);
    assert_eq!(runtime.stats().timers, 0);
}

#[test]
fn a_great_many_pull_actors() {
    let runtime = runtime();
    let count = scaled(500, 10_000);
    let (told, heard) = mpsc::channel();
    let pids: Vec<Pid> = (0..count)
        .map(|_| {
            let told = told.clone();
            let echo = move |mailbox: &mut Mailbox| {
                while mailbox.recv(None).is_some() {
                    told.send(()).unwrap();
                }
            };
            runtime.spawn_thread(echo, plain()).unwrap()
        })
        .collect();
    assert!(pids.iter().all(|pid| runtime.send(*pid, b"x".into()).is_ok()));
    assert!(pids.iter().all(|_| heard.recv_timeout(DEADLINE).is_ok()));
    assert!(pids.iter().all(|pid| runtime.stop(*pid)));
    assert!(pids.iter().all(|pid| runtime.join(*pid, Some(DEADLINE))));
}
