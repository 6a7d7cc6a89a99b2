//! Timer slab: the memory of the wheel: entries in chunks that never move, and the lists that run through them.
//!
//! A node is a list head (below [`HEADS`]) or an entry; lists are circular, so linking and unlinking never ask where
//! a list begins. A slot that is reused gets a new generation; one whose generations are used up is retired.

use std::num::NonZeroU64;

use crate::pid::Pid;
use crate::timer_id::{GENERATION_MAX, TimerId};

/// Nodes that are list heads: 7 levels of 64 slots and two lists more.
pub(crate) const HEADS: u32 = 7 * 64 + 2;
/// No node.
pub(crate) const NIL: u32 = u32::MAX;
/// Entries a chunk: the slab grows by some 25 kB at a time and copies nothing.
const CHUNK: usize = 256;

#[derive(Clone, Copy)]
struct Links {
    previous: u32,
    next: u32,
}

/// One timer, or a free slot (no value; `links.next` leads to the next free one).
pub(crate) struct Entry<T> {
    links: Links,
    generation: u32,
    pub(crate) owner_previous: u32,
    pub(crate) owner_next: u32,
    pub(crate) owner: Option<Pid>,
    pub(crate) deadline: u64,
    pub(crate) period: Option<NonZeroU64>,
    value: Option<T>,
}

impl<T> Entry<T> {
    pub(crate) fn new(deadline: u64, period: Option<NonZeroU64>, owner: Option<Pid>, value: T) -> Self {
        let links = Links { previous: NIL, next: NIL };
        Self {
            links,
            generation: 0,
            owner_previous: NIL,
            owner_next: NIL,
            owner,
            deadline,
            period,
            value: Some(value),
        }
    }
}

/// Entries by index, found again by id.
pub(crate) struct Slab<T> {
    heads: Box<[Links]>,
    chunks: Vec<Vec<Entry<T>>>,
    free: u32,
    len: usize,
    /// The generation of a slot's first timer; rises when memory is released, so that old ids stay unknown.
    generation_first: u32,
    /// The largest generation given out.
    generation_last: u32,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        let heads = (0..HEADS).map(|head| Links { previous: head, next: head }).collect();
        Self { heads, chunks: Vec::new(), free: NIL, len: 0, generation_first: 1, generation_last: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Slots that have memory.
    pub(crate) fn capacity(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    pub(crate) fn entry(&self, index: u32) -> &Entry<T> {
        let slot = (index - HEADS) as usize;
        &self.chunks[slot / CHUNK][slot % CHUNK]
    }

    pub(crate) fn entry_mut(&mut self, index: u32) -> &mut Entry<T> {
        let slot = (index - HEADS) as usize;
        &mut self.chunks[slot / CHUNK][slot % CHUNK]
    }

    pub(crate) fn value(&self, index: u32) -> &T {
        self.entry(index).value.as_ref().expect("a linked entry has a value")
    }

    pub(crate) fn id(&self, index: u32) -> TimerId {
        TimerId::new(index - HEADS, self.entry(index).generation)
    }

    /// The index of a pending timer.
    pub(crate) fn find(&self, id: TimerId) -> Option<u32> {
        let slot = id.slot() as usize;
        let entry = self.chunks.get(slot / CHUNK)?.get(slot % CHUNK)?;
        (entry.generation == id.generation() && entry.value.is_some()).then_some(id.slot() + HEADS)
    }

    /// Stores an entry in a free slot, in no list yet.
    pub(crate) fn insert(&mut self, mut entry: Entry<T>) -> u32 {
        self.len += 1;
        let index = if self.free == NIL {
            entry.generation = self.generation_first;
            self.append(entry)
        } else {
            let index = self.free;
            let vacant = self.entry_mut(index);
            entry.generation = vacant.generation + 1;
            let next = vacant.links.next;
            *vacant = entry;
            self.free = next;
            index
        };
        self.generation_last = self.generation_last.max(self.entry(index).generation);
        index
    }

    fn append(&mut self, entry: Entry<T>) -> u32 {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let last = self.chunks.len() - 1;
        let chunk = &mut self.chunks[last];
        let slot = last * CHUNK + chunk.len();
        chunk.push(entry);
        HEADS + u32::try_from(slot).expect("TIMERS_MAX fits into 32 bits")
    }

    /// Frees the slot of an entry that is in no list.
    pub(crate) fn remove(&mut self, index: u32) -> T {
        self.len -= 1;
        let free = self.free;
        let entry = self.entry_mut(index);
        let value = entry.value.take().expect("a pending timer has a value");
        if entry.generation < GENERATION_MAX {
            entry.links.next = free;
            self.free = index;
        }
        value
    }

    /// Takes every value and forgets every list.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        let entries = self.chunks.iter_mut().flatten();
        let values = entries.filter_map(|entry| entry.value.take()).collect();
        self.len = 0;
        self.heads = Self::new().heads;
        drop(self.take_chunks());
        values
    }

    /// Gives the chunks out, if no timer is pending and generations enough are left to start above all that were used.
    pub(crate) fn take_chunks(&mut self) -> Vec<Vec<Entry<T>>> {
        debug_assert!(self.len == 0);
        if self.generation_last >= GENERATION_MAX / 2 {
            return Vec::new();
        }
        self.generation_first = self.generation_last + 1;
        self.free = NIL;
        std::mem::take(&mut self.chunks)
    }

    pub(crate) fn is_empty_list(&self, head: u32) -> bool {
        self.heads[head as usize].next == head
    }

    pub(crate) fn first(&self, head: u32) -> Option<u32> {
        let first = self.heads[head as usize].next;
        (first != head).then_some(first)
    }

    /// Appends an entry to a list.
    pub(crate) fn link(&mut self, head: u32, index: u32) {
        let previous = self.heads[head as usize].previous;
        self.entry_mut(index).links = Links { previous, next: head };
        self.links_mut(previous).next = index;
        self.heads[head as usize].previous = index;
    }

    /// Takes an entry out of its list; the list's head if that left it empty.
    pub(crate) fn unlink(&mut self, index: u32) -> Option<u32> {
        let Links { previous, next } = self.entry(index).links;
        self.links_mut(previous).next = next;
        self.links_mut(next).previous = previous;
        (previous == next && next < HEADS).then_some(next)
    }

    /// Moves all entries of one list to the end of another.
    pub(crate) fn splice(&mut self, from: u32, to: u32) {
        let Links { previous: last, next: first } = self.heads[from as usize];
        if first == from {
            return;
        }
        let before = self.heads[to as usize].previous;
        self.links_mut(before).next = first;
        self.links_mut(first).previous = before;
        self.links_mut(last).next = to;
        self.heads[to as usize].previous = last;
        self.heads[from as usize] = Links { previous: from, next: from };
    }

    fn links_mut(&mut self, node: u32) -> &mut Links {
        if node < HEADS { &mut self.heads[node as usize] } else { &mut self.entry_mut(node).links }
    }
}
