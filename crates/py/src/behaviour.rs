//! Behaviour: a Python callable as an actor's behaviour, plain or `async def`.

use std::sync::{Arc, Weak};

use iris_core::sync::Mutex;
use iris_core::{Behaviour, Context, ExitReason, Failure, Flow, HostedLane, LaneId, Message, Payload, Reply};
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::async_turn;
use crate::carried::{self, Carried};
use crate::crash;
use crate::fork;
use crate::held::Held;
use crate::interpreter;
use crate::once::intern;
use crate::payload;
use crate::shared::Shared;

/// Flag of a code object: its calls give coroutines.
const CO_COROUTINE: u32 = 0x80;

/// A handler. One serves all actors that were spawned with the same callable on the same lane.
pub(crate) struct PyHandler {
    callable: Held,
    lane: LaneId,
    /// Holds the lane, which would have another host else.
    #[expect(dead_code, reason = "held, not read")]
    hosted: Option<Arc<HostedLane>>,
    shared: Weak<Shared>,
    /// Makes a fresh handler at each restart in place.
    make: Option<Held>,
}

impl PyHandler {
    pub(crate) fn new(shared: &Arc<Shared>, callable: &Bound<'_, PyAny>, lane: LaneId) -> PyResult<Self> {
        check_callable("handler", callable)?;
        let hosted = shared.core_here().lane(lane);
        Ok(Self { callable: Held::new(callable), lane, hosted, shared: Arc::downgrade(shared), make: None })
    }

    /// A handler that `make()` gave, and gives afresh at each restart.
    pub(crate) fn made(
        shared: &Arc<Shared>,
        callable: &Bound<'_, PyAny>,
        make: &Bound<'_, PyAny>,
        lane: LaneId,
    ) -> PyResult<Self> {
        let mut handler = Self::new(shared, callable, lane)?;
        handler.make = Some(Held::new(make));
        Ok(handler)
    }
}

impl Behaviour for PyHandler {
    #[inline]
    fn handle(&self, context: &Context<'_>, message: Message) -> Flow {
        // SAFETY: lanes with Python handlers are drained by attached threads alone, and none of them falls back on the
        // core's workers.
        let py = unsafe { Python::assume_attached() };
        if message.has_extra() {
            return self.handle_special(py, context, message);
        }
        let bytes = payload::into_python(py, message.into_payload());
        let forks = interpreter::forks();
        let result = interpreter::call(self.callable.bind(py), bytes.as_any());
        if interpreter::forks() != forks {
            fork::end(py, result);
        }
        let flow = match result {
            Ok(result) if result.is_none() => Flow::Continue,
            Ok(result) if is_coroutine(&result) => self.drive(context, &result, None, None),
            Ok(result) => {
                interpreter::release(result);
                Flow::Continue
            }
            Err(error) => Flow::Stop(crash::reason(py, context.pid(), error)),
        };
        payload::release(bytes);
        flow
    }

    fn lane(&self) -> Option<LaneId> {
        Some(self.lane)
    }

    fn restarted(&self) -> Result<Option<Arc<dyn Behaviour>>, Failure> {
        let Some(make) = &self.make else { return Ok(None) };
        let Some(shared) = self.shared.upgrade() else { return Ok(None) };
        // SAFETY: as in `handle`: called on the actor's lane.
        let py = unsafe { Python::assume_attached() };
        let make = make.bind(py);
        let fresh = interpreter::call_empty(make)
            .and_then(|callable| Self::made(&shared, &callable, make, self.lane));
        match fresh {
            Ok(fresh) => Ok(Some(Arc::new(fresh))),
            Err(error) => Err(crash::failure(py, error)),
        }
    }
}

impl PyHandler {
    /// Handles an ask, or a message that carries its sender's context.
    fn handle_special(&self, py: Python<'_>, context: &Context<'_>, mut message: Message) -> Flow {
        let reply = message.take_reply();
        let carried = message.take_context().and_then(|carried| carried.downcast::<Carried>().ok());
        let bytes = payload::into_python(py, message.into_payload());
        let callable = self.callable.bind(py);
        let forks = interpreter::forks();
        let result = match &carried {
            Some(carried) => carried::call_in(callable, bytes.as_any(), carried.0.bind(py)),
            None => interpreter::call(callable, bytes.as_any()),
        };
        if interpreter::forks() != forks {
            fork::end(py, result);
        }
        let flow = match result {
            Ok(result) if is_coroutine(&result) => self.drive(context, &result, reply, carried),
            Ok(result) => {
                answer(&result, reply);
                interpreter::release(result);
                Flow::Continue
            }
            Err(error) => {
                let reason = crash::reason(py, context.pid(), error);
                fail(reply, &reason);
                Flow::Stop(reason)
            }
        };
        payload::release(bytes);
        flow
    }

