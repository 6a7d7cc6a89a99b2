//! Timers: messages that are sent later, once or again and again.

use pyo3::prelude::*;

use crate::errors::OrRaise;
use crate::numbers::whole;
use crate::payload;
use crate::pid::PidArgument;
use crate::runtime::Runtime;
use crate::words::milliseconds;

#[pymethods]
impl Runtime {
    /// Send a message after a delay. The timer ends with its actor.
    ///
    /// Args:
    ///     delay_ms: milliseconds.
    ///
    /// Returns:
    ///     The timer's id, for `cancel_timer`.
    ///
    /// Example:
    ///     >>> import iris
    ///     >>> with iris.Runtime() as rt:
    ///     ...     pid = rt.spawn_observed_handler()
    ///     ...     timer = rt.send_after(pid, 5, b"tick")
    ///     ...     rt.selective_recv_blocking(pid, lambda message: True, timeout=2.0)
    ///     b'tick'
    fn send_after(
        &self,
        pid: PidArgument,
        #[pyo3(from_py_with = whole)] delay_ms: i64,
        data: &Bound<'_, PyAny>,
    ) -> PyResult<u64> {
        let core = self.shared.core()?;
        let (delay, payload) = (milliseconds("delay_ms", delay_ms)?, payload::from_python(data)?);
        core.send_after(pid.required()?, delay, payload).or_raise()
    }

    /// Send a message every `interval_ms` milliseconds, first after one interval. The timer ends with its actor.
    ///
    /// Args:
    ///     interval_ms: milliseconds, at least 1.
    ///
    /// Returns:
    ///     The timer's id, for `cancel_timer`.
    fn send_interval(
        &self,
        pid: PidArgument,
        #[pyo3(from_py_with = whole)] interval_ms: i64,
        data: &Bound<'_, PyAny>,
    ) -> PyResult<u64> {
        let core = self.shared.core()?;
        let (interval, payload) = (milliseconds("interval_ms", interval_ms)?, payload::from_python(data)?);
        core.send_interval(pid.required()?, interval, payload).or_raise()
    }

    /// Take a timer back.
    ///
    /// Returns:
    ///     True only if it was still pending.
    fn cancel_timer(&self, #[pyo3(from_py_with = whole)] id: i64) -> PyResult<bool> {
        let core = self.shared.core()?;
        Ok(u64::try_from(id).is_ok_and(|id| core.cancel_timer(id)))
    }
}
