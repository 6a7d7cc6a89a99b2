//! Remote: the seam between a proxy, which is a cell that stands for an actor of another node, and what leads there.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::cell::{Cell, flag};
use crate::message::Message;
use crate::pid::Pid;
use crate::send::Refusal;

/// The way to the actors of one other node. No method waits, but for [`Peer::wait_for_room`].
pub(crate) trait Peer: Send + Sync + 'static {
    /// Hands a message over, an ask with its reply.
    fn send(&self, target: Pid, message: Message) -> Result<(), (Refusal, Message)>;

    /// Waits until a message that was refused as `Full` may be tried again. False: the time is over.
    fn wait_for_room(&self, timeout: Duration) -> bool;

    /// As `wait_for_room` without waiting: calls when the time has come, or at once.
    fn when_room(&self, done: Box<dyn FnOnce() + Send>);

    /// Ends the actor there.
    fn stop(&self, target: Pid);

    /// Links the actor there with one of here.
    fn link(&self, target: Pid, local: Pid);

    /// Takes a link back.
    fn unlink(&self, target: Pid, local: Pid);
}

/// Whom a proxy stands for.
#[derive(Clone)]
pub(crate) struct Remote {
    pub(crate) peer: Arc<dyn Peer>,
    /// Its pid on its own node.
    pub(crate) pid: Pid,
    /// Whether a sender waits for room instead of being refused.
    pub(crate) waits: bool,
}

/// Whom this proxy stands for; `None` for an actor of here, and for a proxy that ended.
pub(crate) fn of(cell: &Cell, pid: Pid) -> Option<Remote> {
    if !cell.has(flag::REMOTE) {
        return None;
    }
    cell.look_at_details(pid, |details| details.remote.clone()).flatten()
}

/// What connects a runtime with others and ends with it.
pub(crate) trait Attached: Any + Send + Sync {
    /// Tells the other nodes what is still to be told and lets go of them. Called once, when all actors ended.
    fn close(&self);
}
