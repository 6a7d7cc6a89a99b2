//! Supervisors beside a plain model of them: who is restarted, made anew, let go and ended by what happens to whom.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{DEADLINE, proptest_config, runtime};
use iris_core::{
    Backoff, Behaviour, ChildSpec, Context, ExitReason, Failure, Flow, Message, Payload, Pid, Restart,
    Runtime, SpawnOptions, Strategy as Restarts, SupervisorOptions,
};
use proptest::prelude::*;

/// One call. Numbers choose among the supervisors and actors there were so far, dead ones included.
#[derive(Clone, Debug)]
enum Call {
    Supervisor { strategy: Restarts, under: Option<usize> },
    InPlace { supervisor: usize, restart: Restart },
    Alone,
    Factory { supervisor: usize, actor: usize, strategy: Restarts },
    Watch { supervisor: usize, actor: usize, strategy: Restarts },
    Crash(usize),
    Return(usize),
    Stop(usize),
    Unsupervise(usize),
    StopSupervisor(usize),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let number = 0..12_usize;
    let strategy = prop::sample::select(vec![Restarts::OneForOne, Restarts::OneForAll, Restarts::RestForOne]);
    let restart = prop::sample::select(vec![Restart::Permanent, Restart::Transient, Restart::Temporary]);
    let supervised = (number.clone(), number.clone(), strategy.clone());
    let call = prop_oneof![
        2 => (strategy, prop::option::of(number.clone()))
            .prop_map(|(strategy, under)| Call::Supervisor { strategy, under }),
        4 => (number.clone(), restart).prop_map(|(supervisor, restart)| Call::InPlace { supervisor, restart }),
        3 => Just(Call::Alone),
        4 => supervised.clone()
            .prop_map(|(supervisor, actor, strategy)| Call::Factory { supervisor, actor, strategy }),
        2 => supervised.prop_map(|(supervisor, actor, strategy)| Call::Watch { supervisor, actor, strategy }),
        5 => number.clone().prop_map(Call::Crash),
        2 => number.clone().prop_map(Call::Return),
        2 => number.clone().prop_map(Call::Stop),
        1 => number.clone().prop_map(Call::Unsupervise),
        1 => number.prop_map(Call::StopSupervisor),
    ];
    prop::collection::vec(call, 1..40)
}

/// What is told to an actor, and what it answers with: which actor it is, and how often it was begun anew.
#[derive(Clone)]
struct Tagged {
    actor: u64,
    begun: u64,
}

impl Behaviour for Tagged {
    fn handle(&self, _: &Context<'_>, mut message: Message) -> Flow {
        match message.payload().as_slice() {
            b"crash" => return Flow::Stop(ExitReason::crash(Failure::new("Test", "told to crash"))),
            b"return" => return Flow::Stop(ExitReason::Normal),
            _ => {}
        }
        if let Some(reply) = message.take_reply() {
            reply.send(Payload::copy_from(&self.answer()));
        }
        Flow::Continue
    }

    fn restarted(&self) -> Result<Option<Arc<dyn Behaviour>>, Failure> {
        Ok(Some(Arc::new(Self { begun: self.begun + 1, ..self.clone() })))
    }
}

