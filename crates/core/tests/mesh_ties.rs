//! Several connections between the same two nodes, begun at the same time: one is made, and no call fails.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::DEADLINE;
use common::nodes::{HERE, called, echo, listening, named};
use iris_core::{Pid, Runtime};

/// A node that listens, and its address. The node with the greater name decides which connection is made.
fn node(name: &str) -> (Runtime, String) {
    let (runtime, address) = listening(called(name));
    runtime.spawn(echo, named("echo")).unwrap();
    (runtime, address)
}

/// Finds the echo at this address and asks it; the result is its proxy.
fn call(from: &Runtime, address: &str) -> Pid {
    let proxy = from.resolve_remote(address, "echo").unwrap().unwrap();
    assert_eq!(from.ask_blocking(proxy, b"hello".into(), Some(DEADLINE)).unwrap().as_slice(), b"hello");
    proxy
}

/// Calls several addresses at once.
fn call_at_once<'a>(calls: impl IntoIterator<Item = (&'a Runtime, &'a str)>) -> Vec<Pid> {
    std::thread::scope(|scope| {
        let calls: Vec<_> =
            calls.into_iter().map(|(from, address)| scope.spawn(move || call(from, address))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    })
}

#[test]
fn two_nodes_that_call_each_other_at_once_have_one_connection() {
    for _ in 0..20 {
        let ((one, at_one), (other, at_other)) = (node("one"), node("other"));
        call_at_once([(&one, &*at_other), (&other, &*at_one)]);
        for node in [&one, &other] {
            assert_eq!(node.mesh_info().unwrap().nodes.len(), 1);
        }
    }
}

#[test]
fn a_node_with_several_addresses_is_one_node() {
    for (here, there) in [("a", "z"), ("z", "a")] {
        let ((here, _), (there, address)) = (node(here), node(there));
        let second = there.listen(HERE, None).unwrap().to_string();
        let third = address.replace("127.0.0.1", "localhost");
        let proxies = call_at_once([(&here, &*address), (&here, &*second), (&here, &*third)]);
        assert!(proxies.iter().all(|proxy| *proxy == proxies[0]), "{proxies:?}");
        assert_eq!(here.mesh_info().unwrap().nodes.len(), 1);
    }
}

#[test]
fn a_node_that_called_is_called_by_any_of_its_addresses() {
    for (here, there) in [("a", "z"), ("z", "a")] {
        let ((here, at_here), (there, at_there)) = (node(here), node(there));
        call(&there, &at_here);
        let by_name = at_there.replace("127.0.0.1", "localhost");
        assert_eq!(call(&here, &by_name), call(&here, &at_there));
        assert_eq!(here.mesh_info().unwrap().nodes.len(), 1);
    }
}

#[test]
fn a_node_that_returns_replaces_the_one_before() {
    for (here, there) in [("a", "z"), ("z", "a")] {
        let ((here, at_here), (gone, address)) = (node(here), node(there));
        let before = call(&here, &address);
        let (back, _) = node(there);
        // Nobody has told that the one before is gone: it is replaced by the later start of the same name.
        call(&back, &at_here);
        common::wait_until("what was its is gone", || !here.is_alive(before));
        assert_eq!(here.mesh_info().unwrap().nodes, [there]);
        gone.shutdown(Duration::ZERO);
    }
}
