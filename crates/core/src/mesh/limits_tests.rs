//! What a peer may have of a node, and what it gets beyond: each limit is reached, answered as documented, and free again.

use std::sync::Arc;
use std::sync::mpsc as channel;
use std::time::Duration;

use tokio::sync::mpsc;

use super::connection::{Connection, End};
use super::credit::OVERHEAD;
use super::frame::Frame;
use super::hello::{Hello, VERSIONS};
use super::malformed::Malformed;
use super::obey::code_of;
use super::options::{MeshOptions, PeerLimits};
use super::stream::Sink;
use crate::asking::AskOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::exit::ExitReason;
use crate::message::{Incoming, SystemKind};
use crate::options::SpawnOptions;
use crate::payload::Payload;
use crate::pid::Pid;
use crate::runtime::Runtime;

const MOST: usize = 3;
const WINDOW: usize = 4096;
const DEADLINE: Duration = Duration::from_secs(20);

/// A connection whose other side is played by the test, and the runtime that has it.
fn connection() -> (Runtime, Arc<Connection>) {
    let runtime = Runtime::new().unwrap();
    let hello = Hello {
        versions: VERSIONS,
        name: "peer".to_owned(),
        incarnation: 1,
        window: 1 << 20,
        payload_max: 1 << 20,
        heartbeat: Duration::ZERO,
        address: String::new(),
        serial: 0,
    };
    let options = MeshOptions { window: WINDOW, payload_max: WINDOW / 2, ..MeshOptions::default() };
    let limits = PeerLimits { proxies: MOST, asks: MOST };
    let shared = runtime.shared().weak();
    let connection = Connection::with_limits(shared, &options, hello, mpsc::channel(1).0, limits);
    (runtime, connection)
}

fn target(number: u64) -> Pid {
    Pid::from_u64(1 << 28 | number).unwrap()
}

fn observed(runtime: &Runtime) -> Pid {
    runtime.spawn_observed(SpawnOptions::default()).unwrap()
}

/// The signals that wait for the peer.
fn said(connection: &Connection) -> Vec<u8> {
    let mut sink: Option<Sink> = Some(Box::new(tokio::io::sink()));
    let (mut signals, mut segments) = (Vec::new(), Vec::new());
    connection.outbox.take(&mut sink, &mut signals, &mut segments);
    signals
}

type Outcome = channel::Receiver<Result<()>>;

fn ask(runtime: &Runtime, proxy: Pid, timeout: Option<Duration>) -> Outcome {
    let (tell, told) = channel::channel();
    let completion = Box::new(move |outcome: Result<Payload, Error>| {
        let _ = tell.send(outcome.map(drop));
    });
    runtime.ask_with(proxy, b"?".into(), AskOptions { timeout, context: None }, completion);
    told
}

fn outcome(of: &Outcome) -> Option<ErrorKind> {
    of.recv_timeout(DEADLINE).unwrap().err().map(|error| error.kind())
}

#[test]
fn proxies_are_limited_and_free_again() {
    let (runtime, connection) = connection();
    let proxies: Vec<Pid> = (0..3).map(|number| connection.proxy(target(number)).unwrap()).collect();
    assert_eq!(connection.proxy(target(3)).unwrap_err().kind(), ErrorKind::LimitReached);
    assert_eq!(connection.proxy(target(1)), Ok(proxies[1]));
    let ends = Frame::Exit { pid: target(1).get(), reason: ExitReason::Normal };
    connection.obey(runtime.shared(), ends).unwrap();
    assert!(!runtime.is_alive(proxies[1]));
    let next = connection.proxy(target(3)).unwrap();
    assert!(runtime.is_alive(next));
    assert_eq!(connection.proxy(target(4)).unwrap_err().kind(), ErrorKind::LimitReached);
}

#[test]
fn asks_are_limited_and_free_again_when_they_are_answered_or_over() {
    let (runtime, connection) = connection();
    let proxy = connection.proxy(target(0)).unwrap();
    let asked: Vec<Outcome> = (0..MOST).map(|_| ask(&runtime, proxy, None)).collect();
    assert_eq!(outcome(&ask(&runtime, proxy, None)), Some(ErrorKind::MailboxFull));
    connection.obey(runtime.shared(), Frame::Reply { id: 2, payload: b"!" }).unwrap();
    assert_eq!(outcome(&asked[1]), None);
    // It times out, and the peer never answers it.
    let over = ask(&runtime, proxy, Some(Duration::from_millis(1)));
    assert_eq!(outcome(&over), Some(ErrorKind::AskTimeout));
    eventually(|| {
        let next = ask(&runtime, proxy, None);
        next.try_recv().is_err()
    });
    connection.lost(&End::Closed);
    for asked in [&asked[0], &asked[2]] {
        assert_eq!(outcome(asked), Some(ErrorKind::NodeDown));
    }
}

