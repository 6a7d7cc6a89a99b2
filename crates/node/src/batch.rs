//! Batch: turns of many actors handed to JavaScript at once, and what came of them.
//!
//! A batch owns its actors from `fill` to `settle`. JavaScript calls the handlers in order; as long as all goes well it tells
//! nothing, and the next `fill` ends the turns. What does not go well it tells at once, by turn and message: a throw
//! (`crash`), a promise (`suspend`), or that it stops here (`settle`), because its time slice is over. Once a signal came, to
//! whomever, it asks before each message of the batch whether it was this actor's (`interrupt`).
//! Messages not handled yet go back to the front of their mailbox, so nothing is lost, doubled or reordered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use iris_core::{Delivery, ExitReason, Flow, Pid, Reply, Turn};

use crate::frame::{self, Frame};
use crate::host::Event;
use crate::parcels::{Parcels, WANTS_REPLY};
use crate::raw::{Env, Value};
use crate::slots::JsBehaviour;
use crate::state::{State, Suspended};

/// Actors without a message for JavaScript that one batch passes over: to end so many takes about 1 ms.
const PASSED_MAX: usize = 512;
/// The same where others have messages, which wait meanwhile.
const PASSED_BESIDE_MAX: usize = 32;

/// The turns JavaScript has in hand.
pub(crate) struct Batch {
    parcels: Parcels,
    held: Vec<Held>,
    deliveries: Vec<Option<Delivery>>,
    events: VecDeque<Event>,
    events_given: usize,
    /// The batch ends before what is ready does, so that JavaScript may look at the clock.
    is_cut: bool,
}

/// One turn: its messages are `first..first + count` of the batch.
struct Held {
    /// Taken when the turn is over.
    turn: Option<Turn>,
    pid: Pid,
    slot: u32,
    first: usize,
    count: usize,
}

impl Batch {
    pub(crate) fn new(env: Env, parts: Value) -> Self {
        Self {
            parcels: Parcels::new(env, parts),
            held: Vec::new(),
            deliveries: Vec::new(),
            events: VecDeque::new(),
            events_given: 0,
            is_cut: false,
        }
    }

    /// Ends the batch before, all of it handled, and fills the frame anew; false: there is nothing to do, and the lane
    /// sleeps.
    pub(crate) fn fill(&mut self, state: &State) -> bool {
        self.settle(usize::MAX, 0);
        state.host.awake();
        loop {
            self.parcels.begin();
            self.fill_events(state);
            self.fill_turns(state);
            if self.events_given + self.held.len() > 0 || self.is_cut {
                return true;
            }
            state.host.falling_asleep();
            // Events of which JavaScript need not know may stand before others: those are here, and nobody tells of them again.
            if self.events.is_empty() && !state.host.has_events() && state.lane.try_sleep() {
                return false;
            }
            state.host.awake();
        }
    }

    fn fill_events(&mut self, state: &State) {
        state.host.take(&mut self.events);
        let count = self.events.len().min(frame::EVENTS_MAX);
        let mut given = 0;
        for event in self.events.drain(..count) {
            if let Some(words) = state.describe(event, &mut self.parcels) {
                let at = frame::FIRST_EVENT + given * frame::EVENT_WORDS;
                for (index, word) in words.into_iter().enumerate() {
                    state.frame.set(at + index, word);
                }
                given += 1;
            }
        }
        self.events_given = given;
        state.frame.set(frame::EVENTS, u32_of(given));
    }

    fn fill_turns(&mut self, state: &State) {
        let frame = &state.frame;
        let interrupts = state.lane.interrupts().load(Ordering::Acquire);
        frame.set(frame::INTERRUPTS, interrupts);
        let mut at = frame::FIRST_TURN;
        let mut passed = 0;
        self.is_cut = false;
        while self.deliveries.len() < frame::MESSAGES_MAX && !self.is_cut {
            let Some(turn) = state.lane.take_turn() else { break };
            let held = self.held.len();
            at = self.fill_turn(state, frame, turn, at);
            if self.held.len() == held {
                passed += 1;
                self.is_cut |= passed >= if held > 0 { PASSED_BESIDE_MAX } else { PASSED_MAX };
            }
        }
        frame.set(frame::TURNS, u32_of(self.held.len()));
    }

    /// Takes what one actor may handle now; where the next turn begins in the frame.
    #[inline]
    fn fill_turn(&mut self, state: &State, frame: &Frame, mut turn: Turn, at: usize) -> usize {
        let message = turn.take_ready().or_else(|| turn.next_message());
        if state.has_made.take() {
            // A user's function ran: it may have taken its time, or the slab.
            self.is_cut = true;
            self.parcels.forget_detached();
        }
        let Some(message) = message else { return at };
        let Some(slot) = slot_of(&turn) else { return at };
        let first = self.deliveries.len();
        let end = if state.slots.borrow().is_async(slot) { first + 1 } else { frame::MESSAGES_MAX };
        let mut word = at + 2;
        self.place(frame, &mut word, message);
        while self.deliveries.len() < end {
            let Some(message) = turn.take_ready() else { break };
            self.place(frame, &mut word, message);
        }
        let count = self.deliveries.len() - first;
        frame.set(at, slot);
        frame.set(at + 1, u32_of(count));
        self.held.push(Held { pid: turn.pid(), turn: Some(turn), slot, first, count });
        word
    }

