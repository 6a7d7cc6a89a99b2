//! Observed actors: no handler; what they get is kept until somebody reads it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::cell::{Cell, flag};
use crate::counters::Dropped;
use crate::details::{Details, Waiter};
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Incoming, Message};
use crate::pid::Pid;
use crate::runtime::Runtime;

/// Most readers that wait for one actor: the oldest beyond it is woken for nothing, and waits again if it still does.
const READERS_MAX: usize = 1024;

impl Runtime {
    /// Takes what an observed actor keeps, oldest first: messages of users and notices of the runtime.
    ///
    /// # Errors
    /// `NoProcess`; `WrongActorKind` for an actor with a handler.
    pub fn take_observed(&self, pid: Pid) -> Result<Vec<Incoming>> {
        let cell = self.observed(pid)?;
        let mut strangers = Vec::new();
        let taken = cell.with_details(pid, |details| {
            strangers = collect(cell, pid, details);
            cell.count_taken(users(&details.kept));
            details.looked_in_vain |= details.reading > 0;
            details.kept.drain(..).collect()
        });
        self.drop_strangers(strangers);
        taken.ok_or_else(|| Error::no_process(pid))
    }

    /// Takes the first thing the matcher accepts from what an observed actor keeps; the others keep their order.
    ///
    /// The matcher runs under no lock and may call the runtime; meanwhile other readers find the actor empty.
    ///
    /// # Errors
    /// As [`Runtime::take_observed`], or what the matcher failed with.
    pub fn select_observed<E: From<Error>>(
        &self,
        pid: Pid,
        matcher: &mut dyn FnMut(&Incoming) -> Result<bool, E>,
    ) -> Result<Option<Incoming>, E> {
        let cell = self.observed(pid)?;
        let mut strangers = Vec::new();
        let kept = cell.with_details(pid, |details| {
            strangers = collect(cell, pid, details);
            cell.count_taken(users(&details.kept));
            details.looked_in_vain |= details.reading > 0;
            details.reading += 1;
            std::mem::take(&mut details.kept)
        });
        self.drop_strangers(strangers);
        let kept = kept.ok_or_else(|| Error::no_process(pid))?;
        let mut reading = Reading { runtime: self, cell, pid, kept };
        for place in 0..reading.kept.len() {
            if matcher(&reading.kept[place])? {
                return Ok(reading.kept.remove(place));
            }
        }
        Ok(None)
    }

    /// Wakes the waiter once, when an observed actor next gets something or ends. At once where something came, or was
    /// put back by another reader, since the last look.
    ///
    /// # Errors
    /// As [`Runtime::take_observed`].
    pub fn notify_observed(&self, pid: Pid, waiter: Arc<dyn Waiter>) -> Result<()> {
        let cell = self.observed(pid)?;
        let registered = cell.with_details(pid, |details| {
            details.readers.push(waiter);
            let over = (details.readers.len() > READERS_MAX).then(|| details.readers.remove(0));
            let missed = details.reading == 0 && std::mem::take(&mut details.looked_in_vain);
            (over, missed)
        });
        let (over, missed) = registered.ok_or_else(|| Error::no_process(pid))?;
        if let Some(over) = over {
            over.wake();
        }
        if missed || cell.word.has_news() {
            crate::ending::wake_waiter(cell, pid);
        }
        Ok(())
    }

    fn drop_strangers(&self, strangers: Vec<(Pid, Message)>) {
        for (receiver, message) in strangers {
            self.shared().drop_message(receiver, message, Dropped::ActorExited);
        }
    }

    fn observed(&self, pid: Pid) -> Result<&Cell> {
        let cell = self.shared().cell(pid)?;
        if !cell.has(flag::OBSERVED) {
            let message = format!("actor {pid} has a handler: only an observed actor keeps its messages");
            return Err(Error::new(ErrorKind::WrongActorKind, message));
        }
        Ok(cell)
    }
}

/// Moves what arrived to what is kept, under the details' lock, which makes the caller the list's only reader. Returns what was
/// sent to an earlier actor of the slot, to be dropped without the lock: a drop may run code of users.
fn collect(cell: &Cell, pid: Pid, details: &mut Details) -> Vec<(Pid, Message)> {
    let (mut list, mut strangers) = (cell.word.take(), Vec::new());
    while let Some(node) = list.pop() {
        let receiver = pid.of_generation(node.generation());
        let is_strangers = receiver != pid;
        match node.into_incoming() {
            Incoming::User(message) if is_strangers => {
                cell.count_taken(1);
                strangers.push((receiver, message));
            }
            Incoming::System(_) if is_strangers => {}
            incoming => details.kept.push_back(incoming),
        }
    }
    strangers
}

fn users(kept: &VecDeque<Incoming>) -> u64 {
    kept.iter().filter(|kept| matches!(kept, Incoming::User(_))).count() as u64
}

/// What a reader took out to look at. It goes back when the reader is done, however that comes about.
struct Reading<'a> {
    runtime: &'a Runtime,
    cell: &'a Cell,
    pid: Pid,
    kept: VecDeque<Incoming>,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let kept = &mut self.kept;
        let missed = self.cell.with_details(self.pid, |details| {
            self.cell.count_put_back(users(kept));
            kept.append(&mut details.kept);
            std::mem::swap(kept, &mut details.kept);
            details.reading -= 1;
            let missed = details.reading == 0 && details.looked_in_vain && !details.readers.is_empty();
            details.looked_in_vain &= !missed;
            missed
        });
        if missed == Some(true) {
            crate::ending::wake_waiter(self.cell, self.pid);
        }
        for incoming in self.kept.drain(..) {
            if let Incoming::User(message) = incoming {
                self.runtime.shared().drop_message(self.pid, message, Dropped::ActorExited);
            }
        }
    }
}
