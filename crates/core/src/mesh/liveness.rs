//! Liveness: when a peer that is not heard any more counts as gone. Pure.

use std::time::Duration;

/// How many heartbeats may be missing: one may be late and one lost before a node that lives is given up.
pub(crate) const BEATS: u32 = 3;
/// Shortest and longest heartbeat that is believed of a peer.
pub(crate) const HEARTBEAT_MIN: Duration = Duration::from_millis(10);
pub(crate) const HEARTBEAT_MAX: Duration = Duration::from_mins(1);

/// How long a peer that announced this heartbeat may be silent.
pub(crate) fn patience(announced: Duration) -> Duration {
    announced.clamp(HEARTBEAT_MIN, HEARTBEAT_MAX) * BEATS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_heartbeats_may_be_missing_and_what_is_announced_is_bounded() {
        for (announced, expected) in [
            (Duration::from_secs(1), Duration::from_secs(3)),
            (Duration::ZERO, Duration::from_millis(30)),
            (Duration::MAX, Duration::from_mins(3)),
        ] {
            assert_eq!(patience(announced), expected, "{announced:?}");
        }
    }
}
