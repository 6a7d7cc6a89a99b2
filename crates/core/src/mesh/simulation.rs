//! Simulation: several nodes in one thread, in a simulated network and in its time, by seeds. What fails says its seed, by
//! which it is played again: `IRIS_SEED=7 cargo test simulation`.
//!
//! Connections, heartbeats, members and global names run here as they are. What nodes tell each other is seen through observed
//! actors, whose messages are there when the task that brings them has run. Supervisors have threads of their own, for which
//! each step of the simulation waits, and the simulation's time. chitchat draws whom it tells by itself, so a seed gives the
//! same network, and not the same gossip.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};
use std::{env, io};

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::Handle;
use turmoil::net::{TcpListener, TcpStream};

use super::hello::{Handshake, Hello, PREAMBLE, VERSIONS};
use super::network::{Listening, Network, Socket};
use super::node::{Node, THREAD_NAME};
use super::options::MeshOptions;
use crate::clock::{Clock, ManualClock};
use crate::message::{Incoming, SystemKind};
use crate::options::{RuntimeOptions, SpawnOptions};
use crate::pid::Pid;
use crate::runtime::Runtime;
use crate::sync::Mutex;

pub(super) const PORT: u16 = 9000;
/// The node of this name lists the machine of that one, which speaks version 1.
pub(super) const LENIENT: &str = "lenient";
pub(super) const OLD: &str = "old";
/// A host name that stands for what a simulation says.
const MESH: &str = "mesh.example:9000";
pub(super) const HEARTBEAT: Duration = Duration::from_millis(300);
const TICK: Duration = Duration::from_millis(10);
/// Longer than anything takes in simulated time.
const PATIENCE: Duration = Duration::from_mins(5);
/// How often each simulation is played, and how often in the long tests.
const SEEDS: u64 = 3;
const SEEDS_DEEP: u64 = 200;

/// The network as one simulated machine sees it.
struct Simulated {
    ip: IpAddr,
    named: Named,
    late: Late,
}

/// How late each machine's clock is.
type Late = Arc<Mutex<HashMap<IpAddr, Duration>>>;

/// What [`MESH`] stands for.
type Named = Arc<Mutex<Vec<SocketAddr>>>;

impl Simulated {
    fn socket(stream: TcpStream, peer: SocketAddr) -> Socket {
        let (source, sink) = stream.into_split();
        Socket { peer, source: Box::new(source), sink: Box::new(Inside(sink)) }
    }
}

