//! Mail: pull actors, whose async function takes messages from a mailbox when it likes.

use std::sync::Arc;

use iris_core::{ExitReason, Finish, Incoming, Pid, PullMailbox, Received, Reply, SystemMessage};

use crate::frame;
use crate::host::{Event, Host};
use crate::parcels::{Parcels, WANTS_REPLY};
use crate::raw::{Env, Value};
use crate::shelf::Shelf;
use crate::state::State;

/// What a look into a mailbox found, as JavaScript is told.
#[derive(Clone, Copy)]
pub(crate) enum Found {
    /// Nothing; JavaScript is told when to look again.
    Nothing = 0,
    /// A message of a user, placed in the frame.
    Message = 1,
    /// The actor was told to stop.
    Stopped = 2,
    /// A notice of the runtime, see [`Mail::take_notice`].
    Notice = 3,
}

/// What became of a pull actor, as JavaScript is told.
#[derive(Clone, Copy)]
pub(crate) enum Fate {
    /// It is gone.
    Ended = 0,
    /// Call the function again.
    Restarted = 1,
    /// Call the function in the slot that is placed in the frame.
    Swapped = 2,
    /// JavaScript is told when to ask again.
    Waiting = 3,
}

/// The function of a pull actor; its slot is free when the runtime forgot it.
pub(crate) struct SwappedTo {
    slot: u32,
    host: Arc<Host>,
}

impl SwappedTo {
    pub(crate) fn new(slot: u32, host: &Arc<Host>) -> Self {
        Self { slot, host: Arc::clone(host) }
    }
}

impl Drop for SwappedTo {
    fn drop(&mut self) {
        self.host.post(Event::FunctionFree { slot: self.slot });
    }
}

/// Answers kept before those nobody waits for any more are thrown away.
const REPLIES_SWEPT_FROM: usize = 64;

struct Pull {
    /// Away while a matcher looks into it.
    mailbox: Option<PullMailbox>,
    /// A wait was readied and not ended since. An event of mail does not end it: it may be late, of a wait before this one.
    waiting: bool,
    replies: Shelf<Reply>,
    replies_swept_at: usize,
    notice: Option<Box<SystemMessage>>,
    /// Kept as long as it may be called again.
    function: Arc<SwappedTo>,
}

/// The pull actors of one runtime.
pub(crate) struct Mail {
    parcels: Parcels,
    pulls: Shelf<Pull>,
}

impl Mail {
    pub(crate) fn new(env: Env, parts: Value) -> Self {
        Self { parcels: Parcels::new(env, parts), pulls: Shelf::default() }
    }

    /// Adds a pull actor that is made knowing its number; the number and the pid.
    pub(crate) fn add<E>(
        &mut self,
        function: SwappedTo,
        make: impl FnOnce(u32) -> Result<PullMailbox, E>,
    ) -> Result<(u32, Pid), E> {
        let number = self.pulls.next_number();
        let mailbox = make(number)?;
        let pid = mailbox.pid();
        let pull = Pull {
            mailbox: Some(mailbox),
            waiting: false,
            replies: Shelf::default(),
            replies_swept_at: REPLIES_SWEPT_FROM,
            notice: None,
            function: Arc::new(function),
        };
        self.pulls.put_as(number, pull);
        Ok((number, pid))
    }

    /// Takes the oldest message, or readies the wait for one.
    #[inline]
    pub(crate) fn receive(&mut self, state: &State, number: u32) -> Found {
        self.parcels.begin_one();
        let Some(pull) = self.pulls.get_mut(number) else { return Found::Stopped };
        let Some(mailbox) = &mut pull.mailbox else { return Found::Nothing };
        if std::mem::take(&mut pull.waiting) {
            mailbox.end_wait();
        }
        loop {
            let received = mailbox.try_recv();
            if matches!(received, Received::Empty) {
                pull.waiting = mailbox.prepare_wait();
                if !pull.waiting {
                    continue;
                }
            }
            return hand_over(&mut self.parcels, pull, state, received);
        }
    }

    /// Whether the function should return. A wait goes on.
    pub(crate) fn is_stopped(&mut self, host: &Host, number: u32) -> bool {
        let Some(pull) = self.pulls.get_mut(number) else { return true };
        let Some(mailbox) = &mut pull.mailbox else { return false };
        if !std::mem::take(&mut pull.waiting) {
            return mailbox.is_stopped();
        }
        mailbox.end_wait();
        let stopped = mailbox.is_stopped();
        pull.waiting = mailbox.prepare_wait();
        if stopped || !pull.waiting {
            // Whoever waits has to look.
            host.post(Event::Mail { mailbox: number });
        }
        stopped
    }

    /// The mailbox, taken away for a matcher to look into; not waiting any more.
    pub(crate) fn borrow_mailbox(&mut self, number: u32) -> Option<PullMailbox> {
        let pull = self.pulls.get_mut(number)?;
        let mut mailbox = pull.mailbox.take()?;
        if std::mem::take(&mut pull.waiting) {
            mailbox.end_wait();
        }
        Some(mailbox)
    }

