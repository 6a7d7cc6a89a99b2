//! Naming: gives the names that other members hold to proxies of here, and takes names from actors of here that lost them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::globals::{Claim, Claims, GLOBAL_NAMES_MAX, settle};
use super::members::Member;
use super::network::now_us;
use super::node::Node;
use crate::error::{Error, ErrorKind, Result};
use crate::exit::ExitReason;
use crate::pid::Pid;
use crate::runtime::Runtime;

/// The global names as one node knows them. Lies under one lock.
#[derive(Default)]
pub(crate) struct Naming {
    /// Those of actors of here.
    own: Claims,
    /// Those of others that hold, held or contested a name.
    seen: BTreeMap<(String, Claim), Seen>,
}

/// The proxy of the actor that a claim is for: made once for each claim and connection. So when the proxy ends first the claim
/// is over, though its node may not have taken it back yet.
struct Seen {
    proxy: Pid,
    /// The number of the connection with the owner's node.
    connection: u64,
    made: Instant,
}

impl Node {
    /// Gives an actor of here a name that all members know.
    pub(crate) fn register_global(&self, runtime: &Runtime, name: &str, pid: Pid) -> Result<()> {
        if pid.is_proxy() {
            return Err(Error::invalid("a global name is given to an actor by its own node"));
        }
        if self.heard.lock().is_some() {
            return Err(Error::invalid("global names are those of a mesh: join_mesh comes first"));
        }
        let mut naming = self.naming.lock();
        if naming.own.len() >= GLOBAL_NAMES_MAX && !naming.own.contains_key(name) {
            let message = format!("a node has at most {GLOBAL_NAMES_MAX} global names");
            return Err(Error::new(ErrorKind::LimitReached, message));
        }
        runtime.register(name, pid)?;
        let since = now_us(&*self.network);
        if naming.own.get(name).is_none_or(|claim| claim.pid != pid) {
            naming.own.insert(name.to_owned(), Claim { since, node: self.name.clone(), pid });
        }
        drop(naming);
        self.named.notify_one();
        Ok(())
    }

    /// Settles who has which name, and says what this node claims.
    pub(crate) fn settle_names(self: &Arc<Self>, members: &[Member]) -> Claims {
        let Some(shared) = self.shared.upgrade() else { return Claims::new() };
        let runtime = Runtime::inner(shared);
        // A member that is gone claims nothing, though the others may not have given it up yet.
        let here: Vec<&Member> =
            members.iter().filter(|member| self.has_met(&member.name, member.incarnation)).collect();
        let mut naming = self.naming.lock();
        // What was unregistered, and whose actor ended.
        naming.own.retain(|name, claim| runtime.whereis(name) == Some(claim.pid));
        let Naming { own, seen } = &mut *naming;
        let told: BTreeSet<&(String, Claim)> = here.iter().flat_map(|member| &member.claims).collect();
        seen.retain(|claim, seen| {
            let stays =
                told.contains(claim) && self.connection_number(&claim.1.node) == Some(seen.connection);
            if !stays && runtime.whereis(&claim.0) == Some(seen.proxy) {
                runtime.unregister(&claim.0);
            }
            stays
        });
        let lives = |claim: &(String, Claim)| seen.get(claim).map(|seen| runtime.is_alive(seen.proxy));
        let elsewhere = settle(own, told.into_iter().filter(|claim| lives(claim) != Some(false)).cloned());
        let mut losers = Vec::new();
        for claim in elsewhere {
            // Not before its node had the time to say that the other owner is gone: the claim may be over.
            let holder = seen.get(&claim).map(|seen| (seen.proxy, seen.made));
            if let Some((proxy, made)) = holder {
                if own.contains_key(&claim.0) && made.elapsed() < self.options.heartbeat {
                    continue;
                }
                let lost = own.remove(&claim.0);
                if lost.is_some() {
                    runtime.unregister(&claim.0);
                }
                losers.extend(lost.map(|lost| lost.pid));
                give(&runtime, &claim.0, proxy);
            } else if let Some(new) = self.see(&claim.1) {
                if !own.contains_key(&claim.0) {
                    give(&runtime, &claim.0, new.proxy);
                }
                seen.insert(claim, new);
            }
        }
        let own = own.clone();
        drop(naming);
        for loser in losers {
            runtime.shared().end(loser, ExitReason::NameConflict);
        }
        own
    }

    fn connection_number(&self, node: &str) -> Option<u64> {
        self.registry.lock().by_name(node).map(|connection| connection.number)
    }

    /// Makes the proxy of the actor that a claim is for.
    fn see(&self, claim: &Claim) -> Option<Seen> {
        let connection = self.registry.lock().by_name(&claim.node).cloned()?;
        let proxy = connection.proxy(claim.pid).ok()?;
        Some(Seen { proxy, connection: connection.number, made: Instant::now() })
    }
}

/// Gives a name to the proxy of its owner, in the place of another's. An actor of here that has the name for itself keeps it.
fn give(runtime: &Runtime, name: &str, proxy: Pid) {
    match runtime.whereis(name) {
        Some(other) if other == proxy || !other.is_proxy() => return,
        Some(_) => drop(runtime.unregister(name)),
        None => {}
    }
    // It ended meanwhile, or another took the name: the next round sees to that.
    let _ = runtime.register(name, proxy);
}
