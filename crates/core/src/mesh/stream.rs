//! Stream: the two tasks of a connection, and the steps before there is one.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use super::connection::{Connection, End};
use super::frame::Frame;
use super::hello::Handshake;
use super::liveness::{Hearing, patience};
use super::network::Socket;
use super::options::CLOSE_GRACE;
use super::outbox::Taken;

/// Bytes read at once, at least: many frames of usual size.
const READ: usize = 64 << 10;

/// A stream in one direction, plain or encrypted.
pub(crate) type Source = Box<dyn AsyncRead + Send + Unpin>;
/// The other direction.
pub(crate) type Sink = Box<dyn AsyncWrite + Send + Unpin>;

/// Both directions, with what was read too much before.
pub(crate) struct Stream {
    pub(crate) source: Source,
    pub(crate) sink: Sink,
    pub(crate) ahead: BytesMut,
}

impl Stream {
    pub(crate) fn new<S: AsyncRead + AsyncWrite + Send + 'static>(stream: S) -> Self {
        let (source, sink) = tokio::io::split(stream);
        Self { source: Box::new(source), sink: Box::new(sink), ahead: BytesMut::new() }
    }

    pub(crate) fn plain(socket: Socket) -> Self {
        Self { source: socket.source, sink: socket.sink, ahead: BytesMut::new() }
    }

    /// Reads until this many bytes are ahead.
    pub(crate) async fn read_ahead(&mut self, count: usize) -> Result<(), End> {
        while self.ahead.len() < count {
            if self.source.read_buf(&mut self.ahead).await? == 0 {
                return Err(End::Closed);
            }
        }
        Ok(())
    }

    /// The next step of a handshake.
    pub(crate) async fn step(&mut self) -> Result<Handshake, End> {
        loop {
            if let Some((step, length)) = Handshake::parse(&self.ahead)? {
                self.ahead.advance(length);
                return Ok(step);
            }
            let have = self.ahead.len();
            self.read_ahead(have + 1).await?;
        }
    }

    pub(crate) async fn say(&mut self, step: &Handshake) -> Result<(), End> {
        self.write(&step.bytes()).await
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.sink.write_all(bytes).await?;
        self.sink.flush().await?;
        Ok(())
    }
}

impl Connection {
    /// Writes the last step of the handshake, and reads and writes until the connection ends; the result is why.
    pub(crate) async fn run(self: &Arc<Self>, stream: Stream, step: Vec<u8>) -> End {
        let Stream { source, sink, ahead } = stream;
        let writer = Arc::clone(self);
        let task = tokio::spawn(async move { writer.write(sink, &step).await });
        let mut writing = Writing { task, connection: self };
        let mut reading = pin!(self.read(source, ahead));
        tokio::select! {
            end = &mut reading => end,
            written = &mut writing.task => match written {
                // All is written. The peer closes when it has read it.
                Ok(Ok(())) => timeout(CLOSE_GRACE, reading).await.unwrap_or(End::Finished),
                Ok(Err(error)) => End::Failed(error),
                Err(_) => End::Finished,
            },
        }
    }

    async fn read(&self, mut source: Source, mut buffer: BytesMut) -> End {
        let patience = patience(self.hello.heartbeat);
        let (mut hearing, mut read) = (Hearing::new(Instant::now()), 0);
        // One timer, set anew when it goes off: a timer for each read would wake a thread to learn of it.
        let mut silence = pin!(sleep(patience));
        loop {
            // Before the frames are obeyed, which may take its time.
            let now = Instant::now();
            match self.obey_all(&mut buffer) {
                Ok(is_whole) => hearing.read(read, is_whole, now),
                Err(end) => return end,
            }
            buffer.reserve(READ);
            read = tokio::select! {
                biased;
                read = source.read_buf(&mut buffer) => match read {
                    Ok(0) => return End::Closed,
                    Ok(count) => count,
                    Err(error) => return End::Failed(error),
                },
                () = &mut silence => {
                    let until = hearing.until(patience);
                    if until <= Instant::now() {
                        return End::Silent(patience);
                    }
                    silence.as_mut().reset(until);
                    0
                }
            };
        }
    }

    /// Obeys all frames that are there; true: there was one.
    fn obey_all(&self, buffer: &mut BytesMut) -> Result<bool, End> {
        let Some(shared) = self.shared.upgrade() else { return Err(End::Finished) };
        let mut at = 0;
        while let Some((frame, length)) = Frame::parse(&buffer[at..], self.payload_max)? {
            self.obey(&shared, frame)?;
            at += length;
        }
        buffer.advance(at);
        Ok(at > 0)
    }

    async fn write(&self, mut sink: Sink, step: &[u8]) -> std::io::Result<()> {
        // The heartbeat follows at once, and is what flushes it.
        sink.write_all(step).await?;
        let mut sink = Some(sink);
        let (mut signals, mut segments) = (Vec::new(), Vec::new());
        let mut beat = pin!(sleep(Duration::ZERO));
        let mut is_time = true;
        loop {
            if is_time || self.ledger.is_due() {
                let (returned, received) = self.ledger.sums();
                self.outbox.signal(&Frame::Beat { returned, received });
                beat.as_mut().reset(Instant::now() + self.heartbeat);
            }
            let taken = self.outbox.take(&mut sink, &mut signals, &mut segments);
            match (taken, &mut sink) {
                (Taken::Some, Some(sink)) => {
                    if !signals.is_empty() {
                        sink.write_all(&signals).await?;
                    }
                    for segment in &segments {
                        sink.write_all(segment).await?;
                    }
                    sink.flush().await?;
                    is_time = beat.deadline() <= Instant::now();
                }
                (Taken::Over, Some(sink)) => {
                    sink.flush().await?;
                    return sink.shutdown().await;
                }
                (Taken::Over, None) => return Ok(()),
                (Taken::Nothing | Taken::Some, _) => {
                    tokio::select! {
                        () = self.outbox.bell().notified() => is_time = false,
                        () = &mut beat => is_time = true,
                    }
                }
            }
        }
    }
}

/// The task that writes: goes with whoever waits for it, and the sink with it.
struct Writing<'a> {
    task: tokio::task::JoinHandle<std::io::Result<()>>,
    connection: &'a Connection,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.task.abort();
        self.connection.outbox.abandon();
    }
}

/// A deadline for something that ends a connection or begins one.
pub(crate) async fn within<T>(limit: Duration, step: impl Future<Output = Result<T, End>>) -> Result<T, End> {
    timeout(limit, step).await.unwrap_or(Err(End::Silent(limit)))
}
