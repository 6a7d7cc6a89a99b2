//! Names, paths, links, monitors, observed actors and dead letters.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Bell, DEADLINE, bytes, collector, counter, fragile, notice, observe, runtime};
use iris_core::{
    AskOptions, ErrorKind, Incoming, LaneHost, Pid, Received, Runtime, SpawnOptions, SystemKind, Waiter,
};

#[test]
fn name_goes_with_its_actor() {
    let runtime = runtime();
    let (behaviour, _) = counter();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    runtime.register("mail", pid).unwrap();
    assert_eq!(runtime.whereis("mail"), Some(pid));
    runtime.stop(pid);
    assert_eq!(runtime.whereis("mail"), None);
    assert_eq!(runtime.register("mail", pid).unwrap_err().kind(), ErrorKind::NoProcess);
}

#[test]
fn name_of_live_actor_is_taken() {
    let runtime = runtime();
    let (one, _) = counter();
    let one = runtime.spawn(one, SpawnOptions::default()).unwrap();
    let (other, _) = counter();
    let other = runtime.spawn(other, SpawnOptions::default()).unwrap();
    runtime.register("mail", one).unwrap();
    runtime.register("mail", one).unwrap();
    assert_eq!(runtime.register("mail", other).unwrap_err().kind(), ErrorKind::NameTaken);
    assert!(runtime.unregister("mail"));
    assert!(!runtime.unregister("mail"));
    runtime.register("mail", other).unwrap();
    assert_eq!(runtime.whereis("mail"), Some(other));
}

#[test]
fn paths_list_whole_segments() {
    let runtime = runtime();
    let mut pids = Vec::new();
    for path in ["/a", "/a/b", "/a/b/c", "/a-b", "/ab"] {
        let (behaviour, _) = counter();
        let options = SpawnOptions { path: Some(path.to_owned()), ..SpawnOptions::default() };
        pids.push(runtime.spawn(behaviour, options).unwrap());
    }
    let names = |listed: Vec<(String, iris_core::Pid)>| -> Vec<String> {
        listed.into_iter().map(|(path, _)| path).collect()
    };
    assert_eq!(names(runtime.list_children("/a").unwrap()), ["/a/b", "/a/b/c"]);
    assert_eq!(names(runtime.list_children_direct("/a").unwrap()), ["/a/b"]);
    assert_eq!(names(runtime.list_children_direct("/").unwrap()), ["/a", "/a-b", "/ab"]);
    assert_eq!(runtime.whereis_path("/a/b"), Some(pids[1]));
    runtime.stop(pids[1]);
    assert_eq!(names(runtime.list_children("/a").unwrap()), ["/a/b/c"]);
}

#[test]
fn link_tells_exit() {
    let runtime = runtime();
    let observed = runtime.spawn_observed(SpawnOptions::default()).unwrap();
    let (behaviour, _heard) = fragile();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    runtime.link(observed, pid).unwrap();
    runtime.send(pid, b"crash".into()).unwrap();
    let seen = observe(&runtime, observed, 1);
    let exit = notice(&seen[0]);
    assert_eq!((exit.kind, exit.target_pid), (SystemKind::Exit, Some(pid)));
    assert_eq!(exit.reason.as_ref().unwrap().failure().unwrap().message, "told to crash");
    assert!(runtime.is_alive(observed));
    assert_eq!(runtime.link(observed, pid).unwrap_err().kind(), ErrorKind::NoProcess);
}

#[test]
fn unlinked_is_silent() {
    let runtime = runtime();
    let observed = runtime.spawn_observed(SpawnOptions::default()).unwrap();
    let (behaviour, _) = counter();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    runtime.link(observed, pid).unwrap();
    assert!(runtime.unlink(pid, observed));
    assert!(!runtime.unlink(pid, observed));
    runtime.stop(pid);
    runtime.send(observed, b"last".into()).unwrap();
    assert_eq!(bytes(&observe(&runtime, observed, 1)[0]), b"last");
}

#[test]
fn monitor_tells_down_once() {
    let runtime = runtime();
    let observed = runtime.spawn_observed(SpawnOptions::default()).unwrap();
    let (behaviour, _) = counter();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    let monitor = runtime.monitor(pid, observed).unwrap();
    runtime.stop(pid);
    runtime.send(observed, b"last".into()).unwrap();
    let seen = observe(&runtime, observed, 2);
    let down = notice(&seen[0]);
    assert_eq!((down.kind, down.monitor), (SystemKind::Down, Some(monitor)));
    assert_eq!(down.reason.as_ref().unwrap().name(), "Killed");
    assert_eq!(bytes(&seen[1]), b"last");
    assert!(!runtime.demonitor(monitor));
}

