//! Intensity: how many restarts within a period a supervisor bears before it gives up, as OTP counts them.

use std::collections::VecDeque;
use std::time::Duration;

/// The restarts of the last period.
pub(crate) struct Intensity {
    restarts_max: usize,
    period: Duration,
    /// When they were, oldest first; never more than `restarts_max`.
    restarts: VecDeque<Duration>,
}

impl Intensity {
    /// `restarts_max` restarts within `period` are borne.
    pub(crate) fn new(restarts_max: u32, period: Duration) -> Self {
        Self { restarts_max: restarts_max as usize, period, restarts: VecDeque::new() }
    }

    /// Counts a restart at `now`; false: it is one too many. A restart exactly one period old still counts.
    pub(crate) fn allow(&mut self, now: Duration) -> bool {
        while self.restarts.front().is_some_and(|restart| now.saturating_sub(*restart) > self.period) {
            self.restarts.pop_front();
        }
        let allowed = self.restarts.len() < self.restarts_max;
        if allowed {
            self.restarts.push_back(now);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_within_a_period_are_counted() {
        type Restarts = &'static [(u64, bool)];
        let cases: [(u32, u64, Restarts); 5] = [
            (0, 5, &[(0, false), (100, false)]),
            (1, 5, &[(0, true), (5, false), (6, true), (7, false)]),
            (
                3,
                5,
                &[(0, true), (1, true), (2, true), (3, false), (5, false), (6, true), (6, false), (7, true)],
            ),
            (3, 5, &[(0, true), (2, true), (4, true), (6, true), (8, true), (10, true)]),
            (2, 0, &[(1, true), (1, true), (1, false), (2, true)]),
        ];
        for (restarts_max, period, restarts) in cases {
            let mut intensity = Intensity::new(restarts_max, Duration::from_secs(period));
            for (at, expected) in restarts {
                let allowed = intensity.allow(Duration::from_secs(*at));
                assert_eq!(allowed, *expected, "{restarts_max} in {period} s, at {at}");
            }
        }
    }
}
