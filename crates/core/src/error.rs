//! Errors: one closed list of kinds, with the same names in Rust, Python and Node.

use std::fmt;

/// What went wrong, one kind per thing a caller can act on.
///
/// Python raises `iris.<Kind>Error`-style classes and Node sets `err.code` to [`ErrorKind::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No live actor has this pid.
    NoProcess,
    /// The mailbox is at its bound and its policy refuses.
    MailboxFull,
    /// The name or path belongs to another live actor.
    NameTaken,
    /// No actor has this name.
    NoSuchName,
    /// An argument is outside its range; the message says which and what is allowed.
    InvalidArgument,
    /// A limit of the runtime is reached; the message names the limit.
    LimitReached,
    /// The ask was not answered in time.
    AskTimeout,
    /// The target ended, or refused, before it answered.
    AskFailed,
    /// The call would wait for itself.
    WouldDeadlock,
    /// The runtime was closed.
    RuntimeClosed,
    /// The process was forked after the runtime was made.
    ForkedRuntime,
    /// No supervisor has this pid or path.
    NoSupervisor,
    /// The buffer id is unknown or was handed over.
    NoSuchBuffer,
    /// The actor cannot do this: it is of another kind.
    WrongActorKind,
    /// Another node cannot be reached, or the connection with it was lost.
    NodeDown,
    /// An address cannot be listened on; the message says what the system says.
    ListenFailed,
    /// It is not allowed here; the message says what to configure.
    NotPermitted,
}

impl ErrorKind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 17] = [
        Self::NoProcess,
        Self::MailboxFull,
        Self::NameTaken,
        Self::NoSuchName,
        Self::InvalidArgument,
        Self::LimitReached,
        Self::AskTimeout,
        Self::AskFailed,
        Self::WouldDeadlock,
        Self::RuntimeClosed,
        Self::ForkedRuntime,
        Self::NoSupervisor,
        Self::NoSuchBuffer,
        Self::WrongActorKind,
        Self::NodeDown,
        Self::ListenFailed,
        Self::NotPermitted,
    ];

    /// The kind's name: the variant as written here.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoProcess => "NoProcess",
            Self::MailboxFull => "MailboxFull",
            Self::NameTaken => "NameTaken",
            Self::NoSuchName => "NoSuchName",
            Self::InvalidArgument => "InvalidArgument",
            Self::LimitReached => "LimitReached",
            Self::AskTimeout => "AskTimeout",
            Self::AskFailed => "AskFailed",
            Self::WouldDeadlock => "WouldDeadlock",
            Self::RuntimeClosed => "RuntimeClosed",
            Self::ForkedRuntime => "ForkedRuntime",
            Self::NoSupervisor => "NoSupervisor",
            Self::NoSuchBuffer => "NoSuchBuffer",
            Self::WrongActorKind => "WrongActorKind",
            Self::NodeDown => "NodeDown",
            Self::ListenFailed => "ListenFailed",
            Self::NotPermitted => "NotPermitted",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An error of the runtime: its kind, and a sentence that says what was asked and what stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence for a person, without the kind.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// No live actor has this pid.
    #[must_use]
    pub fn no_process(pid: impl fmt::Display) -> Self {
        Self::new(ErrorKind::NoProcess, format!("no live actor has pid {pid}"))
    }

    /// A message of this length is larger than the node of this proxy takes.
    #[must_use]
    pub fn too_large(pid: impl fmt::Display, length: usize) -> Self {
        Self::invalid(format!("{length} bytes are more than the node of actor {pid} takes"))
    }

    /// An argument is outside its range.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }
}

/// The result of an operation of the runtime.
pub type Result<T, E = Error> = std::result::Result<T, E>;
