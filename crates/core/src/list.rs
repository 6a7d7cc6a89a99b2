//! List: the messages that an owner took from its mailbox.
//!
//! Senders link newest first and an owner handles oldest first, so what is taken must be turned around, which takes a
//! look at every node. A million of them would take some 10 ms and hold up everybody else on the lane: a list turns at
//! most [`TURN_MAX`] at a time, and its owner gives the others their turn in between.

use std::ptr::NonNull;

use crate::node::{Link, Node};

/// Nodes turned around at a time: some 40 µs where none of them is in a cache.
const TURN_MAX: usize = 4096;
/// The pointer of a list leads to a [`Turning`].
const TURNING: usize = 1;

/// Messages taken from a mailbox, oldest first. One word, as every actor has one: null, the oldest node, or a boxed
/// [`Turning`] with its lowest bit set.
pub(crate) struct List {
    first: *mut Link,
}

/// A list on its way: what is turned already is linked oldest first, what is left newest first.
struct Turning {
    turned: *mut Link,
    left: *mut Link,
}

// SAFETY: a list owns its nodes, and `Incoming` is `Send`.
unsafe impl Send for List {}

impl Default for List {
    fn default() -> Self {
        Self { first: std::ptr::null_mut() }
    }
}

impl Turning {
    /// Turns at most so many; true when none is left.
    fn turn(&mut self, nodes: usize) -> bool {
        for _ in 0..nodes {
            if self.left.is_null() {
                return true;
            }
            // SAFETY: the list was taken whole, so its nodes are ours alone.
            let older = unsafe { std::mem::replace(&mut (*self.left).next, self.turned) };
            self.turned = self.left;
            self.left = older;
        }
        self.left.is_null()
    }
}

impl List {
    /// Takes over a chain, and turns as much of it as may be turned at a time.
    pub(crate) fn from_newest(newest: *mut Link) -> Self {
        let mut turning = Turning { turned: std::ptr::null_mut(), left: newest };
        if turning.turn(TURN_MAX) {
            return Self { first: turning.turned };
        }
        Self { first: Box::into_raw(Box::new(turning)).map_addr(|address| address | TURNING).cast() }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// Whether messages are there that [`List::pop_soon`] does not reach yet.
    #[inline]
    pub(crate) fn is_turning(&self) -> bool {
        self.first.addr() & TURNING != 0
    }

    fn turn(&mut self, nodes: usize) {
        let turning = self.first.map_addr(|address| address & !TURNING).cast::<Turning>();
        // SAFETY: with the bit set, the pointer came from a box in `from_newest` and is ours.
        unsafe {
            if (*turning).turn(nodes) {
                self.first = Box::from_raw(turning).turned;
            }
        }
    }

    #[cold]
    fn turn_all(&mut self) {
        self.turn(usize::MAX);
    }

    /// The oldest message, if it can be reached without holding everybody up: `None` also while the list
    /// [is turning](List::is_turning). Each call turns some more of it.
    #[inline]
    pub(crate) fn pop_soon(&mut self) -> Option<Node> {
        if self.is_turning() {
            self.turn(TURN_MAX);
            if self.is_turning() {
                return None;
            }
        }
        self.pop_first()
    }

    /// The oldest message.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Node> {
        if self.is_turning() {
            self.turn_all();
        }
        self.pop_first()
    }

    #[inline]
    fn pop_first(&mut self) -> Option<Node> {
        let first = NonNull::new(self.first)?;
        // SAFETY: the list owns its nodes, and lets go of this one.
        unsafe {
            self.first = first.as_ref().next;
            Some(Node::from_raw(first))
        }
    }

    #[cold]
    fn clear(&mut self) {
        while self.pop().is_some() {}
    }

    /// Puts a message before all others.
    pub(crate) fn push_front(&mut self, node: Node) {
        if self.is_turning() {
            self.turn_all();
        }
        let first = node.into_raw();
        // SAFETY: a node that was ours, and is the list's from here on.
        unsafe { (*first).next = self.first };
        self.first = first;
    }
}

impl Drop for List {
    #[inline]
    fn drop(&mut self) {
        if !self.is_empty() {
            self.clear();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::message::Message;
    use crate::node::Queued;
    use crate::payload::Payload;

    /// The nodes of messages that hold their own numbers, as senders link them.
    fn chain(count: usize) -> *mut Link {
        (0..count).fold(std::ptr::null_mut(), |newest, number| {
            let message = Message::new(Payload::copy_from(&number.to_le_bytes()));
            before(newest, Node::new(1, message))
        })
    }

    /// The node with its link set, as a sender does.
    fn before(older: *mut Link, node: Node) -> *mut Link {
        let raw = node.into_raw();
        // SAFETY: nobody else has it.
        unsafe { (*raw).next = older };
        raw
    }

    fn message(node: Node) -> Message {
        Queued::new(node).expect("a message of a user").into_message()
    }

    fn number(node: Node) -> usize {
        usize::from_le_bytes(message(node).payload().as_slice().try_into().expect("a number"))
    }

    #[test]
    fn a_list_of_any_length_gives_the_oldest_first() {
        for count in [0, 1, TURN_MAX - 1, TURN_MAX, TURN_MAX + 1, 3 * TURN_MAX, 10 * TURN_MAX + 7] {
            let mut list = List::from_newest(chain(count));
            let mut waits = 0;
            for expected in 0..count {
                let mut popped = list.pop_soon();
                while popped.is_none() && list.is_turning() {
                    waits += 1;
                    popped = list.pop_soon();
                }
                assert_eq!(popped.map(number), Some(expected));
            }
            assert_eq!(waits, count.div_ceil(TURN_MAX).saturating_sub(2), "of {count}");
            assert!(list.pop_soon().is_none() && list.is_empty());
        }
    }

    #[test]
    fn who_cannot_wait_gets_the_oldest_at_once() {
        let mut list = List::from_newest(chain(3 * TURN_MAX));
        let numbers: Vec<_> = std::iter::from_fn(|| list.pop()).map(number).collect();
        assert!(numbers.into_iter().eq(0..3 * TURN_MAX));
    }

    #[test]
    fn what_is_put_back_to_a_turning_list_comes_first() {
        let mut list = List::from_newest(chain(2 * TURN_MAX));
        assert!(list.is_turning());
        // SAFETY: a chain of one node that nobody else has.
        list.push_front(unsafe { Node::from_raw(NonNull::new(chain(1)).expect("a node")) });
        let numbers: Vec<_> = std::iter::from_fn(|| list.pop()).map(number).collect();
        assert_eq!(numbers.len(), 2 * TURN_MAX + 1);
        assert_eq!(numbers[..3], [0, 0, 1]);
    }

    #[test]
    fn a_list_dropped_in_mid_turn_drops_its_messages() {
        let bytes = bytes::Bytes::from(vec![0; 100]);
        let mut newest = std::ptr::null_mut();
        for _ in 0..2 * TURN_MAX {
            newest = before(newest, Node::new(1, Message::new(Payload::from(bytes.clone()))));
        }
        drop(List::from_newest(newest));
        assert!(bytes.is_unique());
    }
}
