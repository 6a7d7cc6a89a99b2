//! Members: the nodes that have joined a mesh, each connected with each.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use tokio::time::timeout;

use super::gossip::Gossip;
use super::node::Node;
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
}

/// How nodes learn of each other.
#[async_trait]
pub(crate) trait Membership: Send {
    /// Waits for a change: the members that live, without this node. `None`: there will be none any more.
    async fn changed(&mut self) -> Option<Vec<Member>>;
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
            let gossip = Gossip::start(&this, here, seeds, heard).await;
            drop(this);
            match gossip {
                Ok(gossip) => keep(node, gossip).await,
                Err(error) => {
                    tracing::error!(%error, "the mesh is not joined");
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

    /// Sees to it that there is a connection with this start of a member.
    fn meet(self: &Arc<Self>, member: &Member) {
        let met = |registry: &super::registry::Registry| {
            let known = registry.by_name(&member.name);
            known.is_some_and(|known| known.hello.incarnation >= member.incarnation)
        };
        if met(&self.registry.lock()) {
            return;
        }
        let (node, address) = (Arc::clone(self), member.address.to_string());
        self.handle.spawn(async move {
            if let Err(error) = node.connect(&address).await {
                tracing::debug!(node = %node.name, address, %error, "a member cannot be reached");
            }
        });
    }
}

/// Keeps this node connected with all members as long as it lives. What failed is tried again with each heartbeat.
async fn keep(node: Weak<Node>, mut membership: impl Membership) {
    let mut members = Vec::new();
    loop {
        let Some(beat) = node.upgrade().map(|node| node.options.heartbeat) else { return };
        match timeout(beat, membership.changed()).await {
            Ok(Some(changed)) => members = changed,
            Ok(None) => return,
            Err(_) => {}
        }
        let Some(node) = node.upgrade() else { return };
        for member in &members {
            node.meet(member);
        }
    }
}
