//! Pull actors: a function of the host with a mailbox it takes messages from, on a thread or task of its own.
//!
//! The holder of the [`PullMailbox`] is the actor's owner. Where nothing is there it gives the ownership up
//! ([`PullMailbox::prepare_wait`]); whoever sends next wakes the waiter, and the holder is the owner again.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::bounded;
use crate::cell::{Cell, flag};
use crate::counters::Dropped;
use crate::details::Signal;
use crate::ending;
use crate::exit::ExitReason;
use crate::history::Code;
use crate::lane::LaneId;
use crate::message::{Incoming, Message, SystemKind};
use crate::pid::Pid;
use crate::runtime::Runtime;
use crate::shared::Shared;

/// What a look into the mailbox found.
#[derive(Debug)]
pub enum Received {
    /// The oldest message; notices of the runtime come before messages of users.
    Message(Incoming),
    /// Nothing is there now.
    Empty,
    /// The actor was told to stop: its function should return.
    Stopped,
}

/// What becomes of a pull actor whose function returned or failed.
#[derive(Debug)]
pub enum Finish {
    /// It ended.
    Ended,
    /// Its supervisor restarts it: call the function again with this mailbox.
    Restarted(PullMailbox),
    /// It was swapped while it ran: call the new function with this mailbox.
    Swapped(PullMailbox, Arc<dyn Any + Send + Sync>),
    /// Its supervisor decides: wait as for a message, then call [`PullMailbox::resumed`].
    Waiting(PullMailbox),
}

/// The mailbox of one pull actor. Dropped, the actor ends with [`ExitReason::Normal`].
pub struct PullMailbox {
    shared: Arc<Shared>,
    cell: *const Cell,
    pid: Pid,
    notices: VecDeque<Incoming>,
    stash: VecDeque<Incoming>,
    stopped: Option<ExitReason>,
    restart: bool,
    ended: bool,
    bounded: bool,
}

// SAFETY: the cell lives as long as `shared`; the mailbox is the actor's owner wherever it goes.
unsafe impl Send for PullMailbox {}

impl PullMailbox {
    pub(crate) fn new(shared: Arc<Shared>, cell: &Cell, pid: Pid) -> Self {
        let bounded = cell.has(flag::BOUNDED);
        let cell = std::ptr::from_ref(cell);
        Self {
            shared,
            cell,
            pid,
            notices: VecDeque::new(),
            stash: VecDeque::new(),
            stopped: None,
            restart: false,
            ended: false,
            bounded,
        }
    }

    fn cell(&self) -> &Cell {
        // SAFETY: cells live as long as `shared`.
        unsafe { &*self.cell }
    }

    fn count_taken(&self) {
        if self.bounded { self.cell().count_taken_beside_senders(1) } else { self.cell().count_taken(1) }
    }

    /// The actor's pid.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The actor's runtime. Keeping it does not keep the runtime open.
    #[must_use]
    pub fn runtime(&self) -> Runtime {
        Runtime::inner(Arc::clone(&self.shared))
    }

    /// Whether the actor was told to stop, or to begin anew: its function should return.
    pub fn is_stopped(&mut self) -> bool {
        self.obey_signals();
        self.stopped.is_some() || self.restart
    }

    /// Takes the oldest message without waiting.
    #[inline]
    pub fn try_recv(&mut self) -> Received {
        loop {
            if self.cell().word.is_signalled() {
                self.obey_signals();
            }
            if self.stopped.is_some() || self.restart {
                return Received::Stopped;
            }
            if let Some(notice) = self.notices.pop_front() {
                return Received::Message(notice);
            }
            if let Some(stashed) = self.take_stashed() {
                return Received::Message(stashed);
            }
            match self.take() {
                Some(message) => {
                    self.count_taken();
                    return Received::Message(Incoming::User(message));
                }
                None if self.cell().word.is_signalled() => {}
                None => return Received::Empty,
            }
        }
    }

    fn take_stashed(&mut self) -> Option<Incoming> {
        while let Some(stashed) = self.unstash(0) {
            match stashed {
                Incoming::User(message) if message.is_expired() => {
                    self.shared.drop_message(self.pid, message, Dropped::AskExpired);
                }
                stashed => return Some(stashed),
            }
        }
        None
    }

    /// Takes the first message the matcher accepts; the others keep their place and order.
    ///
    /// # Errors
    /// What the matcher failed with; nothing is taken then.
    pub fn select<E>(
        &mut self,
        matcher: &mut dyn FnMut(&Incoming) -> Result<bool, E>,
    ) -> Result<Received, E> {
        self.select_from(&mut 0, matcher)
    }

