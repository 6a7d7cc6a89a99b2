//! Timer id: the integer that names one timer, exact in a JavaScript number and never given to a second timer.

use std::num::NonZeroU64;

/// Bits of an id that hold the slot.
const SLOT_BITS: u32 = 26;
/// Timers pending at once: 2^26 (67 million, some 6 GB); an id's other 27 bits tell the timers of one slot apart.
pub(crate) const TIMERS_MAX: u32 = 1 << SLOT_BITS;
/// Timers that one slot serves before it is retired.
pub(crate) const GENERATION_MAX: u32 = (1 << (53 - SLOT_BITS)) - 1;

/// The identity of one timer: a positive integer below 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TimerId(NonZeroU64);

impl TimerId {
    pub(crate) fn new(slot: u32, generation: u32) -> Self {
        debug_assert!(slot < TIMERS_MAX && generation != 0 && generation <= GENERATION_MAX);
        let raw = u64::from(generation) << SLOT_BITS | u64::from(slot);
        Self(NonZeroU64::new(raw).expect("a generation is never zero"))
    }

    /// The id with this number, or `None` where no timer can have it.
    pub(crate) fn from_u64(raw: u64) -> Option<Self> {
        if raw >= 1 << 53 || raw >> SLOT_BITS == 0 {
            return None;
        }
        NonZeroU64::new(raw).map(Self)
    }

    /// The number itself.
    pub(crate) fn get(self) -> u64 {
        self.0.get()
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low 26 bits")]
    pub(crate) fn slot(self) -> u32 {
        self.0.get() as u32 & (TIMERS_MAX - 1)
    }

    #[expect(clippy::cast_possible_truncation, reason = "an id has 53 bits, 27 of them above the slot")]
    pub(crate) fn generation(self) -> u32 {
        (self.0.get() >> SLOT_BITS) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_that_a_timer_can_have() {
        let last = TimerId::new(TIMERS_MAX - 1, GENERATION_MAX);
        let cases = [
            (0, None),
            (1, None),
            ((1 << 26) - 1, None),
            (1 << 26, Some(TimerId::new(0, 1))),
            ((1 << 53) - 1, Some(last)),
            (1 << 53, None),
            (u64::MAX, None),
        ];
        for (raw, expected) in cases {
            assert_eq!(TimerId::from_u64(raw), expected, "{raw}");
            assert!(expected.is_none_or(|id| id.get() == raw));
        }
        assert_eq!((last.slot(), last.generation()), (TIMERS_MAX - 1, GENERATION_MAX));
    }
}