    /// Hands a coroutine to the event loop; the actor handles nothing else until it is done.
    #[cold]
    fn drive(
        &self,
        context: &Context<'_>,
        coroutine: &Bound<'_, PyAny>,
        reply: Option<Reply>,
        carried: Option<Box<Carried>>,
    ) -> Flow {
        let py = coroutine.py();
        let Some(shared) = self.shared.upgrade() else { return Flow::Continue };
        match async_turn::start(&shared, context, coroutine, reply, carried) {
            Ok(()) => Flow::Suspend,
            Err(error) => Flow::Stop(crash::reason(py, context.pid(), error)),
        }
    }
}

/// Answers an ask with what a handler returned: bytes-like, or `None` for empty bytes.
pub(crate) fn answer(result: &Bound<'_, PyAny>, reply: Option<Reply>) {
    let Some(reply) = reply else { return };
    if result.is_none() {
        return reply.send(Payload::copy_from(b""));
    }
    match payload::from_python(result) {
        Ok(payload) => reply.send(payload),
        Err(error) => reply.fail(crash::failure(result.py(), error)),
    }
}

/// Fails an ask with the reason its actor ends for.
pub(crate) fn fail(reply: Option<Reply>, reason: &ExitReason) {
    if let Some(reply) = reply {
        reply.fail(reason.failure().cloned().unwrap_or_default());
    }
}

/// Refuses what cannot be called; `what` says what was asked for.
pub(crate) fn check_callable(what: &str, callable: &Bound<'_, PyAny>) -> PyResult<()> {
    if callable.is_callable() {
        return Ok(());
    }
    let name = callable.get_type().name()?;
    Err(PyTypeError::new_err(format!("a {what} must be callable, not '{name}'")))
}

#[inline]
pub(crate) fn is_coroutine(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the object is alive.
    unsafe { ffi::PyCoro_CheckExact(object.as_ptr()) == 1 }
}

/// Whether calls of this give coroutines, as far as can be seen without calling: functions, methods, partials of them
/// and objects with an `async def __call__`.
pub(crate) fn is_async(callable: &Bound<'_, PyAny>) -> bool {
    const DEPTH_MAX: usize = 8;
    let mut callable = callable.clone();
    for _ in 0..DEPTH_MAX {
        // SAFETY: the object is alive; the code object is a borrowed reference that the function keeps.
        unsafe {
            if ffi::PyFunction_Check(callable.as_ptr()) == 1 {
                return flags_of(&callable) & CO_COROUTINE != 0;
            }
        }
        let py = callable.py();
        let inner = callable
            .getattr(intern!(py, "__func__"))
            .or_else(|_| callable.getattr(intern!(py, "func")))
            .or_else(|_| callable.get_type().getattr(intern!(py, "__call__")));
        match inner {
            Ok(inner) if !inner.is(&callable) => callable = inner,
            _ => return false,
        }
    }
    false
}

fn flags_of(function: &Bound<'_, PyAny>) -> u32 {
    let py = function.py();
    function
        .getattr(intern!(py, "__code__"))
        .and_then(|code| code.getattr(intern!(py, "co_flags")))
        .and_then(|flags| flags.extract())
        .unwrap_or_default()
}

/// The handler that was made last: a million spawns with one callable share it.
#[derive(Default)]
pub(crate) struct HandlerCache {
    last: Mutex<Option<Cached>>,
}

struct Cached {
    callable: usize,
    is_async: bool,
    handler: Weak<PyHandler>,
}

impl Cached {
    fn of(&self, callable: &Bound<'_, PyAny>) -> Option<(Arc<PyHandler>, bool)> {
        (self.callable == callable.as_ptr() as usize)
            .then(|| Some((self.handler.upgrade()?, self.is_async)))
            .flatten()
    }
}

impl HandlerCache {
    /// The handler for this callable: the one made last if it is the same callable on the same lane.
    #[inline]
    pub(crate) fn get(
        &self,
        shared: &Arc<Shared>,
        callable: &Bound<'_, PyAny>,
        lane: impl Fn(bool) -> PyResult<LaneId>,
    ) -> PyResult<Arc<PyHandler>> {
        // The lock is not held while Python runs: whoever holds the GIL may want the lock.
        let cached = self.last.lock().as_ref().and_then(|cached| cached.of(callable));
        if let Some((handler, is_async)) = cached
            && lane(is_async)? == handler.lane
        {
            return Ok(handler);
        }
        let is_async = is_async(callable);
        let lane = lane(is_async)?;
        let handler = Arc::new(PyHandler::new(shared, callable, lane)?);
        *self.last.lock() = Some(Cached {
            callable: callable.as_ptr() as usize,
            is_async,
            handler: Arc::downgrade(&handler),
        });
        Ok(handler)
    }
}
