//! The mesh: actors of other nodes, found by address and name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use iris_core::sync::Mutex;
use iris_core::{Allow, Certificates, ErrorKind, MeshCompletion, MeshOptions, Pid};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::{OrRaise, invalid, raise, raise_kind};
use crate::numbers::{seconds_or_none, whole_or_none};
use crate::payload;
use crate::pid::PidArgument;
use crate::runtime::{Runtime, refused_send};
use crate::shared::Shared;
use crate::wait::{self, Bell};

/// What a user says about the node; `None` where nothing is said.
struct Said<'a> {
    name: Option<&'a str>,
    timeout: Option<f64>,
    heartbeat_ms: Option<i64>,
    payload_max: Option<i64>,
    window: Option<i64>,
    certificates: Option<PathBuf>,
    allow: Option<BTreeMap<String, Vec<String>>>,
    insecure: Option<bool>,
    v1_hosts: Option<Vec<String>>,
}

impl Said<'_> {
    /// The options of the core; `None` where all of them are left as they are.
    fn options(self) -> PyResult<Option<MeshOptions>> {
        let default = MeshOptions::default();
        let timeout = match self.timeout {
            None => default.timeout,
            Some(seconds) => wait::timeout(Some(seconds))?
                .ok_or_else(|| invalid("the time-out of a node must have an end"))?,
        };
        let certificates = match (&self.certificates, self.name) {
            (None, _) => None,
            (Some(_), None) => return Err(invalid("certificates need the name of the node they are for")),
            (Some(directory), Some(name)) => Some(Certificates::in_directory(directory, name).or_raise()?),
        };
        let options = MeshOptions {
            name: self.name.map(str::to_owned),
            timeout,
            heartbeat: self.heartbeat_ms.map_or(default.heartbeat, |milliseconds| {
                Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
            }),
            payload_max: count(self.payload_max).unwrap_or(default.payload_max),
            window: count(self.window).unwrap_or(default.window),
            certificates,
            allow: self.allow.map(rules),
            insecure: self.insecure.unwrap_or(default.insecure),
            v1_hosts: self.v1_hosts.unwrap_or(default.v1_hosts),
        };
        Ok((options != MeshOptions::default()).then_some(options))
    }
}

/// The rules of a dictionary of peers' patterns to lists of names' patterns.
fn rules(by_peer: BTreeMap<String, Vec<String>>) -> Vec<Allow> {
    let of_peer = |(peer, names): (String, Vec<String>)| {
        names.into_iter().map(move |name| Allow { peer: peer.clone(), name })
    };
    by_peer.into_iter().flat_map(of_peer).collect()
}

/// A number of bytes; one that is negative is refused by the core as 0 is.
fn count(bytes: Option<i64>) -> Option<usize> {
    bytes.map(|bytes| usize::try_from(bytes).unwrap_or(0))
}

#[pymethods]
impl Runtime {
    /// Listen for other nodes.
    ///
    /// Args:
    ///     addr: `"host:port"`; port 0 takes a free one.
    ///     name: the node's name, by which others know it again; without one it has a new name with every start.
    ///     timeout: seconds that a connection, a look-up or a sign of life may take (5).
    ///     heartbeat_ms: how often this node says that it lives (1000). One that is silent for three is gone.
    ///     payload_max: the longest message that this node takes, in bytes (1 MiB).
    ///     window: bytes of messages from one node that may be under way or wait here (16 MiB); beyond, its sends are refused.
    ///     certificates: a directory with `ca.pem`, `NAME.pem` and `NAME.key`, as `dev_certs` makes them: every connection is
    ///         TLS, and both sides prove their names.
    ///     allow: which peers may reach which names, as `{"web-*": ["mail", "stats-*"]}`; without it each may reach all.
    ///     insecure: use addresses that others can reach without TLS.
    ///     v1_hosts: IP addresses and host names of others that speak version 1 of the protocol, which proves nobody's identity;
    ///         without them it is spoken on loopback alone.
    ///
    /// Returns:
    ///     The address really bound.
    ///
    /// Raises:
    ///     ListenFailedError: the address is in use, or not of this machine.
    ///     NotPermittedError: others can reach the address, and there is no TLS.
    ///     InvalidArgumentError: no such address, or options other than the node was made with.
    ///
    /// Example:
    ///     >>> import iris
    ///     >>> with iris.Runtime() as there, iris.Runtime() as here:
    ///     ...     there.register("shout", there.spawn(bytes.upper))
    ///     ...     address = there.listen("127.0.0.1:0")
    ///     ...     here.ask_blocking(here.resolve_remote(address, "shout"), b"hello")
    ///     b'HELLO'
    #[pyo3(signature = (
        addr, *, name=None, timeout=None, heartbeat_ms=None, payload_max=None, window=None,
        certificates=None, allow=None, insecure=None, v1_hosts=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords of Python")]
    fn listen(
        &self,
        addr: &str,
        name: Option<&str>,
        #[pyo3(from_py_with = seconds_or_none)] timeout: Option<f64>,
        #[pyo3(from_py_with = whole_or_none)] heartbeat_ms: Option<i64>,
        #[pyo3(from_py_with = whole_or_none)] payload_max: Option<i64>,
        #[pyo3(from_py_with = whole_or_none)] window: Option<i64>,
        certificates: Option<PathBuf>,
        allow: Option<BTreeMap<String, Vec<String>>>,
        insecure: Option<bool>,
        v1_hosts: Option<Vec<String>>,
    ) -> PyResult<String> {
        let said = Said {
            name,
            timeout,
            heartbeat_ms,
            payload_max,
            window,
            certificates,
            allow,
            insecure,
            v1_hosts,
        };
        Ok(self.shared.core()?.listen(addr, said.options()?).or_raise()?.to_string())
    }

