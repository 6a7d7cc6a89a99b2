//! Seeds: where a node that joins looks for the others. Addresses, and host names that may stand for many, which are looked
//! up again from time to time. Those that are no members are greeted in turn.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::network::LOOK_UP_AGAIN;
use super::node::Node;
use super::options::NODES_MAX;
use super::tell::tell;
use crate::sync::Mutex;

/// How long after a look-up without an outcome the next one is: soon, since a mesh may start before its names are known.
pub(super) const LOOK_UP_SOON: Duration = Duration::from_secs(5);
/// Most seeds that are greeted at once, of those that are no members.
const GREETED_AT_ONCE: usize = 3;

/// See the module documentation.
pub(super) struct Seeds {
    /// By the place of what stands for them.
    found: Arc<Mutex<Vec<Vec<SocketAddr>>>>,
    changed: Arc<Notify>,
    /// The last that was greeted.
    last: Option<SocketAddr>,
}

impl Seeds {
    /// Begins to look names up, each by itself: one that has no answer keeps no other waiting.
    pub(super) fn start(node: &Arc<Node>, seeds: &[String]) -> Self {
        let found = Arc::new(Mutex::new(vec![Vec::new(); seeds.len()]));
        let changed = Arc::new(Notify::new());
        for (place, seed) in seeds.iter().enumerate() {
            if let Ok(address) = seed.parse() {
                found.lock()[place] = vec![address];
                continue;
            }
            let (node, name) = (Arc::downgrade(node), seed.clone());
            let (found, changed) = (Arc::clone(&found), Arc::clone(&changed));
            let look_up = look_up(node, name, move |addresses| {
                found.lock()[place] = addresses;
                changed.notify_one();
            });
            tokio::spawn(look_up);
        }
        Self { found, changed, last: None }
    }

    /// Waits until a name was looked up.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whom to greet now, of those that are not known: the next ones, so that each has its turn.
    pub(super) fn next(&mut self, known: &BTreeSet<SocketAddr>) -> Vec<SocketAddr> {
        let unknown: BTreeSet<SocketAddr> =
            self.found.lock().iter().flatten().copied().filter(|address| !known.contains(address)).collect();
        let (before, behind): (Vec<_>, Vec<_>) =
            unknown.into_iter().partition(|address| Some(*address) <= self.last);
        let next: Vec<_> = behind.into_iter().chain(before).take(GREETED_AT_ONCE).collect();
        self.last = next.last().copied().or(self.last);
        next
    }
}

/// Looks a name up as long as the node lives.
async fn look_up(node: Weak<Node>, name: String, found: impl Fn(Vec<SocketAddr>)) {
    let mut is_told = false;
    while let Some(this) = node.upgrade() {
        let outcome = this.network.lookup(&name).await;
        let again = match outcome {
            Ok(addresses) if !addresses.is_empty() => {
                // A mesh has no more members.
                found(addresses.into_iter().take(NODES_MAX).collect());
                is_told = false;
                LOOK_UP_AGAIN
            }
            // What it stood for may still be there.
            failed => {
                if !std::mem::replace(&mut is_told, true) {
                    let error =
                        failed.err().map_or("it has no address".to_owned(), |error| error.to_string());
                    tell!(
                        this.shared,
                        WARN,
                        "a host name of the mesh cannot be looked up",
                        node = this.name,
                        host = name,
                        error = error,
                    );
                }
                LOOK_UP_SOON
            }
        };
        drop(this);
        sleep(again).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_that_are_no_members_are_greeted_in_turn() {
        let at = |last: u8| SocketAddr::from(([10, 0, 0, last], 9000));
        let all = |known: &[u8]| known.iter().copied().map(at).collect::<BTreeSet<_>>();
        let found = vec![vec![at(4)], vec![at(1), at(2), at(3), at(2)], vec![at(5)], Vec::new()];
        let mut seeds = Seeds { found: Arc::new(Mutex::new(found)), changed: Arc::default(), last: None };
        for (known, expected) in [
            (&[][..], &[1, 2, 3][..]),
            (&[], &[4, 5, 1]),
            (&[3], &[2, 4, 5]),
            (&[1, 2, 3, 5], &[4]),
            (&[1, 2, 3, 4, 5], &[]),
            (&[3], &[5, 1, 2]),
        ] {
            let expected: Vec<_> = expected.iter().copied().map(at).collect();
            assert_eq!(seeds.next(&all(known)), expected, "{known:?}");
        }
    }
}
