//! Two nodes: finding, sending, asking, links, monitors, stop, and what happens when one is gone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use common::nodes::{HERE, dropped, echo, listening, named, quick};
use common::{DEADLINE, collector, counter, fragile, notice, observe, runtime, wait_until};
use iris_core::{
    AskOptions, Bounds, ErrorKind, ExitReason, Factory, Failure, Incoming, MeshOptions, Overflow, Payload,
    Pid, Refusal, Runtime, SpawnOptions, StartDone, Strategy, SystemKind, SystemMessage,
};

fn exit_of(runtime: &Runtime, pid: Pid) -> mpsc::Receiver<ExitReason> {
    let (tell, told) = mpsc::channel();
    runtime.on_exit(
        pid,
        Box::new(move |_, reason| {
            let _ = tell.send(reason.clone());
        }),
    );
    told
}

/// So many EXIT and DOWN notices of an observed actor, which hears heartbeats besides.
fn ends(runtime: &Runtime, pid: Pid, count: usize) -> Vec<SystemMessage> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let more = observe(runtime, pid, 1);
        seen.extend(more.iter().map(|message| notice(message).clone()));
        seen.retain(|notice| notice.kind != SystemKind::Pong);
    }
    seen
}

/// Plays a node that is dialled and is silent from then on: bytes from docs/protocol.md.
fn shake_hands(listener: &TcpListener) -> TcpStream {
    let (mut peer, _) = listener.accept().unwrap();
    let mut head = [0; 12];
    peer.read_exact(&mut head).unwrap();
    assert_eq!(head[..8], *b"\x89IRIS\r\n\x02");
    let length = u32::from_be_bytes(head[8..].try_into().unwrap());
    let mut hello = vec![0; length as usize];
    peer.read_exact(&mut hello).unwrap();
    let fields = [
        &[1, 1, 0, 2, 2, 2][..],
        &[2, 0, 4, b'p', b'e', b'e', b'r'],
        &[4, 0, 4, 0, 16, 0, 0],
        &[5, 0, 4, 0, 1, 0, 0],
        &[6, 0, 4, 0, 0, 0, 100],
    ]
    .concat();
    peer.write_all(&u32::try_from(fields.len()).unwrap().to_be_bytes()).unwrap();
    peer.write_all(&fields).unwrap();
    let mut ready = [0; 5];
    peer.read_exact(&mut ready).unwrap();
    assert_eq!(ready, [0, 0, 0, 1, 2]);
    peer
}

/// A factory that looks a name up again at another node.
struct Finds {
    runtime: Runtime,
    address: String,
    name: &'static str,
    found: mpsc::Sender<Pid>,
}

impl Factory for Finds {
    fn start(&self, done: StartDone) {
        let found = self.found.clone();
        let complete = move |outcome: iris_core::Result<Option<Pid>>| {
            let outcome = match outcome {
                Ok(Some(pid)) => Ok(pid),
                Ok(None) => Err(Failure::new("Unresolved", "nobody has the name")),
                Err(error) => Err(Failure::new("Unresolved", error.to_string())),
            };
            let pid = outcome.clone();
            done.complete(outcome);
            if let Ok(pid) = pid {
                let _ = found.send(pid);
            }
        };
        self.runtime.resolve_remote_with(&self.address, self.name, Box::new(complete));
    }
}

#[test]
fn remote_messages_keep_their_order() {
    let (there, address) = listening(MeshOptions::default());
    let here = runtime();
    let (behaviour, heard) = collector();
    let target = there.spawn(behaviour, named("mail")).unwrap();
    let proxy = here.resolve_remote(&address, "mail").unwrap().unwrap();
    assert!(proxy.is_proxy() && !target.is_proxy() && proxy.get() < 1 << 53);
    assert_eq!(here.resolve_remote(&address, "mail").unwrap(), Some(proxy));
    assert_eq!(here.resolve_remote(&address, "nobody").unwrap(), None);
    let longest = "n".repeat(1024);
    there.register(&longest, target).unwrap();
    assert_eq!(here.resolve_remote(&address, &longest).unwrap(), Some(proxy));
    let error = here.resolve_remote(&address, &format!("{longest}n")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    for number in 0..10_000_u32 {
        here.send(proxy, number.to_be_bytes().to_vec().into()).unwrap();
    }
    here.send_remote(&address, proxy, vec![1; 100_000].into()).unwrap();
    here.send_remote(&address, target, b"last".into()).unwrap();
    for number in 0..10_000_u32 {
        assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), number.to_be_bytes());
    }
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), vec![1; 100_000]);
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"last");
    let stats = here.stats();
    assert_eq!((stats.sent, stats.handled, stats.queued, stats.actors), (10_002, 10_002, 0, 0));
    assert_eq!(here.actor_info(proxy).unwrap().kind, "proxy");
    assert_eq!(here.mailbox_size(proxy), Some(0));
}

