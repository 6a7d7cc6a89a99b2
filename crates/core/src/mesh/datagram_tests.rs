//! What members may say of each other, and what is left out of it.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use chitchat::transport::{Socket, Transport};
use chitchat::{ChitchatConfig, ChitchatMessage, FailureDetectorConfig};
use proptest::prelude::*;
use tokio::sync::mpsc;

use super::*;
use crate::sync::Mutex;

pub(in crate::mesh) fn member(name: &str, incarnation: u64, address: SocketAddr) -> ChitchatId {
    ChitchatId::new(name.to_owned(), incarnation, address)
}

/// A message that tells of these members only.
pub(in crate::mesh) fn syn(members: &[ChitchatId], heartbeat: u64) -> Vec<u8> {
    let mut said = [&HEAD[..], &[kind::SYN]].concat();
    u16::try_from(members.len()).unwrap().serialize(&mut said);
    for member in members {
        member.serialize(&mut said);
        for word in [heartbeat, 0, 0] {
            word.serialize(&mut said);
        }
    }
    "iris".serialize(&mut said);
    said
}

/// A message that tells what members say, by these parts.
pub(in crate::mesh) fn ack(parts: &[u8]) -> Vec<u8> {
    let mut said = [&HEAD[..], &[kind::ACK]].concat();
    for block in parts.chunks(BLOCK_MAX) {
        said.push(block::PLAIN);
        u16::try_from(block.len()).unwrap().serialize(&mut said);
        said.extend_from_slice(block);
    }
    said.push(block::END);
    said
}

/// What a member says: keys with their versions, and the latest version.
pub(in crate::mesh) fn part(member: &ChitchatId, keys: &[(&str, u64)], latest: Option<u64>) -> Vec<u8> {
    let mut said = vec![op::NODE];
    member.serialize(&mut said);
    0_u64.serialize(&mut said);
    0_u64.serialize(&mut said);
    for (key, version) in keys {
        said.push(op::KEY);
        key.serialize(&mut said);
        "7 268435456".serialize(&mut said);
        version.serialize(&mut said);
        said.push(0);
    }
    if let Some(latest) = latest {
        said.push(op::LATEST);
        latest.serialize(&mut said);
    }
    said
}

/// A delta of zeros that is unpacked to so many blocks.
pub(in crate::mesh) fn bomb(blocks: usize) -> Vec<u8> {
    let packed = zstd::bulk::compress(&vec![0; BLOCK_MAX], 0).unwrap();
    let mut said = [&HEAD[..], &[kind::ACK]].concat();
    for _ in 0..blocks {
        said.push(block::PACKED);
        u16::try_from(packed.len()).unwrap().serialize(&mut said);
        said.extend_from_slice(&packed);
    }
    said.push(block::END);
    said
}

/// A node that has room for so many bytes of members, and of keys.
pub(in crate::mesh) struct Room {
    this: ChitchatId,
    members: usize,
    keys: usize,
}

impl Admission for Room {
    fn this(&self) -> &ChitchatId {
        &self.this
    }

    fn admits(&mut self, _: &ChitchatId, bytes: usize) -> bool {
        let left = self.members.checked_sub(bytes);
        self.members = left.unwrap_or(self.members);
        left.is_some()
    }

    fn keeps(&mut self, bytes: usize) -> bool {
        bytes <= self.keys
    }
}

pub(in crate::mesh) fn room(members: usize, keys: usize) -> Room {
    Room { this: one("this"), members, keys }
}

fn one(name: &str) -> ChitchatId {
    member(name, 7, ([127, 0, 0, 1], 9000).into())
}

fn looked(said: &[u8], mut room: Room) -> Looked {
    let looked = look_through(said, &mut room).unwrap();
    ChitchatMessage::deserialize(&mut looked.message.as_slice()).unwrap();
    looked
}

