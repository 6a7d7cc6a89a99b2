//! Node: a runtime as others see it. Its name, where it listens, the tasks of its connections, and its end.

use std::net::SocketAddr;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crate::sync::{Condvar, Mutex};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::MeshInfo;
use super::connection::{Connection, End};
use super::gossip::{HEARD_MAX, Heard};
use super::hello::{Handshake, Hello, PREAMBLE, Refusal, Refused, VERSIONS};
use super::listed::Listed;
use super::malformed::Malformed;
use super::naming::Naming;
use super::network::{Network, Socket, System, now_us};
use super::old::OLD_PEERS_MAX;
use super::options::{CLOSE_GRACE, MeshOptions};
use super::registry::Registry;
use super::stream::Stream;
use super::tell::tell;
use super::tls::{Proven, Tls, names};
use crate::error::{Error, ErrorKind, Result};
use crate::remote::Attached;
use crate::shared::WeakShared;

/// Threads that read and write for all connections: one would do for speed, two let one node be served while another's
/// messages are taken apart.
const THREADS: usize = 2;
pub(super) const THREAD_NAME: &str = "iris-mesh";

/// Why a node is refused whose certificate is another's.
pub(super) const FOREIGN_NAME: &str = "the name is not one of the certificate";

/// See the module documentation.
pub(crate) struct Node {
    pub(crate) shared: WeakShared,
    pub(crate) options: MeshOptions,
    pub(crate) name: String,
    pub(super) incarnation: u64,
    pub(super) tls: Option<Tls>,
    pub(super) listed: Listed,
    pub(super) network: Box<dyn Network>,
    pub(super) registry: Mutex<Registry>,
    /// Told whenever a connection is made.
    pub(super) made: Notify,
    pub(super) listeners: Mutex<Vec<(SocketAddr, AbortHandle)>>,
    /// Connections whose tasks run.
    running: Mutex<usize>,
    ended: Condvar,
    pub(super) refused: AtomicU64,
    /// What members say of each other, until this node joins them.
    pub(super) heard: Mutex<Option<mpsc::Receiver<Heard>>>,
    pub(super) hears: mpsc::Sender<Heard>,
    pub(super) naming: Mutex<Naming>,
    /// Told when a global name is given.
    pub(super) named: Notify,
    pub(super) old_peers: Arc<Semaphore>,
    threads: Mutex<Option<tokio::runtime::Runtime>>,
    pub(super) handle: Handle,
    pub(super) this: Weak<Self>,
}

/// How a dial ended that did not fail.
pub(super) enum Met {
    /// The connection is made, and runs.
    Node(Arc<Connection>),
    /// There is, or will be, another one with the node of this name; it is not known where that is not told.
    Elsewhere(Option<String>),
}

impl Node {
    /// A node in the system's network, with threads of its own.
    pub(crate) fn start(shared: WeakShared, options: MeshOptions) -> Result<Arc<Self>> {
        options.check()?;
        let threads = threads()?;
        let handle = threads.handle().clone();
        Self::begin(shared, options, Box::new(System), handle, Some(threads))
    }

    /// A node in this network, whose tasks run there.
    pub(super) fn begin(
        shared: WeakShared,
        options: MeshOptions,
        network: Box<dyn Network>,
        handle: Handle,
        threads: Option<tokio::runtime::Runtime>,
    ) -> Result<Arc<Self>> {
        let tls = options.certificates.as_ref().map(Tls::load).transpose()?;
        let listed = Listed::look_up(&options.v1_hosts)?;
        let incarnation = now_us(&*network);
        let name = options.name.clone().unwrap_or_else(|| format!("iris-{:016x}", random()));
        if !options.v1_hosts.is_empty() {
            tell!(
                shared,
                WARN,
                "version 1 is spoken with hosts that do not prove who they are",
                node = name,
                hosts = options.v1_hosts.join(" "),
            );
        }
        let (hears, heard) = mpsc::channel(HEARD_MAX);
        Ok(Arc::new_cyclic(|this| Self {
            shared,
            options,
            name,
            incarnation,
            tls,
            listed,
            network,
            registry: Mutex::default(),
            made: Notify::new(),
            listeners: Mutex::default(),
            running: Mutex::new(0),
            ended: Condvar::new(),
            refused: AtomicU64::new(0),
            heard: Mutex::new(Some(heard)),
            hears,
            naming: Mutex::default(),
            named: Notify::new(),
            old_peers: Arc::new(Semaphore::new(OLD_PEERS_MAX)),
            threads: Mutex::new(threads),
            handle,
            this: this.clone(),
        }))
    }

