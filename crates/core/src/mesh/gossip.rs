//! Gossip: how the members of a mesh learn of each other, by chitchat. It speaks over our own connections, so that whoever
//! takes part has proved its name where there are certificates; a socket of its own is never opened.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use chitchat::transport::{Socket, Transport};
use chitchat::{
    ChitchatConfig, ChitchatHandle, ChitchatId, ChitchatMessage, Deserializable, FailureDetectorConfig,
    NodeState, Serializable, spawn_chitchat,
};
use tokio::sync::{mpsc, watch};

use super::globals::{self, Claim};
use super::members::{Member, Membership};
use super::node::Node;
use super::tell::tell;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::Mutex;

/// What a member said, and where it is dialled.
pub(crate) type Heard = (SocketAddr, Vec<u8>);

/// What was heard and not looked at; more is dropped, as on any network, and said again.
pub(crate) const HEARD_MAX: usize = 64;
/// All nodes that can reach each other are one mesh: who may take part is a matter of certificates.
const MESH: &str = "iris";
/// How long what a member took back is remembered, so that none tells it again.
const FORGET_AFTER: Duration = Duration::from_hours(1);

/// See the module documentation.
pub(crate) struct Gossip {
    chitchat: ChitchatHandle,
    members: watch::Receiver<BTreeMap<ChitchatId, NodeState>>,
}

impl Gossip {
    /// Begins to answer those who greet this node, which is dialled `here`.
    pub(crate) async fn start(
        node: &Arc<Node>,
        here: SocketAddr,
        heard: mpsc::Receiver<Heard>,
    ) -> Result<Self> {
        let beat = node.options.heartbeat;
        let failure_detector_config = FailureDetectorConfig {
            initial_interval: beat,
            max_interval: beat * 10,
            ..FailureDetectorConfig::default()
        };
        let config = ChitchatConfig {
            chitchat_id: ChitchatId::new(node.name.clone(), node.incarnation, here),
            cluster_id: MESH.to_owned(),
            gossip_interval: beat,
            listen_addr: here,
            // They are found by the node's own means of looking names up, and greeted.
            seed_nodes: Vec::new(),
            failure_detector_config,
            marked_for_deletion_grace_period: FORGET_AFTER,
            catchup_callback: None,
            extra_liveness_predicate: None,
        };
        let links = Links { node: Arc::downgrade(node), here, heard: Mutex::new(Some(heard)) };
        let chitchat = spawn_chitchat(config, Vec::new(), &links).await.map_err(|error| {
            Error::new(ErrorKind::LimitReached, format!("the mesh is not joined: {error}"))
        })?;
        let members = chitchat.with_chitchat(|chitchat| chitchat.live_nodes_watcher()).await;
        Ok(Self { chitchat, members })
    }
}

#[async_trait]
impl Membership for Gossip {
    async fn changed(&mut self) -> Option<Vec<Member>> {
        self.members.changed().await.ok()?;
        let this = self.chitchat.chitchat_id();
        let members = self.members.borrow_and_update();
        let others = members.keys().filter(|id| *id != this);
        Some(
            others
                .map(|id| Member {
                    name: id.node_id.clone(),
                    incarnation: id.generation_id,
                    address: id.gossip_advertise_addr,
                    claims: claims(&id.node_id, &members[id]),
                })
                .collect(),
        )
    }

    fn greet(&mut self, address: SocketAddr) {
        // It fails where the gossip is over: there is nobody to greet then.
        let _ = self.chitchat.gossip(address);
    }

    async fn say(&mut self, changes: Vec<(String, Option<String>)>) {
        let chitchat = self.chitchat.chitchat();
        let mut chitchat = chitchat.lock().await;
        let this = chitchat.self_node_state();
        for (key, value) in changes {
            match value {
                Some(value) => this.set(key, value),
                None => this.delete(&key),
            }
        }
    }
}

/// The names that a member claims.
fn claims(node: &str, state: &NodeState) -> Vec<(String, Claim)> {
    state.key_values().filter_map(|(key, value)| globals::heard(node, key, value)).collect()
}

/// Our connections as chitchat sees them: one way to send to an address.
struct Links {
    node: Weak<Node>,
    here: SocketAddr,
    heard: Mutex<Option<mpsc::Receiver<Heard>>>,
}

#[async_trait]
impl Transport for Links {
    async fn open(&self, _: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let heard = self.heard.lock().take().ok_or_else(|| anyhow::anyhow!("it was opened before"))?;
        Ok(Box::new(Link { node: Weak::clone(&self.node), here: self.here, heard }))
    }
}

struct Link {
    node: Weak<Node>,
    here: SocketAddr,
    heard: mpsc::Receiver<Heard>,
}

#[async_trait]
impl Socket for Link {
    async fn send(&mut self, to: SocketAddr, message: ChitchatMessage) -> anyhow::Result<()> {
        let node = self.node.upgrade().ok_or_else(|| anyhow::anyhow!("the node is gone"))?;
        // A task of its own: one member that does not answer keeps nobody else waiting.
        node.say_gossip(self.here, to, message.serialize_to_vec());
        Ok(())
    }

    async fn recv(&mut self) -> anyhow::Result<(SocketAddr, ChitchatMessage)> {
        loop {
            let heard = self.heard.recv().await;
            let (from, message) = heard.ok_or_else(|| anyhow::anyhow!("the node is gone"))?;
            match ChitchatMessage::deserialize(&mut message.as_slice()) {
                Ok(message) => return Ok((from, message)),
                Err(error) => {
                    if let Some(node) = self.node.upgrade() {
                        tell!(
                            node.shared,
                            WARN,
                            "gossip was not understood",
                            node = node.name,
                            from = from,
                            error = error,
                        );
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0_u8..5) {
            // Behind every head that chitchat knows, and without one.
            let known = ChitchatMessage::BadCluster.serialize_to_vec();
            let heads: [&[u8]; 2] = [&known[..3], &[]];
            for head in heads {
                let said = [head, &[kind], &bytes].concat();
                if let Ok(message) = ChitchatMessage::deserialize(&mut said.as_slice()) {
                    prop_assert!(!message.serialize_to_vec().is_empty());
                }
            }
        }
    }
}
