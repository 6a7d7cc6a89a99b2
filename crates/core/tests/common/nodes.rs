//! What the suites of the mesh share: nodes on loopback, their options, and actors that answer.

use std::path::Path;
use std::time::Duration;

use iris_core::{Allow, Certificates, Context, Flow, MeshOptions, Message, Runtime, SpawnOptions};

use super::runtime;

/// A free port of this machine.
pub const HERE: &str = "127.0.0.1:0";

/// An actor that has a name.
pub fn named(name: &str) -> SpawnOptions {
    SpawnOptions { name: Some(name.to_owned()), ..SpawnOptions::default() }
}

/// A node that has a name.
pub fn called(name: &str) -> MeshOptions {
    MeshOptions { name: Some(name.to_owned()), ..MeshOptions::default() }
}

/// A node whose end is noticed soon.
pub fn quick() -> MeshOptions {
    MeshOptions { heartbeat: Duration::from_millis(100), ..MeshOptions::default() }
}

/// A node that joins others: they find each other soon, and lose nobody on a busy machine.
pub fn joining(name: &str) -> MeshOptions {
    MeshOptions { heartbeat: Duration::from_millis(300), ..called(name) }
}

/// A node that has the certificates of its name in a directory.
pub fn certified(directory: &Path, name: &str) -> MeshOptions {
    let certificates = Some(Certificates::in_directory(directory, name).unwrap());
    MeshOptions { certificates, ..called(name) }
}

/// A rule for peers and names that fit these.
pub fn rule(peer: &str, name: &str) -> Allow {
    Allow { peer: peer.to_owned(), name: name.to_owned() }
}

/// A node that listens, and its address.
pub fn listening(options: MeshOptions) -> (Runtime, String) {
    let runtime = runtime();
    let address = runtime.listen(HERE, Some(options)).unwrap().to_string();
    (runtime, address)
}

pub fn join(runtime: &Runtime, addresses: &[&str]) {
    let addresses: Vec<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
    runtime.join_mesh(&addresses).unwrap();
}

/// A behaviour that answers with what it was asked.
pub fn echo(_: &Context<'_>, mut message: Message) -> Flow {
    if let Some(reply) = message.take_reply() {
        reply.send(message.into_payload());
    }
    Flow::Continue
}

/// How many messages were dropped for this reason.
pub fn dropped(runtime: &Runtime, reason: &str) -> u64 {
    runtime.dead_letters().into_iter().find(|(name, _)| *name == reason).unwrap().1
}

/// How many connections a node has refused.
pub fn refused(runtime: &Runtime) -> u64 {
    runtime.mesh_info().unwrap().refused
}
