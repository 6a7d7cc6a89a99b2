//! Bounded: a mailbox with bounds by count and bytes, and what happens beyond them.
//!
//! The messages are kept in a queue under the cell's lock, so that bounds and policies are exact. The mailbox word
//! serves scheduling alone: a sender queues first and pokes the word afterwards, and the owner cannot go idle past a poke.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cell::{Cell, flag};
use crate::counters::Dropped;
use crate::message::{Incoming, Message};
use crate::options::Bounds;
use crate::overflow::{Admission, Overflow};
use crate::payload::Payload;
use crate::pid::Pid;
use crate::shared::Shared;
use crate::spill::Spill;
use crate::sync::{AtomicUsize, Condvar, Mutex, Ordering};

/// The queue of a bounded mailbox.
pub(crate) struct Bounded {
    bounds: Bounds,
    pub(crate) policy: Overflow,
    queue: VecDeque<Message>,
    /// Messages that the owner took out to keep them for later: they wait, too.
    stashed: usize,
    /// Of all that wait, but for what was spilled.
    bytes: usize,
    spill: Option<Spill>,
    room: Arc<Room>,
    /// Length of the message that last found no room and whose sender may wait.
    wanted: usize,
    /// Spilled messages that could not be read back and are not counted yet.
    lost: usize,
}

/// Where senders wait for room.
#[derive(Default)]
pub(crate) struct Room {
    waiting: AtomicUsize,
    lock: Mutex<()>,
    made: Condvar,
}

/// What became of a message offered to a bounded mailbox.
#[must_use]
pub(crate) enum Offer {
    /// Queued.
    Taken,
    /// Queued in the place of these, which are dropped.
    TakenFor(Vec<Message>),
    /// Written to the spill. What is left of it may run code of users when it goes, which is not for under the lock.
    Spilled(Message),
    /// Refused.
    Full(Message),
    /// Refused for now.
    WouldBlock(Message),
    /// To be sent to this actor instead.
    Redirect(Pid, Message),
}

