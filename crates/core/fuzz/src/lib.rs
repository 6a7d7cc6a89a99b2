//! The decoders of the wire alone, included from core by their paths, so that they are built for fuzzing in seconds.
#![expect(dead_code, reason = "connections and tests use the rest")]

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
