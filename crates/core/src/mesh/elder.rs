//! Elder: a node that speaks version 1 alone, as a connection of version 2 sees it.
//!
//! A task stands between the two: for the connection it is the peer, for the old node a client. What version 1 has no words
//! for it answers by itself. So proxies, credit, heartbeats and the end of a connection are those of any node.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::connection::{Connection, End};
use super::credit::cost;
use super::frame::Frame;
use super::hello::Hello;
use super::malformed::Malformed;
use super::network::Socket;
use super::node::{Met, Node};
use super::obey::code_of;
use super::options::PROXIES_MAX;
use super::stream::Stream;
use super::tell::tell;
use super::v1;
use crate::error::ErrorKind;
use crate::pid::{GENERATION_MAX, Pid};

/// Bytes on their way between the task and the connection, in each direction, and to the old node.
const AHEAD: usize = 64 << 10;
/// Most questions that the old node has not answered: their answers are small enough that it can always write them.
const QUESTIONS_MAX: usize = 1024;

impl Node {
    /// Whether a listener that did not answer the greeting of version 2 may be spoken to by version 1: nothing proves who it
    /// is, as for clients of that version.
    pub(super) async fn may_be_old(&self, address: SocketAddr, end: &End) -> bool {
        let spoke_otherwise = match end {
            End::Closed => true,
            // A listener whose TLS is refused is none of version 1, which answers no TLS.
            End::Failed(error) => error.kind() != std::io::ErrorKind::InvalidData,
            End::Malformed(what) => !matches!(what, Malformed::Stranger(_)),
            _ => false,
        };
        spoke_otherwise && self.speaks_v1_with(address).await
    }

    /// Dials a node that may speak version 1 alone; `None`: it does not.
    pub(super) async fn dial_old(&self, address: SocketAddr) -> Option<Met> {
        let mut socket = self.network.connect(&[address]).await.ok()?;
        socket.sink.write_all(&v1::are_you_old()).await.ok()?;
        let mut answer = [0; v1::OLD_LENGTH];
        socket.source.read_exact(&mut answer).await.ok()?;
        if !v1::is_old(&answer) {
            return None;
        }
        let hello = Hello {
            versions: (1, 1),
            name: format!("version 1 at {address}"),
            // It tells none: there is one connection with whoever listens there.
            incarnation: 1,
            serial: 1,
            window: u32::try_from(self.options.window).unwrap_or(u32::MAX),
            payload_max: u32::try_from(v1::PAYLOAD_MAX).unwrap_or(u32::MAX),
            heartbeat: self.options.heartbeat,
            address: address.to_string(),
        };
        let connection = Connection::new(self.shared.clone(), &self.options, hello, self.hears.clone());
        let dialled = self.registry.lock().dialled(&self.name, &connection);
        let Ok((_, replaced)) = dialled else {
            return Some(Met::Elsewhere(Some(connection.name().to_owned())));
        };
        let (near, far) = tokio::io::duplex(AHEAD);
        let (node, talk) = (self.this.upgrade()?, Talk::default());
        let elder = Elder { node, connection: Arc::clone(&connection), talk };
        self.handle.spawn(elder.interpret(far, socket, self.options.heartbeat));
        self.establish(&connection, replaced, Stream::new(near), Vec::new());
        Some(Met::Node(connection))
    }
}

/// The task between.
struct Elder {
    node: Arc<Node>,
    connection: Arc<Connection>,
    talk: Talk,
}

