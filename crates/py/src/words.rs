//! Words: the names of policies and strategies, and spans of time, as users write them.

use std::time::Duration;

use iris_core::{Overflow, Pid, Restart, Strategy};
use pyo3::prelude::*;

use crate::errors::{OrRaise, invalid, raise};

/// Longest span of time: a century, as far as an `Instant` is safe to add to.
pub(crate) const SECONDS_MAX: f64 = 100.0 * 365.0 * 24.0 * 3600.0;

/// An overflow policy.
pub(crate) fn overflow(policy: &str, target: Option<Pid>) -> PyResult<Overflow> {
    Overflow::from_name(policy, target).or_raise()
}

/// A supervisor's strategy, by its older or its OTP name.
pub(crate) fn strategy(strategy: &str) -> PyResult<Strategy> {
    strategy.parse().map_err(raise)
}

/// When a child is restarted.
pub(crate) fn restart(restart: &str) -> PyResult<Restart> {
    restart.parse().map_err(raise)
}

/// A span of seconds; one that is longer than the longest is as good as that.
pub(crate) fn seconds(name: &str, seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds.min(SECONDS_MAX))
        .ok()
        .filter(|_| !seconds.is_nan())
        .ok_or_else(|| invalid(format!("{name} must be at least 0 seconds, not {seconds}")))
}

/// Whole milliseconds.
pub(crate) fn milliseconds(name: &str, milliseconds: i64) -> PyResult<u64> {
    u64::try_from(milliseconds)
        .map_err(|_| invalid(format!("{name} must be at least 0 milliseconds, not {milliseconds}")))
}