impl Tagged {
    fn answer(&self) -> Vec<u8> {
        [self.actor.to_le_bytes(), self.begun.to_le_bytes()].concat()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    InPlace(Restart),
    Factory(Restarts),
    Watched(Restarts),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Child {
    Actor(usize),
    Supervisor(usize),
}

#[derive(Debug)]
struct Actor {
    pid: Pid,
    alive: bool,
    begun: u64,
    /// Counts what its factory made.
    made: Arc<AtomicU64>,
    place: Option<(usize, Kind)>,
}

#[derive(Debug)]
struct Supervisor {
    pid: Pid,
    alive: bool,
    strategy: Restarts,
    under: Option<usize>,
    children: Vec<Child>,
    restarts: u32,
}

struct World {
    runtime: Runtime,
    actors: Vec<Actor>,
    supervisors: Vec<Supervisor>,
    restarted: u64,
}

impl World {
    fn new() -> Self {
        Self { runtime: runtime(), actors: Vec::new(), supervisors: Vec::new(), restarted: 0 }
    }

    fn make(&mut self, call: &Call) {
        match *call {
            Call::Supervisor { strategy, under } => self.spawn_supervisor(strategy, under),
            Call::InPlace { supervisor, restart } => self.spawn_in_place(supervisor, restart),
            Call::Alone => drop(self.spawn(SpawnOptions::default(), None)),
            Call::Factory { supervisor, actor, strategy } => {
                self.supervise(supervisor, actor, Kind::Factory(strategy));
            }
            Call::Watch { supervisor, actor, strategy } => {
                self.supervise(supervisor, actor, Kind::Watched(strategy));
            }
            Call::Crash(actor) => self.on(actor, Self::crash),
            Call::Return(actor) => self.on(actor, Self::end_normally),
            Call::Stop(actor) => self.on(actor, Self::stop),
            Call::Unsupervise(actor) => self.on(actor, Self::unsupervise),
            Call::StopSupervisor(supervisor) => {
                if let Some(supervisor) = self.supervisor(supervisor) {
                    assert!(self.runtime.stop(self.supervisors[supervisor].pid));
                    self.end_supervisor(supervisor);
                }
            }
        }
    }

    /// A live supervisor.
    fn supervisor(&self, number: usize) -> Option<usize> {
        let place = number.checked_rem(self.supervisors.len())?;
        self.supervisors[place].alive.then_some(place)
    }

    fn on(&mut self, number: usize, call: impl FnOnce(&mut Self, usize)) {
        if let Some(actor) = number.checked_rem(self.actors.len())
            && self.actors[actor].alive
        {
            call(self, actor);
        }
    }

    fn spawn_supervisor(&mut self, strategy: Restarts, under: Option<usize>) {
        let under = under.and_then(|under| self.supervisor(under));
        let spec = under.map(|under| self.spec(under, Restart::Permanent));
        let backoff = Backoff::new(Duration::ZERO, Duration::ZERO).unwrap();
        let options = SupervisorOptions {
            strategy,
            intensity: u32::MAX,
            backoff,
            supervisor: spec,
            ..SupervisorOptions::default()
        };
        let pid = self.runtime.spawn_supervisor(options).unwrap();
        let new = self.supervisors.len();
        self.supervisors.push(Supervisor {
            pid,
            alive: true,
            strategy,
            under,
            children: Vec::new(),
            restarts: 0,
        });
        if let Some(under) = under {
            self.supervisors[under].children.push(Child::Supervisor(new));
        }
    }

    fn spec(&self, supervisor: usize, restart: Restart) -> ChildSpec {
        ChildSpec { supervisor: self.supervisors[supervisor].pid, restart }
    }

    fn spawn(&mut self, options: SpawnOptions, place: Option<(usize, Kind)>) -> usize {
        let actor = self.actors.len();
        let pid = self.runtime.spawn(Tagged { actor: actor as u64, begun: 0 }, options).unwrap();
        self.actors.push(Actor { pid, alive: true, begun: 0, made: Arc::default(), place });
        actor
    }

    fn spawn_in_place(&mut self, supervisor: usize, restart: Restart) {
        let Some(supervisor) = self.supervisor(supervisor) else { return };
        let spec = Some(self.spec(supervisor, restart));
        let options = SpawnOptions { supervisor: spec, ..SpawnOptions::default() };
        let actor = self.spawn(options, Some((supervisor, Kind::InPlace(restart))));
        self.supervisors[supervisor].children.push(Child::Actor(actor));
    }

    /// Puts an actor that has no supervisor under one.
    fn supervise(&mut self, supervisor: usize, actor: usize, kind: Kind) {
        let Some(supervisor) = self.supervisor(supervisor) else { return };
        self.on(actor, |world, actor| {
            if world.actors[actor].place.is_some() {
                return;
            }
            let (place, pid) = (world.supervisors[supervisor].pid, world.actors[actor].pid);
            match kind {
                Kind::Factory(strategy) => {
                    let factory = world.factory(actor);
                    world.runtime.supervise_with_factory(place, pid, Arc::new(factory), strategy).unwrap();
                }
                Kind::Watched(strategy) => world.runtime.watch(place, pid, strategy).unwrap(),
                Kind::InPlace(_) => unreachable!("it is spawned in its place"),
            }
            world.actors[actor].place = Some((supervisor, kind));
            world.supervisors[supervisor].children.push(Child::Actor(actor));
        });
    }

    fn factory(&self, actor: usize) -> impl Fn() -> Result<Pid, Failure> + use<> {
        let (runtime, made) = (self.runtime.downgrade(), Arc::clone(&self.actors[actor].made));
        made.store(self.actors[actor].begun, Ordering::SeqCst);
        move || {
            let begun = made.fetch_add(1, Ordering::SeqCst) + 1;
            let behaviour = Tagged { actor: actor as u64, begun };
            Ok(runtime.spawn(behaviour, SpawnOptions::default()).expect("a successor"))
        }
    }

    // What happens, in the model

    fn crash(&mut self, actor: usize) {
        self.runtime.send(self.actors[actor].pid, b"crash".into()).unwrap();
        match self.actors[actor].place {
            None => self.end(actor),
            Some((_, Kind::InPlace(Restart::Temporary) | Kind::Watched(Restarts::OneForOne))) => {
                self.end(actor);
            }
            Some((supervisor, Kind::Watched(strategy))) => {
                self.restart(supervisor, Child::Actor(actor), strategy);
                self.end(actor);
            }
            Some((supervisor, Kind::Factory(strategy))) => {
                self.restart(supervisor, Child::Actor(actor), strategy);
            }
            Some((supervisor, Kind::InPlace(_))) => {
                self.restart(supervisor, Child::Actor(actor), self.supervisors[supervisor].strategy);
            }
        }
    }

    fn end_normally(&mut self, actor: usize) {
        self.runtime.send(self.actors[actor].pid, b"return".into()).unwrap();
        match self.actors[actor].place {
            Some((supervisor, Kind::InPlace(Restart::Permanent))) => {
                self.restart(supervisor, Child::Actor(actor), self.supervisors[supervisor].strategy);
            }
            _ => self.end(actor),
        }
    }

    fn stop(&mut self, actor: usize) {
        assert!(self.runtime.stop(self.actors[actor].pid));
        match self.actors[actor].place {
            Some((supervisor, Kind::Factory(strategy))) => {
                self.restart(supervisor, Child::Actor(actor), strategy);
            }
            _ => self.end(actor),
        }
    }

    fn unsupervise(&mut self, actor: usize) {
        let had = self.actors[actor].place.is_some();
        assert_eq!(self.runtime.unsupervise(self.actors[actor].pid), had);
        self.forget(actor);
    }

    fn end(&mut self, actor: usize) {
        self.actors[actor].alive = false;
        self.forget(actor);
    }

    fn forget(&mut self, actor: usize) {
        if let Some((supervisor, _)) = self.actors[actor].place.take() {
            self.supervisors[supervisor].children.retain(|child| *child != Child::Actor(actor));
        }
    }

    fn end_supervisor(&mut self, supervisor: usize) {
        self.supervisors[supervisor].alive = false;
        for child in std::mem::take(&mut self.supervisors[supervisor].children) {
            match child {
                Child::Supervisor(nested) => self.end_supervisor(nested),
                Child::Actor(actor) => {
                    let place = self.actors[actor].place.take();
                    // What was made by a factory or only watched goes on alone.
                    self.actors[actor].alive = !matches!(place, Some((_, Kind::InPlace(_))));
                }
            }
        }
        if let Some(under) = self.supervisors[supervisor].under {
            self.supervisors[under].children.retain(|child| *child != Child::Supervisor(supervisor));
        }
    }

    fn restart(&mut self, supervisor: usize, child: Child, strategy: Restarts) {
        let children = self.supervisors[supervisor].children.clone();
        let place = children.iter().position(|other| *other == child).unwrap();
        let concerned = match strategy {
            Restarts::OneForOne => vec![child],
            Restarts::OneForAll => children,
            Restarts::RestForOne => children[place..].to_vec(),
        };
        for child in concerned {
            self.begin_anew(child);
        }
    }

    fn begin_anew(&mut self, child: Child) {
        match child {
            Child::Actor(actor) => {
                if !matches!(self.actors[actor].place, Some((_, Kind::Watched(_)))) {
                    self.actors[actor].begun += 1;
                    self.restarted += 1;
                }
            }
            Child::Supervisor(nested) => {
                self.restarted += 1;
                self.supervisors[nested].restarts += 1;
                let children = self.supervisors[nested].children.clone();
                for child in children {
                    self.begin_anew(child);
                }
            }
        }
    }

    // What is so

    /// Everything is as the model says, soon.
    fn check(&mut self) {
        let until = Instant::now() + DEADLINE;
        while let Some(wrong) = self.difference() {
            assert!(Instant::now() < until, "{wrong}: {:#?} {:#?}", self.supervisors, self.actors);
            std::thread::yield_now();
        }
    }

    fn difference(&mut self) -> Option<String> {
        for supervisor in 0..self.supervisors.len() {
            let Supervisor { pid, alive, ref children, restarts, .. } = self.supervisors[supervisor];
            if !alive {
                if self.runtime.child_pids(pid).is_ok() {
                    return Some(format!("supervisor {pid} goes on"));
                }
                continue;
            }
            if self.runtime.actor_info(pid).is_none_or(|info| info.restarts != restarts) {
                return Some(format!("supervisor {pid} is not restarted"));
            }
            // It answers nothing, but when it has looked at this it has done what it was told before.
            assert!(self.runtime.ask_blocking(pid, b"who".into(), Some(DEADLINE)).is_err());
            let pids = self.runtime.child_pids(pid).unwrap();
            if pids.len() != children.len() {
                return Some(format!("supervisor {pid} has the children {pids:?}"));
            }
            for (child, pid) in children.iter().zip(pids) {
                match *child {
                    Child::Actor(actor) => self.actors[actor].pid = pid,
                    Child::Supervisor(nested) => assert_eq!(pid, self.supervisors[nested].pid),
                }
            }
        }
        for (number, actor) in self.actors.iter().enumerate() {
            let answer = self.runtime.ask_blocking(actor.pid, b"who".into(), Some(DEADLINE));
            let expected = Tagged { actor: number as u64, begun: actor.begun }.answer();
            if answer.is_ok() != actor.alive || answer.is_ok_and(|answer| answer.as_slice() != expected) {
                return Some(format!("actor {number}, pid {}, is not as expected", actor.pid));
            }
        }
        let live = self.actors.iter().filter(|actor| actor.alive).count()
            + self.supervisors.iter().filter(|supervisor| supervisor.alive).count();
        let stats = self.runtime.stats();
        let is_so =
            (stats.restarted, stats.actors, self.runtime.live_actors()) == (self.restarted, live, live);
        (!is_so).then(|| format!("{} restarts and {live} live were expected: {stats:?}", self.restarted))
    }
}

proptest! {
    #![proptest_config(proptest_config())]

    #[test]
    fn supervisors_do_what_the_model_does(calls in calls()) {
        let mut world = World::new();
        for call in &calls {
            world.make(call);
            world.check();
        }
    }
}
