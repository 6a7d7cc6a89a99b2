//! Ask: a message that is answered once, by its target, by its deadline, or by its target's end.

use std::task::{Poll, Waker};
use std::time::Duration;

use crate::error::Error;
use crate::payload::Payload;
use crate::quietly::quietly;
use crate::shared::WeakShared;
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering};

/// What is called with an ask's outcome, once, on the thread that answers.
pub type Completion = Box<dyn FnOnce(Result<Payload, Error>) + Send>;

/// One ask under way: whoever completes it first decides the outcome; later answers are dropped.
pub(crate) struct AskState {
    open: AtomicBool,
    caller: Mutex<Caller>,
    /// The timer of its deadline; 0: none.
    timer: AtomicU64,
    /// How long the caller waits, from when it asked.
    timeout: Option<Duration>,
    shared: WeakShared,
}

/// Who is told of the outcome. What a future waits for lies here, too, which spares it a place of its own.
pub(crate) enum Caller {
    Completion(Completion),
    /// A future, with the waker of its last poll.
    Future(Option<Waker>),
    /// What a future has not taken yet.
    Outcome(Result<Payload, Error>),
    Gone,
}

impl AskState {
    pub(crate) fn new(shared: WeakShared, timeout: Option<Duration>, caller: Caller) -> Self {
        let (open, timer) = (AtomicBool::new(true), AtomicU64::new(0));
        Self { open, caller: Mutex::new(caller), timer, timeout, shared }
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    pub(crate) fn set_timer(&self, timer: u64) {
        self.timer.store(timer, Ordering::Relaxed);
    }

    fn cancel_timer(&self) {
        let timer = self.timer.load(Ordering::Relaxed);
        if timer != 0
            && let Some(shared) = self.shared.upgrade()
        {
            shared.timing.cancel(timer);
        }
    }

    /// Whether nobody has completed it yet.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Completes it; false where somebody else did.
    pub(crate) fn complete(&self, outcome: Result<Payload, Error>) -> bool {
        self.open.store(false, Ordering::Relaxed);
        let mut caller = self.caller.lock();
        match std::mem::replace(&mut *caller, Caller::Gone) {
            Caller::Completion(completion) => {
                drop(caller);
                self.cancel_timer();
                quietly("the completion of an ask", || completion(outcome));
                true
            }
            Caller::Future(waker) => {
                *caller = Caller::Outcome(outcome);
                drop(caller);
                self.cancel_timer();
                quietly("the wake of an ask", || waker.into_iter().for_each(Waker::wake));
                true
            }
            before => {
                *caller = before;
                drop(caller);
                false
            }
        }
    }

    /// Ends it without an outcome: the caller went away.
    pub(crate) fn cancel(&self) -> bool {
        self.open.store(false, Ordering::Relaxed);
        let caller = std::mem::replace(&mut *self.caller.lock(), Caller::Gone);
        let waited = matches!(caller, Caller::Completion(_) | Caller::Future(_));
        if waited {
            self.cancel_timer();
        }
        quietly("the drop of an ask", || drop(caller));
        waited
    }

    /// Takes the outcome that a future waits for, or has it woken when that is there.
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Result<Payload, Error>> {
        let mut caller = self.caller.lock();
        match std::mem::replace(&mut *caller, Caller::Gone) {
            Caller::Outcome(outcome) => return Poll::Ready(outcome),
            Caller::Future(Some(kept)) if kept.will_wake(waker) => *caller = Caller::Future(Some(kept)),
            Caller::Future(_) => *caller = Caller::Future(Some(waker.clone())),
            before => *caller = before,
        }
        Poll::Pending
    }
}

impl std::fmt::Debug for AskState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AskState").field("open", &self.is_open()).finish_non_exhaustive()
    }
}
