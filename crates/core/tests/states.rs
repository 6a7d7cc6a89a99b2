//! States: what each operation does to an actor in each state it can be in. The table of docs/semantics.md, played.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::any::Any;
use std::future::pending;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use common::{DEADLINE, Gate, collector, fragile, gated_collector, notice, observe};
use iris_core::{
    AskOptions, Backoff, ChildSpec, Error, ErrorKind, Flow, Mailbox, Message, Own, Payload, Pid, Refusal,
    Restart, Runtime, RuntimeOptions, SpawnOptions, SupervisorOptions,
};

/// Where an actor may stand when something is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing to do.
    Idle,
    /// A message waits, and every worker is busy.
    Queued,
    /// In its handler.
    Running,
    /// Its async handler waits.
    Suspended,
    /// It crashed and waits for its restart in place.
    Pausing,
    /// A pull actor in `recv`.
    Receiving,
    /// A pull actor outside of `recv`.
    Pulling,
    /// A virtual actor before its first message.
    Unborn,
    /// An observed actor.
    Observed,
    /// Told to stop, and its child has not ended.
    Ending,
    /// Gone.
    Ended,
}

use State::{Ended, Ending, Idle, Observed, Pausing, Pulling, Queued, Receiving, Running, Suspended, Unborn};

const STATES: [State; 11] =
    [Idle, Queued, Running, Suspended, Pausing, Receiving, Pulling, Unborn, Observed, Ending, Ended];

/// One actor in its state.
struct Stage {
    runtime: Runtime,
    pid: Pid,
    gate: Gate,
    _kept: Vec<Box<dyn Any>>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.gate.open();
    }
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::yield_now();
    }
}

fn kept_busy(runtime: &Runtime, gate: &Gate, options: SpawnOptions) -> (Pid, Receiver<Vec<u8>>) {
    let (behaviour, heard) = gated_collector(gate);
    let pid = runtime.spawn(behaviour, options).unwrap();
    runtime.send(pid, b"wait".into()).unwrap();
    gate.wait_for_one_inside();
    (pid, heard)
}

fn crashed_twice(runtime: &Runtime) -> Pid {
    let hour = Duration::from_hours(1);
    let options = SupervisorOptions { backoff: Backoff::new(hour, hour).unwrap(), ..Default::default() };
    let supervisor = runtime.spawn_supervisor(options).unwrap();
    let child = ChildSpec { supervisor, restart: Restart::Permanent };
    let pid = runtime
        .spawn(fragile().0, SpawnOptions { supervisor: Some(child), ..SpawnOptions::default() })
        .unwrap();
    for crashes in 1..=2 {
        runtime.send(pid, b"crash".into()).unwrap();
        eventually("the crash", || runtime.stats().crashed == crashes);
    }
    eventually("the pause", || runtime.stats().timers == 1);
    pid
}

fn suspended(runtime: &Runtime) -> Pid {
    let (tell, begun) = mpsc::channel();
    let waits = move |_: Own, _: Message| {
        tell.send(()).unwrap();
        async {
            pending::<()>().await;
            Flow::Continue
        }
    };
    let pid = runtime.spawn_async(waits, SpawnOptions::default()).unwrap();
    runtime.send(pid, b"wait".into()).unwrap();
    begun.recv_timeout(DEADLINE).unwrap();
    // With one worker: when it comes to another actor it has left this one.
    let (behaviour, heard) = collector();
    let other = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    runtime.send(other, b"next".into()).unwrap();
    heard.recv_timeout(DEADLINE).unwrap();
    pid
}

fn stage(state: State) -> Stage {
    let workers = RuntimeOptions { workers: 1, ..RuntimeOptions::default() };
    let (runtime, gate) = (Runtime::with_options(workers).unwrap(), Gate::default());
    let mut kept: Vec<Box<dyn Any>> = Vec::new();
    let (behaviour, heard) = collector();
    kept.push(Box::new(heard));
    let plain = SpawnOptions::default;
    let pid = match state {
        Idle => runtime.spawn(behaviour, plain()).unwrap(),
        Queued => {
            kept.push(Box::new(kept_busy(&runtime, &gate, plain())));
            let pid = runtime.spawn(behaviour, plain()).unwrap();
            runtime.send(pid, b"waits".into()).unwrap();
            pid
        }
        Running => {
            let (pid, heard) = kept_busy(&runtime, &gate, plain());
            kept.push(Box::new(heard));
            pid
        }
        Suspended => suspended(&runtime),
        Pausing => crashed_twice(&runtime),
        Receiving => {
            let until_told = |mailbox: &mut Mailbox| while mailbox.recv(None).is_some() {};
            runtime.spawn_thread(until_told, plain()).unwrap()
        }
        Pulling => {
            let door = gate.clone();
            let pid = runtime.spawn_thread(move |_: &mut Mailbox| door.pass(), plain()).unwrap();
            gate.wait_for_one_inside();
            pid
        }
        Unborn => {
            let idle_timeout = Some(Duration::from_hours(1));
            runtime.spawn(behaviour, SpawnOptions { idle_timeout, ..plain() }).unwrap()
        }
        Observed => runtime.spawn_observed(plain()).unwrap(),
        Ending => {
            let parent = runtime.spawn(behaviour, plain()).unwrap();
            let below = SpawnOptions { parent: Some(parent), ..plain() };
            kept.push(Box::new(kept_busy(&runtime, &gate, below)));
            assert!(runtime.stop(parent));
            parent
        }
        Ended => {
            let pid = runtime.spawn(behaviour, plain()).unwrap();
            assert!(runtime.stop(pid) && runtime.join(pid, Some(DEADLINE)));
            pid
        }
    };
    Stage { runtime, pid, gate, _kept: kept }
}

