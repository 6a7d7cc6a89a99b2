//! Node: one queued message, and the list of those that an owner took from its mailbox.
//!
//! Senders link newest first and an owner handles oldest first, so what is taken must be turned around, which takes a
//! look at every node. A million of them would take some 10 ms and hold up everybody else on the lane: a list turns at
//! most [`TURN_MAX`] at a time, and its owner gives the others their turn in between.

use std::mem::MaybeUninit;

use crate::message::{Incoming, Message};

/// Nodes turned around at a time: some 40 µs where none of them is in a cache.
const TURN_MAX: usize = 4096;
/// The pointer of a list leads to a [`Turning`].
const TURNING: usize = 1;

/// One queued message: a cache line.
#[repr(align(16))]
pub(crate) struct Node {
    pub(crate) next: *mut Node,
    pub(crate) generation: u32,
    pub(crate) incoming: Incoming,
}

impl Node {
    #[inline]
    pub(crate) fn new(generation: u32, incoming: Incoming) -> Box<Self> {
        // Written in place: built on the stack and moved, the message would be copied once more on the hot path.
        let mut node = Box::<Self>::new_uninit();
        let place = node.as_mut_ptr();
        // SAFETY: each field is written once, into memory that is ours, and all of them are.
        unsafe {
            (&raw mut (*place).next).write(std::ptr::null_mut());
            (&raw mut (*place).generation).write(generation);
            (&raw mut (*place).incoming).write(incoming);
            node.assume_init()
        }
    }
}

/// A node that holds a message of a user: it is moved from there to its handler at once.
pub(crate) struct Queued(Box<Node>);

impl Queued {
    /// A message that lay elsewhere.
    pub(crate) fn from_message(generation: u32, message: Message) -> Self {
        Self(Node::new(generation, Incoming::User(message)))
    }

    /// `None` for a notice of the runtime, which is dropped.
    #[inline]
    pub(crate) fn new(node: Box<Node>) -> Option<Self> {
        matches!(node.incoming, Incoming::User(_)).then(|| Self(node))
    }

    pub(crate) fn generation(&self) -> u32 {
        self.0.generation
    }

    #[inline]
    pub(crate) fn message(&self) -> &Message {
        match &self.0.incoming {
            Incoming::User(message) => message,
            Incoming::System(_) => unreachable!("looked at in `new`"),
        }
    }

    pub(crate) fn message_mut(&mut self) -> &mut Message {
        match &mut self.0.incoming {
            Incoming::User(message) => message,
            Incoming::System(_) => unreachable!("looked at in `new`"),
        }
    }

    pub(crate) fn into_node(self) -> Box<Node> {
        self.0
    }

    #[inline]
    pub(crate) fn into_message(self) -> Message {
        let message: *const Message = self.message();
        let node = Box::into_raw(self.0).cast::<MaybeUninit<Node>>();
        // SAFETY: the message is read once from a node that is ours, which is given back then without a look into it.
        unsafe {
            let message = message.read();
            drop(Box::from_raw(node));
            message
        }
    }
}

/// Messages taken from a mailbox, oldest first. One word, as every actor has one: null, the oldest node, or a boxed
/// [`Turning`] with its lowest bit set.
pub(crate) struct List {
    first: *mut Node,
}

/// A list on its way: what is turned already is linked oldest first, what is left newest first.
struct Turning {
    turned: *mut Node,
    left: *mut Node,
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
    pub(crate) fn from_newest(newest: *mut Node) -> Self {
        let mut turning = Turning { turned: std::ptr::null_mut(), left: newest };
        if turning.turn(TURN_MAX) {
            return Self { first: turning.turned };
        }
        Self { first: Box::into_raw(Box::new(turning)).map_addr(|address| address | TURNING).cast() }
    }

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
    pub(crate) fn pop_soon(&mut self) -> Option<Box<Node>> {
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
    pub(crate) fn pop(&mut self) -> Option<Box<Node>> {
        if self.is_turning() {
            self.turn_all();
        }
        self.pop_first()
    }

    #[inline]
    fn pop_first(&mut self) -> Option<Box<Node>> {
        if self.first.is_null() {
            return None;
        }
        // SAFETY: the list owns its nodes, each of which came from a box.
        let node = unsafe { Box::from_raw(self.first) };
        self.first = node.next;
        Some(node)
    }

    /// Puts a message before all others.
    pub(crate) fn push_front(&mut self, mut node: Box<Node>) {
        if self.is_turning() {
            self.turn_all();
        }
        node.next = self.first;
        self.first = Box::into_raw(node);
    }
}

impl Drop for List {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::payload::Payload;

    /// The nodes of messages that hold their own numbers, as senders link them.
    fn chain(count: usize) -> *mut Node {
        (0..count).fold(std::ptr::null_mut(), |newest, number| {
            let message = Message::new(Payload::copy_from(&number.to_le_bytes()));
            let mut node = Node::new(1, Incoming::User(message));
            node.next = newest;
            Box::into_raw(node)
        })
    }

    fn number(node: &Node) -> usize {
        let Incoming::User(message) = &node.incoming else { panic!("a message of a user") };
        usize::from_le_bytes(message.payload().as_slice().try_into().expect("a number"))
    }

    #[test]
    fn a_node_is_a_cache_line() {
        assert_eq!(size_of::<Node>(), 64);
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
                assert_eq!(popped.map(|node| number(&node)), Some(expected));
            }
            assert_eq!(waits, count.div_ceil(TURN_MAX).saturating_sub(2), "of {count}");
            assert!(list.pop_soon().is_none() && list.is_empty());
        }
    }

    #[test]
    fn who_cannot_wait_gets_the_oldest_at_once() {
        let mut list = List::from_newest(chain(3 * TURN_MAX));
        let numbers: Vec<_> = std::iter::from_fn(|| list.pop()).map(|node| number(&node)).collect();
        assert!(numbers.into_iter().eq(0..3 * TURN_MAX));
    }

    #[test]
    fn what_is_put_back_to_a_turning_list_comes_first() {
        let mut list = List::from_newest(chain(2 * TURN_MAX));
        assert!(list.is_turning());
        // SAFETY: a chain of one node that nobody else has.
        list.push_front(unsafe { Box::from_raw(chain(1)) });
        let numbers: Vec<_> = std::iter::from_fn(|| list.pop()).map(|node| number(&node)).collect();
        assert_eq!(numbers.len(), 2 * TURN_MAX + 1);
        assert_eq!(numbers[..3], [0, 0, 1]);
    }

    #[test]
    fn a_list_dropped_in_mid_turn_drops_its_messages() {
        let bytes = bytes::Bytes::from(vec![0; 100]);
        let mut newest = std::ptr::null_mut();
        for _ in 0..2 * TURN_MAX {
            let mut node = Node::new(1, Incoming::User(Message::new(Payload::from(bytes.clone()))));
            node.next = newest;
            newest = Box::into_raw(node);
        }
        drop(List::from_newest(newest));
        assert!(bytes.is_unique());
    }
}
