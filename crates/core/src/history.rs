//! History: the behaviours an actor had, so that a swap can be rolled back.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::behaviour::Behaviour;

/// Versions kept for a rollback: enough to step back over a bad day of deployments, small enough to forget.
pub const HISTORY_MAX: usize = 16;

/// A version of an actor's code.
#[derive(Clone)]
pub(crate) enum Code {
    /// What a push actor calls.
    Behaviour(Arc<dyn Behaviour>),
    /// What a pull actor's host calls with the mailbox.
    Function(Arc<dyn Any + Send + Sync>),
}

/// Versions of an actor's code, oldest first; the last is in force.
pub(crate) struct History {
    versions: VecDeque<(u32, Code)>,
}

impl History {
    /// The history of an actor that was spawned with this code: version 1.
    pub(crate) fn new(first: Code) -> Self {
        Self { versions: VecDeque::from([(1, first)]) }
    }

    /// The version in force.
    pub(crate) fn version(&self) -> u32 {
        self.versions.back().map_or(1, |(version, _)| *version)
    }

    /// The code in force.
    pub(crate) fn current(&self) -> Option<&Code> {
        self.versions.back().map(|(_, code)| code)
    }

    /// Brings new code into force and forgets the oldest beyond [`HISTORY_MAX`]. Returns its version, and what is
    /// forgotten, to be dropped where that may run code of users.
    pub(crate) fn push(&mut self, code: Code) -> (u32, Option<Code>) {
        let version = self.version() + 1;
        self.versions.push_back((version, code));
        let is_full = self.versions.len() > HISTORY_MAX;
        let forgotten = if is_full { self.versions.pop_front() } else { None };
        (version, forgotten.map(|(_, code)| code))
    }

    /// Takes the newest `steps` versions out of force: what is in force then, and what is forgotten. `None`, and no
    /// change, where that many are not kept.
    pub(crate) fn roll_back(&mut self, steps: usize) -> Option<(u32, VecDeque<(u32, Code)>)> {
        if steps >= self.versions.len() {
            return None;
        }
        let forgotten = self.versions.split_off(self.versions.len() - steps);
        Some((self.version(), forgotten))
    }

    /// How many steps back can be taken.
    pub(crate) fn steps_kept(&self) -> usize {
        self.versions.len() - 1
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn code(name: &'static str) -> Code {
        Code::Function(Arc::new(name))
    }

    fn current(history: &History) -> &'static str {
        match history.current() {
            Some(Code::Function(name)) => name.downcast_ref::<&'static str>().expect("a name"),
            _ => unreachable!("the test keeps functions"),
        }
    }

    #[test]
    fn versions_count_up_and_roll_back() {
        let mut history = History::new(code("a"));
        assert_eq!(history.push(code("b")).0, 2);
        assert_eq!(history.push(code("c")).0, 3);
        assert_eq!(history.roll_back(2).map(|(version, _)| version), Some(1));
        assert_eq!(current(&history), "a");
        assert!(history.roll_back(1).is_none());
    }

    #[test]
    fn the_history_is_bounded() {
        let mut history = History::new(code("a"));
        for _ in 0..100 {
            history.push(code("b"));
        }
        assert_eq!(history.version(), 101);
        assert_eq!(history.steps_kept(), HISTORY_MAX - 1);
    }
}
