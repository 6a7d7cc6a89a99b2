//! Node: one queued message, in as much memory as it needs.
//!
//! A million messages that wait are memory to be filled, turned around, and read again, and that costs more than all else
//! about them. So a node is a link and the words of a payload: half a cache line for up to 16 bytes or an object of a host
//! language, 48 bytes for any other payload. Only what has more to it, such as an ask, takes a whole line.

use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::{self, NonNull};

use crate::message::{Incoming, Message, Reply};
use crate::payload::{INLINE_MAX, Payload, PayloadKind, PayloadView, SHORT_MAX, Words};

/// The kind of a node that holds more than a payload.
const WHOLE: u32 = 0;

/// What every node begins with.
#[repr(C, align(16))]
pub(crate) struct Link {
    pub(crate) next: *mut Link,
    generation: u32,
    /// The code of the payload's kind, or [`WHOLE`].
    kind: u32,
}

/// A node of a payload alone.
#[repr(C)]
struct Plain<const WORDS: usize> {
    link: Link,
    words: [MaybeUninit<u64>; WORDS],
}

/// A node of a message with an answer awaited or a context, or of a notice.
#[repr(C)]
struct Whole {
    link: Link,
    incoming: Incoming,
}

type Short = Plain<{ SHORT_MAX / 8 }>;
type Long = Plain<{ INLINE_MAX / 8 }>;

const _: () = assert!(size_of::<Short>() == 32 && size_of::<Long>() == 48 && size_of::<Whole>() == 64);

/// One queued message, or notice.
pub(crate) struct Node(NonNull<Link>);

// SAFETY: a node owns what it holds, and `Incoming` is `Send`.
unsafe impl Send for Node {}

/// Writes a node in place: built on the stack and moved, the message would be copied once more on the hot path.
macro_rules! node {
    ($Kind:ident { $generation:expr, $kind:expr, $field:ident: $value:expr }) => {{
        let place: *mut $Kind = Box::into_raw(Box::<$Kind>::new_uninit()).cast();
        // SAFETY: each field is written once, into memory that is ours, and all of them are.
        unsafe {
            (&raw mut (*place).link).write(Link {
                next: ptr::null_mut(),
                generation: $generation,
                kind: $kind,
            });
            (&raw mut (*place).$field).write($value);
            Node(NonNull::new_unchecked(place.cast()))
        }
    }};
}

impl Node {
    #[inline]
    pub(crate) fn new(generation: u32, message: Message) -> Self {
        match message.into_plain() {
            Ok(payload) => Self::plain(generation, payload),
            Err(message) => Self::whole(generation, Incoming::User(message)),
        }
    }

    pub(crate) fn whole(generation: u32, incoming: Incoming) -> Self {
        node!(Whole { generation, WHOLE, incoming: incoming })
    }

    #[inline]
    fn plain(generation: u32, payload: Payload) -> Self {
        let (kind, words) = payload.into_parts();
        if kind.is_short() {
            let [first, second, ..] = words;
            node!(Short { generation, kind.code(), words: [first, second] })
        } else {
            node!(Long { generation, kind.code(), words: words })
        }
    }

    /// # Safety
    /// `link` came from [`Node::into_raw`] and is taken back once.
    #[inline]
    pub(crate) unsafe fn from_raw(link: NonNull<Link>) -> Self {
        Self(link)
    }

    #[inline]
    pub(crate) fn into_raw(self) -> *mut Link {
        ManuallyDrop::new(self).0.as_ptr()
    }

    fn link(&self) -> &Link {
        // SAFETY: ours, and every node begins with one.
        unsafe { self.0.as_ref() }
    }

    /// The actor it was sent to, of all that lived in the slot.
    #[inline]
    pub(crate) fn generation(&self) -> u32 {
        self.link().generation
    }

    /// What kind of payload it holds, if that is all.
    #[inline]
    fn kind(&self) -> Option<PayloadKind> {
        PayloadKind::from_code(self.link().kind)
    }

    /// What it holds beside a payload. The caller saw that it has no kind.
    #[inline]
    fn incoming(&self) -> *mut Incoming {
        debug_assert!(self.link().kind == WHOLE);
        // SAFETY: a node of this kind is a `Whole`; no reference is made.
        unsafe { &raw mut (*self.0.as_ptr().cast::<Whole>()).incoming }
    }

