//! Frames there and back, golden bytes, and garbage.

use proptest::prelude::*;

use super::*;

const PAYLOAD_MAX: usize = 1 << 20;

fn bytes_of(frame: &Frame<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    frame.put(&mut out);
    out
}

fn failure() -> Arc<Failure> {
    Arc::new(Failure { kind: "E".into(), message: "m".into(), traceback: "t".into() })
}

/// Every frame with its bytes: what docs/protocol.md promises to peers written in other languages.
fn golden() -> Vec<(&'static str, Frame<'static>)> {
    vec![
        ("0000000b10000001000000000768 69", Frame::Send { target: 0x0000_0100_0000_0007, payload: b"hi" }),
        (
            "00000017 11 0000000000000001 0000010000000007 00001388 6869",
            Frame::Ask { id: 1, target: 0x0000_0100_0000_0007, timeout_ms: 5000, payload: b"hi" },
        ),
        ("0000000b 12 0000000000000001 6869", Frame::Reply { id: 1, payload: b"hi" }),
        ("00000011 20 0000000000000082 0000000000000001", Frame::Beat { returned: 130, received: 1 }),
        ("00000009 21 0000000000000009", Frame::Ping { nonce: 9 }),
        ("00000009 22 0000000000000009", Frame::Pong { nonce: 9 }),
        ("0000000a 23 0000010000000007 00", Frame::Nack { target: 0x0000_0100_0000_0007, refusal: 0 }),
        ("0000000e 24 0000000000000001 06 0002 6e6f", Frame::ReplyError { id: 1, kind: 6, message: "no" }),
        ("0000000f 30 0000000000000002 0004 6d61696c", Frame::Resolve { id: 2, name: "mail" }),
        (
            "00000011 31 0000000000000003 0000010000000007",
            Frame::Watch { id: 3, target: 0x0000_0100_0000_0007 },
        ),
        ("00000011 32 0000000000000002 0000010000000007", Frame::Found { id: 2, pid: 0x0000_0100_0000_0007 }),
        (
            "0000000a 33 0000010000000007 00",
            Frame::Exit { pid: 0x0000_0100_0000_0007, reason: ExitReason::Normal },
        ),
        (
            "00000013 33 0000010000000007 03 0001 45 0001 6d 0001 74",
            Frame::Exit { pid: 0x0000_0100_0000_0007, reason: ExitReason::Crash(failure()) },
        ),
        (
            "00000011 34 0000010000000007 0000010000000008",
            Frame::Link { yours: 0x0000_0100_0000_0007, mine: 0x0000_0100_0000_0008 },
        ),
        (
            "00000011 35 0000010000000007 0000010000000008",
            Frame::Unlink { yours: 0x0000_0100_0000_0007, mine: 0x0000_0100_0000_0008 },
        ),
        ("00000009 36 0000010000000007", Frame::Stop { target: 0x0000_0100_0000_0007 }),
        ("0000000a 37 0003 683a31 0002 6869", Frame::Gossip { from: "h:1", message: b"hi" }),
        ("00000006 3f 0003 627965", Frame::Goodbye { message: "bye" }),
    ]
}

fn from_hex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| *byte != b' ').collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn frames_are_these_bytes() {
    for (hex, frame) in golden() {
        let bytes = from_hex(hex);
        assert_eq!(bytes_of(&frame), bytes, "{frame:?}");
        assert_eq!(Frame::parse(&bytes, PAYLOAD_MAX), Ok(Some((frame, bytes.len()))));
    }
}

#[test]
fn a_frame_that_is_not_all_there_is_waited_for() {
    for (hex, frame) in golden() {
        let bytes = from_hex(hex);
        for length in 0..bytes.len() {
            assert_eq!(Frame::parse(&bytes[..length], PAYLOAD_MAX), Ok(None), "{length} bytes of {frame:?}");
        }
    }
}

#[test]
fn a_body_that_is_cut_is_malformed() {
    for (hex, frame) in golden() {
        if matches!(frame, Frame::Send { .. } | Frame::Ask { .. } | Frame::Reply { .. }) {
            continue;
        }
        let mut bytes = from_hex(hex);
        bytes.pop();
        let length = u32::try_from(bytes.len() - 4).unwrap();
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        assert_eq!(Frame::parse(&bytes, PAYLOAD_MAX), Err(Malformed::Short { kind: bytes[4] }), "{frame:?}");
    }
}