    pub(crate) fn info(&self) -> MeshInfo {
        let mut nodes: Vec<String> =
            self.registry.lock().connections().map(|connection| connection.name().to_owned()).collect();
        nodes.sort();
        MeshInfo {
            name: self.name.clone(),
            addresses: self.listeners.lock().iter().map(|(address, _)| *address).collect(),
            nodes,
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// The address that others know this node by.
    pub(super) fn dialled_at(&self) -> Option<SocketAddr> {
        self.listeners.lock().first().map(|(address, _)| *address)
    }

    /// What this node tells of itself, with its decision where it has made one.
    pub(super) fn hello(&self, serial: u64) -> Handshake {
        let address = self.dialled_at().map(|address| address.to_string());
        Handshake::Hello(Hello {
            versions: VERSIONS,
            name: self.name.clone(),
            incarnation: self.incarnation,
            window: u32::try_from(self.options.window).unwrap_or(u32::MAX),
            payload_max: u32::try_from(self.options.payload_max).unwrap_or(u32::MAX),
            heartbeat: self.options.heartbeat,
            address: address.unwrap_or_default(),
            serial,
        })
    }

    pub(super) fn refusal(&self, refused: Refused, why: &str) -> Handshake {
        Handshake::Refuse(Refusal { refused, message: why.to_owned(), name: self.name.clone() })
    }

    /// Refuses to speak without TLS where others could listen.
    pub(super) fn permit(&self, address: SocketAddr) -> Result<()> {
        if address.ip().is_loopback() || self.tls.is_some() {
            return Ok(());
        }
        if self.options.insecure {
            tell!(
                self.shared,
                WARN,
                "an address that others can reach is used without TLS",
                node = self.name,
                address = address,
            );
            return Ok(());
        }
        let message = format!(
            "{address} can be reached by others: configure TLS with certificates, or set insecure to use it without"
        );
        Err(Error::new(ErrorKind::NotPermitted, message))
    }

    /// Whether version 1, which proves nobody's identity, is spoken with who is at this address.
    pub(super) async fn speaks_v1_with(&self, address: SocketAddr) -> bool {
        let proves_nothing = self.tls.is_none() && self.options.allow.is_none();
        proves_nothing && address.ip().is_loopback() || self.listed.holds(address.ip(), &*self.network).await
    }

    // Dialling

    /// Dials an address once.
    pub(super) async fn dial(&self, address: &str) -> Result<Met> {
        let down =
            |end: End| Error::new(ErrorKind::NodeDown, format!("node {address} cannot be reached: {end}"));
        let wanted = self.network.lookup(address).await.map_err(|error| bad_address(address, &error))?;
        if wanted.is_empty() {
            return Err(bad_address(address, &"it names no host"));
        }
        // All of them: which one is reached is the network's choice.
        wanted.iter().try_for_each(|address| self.permit(*address))?;
        let socket = self.network.connect(&wanted).await.map_err(|error| down(error.into()))?;
        let reached = socket.peer;
        let (answer, stream, certificate) = match self.greet_listener(socket).await {
            Ok(greeted) => greeted,
            Err(end) => {
                let is_old = self.may_be_old(reached, &end).await;
                let old = if is_old { self.dial_old(reached).await } else { None };
                return old.ok_or_else(|| down(end));
            }
        };
        let proves = |name: &str| certificate.as_ref().is_none_or(|certificate| names(certificate, name));
        match answer {
            Handshake::Hello(hello) if !proves(&hello.name) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                let message = format!("node {address} is refused: {FOREIGN_NAME}");
                Err(Error::new(ErrorKind::NotPermitted, message))
            }
            Handshake::Hello(hello) => self.met(address, hello, stream).await.map_err(down),
            Handshake::Refuse(Refusal { refused: Refused::Duplicate | Refused::Stale, name, .. }) => {
                Ok(Met::Elsewhere(Some(name).filter(|name| !name.is_empty() && proves(name))))
            }
            Handshake::Refuse(Refusal { refused, message, .. }) => {
                let message = format!("node {address} refuses: {message} ({refused:?})");
                Err(Error::new(ErrorKind::NodeDown, message))
            }
            Handshake::Ready(_) => Err(down(Malformed::Misplaced(2).into())),
        }
    }

    /// Says who this node is, and hears what the listener makes of that.
    async fn greet_listener(
        &self,
        socket: Socket,
    ) -> Result<(Handshake, Stream, Option<CertificateDer<'static>>), End> {
        let (mut stream, certificate) = match &self.tls {
            None => (Stream::plain(socket), None),
            Some(tls) => {
                let Proven { stream, certificate } = tls.connect(socket.join()).await?;
                (stream, Some(certificate))
            }
        };
        stream.write(&PREAMBLE).await?;
        stream.say(&self.hello(0)).await?;
        let answer = stream.step().await?;
        Ok((answer, stream, certificate))
    }

    async fn met(&self, address: &str, hello: Hello, mut stream: Stream) -> Result<Met, End> {
        if hello.common_version().is_none() || hello.name.is_empty() {
            return Err(Malformed::Misplaced(1).into());
        }
        let connection = Connection::new(self.shared.clone(), &self.options, hello, self.hears.clone());
        let dialled = self.registry.lock().dialled(&self.name, &connection);
        match dialled {
            Ok((serial, replaced)) => {
                self.establish(&connection, replaced, stream, Handshake::Ready(serial).bytes());
                Ok(Met::Node(connection))
            }
            Err(refused) => {
                tell!(
                    self.shared,
                    DEBUG,
                    "a dial yields",
                    node = self.name,
                    peer = connection.name(),
                    address = address,
                    reason = why(refused),
                );
                stream.say(&self.refusal(refused, why(refused))).await?;
                Ok(Met::Elsewhere(Some(connection.name().to_owned())))
            }
        }
    }

    // Connections

    /// Starts the tasks of a connection that the registry has taken. No await lies between that and this, so that there is
    /// none in the registry that does not run.
    pub(super) fn establish(
        &self,
        connection: &Arc<Connection>,
        replaced: Option<Arc<Connection>>,
        stream: Stream,
        step: Vec<u8>,
    ) {
        let Some(this) = self.this.upgrade() else { return };
        *self.running.lock() += 1;
        tell!(self.shared, INFO, "node up", node = self.name, peer = connection.name());
        if let Some(replaced) = replaced {
            replaced.lost(&End::Replaced);
        }
        connection.tell_up();
        self.handle.spawn(this.run(Arc::clone(connection), stream, step));
        self.made.notify_waiters();
    }

    /// Runs an established connection to its end.
    async fn run(self: Arc<Self>, connection: Arc<Connection>, stream: Stream, step: Vec<u8>) {
        let end = connection.run(stream, step).await;
        self.registry.lock().remove(&connection);
        connection.lost(&end);
        tell!(self.shared, INFO, "node down", node = self.name, peer = connection.name(), reason = end);
        *self.running.lock() -= 1;
        self.ended.notify_all();
    }
}

impl Attached for Node {
    fn close(&self) {
        for (_, listener) in self.listeners.lock().drain(..) {
            listener.abort();
        }
        let connections: Vec<_> = {
            let mut registry = self.registry.lock();
            registry.closed = true;
            registry.connections().cloned().collect()
        };
        for connection in &connections {
            connection.finish();
        }
        if !is_mesh_thread() {
            let mut running = self.running.lock();
            self.ended.wait_while_for(&mut running, |running| *running > 0, CLOSE_GRACE);
        }
        for connection in connections {
            connection.lost(&End::Finished);
        }
        if let Some(threads) = self.threads.lock().take() {
            if is_mesh_thread() {
                threads.shutdown_background();
            } else {
                // The listeners' ports are free when this returns.
                threads.shutdown_timeout(CLOSE_GRACE);
            }
        }
    }
}

pub(super) fn why(refused: Refused) -> &'static str {
    match refused {
        Refused::Duplicate => "there is a connection already",
        Refused::Stale => "a later start of this node is connected",
        _ => "no more connections are taken",
    }
}

pub(super) fn bad_address(address: &str, error: &dyn std::fmt::Display) -> Error {
    Error::invalid(format!("{address:?} is no address of the form host:port: {error}"))
}

/// The threads of a node. Tokio panics where it gets none: a thread that ends at once tells of that beforehand, and where another
/// took the last one meanwhile the panic goes no further.
fn threads() -> Result<tokio::runtime::Runtime> {
    let refused = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::LimitReached, format!("no threads for the mesh: {error}"))
    };
    let first = std::thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(|| {});
    let _ended = first.map_err(|error| refused(&error))?.join();
    let build = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(4)
            .thread_name(THREAD_NAME)
            .enable_io()
            .enable_time()
            .build()
    };
    match catch_unwind(build) {
        Ok(built) => built.map_err(|error| refused(&error)),
        Err(_panic) => Err(refused(&"none is left")),
    }
}

/// Whether this is a thread that serves connections: it must not wait for one.
pub(super) fn is_mesh_thread() -> bool {
    std::thread::current().name() == Some(THREAD_NAME)
}

/// A number that no other node draws.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
