//! Obey: what a connection does with each frame of its peer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::connection::{Call, Connection, End};
use super::frame::Frame;
use super::malformed::Malformed;
use crate::asking::AskOptions;
use crate::cell::{Cell, flag};
use crate::counters::Dropped;
use crate::error::{Error, ErrorKind};
use crate::exit::ExitReason;
use crate::message::Message;
use crate::payload::Payload;
use crate::pid::Pid;
use crate::runtime::Runtime;
use crate::send::Refusal;
use crate::shared::Shared;

impl Connection {
    /// Does what a frame says. An error ends the connection.
    #[inline]
    pub(super) fn obey(&self, shared: &Arc<Shared>, frame: Frame<'_>) -> Result<(), End> {
        match frame {
            Frame::Send { target, payload } => {
                self.ledger.count_received();
                let payload = self.hold(payload)?;
                self.deliver(shared, target, payload);
                Ok(())
            }
            frame => self.obey_rarer(shared, frame),
        }
    }

    /// Holds what came, and the credit of its sender, who must have had it.
    #[inline]
    fn hold(&self, payload: &[u8]) -> Result<Payload, End> {
        if !self.ledger.take(payload.len()) {
            return Err(Malformed::Window.into());
        }
        Ok(self.ledger.hold(payload))
    }

    fn obey_rarer(&self, shared: &Arc<Shared>, frame: Frame<'_>) -> Result<(), End> {
        match frame {
            Frame::Ask { id, target, timeout_ms, payload } => {
                self.ledger.count_received();
                let payload = self.hold(payload)?;
                self.answer(shared, id, target, timeout_ms, payload);
            }
            Frame::Reply { id, payload } => {
                let payload = self.hold(payload)?;
                if let Some(reply) = self.take_ask(id) {
                    reply.send(payload);
                }
            }
            Frame::ReplyError { id, kind, message } => {
                if let Some(reply) = self.take_ask(id) {
                    reply.refuse(Error::new(kind_of(kind), message));
                }
            }
            Frame::Beat { returned, received } => {
                self.outbox.confirm(returned, received)?;
                self.tell_alive(shared);
            }
            Frame::Nack { target, .. } => {
                self.outbox.refuse()?;
                match Pid::from_u64(target).and_then(|target| self.known_proxy(target)) {
                    Some(proxy) => shared.count_lost(proxy, None, Dropped::RemoteRefused),
                    None => shared.counters.drop_many(Dropped::RemoteRefused, 1),
                }
            }
            Frame::Exit { pid, reason } => {
                if let Some(pid) = Pid::from_u64(pid) {
                    self.end_proxy(shared, pid, reason);
                }
            }
            Frame::Gossip { from, message } => {
                // What does not fit is said again.
                if let Ok(from) = from.parse() {
                    let _ = self.hears.try_send((from, message.to_vec()));
                }
            }
            Frame::Goodbye { message } => return Err(End::Goodbye(message.to_owned())),
            frame => self.obey_call(shared, &frame),
        }
        Ok(())
    }

    fn obey_call(&self, shared: &Arc<Shared>, frame: &Frame<'_>) {
        match *frame {
            Frame::Ping { nonce } => {
                self.outbox.signal(&Frame::Pong { nonce });
            }
            Frame::Pong { nonce } => {
                if let Some(Call::Ping(tell)) = self.calls.lock().remove(&nonce) {
                    let _ = tell.send(());
                }
            }
            Frame::Resolve { id, name } => {
                let found = shared.names.get(name).and_then(|pid| self.grant(shared, pid, Some(name)));
                self.found(shared, id, found);
            }
            Frame::Watch { id, target } => {
                let pid = Pid::from_u64(target);
                if !pid.is_some_and(|pid| self.is_watched(pid, &Frame::Found { id, pid: target })) {
                    self.found(shared, id, pid.and_then(|pid| self.grant(shared, pid, None)));
                }
            }
            Frame::Found { id, pid } => self.hear_found(shared, id, Pid::from_u64(pid)),
            Frame::Link { yours, mine } => {
                let Some((yours, _)) = self.addressee(shared, yours) else { return };
                if let Some(proxy) = Pid::from_u64(mine).and_then(|mine| self.proxy(mine).ok()) {
                    let _ = Runtime::inner(Arc::clone(shared)).link_here(yours, proxy);
                }
            }
            Frame::Unlink { yours, mine } => {
                let proxy = Pid::from_u64(mine).and_then(|mine| self.known_proxy(mine));
                if let (Some(yours), Some(proxy)) = (Pid::from_u64(yours), proxy) {
                    Runtime::inner(Arc::clone(shared)).unlink_here(yours, proxy);
                }
            }
            Frame::Stop { target } => {
                if let Some((pid, _)) = self.addressee(shared, target) {
                    Runtime::inner(Arc::clone(shared)).stop(pid);
                }
            }
            _ => {}
        }
    }

