//! Tie: which of two connections between the same two nodes is kept, so that one is. Pure.
//!
//! Both nodes decide by the same facts: the names and incarnations of both, and who dialled. Where both dial at once,
//! the connection of the node with the lesser name is made.

use super::hello::Refused;

/// A node as this one knows it by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Its incarnation.
    pub(crate) incarnation: u64,
}

/// What becomes of a connection whose other side dialled and told who it is.
pub(crate) fn accept(known: Option<Known>, incarnation: u64) -> Result<(), Refused> {
    match known {
        Some(known) if known.incarnation == incarnation => Err(Refused::Duplicate),
        Some(known) if known.incarnation > incarnation => Err(Refused::Stale),
        // Another start of the node: it replaces the one before when it is ready.
        _ => Ok(()),
    }
}

/// What becomes of a connection that this side dialled, when the other says it is welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialled {
    /// It is made, in the place of one there may be.
    Keep,
    /// The other's will be.
    Yield,
    /// A later start of the node is connected.
    Stale,
}

/// See [`Dialled`]. `is_dialling` tells that the other node dials this one, too; `is_lesser` that this node's name is
/// the lesser one.
pub(crate) fn dialled(known: Option<Known>, incarnation: u64, is_dialling: bool, is_lesser: bool) -> Dialled {
    match known {
        Some(known) if known.incarnation > incarnation => Dialled::Stale,
        // The other would have refused us if it still had this one, unless it was made in between by its own dial,
        // which the greater of the two gave up for ours.
        Some(known) if known.incarnation == incarnation && !is_lesser => Dialled::Yield,
        _ if is_dialling && !is_lesser => Dialled::Yield,
        _ => Dialled::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_connection_must_be_new() {
        let known = |incarnation| Some(Known { incarnation });
        for (known, expected) in [
            (None, Ok(())),
            (known(4), Ok(())),
            (known(5), Err(Refused::Duplicate)),
            (known(6), Err(Refused::Stale)),
        ] {
            assert_eq!(accept(known, 5), expected, "{known:?}");
        }
    }

    #[test]
    fn a_dialled_connection_yields_to_the_lesser_name() {
        let known = |incarnation| Some(Known { incarnation });
        for (known, is_dialling, is_lesser, expected) in [
            (None, false, false, Dialled::Keep),
            (None, false, true, Dialled::Keep),
            (None, true, true, Dialled::Keep),
            (None, true, false, Dialled::Yield),
            (known(4), false, false, Dialled::Keep),
            (known(5), false, true, Dialled::Keep),
            (known(5), false, false, Dialled::Yield),
            (known(6), false, true, Dialled::Stale),
        ] {
            assert_eq!(
                dialled(known, 5, is_dialling, is_lesser),
                expected,
                "{known:?} {is_dialling} {is_lesser}"
            );
        }
    }

    /// Two nodes that dial each other, with the four messages arriving in every order: one connection is made.
    #[test]
    fn of_two_dials_one_is_kept() {
        #[derive(Clone, Copy, Default)]
        struct Node {
            connected: Option<bool>,
            pending: bool,
        }
        // Steps: the hello of the dial of `who` arrives at the other; the answer arrives back.
        for order in [[0, 1, 2, 3], [0, 2, 1, 3], [0, 2, 3, 1], [2, 3, 0, 1], [2, 0, 3, 1], [2, 0, 1, 3]] {
            let mut nodes = [Node::default(); 2];
            let mut answers = [None; 2];
            let mut made = Vec::new();
            for step in order {
                let (who, back) = (step / 2, step % 2 == 1);
                let other = 1 - who;
                let known = |node: Node| node.connected.map(|_| Known { incarnation: 1 });
                if !back {
                    let answer = accept(known(nodes[other]), 1);
                    nodes[other].pending = answer.is_ok();
                    answers[who] = Some(answer);
                } else if answers[who] == Some(Ok(()))
                    && dialled(known(nodes[who]), 1, nodes[who].pending, who == 0) == Dialled::Keep
                {
                    nodes[who].connected = Some(true);
                    nodes[other].connected = Some(true);
                    made.push(who);
                }
            }
            assert_eq!(made.len(), 1, "{order:?} made {made:?}");
        }
    }
}
