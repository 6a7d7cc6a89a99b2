//! Hello: how two nodes that speak version 2 begin a connection. Pure.
//!
//! Whoever dials sends [`PREAMBLE`] and HELLO; the other answers with HELLO or REFUSE; whoever dialled ends the matter with
//! READY or REFUSE. A hello is a list of fields, `tag: u8, length: u16, value`; unknown ones are skipped.

use std::time::Duration;

use super::frame::{Reader, TEXT_MAX, put_counted, put_head, put_text, split};
use super::malformed::Malformed;

/// What a stream of version 2 begins with. No stream of version 1 begins with this byte, and neither do TLS and HTTP.
pub(crate) const PREAMBLE: [u8; 8] = *b"\x89IRIS\r\n\x02";
/// The versions we speak, lowest and highest.
pub(crate) const VERSIONS: (u8, u8) = (2, 2);
/// Longest name of a node: as long as a DNS name, which is what certificates hold.
pub(crate) const NODE_NAME_MAX: usize = 253;
/// Longest frame before a connection is made.
pub(crate) const HELLO_MAX: usize = 4096;

const HELLO: u8 = 0x01;
const READY: u8 = 0x02;
const REFUSE: u8 = 0x03;

mod tag {
    pub(super) const VERSIONS: u8 = 1;
    pub(super) const NAME: u8 = 2;
    pub(super) const INCARNATION: u8 = 3;
    pub(super) const WINDOW: u8 = 4;
    pub(super) const PAYLOAD_MAX: u8 = 5;
    pub(super) const HEARTBEAT_MS: u8 = 6;
    pub(super) const ADDRESS: u8 = 7;
    pub(super) const SERIAL: u8 = 8;
}

/// What a node tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// Lowest and highest version it speaks.
    pub(crate) versions: (u8, u8),
    /// Its name. Under TLS that is checked against its certificate.
    pub(crate) name: String,
    /// Grows with every start of a node of this name.
    pub(crate) incarnation: u64,
    /// How many bytes may be under way to it.
    pub(crate) window: u32,
    /// Longest payload it takes.
    pub(crate) payload_max: u32,
    /// How often it says that it lives.
    pub(crate) heartbeat: Duration,
    /// Where it listens; empty where it does not.
    pub(crate) address: String,
    /// The number of its decision for this connection; 0 where it has not decided.
    pub(crate) serial: u64,
}

/// Why a node does not want a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Refused {
    /// There is one already, or is about to be.
    Duplicate = 1,
    /// It is the same node.
    Itself = 2,
    /// A later start of the same node is connected.
    Stale = 3,
    /// No version in common.
    Version = 4,
    /// The name is not that of the certificate, or not allowed.
    Name = 5,
    /// It has as many connections as it may, or closes.
    Busy = 6,
    /// Something else, told by a later version.
    Other = 255,
}

/// What is said before a connection is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// Who I am.
    Hello(Hello),
    /// The connection is made; with the number of the decision for it, 0 where that is the other's part.
    Ready(u64),
    /// It is not.
    Refuse(Refusal),
}

/// Why a connection is not made, for a program and for a person, and which node says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) refused: Refused,
    pub(crate) message: String,
    pub(crate) name: String,
}

impl Handshake {
    /// Reads one step, and its length. `None`: it is not all there.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Malformed> {
        // A length that begins so is too long anyway; whoever dialled wants to know whom.
        match bytes.first() {
            Some(0x15 | 0x16) => return Err(Malformed::Stranger("TLS")),
            Some(b'A'..=b'Z') => return Err(Malformed::Stranger("what looks like HTTP")),
            _ => {}
        }
        let Some((kind, body, length)) = split(bytes, 0)? else {
            return Ok(None);
        };
        if length > HELLO_MAX {
            return Err(Malformed::TooLong { length, limit: HELLO_MAX });
        }
        let mut body = Reader { kind, rest: body };
        let step = match kind {
            HELLO => Self::Hello(Hello::parse(body)?),
            READY => Self::Ready(if body.rest.is_empty() { 0 } else { body.u64()? }),
            REFUSE => Self::Refuse(Refusal {
                refused: Refused::from_code(body.u8()?),
                message: body.text(TEXT_MAX)?.to_owned(),
                name: if body.rest.is_empty() {
                    String::new()
                } else {
                    text_of(body.text(TEXT_MAX)?.as_bytes())?
                },
            }),
            kind => return Err(Malformed::Misplaced(kind)),
        };
        Ok(Some((step, length)))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.put(&mut bytes);
        bytes
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => put_counted(out, HELLO, |out| hello.put(out)),
            Self::Ready(0) => put_head(out, READY, 0),
            Self::Ready(serial) => {
                put_counted(out, READY, |out| out.extend_from_slice(&serial.to_be_bytes()));
            }
            Self::Refuse(refusal) => put_counted(out, REFUSE, |out| {
                out.push(refusal.refused as u8);
                put_text(out, &refusal.message, TEXT_MAX);
                put_text(out, &refusal.name, TEXT_MAX);
            }),
        }
    }
}

