//! Behaviour: what an actor does with a message, and what its lane must do next.

use std::any::Any;
use std::sync::Arc;

use crate::context::Context;
use crate::exit::{ExitReason, Failure};
use crate::lane::LaneId;
use crate::message::{Message, SystemMessage};

/// What an actor does. One behaviour may serve many actors; each actor calls it for one message at a time.
///
/// A closure `Fn(&Context, Message) -> Flow` is a behaviour.
pub trait Behaviour: Send + Sync + 'static {
    /// Handles one message, on a thread of the actor's lane. A panic ends the actor with [`ExitReason::Panic`].
    fn handle(&self, context: &Context<'_>, message: Message) -> Flow;

    /// Handles a notice of the runtime; told only to behaviours that ask for it by [`Behaviour::wants_system`].
    fn system(&self, _context: &Context<'_>, _message: SystemMessage) -> Flow {
        Flow::Continue
    }

    /// Whether EXIT, DOWN and HOT_SWAP notices are delivered to [`Behaviour::system`].
    fn wants_system(&self) -> bool {
        false
    }

    /// The lane this behaviour must run on, asked when it comes into force; `None`: where the actor is.
    fn lane(&self) -> Option<LaneId> {
        None
    }

    /// Called on the actor's lane when its supervisor restarts it in place: a fresh behaviour, or `None` to go on with
    /// this one.
    ///
    /// # Errors
    /// What went wrong; the supervisor counts it as one more failure.
    fn restarted(&self) -> Result<Option<Arc<dyn Behaviour>>, Failure> {
        Ok(None)
    }

    /// The behaviour as its own type, for a host that knows which types it put on its lane.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }

    /// Whether its children outlive its restart in place: a supervisor's do.
    #[doc(hidden)]
    fn keeps_children(&self) -> bool {
        false
    }

    /// An event of the runtime's own parts, such as a supervisor's.
    #[doc(hidden)]
    fn event(&self, _context: &Context<'_>, _event: Box<dyn Any + Send>) -> Flow {
        Flow::Continue
    }
}

impl<F> Behaviour for F
where
    F: Fn(&Context<'_>, Message) -> Flow + Send + Sync + 'static,
{
    fn handle(&self, context: &Context<'_>, message: Message) -> Flow {
        self(context, message)
    }
}

/// What becomes of an actor after a message.
#[derive(Clone, Debug)]
#[must_use]
pub enum Flow {
    /// It goes on.
    Continue,
    /// It ends, for this reason.
    Stop(ExitReason),
    /// It handles no message until its [`Suspension`](crate::Suspension) is resumed.
    Suspend,
}
