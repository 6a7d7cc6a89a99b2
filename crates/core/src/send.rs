//! Send: why a message was refused, with the message given back.

use std::fmt;

use crate::payload::Payload;

/// Why a mailbox did not take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No live actor has this pid.
    NoProcess,
    /// The mailbox is full and its policy refuses.
    Full,
    /// The mailbox is full and its policy is to block: wait with `wait_for_room` and try again.
    WouldBlock,
    /// The actor lives on another node, which takes no messages of this size.
    TooLarge,
}

/// A message that was refused. Nothing is lost: it is given back.
pub struct SendError {
    /// Why.
    pub refusal: Refusal,
    /// The message.
    pub payload: Payload,
}

impl fmt::Debug for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SendError({:?})", self.refusal)
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.refusal {
            Refusal::NoProcess => "no live actor has this pid",
            Refusal::Full | Refusal::WouldBlock => "the mailbox is full",
            Refusal::TooLarge => "the message is larger than the other node takes",
        })
    }
}

impl std::error::Error for SendError {}
