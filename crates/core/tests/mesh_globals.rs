//! Global names: found from every member, with one owner each, and free again when that is gone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::mpsc;
use std::time::Duration;

use common::nodes::{HERE, echo, join, joining, listening};
use common::{DEADLINE, runtime, wait_until};
use iris_core::{ErrorKind, ExitReason, Pid, Runtime, SpawnOptions};

/// A node that has joined those at some addresses, and its own.
fn member(name: &str, addresses: &[&str]) -> (Runtime, String) {
    let (runtime, address) = listening(joining(name));
    join(&runtime, addresses);
    (runtime, address)
}

fn spawn(runtime: &Runtime) -> Pid {
    runtime.spawn(echo, SpawnOptions::default()).unwrap()
}

/// Waits until another node's actor has the name here and answers. A busy machine may lose a connection meanwhile.
fn reaches(runtime: &Runtime, name: &str) {
    wait_until("the name is known and its owner answers", || {
        let found = runtime.whereis(name).filter(|pid| pid.is_proxy());
        found.is_some_and(|pid| runtime.ask_blocking(pid, b"hello".into(), Some(DEADLINE)).is_ok())
    });
}

/// Gives a name that another had. A member that takes the other's node for gone has no such name for that long, and has it again
/// when it hears of that node before it hears that the name was given back.
fn takes(node: &Runtime, name: &str, pid: Pid) {
    wait_until("the name is free to take", || node.register_global(name, pid).is_ok());
}

#[test]
fn a_global_name_is_found_from_every_member() {
    let (a, at_a) = member("a", &[]);
    let (b, _) = member("b", &[&at_a]);
    let (c, at_c) = member("c", &[&at_a]);
    let owner = spawn(&a);
    a.register_global("mail", owner).unwrap();
    a.register_global("mail", owner).unwrap();
    assert_eq!(a.whereis("mail"), Some(owner));
    for node in [&b, &c] {
        reaches(node, "mail");
        let error = node.register_global("mail", spawn(node)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameTaken);
    }
    let (late, _) = member("late", &[&at_c]);
    reaches(&late, "mail");

    assert!(a.unregister("mail"));
    for node in [&b, &c, &late] {
        wait_until("the name is free", || node.whereis("mail").is_none());
    }
    let next = spawn(&b);
    takes(&b, "mail", next);
    reaches(&a, "mail");
    b.stop(next);
    for node in [&a, &b, &c] {
        wait_until("the name went with its actor", || node.whereis("mail").is_none());
    }
    takes(&c, "mail", spawn(&c));
    reaches(&b, "mail");
}

#[test]
fn a_name_is_free_when_its_node_is_gone() {
    let (a, at_a) = member("a", &[]);
    let (b, _) = member("b", &[&at_a]);
    let (c, _) = member("c", &[&at_a]);
    c.register_global("mail", spawn(&c)).unwrap();
    reaches(&a, "mail");
    reaches(&b, "mail");
    c.shutdown(Duration::ZERO);
    wait_until("the name is free", || a.whereis("mail").is_none() && b.whereis("mail").is_none());
    // The other members have not given up the old owner yet; it claims nothing any more.
    let next = spawn(&b);
    b.register_global("mail", next).unwrap();
    reaches(&a, "mail");
    assert!(b.is_alive(next));
    // The node that returns finds the name taken.
    let (c, _) = member("c", &[&at_a]);
    reaches(&c, "mail");
}

#[test]
fn of_two_owners_that_meet_the_older_keeps_the_name() {
    let (between, address) = member("between", &[]);
    between.shutdown(Duration::ZERO);
    let (a, _) = member("z", &[&address]);
    let (b, _) = member("b", &[&address]);
    let (older, younger) = (spawn(&a), spawn(&b));
    a.register_global("mail", older).unwrap();
    b.register_global("mail", younger).unwrap();
    let (tell, told) = mpsc::channel();
    let hook = move |_, reason: &ExitReason| drop(tell.send(reason.clone()));
    b.on_exit(younger, Box::new(hook));
    let between = runtime();
    wait_until("the address is free", || between.listen(&address, Some(joining("between"))).is_ok());
    join(&between, &[]);
    assert_eq!(told.recv_timeout(DEADLINE).unwrap(), ExitReason::NameConflict);
    reaches(&b, "mail");
    reaches(&between, "mail");
    assert_eq!(a.whereis("mail"), Some(older));
    assert!(a.is_alive(older) && !b.is_alive(younger));
}

#[test]
fn a_name_that_a_node_has_for_itself_hides_the_global_one_there() {
    let (a, at_a) = member("a", &[]);
    let (b, _) = member("b", &[&at_a]);
    let (c, _) = member("c", &[&at_a]);
    let own = spawn(&b);
    b.register("mail", own).unwrap();
    a.register_global("mail", spawn(&a)).unwrap();
    reaches(&c, "mail");
    assert_eq!(b.whereis("mail"), Some(own));
    b.unregister("mail");
    reaches(&b, "mail");
}

#[test]
fn what_a_global_name_needs_is_checked() {
    let alone = runtime();
    let pid = spawn(&alone);
    assert_eq!(alone.register_global("mail", pid).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let address = alone.listen(HERE, Some(joining("alone"))).unwrap().to_string();
    assert_eq!(alone.register_global("mail", pid).unwrap_err().kind(), ErrorKind::InvalidArgument);
    join(&alone, &[]);
    alone.register("mine", pid).unwrap();
    let (other, _) = member("other", &[]);
    let proxy = other.resolve_remote(&address, "mine").unwrap().unwrap();
    assert_eq!(other.register_global("mail", proxy).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(alone.register_global("", pid).unwrap_err().kind(), ErrorKind::InvalidArgument);
    alone.stop(pid);
    wait_until("it ended", || !alone.is_alive(pid));
    assert_eq!(alone.register_global("mail", pid).unwrap_err().kind(), ErrorKind::NoProcess);
}
