//! Shelf: things JavaScript knows by a number until it fetches them.
//!
//! A number is given again only after 2^32 others, so a stale one, of a promise that settles after its actor was
//! restarted, finds nothing.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Numbers come one after the other: they are their own hash.
#[derive(Default)]
pub(crate) struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {}

    fn write_u32(&mut self, number: u32) {
        // The map looks at the high bits too: spread what is in the low ones.
        self.0 = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// Numbered things.
pub(crate) struct Shelf<T> {
    things: HashMap<u32, T, BuildHasherDefault<Itself>>,
    next: u32,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { things: HashMap::default(), next: 0 }
    }
}

impl<T> Shelf<T> {
    /// Keeps a thing; its number.
    pub(crate) fn put(&mut self, thing: T) -> u32 {
        let number = self.next_number();
        self.things.insert(number, thing);
        number
    }

    /// A number that is free, for a thing that must know it before it is made.
    pub(crate) fn next_number(&mut self) -> u32 {
        loop {
            self.next = self.next.wrapping_add(1);
            if !self.things.contains_key(&self.next) {
                return self.next;
            }
        }
    }

    /// Keeps a thing under a number from [`Shelf::next_number`].
    pub(crate) fn put_as(&mut self, number: u32, thing: T) {
        self.things.insert(number, thing);
    }

    /// The thing with this number, looked at.
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.things.get_mut(&number)
    }

    /// The thing with this number, taken away.
    pub(crate) fn take(&mut self, number: u32) -> Option<T> {
        self.things.remove(&number)
    }

    /// How many things are kept.
    pub(crate) fn len(&self) -> usize {
        self.things.len()
    }

    /// Drops the things for which `keep` is false.
    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.things.retain(|_, thing| keep(thing));
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.things.clear();
    }
}