#[test]
fn remote_pid_is_reached() {
    let (there, address) = listening(MeshOptions::default());
    let here = runtime();
    let (behaviour, heard) = collector();
    let target = there.spawn(behaviour, SpawnOptions::default()).unwrap();
    for number in 0..100_u8 {
        here.send_remote(&address, target, vec![number].into()).unwrap();
    }
    for number in 0..100_u8 {
        assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), [number]);
    }
    // A raw pid is none of here, whatever its number.
    assert_eq!(here.try_send(target, b"no".into()).unwrap_err().refusal, Refusal::NoProcess);
}

#[test]
fn remote_asks_are_answered() {
    let (there, address) = listening(MeshOptions::default());
    let here = runtime();
    there.spawn(echo, named("echo")).unwrap();
    let silent = common::Gate::default();
    let (waits, _heard) = common::gated_collector(&silent);
    let slow = there.spawn(waits, named("slow")).unwrap();
    let proxy = here.resolve_remote(&address, "echo").unwrap().unwrap();
    let answer = here.ask_blocking(proxy, b"hello".into(), Some(DEADLINE)).unwrap();
    assert_eq!(answer.as_slice(), b"hello");
    let answer = here.ask_blocking(proxy, vec![7; 200_000].into(), None).unwrap();
    assert_eq!(answer.as_slice(), vec![7; 200_000]);

    let proxy = here.resolve_remote(&address, "slow").unwrap().unwrap();
    there.send(slow, b"held up".into()).unwrap();
    let timeout = Some(Duration::from_millis(20));
    let error = here.ask_blocking(proxy, b"late".into(), timeout).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AskTimeout);
    let (tell, told) = mpsc::channel();
    let completion = Box::new(move |outcome: Result<Payload, iris_core::Error>| {
        let _ = tell.send(outcome.map(|payload| payload.as_slice().to_vec()));
    });
    here.ask_with(proxy, b"pending".into(), AskOptions::default(), completion);
    wait_until("the ask arrives", || there.mailbox_size(slow) == Some(2));
    there.stop(slow);
    silent.open();
    assert_eq!(told.recv_timeout(DEADLINE).unwrap().unwrap_err().kind(), ErrorKind::AskFailed);
    // The ask that timed out was not executed.
    wait_until("the expired ask is counted", || {
        dropped(&there, "AskExpired") + dropped(&there, "ActorExited") == 2
    });
}

#[test]
fn remote_ends_are_told() {
    let (there, address) = listening(MeshOptions::default());
    let here = runtime();
    let (behaviour, _heard) = fragile();
    there.spawn(behaviour, named("fragile")).unwrap();
    let proxy = here.resolve_remote(&address, "fragile").unwrap().unwrap();
    let watcher = here.spawn_observed(SpawnOptions::default()).unwrap();
    let (linked, _handled) = counter();
    let linked = here.spawn(linked, SpawnOptions::default()).unwrap();
    let monitor = here.monitor(proxy, watcher).unwrap();
    here.link(watcher, proxy).unwrap();
    here.link(linked, proxy).unwrap();
    let ended = exit_of(&here, proxy);
    here.send(proxy, b"crash".into()).unwrap();
    let reason = ended.recv_timeout(DEADLINE).unwrap();
    assert_eq!((reason.name(), &*reason.failure().unwrap().message), ("Crash", "told to crash"));
    let seen = ends(&here, watcher, 2);
    let mut kinds = Vec::new();
    for notice in &seen {
        kinds.push((notice.kind.name(), notice.target_pid, notice.monitor));
    }
    kinds.sort_unstable();
    assert_eq!(kinds, [("DOWN", Some(proxy), Some(monitor)), ("EXIT", Some(proxy), None)]);
    assert!(!here.is_alive(proxy));
    assert_eq!(here.try_send(proxy, b"gone".into()).unwrap_err().refusal, Refusal::NoProcess);
    assert_eq!(here.resolve_remote(&address, "fragile").unwrap(), None);
}

