//! Actors beside a plain model of them: what a sequence of calls does to lives, names, links, monitors, children, code.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::views::{Kept, View, kept, views};
use common::{DEADLINE, proptest_config};
use iris_core::{
    Behaviour, Clock, Context, ErrorKind, ExitReason, Failure, Flow, HISTORY_MAX, ManualClock, Message,
    Payload, Pid, Runtime, RuntimeOptions, SpawnOptions,
};
use proptest::prelude::*;

/// How long a virtual actor stays without a message.
const IDLE: Duration = Duration::from_millis(10);
const NAMES: [&str; 3] = ["mail", "post", "/odd name"];

/// One call. Numbers choose among the actors there were so far, dead ones included.
#[derive(Clone, Debug)]
enum Call {
    Spawn {
        observed: bool,
        parent: Option<usize>,
        name: Option<usize>,
    },
    Send(usize),
    Stop(usize),
    Crash(usize),
    Link(usize, usize),
    Unlink(usize, usize),
    Monitor(usize, usize),
    Demonitor(usize),
    Register(usize, usize),
    Unregister(usize),
    Swap(usize),
    RollBack(usize, usize),
    SpawnVirtual,
    /// Time passes until every virtual actor that began has retired.
    Idle,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let (actor, name) = (0..16_usize, 0..NAMES.len());
    let spawn = (any::<bool>(), prop::option::of(actor.clone()), prop::option::weighted(0.2, name.clone()));
    let call = prop_oneof![
        4 => spawn.prop_map(|(observed, parent, name)| Call::Spawn { observed, parent, name }),
        3 => actor.clone().prop_map(Call::Send),
        2 => actor.clone().prop_map(Call::Stop),
        2 => actor.clone().prop_map(Call::Crash),
        3 => (actor.clone(), actor.clone()).prop_map(|(a, b)| Call::Link(a, b)),
        1 => (actor.clone(), actor.clone()).prop_map(|(a, b)| Call::Unlink(a, b)),
        3 => (actor.clone(), actor.clone()).prop_map(|(a, b)| Call::Monitor(a, b)),
        1 => (0..8_usize).prop_map(Call::Demonitor),
        2 => (name.clone(), actor.clone()).prop_map(|(name, actor)| Call::Register(name, actor)),
        1 => name.prop_map(Call::Unregister),
        2 => actor.clone().prop_map(Call::Swap),
        1 => (actor, 0..4_usize).prop_map(|(actor, steps)| Call::RollBack(actor, steps)),
        2 => Just(Call::SpawnVirtual),
        1 => Just(Call::Idle),
    ];
    prop::collection::vec(call, 1..40)
}

/// The model of one actor.
#[derive(Clone, Debug, Default)]
struct Actor {
    observed: bool,
    /// Of a virtual actor: whether its first message came.
    begun: Option<bool>,
    alive: bool,
    parent: Option<Pid>,
    children: Vec<Pid>,
    links: BTreeSet<Pid>,
    names: BTreeSet<&'static str>,
    /// Version and tag of each behaviour kept.
    history: Vec<(u32, u64)>,
    kept: Vec<Kept>,
}

/// A behaviour that answers with its tag and crashes when told to.
fn tagged(tag: u64) -> impl Behaviour {
    move |_: &Context<'_>, mut message: Message| {
        if message.payload().as_slice() == b"crash" {
            return Flow::Stop(ExitReason::crash(Failure::new("Test", "told to crash")));
        }
        if let Some(reply) = message.take_reply() {
            reply.send(Payload::copy_from(&tag.to_le_bytes()));
        }
        Flow::Continue
    }
}

struct World {
    runtime: Runtime,
    hand: ManualClock,
    /// In the order they were spawned.
    pids: Vec<Pid>,
    actors: BTreeMap<Pid, Actor>,
    /// Monitors that stand: id to target and watcher.
    monitors: BTreeMap<u64, (Pid, Pid)>,
    monitor_ids: Vec<u64>,
    seen: BTreeMap<Pid, Vec<Kept>>,
    tags: u64,
}

impl World {
    fn new() -> Self {
        let (clock, hand) = Clock::manual();
        Self {
            runtime: Runtime::with_options(RuntimeOptions { clock, ..RuntimeOptions::default() }).unwrap(),
            hand,
            pids: Vec::new(),
            actors: BTreeMap::new(),
            monitors: BTreeMap::new(),
            monitor_ids: Vec::new(),
            seen: BTreeMap::new(),
            tags: 0,
        }
    }

