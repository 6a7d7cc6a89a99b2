//! Lanes: every hosted lane that a runtime has made, each for as long as the runtime, some for one host after another.
//!
//! A lane is never freed, since a send that raced with its end may still look at it. It begins again with another host when
//! it is retired and nobody but this list holds it: whoever has an actor run on a lane holds the lane, so that no actor is on
//! its way there. A sender that is late looks for its successor under the lock that the change of hosts takes.

use std::sync::Arc;

use crate::lane::HostedLane;

#[derive(Default)]
pub(crate) struct Lanes {
    all: Vec<Arc<HostedLane>>,
}

impl Lanes {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn push(&mut self, lane: Arc<HostedLane>) {
        self.all.push(lane);
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Arc<HostedLane>> {
        self.all.get(index)
    }

    pub(crate) fn all(&self) -> Vec<Arc<HostedLane>> {
        self.all.clone()
    }

    /// A lane that is retired and that nobody holds.
    pub(crate) fn unused(&self) -> Option<Arc<HostedLane>> {
        self.all.iter().find(|lane| lane.is_retired() && Arc::strong_count(lane) == 1).cloned()
    }
}