#[test]
fn demonitor_is_silent() {
    let runtime = runtime();
    let observed = runtime.spawn_observed(SpawnOptions::default()).unwrap();
    let (behaviour, _) = counter();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    let monitor = runtime.monitor(pid, observed).unwrap();
    assert!(runtime.demonitor(monitor));
    runtime.stop(pid);
    runtime.send(observed, b"last".into()).unwrap();
    assert_eq!(bytes(&observe(&runtime, observed, 1)[0]), b"last");
}

#[test]
fn observed_keeps_messages() {
    let runtime = runtime();
    let observed = runtime.spawn_observed(SpawnOptions::default()).unwrap();
    for text in [b"1", b"2", b"3"] {
        runtime.send(observed, text.into()).unwrap();
    }
    assert_eq!(runtime.mailbox_size(observed), Some(3));
    let seen: Vec<Vec<u8>> = observe(&runtime, observed, 3).iter().map(|one| bytes(one).to_vec()).collect();
    assert_eq!(seen, [b"1", b"2", b"3"]);
    assert_eq!(runtime.mailbox_size(observed), Some(0));
    runtime.stop(observed);
    assert!(runtime.join(observed, Some(DEADLINE)));
    assert_eq!(runtime.take_observed(observed).unwrap_err().kind(), ErrorKind::NoProcess);
}

#[test]
fn observed_selects() {
    let runtime = runtime();
    let observed = runtime.spawn_observed(SpawnOptions::default()).unwrap();
    for text in [b"1", b"2", b"3"] {
        runtime.send(observed, text.into()).unwrap();
    }
    let mut matcher = |incoming: &Incoming| Ok::<_, iris_core::Error>(bytes(incoming) == b"2");
    let found = runtime.select_observed(observed, &mut matcher).unwrap().unwrap();
    assert_eq!(bytes(&found), b"2");
    assert!(runtime.select_observed(observed, &mut matcher).unwrap().is_none());
    let rest: Vec<Vec<u8>> = observe(&runtime, observed, 2).iter().map(|one| bytes(one).to_vec()).collect();
    assert_eq!(rest, [b"1", b"3"]);
}

#[test]
fn dead_letters_are_told() {
    let runtime = runtime();
    let listener = runtime.spawn_observed(SpawnOptions::default()).unwrap();
    runtime.listen_dead_letters(Some(listener)).unwrap();
    let (behaviour, _) = counter();
    let pid = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    runtime.stop(pid);
    assert!(runtime.send(pid, b"lost".into()).is_err());
    let seen = observe(&runtime, listener, 1);
    let letter = notice(&seen[0]);
    assert_eq!(
        (letter.kind, letter.target_pid, letter.detail),
        (SystemKind::DeadLetter, Some(pid), Some("NoProcess"))
    );
    assert_eq!(letter.data.as_deref(), Some(&b"lost"[..]));
    let (behaviour, _heard) = collector();
    let push = runtime.spawn(behaviour, SpawnOptions::default()).unwrap();
    let error = runtime.listen_dead_letters(Some(push)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongActorKind);
}

#[test]
fn inspection_shows_an_actor() {
    let runtime = runtime();
    let (behaviour, _) = counter();
    let options = SpawnOptions {
        name: Some("mail".to_owned()),
        path: Some("/services/mail".to_owned()),
        budget: 7,
        ..SpawnOptions::default()
    };
    let pid = runtime.spawn(behaviour, options).unwrap();
    let (child, _) = counter();
    let child = runtime.spawn(child, SpawnOptions { parent: Some(pid), ..SpawnOptions::default() }).unwrap();
    let info = runtime.actor_info(pid).unwrap();
    assert_eq!((info.kind, info.state, info.budget, info.version), ("push", "idle", 7, 1));
    assert_eq!((info.names, info.paths), (vec!["mail".to_owned()], vec!["/services/mail".to_owned()]));
    assert_eq!(info.children, [child]);
    assert_eq!(runtime.actor_info(child).unwrap().parent, Some(pid));
    assert_eq!(runtime.tree().len(), 2);
    let stats = runtime.stats();
    assert_eq!((stats.actors, stats.names, stats.paths), (2, 1, 1));
}

