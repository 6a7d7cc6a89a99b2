//! Asking: a question with one answer, by callback or by a blocked thread.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ask::{AskState, Caller, Completion};
use crate::context;
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Message, Reply};
use crate::payload::Payload;
use crate::pid::Pid;
use crate::runtime::Runtime;
use crate::send::Refusal;
use crate::sync::{Condvar, Mutex, thread};

/// Longest spin of a thread that waits for an answer: waking it would cost about as much, and more where its core sleeps.
const SPIN: Duration = if cfg!(any(loom, shuttle)) { Duration::ZERO } else { Duration::from_micros(50) };
/// Spins between two offers of the core to another thread, such as the one that is about to answer.
const YIELD_EVERY: u32 = 32;

fn spin_while(goes_on: impl Fn() -> bool) {
    let end = Instant::now() + SPIN;
    while goes_on() && Instant::now() < end {
        for _ in 0..YIELD_EVERY {
            std::hint::spin_loop();
        }
        thread::yield_now();
    }
}

/// How a question is asked.
#[derive(Default)]
pub struct AskOptions {
    /// How long the caller waits; `None`: for ever.
    pub timeout: Option<Duration>,
    /// What travels with the message for the handler's language.
    pub context: Option<Box<dyn Any + Send>>,
}

impl std::fmt::Debug for AskOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AskOptions").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// An ask under way.
#[derive(Clone, Debug)]
pub struct AskHandle {
    state: Arc<AskState>,
}

impl AskHandle {
    /// Gives the ask up: its completion is not called, and it is not executed if it is still queued. False: it was
    /// complete already.
    pub fn cancel(&self) -> bool {
        self.state.cancel()
    }

    /// Whether it is still unanswered.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state.is_open()
    }
}

impl Runtime {
    /// Asks: `completion` is called once with the answer or the reason there is none, on the thread that answers, or on
    /// this one where the message is refused.
    pub fn ask_with(
        &self,
        pid: Pid,
        payload: Payload,
        options: AskOptions,
        completion: Completion,
    ) -> AskHandle {
        AskHandle { state: self.begin_ask(pid, payload, options, Caller::Completion(completion)) }
    }

    pub(crate) fn begin_ask(
        &self,
        pid: Pid,
        payload: Payload,
        options: AskOptions,
        caller: Caller,
    ) -> Arc<AskState> {
        let state = Arc::new(AskState::new(self.shared().weak(), options.timeout, caller));
        if let Some(timeout) = options.timeout {
            self.shared().timing.end_ask(self.shared(), &state, pid, timeout);
        }
        let reply = Reply::new(Arc::clone(&state), pid);
        let message = Message::with_extra(payload, Some(reply), options.context);
        if let Err((refusal, mut message)) = self.shared().deliver(pid, message) {
            if refusal == Refusal::WouldBlock {
                message = self.shared().refuse_full(pid, message);
            }
            let error = match refusal {
                Refusal::NoProcess => Error::no_process(pid),
                Refusal::Full | Refusal::WouldBlock => {
                    Error::new(ErrorKind::MailboxFull, format!("the mailbox of actor {pid} is full"))
                }
                Refusal::TooLarge => Error::too_large(pid, message.payload().len()),
            };
            state.complete(Err(error));
            drop(message.take_reply());
        }
        state
    }

    /// Asks and blocks this thread until the answer is there. For the first 50 µs it spins, offering its core to others
    /// again and again, then it sleeps.
    ///
    /// # Errors
    /// `AskTimeout`, `AskFailed`, `NoProcess`, `MailboxFull`; `WouldDeadlock` for an actor whose code this
    /// thread is within: it could not answer meanwhile.
    pub fn ask_blocking(&self, pid: Pid, payload: Payload, timeout: Option<Duration>) -> Result<Payload> {
        if context::is_within(pid) {
            return Err(Error::new(ErrorKind::WouldDeadlock, format!("actor {pid} would wait for itself")));
        }
        let slot = Arc::new((Mutex::new(None), Condvar::new()));
        let answered = Arc::clone(&slot);
        let completion = Box::new(move |outcome| {
            *answered.0.lock() = Some(outcome);
            answered.1.notify_one();
        });
        let handle = self.ask_with(pid, payload, AskOptions { timeout, context: None }, completion);
        spin_while(|| handle.is_open());
        let mut outcome = slot.0.lock();
        loop {
            if let Some(outcome) = outcome.take() {
                return outcome;
            }
            debug_assert!(handle.is_open() || outcome.is_none());
            slot.1.wait(&mut outcome);
        }
    }
}
