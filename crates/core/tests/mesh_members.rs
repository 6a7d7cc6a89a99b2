//! Nodes that join: each member finds and keeps all others, in whatever order they come, go and return.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::nodes::{join, joining, listening, refused};
use common::{runtime, wait_until};
use iris_core::{Certificates, ErrorKind, MeshOptions, Runtime, SpawnOptions, dev_certs};

fn has(runtime: &Runtime, names: &[&str]) {
    wait_until("all members are connected", || runtime.mesh_info().unwrap().nodes == names);
}

#[test]
fn members_find_each_other_by_one_of_them() {
    let ((a, at_a), (b, at_b), (c, _)) =
        (listening(joining("a")), listening(joining("b")), listening(joining("c")));
    join(&a, &[]);
    join(&b, &[&at_a.replace("127.0.0.1", "localhost")]);
    join(&c, &[&at_b, &at_a]);
    has(&a, &["b", "c"]);
    has(&b, &["a", "c"]);
    has(&c, &["a", "b"]);
    let (d, _) = listening(joining("d"));
    join(&d, &[&at_b]);
    has(&a, &["b", "c", "d"]);
    has(&d, &["a", "b", "c"]);
}

#[test]
fn members_may_start_in_any_order_and_are_found_again_when_they_return() {
    let (first, address) = listening(joining("first"));
    first.shutdown(Duration::ZERO);
    let (b, _) = listening(joining("b"));
    let (c, _) = listening(joining("c"));
    join(&b, &[&address]);
    join(&c, &[&address]);
    let first = runtime();
    wait_until("the address is free", || first.listen(&address, Some(joining("first"))).is_ok());
    join(&first, &[]);
    has(&b, &["c", "first"]);
    has(&c, &["b", "first"]);

    c.shutdown(Duration::ZERO);
    has(&b, &["first"]);
    // Under the same name at another address.
    let (c, at_c) = listening(joining("c"));
    join(&c, &[&address]);
    has(&b, &["c", "first"]);
    let watcher = b.spawn_observed(SpawnOptions::default()).unwrap();
    b.monitor_nodes(watcher).unwrap();
    let notices = common::observe(&b, watcher, 2);
    let addresses: Vec<&str> =
        notices.iter().map(|message| &*common::notice(message).node.as_ref().unwrap().address).collect();
    assert_eq!(addresses, [&*at_c, &*address]);
}

#[test]
fn members_prove_who_they_are() {
    let directory = tempfile::tempdir().unwrap();
    dev_certs(directory.path(), &["a", "b", "c"]).unwrap();
    let other = tempfile::tempdir().unwrap();
    dev_certs(other.path(), &["d"]).unwrap();
    let start = |name: &str, directory: &std::path::Path| {
        let certificates = Some(Certificates::in_directory(directory, name).unwrap());
        listening(MeshOptions { certificates, ..joining(name) })
    };
    let (a, at_a) = start("a", directory.path());
    let (b, _) = start("b", directory.path());
    let (c, _) = start("c", directory.path());
    let (d, _) = start("d", other.path());
    join(&a, &[]);
    for runtime in [&d, &b, &c] {
        join(runtime, &[&at_a]);
    }
    has(&b, &["a", "c"]);
    has(&c, &["a", "b"]);
    wait_until("a stranger was refused", || refused(&a) > 0);
    has(&d, &[]);
}

#[test]
fn what_is_needed_to_join_is_checked() {
    let kind = |runtime: &Runtime, addresses: &[&str]| {
        let addresses: Vec<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
        runtime.join_mesh(&addresses).unwrap_err().kind()
    };
    let deaf = runtime();
    assert_eq!(kind(&deaf, &[]), ErrorKind::InvalidArgument);
    assert!(deaf.mesh_info().is_none(), "it may still become a node with options of its own");
    deaf.start_mesh(joining("deaf")).unwrap();
    assert_eq!(kind(&deaf, &[]), ErrorKind::InvalidArgument);
    let (a, address) = listening(joining("a"));
    for wrong in ["", "host", "host:", ":9000", "host:0", "host:65536", "host:http"] {
        assert_eq!(kind(&a, &[&address, wrong]), ErrorKind::InvalidArgument, "{wrong:?}");
    }
    assert_eq!(kind(&a, &["192.0.2.1:9000"]), ErrorKind::NotPermitted);
    let many = vec!["127.0.0.1:9000"; 1025];
    assert_eq!(kind(&a, &many), ErrorKind::InvalidArgument);
    join(&a, &[]);
    assert_eq!(kind(&a, &[]), ErrorKind::InvalidArgument);
    let everywhere = runtime();
    everywhere.listen("0.0.0.0:0", Some(MeshOptions { insecure: true, ..joining("everywhere") })).unwrap();
    assert_eq!(kind(&everywhere, &[]), ErrorKind::InvalidArgument);
    a.shutdown(Duration::ZERO);
    assert_eq!(kind(&a, &[]), ErrorKind::RuntimeClosed);
}
