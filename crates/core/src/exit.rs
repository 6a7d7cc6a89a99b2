//! Exit reasons: why an actor ended, as links, monitors, supervisors and the log see it.

use std::fmt;
use std::sync::Arc;

/// What user code (or a caught Rust panic) left behind when it failed: the text a person needs to find the fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The error's type as its language names it: `ValueError`, `TypeError`, `panic`.
    pub kind: String,
    /// The error's message.
    pub message: String,
    /// The traceback or stack, empty where there is none.
    pub traceback: String,
}

impl Failure {
    /// A failure without a traceback.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), traceback: String::new() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

/// Why an actor ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// It finished cleanly: a pull actor returned, an idle virtual actor retired.
    Normal,
    /// Its end was requested: `stop`, the end of its parent, the runtime's shutdown.
    Killed,
    /// A Rust panic, caught; the process lives on.
    Panic(Arc<Failure>),
    /// User code failed: an exception, a throw, a rejected promise.
    Crash(Arc<Failure>),
    /// It lives on another node, and the connection with that node was lost.
    NodeDown,
    /// Another node's actor has had its global name for longer.
    NameConflict,
}

impl ExitReason {
    /// The reason's name in every language: `"Normal"`, `"Killed"`, `"Panic"`, `"Crash"`,
    /// `"NodeDown"`, `"NameConflict"`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Killed => "Killed",
            Self::Panic(_) => "Panic",
            Self::Crash(_) => "Crash",
            Self::NodeDown => "NodeDown",
            Self::NameConflict => "NameConflict",
        }
    }

    /// What failed, where something did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Normal | Self::Killed | Self::NodeDown | Self::NameConflict => None,
            Self::Panic(failure) | Self::Crash(failure) => Some(failure),
        }
    }

    /// A crash of user code.
    #[must_use]
    pub fn crash(failure: Failure) -> Self {
        Self::Crash(Arc::new(failure))
    }

    /// Whether the actor ended by a fault of its own.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.failure().is_some()
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.failure() {
            Some(failure) => write!(f, "{} ({failure})", self.name()),
            None => f.write_str(self.name()),
        }
    }
}
