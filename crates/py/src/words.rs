//! Words: the names of policies and strategies as users write them, in any case, with or without `_`.

use std::time::Duration;

use iris_core::{Overflow, Pid, Restart, Strategy};
use pyo3::prelude::*;

use crate::errors::invalid;

/// An overflow policy.
pub(crate) fn overflow(policy: &str, target: Option<Pid>) -> PyResult<Overflow> {
    match (plain(policy).as_str(), target) {
        ("dropnew" | "dropnewest", _) => Ok(Overflow::DropNewest),
        ("dropold" | "dropoldest", _) => Ok(Overflow::DropOldest),
        ("block", _) => Ok(Overflow::Block),
        ("redirect", Some(target)) => Ok(Overflow::Redirect(target)),
        ("redirect", None) => Err(invalid("policy 'redirect' needs a target pid")),
        ("spill", target) => Ok(Overflow::Spill(target)),
        _ => Err(invalid(format!(
            "policy must be 'dropnew', 'dropold', 'block', 'redirect' or 'spill', not '{policy}'"
        ))),
    }
}

/// A supervisor's strategy, by its older or its OTP name.
pub(crate) fn strategy(strategy: &str) -> PyResult<Strategy> {
    match plain(strategy).as_str() {
        "restartone" | "oneforone" => Ok(Strategy::OneForOne),
        "restartall" | "oneforall" => Ok(Strategy::OneForAll),
        "restartrest" | "restforone" => Ok(Strategy::RestForOne),
        _ => Err(invalid(format!(
            "strategy must be 'RestartOne', 'RestartAll', 'one_for_one', 'one_for_all' or 'rest_for_one', \
             not '{strategy}'"
        ))),
    }
}

/// When a child is restarted.
pub(crate) fn restart(restart: &str) -> PyResult<Restart> {
    match plain(restart).as_str() {
        "permanent" => Ok(Restart::Permanent),
        "transient" => Ok(Restart::Transient),
        "temporary" => Ok(Restart::Temporary),
        _ => {
            Err(invalid(format!("restart must be 'permanent', 'transient' or 'temporary', not '{restart}'")))
        }
    }
}

/// A span of seconds.
pub(crate) fn seconds(name: &str, seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| invalid(format!("{name} must be at least 0 seconds, not {seconds}")))
}

/// Whole milliseconds.
pub(crate) fn milliseconds(name: &str, milliseconds: i64) -> PyResult<u64> {
    u64::try_from(milliseconds)
        .map_err(|_| invalid(format!("{name} must be at least 0 milliseconds, not {milliseconds}")))
}

fn plain(word: &str) -> String {
    word.chars().filter(|&letter| letter != '_' && letter != '-').flat_map(char::to_lowercase).collect()
}
