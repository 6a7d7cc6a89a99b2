//! Route: the way of a message to an actor that is bounded, virtual or of another node, and on to where it redirects.

use crate::bounded::Offer;
use crate::cell::{Cell, flag};
use crate::counters::Dropped;
use crate::lane::LaneId;
use crate::mailbox::Signalled;
use crate::message::Message;
use crate::pid::Pid;
use crate::remote;
use crate::send::Refusal;
use crate::shared::Shared;
use crate::sync::Ordering;

/// A message redirected this often goes in a circle.
const REDIRECTS_MAX: u32 = 8;

/// A message that was refused, and by whom. A lack of room, `Full` or `WouldBlock`, is not counted yet: it is where the sender
/// gives up, not where it tries again.
struct Refused {
    by: Pid,
    refusal: Refusal,
    message: Message,
}

impl Shared {
    #[cold]
    pub(crate) fn deliver_specially(&self, pid: Pid, message: Message) -> Result<(), (Refusal, Message)> {
        self.route(pid, message).map_err(|Refused { by, refusal, message }| match refusal {
            Refusal::Full => self.refuse(by, refusal, message),
            _ => (refusal, message),
        })
    }

    /// As [`Shared::deliver`], for a sender that will try again: any lack of room is `WouldBlock`, and not counted.
    pub(crate) fn deliver_or_wait(&self, pid: Pid, message: Message) -> Result<(), (Refusal, Message)> {
        self.route(pid, message).map_err(|Refused { refusal, message, .. }| match refusal {
            Refusal::Full => (Refusal::WouldBlock, message),
            _ => (refusal, message),
        })
    }

    fn route(&self, first: Pid, mut message: Message) -> Result<(), Refused> {
        let mut pid = first;
        for _ in 0..=REDIRECTS_MAX {
            let counted = |(refusal, message)| Refused { by: pid, refusal, message };
            let Some(cell) = self.table.get(pid) else {
                return Err(counted(self.refuse(pid, Refusal::NoProcess, message)));
            };
            if cell.has(flag::REMOTE) {
                return self.deliver_remotely(cell, pid, message);
            }
            if !cell.has(flag::BOUNDED) {
                self.push(cell, pid, message).map_err(counted)?;
                self.arm_idle_timer(cell, pid);
                return Ok(());
            }
            if !cell.word.is_open() {
                return Err(counted(self.refuse(pid, Refusal::NoProcess, message)));
            }
            match self.offer(cell, pid, message) {
                Ok(()) | Err(Offer::Taken | Offer::TakenFor(_) | Offer::Spilled(_)) => {
                    self.arm_idle_timer(cell, pid);
                    return Ok(());
                }
                Err(Offer::Redirect(target, back)) => (pid, message) = (target, back),
                Err(Offer::WouldBlock(message)) => {
                    return Err(Refused { by: pid, refusal: Refusal::WouldBlock, message });
                }
                Err(Offer::Full(message)) => {
                    return Err(Refused { by: pid, refusal: Refusal::Full, message });
                }
            }
        }
        Err(Refused { by: first, refusal: Refusal::Full, message })
    }

    fn deliver_remotely(&self, cell: &Cell, pid: Pid, message: Message) -> Result<(), Refused> {
        let counted = |(refusal, message)| Refused { by: pid, refusal, message };
        let Some(remote) = remote::of(cell, pid) else {
            return Err(counted(self.refuse(pid, Refusal::NoProcess, message)));
        };
        match remote.peer.send(remote.pid, message) {
            Ok(()) => {
                self.counters.handed_over.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err((Refusal::Full, message)) => {
                let refusal = if remote.waits { Refusal::WouldBlock } else { Refusal::Full };
                Err(Refused { by: pid, refusal, message })
            }
            Err((refusal, message)) => Err(counted(self.refuse(pid, refusal, message))),
        }
    }

    fn offer(&self, cell: &Cell, pid: Pid, message: Message) -> Result<(), Offer> {
        let mut message = Some(message);
        let (mut signalled, mut lane) = (None, LaneId::WORKERS);
        let offer = cell.look_at_details(pid, |details| {
            let bounded = details.bounded.as_mut()?;
            let offer = bounded.offer(message.take()?);
            if matches!(offer, Offer::Taken | Offer::TakenFor(_) | Offer::Spilled(_)) {
                // First what goes: in between, no size is above the bound.
                if let Offer::TakenFor(dropped) = &offer {
                    cell.count_taken_beside_senders(dropped.len() as u64);
                }
                cell.enqueued.fetch_add(1, Ordering::Release);
                signalled = Some(cell.word.poke());
                lane = cell.lane();
            }
            Some(offer)
        });
        if signalled == Some(Signalled::Schedule) {
            self.schedule_on(lane, cell, pid);
        }
        match offer.flatten() {
            Some(Offer::Taken) => Ok(()),
            Some(Offer::Spilled(message)) => {
                drop(message);
                Ok(())
            }
            Some(Offer::TakenFor(dropped)) => {
                for message in dropped {
                    self.drop_message(pid, message, Dropped::DroppedOldest);
                }
                Ok(())
            }
            Some(refusal) => Err(refusal),
            // The actor ended in between, before it took the message.
            None => message.map_or(Ok(()), |message| Err(Offer::Redirect(pid, message))),
        }
    }

    /// A virtual actor was sent its first message. Not before: a short time-out could be over before that is there.
    ///
    /// Under the lock that the actor ends under: whoever ends it finds the timer and takes it back.
    fn arm_idle_timer(&self, cell: &Cell, pid: Pid) {
        if !cell.has(flag::VIRTUAL) {
            return;
        }
        cell.look_at_details(pid, |details| {
            if let Some(timeout) = details.idle_timeout
                && cell.has(flag::VIRTUAL)
            {
                cell.lower(flag::VIRTUAL);
                cell.raise(flag::TIMERS);
                self.timing.check_idle(self, pid, timeout, cell.taken.load(Ordering::Relaxed));
            }
        });
    }
}
