//! What the suites share: runtimes, behaviours that count and collect, waits with a deadline.
#![allow(dead_code, reason = "each suite uses a part of it")]

use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use iris_core::{Behaviour, Context, Flow, Message, Runtime};

/// How long a test waits for anything: far longer than anything takes, so that a wait that ends here is a fault.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
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
