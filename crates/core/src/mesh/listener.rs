//! Listener: takes connections, finds out who dialled, and lets nodes in.

use std::collections::VecDeque;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::connection::{Connection, End};
use super::hello::{Handshake, Hello, PREAMBLE, Refused, Spoken};
use super::malformed::Malformed;
use super::network::{Listening, Socket};
use super::node::{FOREIGN_NAME, Node, bad_address, why};
use super::options::{HANDSHAKE_TIMEOUT, HANDSHAKES_MAX};
use super::stream::{Stream, within};
use super::tell::tell;
use super::tls::names;
use crate::error::{Error, ErrorKind, Result};

/// How the greeting of whoever dialled ended.
enum Greeted {
    /// It is a node, and the connection with it runs.
    Node,
    /// It speaks version 1, and has one of the places for those who do.
    Old(Stream, OwnedSemaphorePermit),
    /// It was refused in order.
    Refused,
}

impl Node {
    /// Listens, and says where.
    pub(crate) fn listen(&self, address: &str) -> Result<SocketAddr> {
        let wanted = address.to_socket_addrs().map_err(|error| bad_address(address, &error))?;
        let wanted = wanted.into_iter().next().ok_or_else(|| bad_address(address, &"it names no host"))?;
        self.permit(wanted)?;
        let failed =
            |error| Error::new(ErrorKind::ListenFailed, format!("cannot listen on {address}: {error}"));
        let _inside = self.handle.enter();
        let listener = self.network.listen(wanted).map_err(failed)?;
        let bound = listener.address().map_err(failed)?;
        let this = self.this.clone();
        let task = self.handle.spawn(accept(this, listener));
        self.listeners.lock().push((bound, task.abort_handle()));
        tell!(self.shared, INFO, "listening", node = self.name, address = bound);
        Ok(bound)
    }