    fn pid(&self, number: usize) -> Option<Pid> {
        (!self.pids.is_empty()).then(|| self.pids[number % self.pids.len()])
    }

    fn alive(&self, pid: Pid) -> bool {
        self.actors[&pid].alive
    }

    fn actor(&mut self, pid: Pid) -> &mut Actor {
        self.actors.get_mut(&pid).unwrap()
    }

    fn owner(&self, name: &str) -> Option<Pid> {
        self.pids.iter().copied().find(|pid| self.actors[pid].names.contains(name))
    }

    fn next_tag(&mut self) -> u64 {
        self.tags += 1;
        self.tags
    }

    fn make(&mut self, call: &Call) {
        match *call {
            Call::Spawn { observed, parent, name } => self.spawn(observed, parent, name),
            Call::SpawnVirtual => self.spawn_virtual(),
            Call::Idle => self.idle(),
            Call::Unregister(name) => self.unregister(NAMES[name]),
            Call::Demonitor(number) => self.demonitor(number),
            Call::Send(a) => self.on(a, Self::send),
            Call::Stop(a) => self.on(a, Self::stop),
            Call::Crash(a) => self.on(a, Self::crash),
            Call::Swap(a) => self.on(a, Self::swap),
            Call::Link(a, b) => self.on(a, |world, a| world.on(b, |world, b| world.link(a, b))),
            Call::Unlink(a, b) => self.on(a, |world, a| world.on(b, |world, b| world.unlink(a, b))),
            Call::Monitor(a, b) => self.on(a, |world, a| world.on(b, |world, b| world.monitor(a, b))),
            Call::Register(name, a) => self.on(a, |world, a| world.register(NAMES[name], a)),
            Call::RollBack(a, steps) => self.on(a, |world, a| world.roll_back(a, steps)),
        }
    }

    fn on(&mut self, number: usize, call: impl FnOnce(&mut Self, Pid)) {
        if let Some(pid) = self.pid(number) {
            call(self, pid);
        }
    }

    fn spawn(&mut self, observed: bool, parent: Option<usize>, name: Option<usize>) {
        let (parent, name) = (parent.and_then(|number| self.pid(number)), name.map(|name| NAMES[name]));
        let options = SpawnOptions { parent, name: name.map(str::to_owned), ..SpawnOptions::default() };
        let tag = self.next_tag();
        let spawned = if observed {
            self.runtime.spawn_observed(options)
        } else {
            self.runtime.spawn(tagged(tag), options)
        };
        let refused = if parent.is_some_and(|parent| !self.alive(parent)) {
            Some(ErrorKind::NoProcess)
        } else {
            name.and_then(|name| self.owner(name)).map(|_| ErrorKind::NameTaken)
        };
        if let Some(kind) = refused {
            assert_eq!(spawned.unwrap_err().kind(), kind);
            return;
        }
        let pid = spawned.unwrap();
        assert!(!self.actors.contains_key(&pid), "pid {pid} was given twice");
        let names = name.into_iter().collect();
        let history = vec![(1, tag)];
        self.actors.insert(pid, Actor { observed, alive: true, parent, names, history, ..Actor::default() });
        if let Some(parent) = parent {
            self.actor(parent).children.push(pid);
        }
        self.pids.push(pid);
    }

    fn spawn_virtual(&mut self) {
        let tag = self.next_tag();
        let options = SpawnOptions { idle_timeout: Some(IDLE), ..SpawnOptions::default() };
        let pid = self.runtime.spawn(tagged(tag), options).unwrap();
        let (begun, history) = (Some(false), vec![(1, tag)]);
        self.actors.insert(pid, Actor { begun, alive: true, history, ..Actor::default() });
        self.pids.push(pid);
    }

    fn idle(&mut self) {
        for pid in self.pids.clone() {
            if self.alive(pid) && self.actors[&pid].begun == Some(true) {
                while self.runtime.is_alive(pid) {
                    self.hand.advance(IDLE);
                    std::thread::yield_now();
                }
                self.end(pid, "Normal");
            }
        }
    }

