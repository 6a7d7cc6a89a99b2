//! Numbers: whole numbers and seconds as users give them. One that is too large for the machine is as good as the largest,
//! and is refused, if it is, by the same words.

use pyo3::exceptions::PyOverflowError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::errors::invalid;

/// Any whole number.
pub(crate) fn whole(object: &Bound<'_, PyAny>) -> PyResult<i64> {
    let mut overflow = 0;
    // SAFETY: the object is alive.
    let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(object.as_ptr(), &raw mut overflow) };
    match overflow {
        1.. => Ok(i64::MAX),
        ..0 => Ok(i64::MIN),
        0 if number == -1 => PyErr::take(object.py()).map_or(Ok(number), Err),
        0 => Ok(number),
    }
}

/// Any whole number, or `None`.
pub(crate) fn whole_or_none(object: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    if object.is_none() { Ok(None) } else { whole(object).map(Some) }
}

/// Any number of seconds.
pub(crate) fn seconds(object: &Bound<'_, PyAny>) -> PyResult<f64> {
    match object.extract::<f64>() {
        Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => {
            Ok(if object.lt(0)? { f64::NEG_INFINITY } else { f64::INFINITY })
        }
        extracted => extracted,
    }
}

/// A pair of them.
pub(crate) fn two_seconds(object: &Bound<'_, PyAny>) -> PyResult<(f64, f64)> {
    let (first, second): (Bound<'_, PyAny>, Bound<'_, PyAny>) = object.extract()?;
    Ok((seconds(&first)?, seconds(&second)?))
}

/// Any number of seconds, or `None`.
pub(crate) fn seconds_or_none(object: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    if object.is_none() { Ok(None) } else { seconds(object).map(Some) }
}

/// The most messages that one call takes.
pub(crate) fn messages_max(max: i64) -> PyResult<usize> {
    usize::try_from(max)
        .ok()
        .filter(|&max| max > 0)
        .ok_or_else(|| invalid(format!("max must be at least 1 message, not {max}")))
}