impl Refused {
    fn from_code(code: u8) -> Self {
        let known = [Self::Duplicate, Self::Itself, Self::Stale, Self::Version, Self::Name, Self::Busy];
        known.into_iter().find(|refused| *refused as u8 == code).unwrap_or(Self::Other)
    }
}

impl Hello {
    fn parse(mut body: Reader<'_>) -> Result<Self, Malformed> {
        let mut hello = Self {
            versions: (0, 0),
            name: String::new(),
            incarnation: 0,
            window: 0,
            payload_max: 0,
            heartbeat: Duration::ZERO,
            address: String::new(),
            serial: 0,
        };
        while !body.rest.is_empty() {
            let tag = body.u8()?;
            let length = usize::from(body.u16()?);
            let mut value = Reader { kind: HELLO, rest: body.bytes(length)? };
            match tag {
                tag::VERSIONS => hello.versions = (value.u8()?, value.u8()?),
                tag::NAME => hello.name = text_of(value.rest)?,
                tag::INCARNATION => hello.incarnation = value.u64()?,
                tag::WINDOW => hello.window = value.u32()?,
                tag::PAYLOAD_MAX => hello.payload_max = value.u32()?,
                tag::HEARTBEAT_MS => hello.heartbeat = Duration::from_millis(value.u32()?.into()),
                tag::ADDRESS => hello.address = text_of(value.rest)?,
                tag::SERIAL => hello.serial = value.u64()?,
                _ => {}
            }
        }
        Ok(hello)
    }

    fn put(&self, out: &mut Vec<u8>) {
        let heartbeat_ms = u32::try_from(self.heartbeat.as_millis()).unwrap_or(u32::MAX);
        put_field(out, tag::VERSIONS, &[self.versions.0, self.versions.1]);
        put_field(out, tag::NAME, self.name.as_bytes());
        put_field(out, tag::INCARNATION, &self.incarnation.to_be_bytes());
        put_field(out, tag::WINDOW, &self.window.to_be_bytes());
        put_field(out, tag::PAYLOAD_MAX, &self.payload_max.to_be_bytes());
        put_field(out, tag::HEARTBEAT_MS, &heartbeat_ms.to_be_bytes());
        put_field(out, tag::ADDRESS, self.address.as_bytes());
        if self.serial != 0 {
            put_field(out, tag::SERIAL, &self.serial.to_be_bytes());
        }
    }

    /// The version both speak: the highest.
    pub(crate) fn common_version(&self) -> Option<u8> {
        let (lowest, highest) = (self.versions.0.max(VERSIONS.0), self.versions.1.min(VERSIONS.1));
        (lowest <= highest).then_some(highest)
    }
}

fn text_of(bytes: &[u8]) -> Result<String, Malformed> {
    if bytes.len() > NODE_NAME_MAX {
        return Err(Malformed::TooLong { length: bytes.len(), limit: NODE_NAME_MAX });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed::NotText { kind: HELLO })?;
    if text.contains(char::is_control) {
        return Err(Malformed::NotText { kind: HELLO });
    }
    Ok(text.to_owned())
}