#[test]
fn what_honest_members_say_stays_as_it_is() {
    for said in [
        syn(&[one("a"), one("this")], 3),
        ack(&[part(&one("a"), &[("name:x", 3), ("name:y", 4)], None), part(&one("b"), &[], Some(9))].concat()),
        ack(&[]),
        ChitchatMessage::BadCluster.serialize_to_vec(),
    ] {
        assert_eq!(looked(&said, room(1000, 1000)), Looked { message: said, left_out: 0 });
    }
    // Packed, it is told unpacked.
    let part = part(&one("a"), &[("name:x", 3)], None);
    let packed = zstd::bulk::compress(&part, 0).unwrap();
    let length = u16::try_from(packed.len()).unwrap().to_le_bytes();
    let said = [&HEAD[..], &[kind::ACK, block::PACKED], &length, &packed, &[block::END]].concat();
    assert_eq!(looked(&said, room(0, 1000)), Looked { message: ack(&part), left_out: 0 });
}

#[test]
fn members_beyond_what_there_is_room_for_are_left_out() {
    let members: Vec<ChitchatId> = ["a", "b", "this", "c"].map(one).into();
    let bytes = digest_bytes(&members[0]);
    let expected = syn(&["a", "b", "this"].map(one), 3);
    assert_eq!(looked(&syn(&members, 3), room(2 * bytes, 0)), Looked { message: expected, left_out: 1 });
    let long = "n".repeat(NODE_NAME_MAX + 1);
    for name in ["", "a\nb", &long] {
        let looked = looked(&syn(&[one(name)], 3), room(1000, 0));
        assert_eq!(looked, Looked { message: syn(&[], 3), left_out: 1 });
    }
}

#[test]
fn what_contradicts_itself_or_speaks_of_this_node_is_left_out() {
    let good = part(&one("a"), &[("name:x", 3)], None);
    let long = "k".repeat(2 * TEXT_MAX + 1);
    for wrong in [
        part(&one("b"), &[("name:x", 3)], Some(2)),
        part(&one("b"), &[("name:x", 3)], Some(9)),
        part(&one("b"), &[("name:x", 3), ("name:y", 3)], None),
        part(&one("b"), &[("name:x", 0)], None),
        part(&one("b"), &[("name:x", u64::MAX)], None),
        part(&one("b"), &[], Some(u64::MAX)),
        part(&one("b"), &[(&long, 3)], None),
        part(&one(""), &[("name:x", 3)], None),
        part(&one("this"), &[("name:x", 3)], None),
        part(&one("this"), &[], Some(9)),
    ] {
        for said in [[&good[..], &wrong].concat(), [&wrong[..], &good].concat()] {
            assert_eq!(looked(&ack(&said), room(0, 1000)), Looked { message: ack(&good), left_out: 1 });
        }
    }
    assert_eq!(looked(&ack(&good), room(0, 10)), Looked { message: ack(&[]), left_out: 1 });
}

#[test]
fn what_is_no_message_is_refused() {
    let of_nobody = ack(&part(&one("a"), &[("name:x", 3)], None)[1..]);
    let said = ack(&part(&one("a"), &[("name:x", 3)], None));
    for wrong in [
        &b""[..],
        b"GET / HTTP/1.1",
        &[0x53, 0xb0, 1, 0],
        &[0x53, 0xb0, 0, 4],
        &of_nobody,
        &said[..said.len() - 1],
        &said[..said.len() - 5],
        &bomb(100),
    ] {
        assert!(look_through(wrong, &mut room(1000, 1000)).is_err(), "{wrong:?}");
    }
}

/// What chitchat is given to hear: messages that were looked through, one after the other.
struct Feed(mpsc::Receiver<Vec<u8>>);

#[async_trait]
impl Transport for Mutex<Option<Feed>> {
    async fn open(&self, _: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        Ok(Box::new(self.lock().take().unwrap()))
    }
}

#[async_trait]
impl Socket for Feed {
    async fn send(&mut self, _: SocketAddr, message: ChitchatMessage) -> anyhow::Result<()> {
        assert!(u16::try_from(message.serialize_to_vec().len()).is_ok(), "it fits a frame");
        Ok(())
    }

    async fn recv(&mut self) -> anyhow::Result<(SocketAddr, ChitchatMessage)> {
        loop {
            let Some(said) = self.0.recv().await else { std::future::pending().await };
            if let Ok(message) = ChitchatMessage::deserialize(&mut said.as_slice()) {
                return Ok((one("a").gossip_advertise_addr, message));
            }
        }
    }
}

