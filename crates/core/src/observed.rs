//! Observed actors: no handler; what they get is kept until somebody reads it.

use std::sync::Arc;

use crate::cell::{Cell, flag};
use crate::counters::Dropped;
use crate::details::{Details, Waiter};
use crate::error::{Error, ErrorKind, Result};
use crate::message::Incoming;
use crate::pid::Pid;
use crate::runtime::Runtime;

impl Runtime {
    /// Takes what an observed actor keeps, oldest first: messages of users and notices of the runtime.
    ///
    /// # Errors
    /// `NoProcess`; `WrongActorKind` for an actor with a handler.
    pub fn take_observed(&self, pid: Pid) -> Result<Vec<Incoming>> {
        let cell = self.observed(pid)?;
        let taken = cell.with_details(pid, |details| {
            collect(self, cell, pid, details);
            let users = details.kept.iter().filter(|kept| matches!(kept, Incoming::User(_))).count();
            cell.count_taken(users as u64);
            details.kept.drain(..).collect()
        });
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
        let kept = cell.with_details(pid, |details| {
            collect(self, cell, pid, details);
            std::mem::take(&mut details.kept)
        });
        let mut kept = kept.ok_or_else(|| Error::no_process(pid))?;
        let mut found = Ok(None);
        for place in 0..kept.len() {
            match matcher(&kept[place]) {
                Ok(false) => {}
                Ok(true) => {
                    found = Ok(kept.remove(place));
                    break;
                }
                Err(error) => {
                    found = Err(error);
                    break;
                }
            }
        }
        let mut kept = Some(kept);
        cell.with_details(pid, |details| {
            let mut kept = kept.take().unwrap_or_default();
            kept.append(&mut details.kept);
            details.kept = kept;
            if let Ok(Some(Incoming::User(_))) = &found {
                cell.count_taken(1);
            }
        });
        found
    }

    /// Wakes the waiter once, when an observed actor next gets something or ends. At once where something is there.
    ///
    /// # Errors
    /// As [`Runtime::take_observed`].
    pub fn notify_observed(&self, pid: Pid, waiter: Arc<dyn Waiter>) -> Result<()> {
        let cell = self.observed(pid)?;
        let before = cell.with_details(pid, |details| details.waiter.replace(waiter));
        if let Some(before) = before.ok_or_else(|| Error::no_process(pid))? {
            before.wake();
        }
        if cell.word.has_news() {
            crate::ending::wake_waiter(cell, pid);
        }
        Ok(())
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

/// Moves what arrived to what is kept. Under the details' lock, which makes the caller the list's only reader.
fn collect(runtime: &Runtime, cell: &Cell, pid: Pid, details: &mut Details) {
    let mut list = cell.word.take();
    while let Some(node) = list.pop() {
        match node.incoming {
            Incoming::User(message) if node.generation != pid.generation() => {
                cell.count_taken(1);
                runtime.shared().drop_message(pid, message, Dropped::ActorExited);
            }
            incoming => details.kept.push_back(incoming),
        }
    }
}