    /// A look at the payload. The words lie behind the link in a node of either length.
    #[inline]
    fn words(&self) -> *const MaybeUninit<u64> {
        // SAFETY: the words begin where the link ends, in the same allocation.
        unsafe { self.0.as_ptr().add(1).cast() }
    }

    #[inline]
    pub(crate) fn into_incoming(self) -> Incoming {
        match self.kind() {
            Some(kind) => Incoming::User(self.into_plain(kind)),
            None => self.into_whole(),
        }
    }

    /// The message of a node of this kind.
    #[inline]
    fn into_plain(self, kind: PayloadKind) -> Message {
        let node = ManuallyDrop::new(self);
        // Each message is written to where it goes, and then the memory is given back.
        // SAFETY: a short node has its first words, another has them all; they are read once, from a node that is given
        // back then without a look into it.
        unsafe {
            if kind.is_short() {
                let [first, second] = node.words().cast::<[MaybeUninit<u64>; SHORT_MAX / 8]>().read();
                let unused = MaybeUninit::uninit();
                let words = [first, second, unused, unused];
                let message = Message::new(Payload::from_parts(kind, words));
                node.free::<Short>();
                return message;
            }
            let message = Message::new(Payload::from_parts(kind, node.words().cast::<Words>().read()));
            node.free::<Long>();
            message
        }
    }

    /// What a node without a kind holds.
    fn into_whole(self) -> Incoming {
        let node = ManuallyDrop::new(self);
        // SAFETY: as in `into_plain`, of a `Whole`.
        unsafe {
            let incoming = node.incoming().read();
            node.free::<Whole>();
            incoming
        }
    }

    /// Gives the memory back.
    ///
    /// # Safety
    /// The node is a `T`, and what it holds was taken out or may be forgotten.
    #[inline]
    unsafe fn free<T>(&self) {
        // SAFETY: the caller's promise: it came from a box of this.
        drop(unsafe { Box::from_raw(self.0.as_ptr().cast::<MaybeUninit<T>>()) });
    }
}

impl Drop for Node {
    #[inline]
    fn drop(&mut self) {
        match self.kind() {
            // SAFETY: inline bytes need no drop, and short ones lie in a short node.
            Some(kind) if kind.is_short() && kind.is_inline() => unsafe { self.free::<Short>() },
            // SAFETY: `self` is not used again.
            _ => drop(unsafe { Self::from_raw(self.0) }.into_incoming()),
        }
    }
}

/// A node that holds a message of a user.
pub(crate) struct Queued(Node);

impl Queued {
    /// A message that lay elsewhere.
    pub(crate) fn from_message(generation: u32, message: Message) -> Self {
        Self(Node::new(generation, message))
    }

    /// `None` for a notice of the runtime, which is dropped.
    #[inline]
    pub(crate) fn new(node: Node) -> Option<Self> {
        // SAFETY: it has no kind, and nobody else has it.
        if node.kind().is_none() && matches!(unsafe { &*node.incoming() }, Incoming::System(_)) {
            return None;
        }
        Some(Self(node))
    }

    #[inline]
    pub(crate) fn generation(&self) -> u32 {
        self.0.generation()
    }

    /// The message, if there is more to it than its payload.
    #[inline]
    fn whole(&self) -> Option<&Message> {
        if self.0.kind().is_some() {
            return None;
        }
        // SAFETY: it has no kind, and is ours.
        match unsafe { &*self.0.incoming() } {
            Incoming::User(message) => Some(message),
            Incoming::System(_) => unreachable!("looked at in `new`"),
        }
    }