    /// Puts the mailbox back after a matcher that failed.
    pub(crate) fn give_back(&mut self, number: u32, mailbox: PullMailbox) {
        if let Some(pull) = self.pulls.get_mut(number) {
            pull.mailbox = Some(mailbox);
        }
    }

    /// The function that runs.
    pub(crate) fn function(&mut self, number: u32) -> Option<Arc<SwappedTo>> {
        Some(Arc::clone(&self.pulls.get_mut(number)?.function))
    }

    /// Puts the mailbox back with what the matcher chose. `None`: look again, something came meanwhile.
    pub(crate) fn return_mailbox(
        &mut self,
        state: &State,
        number: u32,
        mut mailbox: PullMailbox,
        received: Received,
    ) -> Option<Found> {
        self.parcels.begin_one();
        let pull = self.pulls.get_mut(number)?;
        let again = matches!(received, Received::Empty) && !mailbox.prepare_wait();
        pull.waiting = matches!(received, Received::Empty) && !again;
        pull.mailbox = Some(mailbox);
        if again {
            return None;
        }
        Some(hand_over(&mut self.parcels, pull, state, received))
    }

    /// The notice that was found.
    pub(crate) fn take_notice(&mut self, number: u32) -> Option<Box<SystemMessage>> {
        self.pulls.get_mut(number)?.notice.take()
    }

    /// The right to answer an ask that was received.
    pub(crate) fn take_reply(&mut self, number: u32, reply: u32) -> Option<Reply> {
        self.pulls.get_mut(number)?.replies.take(reply)
    }

    /// The function returned, or failed.
    pub(crate) fn finish(&mut self, state: &State, number: u32, reason: ExitReason) -> Fate {
        let Some(mut mailbox) = self.borrow_mailbox(number) else { return Fate::Ended };
        if mailbox.is_stopped() {
            self.drop_replies(number);
        }
        self.follow(state, number, mailbox.finish(reason))
    }

    /// The supervisor may have decided.
    pub(crate) fn resumed(&mut self, state: &State, number: u32) -> Fate {
        let Some(mailbox) = self.borrow_mailbox(number) else { return Fate::Ended };
        self.follow(state, number, mailbox.resumed())
    }

    fn follow(&mut self, state: &State, number: u32, finish: Finish) -> Fate {
        let Some(pull) = self.pulls.get_mut(number) else { return Fate::Ended };
        let mut finish = finish;
        loop {
            match finish {
                Finish::Ended => {
                    self.pulls.take(number);
                    return Fate::Ended;
                }
                Finish::Restarted(mailbox) => {
                    pull.replies.clear();
                    pull.mailbox = Some(mailbox);
                    return Fate::Restarted;
                }
                Finish::Swapped(mailbox, function) => {
                    pull.mailbox = Some(mailbox);
                    let Ok(function) = function.downcast::<SwappedTo>() else { return Fate::Restarted };
                    state.frame.set(frame::RECEIVED, function.slot);
                    pull.function = function;
                    return Fate::Swapped;
                }
                Finish::Waiting(mut mailbox) => {
                    pull.replies.clear();
                    if mailbox.prepare_wait_for_supervisor() {
                        pull.waiting = true;
                        pull.mailbox = Some(mailbox);
                        return Fate::Waiting;
                    }
                    finish = mailbox.resumed();
                }
            }
        }
    }

    fn drop_replies(&mut self, number: u32) {
        if let Some(pull) = self.pulls.get_mut(number) {
            pull.replies.clear();
        }
    }

    /// Ends all pull actors.
    pub(crate) fn clear(&mut self) {
        self.pulls.clear();
    }
}

fn hand_over(parcels: &mut Parcels, pull: &mut Pull, state: &State, received: Received) -> Found {
    let mut message = match received {
        Received::Empty => return Found::Nothing,
        Received::Stopped => {
            pull.replies.clear();
            return Found::Stopped;
        }
        Received::Message(Incoming::System(notice)) => {
            pull.notice = Some(notice);
            return Found::Notice;
        }
        Received::Message(Incoming::User(message)) => message,
    };
    let place = parcels.put(message.payload().view());
    let mut size = place.size;
    if let Some(reply) = message.take_reply() {
        size |= WANTS_REPLY;
        state.frame.set(frame::RECEIVED + 2, pull.keep(reply));
    }
    state.frame.set(frame::RECEIVED, place.offset);
    state.frame.set(frame::RECEIVED + 1, size);
    Found::Message
}

impl Pull {
    /// Keeps the right to answer until the user does; those nobody waits for any more are thrown away now and then.
    fn keep(&mut self, reply: Reply) -> u32 {
        if self.replies.len() >= self.replies_swept_at {
            self.replies.retain(Reply::is_awaited);
            self.replies_swept_at = REPLIES_SWEPT_FROM.max(self.replies.len() * 2);
        }
        self.replies.put(reply)
    }
}
