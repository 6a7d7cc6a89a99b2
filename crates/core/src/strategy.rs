//! Strategy: whom the failure of a supervisor's child concerns, and which children are restarted at all.

use std::ops::Range;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::exit::ExitReason;

/// Whom a child's failure concerns, as in OTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The child alone.
    OneForOne,
    /// All children of the supervisor.
    OneForAll,
    /// The child and those that were started after it.
    RestForOne,
}

/// When a child is restarted, as in OTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Whatever it exited for by itself. A stop of a child that is restarted in place is final.
    Permanent,
    /// When it exited for another reason than [`ExitReason::Normal`].
    Transient,
    /// Never: it is forgotten when it exits.
    Temporary,
}

impl Strategy {
    /// Which of `count` children, in the order they were started, a failure of the one at `place` concerns. They are
    /// stopped in the reverse order and started in this one.
    ///
    /// ```
    /// use iris_core::Strategy;
    /// assert_eq!(Strategy::RestForOne.concerned(1, 4), 1..4);
    /// ```
    #[must_use]
    pub fn concerned(self, place: usize, count: usize) -> Range<usize> {
        match self {
            Self::OneForOne => place..place + 1,
            Self::OneForAll => 0..count,
            Self::RestForOne => place..count,
        }
    }
}

impl Restart {
    /// Whether a child that exited for this reason is restarted.
    #[must_use]
    pub fn follows(self, reason: &ExitReason) -> bool {
        match self {
            Self::Permanent => true,
            Self::Transient => *reason != ExitReason::Normal,
            Self::Temporary => false,
        }
    }
}

/// `"one_for_one"`, `"one_for_all"`, `"rest_for_one"`, or the older `"RestartOne"`, `"RestartAll"`, `"RestartRest"`; in any
/// case, with or without `_`.
impl FromStr for Strategy {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match folded(name).as_str() {
            "oneforone" | "restartone" => Ok(Self::OneForOne),
            "oneforall" | "restartall" => Ok(Self::OneForAll),
            "restforone" | "restartrest" => Ok(Self::RestForOne),
            _ => {
                let known =
                    "one_for_one (RestartOne), one_for_all (RestartAll) or rest_for_one (RestartRest)";
                Err(Error::invalid(format!("strategy {name:?} is none of {known}")))
            }
        }
    }
}

/// `"permanent"`, `"transient"` or `"temporary"`, in any case.
impl FromStr for Restart {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match folded(name).as_str() {
            "permanent" => Ok(Self::Permanent),
            "transient" => Ok(Self::Transient),
            "temporary" => Ok(Self::Temporary),
            _ => {
                Err(Error::invalid(format!("restart {name:?} is none of permanent, transient or temporary")))
            }
        }
    }
}

/// A name without case and `_`.
pub(crate) fn folded(name: &str) -> String {
    name.chars().filter(|letter| *letter != '_').map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::exit::Failure;

    #[test]
    fn names_of_strategies() {
        let cases = [
            ("RestartOne", Some(Strategy::OneForOne)),
            ("restart_one", Some(Strategy::OneForOne)),
            ("one_for_one", Some(Strategy::OneForOne)),
            ("OneForOne", Some(Strategy::OneForOne)),
            ("RESTART_ALL", Some(Strategy::OneForAll)),
            ("restartall", Some(Strategy::OneForAll)),
            ("one_for_all", Some(Strategy::OneForAll)),
            ("restForOne", Some(Strategy::RestForOne)),
            ("RestartRest", Some(Strategy::RestForOne)),
            ("", None),
            ("restart one", None),
            ("RestartTwo", None),
        ];
        for (name, expected) in cases {
            assert_eq!(name.parse::<Strategy>().ok(), expected, "{name}");
        }
        let error = "RestartTwo".parse::<Strategy>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        for accepted in
            ["\"RestartTwo\"", "RestartOne", "RestartAll", "one_for_one", "one_for_all", "rest_for_one"]
        {
            assert!(error.message().contains(accepted), "{error}");
        }
    }

    #[test]
    fn names_of_restarts() {
        for (name, expected) in [
            ("permanent", Some(Restart::Permanent)),
            ("Transient", Some(Restart::Transient)),
            ("TEMPORARY", Some(Restart::Temporary)),
            ("always", None),
        ] {
            assert_eq!(name.parse::<Restart>().ok(), expected, "{name}");
        }
    }

    #[test]
    fn whom_a_failure_concerns() {
        use Strategy::{OneForAll, OneForOne, RestForOne};
        for (strategy, place, count, expected) in [
            (OneForOne, 0, 1, 0..1),
            (OneForOne, 2, 4, 2..3),
            (OneForAll, 2, 4, 0..4),
            (RestForOne, 0, 4, 0..4),
            (RestForOne, 2, 4, 2..4),
            (RestForOne, 3, 4, 3..4),
        ] {
            assert_eq!(strategy.concerned(place, count), expected, "{strategy:?} {place} of {count}");
        }
    }

    #[test]
    fn who_is_restarted() {
        let crash = ExitReason::crash(Failure::default());
        for (restart, on_normal, on_killed, on_crash) in [
            (Restart::Permanent, true, true, true),
            (Restart::Transient, false, true, true),
            (Restart::Temporary, false, false, false),
        ] {
            let follows =
                [&ExitReason::Normal, &ExitReason::Killed, &crash].map(|reason| restart.follows(reason));
            assert_eq!(follows, [on_normal, on_killed, on_crash], "{restart:?}");
        }
    }
}