impl Bounded {
    pub(crate) fn new(bounds: Bounds, policy: Overflow) -> Self {
        Self {
            bounds,
            policy,
            queue: VecDeque::new(),
            stashed: 0,
            bytes: 0,
            spill: None,
            room: Arc::default(),
            wanted: 0,
            lost: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.spill.as_ref().is_none_or(|spill| spill.len() == 0)
    }

    pub(crate) fn room(&self) -> Arc<Room> {
        Arc::clone(&self.room)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting() > 0 && !self.fits(self.wanted)
    }

    pub(crate) fn offer(&mut self, message: Message) -> Offer {
        if self.spill.as_ref().is_some_and(|spill| spill.len() > 0) {
            return self.spill(message);
        }
        let length = message.payload().len();
        match self.policy.decide(self.waiting(), self.bytes, length, self.bounds.messages, self.bounds.bytes)
        {
            Admission::Admit => {
                self.append(message);
                Offer::Taken
            }
            Admission::AdmitDroppingOldest => {
                let mut dropped = Vec::new();
                while !self.queue.is_empty() && !self.fits(length) {
                    dropped.extend(self.pop_queue());
                }
                self.append(message);
                Offer::TakenFor(dropped)
            }
            Admission::Refuse => Offer::Full(message),
            Admission::Wait => {
                self.wanted = length;
                Offer::WouldBlock(message)
            }
            Admission::Redirect(target) => Offer::Redirect(target, message),
            Admission::Spill => self.spill(message),
        }
    }

    /// Messages that wait, but for those that were spilled.
    fn waiting(&self) -> usize {
        self.queue.len() + self.stashed
    }

    fn fits(&self, length: usize) -> bool {
        self.waiting() < self.bounds.messages && self.bytes.saturating_add(length) <= self.bounds.bytes
    }

    fn append(&mut self, message: Message) {
        self.bytes += message.payload().len();
        self.queue.push_back(message);
    }

    fn pop_queue(&mut self) -> Option<Message> {
        let message = self.queue.pop_front()?;
        self.bytes -= message.payload().len();
        Some(message)
    }

    /// Writes the message behind the spilled ones. An ask is not spilled: whoever waits for it is told at once.
    fn spill(&mut self, message: Message) -> Offer {
        if message.wants_reply() {
            return Offer::Full(message);
        }
        let spill = match &mut self.spill {
            Some(spill) => spill,
            None => match Spill::new() {
                Ok(spill) => self.spill.insert(spill),
                Err(error) => {
                    tracing::warn!(%error, "a mailbox cannot spill");
                    return Offer::Full(message);
                }
            },
        };
        match spill.push(message.payload().as_slice()) {
            Ok(()) => Offer::Spilled(message),
            Err(error) => {
                tracing::warn!(%error, "a mailbox cannot spill");
                Offer::Full(message)
            }
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Message> {
        let message = self.pop_queue();
        while let Some(spill) = &mut self.spill
            && spill.len() > 0
            && self.queue.len() < self.bounds.messages
            && (self.queue.is_empty() || self.bytes < self.bounds.bytes)
        {
            match spill.pop() {
                Ok(Some(bytes)) => {
                    let message = Message::new(Payload::from(bytes));
                    self.bytes += message.payload().len();
                    self.queue.push_back(message);
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, lost = spill.len(), "spilled messages cannot be read back");
                    self.lost += spill.len();
                    self.spill = None;
                }
            }
        }
        message.or_else(|| self.pop_queue())
    }

    fn pop_to_stash(&mut self) -> Option<Message> {
        let message = self.pop()?;
        self.stashed += 1;
        self.bytes += message.payload().len();
        Some(message)
    }

    fn unstash(&mut self, length: usize) {
        self.stashed -= 1;
        self.bytes -= length;
    }

    /// Whether the oldest is to be dropped of what is stashed, for something that came later.
    fn drops_stashed(&self) -> bool {
        let Bounds { messages, bytes } = self.bounds;
        let is_over = self.stashed > messages || (self.stashed > 1 && self.bytes > bytes);
        is_over && self.policy == Overflow::DropOldest
    }

    /// How many spilled messages were lost since it was last asked.
    pub(crate) fn take_lost(&mut self) -> usize {
        std::mem::take(&mut self.lost)
    }

    fn push_front(&mut self, message: Message) {
        self.bytes += message.payload().len();
        self.queue.push_front(message);
    }
}

impl Room {
    fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Wakes those who wait for room. Under no cell's lock: they take it while they hold theirs.
    pub(crate) fn announce(&self) {
        let _lock = self.lock.lock();
        self.made.notify_all();
    }
}

/// Owner: takes the oldest message, unless signals wait: what one of them changed before the message was sent must be
/// changed before it is handled.
pub(crate) fn take_after_signals(shared: &Shared, cell: &Cell, pid: Pid) -> Option<Message> {
    take_by(shared, cell, pid, Bounded::pop)
}

/// Owner: as [`take_after_signals`], to keep the message for later. It counts against the bounds until [`unstash`].
pub(crate) fn take_to_stash(shared: &Shared, cell: &Cell, pid: Pid) -> Option<Message> {
    take_by(shared, cell, pid, Bounded::pop_to_stash)
}

/// Owner: a message of this length is kept no longer.
pub(crate) fn unstash(cell: &Cell, pid: Pid, length: usize) {
    let room = cell.look_at_details(pid, |details| {
        let bounded = details.bounded.as_mut()?;
        bounded.unstash(length);
        bounded.room.is_wanted().then(|| bounded.room())
    });
    if let Some(room) = room.flatten() {
        room.announce();
    }
}

/// Owner: whether what is kept is more than the bounds allow, and the oldest goes.
pub(crate) fn drops_stashed(cell: &Cell, pid: Pid) -> bool {
    let drops = cell.look_at_details(pid, |details| details.bounded.as_ref().map(|b| b.drops_stashed()));
    drops.flatten() == Some(true)
}

fn take_by(
    shared: &Shared,
    cell: &Cell,
    pid: Pid,
    pop: impl FnOnce(&mut Bounded) -> Option<Message>,
) -> Option<Message> {
    let taken = cell.look_at_details(pid, |details| {
        if !details.signals.is_empty() {
            return None;
        }
        let bounded = details.bounded.as_mut()?;
        let message = pop(bounded);
        let lost = std::mem::take(&mut bounded.lost);
        cell.count_taken_beside_senders(lost as u64 + u64::from(message.is_some()));
        Some((message, lost, bounded.room.is_wanted().then(|| bounded.room())))
    });
    let (message, lost, room) = taken.flatten()?;
    for _ in 0..lost {
        shared.counters.drop_one(Dropped::ActorExited);
    }
    if let Some(room) = room {
        room.announce();
    }
    if message.is_none() {
        drop_strays(shared, cell, pid);
    }
    message
}

/// Owner: drops what was sent to an earlier, unbounded actor of the slot by a sender that had looked it up before it
/// ended.
fn drop_strays(shared: &Shared, cell: &Cell, pid: Pid) {
    let mut strays = cell.word.take();
    while let Some(node) = strays.pop() {
        let receiver = pid.of_generation(node.generation());
        if let Incoming::User(message) = node.into_incoming() {
            cell.count_taken_beside_senders(1);
            shared.drop_message(receiver, message, Dropped::ActorExited);
        }
    }
}

/// Owner: whether nothing is queued. What comes later pokes the word.
pub(crate) fn is_empty(cell: &Cell, pid: Pid) -> bool {
    cell.look_at_details(pid, |details| details.bounded.as_ref().is_none_or(|bounded| bounded.is_empty()))
        .unwrap_or(true)
}

/// Owner: puts messages back in order.
pub(crate) fn put_back(cell: &Cell, pid: Pid, messages: Vec<Message>) {
    cell.count_put_back_beside_senders(messages.len() as u64);
    cell.look_at_details(pid, |details| {
        if let Some(bounded) = details.bounded.as_mut() {
            messages.into_iter().rev().for_each(|message| bounded.push_front(message));
        }
    });
}

/// Has those who wait for room look again: the mailbox takes nothing any more, or has another policy. Under no cell's lock.
#[inline]
pub(crate) fn announce(cell: &Cell, pid: Pid) {
    if cell.has(flag::BOUNDED) {
        announce_to_senders(cell, pid);
    }
}

#[cold]
fn announce_to_senders(cell: &Cell, pid: Pid) {
    let room = cell.look_at_details(pid, |details| details.bounded.as_ref().map(|bounded| bounded.room()));
    if let Some(room) = room.flatten() {
        room.announce();
    }
}

/// Waits until the mailbox has room or another policy, takes nothing any more, or its actor is gone. False: the time is
/// over.
///
/// Each look takes the cell's lock after `waiting` was raised: an owner that makes room later takes that lock later,
/// so it sees the raised count and announces; the announcement waits for `lock`, so it is not missed.
pub(crate) fn wait_for_room(cell: &Cell, pid: Pid, timeout: Duration) -> bool {
    let look = || {
        let full = cell.look_at_details(pid, |details| {
            let bounded = details.bounded.as_ref().filter(|bounded| bounded.is_full())?;
            Some((bounded.room(), bounded.policy))
        });
        full.flatten().filter(|_| cell.word.is_open())
    };
    let Some((room, policy)) = look() else { return true };
    let may_try = || look().is_none_or(|(_, now)| now != policy);
    let deadline = Instant::now().checked_add(timeout);
    let mut lock = room.lock.lock();
    room.waiting.fetch_add(1, Ordering::SeqCst);
    let mut is_over = may_try();
    while !is_over {
        let timed_out = match deadline {
            Some(deadline) => room.made.wait_until(&mut lock, deadline).timed_out(),
            None => {
                room.made.wait(&mut lock);
                false
            }
        };
        is_over = may_try();
        if timed_out {
            break;
        }
    }
    room.waiting.fetch_sub(1, Ordering::SeqCst);
    is_over
}

#[cfg(all(test, not(any(loom, shuttle))))]
#[path = "bounded_tests.rs"]
mod tests;