/// Whether chitchat lives after it heard all this.
async fn lives_after(messages: Vec<Vec<u8>>) -> bool {
    let config = ChitchatConfig {
        chitchat_id: one("this"),
        cluster_id: "iris".to_owned(),
        gossip_interval: Duration::from_millis(10),
        listen_addr: one("this").gossip_advertise_addr,
        seed_nodes: Vec::new(),
        failure_detector_config: FailureDetectorConfig::default(),
        marked_for_deletion_grace_period: Duration::from_millis(50),
        catchup_callback: None,
        extra_liveness_predicate: None,
    };
    let (feed, fed) = mpsc::channel(1);
    let feeds = Mutex::new(Some(Feed(fed)));
    let chitchat = chitchat::spawn_chitchat(config, Vec::new(), &feeds).await.unwrap();
    for said in messages {
        let Ok(looked) = look_through(&said, &mut room(50_000, 50_000)) else { continue };
        if feed.send(looked.message).await.is_err() {
            return false;
        }
        tokio::time::advance(Duration::from_millis(20)).await;
    }
    let ended = chitchat.termination_watcher();
    // It still gossips, and takes what this node has to say.
    let known = chitchat.chitchat();
    for name in ["name:own", "name:another"] {
        known.lock().await.self_node_state().set(name, "7 268435456");
    }
    drop(known);
    tokio::time::timeout(Duration::from_secs(1), ended).await.is_err()
}

/// Versions of which some are as large, or as small, as can be.
fn version() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..6, 0_u64..6, any::<u64>(), Just(u64::MAX), Just(u64::MAX - 1)]
}

/// What is said of one of a few members.
fn any_part() -> impl Strategy<Value = Vec<u8>> {
    let keys = prop::collection::vec(("name:[a-c]", version(), 0_u8..4), 0..4);
    let name = prop_oneof![Just("this"), Just("a"), Just("b"), Just("")];
    (name, version(), version(), keys, prop::option::of(version())).prop_map(
        |(name, collected, from, mut keys, latest)| {
            // Most often as an honest member would.
            if from % 4 != 0 {
                keys.sort_by_key(|(_, version, _)| *version);
            }
            let mut said = vec![op::NODE];
            one(name).serialize(&mut said);
            collected.serialize(&mut said);
            from.serialize(&mut said);
            for (key, version, status) in keys {
                said.push(op::KEY);
                key.serialize(&mut said);
                "7 268435456".serialize(&mut said);
                version.serialize(&mut said);
                said.push(status);
            }
            if let Some(latest) = latest {
                said.push(op::LATEST);
                latest.serialize(&mut said);
            }
            said
        },
    )
}

fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let digest = prop::collection::vec((0_usize..4, version(), version(), version()), 0..5);
    (prop::collection::vec(any_part(), 0..4), digest, 0_u8..3).prop_map(|(parts, digest, message_kind)| {
        let mut said = [&HEAD[..], &[message_kind]].concat();
        if message_kind != kind::ACK {
            u16::try_from(digest.len()).unwrap().serialize(&mut said);
            for (member, heartbeat, collected, latest) in digest {
                one(["this", "a", "b", "c"][member]).serialize(&mut said);
                for word in [heartbeat, collected, latest] {
                    word.serialize(&mut said);
                }
            }
        }
        if message_kind == kind::SYN {
            "iris".serialize(&mut said);
        } else {
            said.extend_from_slice(&ack(&parts.concat())[4..]);
        }
        said
    })
}

proptest! {
    #[test]
    fn chitchat_lives_whatever_members_say(messages in prop::collection::vec(any_message(), 1..20)) {
        let tasks = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        prop_assert!(tasks.block_on(lives_after(messages)));
    }

    #[test]
    fn garbage_is_refused_or_made_something_of(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        kind in 0_u8..5,
        blocks in any::<bool>(),
    ) {
        let said = if blocks { ack(&bytes) } else { [&HEAD[..], &[kind], &bytes].concat() };
        if let Ok(looked) = look_through(&said, &mut room(10_000, 10_000)) {
            prop_assert!(looked.message.len() <= 2 * said.len() + 8);
            if let Ok(message) = ChitchatMessage::deserialize(&mut looked.message.as_slice()) {
                prop_assert!(!message.serialize_to_vec().is_empty());
            }
        }
    }
}
