//! Frames of version 2: what two nodes say to each other, as bytes and back. Pure.
//!
//! A frame is `length: u32, kind: u8, body`, big-endian, where the length counts the kind and the body. A text is
//! `length: u16` and UTF-8. Bytes after the fields that this version knows are skipped, and so are whole frames of a
//! kind from [`OPTIONAL`] on, so that a later version may say more.

use std::sync::Arc;

use super::malformed::Malformed;
use crate::exit::{ExitReason, Failure};

/// Most bytes a frame has beside its payload; frames without one are no longer than this.
pub(crate) const PLAIN_MAX: usize = 64 << 10;
/// Longest gossip: a datagram of UDP, which chitchat fills, and an address.
const GOSSIP_MAX: usize = PLAIN_MAX + 128;
/// Kinds from here on may be skipped by who does not know them.
const OPTIONAL: u8 = 0x80;

/// Longest name, error message or failure kind: enough for a log line.
pub(crate) const TEXT_MAX: usize = 1024;
/// Longest traceback that travels.
const TRACEBACK_MAX: usize = 16 << 10;

/// What one node says to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// A message.
    Send { target: u64, payload: &'a [u8] },
    /// A message that is answered by `Reply` or `ReplyError` with this id. A time-out of 0: none.
    Ask { id: u64, target: u64, timeout_ms: u32, payload: &'a [u8] },
    /// The answer.
    Reply { id: u64, payload: &'a [u8] },
    /// Heartbeat, and the credit the sender gives back: bytes its actors are done with, and messages it has read,
    /// both since the connection began.
    Beat { returned: u64, received: u64 },
    /// Answer with a `Pong` of the same nonce.
    Ping { nonce: u64 },
    /// The answer.
    Pong { nonce: u64 },
    /// A message for this actor was not taken.
    Nack { target: u64, refusal: u8 },
    /// There is no answer, because of an error of this kind.
    ReplyError { id: u64, kind: u8, message: &'a str },
    /// Who has this name? Answered by `Found`. Whoever is found is watched.
    Resolve { id: u64, name: &'a str },
    /// Tell me, once, by `Exit` when this actor ends. Answered by `Found`.
    Watch { id: u64, target: u64 },
    /// The actor asked for, or 0.
    Found { id: u64, pid: u64 },
    /// This actor of mine ended.
    Exit { pid: u64, reason: ExitReason },
    /// Link your actor with mine.
    Link { yours: u64, mine: u64 },
    /// Take that link back.
    Unlink { yours: u64, mine: u64 },
    /// Stop your actor.
    Stop { target: u64 },
    /// What I know of the members of the mesh, in the words of chitchat, and where I am dialled.
    Gossip { from: &'a str, message: &'a [u8] },
    /// I close this connection, for this reason.
    Goodbye { message: &'a str },
    /// A frame of a later version.
    Skipped,
}

mod kind {
    pub(super) const SEND: u8 = 0x10;
    pub(super) const ASK: u8 = 0x11;
    pub(super) const REPLY: u8 = 0x12;
    pub(super) const BEAT: u8 = 0x20;
    pub(super) const PING: u8 = 0x21;
    pub(super) const PONG: u8 = 0x22;
    pub(super) const NACK: u8 = 0x23;
    pub(super) const REPLY_ERROR: u8 = 0x24;
    pub(super) const RESOLVE: u8 = 0x30;
    pub(super) const WATCH: u8 = 0x31;
    pub(super) const FOUND: u8 = 0x32;
    pub(super) const EXIT: u8 = 0x33;
    pub(super) const LINK: u8 = 0x34;
    pub(super) const UNLINK: u8 = 0x35;
    pub(super) const STOP: u8 = 0x36;
    pub(super) const GOSSIP: u8 = 0x37;
    pub(super) const GOODBYE: u8 = 0x3f;
}

/// A kind, its body, and the length of the whole frame.
pub(crate) type Split<'a> = (u8, &'a [u8], usize);

/// Looks at the frame the bytes begin with: its kind, its body, and its whole length. `None`: it is not all there.
///
/// # Errors
/// `TooLong` for a frame beyond the limit of its kind, whether it is all there or not; `Empty` for one without a kind.
pub(crate) fn split(bytes: &[u8], payload_max: usize) -> Result<Option<Split<'_>>, Malformed> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length == 0 {
        return Err(Malformed::Empty);
    }
    let Some((&kind, _)) = rest.split_first() else { return Ok(None) };
    let carries = matches!(kind, kind::SEND | kind::ASK | kind::REPLY);
    let limit = match kind {
        _ if carries => payload_max + 32,
        kind::GOSSIP => GOSSIP_MAX,
        _ => PLAIN_MAX,
    };
    if length > limit {
        return Err(Malformed::TooLong { length, limit });
    }
    Ok(rest.get(..length).map(|frame| (kind, &frame[1..], 4 + length)))
}

impl<'a> Frame<'a> {
    /// Reads the frame that the bytes begin with, and its whole length. `None`: it is not all there.
    ///
    /// # Errors
    /// What makes the bytes no frame.
    pub(crate) fn parse(bytes: &'a [u8], payload_max: usize) -> Result<Option<(Self, usize)>, Malformed> {
        let Some((kind, body, length)) = split(bytes, payload_max)? else { return Ok(None) };
        Ok(Some((Self::parse_body(kind, Reader { kind, rest: body }, payload_max)?, length)))
    }

    fn parse_body(kind: u8, mut body: Reader<'a>, payload_max: usize) -> Result<Self, Malformed> {
        Ok(match kind {
            kind::SEND => Self::Send { target: body.u64()?, payload: body.payload(payload_max)? },
            kind::ASK => Self::Ask {
                id: body.u64()?,
                target: body.u64()?,
                timeout_ms: body.u32()?,
                payload: body.payload(payload_max)?,
            },
            kind::REPLY => Self::Reply { id: body.u64()?, payload: body.payload(payload_max)? },
            kind::BEAT => Self::Beat { returned: body.u64()?, received: body.u64()? },
            kind::PING => Self::Ping { nonce: body.u64()? },
            kind::PONG => Self::Pong { nonce: body.u64()? },
            kind::NACK => Self::Nack { target: body.u64()?, refusal: body.u8()? },
            kind::REPLY_ERROR => {
                Self::ReplyError { id: body.u64()?, kind: body.u8()?, message: body.text(TEXT_MAX)? }
            }
            kind::RESOLVE => Self::Resolve { id: body.u64()?, name: body.text(TEXT_MAX)? },
            kind::WATCH => Self::Watch { id: body.u64()?, target: body.u64()? },
            kind::FOUND => Self::Found { id: body.u64()?, pid: body.u64()? },
            kind::EXIT => Self::Exit { pid: body.u64()?, reason: body.reason()? },
            kind::LINK => Self::Link { yours: body.u64()?, mine: body.u64()? },
            kind::UNLINK => Self::Unlink { yours: body.u64()?, mine: body.u64()? },
            kind::STOP => Self::Stop { target: body.u64()? },
            kind::GOSSIP => Self::Gossip { from: body.text(TEXT_MAX)?, message: body.counted()? },
            kind::GOODBYE => Self::Goodbye { message: body.text(TEXT_MAX)? },
            OPTIONAL.. => Self::Skipped,
            kind => return Err(Malformed::UnknownKind(kind)),
        })
    }

    /// Appends the frame.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Send { target, payload } => {
                put_head(out, kind::SEND, 8 + payload.len());
                out.extend_from_slice(&target.to_be_bytes());
                out.extend_from_slice(payload);
            }
            Self::Ask { id, target, timeout_ms, payload } => {
                put_head(out, kind::ASK, 20 + payload.len());
                out.extend_from_slice(&id.to_be_bytes());
                out.extend_from_slice(&target.to_be_bytes());
                out.extend_from_slice(&timeout_ms.to_be_bytes());
                out.extend_from_slice(payload);
            }
            Self::Reply { id, payload } => {
                put_head(out, kind::REPLY, 8 + payload.len());
                out.extend_from_slice(&id.to_be_bytes());
                out.extend_from_slice(payload);
            }
            Self::Beat { returned, received } => put_words(out, kind::BEAT, &[returned, received]),
            Self::Ping { nonce } => put_words(out, kind::PING, &[nonce]),
            Self::Pong { nonce } => put_words(out, kind::PONG, &[nonce]),
            Self::Watch { id, target } => put_words(out, kind::WATCH, &[id, target]),
            Self::Found { id, pid } => put_words(out, kind::FOUND, &[id, pid]),
            Self::Link { yours, mine } => put_words(out, kind::LINK, &[yours, mine]),
            Self::Unlink { yours, mine } => put_words(out, kind::UNLINK, &[yours, mine]),
            Self::Stop { target } => put_words(out, kind::STOP, &[target]),
            Self::Nack { target, refusal } => {
                put_head(out, kind::NACK, 9);
                out.extend_from_slice(&target.to_be_bytes());
                out.push(refusal);
            }
            Self::ReplyError { id, kind, message } => put_counted(out, kind::REPLY_ERROR, |out| {
                out.extend_from_slice(&id.to_be_bytes());
                out.push(kind);
                put_text(out, message, TEXT_MAX);
            }),
            Self::Resolve { id, name } => put_counted(out, kind::RESOLVE, |out| {
                out.extend_from_slice(&id.to_be_bytes());
                put_text(out, name, TEXT_MAX);
            }),
            Self::Exit { pid, ref reason } => put_counted(out, kind::EXIT, |out| {
                out.extend_from_slice(&pid.to_be_bytes());
                put_reason(out, reason);
            }),
            Self::Gossip { from, message } => put_counted(out, kind::GOSSIP, |out| {
                put_text(out, from, TEXT_MAX);
                let length = u16::try_from(message.len()).expect("chitchat fills a datagram at most");
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(message);
            }),
            Self::Goodbye { message } => {
                put_counted(out, kind::GOODBYE, |out| put_text(out, message, TEXT_MAX));
            }
            Self::Skipped => put_head(out, OPTIONAL, 0),
        }
    }
}

