//! Outbox: what waits to be written to one peer. Anybody adds frames under a short lock, one task writes them.
//!
//! Two lanes: signals go before messages that are not on their way yet. Messages lie in segments of whole frames, so that a
//! signal gets in between two of them. The task that found nothing raises `idle` under the lock; whoever adds something
//! lowers it and rings, so there is one ring per sleep and none while the task writes.
//!
//! Whoever has the sink writes, and there is one sink. The task that sleeps leaves it here, where [`Outbox::push_now`] may
//! borrow it: one message that somebody waits for is written without waking the task, which costs as much as the way
//! to the other node. What is added meanwhile waits, and is left to the task when the sink is brought back.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex};
use tokio::io::AsyncWrite as _;
use tokio::sync::Notify;

use super::credit::Allowance;
use super::frame::Frame;
use super::malformed::Malformed;
use super::stream::Sink;

/// Bytes of messages that are written at once: large enough that the system call costs little beside them, small
/// enough that a signal behind them waits less than a millisecond.
const SEGMENT: usize = 64 << 10;
/// Most segments that are taken at once.
const SEGMENTS_AT_ONCE: usize = 4;
/// Most bytes of signals that wait: those of a quarter of a million actors that end at once. A peer that reads none of
/// them for so long is let go.
const SIGNALS_MAX: usize = 16 << 20;

/// Frames for one peer.
pub(crate) struct Outbox {
    state: Mutex<State>,
    room: Condvar,
    bell: Arc<Notify>,
    payload_max: usize,
}

struct State {
    signals: Vec<u8>,
    segments: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
    allowance: Allowance,
    phase: Phase,
    idle: bool,
    /// Where to write, while the task sleeps and nobody has borrowed it.
    sink: Option<Sink>,
    /// What a borrower of the sink could not write: goes before all else.
    rest: Vec<u8>,
    /// The sink still has bytes of a borrower, who could not flush it.
    unflushed: bool,
    /// There is no task any more.
    abandoned: bool,
    waiting: usize,
    /// Who waits without a thread.
    callers: Vec<Caller>,
    /// Longest message that was refused since nobody waited: who waits for room waits for that much.
    wanted: usize,
}

/// What is called, under no lock, when there is room.
type Caller = Box<dyn FnOnce() + Send>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Nothing more is taken; what is there is written.
    Finishing,
    /// Nothing is written any more.
    Closed,
}

/// Why the outbox does not take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// As much is under way as the peer takes.
    Full,
    /// It is larger than the peer takes.
    TooLarge,
    /// The connection is closed.
    Closed,
}

/// What the writing task finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Something to write.
    Some,
    /// Nothing: the bell rings when that changes.
    Nothing,
    /// Nothing, and nothing will come.
    Over,
}

impl Outbox {
    pub(crate) fn new(window: u64, payload_max: usize) -> Self {
        let state = State {
            signals: Vec::new(),
            segments: VecDeque::new(),
            spare: Vec::new(),
            allowance: Allowance::new(window),
            phase: Phase::Open,
            idle: false,
            sink: None,
            rest: Vec::new(),
            unflushed: false,
            abandoned: false,
            waiting: 0,
            callers: Vec::new(),
            wanted: 0,
        };
        Self { state: Mutex::new(state), room: Condvar::new(), bell: Arc::new(Notify::new()), payload_max }
    }

    /// Rings when there is something to write.
    pub(crate) fn bell(&self) -> &Arc<Notify> {
        &self.bell
    }

    /// Adds a message, whose payload is this long, and pays for it.
    pub(crate) fn push(&self, frame: &Frame<'_>, length: usize) -> Result<(), Refused> {
        if length > self.payload_max {
            return Err(Refused::TooLarge);
        }
        let mut state = self.state.lock();
        state.pay(frame, length)?;
        state.add(frame);
        self.ring(state);
        Ok(())
    }

