//! Peer: what a connection does for the proxies of its peer's actors.

use super::connection::Connection;
use super::frame::Frame;
use super::outbox::Refused;
use crate::message::{Message, Reply};
use crate::pid::Pid;
use crate::remote::Peer;
use crate::send::Refusal;

impl Peer for Connection {
    fn send(&self, target: Pid, mut message: Message) -> Result<(), (Refusal, Message)> {
        if let Some(reply) = message.take_reply() {
            return self.ask(target, message, reply);
        }
        let payload = message.payload().as_slice();
        let frame = Frame::Send { target: target.get(), payload };
        self.outbox.push(&frame, payload.len()).map_err(|refused| (refusal(refused), message))
    }

    fn wait_for_room(&self, timeout: std::time::Duration) -> bool {
        self.outbox.wait_for_room(timeout)
    }

    fn when_room(&self, done: Box<dyn FnOnce() + Send>) {
        self.outbox.when_room(done);
    }

    fn stop(&self, target: Pid) {
        self.outbox.signal(&Frame::Stop { target: target.get() });
    }

    fn link(&self, target: Pid, local: Pid) {
        if let Some(limits) = &self.limits {
            limits.granted.lock().insert(local);
        }
        // Watched from here on: it may end before the other node asks for that, and its reason would be lost.
        if let Some(shared) = self.shared.upgrade() {
            self.watch(&shared, local, &Frame::Link { yours: target.get(), mine: local.get() });
        }
    }

    fn unlink(&self, target: Pid, local: Pid) {
        self.outbox.signal(&Frame::Unlink { yours: target.get(), mine: local.get() });
    }
}

impl Connection {
    fn ask(&self, target: Pid, message: Message, reply: Reply) -> Result<(), (Refusal, Message)> {
        let timeout_ms = reply
            .timeout()
            .map_or(0, |timeout| u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).max(1));
        let id = self.next_id();
        let refused = {
            let kept = self.asks.lock().insert(id, reply);
            // Where others are under way already it goes with theirs: one write for many.
            let is_alone = match kept {
                Ok(is_alone) => is_alone,
                Err(reply) => {
                    let payload = message.into_payload();
                    return Err((Refusal::Full, Message::with_extra(payload, Some(reply), None)));
                }
            };
            let payload = message.payload().as_slice();
            let frame = Frame::Ask { id, target: target.get(), timeout_ms, payload };
            if is_alone {
                self.outbox.push_now(&frame, payload.len())
            } else {
                self.outbox.push(&frame, payload.len())
            }
        };
        match refused {
            Ok(()) => Ok(()),
            Err(refused) => match self.take_ask(id) {
                Some(reply) => {
                    Err((refusal(refused), Message::with_extra(message.into_payload(), Some(reply), None)))
                }
                // The connection was lost meanwhile, and the ask failed with it.
                None => Ok(()),
            },
        }
    }
}

fn refusal(refused: Refused) -> Refusal {
    match refused {
        Refused::Full => Refusal::Full,
        Refused::TooLarge => Refusal::TooLarge,
        Refused::Closed => Refusal::NoProcess,
    }
}