#[test]
fn later_versions_may_say_more() {
    for (hex, frame) in golden() {
        if matches!(frame, Frame::Send { .. } | Frame::Ask { .. } | Frame::Reply { .. }) {
            continue;
        }
        let mut bytes = from_hex(hex);
        bytes.extend_from_slice(b"more");
        let length = u32::try_from(bytes.len() - 4).unwrap();
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        assert_eq!(Frame::parse(&bytes, PAYLOAD_MAX), Ok(Some((frame, bytes.len()))));
    }
    assert_eq!(Frame::parse(&[0, 0, 0, 2, 0x80, 1], PAYLOAD_MAX), Ok(Some((Frame::Skipped, 6))));
}

#[test]
fn lengths_have_edges() {
    let whole = vec![7; PAYLOAD_MAX];
    let fits = bytes_of(&Frame::Send { target: 1, payload: &whole });
    assert!(
        matches!(Frame::parse(&fits, PAYLOAD_MAX), Ok(Some((Frame::Send { payload, .. }, _))) if payload == whole)
    );
    let more = vec![7; PAYLOAD_MAX + 1];
    let beyond = bytes_of(&Frame::Send { target: 1, payload: &more });
    let error = Malformed::TooLong { length: PAYLOAD_MAX + 1, limit: PAYLOAD_MAX };
    assert_eq!(Frame::parse(&beyond, PAYLOAD_MAX), Err(error));
    for (head, expected) in [
        (vec![0, 0, 0, 0], Err(Malformed::Empty)),
        (vec![0, 0, 0, 1], Ok(None)),
        (vec![0, 0, 0, 1, 0x01], Err(Malformed::UnknownKind(1))),
        (vec![0, 0, 0, 1, 0x7f], Err(Malformed::UnknownKind(0x7f))),
        (vec![0, 1, 0, 0, 0xff], Ok(None)),
        (vec![0, 1, 0, 1, 0xff], Err(Malformed::TooLong { length: 65_537, limit: PLAIN_MAX })),
        (vec![0xff; 5], Err(Malformed::TooLong { length: 0xffff_ffff, limit: PLAIN_MAX })),
        (
            vec![0xff, 0xff, 0xff, 0xff, 0x10],
            Err(Malformed::TooLong { length: 0xffff_ffff, limit: PAYLOAD_MAX + 32 }),
        ),
    ] {
        assert_eq!(Frame::parse(&head, PAYLOAD_MAX), expected, "{head:?}");
    }
}

#[test]
fn long_texts_are_cut_at_a_character() {
    let message = "é".repeat(TEXT_MAX);
    let bytes = bytes_of(&Frame::Goodbye { message: &message });
    let Ok(Some((Frame::Goodbye { message: read }, _))) = Frame::parse(&bytes, PAYLOAD_MAX) else {
        panic!("no goodbye in {bytes:?}")
    };
    assert_eq!(read, "é".repeat(TEXT_MAX / 2));
}

fn reasons() -> impl Strategy<Value = ExitReason> {
    let failure = ("[a-zé]{0,40}", "\\PC{0,80}", "\\PC{0,200}")
        .prop_map(|(kind, message, traceback)| Arc::new(Failure { kind, message, traceback }));
    prop_oneof![
        Just(ExitReason::Normal),
        Just(ExitReason::Killed),
        Just(ExitReason::NodeDown),
        Just(ExitReason::NameConflict),
        failure.clone().prop_map(ExitReason::Panic),
        failure.prop_map(ExitReason::Crash),
    ]
}

proptest! {
    #[test]
    fn messages_come_back(a: u64, b: u64, timeout_ms: u32, payload in prop::collection::vec(any::<u8>(), 0..300)) {
        let payload = payload.as_slice();
        for frame in [
            Frame::Send { target: a, payload },
            Frame::Ask { id: a, target: b, timeout_ms, payload },
            Frame::Reply { id: a, payload },
        ] {
            let bytes = bytes_of(&frame);
            prop_assert_eq!(Frame::parse(&bytes, PAYLOAD_MAX), Ok(Some((frame, bytes.len()))));
        }
    }

    #[test]
    fn exits_come_back(pid: u64, reason in reasons()) {
        let frame = Frame::Exit { pid, reason };
        let bytes = bytes_of(&frame);
        prop_assert_eq!(Frame::parse(&bytes, PAYLOAD_MAX), Ok(Some((frame, bytes.len()))));
    }

    #[test]
    fn garbage_is_refused_or_waited_for(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(Some((_, length))) = Frame::parse(&bytes, PAYLOAD_MAX) {
            prop_assert!(length <= bytes.len() && length >= 5);
        }
    }

    #[test]
    fn a_frame_with_one_wrong_byte_does_no_harm(index in 0_usize..17, at: usize, byte: u8) {
        let (hex, _) = golden()[index].clone();
        let mut bytes = from_hex(hex);
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(Some((_, length))) = Frame::parse(&bytes, PAYLOAD_MAX) {
            prop_assert!(length <= bytes.len());
        }
    }
}
