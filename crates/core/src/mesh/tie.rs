//! Tie: which of several connections between the same two nodes is made, so that one is, and none that was made is given up
//! for another. Pure.
//!
//! One node of the two decides, whoever dials: the one with the greater name. It makes one connection at a time with each
//! start of the other, and counts them by a serial number that it tells with its decision. The other follows the latest. So a
//! connection that the other leaves for a later one is over for the node that decides, and nothing that lives is lost.

use super::hello::Refused;

/// What is compared of a connection: the start of the other node, and the number of the decision for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// The other node's incarnation.
    pub(crate) incarnation: u64,
    /// Greater than that of every connection decided on before.
    pub(crate) serial: u64,
}

/// Whether the node of this name decides which connections with the other are made.
pub(crate) fn decides(this: &str, other: &str) -> bool {
    this > other
}

/// The decision about another connection with a node, when that node has said who it is. `made` is the connection with it,
/// and `promised` one that the node dialled, was welcomed on, and has not confirmed.
pub(crate) fn decide(made: Option<Place>, promised: Option<Place>, incarnation: u64) -> Result<(), Refused> {
    match made.max(promised).map(|place| place.incarnation) {
        Some(latest) if latest > incarnation => Err(Refused::Stale),
        Some(latest) if latest == incarnation => Err(Refused::Duplicate),
        // Another start of the node: it replaces the one before.
        _ => Ok(()),
    }
}

/// What the node that does not decide makes of a connection that the other has decided on.
pub(crate) fn follow(made: Option<Place>, decided: Place) -> Result<(), Refused> {
    match made {
        Some(made) if made.incarnation > decided.incarnation => Err(Refused::Stale),
        // It was decided on before the one that is made, and is over for the other.
        Some(made) if made >= decided => Err(Refused::Duplicate),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Held = Option<(u64, u64)>;

    fn place(held: Held) -> Option<Place> {
        held.map(|(incarnation, serial)| Place { incarnation, serial })
    }

    #[test]
    fn the_greater_name_decides() {
        for (this, other, expected) in [("a", "b", false), ("b", "a", true), ("ab", "a", true)] {
            assert_eq!(decides(this, other), expected, "{this} {other}");
        }
    }

    #[test]
    fn one_connection_is_decided_on_with_each_start_of_a_node() {
        for (made, promised, expected) in [
            (None, None, Ok(())),
            (Some((4, 9)), None, Ok(())),
            (None, Some((4, 9)), Ok(())),
            (Some((5, 1)), None, Err(Refused::Duplicate)),
            (None, Some((5, 1)), Err(Refused::Duplicate)),
            (Some((4, 1)), Some((5, 2)), Err(Refused::Duplicate)),
            (Some((6, 1)), None, Err(Refused::Stale)),
            (Some((5, 1)), Some((6, 2)), Err(Refused::Stale)),
            (Some((6, 2)), Some((5, 1)), Err(Refused::Stale)),
        ] {
            assert_eq!(decide(place(made), place(promised), 5), expected, "{made:?} {promised:?}");
        }
    }

    #[test]
    fn the_latest_decision_is_followed() {
        let decided = Place { incarnation: 5, serial: 3 };
        for (made, expected) in [
            (None, Ok(())),
            (Some((4, 7)), Ok(())),
            (Some((5, 2)), Ok(())),
            (Some((5, 3)), Err(Refused::Duplicate)),
            (Some((5, 4)), Err(Refused::Duplicate)),
            (Some((6, 1)), Err(Refused::Stale)),
        ] {
            assert_eq!(follow(place(made), decided), expected, "{made:?}");
        }
    }
}

#[cfg(test)]
#[path = "tie_model.rs"]
mod model;
