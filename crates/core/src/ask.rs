//! Ask: a message that is answered once, by its target, by its deadline, or by its target's end.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::error::Error;
use crate::payload::Payload;

/// What is called with an ask's outcome, once, on the thread that answers.
pub type Completion = Box<dyn FnOnce(Result<Payload, Error>) + Send>;

/// One ask under way: whoever completes it first decides the outcome; later answers are dropped.
pub(crate) struct AskState {
    open: AtomicBool,
    completion: Mutex<Option<Completion>>,
}

impl AskState {
    pub(crate) fn new(completion: Completion) -> Self {
        Self { open: AtomicBool::new(true), completion: Mutex::new(Some(completion)) }
    }

    /// Whether nobody has completed it yet.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Completes it; false where somebody else did.
    pub(crate) fn complete(&self, outcome: Result<Payload, Error>) -> bool {
        self.open.store(false, Ordering::Relaxed);
        let taken = self.completion.lock().take();
        match taken {
            Some(completion) => {
                completion(outcome);
                true
            }
            None => false,
        }
    }

    /// Ends it without an outcome: the caller went away.
    pub(crate) fn cancel(&self) -> bool {
        self.open.store(false, Ordering::Relaxed);
        self.completion.lock().take().is_some()
    }
}

impl std::fmt::Debug for AskState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AskState").field("open", &self.is_open()).finish_non_exhaustive()
    }
}