impl Elder {
    /// Interprets until either side ends: then the other does, too.
    async fn interpret(mut self, inner: DuplexStream, socket: Socket, heartbeat: Duration) {
        let (mut inner_source, mut inner_sink) = tokio::io::split(inner);
        let Socket { mut source, mut sink, .. } = socket;
        let (mut said, mut heard) = (BytesMut::new(), BytesMut::new());
        let (mut out, mut back) = (BytesMut::new(), Vec::new());
        let mut tick = tokio::time::interval(heartbeat);
        let mut is_over = false;
        while !is_over || !out.is_empty() {
            let reads = !is_over && out.len() < AHEAD && self.talk.asked.len() < QUESTIONS_MAX;
            let step = tokio::select! {
                read = inner_source.read_buf(&mut said), if reads => match read {
                    Ok(0) | Err(_) => return,
                    Ok(_) => self.hear_connection(&mut said, &mut out, &mut back).map(|over| is_over = over),
                },
                read = source.read_buf(&mut heard) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(_) => self.talk.hear_old(&mut heard, &mut back),
                },
                written = sink.write_buf(&mut out), if !out.is_empty() => match written {
                    Ok(_) => Ok(()),
                    Err(_) => return,
                },
                _ = tick.tick() => {
                    // The connection may have ended while the old node takes nothing.
                    if self.connection.is_lost() {
                        return;
                    }
                    self.talk.ask_alive(&mut out);
                    Ok(())
                }
            };
            if let Err(malformed) = step {
                let reason = End::Malformed(malformed);
                tell!(
                    self.node.shared,
                    WARN,
                    "a node of version 1 is let go",
                    node = self.node.name,
                    peer = self.connection.name(),
                    reason = reason,
                );
                return;
            }
            if inner_sink.write_all(&back).await.is_err() {
                return;
            }
            back.clear();
        }
    }

    /// Obeys what the connection says; true: it says goodbye.
    fn hear_connection(
        &mut self,
        said: &mut BytesMut,
        out: &mut BytesMut,
        back: &mut Vec<u8>,
    ) -> Result<bool, Malformed> {
        let (mut at, mut is_over) = (0, false);
        while let Some((frame, length)) = Frame::parse(&said[at..], v1::PAYLOAD_MAX)? {
            at += length;
            match self.talk.say(&frame, out, back) {
                Said::Done => {}
                Said::Goodbye => is_over = true,
                Said::Unknown(what) => {
                    tell!(
                        self.node.shared,
                        WARN,
                        "a node of version 1 cannot be told this",
                        node = self.node.name,
                        peer = self.connection.name(),
                        what = what,
                    );
                }
            }
        }
        said.advance(at);
        self.talk.give_back(back);
        Ok(is_over)
    }
}

/// What the old node has still to answer.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// Who has a name: the question's id.
    Pid(u64),
    /// Whether it lives: the nonce of who asks, or a heartbeat.
    Alive(Option<u64>),
}

/// What became of a frame.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Done,
    Goodbye,
    /// Version 1 has no words for it.
    Unknown(&'static str),
}

/// What is under way between the two. Pure.
#[derive(Default)]
struct Talk {
    asked: VecDeque<Asked>,
    pids: Pids,
    returned: u64,
    received: u64,
    told: u64,
}

impl Talk {
    fn say(&mut self, frame: &Frame<'_>, out: &mut BytesMut, back: &mut Vec<u8>) -> Said {
        match *frame {
            Frame::Send { target, payload } => {
                v1::put_send(self.pids.of_old(target), payload, out);
                self.count(payload);
            }
            Frame::Ask { id, payload, .. } => {
                self.count(payload);
                let kind = code_of(ErrorKind::NotPermitted);
                Frame::ReplyError { id, kind, message: "the node speaks version 1, which has no asks" }
                    .put(back);
            }
            Frame::Resolve { id, name } => {
                self.asked.push_back(Asked::Pid(id));
                v1::put_resolve(name, out);
            }
            // Nobody can tell: it is taken for alive as long as its node is.
            Frame::Watch { id, target } => Frame::Found { id, pid: target }.put(back),
            Frame::Ping { nonce } => {
                self.asked.push_back(Asked::Alive(Some(nonce)));
                v1::put_ping(out);
            }
            Frame::Goodbye { .. } => return Said::Goodbye,
            Frame::Stop { .. } => return Said::Unknown("stop"),
            Frame::Link { .. } => return Said::Unknown("link"),
            _ => {}
        }
        Said::Done
    }