#[test]
fn a_link_is_told_on_both_nodes_and_taken_back_on_both() {
    let (there, address) = listening(MeshOptions::default());
    let here = runtime();
    let seen_there = there.spawn_observed(named("observer")).unwrap();
    let proxy = here.resolve_remote(&address, "observer").unwrap().unwrap();
    let (one, _handled) = fragile();
    let one = here.spawn(one, SpawnOptions::default()).unwrap();
    let (other, _handled) = counter();
    let other = here.spawn(other, SpawnOptions::default()).unwrap();
    here.link(one, proxy).unwrap();
    here.link(other, proxy).unwrap();
    wait_until("the links are made there", || there.actor_info(seen_there).unwrap().links.len() == 2);
    assert!(here.unlink(other, proxy));
    wait_until("one is taken back", || there.actor_info(seen_there).unwrap().links.len() == 1);
    here.stop(other);
    here.send(one, b"crash".into()).unwrap();
    let seen = observe(&there, seen_there, 1);
    let exit = notice(&seen[0]);
    assert_eq!((exit.kind, exit.reason.as_ref().unwrap().name()), (SystemKind::Exit, "Crash"));
    assert!(exit.target_pid.unwrap().is_proxy());
    let second = here.spawn_observed(SpawnOptions::default()).unwrap();
    let error = here.link(proxy, here.resolve_remote(&address, "observer").unwrap().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(here.monitor(second, proxy).unwrap_err().kind(), ErrorKind::WrongActorKind);
    assert_eq!(here.hot_swap(proxy, Arc::new(echo)).unwrap_err().kind(), ErrorKind::WrongActorKind);
}

#[test]
fn the_reason_of_an_end_right_after_a_link_is_told() {
    const LINKS: usize = 200;
    let (there, address) = listening(MeshOptions::default());
    let here = runtime();
    let seen_there = there.spawn_observed(named("observer")).unwrap();
    let proxy = here.resolve_remote(&address, "observer").unwrap().unwrap();
    for _ in 0..LINKS {
        let (behaviour, _heard) = fragile();
        let one = here.spawn(behaviour, SpawnOptions::default()).unwrap();
        here.link(one, proxy).unwrap();
        here.send(one, b"crash".into()).unwrap();
    }
    for told in observe(&there, seen_there, LINKS) {
        let exit = notice(&told);
        assert_eq!((exit.kind, exit.reason.as_ref().unwrap().name()), (SystemKind::Exit, "Crash"));
    }
}

#[test]
fn remote_actor_is_stopped() {
    let (there, address) = listening(MeshOptions::default());
    let here = runtime();
    let (behaviour, _handled) = counter();
    let target = there.spawn(behaviour, named("worker")).unwrap();
    let proxy = here.resolve_remote(&address, "worker").unwrap().unwrap();
    let ended = exit_of(&here, proxy);
    assert!(here.stop(proxy));
    assert_eq!(ended.recv_timeout(DEADLINE).unwrap(), ExitReason::Killed);
    assert!(!there.is_alive(target) && !here.stop(proxy));
}

#[test]
fn the_runtimes_own_actors_are_not_to_be_reached() {
    let (there, address) = listening(MeshOptions::default());
    let here = runtime();
    let root = there.root_supervisor().unwrap();
    here.send_remote(&address, root, b"no".into()).unwrap();
    wait_until("it is a dead letter", || dropped(&here, "RemoteRefused") == 1);
    let (behaviour, _handled) = counter();
    let local = here.spawn(behaviour, SpawnOptions::default()).unwrap();
    let proxy = here.monitor_remote(&address, root).unwrap_or(local);
    wait_until("nobody is monitored", || proxy == local || !here.is_alive(proxy));
    assert!(there.is_alive(root));
}

#[test]
fn what_a_full_or_ended_actor_does_not_take_is_a_dead_letter() {
    let (there, address) = listening(MeshOptions::default());
    let here = runtime();
    let gate = common::Gate::default();
    let (waits, heard) = common::gated_collector(&gate);
    let bounds = Some(Bounds::messages(1));
    let options = SpawnOptions { bounds, ..named("small") };
    let target = there.spawn(waits, options).unwrap();
    let proxy = here.resolve_remote(&address, "small").unwrap().unwrap();
    here.send(proxy, b"one".into()).unwrap();
    gate.wait_for_one_inside();
    for _ in 0..3 {
        here.send(proxy, b"more".into()).unwrap();
    }
    wait_until("two did not fit", || dropped(&here, "RemoteRefused") == 2);
    there.set_overflow(target, Overflow::Block).unwrap();
    here.send(proxy, b"more".into()).unwrap();
    wait_until("a node does not wait for one actor", || dropped(&here, "RemoteRefused") == 3);
    gate.open();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"one");
    let stats = here.stats();
    assert_eq!((stats.sent, stats.handled, stats.queued), (5, 2, 0));
}

