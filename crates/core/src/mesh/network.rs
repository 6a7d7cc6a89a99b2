//! Network: where connections come from: the system's TCP, or in tests a simulated one.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::io::Join;
use tokio::net::{TcpListener, TcpStream};

use super::stream::{Sink, Source};

/// How long the addresses of a host name are believed.
pub(super) const LOOK_UP_AGAIN: Duration = Duration::from_mins(1);

/// Both directions of a connection that was just made, and who is at its other end.
pub(crate) struct Socket {
    pub(crate) peer: SocketAddr,
    pub(crate) source: Source,
    pub(crate) sink: Sink,
}

impl Socket {
    /// Both directions as one.
    pub(crate) fn join(self) -> Join<Source, Sink> {
        tokio::io::join(self.source, self.sink)
    }
}

/// See the module documentation. Its methods are called within the node's tokio runtime.
#[async_trait]
pub(crate) trait Network: Send + Sync {
    /// Listens at an address; port 0 takes a free one.
    fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listening>>;

    /// The addresses that `host:port` stands for.
    async fn lookup(&self, address: &str) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host(address).await?.collect())
    }

    /// Connects with whoever listens at one of these.
    async fn connect(&self, addresses: &[SocketAddr]) -> io::Result<Socket>;

    /// What the machine's clock says. It may jump, and other machines' say something else.
    fn clock(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Microseconds since 1970, by the clock of a machine in this network.
pub(super) fn now_us(network: &dyn Network) -> u64 {
    let since = network.clock().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// A port that is open.
#[async_trait]
pub(crate) trait Listening: Send {
    /// The address really bound.
    fn address(&self) -> io::Result<SocketAddr>;

    /// The next who connects.
    async fn accept(&mut self) -> io::Result<Socket>;
}

/// The system's TCP.
pub(crate) struct System;

impl System {
    fn socket(stream: TcpStream, peer: SocketAddr) -> Socket {
        // Where that fails the connection is gone, which reading it tells.
        let _ = stream.set_nodelay(true);
        let (source, sink) = stream.into_split();
        Socket { peer, source: Box::new(source), sink: Box::new(sink) }
    }
}

#[async_trait]
impl Network for System {
    fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listening>> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Box::new(TcpListener::from_std(listener)?))
    }

    async fn connect(&self, addresses: &[SocketAddr]) -> io::Result<Socket> {
        let stream = TcpStream::connect(addresses).await?;
        let peer = stream.peer_addr()?;
        Ok(Self::socket(stream, peer))
    }
}

#[async_trait]
impl Listening for TcpListener {
    fn address(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }

    async fn accept(&mut self) -> io::Result<Socket> {
        let (stream, peer) = TcpListener::accept(self).await?;
        Ok(System::socket(stream, peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::mesh::node::Node;
    use crate::mesh::options::MeshOptions;
    use crate::runtime::Runtime;

    /// A name that stands for these.
    struct Named(Vec<SocketAddr>);

    #[async_trait]
    impl Network for Named {
        fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listening>> {
            System.listen(address)
        }

        async fn lookup(&self, _: &str) -> io::Result<Vec<SocketAddr>> {
            Ok(self.0.clone())
        }

        async fn connect(&self, addresses: &[SocketAddr]) -> io::Result<Socket> {
            System.connect(addresses).await
        }
    }

    /// What looking for an actor comes to at a node whose name stands for these.
    fn resolve(addresses: Vec<SocketAddr>) -> crate::error::Result<Option<crate::pid::Pid>> {
        let runtime = Runtime::new().unwrap();
        let tasks = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (shared, options) = (runtime.shared().weak(), MeshOptions::default());
        let network = Box::new(Named(addresses));
        let node = Node::begin(shared, options, network, tasks.handle().clone(), None).unwrap();
        let outcome = tasks.block_on(node.resolve("node.example:9000".to_owned(), "nobody".to_owned()));
        runtime.shutdown(std::time::Duration::ZERO);
        outcome
    }

    #[test]
    fn a_name_is_dialled_only_where_all_its_addresses_may_be() {
        let addresses = vec![([127, 0, 0, 1], 9).into(), ([192, 0, 2, 1], 9).into()];
        assert_eq!(resolve(addresses).unwrap_err().kind(), ErrorKind::NotPermitted);
        assert_eq!(resolve(Vec::new()).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }

    #[test]
    fn a_node_is_found_at_any_address_of_its_name() {
        let there = Runtime::new().unwrap();
        let lives = there.listen("127.0.0.1:0", None).unwrap();
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(resolve(vec![closed, lives]), Ok(None));
        assert_eq!(resolve(vec![closed]).unwrap_err().kind(), ErrorKind::NodeDown);
        there.shutdown(std::time::Duration::ZERO);
    }
}
