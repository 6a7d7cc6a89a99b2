//! Bounded mailboxes beside a plain model of them: every policy and bound, and after every step where each message is.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use common::{proptest_config, runtime};
use iris_core::{
    AskHandle, AskOptions, Behaviour, Bounds, Context, Flow, HostedLane, LaneHost, Message, Overflow,
    Payload, Pid, Refusal, Runtime, SpawnOptions,
};
use proptest::prelude::*;

/// The actors, each the other's target.
const ACTORS: usize = 2;

#[derive(Clone, Debug)]
enum Call {
    Send { to: usize, length: usize },
    Ask { to: usize, length: usize },
    GiveUp(usize),
    Handle(usize),
    SetPolicy(usize, Policy),
    Swap(usize),
    Stop(usize),
    Spawn { place: usize, bounds: Bounds, policy: Policy },
}

/// An overflow policy whose target, if it has one, is the other actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    DropNewest,
    DropOldest,
    Block,
    Redirect,
    Spill,
    SpillToOther,
}

fn policies() -> impl Strategy<Value = Policy> {
    use Policy::{Block, DropNewest, DropOldest, Redirect, Spill, SpillToOther};
    prop::sample::select(vec![DropNewest, DropOldest, Block, Redirect, Spill, SpillToOther])
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let (place, length) = (0..ACTORS, 1..40_usize);
    let messages = prop_oneof![1..5_usize, Just(1_000)];
    let bytes = prop_oneof![1..100_usize, Just(usize::MAX)];
    let bounds = (messages, bytes).prop_map(|(messages, bytes)| Bounds { messages, bytes });
    let call = prop_oneof![
        12 => (place.clone(), length.clone()).prop_map(|(to, length)| Call::Send { to, length }),
        4 => (place.clone(), length).prop_map(|(to, length)| Call::Ask { to, length }),
        1 => (0..8_usize).prop_map(Call::GiveUp),
        8 => place.clone().prop_map(Call::Handle),
        2 => (place.clone(), policies()).prop_map(|(place, policy)| Call::SetPolicy(place, policy)),
        1 => place.clone().prop_map(Call::Swap),
        1 => place.clone().prop_map(Call::Stop),
        3 => (place, bounds, policies())
            .prop_map(|(place, bounds, policy)| Call::Spawn { place, bounds, policy }),
    ];
    prop::collection::vec(call, 1..80)
}

/// A message of the model: its number, its length, and the ask it is, if it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sent {
    number: u32,
    length: usize,
    is_ask: bool,
}

/// The model of one actor.
#[derive(Debug)]
struct Actor {
    pid: Pid,
    bounds: Bounds,
    policy: Policy,
    /// Who lived in the other place when the policy was set.
    target: Option<Pid>,
    version: u32,
    queue: VecDeque<Sent>,
    spilled: VecDeque<Sent>,
}

impl Actor {
    fn bytes(&self) -> usize {
        self.queue.iter().map(|sent| sent.length).sum()
    }

    fn fits(&self, length: usize) -> bool {
        self.queue.len() < self.bounds.messages && self.bytes() + length <= self.bounds.bytes
    }

    fn pop(&mut self) -> Option<Sent> {
        let first = self.queue.pop_front();
        while !self.spilled.is_empty()
            && self.queue.len() < self.bounds.messages
            && (self.queue.is_empty() || self.bytes() < self.bounds.bytes)
        {
            self.queue.extend(self.spilled.pop_front());
        }
        first.or_else(|| self.queue.pop_front())
    }
}

/// Nobody: the test drains the lanes itself.
struct Still;

impl LaneHost for Still {
    fn wake(&self) {}
}

/// What was handled: by which version of which actor.
type Handled = Arc<Mutex<Vec<(usize, u32, u32)>>>;

struct World {
    runtime: Runtime,
    lanes: [Arc<HostedLane>; ACTORS],
    actors: [Option<Actor>; ACTORS],
    handled: Handled,
    expected: Vec<(usize, u32, u32)>,
    numbers: u32,
    asks: Vec<(u32, AskHandle)>,
    /// Kind of each failed ask, empty for an answered one.
    outcomes: Arc<Mutex<BTreeMap<u32, &'static str>>>,
    expected_outcomes: BTreeMap<u32, &'static str>,
    dropped: BTreeMap<&'static str, u64>,
    sent: u64,
}

impl World {
    fn new() -> Self {
        let runtime = runtime();
        let lanes = [(); ACTORS].map(|()| runtime.add_lane(Arc::new(Still)).unwrap());
        Self {
            runtime,
            lanes,
            actors: [const { None }; ACTORS],
            handled: Arc::default(),
            expected: Vec::new(),
            numbers: 0,
            asks: Vec::new(),
            outcomes: Arc::default(),
            expected_outcomes: BTreeMap::new(),
            dropped: BTreeMap::new(),
            sent: 0,
        }
    }