#[test]
fn lost_node_ends_its_proxies() {
    let (there, address) = listening(MeshOptions::default());
    let here = runtime();
    there.spawn(echo, named("echo")).unwrap();
    let proxy = here.resolve_remote(&address, "echo").unwrap().unwrap();
    assert!(here.is_node_up(&address));
    assert_eq!(here.mesh_info().unwrap().nodes, [there.mesh_info().unwrap().name]);
    let watcher = here.spawn_observed(SpawnOptions::default()).unwrap();
    here.monitor(proxy, watcher).unwrap();
    there.shutdown(Duration::ZERO);
    let seen = ends(&here, watcher, 1);
    assert_eq!(seen[0].kind, SystemKind::Down);
    wait_until("the proxy is gone", || !here.is_alive(proxy));
    assert!(!here.is_node_up(&address));
    let error = here.resolve_remote(&address, "echo").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NodeDown);
    here.send_remote(&address, Pid::from_u64(1 << 28).unwrap(), b"lost".into()).unwrap();
    wait_until("it is a dead letter", || dropped(&here, "NodeDown") >= 1);
}

#[test]
fn asks_fail_when_their_node_is_gone() {
    let (there, address) = listening(MeshOptions::default());
    let here = runtime();
    let gate = common::Gate::default();
    let (waits, _heard) = common::gated_collector(&gate);
    there.spawn(waits, named("slow")).unwrap();
    let proxy = here.resolve_remote(&address, "slow").unwrap().unwrap();
    let (tell, told) = mpsc::channel();
    let completion = Box::new(move |outcome: Result<Payload, iris_core::Error>| {
        let _ = tell.send(outcome.map(drop));
    });
    here.ask_with(proxy, b"pending".into(), AskOptions::default(), completion);
    gate.wait_for_one_inside();
    there.shutdown(Duration::ZERO);
    let kind = told.recv_timeout(DEADLINE).unwrap().unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::NodeDown | ErrorKind::AskFailed), "{kind:?}");
    gate.open();
}

#[test]
fn factory_finds_a_returned_node() {
    let (there, address) = listening(MeshOptions::default());
    let here = runtime();
    let (behaviour, _heard) = collector();
    there.spawn(behaviour, named("service")).unwrap();
    let proxy = here.resolve_remote(&address, "service").unwrap().unwrap();
    let supervisor = here.root_supervisor().unwrap();
    let (found, finds) = mpsc::channel();
    let factory = Finds { runtime: here.downgrade(), address: address.clone(), name: "service", found };
    here.supervise_with_factory(supervisor, proxy, Arc::new(factory), Strategy::OneForOne).unwrap();
    there.shutdown(Duration::ZERO);
    wait_until("the proxy is gone", || !here.is_alive(proxy));
    let back = runtime();
    let (behaviour, heard) = collector();
    back.spawn(behaviour, named("service")).unwrap();
    wait_until("the address is free", || back.listen(&address, None).is_ok());
    let again = finds.recv_timeout(DEADLINE).unwrap();
    assert_ne!(again, proxy);
    here.send(again, b"back".into()).unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"back");
    wait_until("the supervisor has it", || here.child_pids(supervisor).unwrap() == [again]);
}

