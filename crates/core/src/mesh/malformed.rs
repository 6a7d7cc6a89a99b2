//! Malformed: why bytes of a peer are not what the protocol says, for the log line that closes its connection.

/// What is wrong with bytes that came over the wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// A frame must have a kind.
    #[error("a frame without a kind")]
    Empty,
    /// Something is longer than it may be.
    #[error("{length} bytes where at most {limit} are allowed")]
    TooLong {
        /// What was said.
        length: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The frame ends within a field.
    #[error("a frame of kind {kind:#04x} ends too early")]
    Short {
        /// Its kind.
        kind: u8,
    },
    /// A text is no UTF-8.
    #[error("a frame of kind {kind:#04x} has a text that is not UTF-8")]
    NotText {
        /// Its kind.
        kind: u8,
    },
    /// No version of the protocol that we speak has this.
    #[error("a frame of unknown kind {0:#04x}")]
    UnknownKind(u8),
    /// As above.
    #[error("an exit reason of unknown code {0}")]
    UnknownReason(u8),
    /// The first bytes belong to no version of the protocol.
    #[error("a first byte of {0:#04x}, which begins no version of the protocol")]
    Preamble(u8),
    /// A client of another protocol.
    #[error("{0} instead of this protocol")]
    Stranger(&'static str),
    /// The credit given back is more than was used, or less than before.
    #[error("credit that was never given")]
    Credit,
    /// More is under way than this node said that it takes.
    #[error("messages beyond the window of this node")]
    Window,
    /// More messages are refused than were sent.
    #[error("a refusal of a message that it was not sent")]
    Unsent,
    /// A frame in a place where it means nothing.
    #[error("a frame of kind {0:#04x} that does not belong here")]
    Misplaced(u8),
}