    /// As [`PullMailbox::select`], passing over the first `seen` messages and counting there what it saw, so that a
    /// wait for more does not ask about a message twice.
    ///
    /// # Errors
    /// As [`PullMailbox::select`].
    pub fn select_from<E>(
        &mut self,
        seen: &mut usize,
        matcher: &mut dyn FnMut(&Incoming) -> Result<bool, E>,
    ) -> Result<Received, E> {
        loop {
            self.obey_signals();
            if self.stopped.is_some() || self.restart {
                return Ok(Received::Stopped);
            }
            self.stash_all(seen);
            if !self.cell().word.is_signalled() {
                break;
            }
        }
        for place in 0..self.notices.len() {
            if matcher(&self.notices[place])? {
                return Ok(self.notices.remove(place).map_or(Received::Empty, Received::Message));
            }
        }
        while *seen < self.stash.len() {
            if matcher(&self.stash[*seen])? {
                return Ok(self.unstash(*seen).map_or(Received::Empty, Received::Message));
            }
            *seen += 1;
        }
        Ok(Received::Empty)
    }

    /// Takes all that came, to look at it. Of a bounded mailbox it still counts against the bounds; where the oldest are to go
    /// for what is new, they are found here.
    fn stash_all(&mut self, seen: &mut usize) {
        if !self.bounded {
            while let Some(message) = self.take() {
                self.stash.push_back(Incoming::User(message));
            }
            return;
        }
        while let Some(message) = bounded::take_to_stash(&self.shared, self.cell(), self.pid) {
            // Counted when it is given out.
            self.cell().count_put_back_beside_senders(1);
            let is_expired = message.is_expired();
            self.stash.push_back(Incoming::User(message));
            if is_expired {
                self.drop_stashed(self.stash.len() - 1, Dropped::AskExpired);
            }
        }
        while !self.stash.is_empty() && bounded::drops_stashed(self.cell(), self.pid) {
            *seen = seen.saturating_sub(1);
            self.drop_stashed(0, Dropped::DroppedOldest);
        }
    }

    /// Takes out what waits at this place of the stash.
    fn unstash(&mut self, place: usize) -> Option<Incoming> {
        let stashed = self.stash.remove(place)?;
        self.count_taken();
        if self.bounded
            && let Incoming::User(message) = &stashed
        {
            bounded::unstash(self.cell(), self.pid, message.payload().len());
        }
        Some(stashed)
    }

    fn drop_stashed(&mut self, place: usize, why: Dropped) {
        if let Some(Incoming::User(message)) = self.unstash(place) {
            self.shared.drop_message(self.pid, message, why);
        }
    }

    /// Readies a wait: true: [`Waiter::wake`](crate::Waiter::wake) is called once when something arrives; false: look again now.
    ///
    /// After a wait that ended by itself, by a time-out or an interrupt, call [`PullMailbox::end_wait`].
    pub fn prepare_wait(&mut self) -> bool {
        self.cell().word.try_lie_down()
    }

    /// Ends a wait, however it ended. A wake that is on its way may still come.
    pub fn end_wait(&mut self) {
        let _ = self.cell().word.try_get_up();
    }

