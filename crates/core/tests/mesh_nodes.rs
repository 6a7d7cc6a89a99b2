//! Nodes that come and go, as actors are told.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Duration;

use common::nodes::{called, listening};
use common::{DEADLINE, counter, notice, observe, runtime, wait_until};
use iris_core::{ErrorKind, LogLevel, MeshOptions, NodeNotice, Pid, Runtime, SpawnOptions, SystemKind};

fn listener(runtime: &Runtime) -> Pid {
    let listener = runtime.spawn_observed(SpawnOptions::default()).unwrap();
    runtime.monitor_nodes(listener).unwrap();
    listener
}

/// The next notices of nodes.
fn told(runtime: &Runtime, listener: Pid, count: usize) -> Vec<(SystemKind, NodeNotice)> {
    let of = |message| {
        let notice = notice(message);
        (notice.kind, NodeNotice::clone(notice.node.as_ref().unwrap()))
    };
    observe(runtime, listener, count).iter().map(of).collect()
}

fn up(name: &str, address: &str) -> (SystemKind, NodeNotice) {
    let (name, address) = (name.to_owned(), address.to_owned());
    (SystemKind::NodeUp, NodeNotice { name, address, why: String::new() })
}

#[test]
fn actors_are_told_of_nodes_that_come_and_go() {
    let ((here, at_here), (there, at_there)) = (listening(called("here")), listening(called("there")));
    let first = listener(&here);
    let other = listener(&there);
    assert!(here.is_node_up(&at_there));
    assert_eq!(told(&here, first, 1), [up("there", &at_there)]);
    assert_eq!(told(&there, other, 1), [up("here", &at_here)]);
    // One that begins to listen later hears first what is up.
    let second = listener(&here);
    assert_eq!(told(&here, second, 1), [up("there", &at_there)]);
    here.monitor_nodes(second).unwrap();
    assert!(here.demonitor_nodes(first) && !here.demonitor_nodes(first));

    there.shutdown(Duration::ZERO);
    let [(kind, down)] = told(&here, second, 1).try_into().unwrap();
    assert_eq!((kind, &*down.name, &*down.address), (SystemKind::NodeDown, "there", &*at_there));
    assert_eq!(down.why, "the peer said goodbye: the node shuts down");
    assert_eq!(here.take_observed(first).unwrap().len(), 0);
}

#[test]
fn a_node_that_returns_is_down_and_up_again() {
    let ((here, at_here), (gone, at_gone)) = (listening(called("here")), listening(called("there")));
    let listener = listener(&here);
    assert!(gone.is_node_up(&at_here));
    let (back, at_back) = listening(called("there"));
    assert!(back.is_node_up(&at_here));
    let seen = told(&here, listener, 3);
    assert_eq!([&seen[0], &seen[2]], [&up("there", &at_gone), &up("there", &at_back)]);
    assert_eq!((seen[1].0, &*seen[1].1.address), (SystemKind::NodeDown, &*at_gone));
    // The end of the connection that was replaced is not told again.
    gone.shutdown(Duration::ZERO);
    back.shutdown(Duration::ZERO);
    let [(kind, down)] = told(&here, listener, 1).try_into().unwrap();
    assert_eq!((kind, &*down.address), (SystemKind::NodeDown, &*at_back));
}

#[test]
fn those_who_hear_no_notices_are_refused_and_those_who_ended_are_forgotten() {
    let (here, address) = listening(called("here"));
    let (behaviour, _handled) = counter();
    let push = here.spawn(behaviour, SpawnOptions::default()).unwrap();
    assert_eq!(here.monitor_nodes(push).unwrap_err().kind(), ErrorKind::WrongActorKind);
    let ended = listener(&here);
    here.stop(ended);
    wait_until("the listener ended", || !here.is_alive(ended));
    assert_eq!(here.monitor_nodes(ended).unwrap_err().kind(), ErrorKind::NoProcess);
    let (there, _) = listening(called("there"));
    assert!(there.is_node_up(&address));
    let after = listener(&here);
    assert_eq!(told(&here, after, 1)[0].0, SystemKind::NodeUp);
    assert!(!here.demonitor_nodes(ended));
    // A runtime that is no node yet may be told, and become any node.
    let later = runtime();
    let first = listener(&later);
    later.start_mesh(called("later")).unwrap();
    assert!(later.is_node_up(&address));
    assert_eq!(told(&later, first, 1), [up("here", &address)]);
}

#[test]
fn what_happens_between_nodes_is_told_in_lines() {
    let ((here, at_here), (there, _)) = (listening(called("here")), listening(called("there")));
    let (log, (ring, rung)) = (here.log(), mpsc::channel());
    assert!(log.on_lines(Box::new(move || {
        let _ = ring.send(());
    })));
    let next = |what: &str| {
        let mut seen = Vec::new();
        loop {
            let lines = log.take();
            let found = lines.iter().find(|line| line.text.starts_with(what)).cloned();
            seen.extend(lines);
            if let Some(line) = found {
                return line;
            }
            rung.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("{what} is not among {seen:?}"));
        }
    };
    assert!(there.is_node_up(&at_here));
    let up = next("node up");
    assert_eq!((up.level, &*up.text), (LogLevel::Info, "node up [node=here peer=there]"));
    let mut stranger = TcpStream::connect(&at_here).unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let closed = next("a connection was closed before it was made [node=here from=127.0.0.1:");
    assert_eq!(closed.level, LogLevel::Warn);
    there.shutdown(Duration::ZERO);
    let down = next("node down");
    let open = MeshOptions { insecure: true, ..MeshOptions::default() };
    let everywhere = runtime();
    let log_everywhere = everywhere.log();
    assert!(log_everywhere.on_lines(Box::new(|| {})));
    everywhere.listen("0.0.0.0:0", Some(open)).unwrap();
    let warned = log_everywhere.take();
    assert!(warned[0].text.starts_with("an address that others can reach is used without TLS"), "{warned:?}");
    assert_eq!(warned[0].level, LogLevel::Warn);
    let said = "node down [node=here peer=there reason=the peer said goodbye: the node shuts down]";
    assert_eq!((down.level, &*down.text), (LogLevel::Info, said));
}
