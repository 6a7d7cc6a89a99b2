//! Mesh: two processes on loopback: messages to an actor of the other, and asks one after another, plain and by TLS.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use iris_core::{
    Certificates, Context, Flow, MeshOptions, Message, Overflow, Payload, Pid, Runtime, SpawnOptions,
};

use crate::report::{Must, Scale, figure, is_wanted, millions_per_second, print};

/// Marks a process that is the other node; a directory of certificates may follow.
pub(crate) const CHILD_FLAG: &str = "--mesh-node";

const BODY: [u8; 64] = [b'x'; 64];
const HOW_MANY: &[u8] = b"how many?";
const PATIENCE: Option<Duration> = Some(Duration::from_secs(30));

pub(crate) fn measure(scale: Scale) {
    let count = scale.count(1_000_000);
    let directory = tempfile::tempdir().expect("a directory");
    iris_core::dev_certs(directory.path(), &["here", "there"]).expect("certificates");
    for (name, floor, certificates) in [("mesh_plain", 1.5, None), ("mesh_tls", 1.0, Some(directory.path()))]
    {
        figure(scale, name, "M/s", Must::Floor(floor), || one_way(&Pair::begin(certificates), count));
    }
    for (name, certificates) in [("mesh_ask", None), ("mesh_ask_tls", Some(directory.path()))] {
        let (median, last) = (format!("{name}_p50"), format!("{name}_p99"));
        if !is_wanted(&median) && !is_wanted(&last) {
            continue;
        }
        let limit = if certificates.is_none() { Must::Ceiling(60.0) } else { Must::Compare };
        let pairs = (0..scale.runs).map(|_| asks(&Pair::begin(certificates), scale.count(2_000)));
        let (medians, lasts) = pairs.unzip();
        print(scale, &median, "us", limit, medians);
        print(scale, &last, "us", Must::Compare, lasts);
    }
}

/// This node, the actor of the other one, and the other's process.
struct Pair {
    runtime: Runtime,
    actor: Pid,
    other: Child,
}

impl Pair {
    fn begin(certificates: Option<&Path>) -> Self {
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

/// From the first send until the other node says that it has handled the last.
fn one_way(pair: &Pair, count: usize) -> f64 {
    let start = Instant::now();
    for _ in 0..count {
        pair.runtime.send(pair.actor, Payload::copy_from(&BODY)).expect("a live actor");
    }
    let handled = pair.ask(HOW_MANY);
    assert_eq!(handled.as_slice(), (count as u64).to_be_bytes(), "none is lost");
    millions_per_second(count, start)
}

/// The median and the 99th percentile of asks one after another, in microseconds, after a tenth of them.
fn asks(pair: &Pair, count: usize) -> (f64, f64) {
    let mut took: Vec<f64> = Vec::with_capacity(count);
    for _ in 0..count + count / 10 {
        let start = Instant::now();
        pair.ask(HOW_MANY);
        took.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let mut took = took.split_off(count / 10);
    took.sort_by(f64::total_cmp);
    (took[count / 2], took[(count * 99).div_ceil(100) - 1])
}