/// Begins a frame whose body has this many bytes.
pub(crate) fn put_head(out: &mut Vec<u8>, kind: u8, body: usize) {
    let length = u32::try_from(body + 1).expect("frames are shorter than 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.push(kind);
}

/// Appends a frame whose length is known when its body is written.
pub(crate) fn put_counted(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    put_head(out, kind, 0);
    body(out);
    let length = u32::try_from(out.len() - start - 4).expect("frames are shorter than 4 GiB");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn put_words(out: &mut Vec<u8>, kind: u8, words: &[u64]) {
    put_head(out, kind, 8 * words.len());
    for word in words {
        out.extend_from_slice(&word.to_be_bytes());
    }
}

/// Appends a text, cut at a character where it is too long.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str, most: usize) {
    let text = &text[..text.floor_char_boundary(most.min(text.len()))];
    let length = u16::try_from(text.len()).expect("texts are shorter than 64 KiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_reason(out: &mut Vec<u8>, reason: &ExitReason) {
    out.push(match reason {
        ExitReason::Normal => 0,
        ExitReason::Killed => 1,
        ExitReason::Panic(_) => 2,
        ExitReason::Crash(_) => 3,
        ExitReason::NodeDown => 4,
        ExitReason::NameConflict => 5,
    });
    if let Some(failure) = reason.failure() {
        put_text(out, &failure.kind, TEXT_MAX);
        put_text(out, &failure.message, TEXT_MAX);
        put_text(out, &failure.traceback, TRACEBACK_MAX);
    }
}

/// The fields of a body, front to back.
pub(crate) struct Reader<'a> {
    pub(crate) kind: u8,
    pub(crate) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed::Short { kind: self.kind })?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.take().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.take().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.take().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.take().map(u64::from_be_bytes)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed::Short { kind: self.kind })?;
        self.rest = rest;
        Ok(taken)
    }

    fn counted(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::from(self.u16()?);
        self.bytes(length)
    }

    pub(crate) fn text(&mut self, most: usize) -> Result<&'a str, Malformed> {
        let length = usize::from(self.u16()?);
        if length > most {
            return Err(Malformed::TooLong { length, limit: most });
        }
        std::str::from_utf8(self.bytes(length)?).map_err(|_| Malformed::NotText { kind: self.kind })
    }

    /// The rest, where that is no more than a payload may be.
    fn payload(&mut self, most: usize) -> Result<&'a [u8], Malformed> {
        let payload = std::mem::take(&mut self.rest);
        if payload.len() > most {
            return Err(Malformed::TooLong { length: payload.len(), limit: most });
        }
        Ok(payload)
    }

    fn reason(&mut self) -> Result<ExitReason, Malformed> {
        let code = self.u8()?;
        if !matches!(code, 2 | 3) {
            return match code {
                0 => Ok(ExitReason::Normal),
                1 => Ok(ExitReason::Killed),
                4 => Ok(ExitReason::NodeDown),
                5 => Ok(ExitReason::NameConflict),
                code => Err(Malformed::UnknownReason(code)),
            };
        }
        let failure = Arc::new(Failure {
            kind: self.text(TEXT_MAX)?.to_owned(),
            message: self.text(TEXT_MAX)?.to_owned(),
            traceback: self.text(TRACEBACK_MAX)?.to_owned(),
        });
        Ok(if code == 2 { ExitReason::Panic(failure) } else { ExitReason::Crash(failure) })
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
