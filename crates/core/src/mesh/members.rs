//! Members: the nodes that have joined a mesh, each connected with each.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use tokio::time::{MissedTickBehavior, interval};

use super::globals::{self, Claim};
use super::gossip::Gossip;
use super::node::Node;
use super::seeds::Seeds;
use super::tell::tell;
use crate::error::{Error, Result};

/// Most addresses that a node may be told to begin with.
const SEEDS_MAX: usize = 1024;

/// Another node that has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) incarnation: u64,
    /// Where it is dialled.
    pub(crate) address: SocketAddr,
    /// The global names of its actors.
    pub(crate) claims: Vec<(String, Claim)>,
}

/// How nodes learn of each other.
#[async_trait]
pub(crate) trait Membership: Send {
    /// Waits for a change: the members that live, without this node. `None`: there will be none any more.
    async fn changed(&mut self) -> Option<Vec<Member>>;

    /// Tells whoever is at this address of this node and the members, and hears of those that it knows.
    fn greet(&mut self, address: SocketAddr);

    /// Tells all members what this node says under these keys from now on; `None`: nothing more.
    async fn say(&mut self, changes: Vec<(String, Option<String>)>);
}

impl Node {
    /// Joins the nodes that are found at these addresses, now or later, and all that these know of.
    pub(crate) fn join(self: &Arc<Self>, seeds: &[String]) -> Result<()> {
        for seed in seeds {
            self.check_seed(seed)?;
        }
        if seeds.len() > SEEDS_MAX {
            return Err(Error::invalid(format!("a node begins with {SEEDS_MAX} addresses at most")));
        }
        let here =
            self.dialled_at().ok_or_else(|| Error::invalid("a node must listen before it joins others"))?;
        if here.ip().is_unspecified() {
            let message =
                format!("others cannot dial {here}: a node that joins must listen at an address of its own");
            return Err(Error::invalid(message));
        }
        let Some(heard) = self.heard.lock().take() else {
            return Err(Error::invalid("this node has joined already"));
        };
        let (node, seeds) = (Arc::downgrade(self), seeds.to_vec());
        self.handle.spawn(async move {
            let Some(this) = node.upgrade() else { return };
            match Gossip::start(&this, here, heard).await {
                Ok(gossip) => {
                    let seeds = Seeds::start(&this, &seeds);
                    drop(this);
                    keep(node, here, gossip, seeds).await;
                }
                Err(error) => {
                    tell!(this.shared, ERROR, "the mesh is not joined", node = this.name, error = error);
                }
            }
        });
        Ok(())
    }

    fn check_seed(&self, seed: &str) -> Result<()> {
        if let Ok(address) = seed.parse() {
            return self.permit(address);
        }
        match seed.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0) => {
                Ok(())
            }
            _ => Err(Error::invalid(format!("{seed:?} is no address of the form host:port"))),
        }
    }

    /// Whether there is a connection with this start of a member.
    pub(crate) fn has_met(&self, name: &str, incarnation: u64) -> bool {
        let registry = self.registry.lock();
        registry.by_name(name).is_some_and(|known| known.hello.incarnation == incarnation)
    }

    /// Sees to it that there is a connection with this start of a member.
    fn meet(self: &Arc<Self>, member: &Member) {
        let known = self.registry.lock().by_name(&member.name).map(|known| known.hello.incarnation);
        if known.is_some_and(|known| known >= member.incarnation) {
            return;
        }
        let (node, address) = (Arc::clone(self), member.address.to_string());
        self.handle.spawn(async move {
            if let Err(error) = node.connect(&address).await {
                node.tell_unreachable(&address, &error);
            }
        });
    }
}

/// What changed between what was said and what is to be said.
fn changes(
    before: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
) -> Vec<(String, Option<String>)> {
    let gone = before.keys().filter(|key| !now.contains_key(*key)).map(|key| (key.clone(), None));
    let new = now.iter().filter(|(key, value)| before.get(*key) != Some(value));
    gone.chain(new.map(|(key, value)| (key.clone(), Some(value.clone())))).collect()
}

/// Keeps this node connected with all members as long as it lives. What failed is tried again with each heartbeat.
async fn keep(node: Weak<Node>, here: SocketAddr, mut membership: impl Membership, mut seeds: Seeds) {
    let (mut members, mut said) = (Vec::new(), BTreeMap::new());
    let Some(beat) = node.upgrade().map(|node| node.options.heartbeat) else { return };
    let mut beats = interval(beat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let Some(this) = node.upgrade() else { return };
        let greets = tokio::select! {
            changed = membership.changed() => match changed {
                Some(changed) => {
                    members = changed;
                    false
                }
                None => {
                    let count = members.len();
                    tell!(this.shared, ERROR, "gossip has ended", node = this.name, members = count);
                    return;
                }
            },
            () = this.made.notified() => false,
            () = this.named.notified() => false,
            () = seeds.changed() => true,
            _ = beats.tick() => true,
        };
        if greets {
            let known = members.iter().map(|member: &Member| member.address).chain([here]);
            for address in seeds.next(&known.collect::<BTreeSet<_>>()) {
                membership.greet(address);
            }
        }
        for member in &members {
            this.meet(member);
        }
        let own = this.settle_names(&members);
        let says: BTreeMap<String, String> =
            own.iter().map(|(name, claim)| globals::said(name, claim)).collect();
        drop(this);
        membership.say(changes(&said, &says)).await;
        said = says;
    }
}
