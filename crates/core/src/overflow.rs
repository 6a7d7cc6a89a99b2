//! Overflow: what becomes of a message that a bounded mailbox has no room for.

use crate::error::{Error, Result};
use crate::pid::Pid;
use crate::strategy::folded;

/// What happens to a message beyond a mailbox's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// It is refused.
    DropNewest,
    /// It is admitted, and the oldest are dropped for it.
    DropOldest,
    /// Its sender waits for room.
    Block,
    /// It goes to this actor.
    Redirect(Pid),
    /// It is kept in a temporary file until there is room, in order; or it goes to this actor.
    Spill(Option<Pid>),
}

/// What a mailbox does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Admission {
    /// Queue it.
    Admit,
    /// Drop the oldest until it fits or nothing is queued, and queue it.
    AdmitDroppingOldest,
    /// Refuse it.
    Refuse,
    /// Refuse it until there is room; its sender may wait.
    Wait,
    /// Send it to this actor.
    Redirect(Pid),
    /// Write it behind what was spilled.
    Spill,
}

impl Overflow {
    /// The policy with this name, in any case and with or without `_`: `dropnew`, `dropold`, `block`, `redirect` (which
    /// needs a target) or `spill` (which may have one). The others have no use for a target.
    ///
    /// # Errors
    /// `InvalidArgument` for another name or a missing target.
    ///
    /// ```
    /// use iris_core::Overflow;
    /// assert_eq!(Overflow::from_name("DropOld", None)?, Overflow::DropOldest);
    /// assert!(Overflow::from_name("redirect", None).is_err());
    /// # Ok::<(), iris_core::Error>(())
    /// ```
    pub fn from_name(name: &str, target: Option<Pid>) -> Result<Self> {
        match (folded(name).as_str(), target) {
            ("dropnew" | "dropnewest", _) => Ok(Self::DropNewest),
            ("dropold" | "dropoldest", _) => Ok(Self::DropOldest),
            ("block", _) => Ok(Self::Block),
            ("redirect", Some(target)) => Ok(Self::Redirect(target)),
            ("redirect", None) => Err(Error::invalid("overflow policy redirect needs a target pid")),
            ("spill", target) => Ok(Self::Spill(target)),
            _ => {
                let known = "dropnew, dropold, block, redirect or spill";
                Err(Error::invalid(format!("overflow policy {name:?} is none of {known}")))
            }
        }
    }

    /// What to do with a message of `length` bytes when `messages` messages of `bytes` bytes are queued. Whichever bound
    /// is met first counts; a message larger than `bytes_max` by itself is admitted to an empty mailbox.
    pub(crate) fn decide(
        self,
        messages: usize,
        bytes: usize,
        length: usize,
        messages_max: usize,
        bytes_max: usize,
    ) -> Admission {
        let fits = messages < messages_max && bytes.saturating_add(length) <= bytes_max;
        if fits || messages == 0 {
            return Admission::Admit;
        }
        match self {
            Self::DropNewest => Admission::Refuse,
            Self::DropOldest => Admission::AdmitDroppingOldest,
            Self::Block => Admission::Wait,
            Self::Redirect(target) | Self::Spill(Some(target)) => Admission::Redirect(target),
            Self::Spill(None) => Admission::Spill,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn target() -> Pid {
        Pid::new(3, 1)
    }

    #[test]
    fn names_of_policies() {
        let cases = [
            ("dropnew", None, Some(Overflow::DropNewest)),
            ("DropNew", None, Some(Overflow::DropNewest)),
            ("drop_newest", None, Some(Overflow::DropNewest)),
            ("DROP_OLD", None, Some(Overflow::DropOldest)),
            ("block", None, Some(Overflow::Block)),
            ("Redirect", Some(target()), Some(Overflow::Redirect(target()))),
            ("spill", None, Some(Overflow::Spill(None))),
            ("Spill", Some(target()), Some(Overflow::Spill(Some(target())))),
            ("redirect", None, None),
            ("block", Some(target()), Some(Overflow::Block)),
            ("drop", None, None),
            ("", None, None),
        ];
        for (name, target, expected) in cases {
            let parsed = Overflow::from_name(name, target);
            assert!(parsed.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::InvalidArgument));
            assert_eq!(parsed.ok(), expected, "{name} {target:?}");
        }
        let error = Overflow::from_name("drop", None).unwrap_err();
        assert!(
            ["dropnew", "dropold", "block", "redirect", "spill"]
                .iter()
                .all(|name| error.message().contains(name))
        );
    }

    #[test]
    fn what_does_not_fit_is_the_policys() {
        let policies = [
            (Overflow::DropNewest, Admission::Refuse),
            (Overflow::DropOldest, Admission::AdmitDroppingOldest),
            (Overflow::Block, Admission::Wait),
            (Overflow::Redirect(target()), Admission::Redirect(target())),
            (Overflow::Spill(None), Admission::Spill),
            (Overflow::Spill(Some(target())), Admission::Redirect(target())),
        ];
        // messages, bytes, length, messages_max, bytes_max, whether it fits
        let cases = [
            (0, 0, 1, 1, 1, true),
            (1, 0, 1, 1, usize::MAX, false),
            (9, 900, 100, 10, 1000, true),
            (9, 900, 101, 10, 1000, false),
            (10, 0, 0, 10, 1000, false),
            (0, 0, 5000, 10, 1000, true),
            (1, 1, 5000, 10, 1000, false),
            (1, usize::MAX, 1, 10, usize::MAX, true),
        ];
        for (messages, bytes, length, messages_max, bytes_max, fits) in cases {
            for (policy, beyond) in policies {
                let expected = if fits { Admission::Admit } else { beyond };
                let admission = policy.decide(messages, bytes, length, messages_max, bytes_max);
                assert_eq!(
                    admission, expected,
                    "{policy:?}: {messages} {bytes} + {length} of {messages_max} {bytes_max}"
                );
            }
        }
    }
}
