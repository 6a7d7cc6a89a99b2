//! Echo: bare TCP between two processes on loopback, which no question to another process can beat.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// Marks a process that sends back what it reads.
pub(crate) const CHILD_FLAG: &str = "--tcp-echo";

/// About as long as the frame of an ask.
const FRAME: [u8; 32] = [b'x'; 32];

/// A connection with a process that sends back what it reads.
pub(crate) struct Echo {
    stream: TcpStream,
    other: Child,
}

impl Echo {
    pub(crate) fn begin() -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program's path"));
        let mut other = command.arg(CHILD_FLAG).stdout(Stdio::piped()).spawn().expect("a process");
        let mut address = String::new();
        let said = other.stdout.take().expect("it is piped");
        BufReader::new(said).read_line(&mut address).expect("the other process's address");
        let stream = TcpStream::connect(address.trim()).expect("it listens");
        stream.set_nodelay(true).expect("a connected socket");
        Self { stream, other }
    }

    /// Sends one frame there, and reads it back.
    pub(crate) fn once(&mut self) {
        let mut frame = FRAME;
        self.stream.write_all(&frame).expect("a connected socket");
        self.stream.read_exact(&mut frame).expect("what was sent");
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // The other process ends when the connection does.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        let _ = self.other.wait();
    }
}

/// The other process.
#[expect(clippy::print_stdout, reason = "standard output is how the child answers")]
pub(crate) fn child() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("it is bound"));
    let (mut stream, _) = listener.accept().expect("a connection");
    stream.set_nodelay(true).expect("a connected socket");
    let mut frame = FRAME;
    while stream.read_exact(&mut frame).is_ok() && stream.write_all(&frame).is_ok() {}
}