    fn count(&mut self, payload: &[u8]) {
        self.received += 1;
        self.returned += cost(payload.len());
    }

    /// Gives credit back for what goes to the old node's socket, which is all that is to be known of it.
    fn give_back(&mut self, back: &mut Vec<u8>) {
        if std::mem::replace(&mut self.told, self.returned) != self.returned {
            Frame::Beat { returned: self.returned, received: self.received }.put(back);
        }
    }

    fn ask_alive(&mut self, out: &mut BytesMut) {
        if !self.asked.contains(&Asked::Alive(None)) {
            self.asked.push_back(Asked::Alive(None));
            v1::put_ping(out);
        }
    }

    /// Reads answers, each to the oldest question.
    fn hear_old(&mut self, heard: &mut BytesMut, back: &mut Vec<u8>) -> Result<(), Malformed> {
        while let Some(&first) = heard.first() {
            match self.asked.front() {
                None => return Err(Malformed::UnknownKind(first)),
                Some(Asked::Pid(id)) => {
                    let Some((pid, _)) = heard.split_first_chunk() else { return Ok(()) };
                    let pid = self.pids.of_connection(u64::from_be_bytes(*pid));
                    Frame::Found { id: *id, pid }.put(back);
                    heard.advance(8);
                }
                Some(Asked::Alive(nonce)) => {
                    if first != v1::ALIVE {
                        return Err(Malformed::UnknownKind(first));
                    }
                    match *nonce {
                        Some(nonce) => Frame::Pong { nonce }.put(back),
                        None => Frame::Beat { returned: self.returned, received: self.received }.put(back),
                    }
                    heard.advance(1);
                }
            }
            self.asked.pop_front();
        }
        Ok(())
    }
}

/// Pids of an old node that cannot be those of an actor here: each is known to the connection by another number.
#[derive(Default)]
struct Pids {
    by_old: HashMap<u64, u64>,
    by_given: HashMap<u64, u64>,
}

impl Pids {
    fn of_connection(&mut self, old: u64) -> u64 {
        if old == 0 || Pid::from_u64(old).is_some_and(|pid| !pid.is_proxy()) {
            return old;
        }
        if let Some(given) = self.by_old.get(&old) {
            return *given;
        }
        if self.by_old.len() >= PROXIES_MAX {
            return 0;
        }
        let Ok(index) = u32::try_from(self.by_old.len()) else { return 0 };
        // The last generation, which no slot is in as long as it can be.
        let given = Pid::new(index, GENERATION_MAX).get();
        self.by_old.insert(old, given);
        self.by_given.insert(given, old);
        given
    }

    fn of_old(&self, given: u64) -> u64 {
        self.by_given.get(&given).copied().unwrap_or(given)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(bytes: &[u8]) -> Vec<Frame<'_>> {
        let (mut frames, mut at) = (Vec::new(), 0);
        while let Ok(Some((frame, length))) = Frame::parse(&bytes[at..], 100) {
            frames.push(frame);
            at += length;
        }
        frames
    }

    #[test]
    fn each_frame_is_told_in_the_words_of_version_1_or_answered_here() {
        let target = 1 << 40 | 7;
        for (frame, to_old, to_connection, said) in [
            (
                Frame::Send { target, payload: b"hi" },
                &b"\0\0\0\x01\0\0\0\0\x07\0\0\0\x02hi"[..],
                vec![],
                Said::Done,
            ),
            (
                Frame::Ask { id: 3, target, timeout_ms: 0, payload: b"hi" },
                b"",
                vec![Frame::ReplyError {
                    id: 3,
                    kind: 16,
                    message: "the node speaks version 1, which has no asks",
                }],
                Said::Done,
            ),
            (Frame::Resolve { id: 4, name: "mail" }, b"\x01\0\0\0\x04mail", vec![], Said::Done),
            (Frame::Watch { id: 5, target }, b"", vec![Frame::Found { id: 5, pid: target }], Said::Done),
            (Frame::Ping { nonce: 6 }, b"\x02", vec![], Said::Done),
            (Frame::Stop { target }, b"", vec![], Said::Unknown("stop")),
            (Frame::Link { yours: target, mine: 1 }, b"", vec![], Said::Unknown("link")),
            (Frame::Beat { returned: 0, received: 0 }, b"", vec![], Said::Done),
            (Frame::Goodbye { message: "bye" }, b"", vec![], Said::Goodbye),
        ] {
            let (mut talk, mut out, mut back) = (Talk::default(), BytesMut::new(), Vec::new());
            assert_eq!(talk.say(&frame, &mut out, &mut back), said, "{frame:?}");
            assert_eq!((&out[..], frames(&back)), (to_old, to_connection), "{frame:?}");
        }
    }

