//! Credit: how much may be under way to a peer, and what its actors have done with what came. Pure.
//!
//! Each side of a connection may have as many bytes under way as the other's window. A message costs its length and
//! [`OVERHEAD`]; the receiver gives that back when its actor has taken the message out of its mailbox, not when it was
//! read from the wire. So a node whose actors are slow slows those who send to it, and fills nobody's memory.
//! Both counts run from the beginning of the connection, so that one that is told late loses nothing.

use super::malformed::Malformed;

/// What a message costs beside its bytes: the node of the mailbox and the head of the payload.
pub(crate) const OVERHEAD: u64 = 128;
/// Into how many parts a window is given back: often enough that the sender need not stop, seldom enough to cost nothing.
pub(crate) const PARTS: u64 = 16;

/// What a message of this length costs.
pub(crate) fn cost(length: usize) -> u64 {
    length as u64 + OVERHEAD
}

/// The sender's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    window: u64,
    used: u64,
    returned: u64,
    sent: u64,
    received: u64,
    refused: u64,
}

impl Allowance {
    pub(crate) fn new(window: u64) -> Self {
        Self { window, used: 0, returned: 0, sent: 0, received: 0, refused: 0 }
    }

    /// Pays for a message; false: there is not enough. A message larger than the window goes when nothing else is
    /// under way.
    pub(crate) fn pay(&mut self, length: usize) -> bool {
        let has_room = self.has_room(length);
        if has_room {
            self.used += cost(length);
        }
        has_room
    }

    /// Counts what was paid for as a message, to be confirmed by the peer. An answer is none: who asked misses it.
    pub(crate) fn count_sent(&mut self) {
        self.sent += 1;
    }

    /// Whether a message of this length may go.
    pub(crate) fn has_room(&self, length: usize) -> bool {
        let under_way = self.used - self.returned;
        under_way == 0 || under_way + cost(length) <= self.window
    }

    /// Takes back what the peer says is done.
    ///
    /// # Errors
    /// `Credit` where the peer gives back what it never got, or takes back what it gave.
    pub(crate) fn confirm(&mut self, returned: u64, received: u64) -> Result<(), Malformed> {
        let possible = (self.returned..=self.used).contains(&returned)
            && (self.received..=self.sent).contains(&received);
        if !possible {
            return Err(Malformed::Credit);
        }
        (self.returned, self.received) = (returned, received);
        Ok(())
    }

    /// The peer did not take a message; false: it was sent none that it could refuse.
    pub(crate) fn refuse(&mut self) -> bool {
        self.refused += 1;
        self.refused <= self.sent
    }

    /// Messages that the peer has not confirmed: lost, or not, if the connection ends now.
    pub(crate) fn unconfirmed(&self) -> u64 {
        self.sent - self.received
    }
}

/// Whether giving back this much more crosses a line at which the sender is told.
pub(crate) fn is_worth_telling(before: u64, cost: u64, window: u64) -> bool {
    let part = (window / PARTS).max(1);
    before / part != (before + cost) / part
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn send(allowance: &mut Allowance, length: usize) -> bool {
        let paid = allowance.pay(length);
        if paid {
            allowance.count_sent();
        }
        paid
    }

    #[test]
    fn what_is_under_way_never_exceeds_the_window() {
        let mut allowance = Allowance::new(1000);
        let taken = (0..100).take_while(|_| send(&mut allowance, 72)).count();
        assert_eq!(taken, 5);
        assert!(!allowance.has_room(72));
        assert_eq!(allowance.confirm(400, 5), Ok(()));
        assert!(
            allowance.has_room(72)
                && send(&mut allowance, 72)
                && send(&mut allowance, 72)
                && !send(&mut allowance, 72)
        );
        assert_eq!(allowance.unconfirmed(), 2);
    }

    #[test]
    fn one_that_is_larger_than_the_window_goes_alone() {
        let mut allowance = Allowance::new(1000);
        assert!(send(&mut allowance, 5000));
        assert!(!send(&mut allowance, 0));
        assert_eq!(allowance.confirm(cost(5000), 1), Ok(()));
        assert!(send(&mut allowance, 0));
    }

    #[test]
    fn credit_that_was_never_given_is_refused() {
        let mut allowance = Allowance::new(1000);
        assert!(send(&mut allowance, 0));
        assert!(send(&mut allowance, 0));
        for (returned, received) in [(257, 0), (0, 3), (u64::MAX, u64::MAX)] {
            assert_eq!(allowance.confirm(returned, received), Err(Malformed::Credit));
        }
        assert_eq!(allowance.confirm(128, 2), Ok(()));
        assert_eq!(allowance.confirm(127, 2), Err(Malformed::Credit));
        assert_eq!(allowance.confirm(128, 1), Err(Malformed::Credit));
        assert_eq!(allowance.unconfirmed(), 0);
    }

    #[test]
    fn no_more_is_refused_than_was_sent() {
        let mut allowance = Allowance::new(1000);
        assert!(send(&mut allowance, 0) && send(&mut allowance, 0));
        assert_eq!([(); 3].map(|()| allowance.refuse()), [true, true, false]);
    }

    #[test]
    fn the_sender_is_told_part_by_part() {
        let told: Vec<u64> = (0..20).map(|n| n * 100).filter(|at| is_worth_telling(*at, 100, 8000)).collect();
        assert_eq!(told, [400, 900, 1400, 1900]);
        assert!(is_worth_telling(0, 1, 1));
    }

    proptest! {
        #[test]
        fn a_sender_never_waits_for_ever(lengths in prop::collection::vec(0_usize..5000, 1..200), window in 1_u64..9000) {
            let mut allowance = Allowance::new(window);
            let (mut returned, mut received) = (0, 0);
            for length in lengths {
                if !send(&mut allowance, length) {
                    // The receiver is done with everything, and said so.
                    prop_assert_eq!(allowance.confirm(returned, received), Ok(()));
                    prop_assert!(send(&mut allowance, length));
                }
                returned += cost(length);
                received += 1;
            }
            prop_assert_eq!(allowance.confirm(returned, received), Ok(()));
            prop_assert_eq!(allowance.unconfirmed(), 0);
        }
    }
}
