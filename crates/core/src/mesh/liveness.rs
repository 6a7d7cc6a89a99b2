//! Liveness: when a peer that is not heard any more counts as gone. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// How many heartbeats may be missing: one may be late and one lost before a node that lives is given up.
pub(crate) const BEATS: u32 = 3;
/// Shortest and longest heartbeat that is believed of a peer.
pub(crate) const HEARTBEAT_MIN: Duration = Duration::from_millis(10);
pub(crate) const HEARTBEAT_MAX: Duration = Duration::from_mins(1);
/// So much of a frame that is not all there yet is a sign of life: no heartbeat can come before its end, so a long message
/// on a slow link would end its connection again and again. Less is none: who drips cannot be told from who is gone.
pub(crate) const PART_HEARD: usize = 16 << 10;

/// The heartbeat of a peer that announced this one.
pub(crate) fn believed(announced: Duration) -> Duration {
    announced.clamp(HEARTBEAT_MIN, HEARTBEAT_MAX)
}

/// How long a peer that announced this heartbeat may be silent.
pub(crate) fn patience(announced: Duration) -> Duration {
    believed(announced) * BEATS
}

/// When a peer was heard last: by a whole frame, or by a part of a long one that is worth it.
pub(crate) struct Hearing {
    at: Instant,
    /// Bytes that came since.
    bytes: usize,
}

impl Hearing {
    pub(crate) fn new(now: Instant) -> Self {
        Self { at: now, bytes: 0 }
    }

    /// So many bytes came, which ended a frame or not.
    pub(crate) fn read(&mut self, bytes: usize, is_whole: bool, now: Instant) {
        self.bytes += bytes;
        if is_whole || self.bytes >= PART_HEARD {
            *self = Self::new(now);
        }
    }

    /// When the peer is gone if nothing more is heard.
    pub(crate) fn until(&self, patience: Duration) -> Instant {
        self.at + patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_frames_and_large_parts_are_heard() {
        let begin = Instant::now();
        let at = |second: u64| begin + Duration::from_secs(second);
        for (reads, expected) in [
            (&[][..], 0),
            (&[(1, false), (1, false), (1, false)], 0),
            (&[(1, true)], 1),
            (&[(1, true), (1, false)], 1),
            (&[(PART_HEARD - 1, false)], 0),
            (&[(PART_HEARD, false)], 1),
            (&[(PART_HEARD - 1, false), (1, false), (PART_HEARD - 1, false)], 2),
            (&[(PART_HEARD - 1, false), (1, true), (1, false)], 2),
        ] {
            let mut hearing = Hearing::new(begin);
            for (second, (bytes, is_whole)) in (1..).zip(reads) {
                hearing.read(*bytes, *is_whole, at(second));
            }
            assert_eq!(hearing.until(Duration::from_secs(3)), at(expected + 3), "{reads:?}");
        }
    }

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
