//! What members may say of each other, and what is left out of it.

use std::net::SocketAddr;

use chitchat::ChitchatMessage;
use proptest::prelude::*;

use super::*;

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
struct Room {
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

fn room(members: usize, keys: usize) -> Room {
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

proptest! {
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
