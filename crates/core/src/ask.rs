//! Ask: a message that is answered once, by its target, by its deadline, or by its target's end.

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
    completion: Mutex<Option<Completion>>,
    /// The timer of its deadline; 0: none.
    timer: AtomicU64,
    /// How long the caller waits, from when it asked.
    timeout: Option<Duration>,
    shared: WeakShared,
}

impl AskState {
    pub(crate) fn new(shared: WeakShared, timeout: Option<Duration>, completion: Completion) -> Self {
        let (open, timer) = (AtomicBool::new(true), AtomicU64::new(0));
        Self { open, completion: Mutex::new(Some(completion)), timer, timeout, shared }
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    pub(crate) fn set_timer(&self, timer: u64) {
        self.timer.store(timer, Ordering::Relaxed);
    }

    /// Closes it and gives the completion to whoever came first.
    fn close(&self) -> Option<Completion> {
        self.open.store(false, Ordering::Relaxed);
        let completion = self.completion.lock().take()?;
        let timer = self.timer.load(Ordering::Relaxed);
        if timer != 0
            && let Some(shared) = self.shared.upgrade()
        {
            shared.timing.cancel(timer);
        }
        Some(completion)
    }

    /// Whether nobody has completed it yet.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Completes it; false where somebody else did.
    pub(crate) fn complete(&self, outcome: Result<Payload, Error>) -> bool {
        match self.close() {
            Some(completion) => {
                quietly("the completion of an ask", || completion(outcome));
                true
            }
            None => false,
        }
    }

    /// Ends it without an outcome: the caller went away.
    pub(crate) fn cancel(&self) -> bool {
        let completion = self.close();
        let open = completion.is_some();
        quietly("the drop of an ask", || drop(completion));
        open
    }
}

impl std::fmt::Debug for AskState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AskState").field("open", &self.is_open()).finish_non_exhaustive()
    }
}
