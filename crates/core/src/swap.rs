//! Hot swap: new code for an actor that lives on.

use std::any::Any;
use std::sync::Arc;

use crate::behaviour::Behaviour;
use crate::cell::{Cell, flag};
use crate::details::{Details, Signal};
use crate::error::{Error, ErrorKind, Result};
use crate::history::{Code, History};
use crate::message::{SystemKind, SystemMessage};
use crate::pid::Pid;
use crate::runtime::Runtime;

/// What a pull actor ran before its first swap: the host kept it, the runtime cannot bring it back.
struct Unknown;

impl Runtime {
    /// Swaps a push actor's behaviour. The message in progress ends under the old one; every later message, queued or
    /// new, meets the new one. Returns the version now in force.
    ///
    /// # Errors
    /// `NoProcess`; `WrongActorKind` for a pull actor.
    pub fn hot_swap(&self, pid: Pid, behaviour: Arc<dyn Behaviour>) -> Result<u32> {
        let cell = self.shared().cell(pid)?;
        if cell.has(flag::PULL) {
            let message = format!("actor {pid} is a pull actor: swap its function, not a handler");
            return Err(Error::new(ErrorKind::WrongActorKind, message));
        }
        self.swap(cell, pid, Code::Behaviour(behaviour))
    }

    /// Swaps a pull actor's function: it is told `HOT_SWAP`, and when its function returns the new one is called with
    /// the same mailbox. `first` is the function it was spawned with, kept for a rollback.
    ///
    /// # Errors
    /// `NoProcess`; `WrongActorKind` for a push actor.
    pub fn hot_swap_pull(
        &self,
        pid: Pid,
        mut first: Option<Arc<dyn Any + Send + Sync>>,
        function: Arc<dyn Any + Send + Sync>,
    ) -> Result<u32> {
        let cell = self.shared().cell(pid)?;
        if !cell.has(flag::PULL) {
            let message = format!("actor {pid} is a push actor: swap its handler, not a function");
            return Err(Error::new(ErrorKind::WrongActorKind, message));
        }
        cell.with_details(pid, |details| {
            details.history.get_or_insert_with(|| {
                // Taken only here: where there is no use for it, it goes without the lock, since that may run code of users.
                let first = first.take().or_else(|| details.function.clone());
                Box::new(History::new(Code::Function(first.unwrap_or_else(|| Arc::new(Unknown)))))
            });
        });
        self.swap(cell, pid, Code::Function(function))
    }

    fn swap(&self, cell: &Cell, pid: Pid, code: Code) -> Result<u32> {
        if cell.has(flag::REMOTE) {
            let message = format!("actor {pid} lives on another node: it is swapped there");
            return Err(Error::new(ErrorKind::WrongActorKind, message));
        }
        let swapped = cell.with_behaviour(pid, |details, current| {
            let history = details.history.get_or_insert_with(|| {
                let first = current.map_or_else(
                    || Code::Function(Arc::new(Unknown)),
                    |current| Code::Behaviour(Arc::clone(current)),
                );
                Box::new(History::new(first))
            });
            history.push(code)
        });
        let (version, forgotten) = swapped.ok_or_else(|| Error::no_process(pid))?;
        drop(forgotten);
        self.told_of_swap(cell, pid);
        Ok(version)
    }

    /// The version of the actor's code: 1 at its spawn, one more with each swap.
    ///
    /// # Errors
    /// `NoProcess`.
    pub fn behavior_version(&self, pid: Pid) -> Result<u32> {
        let cell = self.shared().cell(pid)?;
        let version = cell.look_at_details(pid, |details| details.history.as_ref().map(|h| h.version()));
        Ok(version.flatten().unwrap_or(1))
    }

    /// Goes back `steps` versions and returns the one now in force.
    ///
    /// # Errors
    /// `NoProcess`; `InvalidArgument` for 0 steps or more than are kept (at most
    /// [`HISTORY_MAX`](crate::HISTORY_MAX) versions).
    pub fn rollback_behavior(&self, pid: Pid, steps: usize) -> Result<u32> {
        let cell = self.shared().cell(pid)?;
        if steps == 0 {
            return Err(Error::invalid("a rollback takes at least 1 step"));
        }
        let version = cell.with_details(pid, |details| {
            let history = details.history.as_mut();
            let kept = history.as_ref().map_or(0, |history| history.steps_kept());
            history.and_then(|history| history.roll_back(steps)).ok_or_else(|| {
                Error::invalid(format!("actor {pid} has {kept} earlier versions, {steps} steps were asked"))
            })
        });
        let (version, forgotten) = version.ok_or_else(|| Error::no_process(pid))??;
        drop(forgotten);
        self.told_of_swap(cell, pid);
        Ok(version)
    }

    fn told_of_swap(&self, cell: &Cell, pid: Pid) {
        if !cell.has(flag::OBSERVED) {
            self.shared().signal_with(cell, pid, false, announce);
        }
        let mut message = SystemMessage::new(SystemKind::HotSwap);
        message.target_pid = Some(pid);
        self.shared().tell(pid, message);
    }
}

fn announce(details: &mut Details) {
    if !details.signals.iter().any(|signal| matches!(signal, Signal::Swap)) {
        details.signals.push_back(Signal::Swap);
    }
}
