//! The decoders of the wire alone, included from core by their paths, so that they are built for fuzzing in seconds.
#![expect(dead_code, reason = "connections and tests use the rest")]

#[path = "../../src/mesh/datagram.rs"]
mod datagram;
#[path = "../../src/exit.rs"]
mod exit;
#[path = "../../src/mesh/frame.rs"]
mod frame;
#[path = "../../src/mesh/hello.rs"]
mod hello;
#[path = "../../src/mesh/malformed.rs"]
mod malformed;
#[path = "../../src/mesh/v1.rs"]
mod v1;

use chitchat::{ChitchatId, ChitchatMessage, Deserializable};
use datagram::{Admission, digest_bytes, look_through};
use frame::Frame;
use hello::{Handshake, Spoken};

/// What a node takes by default.
const PAYLOAD_MAX: usize = 1 << 20;

/// Reads frames until the bytes are no frame. What was read is written as it would be, and read again.
pub fn read_frames(mut bytes: &[u8]) {
    while let Ok(Some((frame, length))) = Frame::parse(bytes, PAYLOAD_MAX) {
        assert!((5..=bytes.len()).contains(&length));
        let mut written = Vec::new();
        frame.put(&mut written);
        assert!(matches!(frame, Frame::Skipped) || written.len() <= length);
        assert_eq!(Frame::parse(&written, PAYLOAD_MAX), Ok(Some((frame, written.len()))));
        bytes = &bytes[length..];
    }
}

/// The same for the steps of a handshake.
pub fn read_handshakes(mut bytes: &[u8]) {
    if let Some(first) = bytes.first() {
        let _ = Spoken::of(*first);
    }
    while let Ok(Some((step, length))) = Handshake::parse(bytes) {
        assert!((5..=bytes.len()).contains(&length));
        let written = step.bytes();
        assert_eq!(Handshake::parse(&written), Ok(Some((step, written.len()))));
        bytes = &bytes[length..];
    }
}

/// The same for what clients of version 1 say, who may say their version first.
pub fn read_old(mut bytes: &[u8]) {
    match v1::begins_with_version(bytes) {
        Some(true) => bytes = &bytes[1..],
        Some(false) => {}
        None => assert!(bytes.len() < 5, "five bytes tell"),
    }
    while let Ok(Some((_, length))) = v1::parse(bytes) {
        assert!((1..=bytes.len()).contains(&length));
        assert_eq!(v1::parse(&bytes[..length - 1]), Ok(None), "it was all needed");
        bytes = &bytes[length..];
    }
}

/// A node that hears of all and keeps all.
struct Open(ChitchatId);

impl Admission for Open {
    fn this(&self) -> &ChitchatId {
        &self.0
    }

    fn admits(&mut self, member: &ChitchatId, bytes: usize) -> bool {
        assert_eq!(digest_bytes(member), bytes);
        true
    }

    fn keeps(&mut self, bytes: usize) -> bool {
        assert!(bytes <= PAYLOAD_MAX << 2, "as much as is unpacked");
        true
    }
}

/// What members say is looked through, and what is left stays as it is when that is done again.
pub fn read_gossip(bytes: &[u8]) {
    let mut open = Open(ChitchatId::new("this".to_owned(), 1, ([127, 0, 0, 1], 9000).into()));
    let Ok(looked) = look_through(bytes, &mut open) else { return };
    let again = look_through(&looked.message, &mut open).expect("what is left is a message");
    assert_eq!((again.left_out, &again.message), (0, &looked.message));
    let _ = ChitchatMessage::deserialize(&mut looked.message.as_slice());
}