#[test]
fn asks_of_a_peer_are_limited_and_free_again() {
    let (runtime, connection) = connection();
    let silent = observed(&runtime);
    let asks = |id: u64, of: Pid| {
        let frame = Frame::Ask { id, target: of.get(), timeout_ms: 0, payload: b"?" };
        connection.obey(runtime.shared(), frame).unwrap();
    };
    (0..3).for_each(|id| asks(id, silent));
    assert_eq!(said(&connection), []);
    asks(3, silent);
    let refused = said(&connection);
    let (frame, length) = Frame::parse(&refused, 0).unwrap().unwrap();
    let Frame::ReplyError { id: 3, kind, .. } = frame else { panic!("{frame:?}") };
    assert_eq!((kind, length), (code_of(ErrorKind::LimitReached), refused.len()));
    // Each is told that the actor is gone, and counts no more.
    runtime.stop(silent);
    assert!(runtime.join(silent, Some(DEADLINE)));
    let mut failed = Vec::new();
    eventually(|| {
        failed.extend(said(&connection));
        let (mut rest, mut count) = (&failed[..], 0);
        while let Some((Frame::ReplyError { kind, .. }, length)) = Frame::parse(rest, 0).unwrap() {
            assert_eq!(kind, code_of(ErrorKind::AskFailed));
            (rest, count) = (&rest[length..], count + 1);
        }
        count == 3
    });
    asks(4, observed(&runtime));
    assert_eq!(said(&connection), []);
}

#[test]
fn messages_beyond_the_window_end_the_connection() {
    let (runtime, connection) = connection();
    let kept = observed(&runtime);
    let payload = vec![7; 1000];
    let fit = WINDOW / (payload.len() + usize::try_from(OVERHEAD).unwrap());
    let send = || connection.obey(runtime.shared(), Frame::Send { target: kept.get(), payload: &payload });
    // As long as what came is taken, any number of them may come.
    for _ in 0..100 {
        for _ in 0..fit {
            send().unwrap();
        }
        assert_eq!(runtime.take_observed(kept).unwrap().len(), fit);
    }
    for _ in 0..fit {
        send().unwrap();
    }
    assert!(matches!(send(), Err(End::Malformed(Malformed::Window))));
    let ask = Frame::Ask { id: 1, target: kept.get(), timeout_ms: 0, payload: &payload };
    assert!(matches!(connection.obey(runtime.shared(), ask), Err(End::Malformed(Malformed::Window))));
    assert_eq!(runtime.take_observed(kept).unwrap().len(), fit);
}

#[test]
fn answers_beyond_the_window_end_the_connection() {
    let (runtime, connection) = connection();
    let kept = observed(&runtime);
    let payload = vec![7; WINDOW / 2];
    connection.obey(runtime.shared(), Frame::Send { target: kept.get(), payload: &payload }).unwrap();
    let answer = Frame::Reply { id: 1, payload: &payload };
    assert!(matches!(connection.obey(runtime.shared(), answer), Err(End::Malformed(Malformed::Window))));
}

#[test]
fn a_peer_that_links_and_ends_leaves_nothing_behind() {
    let (runtime, connection) = connection();
    let linked = observed(&runtime);
    for number in 0..10_000 {
        let mine = target(number).get();
        connection.obey(runtime.shared(), Frame::Link { yours: linked.get(), mine }).unwrap();
        let ends = Frame::Exit { pid: mine, reason: ExitReason::Killed };
        connection.obey(runtime.shared(), ends).unwrap();
        assert_eq!(runtime.take_observed(linked).unwrap().len(), 1);
        // The question whether it lives, which is not answered.
        said(&connection);
    }
    assert_eq!((connection.calls.lock().len(), runtime.live_actors()), (0, 1));
    assert_eq!(runtime.actor_info(linked).unwrap().links, []);
}

#[test]
fn a_peer_that_beats_all_the_time_is_told_of_once_in_a_while() {
    let (runtime, connection) = connection();
    let watcher = observed(&runtime);
    runtime.monitor(connection.proxy(target(0)).unwrap(), watcher).unwrap();
    let since = std::time::Instant::now();
    for _ in 0..10_000 {
        connection.obey(runtime.shared(), Frame::Beat { returned: 0, received: 0 }).unwrap();
    }
    let due = since.elapsed().as_millis() / 5 + 1;
    let told = runtime.take_observed(watcher).unwrap();
    assert!(!told.is_empty() && told.len() as u128 <= due, "{} where {due} were due", told.len());
    for incoming in told {
        assert!(matches!(incoming, Incoming::System(notice) if notice.kind == SystemKind::Pong));
    }
}

#[test]
fn a_peer_refuses_no_more_than_it_was_sent() {
    let (runtime, connection) = connection();
    let proxy = connection.proxy(target(0)).unwrap();
    runtime.send(proxy, b"hello".into()).unwrap();
    let refuse = || connection.obey(runtime.shared(), Frame::Nack { target: target(0).get(), refusal: 0 });
    refuse().unwrap();
    assert!(matches!(refuse(), Err(End::Malformed(Malformed::Unsent))));
    assert!(runtime.dead_letters().contains(&("RemoteRefused", 1)));
}

fn eventually(mut is_so: impl FnMut() -> bool) {
    let until = std::time::Instant::now() + DEADLINE;
    while !is_so() {
        assert!(std::time::Instant::now() < until, "not in time");
        std::thread::yield_now();
    }
}