    /// As [`Outbox::push`], for a message that somebody waits for while no others are on their way: it is written on this
    /// thread where the task sleeps and it is not long. Does not wait.
    pub(crate) fn push_now(&self, frame: &Frame<'_>, length: usize) -> Result<(), Refused> {
        if length > self.payload_max {
            return Err(Refused::TooLarge);
        }
        let mut state = self.state.lock();
        state.pay(frame, length)?;
        let sink = if state.idle && length <= SEGMENT { state.sink.take() } else { None };
        let Some(mut sink) = sink else {
            state.add(frame);
            self.ring(state);
            return Ok(());
        };
        state.idle = false;
        let mut bytes = state.spare();
        drop(state);
        frame.put(&mut bytes);
        let (written, is_flushed) = write_now(&mut sink, &bytes);
        bytes.drain(..written);
        self.bring_back(sink, bytes, is_flushed);
        Ok(())
    }

    /// Ends a borrower's use of the sink. What it could not do, and what came meanwhile, is the task's to do.
    fn bring_back(&self, sink: Sink, rest: Vec<u8>, is_flushed: bool) {
        let mut state = self.state.lock();
        if state.abandoned {
            return;
        }
        state.sink = Some(sink);
        state.unflushed = !is_flushed;
        if rest.is_empty() {
            state.keep(rest);
        } else {
            state.rest = rest;
        }
        state.idle = true;
        if state.has_work() || state.phase != Phase::Open {
            self.ring(state);
        }
    }

    /// Adds a signal. False: the connection is closed, or the peer has not read for too long.
    pub(crate) fn signal(&self, frame: &Frame<'_>) -> bool {
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return false;
        }
        if state.signals.len() > SIGNALS_MAX {
            state.phase = Phase::Closed;
            self.ring(state);
            return false;
        }
        frame.put(&mut state.signals);
        self.ring(state);
        true
    }

    /// The task is gone, and with it the sink.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock();
        state.abandoned = true;
        state.idle = false;
        let sink = state.sink.take();
        drop(state);
        drop(sink);
    }

    fn ring(&self, mut state: crate::sync::MutexGuard<'_, State>) {
        let wakes = std::mem::take(&mut state.idle);
        drop(state);
        if wakes {
            self.bell.notify_one();
        }
    }

    /// The peer gave credit back.
    pub(crate) fn confirm(&self, returned: u64, received: u64) -> Result<(), Malformed> {
        let mut state = self.state.lock();
        state.allowance.confirm(returned, received)?;
        if state.waiting > 0 {
            self.room.notify_all();
        }
        if !state.callers.is_empty() && state.allowance.has_room(state.wanted) {
            call_all(state);
        }
        Ok(())
    }

    /// The peer did not take a message.
    ///
    /// # Errors
    /// `Unsent` where it was sent none.
    pub(crate) fn refuse(&self) -> Result<(), Malformed> {
        if self.state.lock().allowance.refuse() { Ok(()) } else { Err(Malformed::Unsent) }
    }

    /// Calls when what was refused may be sent, or the connection is closed.
    pub(crate) fn when_room(&self, caller: Caller) {
        let mut state = self.state.lock();
        state.callers.push(caller);
        if state.phase != Phase::Open || state.allowance.has_room(state.wanted) {
            call_all(state);
        }
    }

    /// Waits until what was refused may be sent, or the connection is closed. False: the time is over.
    pub(crate) fn wait_for_room(&self, timeout: Duration) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.state.lock();
        state.waiting += 1;
        let mut in_time = true;
        while in_time && state.phase == Phase::Open && !state.allowance.has_room(state.wanted) {
            match deadline {
                Some(deadline) => in_time = !self.room.wait_until(&mut state, deadline).timed_out(),
                None => self.room.wait(&mut state),
            }
        }
        state.waiting -= 1;
        if state.waiting == 0 {
            state.wanted = 0;
        }
        in_time
    }

    /// Lets what is there be written, and takes nothing more. The last words are a signal.
    pub(crate) fn finish(&self, last: &Frame<'_>) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Finishing;
            // After the messages: the peer lets go when it reads them.
            let mut segment = Vec::new();
            last.put(&mut segment);
            state.segments.push_back(segment);
        }
        self.room.notify_all();
        let callers = std::mem::take(&mut state.callers);
        self.ring(state);
        for caller in callers {
            caller();
        }
    }

    /// Takes nothing more. The result is how many messages the peer has not confirmed, and those of them, as segments
    /// of frames, that were not written.
    pub(crate) fn close(&self) -> (u64, VecDeque<Vec<u8>>) {
        let mut state = self.state.lock();
        state.phase = Phase::Closed;
        let unwritten = std::mem::take(&mut state.segments);
        state.signals = Vec::new();
        let unconfirmed = state.allowance.unconfirmed();
        self.room.notify_all();
        let callers = std::mem::take(&mut state.callers);
        self.ring(state);
        for caller in callers {
            caller();
        }
        (unconfirmed, unwritten)
    }

    /// The writing task takes what comes next, signals first, and gives back the segments it has written. It leaves the
    /// sink here when there is nothing, and has it otherwise.
    pub(crate) fn take(
        &self,
        sink: &mut Option<Sink>,
        signals: &mut Vec<u8>,
        segments: &mut Vec<Vec<u8>>,
    ) -> Taken {
        signals.clear();
        signals.shrink_to(SEGMENT);
        let mut state = self.state.lock();
        for segment in segments.drain(..) {
            state.keep(segment);
        }
        if sink.is_none() {
            *sink = state.sink.take();
        }
        if state.abandoned || state.phase == Phase::Closed {
            return Taken::Over;
        }
        if sink.is_none() {
            // It is borrowed. The bell rings when it is brought back and there is work.
            return Taken::Nothing;
        }
        state.idle = false;
        if state.unflushed || !state.rest.is_empty() {
            state.unflushed = false;
            std::mem::swap(&mut state.rest, signals);
            return Taken::Some;
        }
        std::mem::swap(&mut state.signals, signals);
        let count = state.segments.len().min(SEGMENTS_AT_ONCE);
        segments.extend(state.segments.drain(..count));
        if !signals.is_empty() || !segments.is_empty() {
            return Taken::Some;
        }
        if state.phase == Phase::Finishing {
            return Taken::Over;
        }
        state.sink = sink.take();
        state.idle = true;
        Taken::Nothing
    }
}

