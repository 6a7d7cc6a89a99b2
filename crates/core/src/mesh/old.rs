//! Old peers: clients that speak version 1 are served, on loopback and where a host is listed, since nothing proves who they are.
//!
//! Version 1 has no credit. What a client has sent and actors have not taken is counted as for any peer; beyond the window
//! its socket is not read, so that TCP slows it.

use std::sync::Arc;

use bytes::Buf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::allow::{fits, names_for};
use super::connection::End;
use super::credit::cost;
use super::held::Ledger;
use super::node::Node;
use super::obey::addressee;
use super::stream::Stream;
use super::tell::tell;
use super::v1::{self, Said};
use crate::cell::Cell;
use crate::message::Message;
use crate::payload::Payload;
use crate::send::Refusal;
use crate::shared::Shared;

/// Most clients of version 1 at once.
pub(super) const OLD_PEERS_MAX: usize = 256;

/// One client.
struct Client {
    stream: Stream,
    ledger: Arc<Ledger>,
    bell: Arc<Notify>,
    window: u64,
    used: u64,
    /// The names that it may reach; `None`: all.
    names: Option<Vec<String>>,
}

impl Node {
    /// Serves a client of version 1 until it goes.
    pub(super) async fn serve_old(self: Arc<Self>, stream: Stream) {
        let (bell, window) = (Arc::new(Notify::new()), self.options.window as u64);
        let ledger = Ledger::new(window, Arc::clone(&bell));
        // It has no name: what it may reach is what everybody may.
        let names = names_for(self.options.allow.as_deref(), "");
        let mut client = Client { stream, ledger, bell, window, used: 0, names };
        let reason = client.serve(&self).await.err().unwrap_or(End::Closed);
        tell!(self.shared, DEBUG, "a client of version 1 is gone", node = self.name, reason = reason);
    }
}

impl Client {
    async fn serve(&mut self, node: &Node) -> Result<(), End> {
        loop {
            match v1::begins_with_version(&self.stream.ahead) {
                Some(true) => {
                    self.stream.ahead.advance(1);
                    break;
                }
                Some(false) => break,
                None => self.stream.read_ahead(self.stream.ahead.len() + 1).await?,
            }
        }
        loop {
            let mut answers = Vec::new();
            {
                let Some(shared) = node.shared.upgrade() else { return Ok(()) };
                self.obey(&shared, &mut answers)?;
            }
            self.stream.sink.write_all(&answers).await?;
            while self.used - self.ledger.sums().0 > self.window {
                self.bell.notified().await;
            }
            self.stream.ahead.reserve(1 << 16);
            if self.stream.source.read_buf(&mut self.stream.ahead).await? == 0 {
                return Ok(());
            }
        }
    }

    fn obey(&mut self, shared: &Arc<Shared>, answers: &mut Vec<u8>) -> Result<(), End> {
        let mut at = 0;
        while let Some((said, length)) = v1::parse(&self.stream.ahead[at..])? {
            at += length;
            match said {
                Said::Send { target, payload } => {
                    self.used += cost(payload.len());
                    let payload = self.ledger.hold(payload);
                    self.deliver(shared, target, payload);
                }
                Said::Resolve { name } => {
                    if name == v1::WHICH_VERSION {
                        answers.extend_from_slice(&v1::SPEAKS_2.to_be_bytes());
                        continue;
                    }
                    let found = shared
                        .names
                        .get(name)
                        .filter(|pid| self.may_find(name) && addressee(shared, pid.get()).is_some());
                    answers.extend_from_slice(&found.map_or(0, |pid| pid.get()).to_be_bytes());
                }
                Said::Ping => answers.push(v1::ALIVE),
            }
        }
        self.stream.ahead.advance(at);
        Ok(())
    }

    fn may_find(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.iter().any(|pattern| fits(pattern, name)))
    }

    /// Delivers; nobody can be told of a refusal, which is counted as a dead letter here.
    fn deliver(&self, shared: &Arc<Shared>, target: u64, payload: Payload) {
        let may_reach = |pid, cell: &Cell| {
            let by_name =
                || cell.look_at_details(pid, |details| details.names.iter().any(|name| self.may_find(name)));
            self.names.is_none() || by_name() == Some(true)
        };
        let Some((pid, cell)) = addressee(shared, target).filter(|(pid, cell)| may_reach(*pid, cell)) else {
            shared.counters.drop_one(crate::counters::Dropped::NoProcess);
            return;
        };
        if let Err((Refusal::WouldBlock, message)) = shared.deliver_to(cell, pid, Message::new(payload)) {
            shared.refuse_full(pid, message);
        }
    }
}