    fn make(&mut self, call: &Call) {
        match *call {
            Call::Send { to, length } => self.send(to, length),
            Call::Ask { to, length } => self.ask(to, length),
            Call::GiveUp(ask) => self.give_up(ask),
            Call::Handle(place) => self.handle(place),
            Call::SetPolicy(place, policy) => self.set_policy(place, policy),
            Call::Swap(place) => self.swap(place),
            Call::Stop(place) => self.stop(place),
            Call::Spawn { place, bounds, policy } => self.spawn(place, bounds, policy),
        }
    }

    fn behaviour(&self, place: usize, version: u32) -> impl Behaviour + use<> {
        let handled = Arc::clone(&self.handled);
        move |_: &Context<'_>, mut message: Message| {
            let number = u32::from_le_bytes(message.payload().as_slice()[..4].try_into().unwrap());
            handled.lock().unwrap().push((place, version, number));
            if let Some(reply) = message.take_reply() {
                reply.send(Payload::copy_from(b"answer"));
            }
            Flow::Continue
        }
    }

    /// The policy as the runtime takes it; the other place's actor must live where it is a target.
    fn overflow(&self, place: usize, policy: Policy) -> Option<Overflow> {
        let other = self.actors[1 - place].as_ref().map(|actor| actor.pid);
        Some(match policy {
            Policy::DropNewest => Overflow::DropNewest,
            Policy::DropOldest => Overflow::DropOldest,
            Policy::Block => Overflow::Block,
            Policy::Spill => Overflow::Spill(None),
            Policy::Redirect => Overflow::Redirect(other?),
            Policy::SpillToOther => Overflow::Spill(Some(other?)),
        })
    }

    fn spawn(&mut self, place: usize, bounds: Bounds, policy: Policy) {
        let (None, Some(overflow)) = (&self.actors[place], self.overflow(place, policy)) else { return };
        let lane = self.lanes[place].id();
        let options =
            SpawnOptions { bounds: Some(bounds), overflow, budget: 1, lane, ..SpawnOptions::default() };
        let pid = self.runtime.spawn(self.behaviour(place, 1), options).unwrap();
        let (queue, spilled) = (VecDeque::new(), VecDeque::new());
        let target = self.pid(1 - place);
        self.actors[place] = Some(Actor { pid, bounds, policy, target, version: 1, queue, spilled });
    }

    fn set_policy(&mut self, place: usize, policy: Policy) {
        let (overflow, target) = (self.overflow(place, policy), self.pid(1 - place));
        if let (Some(actor), Some(overflow)) = (&mut self.actors[place], overflow) {
            self.runtime.set_overflow(actor.pid, overflow).unwrap();
            (actor.policy, actor.target) = (policy, target);
        }
    }

    fn swap(&mut self, place: usize) {
        let Some(version) = self.actors[place].as_ref().map(|actor| actor.version + 1) else { return };
        let behaviour = Arc::new(self.behaviour(place, version));
        let actor = self.actors[place].as_mut().unwrap();
        self.runtime.hot_swap(actor.pid, behaviour).unwrap();
        actor.version = version;
    }

    fn stop(&mut self, place: usize) {
        let Some(actor) = self.actors[place].take() else { return };
        assert!(self.runtime.stop(actor.pid));
        // On a lane that nobody drains, a ready actor ends when it is.
        while self.lanes[place].drain_one() {}
        for sent in actor.queue.iter().chain(&actor.spilled) {
            self.drop_one(*sent, "ActorExited");
        }
    }

    fn next(&mut self, length: usize, is_ask: bool) -> (Sent, Payload) {
        self.numbers += 1;
        let length = length.max(4);
        let mut bytes = vec![0; length];
        bytes[..4].copy_from_slice(&self.numbers.to_le_bytes());
        (Sent { number: self.numbers, length, is_ask }, bytes.into())
    }

    fn drop_one(&mut self, sent: Sent, reason: &'static str) {
        *self.dropped.entry(reason).or_default() += 1;
        if sent.is_ask {
            let kind = match reason {
                "NoProcess" => "NoProcess",
                "MailboxFull" => "MailboxFull",
                _ => "AskFailed",
            };
            // Who gave up hears nothing any more.
            self.expected_outcomes.entry(sent.number).or_insert(kind);
        }
    }

    /// What the model does with a message; the refusal, if it is refused.
    fn offer(&mut self, to: usize, sent: Sent) -> Result<(), Refusal> {
        let (mut place, mut target) = (to, self.pid(to));
        for _ in 0..10 {
            let Some(actor) = self.actors[place].as_mut().filter(|actor| Some(actor.pid) == target) else {
                self.sent += 1;
                self.drop_one(sent, "NoProcess");
                return Err(Refusal::NoProcess);
            };
            let mut policy = actor.policy;
            let is_spilling = !actor.spilled.is_empty();
            if !is_spilling && (actor.queue.is_empty() || actor.fits(sent.length)) {
                actor.queue.push_back(sent);
                self.sent += 1;
                return Ok(());
            }
            if is_spilling {
                policy = Policy::Spill;
            }
            match policy {
                Policy::Block => return Err(Refusal::WouldBlock),
                Policy::Redirect | Policy::SpillToOther => {
                    target = actor.target;
                    place = 1 - place;
                    continue;
                }
                Policy::Spill if !sent.is_ask => actor.spilled.push_back(sent),
                Policy::DropOldest => {
                    let mut dropped = Vec::new();
                    while !actor.queue.is_empty() && !actor.fits(sent.length) {
                        dropped.extend(actor.queue.pop_front());
                    }
                    actor.queue.push_back(sent);
                    for dropped in dropped {
                        self.drop_one(dropped, "DroppedOldest");
                    }
                }
                Policy::DropNewest | Policy::Spill => break,
            }
            self.sent += 1;
            return Ok(());
        }
        self.sent += 1;
        self.drop_one(sent, "MailboxFull");
        Err(Refusal::Full)
    }

    fn pid(&self, place: usize) -> Option<Pid> {
        self.actors[place].as_ref().map(|actor| actor.pid)
    }

    fn send(&mut self, to: usize, length: usize) {
        let Some(pid) = self.pid(to) else { return };
        let (sent, payload) = self.next(length, false);
        let was = self.runtime.try_send(pid, payload).map_err(|refused| refused.refusal);
        assert_eq!(was, self.offer(to, sent));
    }

    fn ask(&mut self, to: usize, length: usize) {
        let Some(pid) = self.pid(to) else { return };
        let (sent, payload) = self.next(length, true);
        let outcomes = Arc::clone(&self.outcomes);
        let completion = move |outcome: iris_core::Result<Payload>| {
            let kind = outcome.map_or_else(|error| error.kind().name(), |_| "");
            assert!(outcomes.lock().unwrap().insert(sent.number, kind).is_none(), "an ask had two outcomes");
        };
        let handle = self.runtime.ask_with(pid, payload, AskOptions::default(), Box::new(completion));
        if self.offer(to, sent) == Err(Refusal::WouldBlock) {
            // An ask does not wait for room.
            self.sent += 1;
            self.drop_one(sent, "MailboxFull");
        }
        self.asks.push((sent.number, handle));
    }

    fn give_up(&mut self, ask: usize) {
        if self.asks.is_empty() {
            return;
        }
        let (number, handle) = &self.asks[ask % self.asks.len()];
        assert_eq!(handle.cancel(), !self.expected_outcomes.contains_key(number));
        self.expected_outcomes.entry(*number).or_insert("given up");
    }

    /// Lets an actor handle its next message, if it has one that anybody still waits for.
    fn handle(&mut self, place: usize) {
        let before = self.handled.lock().unwrap().len();
        while self.handled.lock().unwrap().len() == before && self.lanes[place].drain_one() {}
        while let Some(sent) = self.actors[place].as_mut().and_then(Actor::pop) {
            if self.expected_outcomes.get(&sent.number) == Some(&"given up") {
                self.drop_one(sent, "AskExpired");
                continue;
            }
            let version = self.actors[place].as_ref().unwrap().version;
            self.expected.push((place, version, sent.number));
            if sent.is_ask {
                self.expected_outcomes.insert(sent.number, "");
            }
            return;
        }
    }

    fn check(&self) {
        assert_eq!(*self.handled.lock().unwrap(), self.expected, "handled");
        let mut queued = 0;
        for actor in self.actors.iter().flatten() {
            let size = actor.queue.len() + actor.spilled.len();
            assert_eq!(self.runtime.mailbox_size(actor.pid), Some(size));
            queued += size as u64;
        }
        let stats = self.runtime.stats();
        let dropped: BTreeMap<_, _> = stats.dropped.iter().filter(|(_, count)| *count > 0).copied().collect();
        assert_eq!(dropped, self.dropped);
        let handled = self.expected.len() as u64;
        assert_eq!((stats.sent, stats.handled, stats.queued), (self.sent, handled, queued), "{stats:?}");
        assert_eq!(stats.sent, stats.handled + dropped.values().sum::<u64>() + stats.queued);
        let told = |outcomes: &BTreeMap<u32, &'static str>| {
            let told = outcomes.iter().filter(|(_, kind)| **kind != "given up");
            told.map(|(number, kind)| (*number, *kind)).collect::<Vec<_>>()
        };
        assert_eq!(told(&self.outcomes.lock().unwrap()), told(&self.expected_outcomes), "asks");
    }
}

proptest! {
    #![proptest_config(proptest_config())]

    #[test]
    fn mailboxes_do_what_the_model_does(calls in calls()) {
        let mut world = World::new();
        for call in &calls {
            world.make(call);
            world.check();
        }
        for place in 0..ACTORS {
            world.stop(place);
        }
        world.check();
    }
}
