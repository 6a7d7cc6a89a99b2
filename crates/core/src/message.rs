//! Messages: what an actor receives, from users and from the runtime.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::ask::AskState;
use crate::error::{Error, ErrorKind};
use crate::exit::{ExitReason, Failure};
use crate::payload::Payload;
use crate::pid::Pid;

/// A message of a user: its bytes, and what travels with them when it is an ask or carries a context.
#[derive(Debug)]
pub struct Message {
    payload: Payload,
    extra: Option<Box<Extra>>,
}

#[derive(Default)]
struct Extra {
    reply: Option<Reply>,
    context: Option<Box<dyn Any + Send>>,
}

impl std::fmt::Debug for Extra {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extra").field("asks", &self.reply.is_some()).finish_non_exhaustive()
    }
}

impl Message {
    #[inline]
    pub(crate) fn new(payload: Payload) -> Self {
        Self { payload, extra: None }
    }

    /// The payload, if that is all there is.
    #[inline]
    pub(crate) fn into_plain(self) -> Result<Payload, Self> {
        if self.extra.is_none() { Ok(self.payload) } else { Err(self) }
    }

    pub(crate) fn with_extra(
        payload: Payload,
        reply: Option<Reply>,
        context: Option<Box<dyn Any + Send>>,
    ) -> Self {
        let extra = (reply.is_some() || context.is_some()).then(|| Box::new(Extra { reply, context }));
        Self { payload, extra }
    }

    /// The bytes.
    #[must_use]
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The bytes, taken out. An ask that was not taken with [`Message::take_reply`] before fails.
    #[must_use]
    pub fn into_payload(self) -> Payload {
        self.payload
    }

    /// Whether a reply is awaited or a context attached: one look instead of two on a hot path.
    #[must_use]
    pub fn has_extra(&self) -> bool {
        self.extra.is_some()
    }

    /// Whether somebody waits for an answer.
    #[must_use]
    pub fn wants_reply(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.reply.is_some())
    }

    /// The way to answer, once.
    pub fn take_reply(&mut self) -> Option<Reply> {
        self.extra.as_mut()?.reply.take()
    }

    /// What the sender attached for the handler's language, once.
    pub fn take_context(&mut self) -> Option<Box<dyn Any + Send>> {
        self.extra.as_mut()?.context.take()
    }

    /// An ask whose caller no longer waits is not executed.
    pub(crate) fn is_expired(&self) -> bool {
        match &self.extra {
            None => false,
            Some(extra) => extra.reply.as_ref().is_some_and(|reply| !reply.is_awaited()),
        }
    }
}

/// The right to answer one ask. Dropped unanswered, the ask fails with [`ErrorKind::AskFailed`].
#[derive(Debug)]
pub struct Reply {
    ask: Arc<AskState>,
    target: Pid,
}

impl Reply {
    pub(crate) fn new(ask: Arc<AskState>, target: Pid) -> Self {
        Self { ask, target }
    }

    /// Answers. An answer that comes after the deadline is dropped.
    pub fn send(self, payload: Payload) {
        self.ask.complete(Ok(payload));
    }

    /// Fails the ask with what went wrong.
    #[expect(clippy::needless_pass_by_value, reason = "an answer is given once")]
    pub fn fail(self, failure: Failure) {
        self.ask.complete(Err(Error::new(
            ErrorKind::AskFailed,
            format!("actor {} failed while it answered: {failure}", self.target),
        )));
    }

    /// Fails the ask with what is known already.
    pub(crate) fn refuse(self, error: Error) {
        self.ask.complete(Err(error));
    }

    /// How long the caller waits, from when it asked.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.ask.timeout()
    }

    /// Whether the caller still waits.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.ask.is_open()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if self.ask.is_open() {
            let message = format!("actor {} ended before it answered", self.target);
            self.ask.complete(Err(Error::new(ErrorKind::AskFailed, message)));
        }
    }
}

/// What a mailbox holds.
#[derive(Debug)]
pub enum Incoming {
    /// A message of a user.
    User(Message),
    /// A notice of the runtime.
    System(Box<SystemMessage>),
}

/// Which notice a [`SystemMessage`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SystemKind {
    /// A linked actor exited: `target_pid` is the actor that exited.
    Exit,
    /// The receiver's behaviour was swapped.
    HotSwap,
    /// A remote node asks whether this one lives.
    Ping,
    /// A remote node lives.
    Pong,
    /// A monitored actor exited: `target_pid` is the actor that exited.
    Down,
    /// A message could not be delivered: told to the listener of dead letters alone.
    DeadLetter,
    /// A connection with another node is made.
    NodeUp,
    /// The connection with another node is lost.
    NodeDown,
}

impl SystemKind {
    /// The kind's name in every language.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exit => "EXIT",
            Self::HotSwap => "HOT_SWAP",
            Self::Ping => "PING",
            Self::Pong => "PONG",
            Self::Down => "DOWN",
            Self::DeadLetter => "DEAD_LETTER",
            Self::NodeUp => "NODE_UP",
            Self::NodeDown => "NODE_DOWN",
        }
    }
}

/// A notice of the runtime to a pull or observed actor.
#[derive(Clone, Debug)]
pub struct SystemMessage {
    /// Which notice it is.
    pub kind: SystemKind,
    /// The actor it comes from, where there is one.
    pub from_pid: Option<Pid>,
    /// The actor it is about: for EXIT and DOWN the one that exited.
    pub target_pid: Option<Pid>,
    /// Why that actor exited.
    pub reason: Option<ExitReason>,
    /// The name of the reason a dead letter was not delivered.
    pub detail: Option<&'static str>,
    /// A dead letter's bytes.
    pub data: Option<bytes::Bytes>,
    /// The monitor that fired.
    pub monitor: Option<u64>,
    /// The node that is up or down.
    pub node: Option<Box<NodeNotice>>,
}

/// Another node that came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeNotice {
    /// Its name.
    pub name: String,
    /// Where it listens; empty where it does not.
    pub address: String,
    /// Why it is down; empty where it is up.
    pub why: String,
}

impl SystemMessage {
    pub(crate) fn new(kind: SystemKind) -> Self {
        Self {
            kind,
            from_pid: None,
            target_pid: None,
            reason: None,
            detail: None,
            data: None,
            monitor: None,
            node: None,
        }
    }

    pub(crate) fn exited(kind: SystemKind, pid: Pid, reason: &ExitReason, monitor: Option<u64>) -> Self {
        Self {
            from_pid: Some(pid),
            target_pid: Some(pid),
            reason: Some(reason.clone()),
            monitor,
            ..Self::new(kind)
        }
    }
}
