//! Version 1 of the wire, for old peers and plain tools: what is said, as bytes and back. Pure.
//!
//! `00 pid:u64 length:u32 data` sends; `01 length:u32 name` asks who has a name and is answered by `pid:u64`, 0 for nobody;
//! `02` asks for a sign of life and is answered by `03`. All big-endian. Some clients send one byte `01`, their version,
//! before anything else: a first byte 01 is a question if a possible length follows, and the version if not.

use bytes::{BufMut as _, BytesMut};

use super::malformed::Malformed;

/// Longest payload and name of version 1.
pub(crate) const PAYLOAD_MAX: usize = 1 << 20;
pub(crate) const NAME_MAX: usize = 1024;

/// The sign of life.
pub(crate) const ALIVE: u8 = 0x03;

const SEND: u8 = 0x00;
const RESOLVE: u8 = 0x01;
const PING: u8 = 0x02;

/// Some clients, and all nodes that are no older, say first that they speak this version.
const VERSION: u8 = 0x01;
/// A name that nobody has, by which a node of a later version is told from an old one: it answers with the version that it
/// speaks as well. So a connection that fails makes nobody take it for older than it is.
pub(crate) const WHICH_VERSION: &str = "iris:version";
/// That answer.
pub(crate) const SPEAKS_2: u64 = 2;
/// Largest number that can be a pid: it must fit in a JavaScript number.
const NUMBER_MAX: u64 = (1 << 53) - 1;
/// Length of the answer to [`are_you_old`].
pub(crate) const OLD_LENGTH: usize = 9;

/// Says a message to an actor.
pub(crate) fn put_send(target: u64, payload: &[u8], out: &mut BytesMut) {
    out.put_u8(SEND);
    out.put_u64(target);
    put_counted(payload, out);
}

/// Asks who has a name.
pub(crate) fn put_resolve(name: &str, out: &mut BytesMut) {
    out.put_u8(RESOLVE);
    put_counted(name.as_bytes(), out);
}

/// Asks for a sign of life.
pub(crate) fn put_ping(out: &mut BytesMut) {
    out.put_u8(PING);
}

fn put_counted(bytes: &[u8], out: &mut BytesMut) {
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

/// What a node of version 1 is begun with: the version, and what a node of a later version answers in its own way.
pub(crate) fn are_you_old() -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u8(VERSION);
    put_resolve(WHICH_VERSION, &mut out);
    put_ping(&mut out);
    out
}

/// Whether this answers [`are_you_old`] as a node of version 1 alone does.
pub(crate) fn is_old(answer: &[u8; OLD_LENGTH]) -> bool {
    let [number @ .., alive] = answer;
    let number = u64::from_be_bytes(*number);
    number <= NUMBER_MAX && number != SPEAKS_2 && *alive == ALIVE
}

/// What a client of version 1 says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said<'a> {
    Send { target: u64, payload: &'a [u8] },
    Resolve { name: &'a str },
    Ping,
}

/// Whether a stream begins with the byte that tells the version. `None`: that is not to be known yet.
pub(crate) fn begins_with_version(bytes: &[u8]) -> Option<bool> {
    let [first, length @ ..] = bytes else { return None };
    if *first != RESOLVE {
        return Some(false);
    }
    match *length {
        [0, 0, high, low, ..] => {
            Some(!(1..=NAME_MAX).contains(&usize::from(u16::from_be_bytes([high, low]))))
        }
        [0, 0, high] if usize::from(high) << 8 > NAME_MAX => Some(true),
        [] | [0] | [0, 0] | [0, 0, _] => None,
        _ => Some(true),
    }
}

/// Reads what the bytes begin with, and how long that is. `None`: it is not all there.
///
/// # Errors
/// What makes the bytes nothing of version 1.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Said<'_>, usize)>, Malformed> {
    let Some((&kind, rest)) = bytes.split_first() else { return Ok(None) };
    match kind {
        SEND => {
            let Some((target, rest)) = rest.split_first_chunk() else { return Ok(None) };
            let Some(payload) = counted(rest, PAYLOAD_MAX)? else { return Ok(None) };
            Ok(Some((Said::Send { target: u64::from_be_bytes(*target), payload }, 13 + payload.len())))
        }
        RESOLVE => {
            let Some(name) = counted(rest, NAME_MAX)? else { return Ok(None) };
            let text = std::str::from_utf8(name).map_err(|_| Malformed::NotText { kind })?;
            Ok(Some((Said::Resolve { name: text }, 5 + name.len())))
        }
        PING => Ok(Some((Said::Ping, 1))),
        kind => Err(Malformed::UnknownKind(kind)),
    }
}

