//! Clients of version 1 of the wire, with and without the byte that tells the version.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use common::nodes::{HERE, certified, named, refused, rule};
use common::{DEADLINE, collector, runtime, wait_until};
use iris_core::{ErrorKind, LogLevel, MeshOptions, Pid, SpawnOptions, dev_certs};

fn client(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client
}

fn resolve(client: &mut TcpStream, name: &str) -> u64 {
    let mut said = vec![1];
    said.extend_from_slice(&u32::try_from(name.len()).unwrap().to_be_bytes());
    said.extend_from_slice(name.as_bytes());
    client.write_all(&said).unwrap();
    let mut pid = [0; 8];
    client.read_exact(&mut pid).unwrap();
    u64::from_be_bytes(pid)
}

fn sent(pid: u64, payload: &[u8]) -> Vec<u8> {
    let mut said = vec![0];
    said.extend_from_slice(&pid.to_be_bytes());
    said.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
    said.extend_from_slice(payload);
    said
}

#[test]
fn a_client_finds_sends_and_pings_with_and_without_its_version() {
    let there = runtime();
    let address = there.listen(HERE, None).unwrap();
    let (behaviour, heard) = collector();
    let pid = there
        .spawn(behaviour, SpawnOptions { name: Some("mail".into()), ..SpawnOptions::default() })
        .unwrap();
    for version in [&[][..], &[1]] {
        let mut client = client(address);
        client.write_all(version).unwrap();
        assert_eq!(resolve(&mut client, "mail"), pid.get());
        assert_eq!(resolve(&mut client, "nobody"), 0);
        client.write_all(&sent(pid.get(), b"one")).unwrap();
        client
            .write_all(&[sent(pid.get(), &vec![7; 1 << 20]), sent(1 << 40, b"lost"), vec![2]].concat())
            .unwrap();
        let mut alive = [0];
        client.read_exact(&mut alive).unwrap();
        assert_eq!(alive, [3]);
        assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"one");
        assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), vec![7; 1 << 20]);
    }
    // A client that begins with a message, or a sign of life, after its version.
    for version in [&[][..], &[1]] {
        let mut client = client(address);
        client.write_all(&[version, &[2]].concat()).unwrap();
        let mut alive = [0];
        client.read_exact(&mut alive).unwrap();
        client.write_all(&sent(pid.get(), b"two")).unwrap();
        assert_eq!((alive, heard.recv_timeout(DEADLINE).unwrap()), ([3], b"two".to_vec()));
    }
    let lost = there.dead_letters().into_iter().find(|(reason, _)| *reason == "NoProcess");
    assert_eq!((lost, refused(&there)), (Some(("NoProcess", 2)), 0));
}

#[test]
fn a_client_that_sends_too_much_is_not_read() {
    let there = runtime();
    let options = MeshOptions { window: 2 << 20, ..MeshOptions::default() };
    let address = there.listen(HERE, Some(options)).unwrap();
    let kept = there.spawn_observed(SpawnOptions::default()).unwrap();
    let sender = std::thread::spawn(move || {
        let mut client = client(address);
        for _ in 0..64 {
            client.write_all(&sent(kept.get(), &vec![7; 1 << 20])).unwrap();
        }
        client
    });
    wait_until("the window is full", || there.mailbox_size(kept) >= Some(2));
    assert!(there.mailbox_size(kept) <= Some(4));
    // Taken and dropped: what is kept keeps its place in the window.
    let seen = std::cell::Cell::new(0);
    wait_until("all is taken", || {
        seen.set(seen.get() + there.take_observed(kept).unwrap().len());
        seen.get() == 64
    });
    drop(sender.join().unwrap());
}

#[test]
fn what_is_not_version_1_ends_the_connection_alone() {
    let there = runtime();
    let address = there.listen(HERE, None).unwrap();
    let mut good = client(address);
    assert_eq!(resolve(&mut good, "nobody"), 0);
    for wrong in [
        &[&[0; 9][..], &[0, 0x10, 0, 1]].concat()[..],
        &[&[0; 9][..], &[0xff; 4]].concat(),
        &[2, 3],
        &[2, 1, 0, 0, 4, 1],
        &[1, 0, 0, 0, 1, 0xff],
    ] {
        let mut client = client(address);
        client.write_all(wrong).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert!(answer.is_empty() || answer == [3], "{wrong:?} was answered with {answer:?}");
    }
    assert_eq!(resolve(&mut good, "nobody"), 0);
    // The runtime's own actors are not to be reached by it either.
    let root = there.root_supervisor().unwrap();
    good.write_all(&sent(root.get(), b"no")).unwrap();
    wait_until("it is a dead letter", || there.dead_letters().contains(&("NoProcess", 1)));
    assert!(there.is_alive(root) && Pid::from_u64(root.get()).is_some());
}

#[test]
fn a_node_with_certificates_does_not_serve_it() {
    let directory = tempfile::tempdir().unwrap();
    dev_certs(directory.path(), &["one"]).unwrap();
    let there = runtime();
    let certificates = iris_core::Certificates::in_directory(directory.path(), "one").unwrap();
    let options =
        MeshOptions { name: Some("one".into()), certificates: Some(certificates), ..MeshOptions::default() };
    let address = there.listen(HERE, Some(options)).unwrap();
    let mut client = client(address);
    client.write_all(&[2]).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer);
    assert!(!answer.starts_with(&[3]), "{answer:?}");
    wait_until("it is counted", || refused(&there) == 1);
}

#[test]
fn a_host_that_is_listed_is_served_beside_certificates_and_reaches_what_everybody_may() {
    let directory = tempfile::tempdir().unwrap();
    dev_certs(directory.path(), &["one", "two"]).unwrap();
    let options = |name: &str| MeshOptions {
        v1_hosts: vec!["localhost".into(), "127.0.0.1".into()],
        ..certified(directory.path(), name)
    };
    let allow = Some(vec![rule("two", "*"), rule("*", "mail")]);
    let there = runtime();
    let log = there.log();
    assert!(log.on_lines(Box::new(|| {})));
    let address = there.listen(HERE, Some(MeshOptions { allow, ..options("one") })).unwrap();
    let warned = log.take();
    let expected =
        "version 1 is spoken with hosts that do not prove who they are [node=one hosts=localhost 127.0.0.1]";
    assert_eq!((warned[0].level, &*warned[0].text), (LogLevel::Warn, expected));
    let (behaviour, heard) = collector();
    let mail = there.spawn(behaviour, named("mail")).unwrap();
    let secret = there.spawn_observed(named("secret")).unwrap();
    let mut old = client(address);
    assert_eq!((resolve(&mut old, "mail"), resolve(&mut old, "secret")), (mail.get(), 0));
    old.write_all(&[sent(secret.get(), b"no"), sent(mail.get(), b"yes")].concat()).unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"yes");
    assert!(there.mailbox_size(secret) == Some(0) && there.dead_letters().contains(&("NoProcess", 1)));
    // Nodes of the same host prove who they are as before, and nothing else is heard in plain text.
    let here = runtime();
    here.start_mesh(options("two")).unwrap();
    assert!(here.resolve_remote(&address.to_string(), "secret").unwrap().is_some());
    let plain = runtime();
    let greets = MeshOptions { certificates: None, ..options("plain") };
    plain.start_mesh(greets).unwrap();
    let error = plain.resolve_remote(&address.to_string(), "mail").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NodeDown, "{error}");
    // The node that refuses may count it when the other has noticed.
    wait_until("it is counted", || refused(&there) == 1);
    assert_eq!(there.mesh_info().unwrap().nodes, ["two"]);
}
