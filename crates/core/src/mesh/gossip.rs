//! Gossip: how the members of a mesh learn of each other, by chitchat. It speaks over our own connections, so that whoever
//! takes part has proved its name where there are certificates; a socket of its own is never opened.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use chitchat::transport::{Socket, Transport};
use chitchat::{
    Chitchat, ChitchatConfig, ChitchatHandle, ChitchatId, ChitchatMessage, Deserializable,
    FailureDetectorConfig, NodeState, Serializable, spawn_chitchat,
};
use tokio::sync::{mpsc, watch};

use super::datagram::{Admission, digest_bytes, look_through};
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
/// How long a member that is gone is remembered: each start of a node is a member of its own, and one that cannot stay up is
/// started again and again. Half of that time it is told of.
const FORGET_GONE: Duration = Duration::from_mins(30);
/// Bytes that all members together take of the messages that tell who there is: a datagram, without room for what they say.
/// A thousand members, whose names are as long as most are.
const DIGEST_MAX: usize = 60_000;
/// Of these, those of members that this node is not connected with: who is, proved its name, and is always told of.
const STRANGERS_MAX: usize = DIGEST_MAX / 2;
/// Bytes of the keys and values of all members together: a million global names.
const KEYS_MAX: usize = 64 << 20;

/// See the module documentation.
pub(crate) struct Gossip {
    chitchat: ChitchatHandle,
    /// Done when chitchat is, which it never should be.
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
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
            dead_node_grace_period: FORGET_GONE,
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
        let (tell_known, known) = watch::channel(None);
        let this = config.chitchat_id.clone();
        let gate = Gate { this, known, kept: 0 };
        let link = Link { node: Arc::downgrade(node), here, heard, gate };
        let links = Links(Mutex::new(Some(link)));
        let chitchat = spawn_chitchat(config, Vec::new(), &links).await.map_err(|error| {
            Error::new(ErrorKind::LimitReached, format!("the mesh is not joined: {error}"))
        })?;
        let _ = tell_known.send(Some(chitchat.chitchat()));
        let members = chitchat.with_chitchat(|chitchat| chitchat.live_nodes_watcher()).await;
        let ended = chitchat.termination_watcher();
        Ok(Self { chitchat, ended: Box::pin(async { drop(ended.await) }), members })
    }
}

#[async_trait]
impl Membership for Gossip {
    async fn changed(&mut self) -> Option<Vec<Member>> {
        tokio::select! {
            changed = self.members.changed() => changed.ok()?,
            () = &mut self.ended => return None,
        }
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
struct Links(Mutex<Option<Link>>);

#[async_trait]
impl Transport for Links {
    async fn open(&self, _: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let link = self.0.lock().take().ok_or_else(|| anyhow::anyhow!("it was opened before"))?;
        Ok(Box::new(link))
    }
}

struct Link {
    node: Weak<Node>,
    here: SocketAddr,
    heard: mpsc::Receiver<Heard>,
    gate: Gate,
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
            let (from, said) = heard.ok_or_else(|| anyhow::anyhow!("the node is gone"))?;
            let Some(node) = self.node.upgrade() else { continue };
            match self.gate.look_through(&node, &said).await {
                Ok((message, left_out)) => {
                    if left_out > 0 {
                        tell!(
                            node.shared,
                            WARN,
                            "parts of gossip were left out",
                            node = node.name,
                            from = from,
                            parts = left_out,
                        );
                    }
                    return Ok((from, message));
                }
                Err(error) => {
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

/// Lets no more through than chitchat can bear.
struct Gate {
    this: ChitchatId,
    /// What is known already, as soon as chitchat is there.
    known: watch::Receiver<Option<Arc<tokio::sync::Mutex<Chitchat>>>>,
    /// Bytes of keys and values that were let through since they were counted, and those that there were.
    kept: usize,
}

impl Gate {
    async fn look_through(&mut self, node: &Node, said: &[u8]) -> anyhow::Result<(ChitchatMessage, usize)> {
        let chitchat = Option::clone(&*self.known.wait_for(Option::is_some).await?);
        let chitchat = chitchat.ok_or_else(|| anyhow::anyhow!("nothing is known yet"))?;
        let chitchat = chitchat.lock().await;
        let known = chitchat.node_states();
        let strangers = known.keys().filter(|id| !node.has_met(&id.node_id, id.generation_id));
        let mut admitted = Admitted {
            this: &self.this,
            node,
            known,
            all: known.keys().map(digest_bytes).sum(),
            strangers: strangers.map(digest_bytes).sum(),
            kept: &mut self.kept,
        };
        let looked = look_through(said, &mut admitted)?;
        Ok((ChitchatMessage::deserialize(&mut looked.message.as_slice())?, looked.left_out))
    }
}

/// What is known, and what there is room for.
struct Admitted<'a> {
    this: &'a ChitchatId,
    node: &'a Node,
    known: &'a BTreeMap<ChitchatId, NodeState>,
    /// Bytes of all members that are known, and of those that this node is not connected with.
    all: usize,
    strangers: usize,
    kept: &'a mut usize,
}

impl Admission for Admitted<'_> {
    fn this(&self) -> &ChitchatId {
        self.this
    }

    fn admits(&mut self, member: &ChitchatId, bytes: usize) -> bool {
        if self.known.contains_key(member) {
            return true;
        }
        let has_met = self.node.has_met(&member.node_id, member.generation_id);
        let has_room = self.all + bytes <= DIGEST_MAX && (has_met || self.strangers + bytes <= STRANGERS_MAX);
        if has_room {
            self.all += bytes;
            self.strangers += if has_met { 0 } else { bytes };
        }
        has_room
    }

    fn keeps(&mut self, bytes: usize) -> bool {
        if *self.kept + bytes > KEYS_MAX {
            // Much of it may have been told before, or be gone.
            let of = |state: &NodeState| -> usize {
                let keys = state.key_values_including_deleted();
                keys.map(|(key, value)| key.len() + value.value.len()).sum()
            };
            *self.kept = self.known.values().map(of).sum();
        }
        let keeps = *self.kept + bytes <= KEYS_MAX;
        *self.kept += if keeps { bytes } else { 0 };
        keeps
    }
}
