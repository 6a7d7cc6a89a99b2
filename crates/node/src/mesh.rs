//! The mesh: actors of other nodes. What takes time is answered by an event, as an ask is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use iris_core::{Allow, Certificates, Error, MeshCompletion, MeshOptions, Payload, Pid};
use napi_derive::napi;

use crate::errors::Result;
use crate::host::Event;
use crate::native::Native;
use crate::raw;

/// How a runtime is a node; what is not said stays as it is.
#[napi(object, object_to_js = false)]
pub struct NodeOptions {
    /// The node's name.
    pub name: Option<String>,
    /// Milliseconds that a call may take.
    pub timeout_ms: Option<f64>,
    /// Milliseconds between heartbeats.
    pub heartbeat_ms: Option<f64>,
    /// Longest message in bytes.
    pub payload_max: Option<f64>,
    /// Bytes under way.
    pub window: Option<f64>,
    /// A directory with certificates.
    pub certificates: Option<String>,
    /// Patterns of peers and names, in pairs.
    pub allow: Option<Vec<String>>,
    /// Whether reachable addresses may be used without TLS.
    pub insecure: Option<bool>,
    /// Hosts with which version 1 is spoken.
    pub v1_hosts: Option<Vec<String>>,
}

/// A look at a node.
#[napi(object, object_from_js = false)]
pub struct NodeInfo {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// The nodes it is connected with.
    pub nodes: Vec<String>,
    /// Connections that were refused.
    pub refused: f64,
}

fn rule(pair: &[String]) -> Allow {
    Allow { peer: pair[0].clone(), name: pair[1].clone() }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked in js/arguments.js")]
impl NodeOptions {
    fn options(self) -> iris_core::Result<Option<MeshOptions>> {
        let default = MeshOptions::default();
        let duration = |milliseconds: Option<f64>, default| {
            milliseconds.map_or(default, |milliseconds| Duration::from_millis(milliseconds as u64))
        };
        let certificates = match (&self.certificates, &self.name) {
            (None, _) => None,
            (Some(_), None) => {
                return Err(Error::invalid("certificates need the name of the node they are for"));
            }
            (Some(directory), Some(name)) => Some(Certificates::in_directory(Path::new(directory), name)?),
        };
        let options = MeshOptions {
            name: self.name,
            timeout: duration(self.timeout_ms, default.timeout),
            heartbeat: duration(self.heartbeat_ms, default.heartbeat),
            payload_max: self.payload_max.map_or(default.payload_max, |bytes| bytes as usize),
            window: self.window.map_or(default.window, |bytes| bytes as usize),
            certificates,
            allow: self.allow.map(|pairs| pairs.chunks_exact(2).map(rule).collect()),
            insecure: self.insecure.unwrap_or(default.insecure),
            v1_hosts: self.v1_hosts.unwrap_or(default.v1_hosts),
        };
        Ok((options != MeshOptions::default()).then_some(options))
    }
}

#[napi]
impl Native {
    /// Listens; the address really bound.
    #[napi]
    pub fn listen(&self, address: String, options: NodeOptions) -> Result<String> {
        let bound = options.options().and_then(|options| self.state.runtime.listen(&address, options));
        Ok(self.state.check(bound)?.to_string())
    }

    /// Makes the runtime a node.
    #[napi]
    pub fn start_mesh(&self, options: NodeOptions) -> Result<()> {
        let started =
            options.options().and_then(|options| self.state.runtime.start_mesh(options.unwrap_or_default()));
        self.state.check(started)
    }

    /// Writes certificates for development; empty, or what went wrong as `kind\0message`.
    #[napi]
    pub fn dev_certs(directory: String, names: Vec<String>) -> String {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match iris_core::dev_certs(Path::new(&directory), &names) {
            Ok(()) => String::new(),
            Err(error) => format!("{}\0{}", error.kind().name(), error.message()),
        }
    }

    /// The answer is a pid of eight bytes, or none.
    #[napi]
    pub fn resolve_remote(&self, address: String, name: String, number: u32) {
        self.state.runtime.resolve_remote_with(
            &address,
            &name,
            self.answer(number, |found: Option<Pid>| found),
        );
    }

    /// The answer is a pid of eight bytes.
    #[napi]
    pub fn monitor_remote(&self, address: String, pid: f64, number: u32) -> Result<()> {
        let pid = self.state.pid(pid)?;
        self.state.runtime.monitor_remote_with(&address, pid, self.answer(number, Some));
        Ok(())
    }

    /// The answer is a byte or none.
    #[napi]
    pub fn is_node_up(&self, address: String, number: u32) {
        let host = Arc::clone(&self.state.host);
        let done = move |up: iris_core::Result<bool>| {
            let result = up.map(|up| Payload::copy_from(if up { b"1" } else { b"" }));
            host.post(Event::Answered { ask: number, result });
        };
        self.state.runtime.is_node_up_with(&address, Box::new(done));
    }

    /// Answered when an actor of another node may take what was refused, or is gone.
    #[napi]
    pub fn when_room(&self, pid: f64, number: u32) -> Result<()> {
        let host = Arc::clone(&self.state.host);
        let done = move || host.post(Event::Answered { ask: number, result: Ok(Payload::copy_from(b"")) });
        self.state.runtime.when_room(self.state.pid(pid)?, Box::new(done));
        Ok(())
    }

    /// Sends to an actor of another node.
    #[napi]
    pub fn send_remote(&self, address: String, pid: f64, data: napi::bindgen_prelude::Uint8Array) -> bool {
        let payload = Payload::copy_from(&data);
        raw::pid_of(pid).is_some_and(|pid| self.state.runtime.send_remote(&address, pid, payload).is_ok())
    }

    /// Joins other nodes.
    #[napi]
    pub fn join_mesh(&self, addresses: Vec<String>) -> Result<()> {
        self.state.check(self.state.runtime.join_mesh(&addresses))
    }

    /// Tells an actor of nodes.
    #[napi]
    pub fn monitor_nodes(&self, listener: f64) -> Result<()> {
        let listener = self.state.pid(listener)?;
        self.state.check(self.state.runtime.monitor_nodes(listener))
    }

    /// Tells it no more.
    #[napi]
    pub fn demonitor_nodes(&self, listener: f64) -> bool {
        raw::pid_of(listener).is_some_and(|pid| self.state.runtime.demonitor_nodes(pid))
    }

    /// A look at the node.
    #[napi]
    pub fn mesh_info(&self) -> Option<NodeInfo> {
        #[expect(clippy::cast_precision_loss, reason = "a count that stays below 2^53")]
        self.state.runtime.mesh_info().map(|info| NodeInfo {
            name: info.name,
            addresses: info.addresses.iter().map(ToString::to_string).collect(),
            nodes: info.nodes,
            refused: info.refused as f64,
        })
    }
}

impl Native {
    fn answer<T>(
        &self,
        number: u32,
        pid_of: impl FnOnce(T) -> Option<Pid> + Send + 'static,
    ) -> MeshCompletion<T> {
        let host = Arc::clone(&self.state.host);
        Box::new(move |found| {
            let bytes = |pid: Option<Pid>| match pid {
                Some(pid) => Payload::copy_from(&pid.get().to_be_bytes()),
                None => Payload::copy_from(b""),
            };
            host.post(Event::Answered { ask: number, result: found.map(|found| bytes(pid_of(found))) });
        })
    }
}