    #[inline]
    pub(crate) fn payload(&self) -> PayloadView<'_> {
        match (self.0.kind(), self.whole()) {
            // SAFETY: a node of this kind, borrowed as long as the view.
            (Some(kind), _) => unsafe { PayloadView::of_parts(kind, self.0.words()) },
            (None, Some(message)) => message.payload().view(),
            (None, None) => unreachable!("a node without a kind holds a message"),
        }
    }

    #[inline]
    pub(crate) fn is_expired(&self) -> bool {
        self.whole().is_some_and(Message::is_expired)
    }

    #[inline]
    pub(crate) fn wants_reply(&self) -> bool {
        self.whole().is_some_and(Message::wants_reply)
    }

    pub(crate) fn take_reply(&mut self) -> Option<Reply> {
        self.whole()?;
        // SAFETY: it has no kind, as it is whole, and is ours.
        match unsafe { &mut *self.0.incoming() } {
            Incoming::User(message) => message.take_reply(),
            Incoming::System(_) => None,
        }
    }

    pub(crate) fn into_node(self) -> Node {
        self.0
    }

    #[inline]
    pub(crate) fn into_message(self) -> Message {
        if let Some(kind) = self.0.kind() {
            return self.0.into_plain(kind);
        }
        match self.0.into_whole() {
            Incoming::User(message) => message,
            Incoming::System(_) => unreachable!("looked at in `new`"),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::payload::HostBytes;

    /// An object of a host that tells how many of it live.
    struct Counted(Arc<Vec<u8>>);

    // SAFETY: the vector is never changed, and an `Arc` of it may be dropped anywhere.
    unsafe impl HostBytes for Counted {
        fn into_raw(self) -> NonNull<()> {
            NonNull::new(Arc::into_raw(self.0).cast_mut().cast()).expect("never null")
        }

        unsafe fn from_raw(raw: NonNull<()>) -> Self {
            // SAFETY: the caller's promise.
            Self(unsafe { Arc::from_raw(raw.as_ptr().cast_const().cast()) })
        }

        unsafe fn slice<'a>(raw: NonNull<()>) -> &'a [u8] {
            // SAFETY: the caller's promise.
            unsafe { &*raw.as_ptr().cast_const().cast::<Vec<u8>>() }
        }
    }

    fn queued(payload: Payload) -> Queued {
        Queued::new(Node::new(7, Message::new(payload))).expect("a message of a user")
    }

    #[test]
    fn bytes_of_any_length_come_out_as_they_went_in() {
        let bytes: Vec<u8> = (1..=200).collect();
        for length in 0..bytes.len() {
            let expected = &bytes[..length];
            let queued = queued(Payload::copy_from(expected));
            assert_eq!((queued.generation(), queued.payload().as_slice()), (7, expected));
            let short = queued.payload().as_short().map(|(bytes, length)| (bytes.to_vec(), length));
            let mut padded = expected.to_vec();
            padded.resize(SHORT_MAX, 0);
            assert_eq!(short, (length <= SHORT_MAX).then_some((padded, length)));
            let message = queued.into_message();
            assert_eq!(message.payload().as_slice(), expected);
            let again = self::queued(message.into_payload());
            assert_eq!(again.into_message().into_payload().into_bytes(), expected);
        }
    }

    #[test]
    fn what_a_payload_shares_is_let_go_of_once() {
        let (shared, object) = (Bytes::from(vec![1; 100]), Arc::new(vec![2; 5]));
        for is_handled in [true, false] {
            let nodes =
                [queued(Payload::from(shared.clone())), queued(Payload::host(Counted(Arc::clone(&object))))];
            assert!(
                nodes[0].payload().shared().is_some() && nodes[1].payload().as_host::<Counted>().is_some()
            );
            assert_eq!(nodes[1].payload().as_slice(), [2; 5]);
            assert!(!shared.is_unique() && Arc::strong_count(&object) == 2);
            for node in nodes {
                if is_handled {
                    drop(node.into_message().into_payload());
                } else {
                    drop(node);
                }
            }
            assert!(shared.is_unique() && Arc::strong_count(&object) == 1);
        }
    }

    #[test]
    fn what_a_message_carries_beside_its_payload_comes_with_it() {
        let context: Box<dyn std::any::Any + Send> = Box::new(5);
        let node = Node::new(1, Message::with_extra(Payload::copy_from(b"x"), None, Some(context)));
        let queued = Queued::new(node).expect("a message of a user");
        assert_eq!(queued.payload().as_slice(), b"x");
        let mut message = queued.into_message();
        assert_eq!(message.take_context().and_then(|context| context.downcast().ok()), Some(Box::new(5)));
    }
}