#[async_trait]
impl Network for Simulated {
    fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listening>> {
        // A simulated machine listens at all its addresses, of which it has one, and is done at once.
        let mut binds = pin!(TcpListener::bind(("0.0.0.0", address.port())));
        match binds.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(listener) => {
                Ok(Box::new(Port { listener: listener?, address: (self.ip, address.port()).into() }))
            }
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn clock(&self) -> SystemTime {
        SystemTime::now() - self.late.lock().get(&self.ip).copied().unwrap_or_default()
    }

    async fn lookup(&self, address: &str) -> io::Result<Vec<SocketAddr>> {
        if address == MESH {
            return Ok(self.named.lock().clone());
        }
        address.parse().map(|address| vec![address]).map_err(|_| io::ErrorKind::NotFound.into())
    }

    async fn connect(&self, addresses: &[SocketAddr]) -> io::Result<Socket> {
        let stream = TcpStream::connect(addresses[0]).await?;
        Ok(Self::socket(stream, addresses[0]))
    }
}

struct Port {
    listener: TcpListener,
    address: SocketAddr,
}

#[async_trait]
impl Listening for Port {
    fn address(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    async fn accept(&mut self) -> io::Result<Socket> {
        let (stream, peer) = self.listener.accept().await?;
        Ok(Simulated::socket(stream, peer))
    }
}

/// Writes within the simulation alone, where there is a network: others leave it to the connection's task.
struct Inside<W>(W);

impl<W: AsyncWrite + Unpin> AsyncWrite for Inside<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if turmoil::in_simulation() {
            Pin::new(&mut self.0).poll_write(context, bytes)
        } else {
            Poll::Pending
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// One start of a node.
#[derive(Clone)]
pub(super) struct Start {
    pub(super) runtime: Runtime,
    pub(super) node: Arc<Node>,
    /// Moves the runtime's clock.
    hand: Arc<ManualClock>,
}

impl Start {
    /// A member that knows those at these addresses. Called on its machine.
    fn begin(name: &str, network: Simulated, seeds: &[String]) -> Self {
        let ip = network.ip;
        let (clock, hand) = Clock::manual();
        let runtime = Runtime::with_options(RuntimeOptions { clock, ..RuntimeOptions::default() }).unwrap();
        runtime.log().on_lines(Box::new(|| {}));
        let listed = (name == LENIENT).then(|| turmoil::lookup(OLD).to_string());
        let options = MeshOptions {
            name: Some(name.to_owned()),
            heartbeat: HEARTBEAT,
            timeout: Duration::from_secs(2),
            // No address of a simulated network is loopback.
            insecure: true,
            v1_hosts: listed.into_iter().collect(),
            ..MeshOptions::default()
        };
        let shared = runtime.shared().weak();
        let node = Node::begin(shared, options, Box::new(network), Handle::current(), None).unwrap();
        assert!(runtime.shared().attached.set(Arc::clone(&node) as _).is_ok());
        node.listen(&SocketAddr::new(ip, PORT).to_string()).unwrap();
        node.join(seeds).unwrap();
        Self { runtime, node, hand: Arc::new(hand) }
    }

    /// The nodes that it is connected with.
    pub(super) fn sees(&self) -> Vec<String> {
        self.node.info().nodes
    }

    /// Whom it sees and what it had to say lately, for whoever looks for a fault.
    fn said(&self) -> String {
        let lines = self.runtime.log().take();
        let latest = lines.iter().rev().take(20).rev().map(|line| format!("    {}\n", line.text));
        format!("{} sees {:?}\n{}", self.node.name, self.sees(), latest.collect::<String>())
    }

    pub(super) fn observed(&self) -> Pid {
        self.runtime.spawn_observed(SpawnOptions::default()).unwrap()
    }

    /// What an observed actor was told, without signs of life.
    pub(super) fn told(&self, observed: Pid) -> Vec<Incoming> {
        let mut told = self.runtime.take_observed(observed).unwrap();
        told.retain(
            |incoming| !matches!(incoming, Incoming::System(notice) if notice.kind == SystemKind::Pong),
        );
        told
    }
}

/// Machines with a node each, all members of one mesh.
pub(super) struct World {
    pub(super) sim: turmoil::Sim<'static>,
    names: &'static [&'static str],
    named: Named,
    late: Late,
    /// All starts of each, the last of which lives.
    starts: Arc<Mutex<Vec<Vec<Start>>>>,
}

impl World {
    /// The nodes join the first of them, or whatever [`MESH`] stands for.
    fn new(seed: u64, names: &'static [&'static str], latency_max: Duration, joins: Joins) -> Self {
        let mut builder = turmoil::Builder::new();
        builder.rng_seed(seed).tick_duration(TICK).simulation_duration(PATIENCE * 10);
        builder.tcp_capacity(1 << 16).enable_random_order();
        builder.min_message_latency(Duration::from_millis(1)).max_message_latency(latency_max);
        let (named, late, starts) = Default::default();
        let mut world = Self { sim: builder.build(), names, named, late, starts };
        world.starts.lock().resize(names.len(), Vec::new());
        for (index, name) in names.iter().enumerate() {
            let (starts, named) = (Arc::clone(&world.starts), Arc::clone(&world.named));
            let late = Arc::clone(&world.late);
            world.sim.host(*name, move || {
                let (starts, named, late) = (Arc::clone(&starts), Arc::clone(&named), Arc::clone(&late));
                async move {
                    let network = Simulated { ip: turmoil::lookup(names[index]), named, late };
                    let seed = match joins {
                        Joins::First => format!("{}:{PORT}", turmoil::lookup(names[0])),
                        Joins::Name => MESH.to_owned(),
                    };
                    let start = Start::begin(names[index], network, &[seed]);
                    starts.lock()[index].push(start);
                    std::future::pending().await
                }
            });
        }
        world.until("all nodes have started", |world| {
            world.starts.lock().iter().all(|starts| !starts.is_empty())
        });
        world
    }

    /// Sets the clock of a machine back by so much.
    pub(super) fn set_back(&self, node: &str, by: Duration) {
        self.late.lock().insert(self.sim.lookup(node), by);
    }

    /// Has the name of the mesh stand for these nodes.
    pub(super) fn name(&self, nodes: &[&str]) {
        *self.named.lock() = nodes.iter().map(|node| (self.sim.lookup(*node), PORT).into()).collect();
    }

    /// The last start of a node.
    pub(super) fn node(&self, name: &str) -> Start {
        let index = self.names.iter().position(|known| *known == name).unwrap();
        self.starts.lock()[index].last().unwrap().clone()
    }

    fn step(&mut self) {
        self.sim.step().unwrap();
        let starts = self.starts.lock();
        for Start { runtime, hand, .. } in starts.iter().filter_map(|starts| starts.last()) {
            hand.advance(TICK);
            // What actors do on their threads takes no simulated time.
            let patience = Instant::now() + PATIENCE;
            while !runtime.is_quiet() {
                assert!(Instant::now() < patience, "actors are never done");
                std::thread::yield_now();
            }
        }
    }

    /// Lets time pass until it is so, and says how much did.
    pub(super) fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Duration {
        let since = self.sim.elapsed();
        while !is_so(self) {
            self.step();
            if self.sim.elapsed().saturating_sub(since) > PATIENCE {
                let starts = self.starts.lock();
                let said: Vec<_> =
                    starts.iter().filter_map(|starts| starts.last()).map(Start::said).collect();
                panic!("in vain for: {what}\n{}", said.concat());
            }
        }
        self.sim.elapsed().saturating_sub(since)
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.sim.elapsed() + time;
        while self.sim.elapsed() < until {
            self.step();
        }
    }