#[test]
fn a_pull_actor_hears_of_an_end_before_what_was_sent_after_it() {
    const ROUNDS: usize = 20_000;
    let runtime = runtime();
    let mut mailbox = runtime.spawn_pull(SpawnOptions::default(), Arc::new(Bell::default())).unwrap();
    let watcher = mailbox.pid();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..ROUNDS {
                let pid = runtime.spawn(counter().0, SpawnOptions::default()).unwrap();
                runtime.monitor(pid, watcher).unwrap();
                runtime.stop(pid);
                assert!(runtime.join(pid, Some(DEADLINE)));
                runtime.send(watcher, b"after".into()).unwrap();
            }
        });
        let (mut told, mut sent) = (0, 0);
        while sent < ROUNDS {
            match mailbox.try_recv() {
                Received::Message(Incoming::System(_)) => told += 1,
                Received::Message(Incoming::User(_)) => sent += 1,
                _ => std::hint::spin_loop(),
            }
            assert!(told >= sent, "message {sent} came before the DOWN that was told before it was sent");
        }
    });
}

struct Host;

impl LaneHost for Host {
    fn wake(&self) {}
}

/// What of an actor's end was done when a step of it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Done {
    is_found: bool,
    timers: usize,
    dead_letters: u64,
    is_joined: bool,
}

/// Looks at an actor on the thread that ends it.
struct Witness {
    runtime: Runtime,
    pid: Pid,
    seen: Mutex<Vec<(&'static str, Done)>>,
}

impl Witness {
    fn look(&self, step: &'static str) {
        let Self { runtime, pid, seen } = self;
        let found = [runtime.whereis("doomed"), runtime.whereis_path("/doomed")];
        // The thread that ends an actor is refused a wait for it.
        let join = || runtime.join(*pid, Some(Duration::ZERO));
        let is_joined = std::thread::scope(|scope| scope.spawn(join).join().unwrap());
        let stats = runtime.stats();
        let done = Done {
            is_found: runtime.is_alive(*pid) || found != [None, None],
            timers: stats.timers,
            dead_letters: stats.dropped.iter().map(|(_, count)| count).sum(),
            is_joined,
        };
        seen.lock().unwrap().push((step, done));
    }
}

struct Told(Arc<Witness>, &'static str);

impl Waiter for Told {
    fn wake(&self) {
        self.0.look(self.1);
    }
}

#[test]
fn an_end_lets_names_go_then_counts_what_was_queued_then_tells_and_ends_joins_last() {
    let runtime = runtime();
    let lane = runtime.add_lane(Arc::new(Host)).unwrap();
    let options = SpawnOptions { lane: lane.id(), name: Some("doomed".into()), ..SpawnOptions::default() };
    let options = SpawnOptions { path: Some("/doomed".into()), ..options };
    let pid = runtime.spawn(collector().0, options).unwrap();
    let witness = Arc::new(Witness { runtime: runtime.clone(), pid, seen: Mutex::default() });
    let [linked, watcher] = [(); 2].map(|()| runtime.spawn_observed(SpawnOptions::default()).unwrap());
    runtime.link(linked, pid).unwrap();
    runtime.monitor(pid, watcher).unwrap();
    for (listener, step) in [(linked, "EXIT"), (watcher, "DOWN")] {
        runtime.notify_observed(listener, Arc::new(Told(Arc::clone(&witness), step))).unwrap();
    }
    let looks = Arc::clone(&witness);
    runtime.on_exit(pid, Box::new(move |_, _| looks.look("hook")));
    runtime.send_after(pid, 3_600_000, b"never".into()).unwrap();
    let looks = Arc::clone(&witness);
    let failed = Box::new(move |_| looks.look("ask"));
    let _ask = runtime.ask_with(pid, b"question".into(), AskOptions::default(), failed);
    for _ in 0..3 {
        runtime.send(pid, b"x".into()).unwrap();
    }
    witness.look("before");
    assert!(runtime.stop(pid) && lane.drain_one());
    witness.look("after");
    let before = Done { is_found: true, timers: 1, dead_letters: 0, is_joined: false };
    let unnamed = Done { is_found: false, ..before };
    let counted = Done { timers: 0, dead_letters: 4, ..unnamed };
    let seen = witness.seen.lock().unwrap().clone();
    let expected = [
        ("before", before),
        ("ask", Done { dead_letters: 1, ..unnamed }),
        ("EXIT", counted),
        ("DOWN", counted),
        ("hook", counted),
        ("after", Done { is_joined: true, ..counted }),
    ];
    assert_eq!(seen, expected);
}
