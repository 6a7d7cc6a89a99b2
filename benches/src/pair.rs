//! Pair: a node, an actor of another one in a process of its own on loopback, and what is measured between them.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use iris_core::{
    Certificates, Context, Flow, MeshOptions, Message, Overflow, Payload, Pid, Runtime, SpawnOptions,
};

/// Marks a process that is the other node; a directory of certificates may follow.
pub(crate) const CHILD_FLAG: &str = "--mesh-node";

const BODY: [u8; 64] = [b'x'; 64];
const HOW_MANY: &[u8] = b"how many?";
const PATIENCE: Option<Duration> = Some(Duration::from_secs(30));

/// This node, the actor of the other one, and the other's process.
pub(crate) struct Pair {
    runtime: Runtime,
    actor: Pid,
    other: Child,
}

impl Pair {
    pub(crate) fn begin(certificates: Option<&Path>) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program's path"));
        command.arg(CHILD_FLAG).args(certificates);
        let mut other = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let mut address = String::new();
        let said = other.stdout.take().expect("it is piped");
        BufReader::new(said).read_line(&mut address).expect("the other node's address");
        let runtime = Runtime::new().expect("a runtime");
        runtime.start_mesh(options("here", certificates)).expect("a node");
        let actor = runtime.resolve_remote(address.trim(), "actor").expect("a node").expect("an actor");
        runtime.set_overflow(actor, Overflow::Block).expect("a proxy");
        Self { runtime, actor, other }
    }

    fn ask(&self, body: &[u8]) -> Payload {
        self.runtime.ask_blocking(self.actor, Payload::copy_from(body), PATIENCE).expect("an answer")
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.runtime.shutdown(Duration::ZERO);
        // Nothing more to lose: the other node ends when its standard input does.
        drop(self.other.stdin.take());
        let _ = self.other.wait();
    }
}

fn options(name: &str, certificates: Option<&Path>) -> MeshOptions {
    let certificates =
        certificates.map(|directory| Certificates::in_directory(directory, name).expect("a name"));
    MeshOptions { name: Some(name.to_owned()), certificates, ..MeshOptions::default() }
}

/// The other node: an actor that counts, and tells how many when it is asked.
#[expect(clippy::print_stdout, reason = "standard output is how the child answers")]
pub(crate) fn child(certificates: Option<&Path>) {
    let runtime = Runtime::new().expect("a runtime");
    let counted = std::sync::atomic::AtomicU64::new(0);
    let actor = move |_: &Context<'_>, mut message: Message| {
        let order = std::sync::atomic::Ordering::Relaxed;
        match message.take_reply() {
            Some(reply) => reply.send(Payload::copy_from(&counted.load(order).to_be_bytes())),
            None => drop(counted.fetch_add(1, order)),
        }
        Flow::Continue
    };
    let name = Some("actor".to_owned());
    runtime.spawn(actor, SpawnOptions { name, ..SpawnOptions::default() }).expect("an actor");
    let address = runtime.listen("127.0.0.1:0", Some(options("there", certificates))).expect("a port");
    println!("{address}");
    std::io::stdin().read_to_end(&mut Vec::new()).expect("the end of standard input");
    runtime.shutdown(Duration::ZERO);
}

/// From the first send: sends so many messages, and returns when the other node says that it has handled the last.
pub(crate) fn one_way(pair: &Pair, count: usize) -> Instant {
    let start = Instant::now();
    for _ in 0..count {
        pair.runtime.send(pair.actor, Payload::copy_from(&BODY)).expect("a live actor");
    }
    let handled = pair.ask(HOW_MANY);
    assert_eq!(handled.as_slice(), (count as u64).to_be_bytes(), "none is lost");
    start
}

/// Asks once, and waits for the answer.
pub(crate) fn ask(pair: &Pair) {
    pair.ask(HOW_MANY);
}

/// How long each of so many took, one after another, after a tenth of that; shortest first.
pub(crate) fn each(count: usize, mut once: impl FnMut()) -> Vec<Duration> {
    let took = (0..count + count / 10).map(|_| {
        let start = Instant::now();
        once();
        start.elapsed()
    });
    let mut took: Vec<Duration> = took.skip(count / 10).collect();
    took.sort_unstable();
    took
}
