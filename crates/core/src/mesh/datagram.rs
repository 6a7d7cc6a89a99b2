//! Datagram: what a member says, in the words of chitchat, looked through before chitchat believes it. Pure.
//!
//! chitchat is made for members that wish each other well. It keeps every member that it is told of, writes what others say of
//! this node over what this node says itself, and gives up where versions contradict each other. So what it is not to hear is
//! taken out here: the rest is what it would have got.

use chitchat::{ChitchatId, Deserializable, Serializable};

use super::frame::TEXT_MAX;
use super::hello::NODE_NAME_MAX;

/// What every message begins with: a number and a version.
const HEAD: [u8; 3] = [0x53, 0xb0, 0];
/// Longest delta, unpacked: sixty times what a datagram holds, more than names can be packed.
const DELTA_MAX: usize = 4 << 20;
/// Longest block of a packed stream.
const BLOCK_MAX: usize = u16::MAX as usize;

mod kind {
    pub(super) const SYN: u8 = 0;
    pub(super) const SYN_ACK: u8 = 1;
    pub(super) const ACK: u8 = 2;
    pub(super) const BAD_CLUSTER: u8 = 3;
}

mod block {
    pub(super) const END: u8 = 0;
    pub(super) const PACKED: u8 = 1;
    pub(super) const PLAIN: u8 = 2;
}

mod op {
    pub(super) const NODE: u8 = 0;
    pub(super) const KEY: u8 = 1;
    pub(super) const LATEST: u8 = 2;
}

/// What decides beside the message itself.
pub(crate) trait Admission {
    /// This node.
    fn this(&self) -> &ChitchatId;
    /// Whether another member may be told of, which takes so many bytes of each message.
    fn admits(&mut self, member: &ChitchatId, bytes: usize) -> bool;
    /// Whether so many bytes of keys and values may be kept.
    fn keeps(&mut self, bytes: usize) -> bool;
}

/// A message without what is not to be heard, and how many parts that were.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Looked {
    pub(crate) message: Vec<u8>,
    pub(crate) left_out: usize,
}

/// Bytes that one member takes of the messages that tell who there is.
pub(crate) fn digest_bytes(member: &ChitchatId) -> usize {
    member.serialized_len() + 24
}

/// Looks a message through.
///
/// # Errors
/// What makes the bytes no message.
pub(crate) fn look_through(said: &[u8], admission: &mut dyn Admission) -> anyhow::Result<Looked> {
    let mut rest = said;
    let head = <[u8; 3]>::deserialize(&mut rest)?;
    anyhow::ensure!(head == HEAD, "it begins otherwise than a message of chitchat 0");
    let kind = u8::deserialize(&mut rest)?;
    let mut looked = Looked { message: said[..4].to_vec(), left_out: 0 };
    if matches!(kind, kind::SYN | kind::SYN_ACK) {
        looked.digest(&mut rest, admission)?;
    }
    match kind {
        kind::SYN => looked.message.extend_from_slice(rest),
        kind::SYN_ACK | kind::ACK => looked.delta(&unpacked(rest)?, admission)?,
        kind::BAD_CLUSTER => {}
        kind => anyhow::bail!("a message of unknown kind {kind}"),
    }
    Ok(looked)
}

impl Looked {
    /// Who there is, as far as the sender knows, and how much it knows of each.
    fn digest(&mut self, rest: &mut &[u8], admission: &mut dyn Admission) -> anyhow::Result<()> {
        let count = u16::deserialize(rest)?;
        let mut kept: Vec<&[u8]> = Vec::new();
        for _ in 0..count {
            let begin = *rest;
            let member = ChitchatId::deserialize(rest)?;
            // Its heartbeat, and two versions of what it says.
            <[u8; 24]>::deserialize(rest)?;
            let bytes = begin.len() - rest.len();
            let may = member == *admission.this() || is_name(&member) && admission.admits(&member, bytes);
            if may {
                kept.push(&begin[..bytes]);
            } else {
                self.left_out += 1;
            }
        }
        let count = u16::try_from(kept.len())?;
        self.message.extend_from_slice(&count.to_le_bytes());
        self.message.extend(kept.into_iter().flatten());
        Ok(())
    }