fn is_gone(state: State) -> bool {
    matches!(state, Ending | Ended)
}

#[test]
fn messages_are_taken_while_the_actor_is_alive() {
    for state in STATES {
        let stage = stage(state);
        assert_eq!(stage.runtime.is_alive(stage.pid), !is_gone(state), "{state:?}");
        let sent = stage.runtime.send(stage.pid, b"x".into()).map_err(|error| error.refusal);
        assert_eq!(sent, if is_gone(state) { Err(Refusal::NoProcess) } else { Ok(()) }, "{state:?}");
    }
}

#[test]
fn a_stop_refuses_messages_at_once_and_ends_at_once_whom_nobody_runs() {
    for state in STATES {
        let stage = stage(state);
        let Stage { runtime, pid, gate, .. } = &stage;
        let watcher = runtime.spawn_observed(SpawnOptions::default()).unwrap();
        let monitored = runtime.monitor(*pid, watcher);
        assert_eq!(monitored.is_ok(), !is_gone(state), "{state:?}");
        assert_eq!(runtime.stop(*pid), !is_gone(state), "{state:?}");
        assert!(!runtime.is_alive(*pid), "{state:?}");
        assert_eq!(runtime.send(*pid, b"x".into()).unwrap_err().refusal, Refusal::NoProcess, "{state:?}");
        let at_once = matches!(state, Idle | Suspended | Pausing | Unborn | Observed | Ended);
        // A receiving pull actor ends by itself, on its own thread.
        if state != Receiving {
            assert_eq!(runtime.join(*pid, Some(Duration::ZERO)), at_once, "{state:?}");
        }
        gate.open();
        assert!(runtime.join(*pid, Some(DEADLINE)), "{state:?}");
        if monitored.is_ok() {
            let down = observe(runtime, watcher, 1);
            let reason = notice(&down[0]).reason.clone().unwrap();
            assert_eq!(reason.name(), "Killed", "{state:?}");
        }
    }
}

#[test]
fn a_swap_is_for_live_actors_that_have_a_handler() {
    for state in STATES {
        let stage = stage(state);
        let (behaviour, heard) = collector();
        let swapped = stage.runtime.hot_swap(stage.pid, Arc::new(behaviour)).map_err(|error| error.kind());
        let expected = match state {
            Receiving | Pulling => Err(ErrorKind::WrongActorKind),
            Ending | Ended => Err(ErrorKind::NoProcess),
            _ => Ok(2),
        };
        assert_eq!(swapped, expected, "{state:?}");
        // Who waits for its future or its restart meets the new handler when the wait is over; an observed actor is told.
        if swapped.is_ok() && !matches!(state, Suspended | Pausing | Observed) {
            stage.runtime.send(stage.pid, b"to the new".into()).unwrap();
            stage.gate.open();
            let last = heard.iter().find(|heard| heard == b"to the new");
            assert!(last.is_some(), "{state:?}");
        }
    }
}

#[test]
fn an_ask_fails_when_its_actor_ends() {
    for state in STATES {
        let stage = stage(state);
        let outcome: Arc<OnceLock<Result<Payload, Error>>> = Arc::default();
        let told = Arc::clone(&outcome);
        let completion = Box::new(move |result| drop(told.set(result)));
        let options = AskOptions { timeout: None, ..AskOptions::default() };
        let _handle = stage.runtime.ask_with(stage.pid, b"question".into(), options, completion);
        stage.runtime.stop(stage.pid);
        stage.gate.open();
        eventually("the outcome", || outcome.get().is_some());
        let kind = outcome.get().unwrap().as_ref().unwrap_err().kind();
        assert_eq!(
            kind,
            if is_gone(state) { ErrorKind::NoProcess } else { ErrorKind::AskFailed },
            "{state:?}"
        );
    }
}

#[test]
fn a_name_is_for_live_actors() {
    for state in STATES {
        let stage = stage(state);
        let registered = stage.runtime.register("it", stage.pid).map_err(|error| error.kind());
        assert_eq!(registered, if is_gone(state) { Err(ErrorKind::NoProcess) } else { Ok(()) }, "{state:?}");
        stage.runtime.stop(stage.pid);
        stage.gate.open();
        assert!(stage.runtime.join(stage.pid, Some(DEADLINE)));
        assert_eq!(stage.runtime.whereis("it"), None, "{state:?}");
    }
}
