//! Wheel: a hierarchical timing wheel, pure: ticks come in, fired values go out, nobody is asked for the time.
//!
//! After G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels" (SOSP 1987), scheme 7: seven levels of 64
//! slots, a slot 32 times as long as one of the level below. A timer lies in the lowest level that reaches its deadline and
//! falls to a lower one when its slot is opened. Insert and cancel touch a constant number of links and never allocate,
//! except where the slab grows by a chunk.
//!
//! A level reaches twice as far as one slot of the next, so a slot is opened almost its own length before it begins
//! ([`early`]), and its entries fall whenever nothing is due: 64,000 timers of one slot do not hold up those that are
//! due meanwhile. Only at the slot's beginning must all have fallen (`falling_until`); so values are fired in the order of
//! their ticks.
//!
//! All lists are circular and doubly linked by index. The heads are nodes too, below [`HEADS`], so that an entry leaves
//! its list without knowing which one it is, and a whole slot is moved to another list at once. Invariant: each slot that
//! has entries is to be opened after `elapsed` and fewer than 64 slots ahead, so one bitmap a level tells the next event.

use std::num::NonZeroU64;

use crate::pid::Pid;
use crate::pid_map::PidMap;
use crate::timer_id::{TIMERS_MAX, TimerId};
use crate::timer_slab::{Entry, HEADS, NIL, Slab};

const LEVELS: u32 = 7;
const SLOTS: u32 = 64;
/// A level's slot is 2^5 slots of the level below.
const SLOT_BITS: u32 = 5;
/// Slots ahead that a level is used for: one is open, one is for rounding.
const SLOTS_AHEAD: u64 = 62;
/// How far the wheel sees: some 2^36 ticks, two years of milliseconds. What lies beyond waits in the top level and is
/// looked at again.
const RANGE: u64 = SLOTS_AHEAD << (SLOT_BITS * (LEVELS - 1));
/// The list of entries on their way down to a lower level.
const FALLING: u32 = LEVELS * SLOTS;
/// The list of entries that are due and wait to be taken.
const DUE: u32 = FALLING + 1;
/// Above this many slots an emptied slab gives its memory back.
const KEPT_SLOTS: usize = 4096;

const _: () = assert!(HEADS == DUE + 1);

/// Bits of a tick below the slots of a level.
fn shift(level: u32) -> u32 {
    SLOT_BITS * level
}

/// How long before its beginning a slot of this level is opened: so long that its last entry is just within the reach of
/// the level below.
fn early(level: u32) -> u64 {
    match level {
        0 => 0,
        _ => (SLOTS_AHEAD - (1 << SLOT_BITS)) << shift(level - 1),
    }
}

/// The slot of its level that the `number`th slot's length of all time is.
#[expect(clippy::cast_possible_truncation, reason = "below 64")]
fn slot(number: u64) -> u32 {
    (number % u64::from(SLOTS)) as u32
}

/// A timer that went off.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fired<T> {
    pub(crate) id: TimerId,
    /// The tick it was due at.
    pub(crate) deadline: u64,
    pub(crate) value: T,
}

/// What to insert: when it is due, how often again, whom it belongs to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Schedule {
    pub(crate) deadline: u64,
    pub(crate) period: Option<NonZeroU64>,
    pub(crate) owner: Option<Pid>,
}

/// Timers by deadline, by id and by owner.
pub(crate) struct Wheel<T> {
    slab: Slab<T>,
    /// One bit a slot: set while the slot's list is not empty.
    occupied: [u64; LEVELS as usize],
    /// The last tick that is fully worked off into `FALLING` and `DUE`.
    elapsed: u64,
    /// All in `FALLING` are due at this tick or later; stays ahead of `elapsed` while there are any.
    falling_until: u64,
    /// The next tick at which there is something to do; may be too early after a cancel, never too late.
    next_wake: u64,
    /// The first timer of each owner's list.
    owners: PidMap<u32>,
    /// How a periodic timer makes the value of one firing.
    copy: fn(&T) -> T,
}

