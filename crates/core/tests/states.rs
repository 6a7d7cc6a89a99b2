//! States: what each operation does to an actor in each state it can be in. The table of docs/semantics.md, played.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::any::Any;
use std::future::poll_fn;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use common::{DEADLINE, Gate, collector, fragile, gated_collector, notice, observe};
use iris_core::{
    AskOptions, Backoff, ChildSpec, Clock, Error, ErrorKind, Flow, Mailbox, ManualClock, Message, Own,
    Payload, Pid, Refusal, Restart, Runtime, RuntimeOptions, SpawnOptions, SupervisorOptions, SystemKind,
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

/// The pause before a restart.
const PAUSE: Duration = Duration::from_hours(1);

/// One actor in its state.
struct Stage {
    runtime: Runtime,
    pid: Pid,
    gate: Gate,
    awaited: Awaited,
    hand: ManualClock,
    kept: Vec<Box<dyn Any>>,
}

impl Stage {
    /// Ends what keeps the actor in its state: its handler returns, its future is ready, its restart is due.
    fn go_on(&self) {
        self.gate.open();
        self.awaited.end();
        self.hand.advance(PAUSE);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.gate.open();
    }
}

/// What an async handler waits for.
#[derive(Clone, Default)]
struct Awaited(Arc<Mutex<(bool, Option<Waker>)>>);

impl Awaited {
    fn end(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        let waker = state.1.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    async fn wait(self) {
        poll_fn(|context| {
            let mut state = self.0.lock().unwrap();
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
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

fn crashed_twice(runtime: &Runtime) -> (Pid, Receiver<Vec<u8>>) {
    let options = SupervisorOptions { backoff: Backoff::new(PAUSE, PAUSE).unwrap(), ..Default::default() };
    let supervisor = runtime.spawn_supervisor(options).unwrap();
    let child = ChildSpec { supervisor, restart: Restart::Permanent };
    let (behaviour, heard) = fragile();
    let pid = runtime
        .spawn(behaviour, SpawnOptions { supervisor: Some(child), ..SpawnOptions::default() })
        .unwrap();
    for crashes in 1..=2 {
        runtime.send(pid, b"crash".into()).unwrap();
        eventually("the crash", || runtime.stats().crashed == crashes);
    }
    eventually("the pause", || runtime.stats().timers == 1);
    (pid, heard)
}

fn suspended(runtime: &Runtime, awaited: &Awaited) -> Pid {
    let (tell, begun) = mpsc::channel();
    let awaited = awaited.clone();
    let waits = move |_: Own, _: Message| {
        tell.send(()).unwrap();
        let awaited = awaited.clone();
        async {
            awaited.wait().await;
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
    let (clock, hand) = Clock::manual();
    let options = RuntimeOptions { workers: 1, clock, ..RuntimeOptions::default() };
    let (runtime, gate) = (Runtime::with_options(options).unwrap(), Gate::default());
    let awaited = Awaited::default();
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
        Suspended => suspended(&runtime, &awaited),
        Pausing => {
            let (pid, heard) = crashed_twice(&runtime);
            kept.push(Box::new(heard));
            pid
        }
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
            let idle_timeout = Some(2 * PAUSE);
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
    Stage { runtime, pid, gate, awaited, hand, kept }
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
        if state == Observed {
            let told = observe(&stage.runtime, stage.pid, 1);
            assert_eq!(notice(&told[0]).kind, SystemKind::HotSwap);
        } else if swapped.is_ok() {
            stage.runtime.send(stage.pid, b"to the new".into()).unwrap();
            if matches!(state, Running | Suspended | Pausing) {
                assert!(heard.try_recv().is_err(), "{state:?}: in force while the old one goes on");
            }
            stage.go_on();
            let mut first = heard.recv_timeout(DEADLINE).unwrap();
            if state == Queued && first == b"waits" {
                first = heard.recv_timeout(DEADLINE).unwrap();
            }
            assert_eq!(first, b"to the new", "{state:?}");
        }
    }
}

#[test]
fn what_is_sent_before_a_restart_in_place_is_handled_after_it() {
    let mut stage = stage(Pausing);
    let heard = stage.kept.pop().unwrap().downcast::<Receiver<Vec<u8>>>().unwrap();
    stage.runtime.send(stage.pid, b"late".into()).unwrap();
    assert_eq!((stage.runtime.mailbox_size(stage.pid), heard.try_recv().is_err()), (Some(1), true));
    stage.go_on();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"late");
}

#[test]
fn a_link_is_for_live_actors_and_tells_the_end() {
    for state in STATES {
        for reversed in [false, true] {
            let stage = stage(state);
            let runtime = &stage.runtime;
            let peer = runtime.spawn_observed(SpawnOptions::default()).unwrap();
            let (a, b) = if reversed { (peer, stage.pid) } else { (stage.pid, peer) };
            let linked = runtime.link(a, b).map_err(|error| error.kind());
            assert_eq!(linked, if is_gone(state) { Err(ErrorKind::NoProcess) } else { Ok(()) }, "{state:?}");
            runtime.stop(stage.pid);
            stage.gate.open();
            assert!(runtime.join(stage.pid, Some(DEADLINE)), "{state:?}");
            let told = runtime.take_observed(peer).unwrap();
            assert_eq!(told.len(), usize::from(linked.is_ok()), "{state:?}");
            for exit in told.iter().map(notice) {
                assert_eq!((exit.kind, exit.target_pid), (SystemKind::Exit, Some(stage.pid)), "{state:?}");
                assert_eq!(exit.reason.as_ref().unwrap().name(), "Killed", "{state:?}");
            }
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