    async fn greet(self: Arc<Self>, socket: Socket) {
        let from = socket.peer;
        match within(HANDSHAKE_TIMEOUT, self.answer(socket)).await {
            Ok(Greeted::Node | Greeted::Refused) => {}
            // A task of its own: this one counts as a client that has not said who it is.
            Ok(Greeted::Old(stream, place)) => {
                self.handle.clone().spawn(async move {
                    self.serve_old(stream).await;
                    drop(place);
                });
            }
            Err(end) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                tell!(
                    self.shared,
                    WARN,
                    "a connection was closed before it was made",
                    node = self.name,
                    from = from,
                    reason = end,
                );
            }
        }
    }

    /// What who dialled says, with the certificate that it shows where there are any.
    async fn open(&self, socket: Socket) -> Result<(Stream, Option<CertificateDer<'static>>), End> {
        let Some(tls) = &self.tls else { return Ok((Stream::plain(socket), None)) };
        let proven = if self.listed.holds(socket.peer.ip(), &*self.network).await {
            let mut plain = Stream::plain(socket);
            plain.read_ahead(1).await?;
            // Nothing else is heard without a certificate: the greeting of version 2 is believed for that.
            if matches!(Spoken::of(plain.ahead[0]), Spoken::V1) {
                return Ok((plain, None));
            }
            let Stream { source, sink, ahead } = plain;
            tls.accept(tokio::io::join(std::io::Cursor::new(ahead).chain(source), sink)).await?
        } else {
            tls.accept(socket.join()).await?
        };
        Ok((proven.stream, Some(proven.certificate)))
    }

    /// The handshake with whoever dialled.
    async fn answer(&self, socket: Socket) -> Result<Greeted, End> {
        let from = socket.peer;
        let (mut stream, certificate) = self.open(socket).await?;
        stream.read_ahead(1).await?;
        match Spoken::of(stream.ahead[0]) {
            Spoken::V2 => {}
            Spoken::V1 if self.speaks_v1_with(from).await => {
                let place = Arc::clone(&self.old_peers).try_acquire_owned();
                return match place {
                    Ok(place) => Ok(Greeted::Old(stream, place)),
                    Err(_) => Err(Malformed::Stranger("version 1, by more clients than are served,").into()),
                };
            }
            Spoken::V1 => {
                return Err(Malformed::Stranger("version 1, which proves nobody's identity,").into());
            }
            Spoken::Stranger(Some(protocol)) => return Err(Malformed::Stranger(protocol).into()),
            Spoken::Stranger(None) => return Err(Malformed::Preamble(stream.ahead[0]).into()),
        }
        stream.read_ahead(PREAMBLE.len()).await?;
        if stream.ahead[..PREAMBLE.len()] != PREAMBLE {
            return Err(Malformed::Preamble(stream.ahead[0]).into());
        }
        let _ = stream.ahead.split_to(PREAMBLE.len());
        let Handshake::Hello(hello) = stream.step().await? else {
            return Err(Malformed::Misplaced(0).into());
        };
        let proven = certificate.is_none_or(|certificate| names(&certificate, &hello.name));
        let welcome = if proven { self.welcome(&hello) } else { Err((Refused::Name, FOREIGN_NAME)) };
        let serial = match welcome {
            Ok(serial) => serial,
            Err((refused, why)) => {
                stream.say(&self.refusal(refused, why)).await?;
                if refused != Refused::Duplicate {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    tell!(
                        self.shared,
                        WARN,
                        "a node was refused",
                        node = self.name,
                        peer = hello.name,
                        reason = why,
                    );
                }
                return Ok(Greeted::Refused);
            }
        };
        self.greet_node(hello, serial, stream).await
    }

    /// The handshake with a node that dialled and is welcome.
    async fn greet_node(&self, hello: Hello, serial: u64, mut stream: Stream) -> Result<Greeted, End> {
        let promise = Promise { node: self, name: hello.name.clone(), serial };
        stream.say(&self.hello(serial)).await?;
        let decided = match stream.step().await? {
            Handshake::Ready(decided) => decided,
            Handshake::Refuse(_) => return Ok(Greeted::Refused),
            Handshake::Hello(_) => return Err(Malformed::Misplaced(1).into()),
        };
        let connection = Connection::new(self.shared.clone(), &self.options, hello, self.hears.clone());
        let serial = if serial == 0 { decided } else { serial };
        let accepted = self.registry.lock().accepted(&self.name, &connection, serial);
        drop(promise);
        match accepted {
            Ok(replaced) => {
                self.establish(&connection, replaced, stream, Vec::new());
                Ok(Greeted::Node)
            }
            Err(refused) => {
                tell!(
                    self.shared,
                    DEBUG,
                    "a connection came too late",
                    node = self.name,
                    peer = connection.name(),
                    reason = why(refused),
                );
                Ok(Greeted::Refused)
            }
        }
    }

    /// What to do with a node that dialled: the number of the decision for it, 0 where the decision is its part.
    fn welcome(&self, hello: &Hello) -> Result<u64, (Refused, &'static str)> {
        if hello.common_version().is_none() {
            return Err((Refused::Version, "no version in common"));
        }
        if hello.name.is_empty() {
            return Err((Refused::Name, "a node has a name"));
        }
        if hello.name == self.name {
            return Err((Refused::Itself, "this node has the same name"));
        }
        let welcome = self.registry.lock().welcome(&self.name, &hello.name, hello.incarnation);
        welcome.map_err(|refused| (refused, why(refused)))
    }
}

/// Takes a promise back that was not kept.
struct Promise<'a> {
    node: &'a Node,
    name: String,
    serial: u64,
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        self.node.registry.lock().greeted(&self.name, self.serial);
    }
}

/// Accepts until the node is gone. A client that says nothing is let go for a new one when there are too many.
async fn accept(node: Weak<Node>, mut listener: Box<dyn Listening>) {
    let mut pending: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = listener.accept().await;
        let Some(node) = node.upgrade() else { return };
        match accepted {
            Ok(socket) => {
                pending.retain(|task| !task.is_finished());
                if pending.len() >= HANDSHAKES_MAX
                    && let Some(oldest) = pending.pop_front()
                {
                    oldest.abort();
                    node.refused.fetch_add(1, Ordering::Relaxed);
                }
                let handle = node.handle.clone();
                pending.push_back(handle.spawn(node.greet(socket)).abort_handle());
            }
            Err(error) => {
                tell!(
                    node.shared,
                    WARN,
                    "a connection could not be accepted",
                    node = node.name,
                    error = error,
                );
                drop(node);
                // Most often there are no file descriptors left: trying again at once would keep a core busy.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