    /// What members say that the receiver may not know yet.
    fn delta(&mut self, mut rest: &[u8], admission: &mut dyn Admission) -> anyhow::Result<()> {
        let mut kept: Vec<u8> = Vec::new();
        while !rest.is_empty() {
            let part = Part::read(&mut rest)?;
            if part.is_consistent && part.member != *admission.this() && admission.keeps(part.key_bytes) {
                kept.extend_from_slice(part.bytes);
            } else {
                self.left_out += 1;
            }
        }
        for block in kept.chunks(BLOCK_MAX) {
            self.message.push(block::PLAIN);
            self.message.extend_from_slice(&u16::try_from(block.len())?.to_le_bytes());
            self.message.extend_from_slice(block);
        }
        self.message.push(block::END);
        Ok(())
    }
}

/// What a delta tells of one member.
struct Part<'a> {
    bytes: &'a [u8],
    member: ChitchatId,
    /// Whether chitchat can make something of it.
    is_consistent: bool,
    key_bytes: usize,
}

impl<'a> Part<'a> {
    fn read(rest: &mut &'a [u8]) -> anyhow::Result<Self> {
        let begin = *rest;
        anyhow::ensure!(u8::deserialize(rest)? == op::NODE, "a key that is no member's");
        let member = ChitchatId::deserialize(rest)?;
        <[u8; 16]>::deserialize(rest)?;
        let (mut is_consistent, mut key_bytes) = (is_name(&member), 0);
        let (mut latest, mut has_latest) = (0, false);
        while let Some(&op) = rest.first().filter(|op| **op != op::NODE) {
            u8::deserialize(rest)?;
            match op {
                op::KEY => {
                    let (key, value) = (String::deserialize(rest)?, String::deserialize(rest)?);
                    let version = u64::deserialize(rest)?;
                    u8::deserialize(rest)?;
                    is_consistent &= version > latest && !has_latest && version < u64::MAX;
                    is_consistent &= key.len() <= 2 * TEXT_MAX && value.len() <= TEXT_MAX;
                    latest = version;
                    key_bytes += key.len() + value.len();
                }
                op::LATEST => {
                    // It stands for keys that are not there any more; where there are some, the last of them says it.
                    let version = u64::deserialize(rest)?;
                    is_consistent &= latest == 0 && !has_latest && version < u64::MAX;
                    has_latest = true;
                }
                op => anyhow::bail!("a delta with an unknown part {op}"),
            }
        }
        Ok(Self { bytes: &begin[..begin.len() - rest.len()], member, is_consistent, key_bytes })
    }
}

/// Whether a node may be called so.
fn is_name(member: &ChitchatId) -> bool {
    let name = &member.node_id;
    !name.is_empty() && name.len() <= NODE_NAME_MAX && !name.contains(char::is_control)
}

/// Unpacks a stream of blocks.
fn unpacked(mut rest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let (mut unpacked, mut buffer) = (Vec::new(), vec![0; BLOCK_MAX]);
    loop {
        let kind = u8::deserialize(&mut rest)?;
        if kind == block::END {
            return Ok(unpacked);
        }
        let length = usize::from(u16::deserialize(&mut rest)?);
        let Some((block, behind)) = rest.split_at_checked(length) else {
            anyhow::bail!("a block ends early")
        };
        rest = behind;
        match kind {
            block::PACKED => {
                let length = zstd::bulk::decompress_to_buffer(block, &mut buffer)?;
                unpacked.extend_from_slice(&buffer[..length]);
            }
            block::PLAIN => unpacked.extend_from_slice(block),
            kind => anyhow::bail!("a block of unknown kind {kind}"),
        }
        anyhow::ensure!(unpacked.len() <= DELTA_MAX, "more than {DELTA_MAX} bytes, unpacked");
    }
}

#[cfg(test)]
#[path = "datagram_tests.rs"]
pub(super) mod tests;