    /// A cheap look from a spin before the wait is readied: something may have come.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.cell().word.has_news()
    }

    /// The function returned, or failed: decides what becomes of the actor.
    pub fn finish(mut self, reason: ExitReason) -> Finish {
        self.obey_signals();
        let reason = match &self.stopped {
            Some(stopped) if !reason.is_failure() => stopped.clone(),
            _ => reason,
        };
        if self.stopped.is_none() && !reason.is_failure() && !self.restart {
            let swapped = self.cell().look_at_details(self.pid, |details| details.swapped.take()).flatten();
            if let Some(function) = swapped {
                self.forget_swap_notices();
                return Finish::Swapped(self, function);
            }
        }
        if let Some(failure) = reason.failure() {
            self.shared.counters.crashed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tracing::warn!(pid = self.pid.get(), kind = %failure.kind, message = %failure.message, "actor failed");
        }
        if self.stopped.is_none() {
            if std::mem::take(&mut self.restart) {
                return self.restarted();
            }
            if ending::asks_supervisor(&self.shared, self.cell(), self.pid, &reason) {
                return self.resumed();
            }
        }
        self.end(reason);
        Finish::Ended
    }

    /// What the supervisor decided.
    pub fn resumed(mut self) -> Finish {
        self.obey_signals();
        if let Some(reason) = self.stopped.clone() {
            self.end(reason);
            return Finish::Ended;
        }
        if std::mem::take(&mut self.restart) {
            return self.restarted();
        }
        Finish::Waiting(self)
    }

    /// Readies a wait for the supervisor's decision alone: messages do not wake it. As [`PullMailbox::prepare_wait`].
    pub fn prepare_wait_for_supervisor(&mut self) -> bool {
        self.cell().word.try_wait()
    }

    /// The oldest message, unless signals came before it: what they tell was told before it was sent.
    fn take(&mut self) -> Option<Message> {
        loop {
            let message = if self.bounded {
                let message = bounded::take_after_signals(&self.shared, self.cell(), self.pid)?;
                // Counted when it is given out.
                self.cell().count_put_back_beside_senders(1);
                message
            } else {
                // SAFETY: the mailbox is the owner, and the reference ends before the next use.
                let local = unsafe { self.cell().local() };
                if local.is_empty() {
                    let signalled;
                    (*local, signalled) = self.cell().word.take_and_look();
                    if signalled {
                        return None;
                    }
                }
                let node = local.pop()?;
                let generation = node.generation();
                let Incoming::User(message) = node.into_incoming() else { continue };
                if generation != self.pid.generation() {
                    self.count_taken();
                    let receiver = self.pid.of_generation(generation);
                    self.shared.drop_message(receiver, message, Dropped::ActorExited);
                    continue;
                }
                message
            };
            if message.is_expired() {
                self.count_taken();
                self.shared.drop_message(self.pid, message, Dropped::AskExpired);
                continue;
            }
            return Some(message);
        }
    }

    fn obey_signals(&mut self) {
        self.cell().word.clear_signal();
        loop {
            let signal =
                self.cell().look_at_details(self.pid, |details| details.signals.pop_front()).flatten();
            match signal {
                None => return,
                Some(Signal::Stop) => self.stopped = Some(ExitReason::Killed),
                Some(Signal::Exit(reason)) => self.stopped = Some(reason),
                Some(Signal::System(message)) => self.notices.push_back(Incoming::System(message)),
                Some(Signal::Restart) => self.restart = true,
                Some(Signal::Swap) => self.swap(),
                Some(Signal::Resume(..) | Signal::ChildrenGone | Signal::Poll(_) | Signal::Event(_)) => {}
            }
        }
    }

    fn swap(&mut self) {
        let before = self.cell().look_at_details(self.pid, |details| {
            match details.history.as_ref().and_then(|history| history.current()) {
                Some(Code::Function(function)) => details.swapped.replace(Arc::clone(function)),
                _ => None,
            }
        });
        drop(before);
    }

    /// The latest function is called next: what told of it, or of those it replaces, is not for it to hear.
    fn forget_swap_notices(&mut self) {
        self.notices.retain(|notice| match notice {
            Incoming::System(message) => message.kind != SystemKind::HotSwap,
            Incoming::User(_) => true,
        });
    }

    fn restarted(mut self) -> Finish {
        let swapped = self.cell().look_at_details(self.pid, |details| {
            details.restarts += 1;
            details.swapped.take()
        });
        ending::stop_children(&self.shared, self.cell(), self.pid);
        match swapped.flatten() {
            Some(function) => {
                self.forget_swap_notices();
                Finish::Swapped(self, function)
            }
            None => Finish::Restarted(self),
        }
    }

    /// Ends the actor. What is still to be waited for is waited for by the workers.
    fn end(&mut self, reason: ExitReason) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        // A wait that was dropped may have left the actor idle; a sender that activated it since wakes us alone.
        let _ = self.cell().word.try_get_up() || self.cell().word.try_claim_waiting();
        for incoming in std::mem::take(&mut self.stash) {
            if let Incoming::User(message) = incoming {
                self.count_taken();
                self.shared.drop_message(self.pid, message, Dropped::ActorExited);
            }
        }
        self.cell().with_details(self.pid, |_| {
            self.cell().word.close();
            self.cell().set_lane(LaneId::WORKERS);
            self.cell().lower(flag::PULL);
        });
        if !ending::end(&self.shared, self.cell(), self.pid, reason) {
            self.shared.schedule(self.cell());
        }
    }
}

impl Drop for PullMailbox {
    fn drop(&mut self) {
        self.end(ExitReason::Normal);
    }
}

impl std::fmt::Debug for PullMailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PullMailbox").field("pid", &self.pid).finish_non_exhaustive()
    }
}
