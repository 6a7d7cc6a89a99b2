//! What the traces are played with: their actors, and how what is seen is compared with what is expected.
#![allow(unreachable_pub, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use iris_core::{
    Behaviour, Context, ExitReason, Failure, Finish, Flow, Incoming, Message, Payload, Pid, PullMailbox,
    Runtime, SpawnOptions, Suspension, SystemKind, SystemMessage,
};
use serde_json::{Value, json};

use crate::common::{Bell, pull};

/// A behaviour that answers with its code's name and crashes when told to.
pub fn answers(code: &str) -> impl Behaviour + use<> {
    let code = code.to_owned();
    move |_: &Context<'_>, mut message: Message| {
        if message.payload().as_slice() == b"crash" {
            return Flow::Stop(crash());
        }
        if let Some(reply) = message.take_reply() {
            reply.send(Payload::copy_from(code.as_bytes()));
        }
        Flow::Continue
    }
}

/// What keeps a bounded actor's first message in its hand until it is released.
#[derive(Clone, Default)]
pub struct Hold(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    released: bool,
    suspension: Option<Suspension>,
}

impl Behaviour for Hold {
    fn handle(&self, context: &Context<'_>, _: Message) -> Flow {
        let mut held = self.0.lock().unwrap();
        if held.released {
            return Flow::Continue;
        }
        held.suspension = Some(context.suspend(Box::new(|| ())));
        Flow::Suspend
    }
}

impl Hold {
    pub fn release(&self) {
        let mut held = self.0.lock().unwrap();
        held.released = true;
        let suspension = held.suspension.take();
        drop(held);
        if let Some(suspension) = suspension {
            suspension.resume(Flow::Continue);
        }
    }
}

/// A pull actor on a thread of its own.
pub struct Pull {
    pub pid: Pid,
    heard: Heard,
    thread: JoinHandle<()>,
}

type Heard = Arc<Mutex<Vec<SystemMessage>>>;

impl Pull {
    pub fn spawn(runtime: &Runtime, options: SpawnOptions) -> iris_core::Result<Self> {
        let (bell, heard) = (Arc::new(Bell::default()), Heard::default());
        let mailbox = runtime.spawn_pull(options, Arc::clone(&bell) as _)?;
        let (pid, told) = (mailbox.pid(), Arc::clone(&heard));
        let thread = std::thread::spawn(move || live(mailbox, &bell, &told));
        Ok(Self { pid, heard, thread })
    }

    pub fn swap(runtime: &Runtime, pid: Pid, code: &str) -> iris_core::Result<u32> {
        runtime.hot_swap_pull(pid, Some(Arc::new("first".to_owned())), Arc::new(code.to_owned()))
    }

    /// What it was told so far.
    pub fn heard(&self) -> Vec<SystemMessage> {
        self.heard.lock().unwrap().clone()
    }

    pub fn join(self) {
        self.thread.join().unwrap();
    }
}

/// Calls what the actor is made of, again with each restart and each swap, until it ends. A swap is heard of when the new
/// code begins: one before that would be one with it.
fn live(mut mailbox: PullMailbox, bell: &Bell, heard: &Heard) {
    let mut code = "first".to_owned();
    loop {
        let (reason, swap) = listen(&mut mailbox, bell, heard, &code);
        let mut finish = mailbox.finish(reason);
        mailbox = loop {
            match finish {
                Finish::Ended => return,
                Finish::Restarted(mailbox) => break mailbox,
                Finish::Swapped(mailbox, swapped) => {
                    code.clone_from(swapped.downcast_ref().unwrap());
                    break mailbox;
                }
                Finish::Waiting(mut mailbox) => {
                    if mailbox.prepare_wait_for_supervisor() {
                        bell.wait();
                        mailbox.end_wait();
                    }
                    finish = mailbox.resumed();
                }
            }
        };
        heard.lock().unwrap().extend(swap);
    }
}

/// Answers with its code's name, crashes and returns when told to: why it returned, and the swap that it returned for.
fn listen(
    mailbox: &mut PullMailbox,
    bell: &Bell,
    heard: &Heard,
    code: &str,
) -> (ExitReason, Option<SystemMessage>) {
    while let Some(incoming) = pull(mailbox, bell) {
        match incoming {
            Incoming::System(notice) if notice.kind == SystemKind::HotSwap => {
                return (ExitReason::Normal, Some(*notice));
            }
            Incoming::System(notice) => heard.lock().unwrap().push(*notice),
            Incoming::User(mut message) => {
                match message.payload().as_slice() {
                    b"crash" => return (crash(), None),
                    b"return" => break,
                    _ => {}
                }
                if let Some(reply) = message.take_reply() {
                    reply.send(Payload::copy_from(code.as_bytes()));
                }
            }
        }
    }
    (ExitReason::Normal, None)
}

fn crash() -> ExitReason {
    ExitReason::crash(Failure::new("Test", "told to crash"))
}

pub fn sorted(mut items: Vec<Value>) -> Value {
    items.sort_by_key(ToString::to_string);
    Value::Array(items)
}

/// Puts what a step changes into what is expected.
pub fn merge(expected: &mut Value, changes: &Value) {
    match (expected, changes) {
        (Value::Object(expected), Value::Object(changes)) => {
            for (key, change) in changes {
                merge(expected.entry(key).or_insert(Value::Null), change);
            }
        }
        (expected, change) => *expected = change.clone(),
    }
}

/// What is not as expected, each with its place.
pub fn differences(place: &str, expected: &Value, seen: &Value) -> Vec<String> {
    if expected == seen {
        return Vec::new();
    }
    let (Value::Object(expected), Value::Object(seen)) = (expected, seen) else {
        return vec![format!("{place}: expected {expected}, found {seen}")];
    };
    let mut keys: Vec<_> = expected.keys().chain(seen.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let part = |key: &String| {
        let nothing = json!("nothing");
        let [expected, seen] = [expected, seen].map(|object| object.get(key).unwrap_or(&nothing));
        differences(&format!("{place} {key}"), expected, seen)
    };
    keys.into_iter().flat_map(part).collect()
}