fn counted(bytes: &[u8], limit: usize) -> Result<Option<&[u8]>, Malformed> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length > limit {
        return Err(Malformed::TooLong { length, limit });
    }
    Ok(rest.get(..length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_three_things_are_these_bytes() {
        let target = 0x0000_0100_0000_0007;
        for (bytes, said) in [
            (&[0, 0, 0, 1, 0, 0, 0, 0, 7, 0, 0, 0, 2, b'h', b'i'][..], Said::Send { target, payload: b"hi" }),
            (&[0, 0, 0, 1, 0, 0, 0, 0, 7, 0, 0, 0, 0], Said::Send { target, payload: b"" }),
            (&[1, 0, 0, 0, 4, b'm', b'a', b'i', b'l'], Said::Resolve { name: "mail" }),
            (&[2], Said::Ping),
        ] {
            assert_eq!(parse(bytes), Ok(Some((said.clone(), bytes.len()))));
            for length in 0..bytes.len() {
                assert_eq!(parse(&bytes[..length]), Ok(None), "{length} bytes of {said:?}");
            }
        }
    }

    #[test]
    fn lengths_have_edges() {
        let payload = |length: u32| {
            let mut bytes = vec![0; 9];
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes
        };
        assert_eq!(parse(&payload(0x0010_0000)), Ok(None));
        let limit = PAYLOAD_MAX;
        assert_eq!(parse(&payload(0x0010_0001)), Err(Malformed::TooLong { length: limit + 1, limit }));
        assert_eq!(parse(&payload(u32::MAX)), Err(Malformed::TooLong { length: 0xffff_ffff, limit }));
        assert_eq!(parse(&[1, 0, 0, 4, 0]), Ok(None));
        assert_eq!(parse(&[1, 0, 0, 4, 1]), Err(Malformed::TooLong { length: 1025, limit: NAME_MAX }));
        assert_eq!(parse(&[1, 0, 0, 0, 1, 0xff]), Err(Malformed::NotText { kind: 1 }));
        assert_eq!(parse(&[3]), Err(Malformed::UnknownKind(3)));
    }

    #[test]
    fn a_first_byte_01_is_a_question_or_the_version() {
        for (bytes, expected) in [
            (&[][..], None),
            (&[0], Some(false)),
            (&[2], Some(false)),
            (&[1], None),
            (&[1, 2], Some(true)),
            (&[1, 1], Some(true)),
            (&[1, 0], None),
            (&[1, 0, 0], None),
            (&[1, 0, 1], Some(true)),
            (&[1, 0, 0, 0], None),
            (&[1, 0, 0, 4], None),
            (&[1, 0, 0, 5], Some(true)),
            (&[1, 0, 0, 0, 0], Some(true)),
            (&[1, 0, 0, 0, 1], Some(false)),
            (&[1, 0, 0, 4, 0], Some(false)),
            (&[1, 0, 0, 4, 1], Some(true)),
        ] {
            assert_eq!(begins_with_version(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_said_is_read_back() {
        let mut out = BytesMut::new();
        put_send(7, b"hi", &mut out);
        assert_eq!(parse(&out), Ok(Some((Said::Send { target: 7, payload: b"hi" }, 15))));
        out.clear();
        put_resolve("mail", &mut out);
        assert_eq!(parse(&out), Ok(Some((Said::Resolve { name: "mail" }, 9))));
        out.clear();
        put_ping(&mut out);
        assert_eq!(parse(&out), Ok(Some((Said::Ping, 1))));
    }

    #[test]
    fn an_old_node_is_told_from_a_later_one_and_from_strangers() {
        assert_eq!(&are_you_old()[..], b"\x01\x01\0\0\0\x0ciris:version\x02");
        assert_eq!(begins_with_version(&are_you_old()), Some(true));
        for (answer, old) in [
            (b"\0\0\0\0\0\0\0\0\x03", true),
            (b"\0\0\0\0\0\0\0\x05\x03", true),
            (b"\0\x1f\xff\xff\xff\xff\xff\xff\x03", true),
            (b"\0\x20\0\0\0\0\0\0\x03", false),
            (b"\0\0\0\0\0\0\0\x02\x03", false),
            (b"\0\0\0\0\0\0\0\0\0", false),
            (b"HTTP/1.1 ", false),
        ] {
            assert_eq!(is_old(answer), old, "{answer:?}");
        }
    }

    proptest! {
        #[test]
        fn garbage_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(Some((_, length))) = parse(&bytes) {
                prop_assert!(length <= bytes.len());
            }
            let _ = begins_with_version(&bytes);
        }
    }
}