fn put_field(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    out.push(tag);
    let length = u16::try_from(value.len()).expect("fields are shorter than 64 KiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
}

/// What a stream that begins with this byte speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// Version 1.
    V1,
    /// Version 2, if the rest of the preamble follows.
    V2,
    /// Something that is not for this port; named where it is known.
    Stranger(Option<&'static str>),
}

impl Spoken {
    pub(crate) fn of(first: u8) -> Self {
        match first {
            0x00..=0x02 => Self::V1,
            0x89 => Self::V2,
            0x16 => Self::Stranger(Some("TLS")),
            b'A'..=b'Z' => Self::Stranger(Some("what looks like HTTP")),
            _ => Self::Stranger(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hello() -> Hello {
        Hello {
            versions: (2, 2),
            name: "a".to_owned(),
            incarnation: 1,
            window: 0x0100_0000,
            payload_max: 0x0010_0000,
            heartbeat: Duration::from_secs(1),
            address: "h:1".to_owned(),
            serial: 0,
        }
    }

    #[test]
    fn a_hello_is_these_bytes() {
        let mut golden = vec![0, 0, 0, 46, 0x01];
        golden.extend([1, 0, 2, 2, 2]);
        golden.extend([2, 0, 1, b'a']);
        golden.extend([3, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]);
        golden.extend([4, 0, 4, 1, 0, 0, 0]);
        golden.extend([5, 0, 4, 0, 0x10, 0, 0]);
        golden.extend([6, 0, 4, 0, 0, 0x03, 0xe8]);
        golden.extend([7, 0, 3, b'h', b':', b'1']);
        golden[3] = u8::try_from(golden.len() - 4).unwrap();
        let step = Handshake::Hello(hello());
        assert_eq!(step.bytes(), golden);
        assert_eq!(Handshake::parse(&golden), Ok(Some((step, golden.len()))));
        golden[3] += 11;
        golden.extend([8, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5]);
        let step = Handshake::Hello(Hello { serial: 5, ..hello() });
        assert_eq!(step.bytes(), golden);
        assert_eq!(Handshake::parse(&golden), Ok(Some((step, golden.len()))));
    }

    fn refusal(refused: Refused, name: &str) -> Handshake {
        Handshake::Refuse(Refusal { refused, message: "no".to_owned(), name: name.to_owned() })
    }

    #[test]
    fn what_ends_a_handshake_is_these_bytes() {
        let mut refuse = vec![0, 0, 0, 9, 3, 1, 0, 2, b'n', b'o'];
        refuse.extend([0, 1, b'a']);
        for (step, golden) in [
            (Handshake::Ready(0), vec![0, 0, 0, 1, 2]),
            (Handshake::Ready(5), vec![0, 0, 0, 9, 2, 0, 0, 0, 0, 0, 0, 0, 5]),
            (refusal(Refused::Duplicate, "a"), refuse),
        ] {
            assert_eq!(step.bytes(), golden);
            assert_eq!(Handshake::parse(&golden), Ok(Some((step, golden.len()))));
        }
    }

    #[test]
    fn other_protocols_are_told_by_their_names() {
        for (bytes, name) in [(&b"\x15\x03\x03"[..], "TLS"), (b"HTTP/1.1 400", "what looks like HTTP")] {
            assert_eq!(Handshake::parse(bytes), Err(Malformed::Stranger(name)));
        }
    }

    #[test]
    fn unknown_fields_and_refusals_are_taken_as_they_come() {
        let mut bytes = Handshake::Hello(hello()).bytes();
        bytes.extend([99, 0, 2, 1, 1]);
        bytes[3] += 5;
        assert_eq!(Handshake::parse(&bytes), Ok(Some((Handshake::Hello(hello()), bytes.len()))));
        let refuse = [0, 0, 0, 6, 3, 77, 0, 2, b'n', b'o'];
        assert_eq!(Handshake::parse(&refuse), Ok(Some((refusal(Refused::Other, ""), 10))));
    }

    #[test]
    fn what_is_no_handshake() {
        for (bytes, expected) in [
            (vec![0, 0, 0, 9, 0x21], Ok(None)),
            (vec![0, 0, 0, 2, 0x21, 1], Err(Malformed::Misplaced(0x21))),
            (vec![0, 0, 0, 2, 2, 1], Err(Malformed::Short { kind: 2 })),
            (vec![0, 0, 0, 3, 1, 2, 0], Err(Malformed::Short { kind: 1 })),
            (vec![0, 0, 0, 5, 1, 2, 0, 1, 0xff], Err(Malformed::NotText { kind: 1 })),
            (vec![0, 0, 0, 5, 1, 2, 0, 1, b'\n'], Err(Malformed::NotText { kind: 1 })),
        ] {
            assert_eq!(Handshake::parse(&bytes), expected, "{bytes:?}");
        }
        let name = "n".repeat(NODE_NAME_MAX + 1);
        let long = Handshake::Hello(Hello { name, ..hello() }).bytes();
        let error = Malformed::TooLong { length: NODE_NAME_MAX + 1, limit: NODE_NAME_MAX };
        assert_eq!(Handshake::parse(&long), Err(error));
    }

    #[test]
    fn the_highest_common_version_is_spoken() {
        for (versions, expected) in
            [((2, 2), Some(2)), ((1, 3), Some(2)), ((3, 4), None), ((0, 1), None), ((3, 1), None)]
        {
            assert_eq!(Hello { versions, ..hello() }.common_version(), expected, "{versions:?}");
        }
    }

    #[test]
    fn the_first_byte_tells_who_speaks() {
        for (byte, expected) in [
            (0, Spoken::V1),
            (1, Spoken::V1),
            (2, Spoken::V1),
            (3, Spoken::Stranger(None)),
            (0x16, Spoken::Stranger(Some("TLS"))),
            (b'G', Spoken::Stranger(Some("what looks like HTTP"))),
            (PREAMBLE[0], Spoken::V2),
            (0xff, Spoken::Stranger(None)),
        ] {
            assert_eq!(Spoken::of(byte), expected, "{byte:#x}");
        }
    }

    proptest! {
        #[test]
        fn hellos_come_back(name in "[a-z0-9.-]{0,253}", incarnation: u64, window: u32, ms: u32) {
            let heartbeat = Duration::from_millis(ms.into());
            let step = Handshake::Hello(Hello { name, incarnation, window, heartbeat, ..hello() });
            let bytes = step.bytes();
            prop_assert_eq!(Handshake::parse(&bytes), Ok(Some((step, bytes.len()))));
        }

        #[test]
        fn garbage_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some((_, length))) = Handshake::parse(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
