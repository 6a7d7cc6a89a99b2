//! What the suites share: runtimes, behaviours that count and collect, waits with a deadline.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each suite uses a part of it")]

pub mod nodes;
pub mod views;

use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use iris_core::{
    Behaviour, Context, ErrorKind, ExitReason, Failure, Flow, Incoming, Message, Pid, PullMailbox, Received,
    Runtime, SpawnOptions, SystemMessage, Waiter,
};

use proptest::test_runner::{Config, FileFailurePersistence};

/// How long a test waits for anything: far longer than anything takes, so that a wait that ends here is a fault.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// How much a test does: little in `make test`, much in `make deep`, which sets `IRIS_DEEP`.
pub fn scaled(little: usize, much: usize) -> usize {
    if std::env::var_os("IRIS_DEEP").is_some() { much } else { little }
}

/// How many cases a property is tried with: `PROPTEST_CASES`, which `make deep` raises.
pub fn proptest_config() -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64);
    let failure_persistence = Some(Box::new(FileFailurePersistence::Off) as _);
    Config { cases, failure_persistence, ..Config::default() }
}

pub fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

/// Waits until something holds that nobody tells of.
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not in time");
        std::thread::yield_now();
    }
}

/// A behaviour that passes on what it gets.
pub fn collector() -> (impl Behaviour, mpsc::Receiver<Vec<u8>>) {
    let (tell, heard) = mpsc::channel();
    let behaviour = move |_: &Context<'_>, message: Message| {
        let _ = tell.send(message.payload().as_slice().to_vec());
        Flow::Continue
    };
    (behaviour, heard)
}

/// How much was handled.
#[derive(Clone, Default)]
pub struct Handled(Arc<(Mutex<usize>, Condvar)>);

impl Handled {
    pub fn add(&self) {
        *self.0.0.lock().unwrap() += 1;
        self.0.1.notify_all();
    }

    pub fn wait_for(&self, count: usize) {
        let guard = self.0.0.lock().unwrap();
        let (guard, timeout) = self.0.1.wait_timeout_while(guard, DEADLINE, |seen| *seen < count).unwrap();
        assert!(!timeout.timed_out(), "{} of {count} messages were handled in time", *guard);
    }
}

/// A behaviour that counts.
pub fn counter() -> (impl Behaviour, Handled) {
    let handled = Handled::default();
    let counted = handled.clone();
    let behaviour = move |_: &Context<'_>, _: Message| {
        counted.add();
        Flow::Continue
    };
    (behaviour, handled)
}

/// A door that handlers wait at.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<(bool, usize)>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        self.0.0.lock().unwrap().0 = true;
        self.0.1.notify_all();
    }

    pub fn pass(&self) {
        let mut guard = self.0.0.lock().unwrap();
        guard.1 += 1;
        self.0.1.notify_all();
        let (_guard, timeout) = self.0.1.wait_timeout_while(guard, DEADLINE, |state| !state.0).unwrap();
        assert!(!timeout.timed_out(), "nobody opened the gate");
    }

    /// How many ever came to it.
    pub fn inside(&self) -> usize {
        self.0.0.lock().unwrap().1
    }

    pub fn wait_for_one_inside(&self) {
        let guard = self.0.0.lock().unwrap();
        let (_guard, timeout) = self.0.1.wait_timeout_while(guard, DEADLINE, |state| state.1 == 0).unwrap();
        assert!(!timeout.timed_out(), "nobody came to the gate");
    }
}

/// A behaviour that waits at a gate before each message, and passes on what it gets.
pub fn gated_collector(gate: &Gate) -> (impl Behaviour + use<>, mpsc::Receiver<Vec<u8>>) {
    let gate = gate.clone();
    let (tell, heard) = mpsc::channel();
    let behaviour = move |_: &Context<'_>, message: Message| {
        gate.pass();
        let _ = tell.send(message.payload().as_slice().to_vec());
        Flow::Continue
    };
    (behaviour, heard)
}

/// A behaviour that fails on `b"crash"` and passes on everything else.
pub fn fragile() -> (impl Behaviour, mpsc::Receiver<Vec<u8>>) {
    let (tell, heard) = mpsc::channel();
    let behaviour = move |_: &Context<'_>, message: Message| {
        if message.payload().as_slice() == b"crash" {
            return Flow::Stop(ExitReason::crash(Failure::new("Test", "told to crash")));
        }
        let _ = tell.send(message.payload().as_slice().to_vec());
        Flow::Continue
    };
    (behaviour, heard)
}

/// A reader that can be waited for.
#[derive(Default)]
pub struct Bell(Mutex<bool>, Condvar);

impl Waiter for Bell {
    fn wake(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }
}

impl Bell {
    pub fn wait(&self) {
        let guard = self.0.lock().unwrap();
        let (mut guard, timeout) = self.1.wait_timeout_while(guard, DEADLINE, |rung| !*rung).unwrap();
        assert!(!timeout.timed_out(), "nobody rang");
        *guard = false;
    }
}

/// Takes what an observed actor keeps until there are `count` things.
pub fn observe(runtime: &Runtime, pid: Pid, count: usize) -> Vec<Incoming> {
    let bell = Arc::new(Bell::default());
    let mut seen = Vec::new();
    while seen.len() < count {
        let waiter: Arc<dyn Waiter> = Arc::clone(&bell) as _;
        runtime.notify_observed(pid, waiter).unwrap();
        seen.extend(runtime.take_observed(pid).unwrap());
        if seen.len() < count {
            bell.wait();
        }
    }
    seen
}

/// The next user message of a pull actor, or `None` when it was told to stop.
pub fn pull(mailbox: &mut PullMailbox, bell: &Bell) -> Option<Incoming> {
    loop {
        match mailbox.try_recv() {
            Received::Message(message) => return Some(message),
            Received::Stopped => return None,
            Received::Empty => {
                if mailbox.prepare_wait() {
                    bell.wait();
                    mailbox.end_wait();
                }
            }
        }
    }
}

pub fn bytes(incoming: &Incoming) -> &[u8] {
    match incoming {
        Incoming::User(message) => message.payload().as_slice(),
        Incoming::System(message) => panic!("a notice instead of a message: {message:?}"),
    }
}

pub fn notice(incoming: &Incoming) -> &SystemMessage {
    match incoming {
        Incoming::User(message) => panic!("a message instead of a notice: {message:?}"),
        Incoming::System(message) => message,
    }
}

pub fn plain() -> SpawnOptions {
    SpawnOptions::default()
}

/// An actor of no interest.
pub fn spawn(runtime: &Runtime) -> Pid {
    runtime.spawn(collector().0, plain()).unwrap()
}

/// Waits until it is so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < until, "not in time: {what}");
        std::thread::yield_now();
    }
}

pub fn kind<T: std::fmt::Debug>(outcome: iris_core::Result<T>) -> ErrorKind {
    outcome.unwrap_err().kind()
}