    /// Hands over one message.
    #[inline]
    fn place(&mut self, frame: &Frame, word: &mut usize, delivery: Delivery) {
        let place = self.parcels.put(delivery.payload());
        let asks = if delivery.wants_reply() { WANTS_REPLY } else { 0 };
        frame.set(*word, place.offset);
        frame.set(*word + 1, place.size | asks);
        *word += 2;
        self.deliveries.push(Some(delivery));
    }

    /// Ends all turns: those before `turn` were handled, of it the first `handled` messages, the rest was not.
    pub(crate) fn settle(&mut self, turn: usize, handled: usize) {
        for index in 0..self.held.len() {
            let handled = match index.cmp(&turn) {
                std::cmp::Ordering::Less => usize::MAX,
                std::cmp::Ordering::Equal => handled,
                std::cmp::Ordering::Greater => 0,
            };
            self.end(index, handled, Flow::Continue);
        }
        self.held.clear();
        self.deliveries.clear();
    }

    /// Ends one turn after so many of its messages, where something came up that goes before the next one.
    pub(crate) fn interrupt(&mut self, turn: usize, handled: usize) -> bool {
        let Some(held) = self.held.get(turn) else { return false };
        let interrupted = held.turn.as_ref().is_some_and(Turn::is_interrupted);
        if interrupted {
            self.end(turn, handled, Flow::Continue);
        }
        interrupted
    }

    /// A handler threw at this message.
    pub(crate) fn crash(&mut self, turn: usize, message: usize, reason: ExitReason) {
        if let (Some(reply), Some(failure)) = (self.reply(turn, message), reason.failure()) {
            reply.fail(failure.clone());
        }
        self.end(turn, message + 1, Flow::Stop(reason));
    }

    /// A handler returned a promise for this message; the number of what is suspended.
    pub(crate) fn suspend(&mut self, state: &State, turn: usize, message: usize) -> Option<u32> {
        let reply = self.reply(turn, message);
        let held = self.held.get_mut(turn)?;
        state.slots.borrow_mut().set_async(held.slot);
        let mut suspended = state.suspended.borrow_mut();
        let token = suspended.next_number();
        let host = Arc::clone(&state.host);
        let cancel = Box::new(move || host.post(Event::Cancelled { token }));
        let suspension = held.turn.as_ref()?.suspension(cancel);
        suspended.put_as(token, Suspended { suspension, reply });
        drop(suspended);
        self.end(turn, message + 1, Flow::Suspend);
        Some(token)
    }

    /// The right to answer this message, if it is an ask that was not answered.
    pub(crate) fn reply(&mut self, turn: usize, message: usize) -> Option<Reply> {
        let held = self.held.get(turn)?;
        self.deliveries.get_mut(held.first + message)?.as_mut()?.take_reply()
    }

    /// The actor of a turn.
    pub(crate) fn pid(&self, turn: usize) -> Option<Pid> {
        Some(self.held.get(turn)?.pid)
    }

    /// How many messages of this actor were taken and not begun, when JavaScript has begun so many of this turn.
    pub(crate) fn waiting(&self, pid: Pid, turn: usize, begun: usize) -> usize {
        let held = self.held.iter().enumerate().filter(|(_, held)| held.pid == pid && held.turn.is_some());
        held.map(|(index, held)| match index.cmp(&turn) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => held.count.saturating_sub(begun),
            std::cmp::Ordering::Greater => held.count,
        })
        .sum()
    }

    /// Whether there are events that found no room in the frame.
    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The environment ends: what is held goes back.
    pub(crate) fn abandon(&mut self) {
        self.settle(0, 0);
        let events = std::mem::take(&mut self.events);
        drop(events);
    }

    /// Ends one turn after so many of its messages.
    #[inline]
    fn end(&mut self, index: usize, handled: usize, flow: Flow) {
        let Some(held) = self.held.get_mut(index) else { return };
        let Some(mut turn) = held.turn.take() else { return };
        if handled < held.count {
            let rest = &mut self.deliveries[held.first + handled..held.first + held.count];
            turn.put_back(rest.iter_mut().filter_map(Option::take).collect());
        }
        turn.finish(flow);
    }
}

/// The slot of the handler that is in force.
fn slot_of(turn: &Turn) -> Option<u32> {
    Some(turn.behaviour()?.as_any()?.downcast_ref::<JsBehaviour>()?.slot)
}

#[expect(clippy::cast_possible_truncation, reason = "counts of a batch")]
fn u32_of(count: usize) -> u32 {
    count as u32
}
