//! Counters: what became of every message and every actor of a runtime.
//!
//! Accepted and taken messages are counted in the cells themselves, where sender and owner write anyway; here is what
//! is rarer. sent = handled + dropped + queued holds by these definitions:
//! sent = accepted + refused, handled = taken - dropped after they were taken, queued = accepted - taken. A message for
//! another node counts as accepted and taken when it is handed over.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::quietly::quietly;

/// Why a message was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// No live actor had the pid.
    NoProcess,
    /// The mailbox was full and refused it.
    MailboxFull,
    /// The mailbox was full and it was the oldest.
    DroppedOldest,
    /// The actor ended before it was handled.
    ActorExited,
    /// It was an ask nobody waited for any more.
    AskExpired,
    /// It went to another node, whose actor had ended or was full.
    RemoteRefused,
    /// It went to another node, and the connection was lost before the node confirmed it.
    NodeDown,
}

impl Dropped {
    /// Every reason, in declaration order.
    pub const ALL: [Self; 7] = [
        Self::NoProcess,
        Self::MailboxFull,
        Self::DroppedOldest,
        Self::ActorExited,
        Self::AskExpired,
        Self::RemoteRefused,
        Self::NodeDown,
    ];

    /// The reason's name in every language.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoProcess => "NoProcess",
            Self::MailboxFull => "MailboxFull",
            Self::DroppedOldest => "DroppedOldest",
            Self::ActorExited => "ActorExited",
            Self::AskExpired => "AskExpired",
            Self::RemoteRefused => "RemoteRefused",
            Self::NodeDown => "NodeDown",
        }
    }

    /// Whether it was refused, and so never entered a mailbox.
    pub(crate) fn is_refusal(self) -> bool {
        matches!(self, Self::NoProcess | Self::MailboxFull)
    }
}

/// Called when no actor is left.
pub(crate) type OnEmpty = Box<dyn Fn() + Send + Sync>;

/// The rarer counts.
#[derive(Default)]
pub(crate) struct Counters {
    /// Actors that live, and actors that a supervisor is about to replace; the runtime's own not counted.
    live: AtomicUsize,
    on_empty: OnceLock<OnEmpty>,
    dropped: [AtomicU64; Dropped::ALL.len()],
    /// Messages handed over to other nodes.
    pub(crate) handed_over: AtomicU64,
    pub(crate) exited: AtomicU64,
    pub(crate) crashed: AtomicU64,
    pub(crate) restarted: AtomicU64,
}

impl Counters {
    /// One more actor lives, or is about to.
    pub(crate) fn hold_live(&self) {
        self.live.fetch_add(1, Ordering::Relaxed);
    }

    /// One actor less. Whoever takes the last one away tells.
    pub(crate) fn release_live(&self) {
        if self.live.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(on_empty) = self.on_empty.get()
        {
            quietly("on_empty", on_empty);
        }
    }

    pub(crate) fn live(&self) -> usize {
        self.live.load(Ordering::Acquire)
    }

    /// Sets whom to tell; false: somebody is told already.
    pub(crate) fn set_on_empty(&self, on_empty: OnEmpty) -> bool {
        self.on_empty.set(on_empty).is_ok()
    }

    pub(crate) fn drop_one(&self, reason: Dropped) {
        self.dropped[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn drop_many(&self, reason: Dropped, messages: u64) {
        self.dropped[reason as usize].fetch_add(messages, Ordering::Relaxed);
    }

    pub(crate) fn dropped(&self, reason: Dropped) -> u64 {
        self.dropped[reason as usize].load(Ordering::Relaxed)
    }
}