impl State {
    /// Pays for a message and counts it.
    fn pay(&mut self, frame: &Frame<'_>, length: usize) -> Result<(), Refused> {
        if self.phase != Phase::Open {
            return Err(Refused::Closed);
        }
        if !self.allowance.pay(length) {
            self.wanted = self.wanted.max(length);
            return Err(Refused::Full);
        }
        if !matches!(frame, Frame::Reply { .. }) {
            self.allowance.count_sent();
        }
        Ok(())
    }

    /// Puts a message behind the others.
    fn add(&mut self, frame: &Frame<'_>) {
        if self.segments.back().is_none_or(|segment| segment.len() >= SEGMENT) {
            let segment = self.spare();
            self.segments.push_back(segment);
        }
        if let Some(segment) = self.segments.back_mut() {
            frame.put(segment);
        }
    }

    fn spare(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_else(|| Vec::with_capacity(SEGMENT + (SEGMENT >> 4)))
    }

    /// Keeps an empty segment for later.
    fn keep(&mut self, mut segment: Vec<u8>) {
        if self.spare.len() < SEGMENTS_AT_ONCE && segment.capacity() <= 2 * SEGMENT {
            segment.clear();
            self.spare.push(segment);
        }
    }

    fn has_work(&self) -> bool {
        !self.rest.is_empty() || self.unflushed || !self.signals.is_empty() || !self.segments.is_empty()
    }
}

/// Writes as much as goes without waiting: how many bytes, and whether they are on their way. What fails here fails
/// again for the task, which ends the connection.
fn write_now(sink: &mut Sink, bytes: &[u8]) -> (usize, bool) {
    // Nobody is to be woken: the task asks again where this has to wait.
    let mut context = Context::from_waker(Waker::noop());
    let mut written = 0;
    while written < bytes.len() {
        match Pin::new(&mut *sink).poll_write(&mut context, &bytes[written..]) {
            Poll::Ready(Ok(count)) if count > 0 => written += count,
            _ => return (written, false),
        }
    }
    let flushed = Pin::new(sink).poll_flush(&mut context);
    (written, matches!(flushed, Poll::Ready(Ok(()))))
}

fn call_all(mut state: crate::sync::MutexGuard<'_, State>) {
    let callers = std::mem::take(&mut state.callers);
    if state.waiting == 0 {
        state.wanted = 0;
    }
    drop(state);
    for caller in callers {
        caller();
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
