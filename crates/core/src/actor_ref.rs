//! `ActorRef`: a handle with the actor's cell in hand.

use std::sync::Arc;

use crate::cell::Cell;
use crate::message::Message;
use crate::payload::Payload;
use crate::pid::Pid;
use crate::runtime::Runtime;
use crate::send::SendError;
use crate::shared::Shared;

/// A handle of one actor, found without a look-up. Good for as long as it is kept; a send after the actor's end is
/// refused.
#[derive(Clone)]
pub struct ActorRef {
    shared: Arc<Shared>,
    cell: *const Cell,
    pid: Pid,
}

// SAFETY: cells are `Sync` and live as long as `shared`.
unsafe impl Send for ActorRef {}
// SAFETY: as above.
unsafe impl Sync for ActorRef {}

impl ActorRef {
    pub(crate) fn new(shared: Arc<Shared>, cell: &Cell, pid: Pid) -> Self {
        Self { shared, cell: std::ptr::from_ref(cell), pid }
    }

    fn cell(&self) -> Option<&Cell> {
        // SAFETY: cells live as long as `shared`.
        let cell = unsafe { &*self.cell };
        (cell.current_generation() == self.pid.generation()).then_some(cell)
    }

    /// The actor's pid.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The actor's runtime. Keeping it does not keep the runtime open.
    #[must_use]
    pub fn runtime(&self) -> Runtime {
        Runtime::inner(Arc::clone(&self.shared))
    }

    /// As [`Runtime::try_send`].
    ///
    /// # Errors
    /// Gives the payload back with the reason it was refused.
    #[inline]
    pub fn try_send(&self, payload: Payload) -> Result<(), SendError> {
        let Some(cell) = self.cell() else { return self.shared.try_send(self.pid, payload) };
        self.shared
            .deliver_to(cell, self.pid, Message::new(payload))
            .map_err(|(refusal, message)| SendError { refusal, payload: message.into_payload() })
    }

    /// As [`Runtime::is_alive`].
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.cell().is_some_and(|cell| cell.word.is_open())
    }
}

impl std::fmt::Debug for ActorRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActorRef").field("pid", &self.pid).finish_non_exhaustive()
    }
}