    #[test]
    fn answers_go_to_the_oldest_question_in_whatever_pieces_they_come() {
        let (mut talk, mut out, mut back) = (Talk::default(), BytesMut::new(), Vec::new());
        talk.ask_alive(&mut out);
        talk.ask_alive(&mut out);
        talk.say(&Frame::Resolve { id: 4, name: "mail" }, &mut out, &mut back);
        talk.say(&Frame::Ping { nonce: 6 }, &mut out, &mut back);
        talk.say(&Frame::Send { target: 1 << 40, payload: b"hi" }, &mut out, &mut back);
        talk.give_back(&mut back);
        talk.give_back(&mut back);
        assert_eq!(frames(&back), [Frame::Beat { returned: cost(2), received: 1 }]);
        back.clear();
        let mut heard = BytesMut::new();
        for byte in [&[3][..], &(1_u64 << 40).to_be_bytes(), &[3]].concat() {
            heard.extend_from_slice(&[byte]);
            talk.hear_old(&mut heard, &mut back).unwrap();
        }
        let expected = [
            Frame::Beat { returned: cost(2), received: 1 },
            Frame::Found { id: 4, pid: 1 << 40 },
            Frame::Pong { nonce: 6 },
        ];
        assert_eq!(frames(&back), expected);
        // What nobody asked for, and what is no sign of life.
        heard.extend_from_slice(&[7]);
        assert_eq!(talk.hear_old(&mut heard, &mut back), Err(Malformed::UnknownKind(7)));
        talk.ask_alive(&mut out);
        assert_eq!(talk.hear_old(&mut heard, &mut back), Err(Malformed::UnknownKind(7)));
    }

    #[test]
    fn pids_that_no_actor_here_can_have_are_known_by_others() {
        let mut pids = Pids::default();
        assert_eq!((pids.of_connection(0), pids.of_connection(1 << 40)), (0, 1 << 40));
        for old in [5, u64::MAX, 1 << 52 | 1 << 40] {
            let given = pids.of_connection(old);
            assert!(Pid::from_u64(given).is_some_and(|pid| !pid.is_proxy()));
            assert_eq!((pids.of_connection(old), pids.of_old(given)), (given, old));
        }
        assert_eq!(pids.of_old(1 << 40), 1 << 40);
    }

    proptest! {
        #[test]
        fn garbage_is_an_answer_or_ends_the_connection(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..20),
            questions in prop::collection::vec(any::<Option<u64>>(), 0..20),
        ) {
            let (mut talk, mut out, mut back) = (Talk::default(), BytesMut::new(), Vec::new());
            for question in &questions {
                match question {
                    Some(id) => drop(talk.say(&Frame::Resolve { id: *id, name: "x" }, &mut out, &mut back)),
                    None => drop(talk.say(&Frame::Ping { nonce: 1 }, &mut out, &mut back)),
                }
            }
            let mut heard = BytesMut::new();
            for piece in pieces {
                heard.extend_from_slice(&piece);
                if talk.hear_old(&mut heard, &mut back).is_err() {
                    break;
                }
            }
            prop_assert_eq!(frames(&back).len() + talk.asked.len(), questions.len());
        }
    }
}
