//! Network: where connections come from: the system's TCP, or in tests a simulated one.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::io::Join;
use tokio::net::{TcpListener, TcpStream};

use super::stream::{Sink, Source};

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

    /// Connects with whoever listens at one of these.
    async fn connect(&self, addresses: &[SocketAddr]) -> io::Result<Socket>;
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
