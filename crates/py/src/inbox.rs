//! Inbox: the core's mailbox of a pull actor in Python's hands, and the asks its user has still to answer.

use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use iris_core::sync::Mutex;
use iris_core::{ErrorKind, Incoming, Pid, PullMailbox, Received, Reply};
use pyo3::prelude::*;

use crate::errors::raise_kind;
use crate::payload;
use crate::shared::Shared;
use crate::system;

/// Most asks that a pull actor may leave unanswered; beyond it the oldest ones fail.
const UNANSWERED_MAX: usize = 100_000;

/// One pull actor's mailbox. Only one thread at a time may take from it.
pub(crate) struct Inbox {
    pub(crate) pid: Pid,
    pub(crate) shared: Arc<Shared>,
    busy: AtomicBool,
    mailbox: UnsafeCell<Option<PullMailbox>>,
    unanswered: Mutex<Vec<(Py<PyAny>, Reply)>>,
}

// SAFETY: `mailbox` is touched only by whoever changed `busy` from false to true.
unsafe impl Sync for Inbox {}

/// What a look found.
pub(crate) enum Found<'py> {
    Message(Bound<'py, PyAny>),
    Nothing,
    Stopped,
}

impl Inbox {
    pub(crate) fn new(shared: &Arc<Shared>, mailbox: PullMailbox) -> Self {
        Self {
            pid: mailbox.pid(),
            shared: Arc::clone(shared),
            busy: AtomicBool::new(false),
            mailbox: UnsafeCell::new(Some(mailbox)),
            unanswered: Mutex::default(),
        }
    }

    #[inline]
    fn check_not_forked(&self) -> PyResult<()> {
        if self.shared.is_forked() { self.shared.core().map(drop) } else { Ok(()) }
    }

    /// The mailbox, for as long as the guard lives.
    #[inline]
    pub(crate) fn borrow(&self) -> PyResult<Borrowed<'_>> {
        self.check_not_forked()?;
        if self.busy.swap(true, Ordering::Acquire) {
            return Err(raise_kind(ErrorKind::WouldDeadlock, "another call waits on this mailbox already"));
        }
        Ok(Borrowed { inbox: self })
    }

    /// Answers the oldest unanswered ask whose message is this object.
    pub(crate) fn reply(&self, message: &Bound<'_, PyAny>, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.check_not_forked()?;
        let payload = payload::from_python(data)?;
        let taken = {
            let mut unanswered = self.unanswered.lock();
            let place = unanswered.iter().position(|(asked, _)| asked.is(message));
            place.map(|place| unanswered.remove(place))
        };
        let Some((_, reply)) = taken else { return Ok(false) };
        let awaited = reply.is_awaited();
        reply.send(payload);
        Ok(awaited)
    }

    fn convert<'py>(&self, py: Python<'py>, incoming: Incoming) -> PyResult<Bound<'py, PyAny>> {
        match incoming {
            Incoming::User(mut message) => {
                let reply = if message.has_extra() { message.take_reply() } else { None };
                let bytes = payload::into_python(py, message.into_payload()).into_any();
                if let Some(reply) = reply {
                    self.keep(&bytes, reply);
                }
                Ok(bytes)
            }
            Incoming::System(message) => system::notice(py, *message),
        }
    }

    #[cold]
    fn keep(&self, bytes: &Bound<'_, PyAny>, reply: Reply) {
        let mut dropped = Vec::new();
        let mut unanswered = self.unanswered.lock();
        if unanswered.len() >= UNANSWERED_MAX {
            let (open, over): (Vec<_>, Vec<_>) =
                unanswered.drain(..).partition(|(_, reply)| reply.is_awaited());
            dropped.extend(over);
            *unanswered = open;
            if unanswered.len() >= UNANSWERED_MAX {
                dropped.push(unanswered.remove(0));
            }
        }
        unanswered.push((bytes.clone().unbind(), reply));
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        if let Some(mailbox) = self.mailbox.get_mut() {
            // A loop that was closed dropped the task in the middle of its wait.
            mailbox.end_wait();
        }
    }
}

/// The mailbox in the hands of the one call that may use it.
pub(crate) struct Borrowed<'a> {
    inbox: &'a Inbox,
}

// SAFETY: the guard stands for the sole access to a mailbox that is `Send`.
unsafe impl Send for Borrowed<'_> {}

impl Borrowed<'_> {
    /// The mailbox; `None` once the actor ended.
    #[inline]
    pub(crate) fn mailbox(&mut self) -> Option<&mut PullMailbox> {
        // SAFETY: this guard set `busy`, so nobody else touches the cell, and `&mut self` makes the borrow unique.
        unsafe { (*self.inbox.mailbox.get()).as_mut() }
    }

    /// Takes the mailbox away from its user: the function returned. Asks it left unanswered fail.
    pub(crate) fn take(&mut self) -> Option<PullMailbox> {
        let unanswered = std::mem::take(&mut *self.inbox.unanswered.lock());
        drop(unanswered);
        // SAFETY: as in `mailbox`.
        let mut mailbox = unsafe { (*self.inbox.mailbox.get()).take() };
        if let Some(mailbox) = &mut mailbox {
            // A task that was cancelled while it waited has not ended its wait.
            mailbox.end_wait();
        }
        mailbox
    }

    /// The oldest message.
    #[inline]
    pub(crate) fn look<'py>(&mut self, py: Python<'py>) -> PyResult<Found<'py>> {
        let inbox = self.inbox;
        let Some(mailbox) = self.mailbox() else { return Ok(Found::Stopped) };
        match mailbox.try_recv() {
            Received::Message(incoming) => Ok(Found::Message(inbox.convert(py, incoming)?)),
            Received::Empty => Ok(Found::Nothing),
            Received::Stopped => Ok(Found::Stopped),
        }
    }

    /// The first message the matcher accepts, past the `seen` ones.
    pub(crate) fn select<'py>(
        &mut self,
        matcher: &Bound<'py, PyAny>,
        seen: &mut usize,
    ) -> PyResult<Found<'py>> {
        let inbox = self.inbox;
        let py = matcher.py();
        let Some(mailbox) = self.mailbox() else { return Ok(Found::Stopped) };
        let mut accepts = |incoming: &Incoming| system::is_match(matcher, incoming);
        match mailbox.select_from(seen, &mut accepts)? {
            Received::Message(incoming) => Ok(Found::Message(inbox.convert(py, incoming)?)),
            Received::Empty => Ok(Found::Nothing),
            Received::Stopped => Ok(Found::Stopped),
        }
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.inbox.busy.store(false, Ordering::Release);
    }
}
