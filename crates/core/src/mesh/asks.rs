//! Asks: what actors of here have asked of a peer's and is not answered yet.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::message::Reply;

/// Asks among which nobody looks for those that are over.
const FEW: usize = 1024;
/// How long after one look through all that may be kept the next one may be.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// See the module documentation. A peer need not answer what is over, so those are looked for and forgotten: whenever there are
/// twice as many as were left the last time, and where there are as many as may be.
pub(super) struct Asks {
    by_id: HashMap<u64, Reply>,
    most: usize,
    look_at: usize,
    looked: Option<Instant>,
}

impl Asks {
    pub(super) fn new(most: usize) -> Self {
        Self { by_id: HashMap::new(), most, look_at: FEW, looked: None }
    }

    /// Keeps an ask until it is answered; true: no other waits. Gives it back where too many do.
    pub(super) fn insert(&mut self, id: u64, reply: Reply) -> Result<bool, Reply> {
        let is_full = self.by_id.len() >= self.most;
        let looked_lately = self.looked.is_some_and(|looked| looked.elapsed() < LOOK_AGAIN);
        if self.by_id.len() >= self.look_at || (is_full && !looked_lately) {
            self.by_id.retain(|_, reply| reply.is_awaited());
            self.look_at = (2 * self.by_id.len()).max(FEW);
            self.looked = Some(Instant::now());
        }
        if self.by_id.len() >= self.most {
            return Err(reply);
        }
        self.by_id.insert(id, reply);
        Ok(self.by_id.len() == 1)
    }

    pub(super) fn take(&mut self, id: u64) -> Option<Reply> {
        self.by_id.remove(&id)
    }

    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Reply> + use<> {
        std::mem::take(&mut self.by_id).into_values()
    }
}