    fn send(&mut self, pid: Pid) {
        if self.actors[&pid].observed {
            let sent = self.runtime.send(pid, b"x".into()).is_ok();
            assert_eq!(sent, self.alive(pid));
            if sent {
                self.actor(pid).kept.push(Kept::User);
            }
            return;
        }
        let answer = self.runtime.ask_blocking(pid, b"who".into(), Some(DEADLINE));
        if self.alive(pid) {
            let actor = self.actor(pid);
            actor.begun = actor.begun.map(|_| true);
            let tag = self.actors[&pid].history.last().unwrap().1;
            assert_eq!(answer.unwrap().as_slice(), tag.to_le_bytes(), "{pid} runs another behaviour");
        } else {
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::NoProcess);
        }
    }

    fn stop(&mut self, pid: Pid) {
        assert_eq!(self.runtime.stop(pid), self.alive(pid));
        assert!(!self.runtime.is_alive(pid));
        self.end(pid, "Killed");
    }

    fn crash(&mut self, pid: Pid) {
        if self.actors[&pid].observed {
            return;
        }
        assert_eq!(self.runtime.send(pid, b"crash".into()).is_ok(), self.alive(pid));
        self.end(pid, "Crash");
    }

    /// The model's end of an actor, children first, youngest first.
    fn end(&mut self, pid: Pid, reason: &'static str) {
        if !self.alive(pid) {
            return;
        }
        for child in self.actors[&pid].children.clone().into_iter().rev() {
            self.end(child, "Killed");
        }
        assert!(self.runtime.join(pid, Some(DEADLINE)), "{pid} did not end");
        let ended = self.actor(pid);
        ended.alive = false;
        ended.names.clear();
        let (links, parent) = (std::mem::take(&mut ended.links), ended.parent);
        for peer in links {
            let peer = self.actor(peer);
            peer.links.remove(&pid);
            peer.kept.push(Kept::Exit(pid, reason));
        }
        let (fired, left): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.monitors).into_iter().partition(|(_, (target, _))| *target == pid);
        self.monitors = left;
        self.monitors.retain(|_, (_, watcher)| *watcher != pid);
        for (id, (_, watcher)) in fired {
            self.actor(watcher).kept.push(Kept::Down(pid, reason, id));
        }
        if let Some(parent) = parent {
            self.actor(parent).children.retain(|child| *child != pid);
        }
    }

    fn link(&mut self, a: Pid, b: Pid) {
        let linked = self.runtime.link(a, b).map_err(|error| error.kind());
        if a == b {
            assert_eq!(linked, Err(ErrorKind::InvalidArgument));
        } else if self.alive(a) && self.alive(b) {
            assert_eq!(linked, Ok(()));
            self.actor(a).links.insert(b);
            self.actor(b).links.insert(a);
        } else {
            assert_eq!(linked, Err(ErrorKind::NoProcess));
        }
    }

    fn unlink(&mut self, a: Pid, b: Pid) {
        let linked = self.actor(a).links.remove(&b);
        self.actor(b).links.remove(&a);
        assert_eq!(self.runtime.unlink(a, b), linked);
    }

    fn monitor(&mut self, target: Pid, watcher: Pid) {
        let monitored = self.runtime.monitor(target, watcher);
        if self.alive(target) && self.alive(watcher) {
            let id = monitored.unwrap();
            assert!(self.monitors.insert(id, (target, watcher)).is_none());
            self.monitor_ids.push(id);
        } else {
            assert_eq!(monitored.unwrap_err().kind(), ErrorKind::NoProcess);
        }
    }

    fn demonitor(&mut self, number: usize) {
        if !self.monitor_ids.is_empty() {
            let id = self.monitor_ids[number % self.monitor_ids.len()];
            assert_eq!(self.runtime.demonitor(id), self.monitors.remove(&id).is_some());
        }
    }

    fn register(&mut self, name: &'static str, pid: Pid) {
        let registered = self.runtime.register(name, pid).map_err(|error| error.kind());
        let expected = match self.owner(name) {
            _ if !self.alive(pid) => Err(ErrorKind::NoProcess),
            Some(owner) if owner != pid => Err(ErrorKind::NameTaken),
            _ => Ok(()),
        };
        assert_eq!(registered, expected);
        if registered.is_ok() {
            self.actor(pid).names.insert(name);
        }
    }

    fn unregister(&mut self, name: &str) {
        let owner = self.owner(name);
        assert_eq!(self.runtime.unregister(name), owner.is_some());
        if let Some(owner) = owner {
            self.actor(owner).names.remove(name);
        }
    }

    fn swap(&mut self, pid: Pid) {
        if self.actors[&pid].observed {
            return;
        }
        let tag = self.next_tag();
        let swapped = self.runtime.hot_swap(pid, Arc::new(tagged(tag)));
        if !self.alive(pid) {
            assert_eq!(swapped.unwrap_err().kind(), ErrorKind::NoProcess);
            return;
        }
        let history = &mut self.actor(pid).history;
        let version = history.last().unwrap().0 + 1;
        history.push((version, tag));
        if history.len() > HISTORY_MAX {
            history.remove(0);
        }
        assert_eq!(swapped.unwrap(), version);
    }

    fn roll_back(&mut self, pid: Pid, steps: usize) {
        if self.actors[&pid].observed {
            return;
        }
        let rolled = self.runtime.rollback_behavior(pid, steps).map_err(|error| error.kind());
        let alive = self.alive(pid);
        let history = &mut self.actor(pid).history;
        if !alive {
            assert_eq!(rolled, Err(ErrorKind::NoProcess));
        } else if steps == 0 || steps >= history.len() {
            assert_eq!(rolled, Err(ErrorKind::InvalidArgument));
        } else {
            history.truncate(history.len() - steps);
            assert_eq!(rolled, Ok(history.last().unwrap().0));
        }
    }

    fn expected(&self) -> Vec<View> {
        let live = self.actors.iter().filter(|(_, actor)| actor.alive);
        live.map(|(pid, actor)| {
            let watchers = self.monitors.values().filter(|(target, _)| target == pid);
            View {
                pid: *pid,
                parent: actor.parent,
                children: actor.children.clone(),
                links: actor.links.iter().copied().collect(),
                monitored_by: watchers.map(|(_, watcher)| *watcher).collect(),
                names: actor.names.iter().map(|name| (*name).to_owned()).collect(),
                version: actor.history.last().unwrap().0,
            }
        })
        .collect()
    }

    /// Takes what the observed actors keep and adds it to what was seen of them.
    fn observe(&mut self) {
        for pid in self.pids.clone() {
            if self.actors[&pid].observed && self.alive(pid) {
                let taken = self.runtime.take_observed(pid).unwrap();
                self.seen.entry(pid).or_default().extend(taken.iter().map(kept));
            }
        }
    }

    /// Everything is as the model says, soon: what was told to end on another thread takes a moment.
    fn check(&mut self) {
        let until = Instant::now() + DEADLINE;
        loop {
            self.observe();
            let wrong = self.difference();
            let Some(wrong) = wrong else { break };
            assert!(Instant::now() < until, "{wrong}");
            std::thread::yield_now();
        }
        for name in NAMES {
            assert_eq!(self.runtime.whereis(name), self.owner(name), "of name {name}");
        }
        for (pid, actor) in &self.actors {
            assert_eq!(self.runtime.is_alive(*pid), actor.alive);
        }
    }

    fn difference(&self) -> Option<String> {
        let (expected, actual) = (self.expected(), views(&self.runtime));
        if expected != actual {
            return Some(format!("expected {expected:#?}, found {actual:#?}"));
        }
        for (pid, actor) in self.actors.iter().filter(|(_, actor)| actor.observed && actor.alive) {
            let (mut told, mut seen) = (actor.kept.clone(), self.seen.get(pid).cloned().unwrap_or_default());
            told.sort();
            seen.sort();
            if told != seen {
                return Some(format!("{pid} should have heard {told:?} and heard {seen:?}"));
            }
        }
        None
    }

    /// Ends all, and looks for what is left behind.
    fn close(mut self) {
        for pid in self.pids.clone() {
            if self.alive(pid) {
                self.stop(pid);
            }
        }
        self.check();
        let until = Instant::now() + DEADLINE;
        loop {
            let stats = self.runtime.stats();
            let dropped: u64 = stats.dropped.iter().map(|(_, count)| count).sum();
            let balanced = stats.sent == stats.handled + dropped + stats.queued;
            if balanced
                && (stats.actors, stats.queued, stats.names, stats.timers) == (0, 0, 0, 0)
                && self.runtime.live_actors() == 0
                && stats.exited == stats.spawned
            {
                return;
            }
            assert!(Instant::now() < until, "{stats:?}");
            std::thread::yield_now();
        }
    }
}

proptest! {
    #![proptest_config(proptest_config())]

    #[test]
    fn actors_do_what_the_model_does(calls in calls()) {
        let mut world = World::new();
        for call in &calls {
            world.make(call);
            world.check();
        }
        world.close();
    }
}