#[test]
fn slow_node_slows_its_senders() {
    let (there, address) = listening(MeshOptions::default());
    let here = runtime();
    let options = MeshOptions { window: 1 << 21, ..MeshOptions::default() };
    here.start_mesh(options.clone()).unwrap();
    let kept = there.spawn_observed(named("kept")).unwrap();
    let proxy = here.resolve_remote(&address, "kept").unwrap().unwrap();
    let mut taken = 0_usize;
    let refused = loop {
        match here.try_send(proxy, vec![0; 1000].into()) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((refused.refusal, refused.payload.len()), (Refusal::Full, 1000));
    assert!(taken <= (1 << 21) / 1128, "{taken} messages are under way");
    let error = here.ask_blocking(proxy, vec![0; 1000].into(), Some(DEADLINE)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MailboxFull);
    assert_eq!(here.try_send(proxy, vec![0; (1 << 20) + 1].into()).unwrap_err().refusal, Refusal::TooLarge);
    here.set_overflow(proxy, Overflow::Block).unwrap();
    assert!(here.set_overflow(proxy, Overflow::DropOldest).is_err());
    let sender = {
        let here = here.clone();
        std::thread::spawn(move || here.send(proxy, vec![1; 1000].into()).is_ok())
    };
    assert!(!here.wait_for_room(proxy, Duration::from_millis(10)));
    assert_eq!(observe(&there, kept, taken).len(), taken);
    assert!(sender.join().unwrap());
    let last = observe(&there, kept, 1);
    assert!(matches!(&last[0], Incoming::User(message) if message.payload().as_slice() == vec![1; 1000]));
}

#[test]
fn a_silent_node_is_gone_within_three_heartbeats() {
    // A peer that shakes hands and then says nothing: what a stopped process looks like.
    let here = runtime();
    here.start_mesh(quick()).unwrap();
    let silent = TcpListener::bind(HERE).unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let target = Pid::from_u64(1 << 28 | 5).unwrap();
    let peer = std::thread::spawn(move || shake_hands(&silent));
    let proxy = here.monitor_remote(&address, target).unwrap();
    let ended = exit_of(&here, proxy);
    let since = Instant::now();
    let _open = peer.join().unwrap();
    assert_eq!(ended.recv_timeout(DEADLINE).unwrap(), ExitReason::NodeDown);
    assert!(since.elapsed() >= Duration::from_millis(250), "{:?}", since.elapsed());
}

#[test]
fn observed_actors_hear_the_heartbeats_of_what_they_monitor() {
    let (there, address) = listening(quick());
    let here = runtime();
    here.start_mesh(quick()).unwrap();
    there.spawn(echo, named("echo")).unwrap();
    let proxy = here.resolve_remote(&address, "echo").unwrap().unwrap();
    let watcher = here.spawn_observed(SpawnOptions::default()).unwrap();
    for _ in 0..3 {
        here.monitor(proxy, watcher).unwrap();
    }
    let since = Instant::now();
    for message in observe(&here, watcher, 3) {
        let alive = notice(&message);
        assert_eq!((alive.kind, alive.from_pid), (SystemKind::Pong, Some(proxy)));
    }
    assert!(since.elapsed() >= Duration::from_millis(100), "one a heartbeat, not one a monitor");
}

#[test]
fn one_heartbeat_serves_all_monitors() {
    let here = runtime();
    here.start_mesh(quick()).unwrap();
    let listener = TcpListener::bind(HERE).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let since = Instant::now();
    let peer = std::thread::spawn(move || {
        let mut peer = shake_hands(&listener);
        let (mut watches, mut beats, mut beats_after) = (0, 0, 0);
        while beats_after < 5 {
            let mut head = [0; 5];
            peer.read_exact(&mut head).unwrap();
            let length = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
            peer.read_exact(&mut vec![0; length - 1]).unwrap();
            match head[4] {
                0x31 => watches += 1,
                0x20 => {
                    beats += 1;
                    beats_after += u32::from(watches == 100);
                    peer.write_all(&[&[0, 0, 0, 17, 0x20][..], &[0; 16]].concat()).unwrap();
                }
                kind => panic!("{kind:#x} is told for a monitor"),
            }
        }
        beats
    });
    let watcher = here.spawn_observed(SpawnOptions::default()).unwrap();
    for number in 0..100 {
        let proxy = here.monitor_remote(&address, Pid::from_u64(1 << 28 | number).unwrap()).unwrap();
        here.monitor(proxy, watcher).unwrap();
    }
    let beats = peer.join().unwrap();
    let due = since.elapsed().as_millis() / 100 + 1;
    assert!(beats <= due, "{beats} heartbeats where {due} were due");
}
