//! Back-off: how long to wait before the next attempt, longer each time and never in step with others.
//!
//! Doubling with "full jitter": a random time between nothing and the attempt's cap, which spreads those that failed
//! together best (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).

use std::time::Duration;

use crate::error::{Error, Result};

/// Pauses between attempts: the first lasts at most `base`, each further one at most twice as long, none above `max`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    max: Duration,
}

impl Backoff {
    /// The cap of the first pause unless chosen otherwise: long enough not to spin.
    pub const BASE_DEFAULT: Duration = Duration::from_millis(10);
    /// The cap of every pause unless chosen otherwise: short enough that what heals is soon back.
    pub const MAX_DEFAULT: Duration = Duration::from_secs(5);

    /// A back-off from `base` to `max`.
    ///
    /// # Errors
    /// `InvalidArgument` where `base` is longer than `max`.
    ///
    /// ```
    /// use std::time::Duration;
    /// let backoff = iris_core::Backoff::new(Duration::from_millis(10), Duration::from_secs(5))?;
    /// assert!(iris_core::Backoff::new(Duration::from_secs(2), Duration::from_secs(1)).is_err());
    /// # Ok::<(), iris_core::Error>(())
    /// ```
    pub fn new(base: Duration, max: Duration) -> Result<Self> {
        if base > max {
            return Err(Error::invalid(format!("back-off begins at {base:?}, above its maximum {max:?}")));
        }
        Ok(Self { base, max })
    }

    /// The pause before the attempt with this number, counted from 0; `seed` decides the jitter.
    pub(crate) fn delay(&self, attempt: u32, seed: u64) -> Duration {
        let cap = self.cap(attempt);
        let cap_nanos = u64::try_from(cap.as_nanos()).unwrap_or(u64::MAX);
        let fraction = (u128::from(mix(seed)) * (u128::from(cap_nanos) + 1)) >> 64;
        Duration::from_nanos(u64::try_from(fraction).unwrap_or(cap_nanos))
    }

    fn cap(&self, attempt: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempt);
        self.base.checked_mul(factor).map_or(self.max, |cap| cap.min(self.max))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Self::BASE_DEFAULT, max: Self::MAX_DEFAULT }
    }
}

/// The finalizer of `SplitMix64` (Steele, Lea and Flood, 2014): neighbouring seeds give unrelated numbers.
fn mix(seed: u64) -> u64 {
    let word = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_cap_doubles_up_to_the_maximum() {
        let backoff = Backoff::default();
        let cases = [
            (0, ms(10)),
            (1, ms(20)),
            (5, ms(320)),
            (8, ms(2560)),
            (9, ms(5000)),
            (31, ms(5000)),
            (u32::MAX, ms(5000)),
        ];
        for (attempt, expected) in cases {
            assert_eq!(backoff.cap(attempt), expected, "attempt {attempt}");
        }
    }

    #[test]
    fn the_pause_lies_anywhere_below_the_cap() {
        let backoff = Backoff::new(ms(100), ms(1000)).unwrap();
        for attempt in 0..6 {
            let cap = backoff.cap(attempt);
            let pauses: Vec<_> = (0..1000).map(|seed| backoff.delay(attempt, seed)).collect();
            assert!(pauses.iter().all(|pause| *pause <= cap));
            assert!(
                pauses.iter().any(|pause| *pause < cap / 20)
                    && pauses.iter().any(|pause| *pause > cap / 20 * 19)
            );
            let mean = pauses.iter().sum::<Duration>() / 1000;
            assert!(mean > cap * 45 / 100 && mean < cap * 55 / 100, "{mean:?} of {cap:?}");
        }
        assert_eq!(backoff.delay(3, 7), backoff.delay(3, 7));
    }

    #[test]
    fn the_extremes_are_pauses_too() {
        assert_eq!(Backoff::new(ms(0), ms(0)).unwrap().delay(9, 9), ms(0));
        assert!(Backoff::new(Duration::MAX, Duration::MAX).unwrap().delay(u32::MAX, 1) > ms(1));
        assert!(Backoff::new(ms(2), ms(1)).is_err());
    }
}
