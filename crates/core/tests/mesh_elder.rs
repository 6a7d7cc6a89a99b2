//! Nodes that speak version 1 alone, as ours call them: a small one is here, made of sockets and bytes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::nodes::{HERE, certified, echo, named, rule};
use common::{DEADLINE, eventually, observe, runtime, wait_until};
use iris_core::{ErrorKind, ExitReason, MeshOptions, Pid, Runtime, SpawnOptions, SystemKind, dev_certs};

/// Its actor `mail` has this pid, and `small` one that no actor of ours can have.
const MAIL: u64 = 1 << 40 | 7;
const SMALL: u64 = 5;

/// How the old node behaves.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// As the releases before.
    Kind,
    /// It answers so many things, and nothing from then on.
    Falls(usize),
    /// It answers signs of life by something else once it began.
    Lies,
}

/// A node of version 1: a thread for each connection.
struct Old {
    address: SocketAddr,
    heard: Receiver<(u64, Vec<u8>)>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    closed: Arc<std::sync::atomic::AtomicBool>,
}

impl Old {
    fn start(address: &str, manner: Manner) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, heard) = channel();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let closed = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (kept, over) = (Arc::clone(&connections), Arc::clone(&closed));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(std::sync::atomic::Ordering::SeqCst) {
                    return;
                }
                let (stream, tell) = (stream.unwrap(), tell.clone());
                kept.lock().unwrap().push(stream.try_clone().unwrap());
                std::thread::spawn(move || drop(serve(stream, &tell, manner)));
            }
        });
        Self { address, heard, connections, closed }
    }

    fn stop(self) -> SocketAddr {
        self.closed.store(true, std::sync::atomic::Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        for connection in self.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        self.address
    }
}

/// Serves one client: what it says is these bytes, or the connection ends.
fn serve(mut stream: TcpStream, tell: &Sender<(u64, Vec<u8>)>, manner: Manner) -> std::io::Result<()> {
    let mut number = 0;
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    if kind != [1] {
        return stream.shutdown(Shutdown::Both);
    }
    loop {
        stream.read_exact(&mut kind)?;
        number += 1;
        if matches!(manner, Manner::Falls(after) if number > after) {
            continue;
        }
        match kind[0] {
            0 => {
                let mut pid = [0; 8];
                stream.read_exact(&mut pid)?;
                let _ = tell.send((u64::from_be_bytes(pid), counted(&mut stream)?));
            }
            1 => {
                let pid = match &*counted(&mut stream)? {
                    b"mail" => MAIL,
                    b"small" => SMALL,
                    _ => 0,
                };
                stream.write_all(&pid.to_be_bytes())?;
            }
            2 if manner == Manner::Lies && number > 2 => stream.write_all(&[9])?,
            2 => stream.write_all(&[3])?,
            _ => return stream.shutdown(Shutdown::Both),
        }
    }
}