    /// Ends a node without a word and starts it again.
    pub(super) fn start_again(&mut self, name: &str) {
        let before = self.node(name).node;
        self.sim.bounce(name);
        self.until("it has started again", |world| !Arc::ptr_eq(&world.node(name).node, &before));
    }

    /// Waits until each of these is connected with each.
    pub(super) fn until_met(&mut self, names: &[&str]) -> Duration {
        self.until("all have met", |world| {
            names.iter().all(|name| {
                let sees = world.node(name).sees();
                names.iter().all(|other| other == name || sees.iter().any(|seen| seen == other))
            })
        })
    }

    /// The proxy of an actor of another node, at the node `from`.
    pub(super) fn resolve(&mut self, from: &str, to: &str, name: &str) -> Pid {
        let found = Arc::new(Mutex::new(None));
        let (tell, node) = (Arc::clone(&found), self.node(from).node);
        let (address, name) = (format!("{}:{PORT}", self.sim.lookup(to)), name.to_owned());
        self.node(from).node.handle.spawn(async move {
            *tell.lock() = Some(node.resolve(address, name).await);
        });
        self.until("an answer", |_| found.lock().is_some());
        let answer = found.lock().take().unwrap();
        answer.unwrap().expect("an actor has the name")
    }

    /// Has an actor of a node watch one of another, which has this name.
    pub(super) fn watch(&mut self, from: &str, to: &str, name: &str) -> (Pid, Pid) {
        let proxy = self.resolve(from, to, name);
        let Start { runtime, .. } = self.node(from);
        let watcher = self.node(from).observed();
        runtime.monitor(proxy, watcher).unwrap();
        (watcher, proxy)
    }

    /// An observed actor of a node under a name.
    pub(super) fn actor(&self, of: &str, name: &str) -> Pid {
        let start = self.node(of);
        let pid = start.observed();
        start.runtime.register(name, pid).unwrap();
        pid
    }

    /// Whether a watcher was told the end of its actor, once, by the loss of the node. What else it was told fails.
    pub(super) fn is_down(&self, at: &str, watcher: Pid) -> bool {
        let told = self.node(at).told(watcher);
        assert!(told.len() <= 1, "a monitor fires once: {told:?}");
        told.iter().any(|incoming| match incoming {
            Incoming::System(notice) => {
                assert_eq!(notice.kind, SystemKind::Down);
                assert_eq!(notice.reason, Some(crate::exit::ExitReason::NodeDown));
                true
            }
            Incoming::User(message) => panic!("nobody sent {message:?}"),
        })
    }
}

/// Dials a node as one of this name, which is played from then on by who called. The other decides: its name is greater.
pub(super) async fn greet(node: IpAddr, name: &str) -> io::Result<TcpStream> {
    let hello = Handshake::Hello(Hello {
        versions: VERSIONS,
        name: name.to_owned(),
        incarnation: 1,
        window: 1 << 20,
        payload_max: 1 << 20,
        heartbeat: HEARTBEAT,
        address: String::new(),
        serial: 0,
    });
    let mut stream = TcpStream::connect((node, PORT)).await?;
    stream.write_all(&[&PREAMBLE[..], &hello.bytes()].concat()).await?;
    let length = stream.read_u32().await?;
    stream.read_exact(&mut vec![0; length as usize]).await?;
    stream.write_all(&Handshake::Ready(0).bytes()).await?;
    Ok(stream)
}

/// What the nodes of a simulation begin with.
#[derive(Clone, Copy)]
enum Joins {
    First,
    Name,
}

/// Plays a simulation of nodes that have met.
pub(super) fn play(names: &'static [&'static str], latency_max: Duration, simulation: fn(&mut World)) {
    play_all(names, latency_max, Joins::First, move |world| {
        world.until_met(names);
        simulation(world);
    });
}

/// Plays a simulation of nodes that look for each other by a name.
pub(super) fn play_by_name(
    names: &'static [&'static str],
    latency_max: Duration,
    simulation: fn(&mut World),
) {
    play_all(names, latency_max, Joins::Name, simulation);
}

/// Plays a simulation by many seeds, on a thread that is one of the mesh.
fn play_all(
    names: &'static [&'static str],
    latency_max: Duration,
    joins: Joins,
    simulation: impl Fn(&mut World) + Copy + Send + 'static,
) {
    let seeds = match env::var("IRIS_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None if env::var_os("IRIS_DEEP").is_some() => 0..SEEDS_DEEP,
        None => 0..SEEDS,
    };
    for seed in seeds {
        let played = std::thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(move || {
            let mut world = World::new(seed, names, latency_max, joins);
            simulation(&mut world);
            let World { sim, starts, .. } = world;
            drop(sim);
            for start in starts.lock().drain(..).flatten() {
                start.runtime.shutdown(Duration::ZERO);
            }
        });
        assert!(played.unwrap().join().is_ok(), "seed {seed}");
    }
}