impl<T> Wheel<T> {
    pub(crate) fn new(copy: fn(&T) -> T) -> Self {
        Self {
            slab: Slab::new(),
            occupied: [0; LEVELS as usize],
            elapsed: 0,
            falling_until: u64::MAX,
            next_wake: u64::MAX,
            owners: PidMap::default(),
            copy,
        }
    }

    /// How many timers are pending.
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// The next tick at which [`Wheel::advance`] has something to do: a timer to fire or to move nearer.
    pub(crate) fn next_wake(&self) -> Option<u64> {
        if !self.slab.is_empty_list(FALLING) || !self.slab.is_empty_list(DUE) {
            return Some(self.elapsed);
        }
        (self.slab.len() != 0).then_some(self.next_wake)
    }

    /// Adds a timer, or gives the value back when [`TIMERS_MAX`] timers are pending.
    pub(crate) fn insert(&mut self, now: u64, schedule: Schedule, value: T) -> Result<TimerId, T> {
        if self.slab.len() >= TIMERS_MAX as usize {
            return Err(value);
        }
        if self.slab.len() == 0 {
            self.next_wake = u64::MAX;
        }
        if now < self.next_wake && self.slab.is_empty_list(FALLING) {
            // Nothing happens up to `now`, so the wheel may as well stand there: the new entry lands in a lower level.
            self.elapsed = self.elapsed.max(now);
        }
        let Schedule { deadline, period, owner } = schedule;
        let index = self.slab.insert(Entry::new(deadline, period, owner, value));
        self.place(index, deadline);
        if let Some(owner) = owner {
            self.join_owner(index, owner);
        }
        Ok(self.slab.id(index))
    }

    /// Takes a pending timer out; `None` when it fired, was cancelled, or never was.
    pub(crate) fn cancel(&mut self, id: TimerId) -> Option<T> {
        let index = self.slab.find(id)?;
        Some(self.remove(index))
    }

    /// Takes out all timers of one owner.
    pub(crate) fn cancel_owner(&mut self, owner: Pid) -> Vec<T> {
        let mut values = Vec::new();
        while let Some(&index) = self.owners.get(&owner) {
            values.push(self.remove(index));
        }
        values
    }

    /// Takes out everything.
    pub(crate) fn clear(&mut self) -> Vec<T> {
        let elapsed = self.elapsed;
        let values = self.slab.drain();
        *self =
            Self { elapsed, slab: std::mem::replace(&mut self.slab, Slab::new()), ..Self::new(self.copy) };
        values
    }

    /// Moves time on to `now` and puts what is due into `fired`, oldest tick first. Stops after `steps_max` entries
    /// fired or moved, so that the caller can let go of a lock; true when there is more to do.
    pub(crate) fn advance(&mut self, now: u64, steps_max: usize, fired: &mut Vec<Fired<T>>) -> bool {
        let mut steps_left = steps_max;
        loop {
            while let Some(index) = self.slab.first(DUE) {
                if steps_left == 0 {
                    return true;
                }
                steps_left -= 1;
                fired.push(self.fire(index, now));
            }
            self.next_wake = self.next_event();
            let is_falling = !self.slab.is_empty_list(FALLING);
            if is_falling && self.next_wake.min(now) >= self.falling_until {
                // They must have fallen before time goes on.
                if !self.let_fall(&mut steps_left) {
                    return true;
                }
            } else if self.next_wake <= now {
                self.elapsed = self.next_wake;
                self.open_slots();
            } else {
                self.elapsed = self.elapsed.max(now);
                self.let_fall(&mut steps_left);
                return is_falling;
            }
        }
    }

    /// Moves entries to lower levels, at most `steps_left`; true when all have fallen.
    fn let_fall(&mut self, steps_left: &mut usize) -> bool {
        while let Some(index) = self.slab.first(FALLING) {
            if *steps_left == 0 {
                return false;
            }
            *steps_left -= 1;
            self.slab.unlink(index);
            self.place(index, self.slab.entry(index).deadline);
        }
        true
    }