fn counted(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn caller() -> Runtime {
    let runtime = runtime();
    let options = MeshOptions {
        heartbeat: Duration::from_millis(300),
        name: Some("new".into()),
        ..MeshOptions::default()
    };
    runtime.start_mesh(options).unwrap();
    runtime
}

#[test]
fn a_node_of_version_1_is_found_told_and_looked_after() {
    let old = Old::start(HERE, Manner::Kind);
    let (here, address) = (caller(), old.address.to_string());
    assert!(here.is_node_up(&address));
    let mail = here.resolve_remote(&address, "mail").unwrap().unwrap();
    assert_eq!(here.resolve_remote(&address, "mail").unwrap(), Some(mail));
    assert_eq!(here.resolve_remote(&address, "nobody").unwrap(), None);
    let small = here.resolve_remote(&address, "small").unwrap().unwrap();
    assert_eq!(here.mesh_info().unwrap().nodes, [format!("version 1 at {address}")]);
    for number in 0..100_u8 {
        here.try_send(mail, vec![number].into()).unwrap();
    }
    here.try_send(small, b"to five".into()).unwrap();
    here.send_remote(&address, Pid::from_u64(MAIL).unwrap(), vec![7; 1 << 20].into()).unwrap();
    for number in 0..100 {
        assert_eq!(old.heard.recv_timeout(DEADLINE).unwrap(), (MAIL, vec![number]));
    }
    assert_eq!(old.heard.recv_timeout(DEADLINE).unwrap(), (SMALL, b"to five".to_vec()));
    assert_eq!(old.heard.recv_timeout(DEADLINE).unwrap(), (MAIL, vec![7; 1 << 20]));
    // It has no asks, which whoever asks is told at once.
    let error = here.ask_blocking(mail, b"?".into(), Some(DEADLINE)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotPermitted);
    assert_eq!(here.monitor_remote(&address, Pid::from_u64(MAIL).unwrap()).unwrap(), mail);
    // One connection was made for all of it, beside that which the greeting of version 2 was refused on.
    assert_eq!(old.connections.lock().unwrap().len(), 2);
    assert!(here.is_alive(mail) && here.is_alive(small));
}

#[test]
fn its_end_ends_its_proxies_and_it_is_found_when_it_returns() {
    let old = Old::start(HERE, Manner::Kind);
    let (here, address) = (caller(), old.address.to_string());
    let mail = here.resolve_remote(&address, "mail").unwrap().unwrap();
    let watcher = here.spawn_observed(SpawnOptions::default()).unwrap();
    here.monitor(mail, watcher).unwrap();
    let old_address = old.stop();
    // Signs of life come before, and may come with it.
    let down = loop {
        let notices = observe(&here, watcher, 1);
        let down = notices.iter().map(common::notice).find(|notice| notice.kind == SystemKind::Down);
        if let Some(down) = down {
            break down.clone();
        }
    };
    assert_eq!(down.reason, Some(ExitReason::NodeDown));
    wait_until("the proxy ended", || !here.is_alive(mail));
    assert!(!here.is_node_up(&address));
    eventually("the address is free", || TcpListener::bind(old_address).is_ok());
    let back = Old::start(&address, Manner::Kind);
    let again = here.resolve_remote(&address, "mail").unwrap().unwrap();
    assert_ne!(again, mail);
    here.try_send(again, b"hello".into()).unwrap();
    assert_eq!(back.heard.recv_timeout(DEADLINE).unwrap(), (MAIL, b"hello".to_vec()));
}

#[test]
fn one_that_falls_silent_or_speaks_otherwise_is_down() {
    for manner in [Manner::Falls(3), Manner::Lies] {
        let old = Old::start(HERE, manner);
        let (here, address) = (caller(), old.address.to_string());
        let listener = here.spawn_observed(SpawnOptions::default()).unwrap();
        here.monitor_nodes(listener).unwrap();
        let _ = here.resolve_remote(&address, "mail");
        let notices = observe(&here, listener, 2);
        let kinds: Vec<_> = notices.iter().map(|message| common::notice(message).kind).collect();
        assert_eq!(kinds, [SystemKind::NodeUp, SystemKind::NodeDown]);
    }
}

/// Lets the first connections go without a word, and leads the others to a listener.
fn faulty(target: SocketAddr, let_go: usize) -> SocketAddr {
    let listener = TcpListener::bind(HERE).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut near = stream.unwrap();
            if number < let_go {
                continue;
            }
            let mut far = TcpStream::connect(target).unwrap();
            let (mut near_again, mut far_again) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut near, &mut far);
                let _ = far.shutdown(Shutdown::Write);
            });
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut far_again, &mut near_again);
                let _ = near_again.shutdown(Shutdown::Write);
            });
        }
    });
    address
}

#[test]
fn a_later_node_is_never_taken_for_an_old_one() {
    let there = runtime();
    let target = there.listen(HERE, None).unwrap();
    there.spawn(echo, named("mail")).unwrap();
    let (here, address) = (caller(), faulty(target, 1).to_string());
    assert_eq!(here.resolve_remote(&address, "mail").unwrap_err().kind(), ErrorKind::NodeDown);
    let mail = here.resolve_remote(&address, "mail").unwrap().unwrap();
    let answer = here.ask_blocking(mail, b"hello".into(), Some(DEADLINE)).unwrap();
    assert_eq!(answer.as_slice(), b"hello");
}

#[test]
fn version_1_is_not_spoken_to_strangers_or_under_rules() {
    // A stranger that answers whatever comes.
    let listener = TcpListener::bind(HERE).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 100]);
            let _ = stream.write_all(b"\0no such request\r\n");
        }
    });
    let here = caller();
    assert_eq!(here.resolve_remote(&address, "mail").unwrap_err().kind(), ErrorKind::NodeDown);
    // With rules, a peer is who its name says, and an old node has none.
    let old = Old::start(HERE, Manner::Kind);
    let ruled = runtime();
    let allow = Some(vec![rule("*", "*")]);
    ruled.start_mesh(MeshOptions { allow, ..MeshOptions::default() }).unwrap();
    assert!(!ruled.is_node_up(&old.address.to_string()));
    assert_eq!(old.connections.lock().unwrap().len(), 1);
}

#[test]
fn a_listed_node_of_version_1_is_found_beside_certificates_and_rules() {
    let directory = tempfile::tempdir().unwrap();
    dev_certs(directory.path(), &["new", "later"]).unwrap();
    let options = |name: &str| MeshOptions {
        allow: Some(Vec::new()),
        v1_hosts: vec!["127.0.0.1".into()],
        ..certified(directory.path(), name)
    };
    let old = Old::start(HERE, Manner::Kind);
    let here = runtime();
    here.start_mesh(options("new")).unwrap();
    let mail = here.resolve_remote(&old.address.to_string(), "mail").unwrap().unwrap();
    here.try_send(mail, b"hello".into()).unwrap();
    assert_eq!(old.heard.recv_timeout(DEADLINE).unwrap(), (MAIL, b"hello".to_vec()));
    // A node of version 2 at that host is who its certificate says, or nobody.
    let there = runtime();
    let target = there.listen(HERE, Some(options("later"))).unwrap();
    let address = faulty(target, 1).to_string();
    assert!(!here.is_node_up(&address));
    assert!(here.is_node_up(&address));
    assert_eq!(
        here.mesh_info().unwrap().nodes,
        ["later".to_owned(), format!("version 1 at {}", old.address)]
    );
}