    /// Make this runtime a node without listening; the options are those of `listen`. Needed only for other options than
    /// the defaults: every call to another node makes it one.
    ///
    /// Raises:
    ///     InvalidArgumentError: it is a node with other options already.
    #[pyo3(signature = (
        *, name=None, timeout=None, heartbeat_ms=None, payload_max=None, window=None,
        certificates=None, allow=None, insecure=None, v1_hosts=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords of Python")]
    fn start_mesh(
        &self,
        name: Option<&str>,
        #[pyo3(from_py_with = seconds_or_none)] timeout: Option<f64>,
        #[pyo3(from_py_with = whole_or_none)] heartbeat_ms: Option<i64>,
        #[pyo3(from_py_with = whole_or_none)] payload_max: Option<i64>,
        #[pyo3(from_py_with = whole_or_none)] window: Option<i64>,
        certificates: Option<PathBuf>,
        allow: Option<BTreeMap<String, Vec<String>>>,
        insecure: Option<bool>,
        v1_hosts: Option<Vec<String>>,
    ) -> PyResult<()> {
        let said = Said {
            name,
            timeout,
            heartbeat_ms,
            payload_max,
            window,
            certificates,
            allow,
            insecure,
            v1_hosts,
        };
        self.shared.core()?.start_mesh(said.options()?.unwrap_or_default()).or_raise()
    }

    /// Look for the actor that has a name at another node. Blocks for the node's time-out at most; lets other Python
    /// threads run, Ctrl-C works. `resolve_remote_py` is for event loops.
    ///
    /// Returns:
    ///     A pid of this runtime that stands for it, the same for the same actor: a proxy. Everything that takes a pid takes
    ///     it. `None`: nobody has the name there, or the node cannot be reached.
    #[pyo3(signature = (addr, name))]
    fn resolve_remote(&self, py: Python<'_>, addr: &str, name: &str) -> PyResult<Option<u64>> {
        let core = self.shared.core()?;
        let found = outcome(py, &self.shared, |done| core.resolve_remote_with(addr, name, done))?;
        match found {
            Ok(found) => Ok(found.map(Pid::get)),
            Err(error) if error.kind() == ErrorKind::NodeDown => Ok(None),
            Err(error) => Err(raise(error)),
        }
    }

    /// Send to an actor of another node, by its proxy or by the pid it has there.
    ///
    /// What is sent before the node answers waits for it. What the node does not get, or take, is a dead letter.
    ///
    /// Returns:
    ///     True if it is on its way. False: the proxy's actor ended, or the node takes no more now.
    fn send_remote(&self, addr: &str, pid: PidArgument, data: &Bound<'_, PyAny>) -> PyResult<bool> {
        let core = self.shared.core()?;
        let payload = payload::from_python(data)?;
        let Some(pid) = pid.get() else { return Ok(false) };
        match core.send_remote(addr, pid, payload) {
            Ok(()) => Ok(true),
            Err(refused) => refused_send(data.py(), &self.shared, pid, refused),
        }
    }

    /// Watch an actor of another node, known by its proxy or by the pid it has there. The proxy exits when that actor or
    /// its node is gone, at the latest three heartbeats later: links, monitors and supervisors are told.
    ///
    /// Returns:
    ///     The proxy.
    ///
    /// Raises:
    ///     NodeDownError: the node cannot be reached.
    ///     NoProcessError: the proxy's actor ended.
    fn monitor_remote(&self, py: Python<'_>, addr: &str, pid: PidArgument) -> PyResult<u64> {
        let core = self.shared.core()?;
        let pid = pid.required()?;
        let proxy = outcome(py, &self.shared, |done| core.monitor_remote_with(addr, pid, done))?;
        proxy.or_raise().map(Pid::get)
    }

    /// Whether a node answers at this address, within the time-out. Blocks as `resolve_remote` does.
    fn is_node_up(&self, py: Python<'_>, addr: &str) -> PyResult<bool> {
        let core = self.shared.core()?;
        Ok(outcome(py, &self.shared, |done| core.is_node_up_with(addr, done))?.unwrap_or(false))
    }

