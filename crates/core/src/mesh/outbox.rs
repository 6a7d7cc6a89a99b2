//! Outbox: what waits to be written to one peer. Anybody adds frames under a short lock, one task writes them.
//!
//! Two lanes: signals go before messages that are not on their way yet. Messages lie in segments of whole frames, so that a
//! signal gets in between two of them. The task that found nothing raises `idle` under the lock; whoever adds something
//! lowers it and rings, so there is one ring per sleep and none while the task writes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex};
use tokio::sync::Notify;

use super::credit::Allowance;
use super::frame::Frame;
use super::malformed::Malformed;

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
        if state.phase != Phase::Open {
            return Err(Refused::Closed);
        }
        if !state.allowance.pay(length) {
            state.wanted = state.wanted.max(length);
            return Err(Refused::Full);
        }
        if !matches!(frame, Frame::Reply { .. }) {
            state.allowance.count_sent();
        }
        if state.segments.back().is_none_or(|segment| segment.len() >= SEGMENT) {
            let segment = state.spare.pop().unwrap_or_else(|| Vec::with_capacity(SEGMENT + (SEGMENT >> 4)));
            state.segments.push_back(segment);
        }
        if let Some(segment) = state.segments.back_mut() {
            frame.put(segment);
        }
        self.ring(state);
        Ok(())
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

    /// The writing task takes what comes next, signals first, and gives back the segments it has written.
    pub(crate) fn take(&self, signals: &mut Vec<u8>, segments: &mut Vec<Vec<u8>>) -> Taken {
        signals.clear();
        signals.shrink_to(SEGMENT);
        let mut state = self.state.lock();
        for mut segment in segments.drain(..) {
            if state.spare.len() < SEGMENTS_AT_ONCE && segment.capacity() <= 2 * SEGMENT {
                segment.clear();
                state.spare.push(segment);
            }
        }
        std::mem::swap(&mut state.signals, signals);
        let count = state.segments.len().min(SEGMENTS_AT_ONCE);
        segments.extend(state.segments.drain(..count));
        if state.phase == Phase::Closed {
            return Taken::Over;
        }
        if !signals.is_empty() || !segments.is_empty() {
            return Taken::Some;
        }
        if state.phase == Phase::Finishing {
            return Taken::Over;
        }
        state.idle = true;
        Taken::Nothing
    }
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
mod tests {
    use super::*;

    fn send(payload: &[u8]) -> Frame<'_> {
        Frame::Send { target: 1, payload }
    }

    #[test]
    fn signals_go_before_messages_and_messages_keep_their_order() {
        let outbox = Outbox::new(1 << 20, 1 << 20);
        let (mut signals, mut segments) = (Vec::new(), Vec::new());
        assert_eq!(outbox.take(&mut signals, &mut segments), Taken::Nothing);
        for payload in [b"one", b"two"] {
            outbox.push(&send(payload), 3).unwrap();
        }
        assert!(outbox.signal(&Frame::Ping { nonce: 7 }));
        assert_eq!(outbox.take(&mut signals, &mut segments), Taken::Some);
        assert_eq!(Frame::parse(&signals, 10), Ok(Some((Frame::Ping { nonce: 7 }, signals.len()))));
        let (first, length) = Frame::parse(&segments[0], 10).unwrap().unwrap();
        assert_eq!(first, send(b"one"));
        assert_eq!(Frame::parse(&segments[0][length..], 10).unwrap().unwrap().0, send(b"two"));
        assert_eq!(outbox.take(&mut signals, &mut segments), Taken::Nothing);
    }

    #[test]
    fn a_peer_that_takes_no_more_refuses_until_it_gives_credit_back() {
        let outbox = Outbox::new(1000, 500);
        assert_eq!(outbox.push(&send(&[0; 501]), 501), Err(Refused::TooLarge));
        while outbox.push(&send(b""), 0).is_ok() {}
        assert_eq!(outbox.push(&send(b""), 0), Err(Refused::Full));
        assert!(!outbox.wait_for_room(Duration::from_millis(1)));
        outbox.confirm(128, 1).unwrap();
        assert!(outbox.wait_for_room(Duration::MAX));
        assert_eq!(outbox.push(&send(&[0; 300]), 300), Err(Refused::Full));
        assert!(!outbox.wait_for_room(Duration::from_millis(1)));
        assert_eq!(outbox.push(&send(b""), 0), Ok(()));
        let (unconfirmed, unwritten) = outbox.close();
        assert_eq!((unconfirmed, unwritten.len()), (7, 1));
        assert_eq!(outbox.push(&send(b""), 0), Err(Refused::Closed));
        assert!(outbox.wait_for_room(Duration::MAX));
    }

    #[test]
    fn who_must_not_wait_is_called_when_there_is_room_or_nothing_goes_any_more() {
        let outbox = Outbox::new(1000, 1000);
        let (tell, told) = std::sync::mpsc::channel();
        let call = |word: &'static str| {
            let tell = tell.clone();
            outbox.when_room(Box::new(move || tell.send(word).unwrap()));
        };
        call("at once");
        assert_eq!(told.try_recv(), Ok("at once"));
        outbox.push(&send(&[0; 100]), 100).unwrap();
        assert_eq!(outbox.push(&send(&[0; 800]), 800), Err(Refused::Full));
        call("when all is given back");
        assert!(told.try_recv().is_err());
        outbox.confirm(1, 1).unwrap();
        assert!(told.try_recv().is_err());
        outbox.confirm(228, 1).unwrap();
        assert_eq!(told.try_recv(), Ok("when all is given back"));
        outbox.push(&send(&[0; 800]), 800).unwrap();
        assert_eq!(outbox.push(&send(&[0; 800]), 800), Err(Refused::Full));
        call("at the end");
        outbox.close();
        assert_eq!(told.try_recv(), Ok("at the end"));
        call("after the end");
        assert_eq!(told.try_recv(), Ok("after the end"));
    }

    #[test]
    fn what_is_there_is_written_before_the_last_words() {
        let outbox = Outbox::new(1000, 500);
        let (mut signals, mut segments) = (Vec::new(), Vec::new());
        outbox.push(&send(b"one"), 3).unwrap();
        outbox.finish(&Frame::Goodbye { message: "bye" });
        assert_eq!(outbox.push(&send(b"two"), 3), Err(Refused::Closed));
        assert!(!outbox.signal(&Frame::Ping { nonce: 7 }));
        assert_eq!(outbox.take(&mut signals, &mut segments), Taken::Some);
        assert_eq!(Frame::parse(&segments[0], 10).unwrap().unwrap().0, send(b"one"));
        assert_eq!(Frame::parse(&segments[1], 10).unwrap().unwrap().0, Frame::Goodbye { message: "bye" });
        assert_eq!(outbox.take(&mut signals, &mut segments), Taken::Over);
    }

    #[test]
    fn a_peer_that_reads_no_signals_is_let_go() {
        let outbox = Outbox::new(1000, 500);
        let pings = (0..u64::MAX).take_while(|nonce| outbox.signal(&Frame::Ping { nonce: *nonce })).count();
        assert!(pings * 13 > SIGNALS_MAX && pings * 13 < SIGNALS_MAX + 100);
        assert_eq!(outbox.take(&mut Vec::new(), &mut Vec::new()), Taken::Over);
    }
}