    /// When the next slot that has entries is to be opened.
    fn next_event(&self) -> u64 {
        let levels = (0..LEVELS).zip(self.occupied).filter(|(_, occupied)| *occupied != 0);
        let events = levels.map(|(level, occupied)| {
            let opened = (self.elapsed + early(level)) >> shift(level);
            let ahead = occupied.rotate_right(slot(opened) + 1).trailing_zeros() + 1;
            ((opened + u64::from(ahead)) << shift(level)) - early(level)
        });
        events.min().unwrap_or(u64::MAX)
    }

    /// Moves the slots that are to be opened at `elapsed` to the lists that `advance` works off.
    fn open_slots(&mut self) {
        for level in 0..LEVELS {
            let begin = self.elapsed + early(level);
            let slot = slot(begin >> shift(level));
            let occupied = &mut self.occupied[level as usize];
            if begin.trailing_zeros() < shift(level) || *occupied & 1 << slot == 0 {
                continue;
            }
            *occupied &= !(1 << slot);
            if level == 0 {
                self.slab.splice(slot, DUE);
                continue;
            }
            if self.slab.is_empty_list(FALLING) {
                self.falling_until = u64::MAX;
            }
            self.falling_until = self.falling_until.min(begin);
            self.slab.splice(level * SLOTS + slot, FALLING);
        }
    }

    /// Puts an entry into the lowest level that reaches its deadline, or among those that are due.
    fn place(&mut self, index: u32, deadline: u64) {
        if deadline <= self.elapsed {
            self.slab.link(DUE, index);
            return;
        }
        let distance = (deadline - self.elapsed).min(RANGE - 1);
        let level = (distance / SLOTS_AHEAD).checked_ilog2().map_or(0, |log| log / SLOT_BITS + 1);
        let begin = (self.elapsed + distance) >> shift(level);
        self.occupied[level as usize] |= 1 << slot(begin);
        self.next_wake = self.next_wake.min((begin << shift(level)) - early(level));
        self.slab.link(level * SLOTS + slot(begin), index);
    }

    /// The firing of a due entry, which is armed again if it is periodic: on its own beat, missed beats left out.
    fn fire(&mut self, index: u32, now: u64) -> Fired<T> {
        let (id, deadline, period) =
            (self.slab.id(index), self.slab.entry(index).deadline, self.slab.entry(index).period);
        let Some(period) = period else {
            return Fired { id, deadline, value: self.remove(index) };
        };
        let beats = now.saturating_sub(deadline) / period + 1;
        let next = deadline.saturating_add(beats.saturating_mul(period.get()));
        let value = (self.copy)(self.slab.value(index));
        self.slab.entry_mut(index).deadline = next;
        self.slab.unlink(index);
        self.place(index, next);
        Fired { id, deadline, value }
    }

    fn remove(&mut self, index: u32) -> T {
        if let Some(head) = self.slab.unlink(index)
            && head < FALLING
        {
            self.occupied[(head / SLOTS) as usize] &= !(1 << (head % SLOTS));
        }
        self.leave_owner(index);
        self.slab.remove(index)
    }

    fn join_owner(&mut self, index: u32, owner: Pid) {
        if let Some(first) = self.owners.insert(owner, index) {
            self.slab.entry_mut(first).owner_previous = index;
            self.slab.entry_mut(index).owner_next = first;
        }
    }

    fn leave_owner(&mut self, index: u32) {
        let entry = self.slab.entry(index);
        let (Some(owner), previous, next) = (entry.owner, entry.owner_previous, entry.owner_next) else {
            return;
        };
        if next != NIL {
            self.slab.entry_mut(next).owner_previous = previous;
        }
        match (previous, next) {
            (NIL, NIL) => drop(self.owners.remove(&owner)),
            (NIL, _) => drop(self.owners.insert(owner, next)),
            _ => self.slab.entry_mut(previous).owner_next = next,
        }
    }

    /// The memory of a large wheel that is empty, for the caller to free where it holds nobody up: 100 MB take 5 ms.
    pub(crate) fn take_unused(&mut self) -> Option<impl Sized + use<T>> {
        let is_unused = self.slab.len() == 0 && self.slab.capacity() > KEPT_SLOTS;
        is_unused.then(|| (self.slab.take_chunks(), std::mem::take(&mut self.owners)))
    }
}

#[cfg(test)]
#[path = "wheel_tests.rs"]
mod tests;