    fn deliver(&self, shared: &Arc<Shared>, target: u64, payload: Payload) {
        let refusal = match self.addressee(shared, target) {
            Some((pid, cell)) => match shared.deliver_to(cell, pid, Message::new(payload)) {
                Ok(()) => return,
                Err((Refusal::WouldBlock, message)) => {
                    shared.refuse_full(pid, message);
                    Refusal::Full
                }
                Err((refusal, _)) => refusal,
            },
            None => Refusal::NoProcess,
        };
        self.outbox.signal(&Frame::Nack { target, refusal: u8::from(refusal != Refusal::NoProcess) });
    }

    fn answer(&self, shared: &Arc<Shared>, id: u64, target: u64, timeout_ms: u32, payload: Payload) {
        let refused = match self.addressee(shared, target) {
            None => Some(Error::no_process(target)),
            Some(_) if self.answering.load(Ordering::Relaxed) >= self.most.asks => {
                let message = format!("a node answers at most {} asks of another at once", self.most.asks);
                Some(Error::new(ErrorKind::LimitReached, message))
            }
            Some((pid, _)) => {
                self.answering.fetch_add(1, Ordering::Relaxed);
                let timeout = (timeout_ms != 0).then(|| Duration::from_millis(timeout_ms.into()));
                let connection = self.weak();
                let completion = Box::new(move |outcome| {
                    if let Some(connection) = connection.upgrade() {
                        let is_last = connection.answering.fetch_sub(1, Ordering::Relaxed) == 1;
                        connection.reply(id, outcome, is_last);
                    }
                });
                let options = AskOptions { timeout, context: None };
                Runtime::inner(Arc::clone(shared)).ask_with(pid, payload, options, completion);
                None
            }
        };
        if let Some(error) = refused {
            self.reply(id, Err(error), false);
        }
    }

    /// Answers; `is_last`: no other ask waits here, so that no other answer will go with this one.
    fn reply(&self, id: u64, outcome: Result<Payload, Error>, is_last: bool) {
        let error = match outcome {
            Ok(payload) => {
                let frame = Frame::Reply { id, payload: payload.as_slice() };
                let length = payload.len();
                let pushed = if is_last {
                    self.outbox.push_now(&frame, length)
                } else {
                    self.outbox.push(&frame, length)
                };
                match pushed {
                    Ok(()) => return,
                    Err(refused) => {
                        let message = format!("the answer could not be sent back: {refused:?}");
                        Error::new(ErrorKind::AskFailed, message)
                    }
                }
            }
            Err(error) => error,
        };
        let frame = Frame::ReplyError { id, kind: code_of(error.kind()), message: error.message() };
        self.outbox.signal(&frame);
    }

    fn found(&self, shared: &Arc<Shared>, id: u64, found: Option<Pid>) {
        match found {
            Some(pid) => self.watch(shared, pid, &Frame::Found { id, pid: pid.get() }),
            None => {
                self.outbox.signal(&Frame::Found { id, pid: 0 });
            }
        }
    }

    fn hear_found(&self, shared: &Arc<Shared>, id: u64, found: Option<Pid>) {
        let call = self.calls.lock().remove(&id);
        match (call, found) {
            (Some(Call::Resolve(tell)), found) => {
                let proxy = found.map(|pid| self.proxy_unwatched(pid).map(|(proxy, _)| proxy));
                let _ = tell.send(proxy.transpose());
            }
            (Some(Call::Watch(target)), None) => self.end_proxy(shared, target, ExitReason::Normal),
            _ => {}
        }
    }
}

/// The actor of here that a peer may speak to: neither the runtime's own nor one of another node.
pub(super) fn addressee(shared: &Shared, target: u64) -> Option<(Pid, &Cell)> {
    let pid = Pid::from_u64(target)?;
    let cell = shared.table.get(pid)?;
    (!cell.has(flag::INTERNAL)).then_some((pid, cell))
}

/// The number of an error's kind on the wire: its place in the list.
pub(super) fn code_of(kind: ErrorKind) -> u8 {
    let place = ErrorKind::ALL.iter().position(|known| *known == kind);
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
}

fn kind_of(code: u8) -> ErrorKind {
    ErrorKind::ALL.get(usize::from(code)).copied().unwrap_or(ErrorKind::AskFailed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_errors_keep_their_numbers() {
        let numbers: Vec<(u8, &str)> =
            ErrorKind::ALL.iter().map(|kind| (code_of(*kind), kind.name())).collect();
        let documented = include_str!("../../../../docs/protocol.md");
        for (number, name) in numbers {
            assert!(documented.contains(&format!("| {number} | `{name}` |")), "{number} {name}");
            assert_eq!(kind_of(number).name(), name);
        }
        assert_eq!(kind_of(255), ErrorKind::AskFailed);
    }
}