    /// Join other nodes, and all nodes that those have joined: each member is connected with each, also with those that come
    /// later. This node must listen, at an address that the others can dial.
    ///
    /// Args:
    ///     addresses: `"host:port"` of some members, tried time and again, so that nodes may start in any order; a host may be a
    ///         DNS name of many nodes. An empty list waits for others to come.
    ///
    /// Raises:
    ///     InvalidArgumentError: no such address, or a node that does not listen or has joined.
    ///     NotPermittedError: others can reach an address, and there is no TLS.
    ///
    /// Example:
    ///     >>> import iris
    ///     >>> with iris.Runtime() as rt:
    ///     ...     address = rt.listen("127.0.0.1:0")
    ///     ...     rt.join_mesh(["localhost:9000", "localhost:9001"])
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands it over as an owned value")]
    fn join_mesh(&self, addresses: Vec<String>) -> PyResult<()> {
        self.shared.core()?.join_mesh(&addresses).or_raise()
    }

    /// Tell an actor which other nodes are up, and of each that comes and goes from now on.
    ///
    /// Args:
    ///     pid: a pull or observed actor. It gets `NODE_UP` and `NODE_DOWN`; `metadata["node"]` is the node's name.
    ///
    /// Example:
    ///     >>> import iris
    ///     >>> with iris.Runtime() as there, iris.Runtime() as here:
    ///     ...     watcher = here.spawn_observed_handler()
    ///     ...     here.monitor_nodes(watcher)
    ///     ...     here.is_node_up(there.listen("127.0.0.1:0", name="there"))
    ///     ...     notice = here.selective_recv_blocking(watcher, lambda m: m.type_name == "NODE_UP")
    ///     ...     notice.metadata["node"]
    ///     True
    ///     'there'
    fn monitor_nodes(&self, pid: PidArgument) -> PyResult<()> {
        self.shared.core()?.monitor_nodes(pid.required()?).or_raise()
    }

    /// End what `monitor_nodes` began.
    ///
    /// Returns:
    ///     False: the actor was not told of nodes.
    fn demonitor_nodes(&self, pid: PidArgument) -> PyResult<bool> {
        let core = self.shared.core()?;
        Ok(pid.get().is_some_and(|pid| core.demonitor_nodes(pid)))
    }

    /// A look at this node: `name`, `addresses`, `nodes` (the names of those it is connected with) and `refused`
    /// (connections that were refused so far). `None` where the runtime is no node.
    fn mesh_info<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(info) = self.shared.core()?.mesh_info() else { return Ok(None) };
        let shown = PyDict::new(py);
        shown.set_item("name", info.name)?;
        let addresses: Vec<String> = info.addresses.iter().map(ToString::to_string).collect();
        shown.set_item("addresses", addresses)?;
        shown.set_item("nodes", info.nodes)?;
        shown.set_item("refused", info.refused)?;
        Ok(Some(shown))
    }
}

/// Waits for a call to another node, which has a limit of its own.
fn outcome<T: Send + 'static>(
    py: Python<'_>,
    shared: &Arc<Shared>,
    start: impl FnOnce(MeshCompletion<T>),
) -> PyResult<iris_core::Result<T>> {
    let slot: Arc<Mutex<Option<iris_core::Result<T>>>> = Arc::default();
    let bell = Bell::new();
    let (told, ringer) = (Arc::clone(&slot), Ringer(Arc::clone(&bell)));
    start(Box::new(move |outcome| {
        *told.lock() = Some(outcome);
        drop(ringer);
    }));
    bell.wait(py, shared, None)?;
    let outcome = slot.lock().take();
    outcome.ok_or_else(|| raise_kind(ErrorKind::RuntimeClosed, "the runtime was closed meanwhile"))
}

/// Rings also where a call is dropped, by a node that closes.
struct Ringer(Arc<Bell>);

impl Drop for Ringer {
    fn drop(&mut self) {
        self.0.ring();
    }
}

/// Write certificates for development: an authority of one's own (`ca.pem`, `ca.key`), made where the directory has none, and
/// `NAME.pem` and `NAME.key` for each node. Whoever can read `ca.key` can be any node.
///
/// Example:
///     >>> import iris, tempfile
///     >>> with tempfile.TemporaryDirectory() as directory:
///     ...     iris.dev_certs(directory, ["one", "other"])
///     ...     with iris.Runtime() as there, iris.Runtime() as here:
///     ...         there.register("shout", there.spawn(bytes.upper))
///     ...         address = there.listen("127.0.0.1:0", name="one", certificates=directory)
///     ...         here.start_mesh(name="other", certificates=directory)
///     ...         here.ask_blocking(here.resolve_remote(address, "shout"), b"hello")
///     b'HELLO'
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 hands them over as owned values")]
pub(crate) fn dev_certs(directory: PathBuf, names: Vec<String>) -> PyResult<()> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    iris_core::dev_certs(&directory, &names).or_raise()
}
