//! Two nodes with a faulty network between them: it chops, cuts and falls silent. Nothing is doubled, order is kept, senders
//! are told, and what was linked finds its way back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::nodes::{HERE, dropped, listening, named, quick};
use common::{DEADLINE, collector, observe, runtime, wait_until};
use iris_core::{MeshOptions, Overflow, SpawnOptions};

/// What stands between two nodes: connections to its address go on to another.
struct Network {
    address: String,
    faults: Arc<Faults>,
}

struct Faults {
    target: String,
    /// Most bytes passed on at once.
    piece: usize,
    /// Bytes that may still pass before all connections are cut.
    passes: AtomicUsize,
    /// Nothing passes, and nobody is told.
    silent: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Network {
    fn before(target: &str, piece: usize) -> Self {
        let listener = TcpListener::bind(HERE).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let faults = Arc::new(Faults {
            target: target.to_owned(),
            piece,
            passes: AtomicUsize::new(usize::MAX),
            silent: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let between = Arc::clone(&faults);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&between.target) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    between.streams.lock().unwrap().push(to.try_clone().unwrap());
                    let between = Arc::clone(&between);
                    std::thread::spawn(move || between.pass(from, to));
                }
            }
        });
        Self { address, faults }
    }

    fn cut(&self) {
        for stream in self.faults.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Faults {
    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let _ = to.set_nodelay(true);
        let mut buffer = vec![0; self.piece];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if self.silent.load(Ordering::SeqCst) {
                continue;
            }
            let left = self.passes.fetch_sub(count, Ordering::SeqCst).saturating_sub(count);
            if left < count || to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}

#[test]
fn frames_arrive_whole_however_they_are_chopped() {
    for piece in [1, 7, 4096] {
        let (there, address) = listening(MeshOptions::default());
        let network = Network::before(&address, piece);
        let (behaviour, heard) = collector();
        there.spawn(behaviour, named("actor")).unwrap();
        let here = runtime();
        let proxy = here.resolve_remote(&network.address, "actor").unwrap().unwrap();
        for length in 0..100_usize {
            here.send(proxy, vec![7; length].into()).unwrap();
        }
        for length in 0..100 {
            assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), vec![7; length]);
        }
    }
}

#[test]
fn what_a_cut_connection_loses_is_told_and_nothing_is_doubled() {
    const MESSAGES: u64 = 20_000;
    let (there, address) = listening(MeshOptions::default());
    let network = Network::before(&address, 4096);
    let (behaviour, heard) = collector();
    there.spawn(behaviour, named("actor")).unwrap();
    let here = runtime();
    for _ in 0..3 {
        let proxy = here.resolve_remote(&network.address, "actor").unwrap().unwrap();
        here.set_overflow(proxy, Overflow::Block).unwrap();
        let before = dropped(&here, "NodeDown");
        network.faults.passes.store(200_000, Ordering::SeqCst);
        let taken =
            (0..MESSAGES).take_while(|number| here.send(proxy, number.to_be_bytes().to_vec().into()).is_ok());
        let taken = u64::try_from(taken.count()).unwrap();
        wait_until("the proxy is gone", || !here.is_alive(proxy));
        wait_until("the other side knows", || there.mesh_info().unwrap().nodes.is_empty());
        wait_until("what arrived is handled", || there.is_quiet());
        network.faults.passes.store(usize::MAX, Ordering::SeqCst);
        let got: Vec<u64> =
            heard.try_iter().map(|bytes| u64::from_be_bytes(bytes.try_into().unwrap())).collect();
        let arrived = got.len() as u64;
        assert!(got.into_iter().eq(0..arrived), "a beginning, in order, and each once");
        assert!(
            arrived < taken && arrived + dropped(&here, "NodeDown") - before >= taken,
            "{arrived} of {taken} arrived"
        );
    }
}

#[test]
fn a_silent_network_ends_the_connection_on_both_sides() {
    let (there, address) = listening(quick());
    let network = Network::before(&address, 4096);
    let watched = there.spawn_observed(named("actor")).unwrap();
    let here = runtime();
    here.start_mesh(quick()).unwrap();
    let proxy = here.resolve_remote(&network.address, "actor").unwrap().unwrap();
    let own = here.spawn_observed(SpawnOptions::default()).unwrap();
    here.link(own, proxy).unwrap();
    wait_until("the link is made", || there.actor_info(watched).unwrap().links.len() == 1);
    network.faults.silent.store(true, Ordering::SeqCst);
    for (runtime, pid) in [(&here, own), (&there, watched)] {
        let told = observe(runtime, pid, 1);
        assert_eq!(common::notice(&told[0]).reason.as_ref().unwrap().name(), "NodeDown");
    }
    network.faults.silent.store(false, Ordering::SeqCst);
    network.cut();
    let again = here.resolve_remote(&network.address, "actor").unwrap().unwrap();
    assert_ne!(again, proxy);
}
