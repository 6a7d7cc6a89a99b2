//! Traces of the reference that all languages share: each call is made here, and what is seen then is what it says.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;
#[path = "common/traced.rs"]
mod traced;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{DEADLINE, runtime, wait_until};
use iris_core::{
    Backoff, Bounds, ChildSpec, ExitReason, Incoming, Overflow, Payload, Pid, Refusal, Restart, Runtime,
    SpawnOptions, Strategy, SupervisorOptions, SystemMessage,
};
use serde_json::{Map, Value, json};
use traced::{Hold, Pull, answers, differences, merge, sorted};

/// How long a virtual actor that retires stays without a message.
const IDLE: Duration = Duration::from_millis(1);
const NAMES: [&str; 3] = ["one", "two", "/three"];
const DROPS: [&str; 4] = ["NoProcess", "MailboxFull", "DroppedOldest", "ActorExited"];

/// The arguments of a call.
struct Arguments<'a>(&'a [Value]);

impl<'a> Arguments<'a> {
    fn text(&self, place: usize) -> &'a str {
        self.0[place].as_str().unwrap()
    }

    fn number(&self, place: usize) -> usize {
        usize::try_from(self.0[place].as_u64().unwrap()).unwrap()
    }
}

/// The runtime that a trace is played on.
struct Player {
    runtime: Runtime,
    /// In the order they were spawned.
    pids: Vec<Pid>,
    holds: Vec<(Pid, Hold)>,
    pulls: Vec<Pull>,
    monitors: Vec<u64>,
    timers: Vec<u64>,
    /// What factories made, by the number of whom it replaces.
    made: Arc<Mutex<BTreeMap<usize, Pid>>>,
}

impl Player {
    fn new() -> Self {
        Self {
            runtime: runtime(),
            pids: Vec::new(),
            holds: Vec::new(),
            pulls: Vec::new(),
            monitors: Vec::new(),
            timers: Vec::new(),
            made: Arc::default(),
        }
    }

    /// Makes a call that is to give this, and tells what it gives.
    fn make(&mut self, name: &str, arguments: &Arguments<'_>, gives: &Value) -> Value {
        match name {
            "spawn" | "bounded" | "supervisor" | "child" => self.spawn(name, arguments),
            "read" => self.read(self.pid(arguments, 0), gives.as_array().unwrap().len()),
            "monitor" => self.monitor(self.pid(arguments, 0), self.pid(arguments, 1)),
            "timer" => self.set_timer(self.pid(arguments, 0), arguments.number(1)),
            "cancel" => json!(self.runtime.cancel_timer(self.timers[arguments.number(0)])),
            "factory" => outcome(self.supervise(arguments.number(0), arguments.text(1))),
            "unsupervise" => json!(self.runtime.unsupervise(self.pid(arguments, 0))),
            "demonitor" => json!(self.runtime.demonitor(self.monitors[arguments.number(0)])),
            "unregister" => json!(self.unregister(arguments.text(0))),
            "register" => outcome(self.register(arguments.text(0), self.pid(arguments, 1))),
            "link" => outcome(self.runtime.link(self.pid(arguments, 0), self.pid(arguments, 1))),
            "unlink" => json!(self.runtime.unlink(self.pid(arguments, 0), self.pid(arguments, 1))),
            "send" => json!(self.send(self.pid(arguments, 0), arguments.text(1).as_bytes().into())),
            "ask" => self.ask(self.pid(arguments, 0)),
            "swap" => given(self.swap(self.pid(arguments, 0), arguments.text(1))),
            "policy" => {
                let policy = self.overflow(arguments, 1);
                outcome(self.runtime.set_overflow(self.pid(arguments, 0), policy))
            }
            "roll_back" => given(self.runtime.rollback_behavior(self.pid(arguments, 0), arguments.number(1))),
            "release" => {
                self.release(self.pid(arguments, 0));
                json!("ok")
            }
            "stop" => json!(self.runtime.stop(self.pid(arguments, 0))),
            _ => panic!("there is no call {name}"),
        }
    }

    fn pid(&self, arguments: &Arguments<'_>, place: usize) -> Pid {
        self.pids[arguments.number(place)]
    }

    /// The actor of an argument that may be left out.
    fn place(&self, arguments: &Arguments<'_>, place: usize) -> Option<Pid> {
        (!arguments.0[place].is_null()).then(|| self.pid(arguments, place))
    }

    // Actors

    fn spawn(&mut self, name: &str, arguments: &Arguments<'_>) -> Value {
        let spawned = match name {
            "spawn" => self.spawn_kind(arguments.text(0), self.place(arguments, 1)),
            "bounded" => self.spawn_bounded(arguments),
            "supervisor" => self.spawn_supervisor(arguments),
            _ => {
                let spec =
                    ChildSpec { supervisor: self.pid(arguments, 0), restart: restart(arguments.text(1)) };
                let options = SpawnOptions { supervisor: Some(spec), ..SpawnOptions::default() };
                self.spawn_with(arguments.text(2), options)
            }
        };
        given(spawned.map(|pid| {
            self.pids.push(pid);
            self.pids.len() - 1
        }))
    }

    fn spawn_kind(&mut self, kind: &str, parent: Option<Pid>) -> iris_core::Result<Pid> {
        let idle_timeout = (kind == "retiring").then_some(IDLE);
        self.spawn_with(kind, SpawnOptions { parent, idle_timeout, ..SpawnOptions::default() })
    }

    fn spawn_with(&mut self, kind: &str, options: SpawnOptions) -> iris_core::Result<Pid> {
        match kind {
            "push" | "virtual" | "retiring" => self.runtime.spawn(answers("first"), options),
            "observed" => self.runtime.spawn_observed(options),
            "pull" => {
                self.pulls.push(Pull::spawn(&self.runtime, options)?);
                Ok(self.pulls[self.pulls.len() - 1].pid)
            }
            _ => panic!("there is no kind {kind}"),
        }
    }

    fn spawn_bounded(&mut self, arguments: &Arguments<'_>) -> iris_core::Result<Pid> {
        let (bounds, overflow) = (Some(Bounds::messages(arguments.number(0))), self.overflow(arguments, 1));
        let hold = Hold::default();
        let pid =
            self.runtime.spawn(hold.clone(), SpawnOptions { bounds, overflow, ..SpawnOptions::default() })?;
        self.holds.push((pid, hold));
        Ok(pid)
    }

    /// The policy of this argument, whose target is the next one.
    fn overflow(&self, arguments: &Arguments<'_>, place: usize) -> Overflow {
        match arguments.text(place) {
            "dropnew" => Overflow::DropNewest,
            "dropold" => Overflow::DropOldest,
            "block" => Overflow::Block,
            "redirect" => Overflow::Redirect(self.pid(arguments, place + 1)),
            "spill" => Overflow::Spill(None),
            policy => panic!("there is no policy {policy}"),
        }
    }

    fn spawn_supervisor(&self, arguments: &Arguments<'_>) -> iris_core::Result<Pid> {
        let above = self.place(arguments, 1);
        self.runtime.spawn_supervisor(SupervisorOptions {
            strategy: strategy(arguments.text(0)),
            intensity: u32::MAX,
            backoff: Backoff::new(Duration::ZERO, Duration::ZERO)?,
            supervisor: above.map(|supervisor| ChildSpec { supervisor, restart: Restart::Permanent }),
            ..SupervisorOptions::default()
        })
    }

    fn supervise(&self, number: usize, strategy: &str) -> iris_core::Result<()> {
        let strategy = match strategy {
            "RestartOne" => Strategy::OneForOne,
            "RestartAll" => Strategy::OneForAll,
            _ => panic!("there is no strategy {strategy}"),
        };
        let (runtime, made) = (self.runtime.clone(), Arc::clone(&self.made));
        let factory = move || {
            let pid = runtime.spawn(answers("first"), SpawnOptions::default()).unwrap();
            made.lock().unwrap().insert(number, pid);
            Ok(pid)
        };
        let supervisor = self.runtime.root_supervisor()?;
        self.runtime.supervise_with_factory(supervisor, self.pids[number], Arc::new(factory), strategy)
    }

    /// Leaves what a factory made in the place of an actor to itself: a second restart would wait for a while.
    fn take_over(&mut self, number: usize) {
        let made = || self.made.lock().unwrap().get(&number).copied();
        wait_until("a factory is called", || made().is_some());
        let pid = made().unwrap();
        wait_until("what it made is supervised", || self.runtime.unsupervise(pid));
        self.pids.push(pid);
    }

    fn pull(&self, pid: Pid) -> Option<&Pull> {
        self.pulls.iter().find(|pull| pull.pid == pid)
    }

    fn swap(&self, pid: Pid, code: &str) -> iris_core::Result<u32> {
        if self.pull(pid).is_some() {
            return Pull::swap(&self.runtime, pid, code);
        }
        self.runtime.hot_swap(pid, Arc::new(answers(code)))
    }

    fn release(&self, pid: Pid) {
        self.holds.iter().find(|(held, _)| *held == pid).unwrap().1.release();
    }

    // Messages

    /// Whether it is taken; what would have to wait for room is refused.
    fn send(&self, pid: Pid, payload: Payload) -> bool {
        let sent = self.runtime.try_send(pid, payload);
        sent.map_err(|refused| {
            if refused.refusal == Refusal::WouldBlock {
                self.runtime.give_up(pid, refused.payload);
            }
        })
        .is_ok()
    }

    fn set_timer(&mut self, pid: Pid, delay_ms: usize) -> Value {
        given(self.runtime.send_after(pid, delay_ms as u64, b"m".into()).map(|timer| {
            self.timers.push(timer);
            self.timers.len() - 1
        }))
    }

    fn ask(&self, pid: Pid) -> Value {
        let answer = self.runtime.ask_blocking(pid, b"question".into(), Some(DEADLINE));
        given(answer.map(|answer| String::from_utf8(answer.as_slice().to_vec()).unwrap()))
    }

    /// Takes all that an observed actor keeps: so much is to come, and may come a moment later.
    fn read(&self, pid: Pid, count: usize) -> Value {
        let until = Instant::now() + DEADLINE;
        let mut kept = Vec::new();
        loop {
            match self.runtime.take_observed(pid) {
                Ok(taken) => kept.extend(taken.iter().map(|incoming| self.kept(incoming))),
                Err(error) => return json!(error.kind().name()),
            }
            if kept.len() >= count || Instant::now() > until {
                return sorted(kept);
            }
            std::thread::yield_now();
        }
    }

    fn kept(&self, incoming: &Incoming) -> Value {
        match incoming {
            Incoming::User(message) => json!(String::from_utf8_lossy(message.payload().as_slice())),
            Incoming::System(notice) => self.told(notice),
        }
    }

    fn told(&self, notice: &SystemMessage) -> Value {
        let reason = notice.reason.as_ref().map_or("", ExitReason::name);
        json!([notice.kind.name(), notice.target_pid.and_then(|pid| self.number(pid)), reason])
    }

    // Relations

    fn monitor(&mut self, target: Pid, watcher: Pid) -> Value {
        given(self.runtime.monitor(target, watcher).map(|monitor| {
            self.monitors.push(monitor);
            self.monitors.len() - 1
        }))
    }

    fn register(&self, name: &str, pid: Pid) -> iris_core::Result<()> {
        if name.starts_with('/') {
            self.runtime.register_path(name, pid)
        } else {
            self.runtime.register(name, pid)
        }
    }

    fn unregister(&self, name: &str) -> bool {
        if name.starts_with('/') { self.runtime.unregister_path(name) } else { self.runtime.unregister(name) }
    }

    fn owner(&self, name: &str) -> Option<Pid> {
        if name.starts_with('/') { self.runtime.whereis_path(name) } else { self.runtime.whereis(name) }
    }

    // What is so

    /// A pid's number; none for an actor that the trace does not know.
    fn number(&self, pid: Pid) -> Option<usize> {
        self.pids.iter().position(|known| *known == pid)
    }

    fn numbers(&self, pids: &[Pid]) -> Vec<Option<usize>> {
        pids.iter().map(|pid| self.number(*pid)).collect()
    }

    /// All that is seen of the runtime, as the reference has it.
    fn seen(&self) -> Value {
        let actors = self.pids.iter().enumerate().map(|(number, pid)| (number.to_string(), self.view(*pid)));
        let owner = |name| json!(self.owner(name).map(|pid| self.number(pid)));
        json!({
            "actors": actors.collect::<Map<_, _>>(),
            "names": NAMES.iter().map(|name| ((*name).to_owned(), owner(name))).collect::<Map<_, _>>(),
            "counts": self.counts(),
        })
    }

    fn view(&self, pid: Pid) -> Value {
        let Some(info) = self.runtime.actor_info(pid) else { return Value::Null };
        let (mut links, mut watchers) = (self.numbers(&info.links), self.numbers(&info.monitored_by));
        links.sort_unstable();
        watchers.sort_unstable();
        let mut view = json!({
            "version": info.version,
            "restarts": info.restarts,
            "waiting": info.mailbox_size,
            "above": info.parent.map(|pid| self.number(pid)),
            "supervised": info.supervisor.is_some(),
            "below": self.numbers(&info.children),
            "links": links,
            "watchers": watchers,
        });
        if let Some(pull) = self.pull(pid) {
            view["heard"] = sorted(pull.heard().iter().map(|notice| self.told(notice)).collect());
        }
        view
    }

    fn counts(&self) -> Map<String, Value> {
        let stats = self.runtime.stats();
        let counts = [
            ("sent", stats.sent),
            ("handled", stats.handled),
            ("crashed", stats.crashed),
            ("restarted", stats.restarted),
        ];
        let drops = stats.dropped.into_iter().filter(|(reason, _)| DROPS.contains(reason));
        counts.into_iter().chain(drops).map(|(name, count)| (name.to_owned(), json!(count))).collect()
    }

    /// Waits for those that a step ended: one that is not alive any more may still be telling others.
    fn join_ended(&self, then: &Value) {
        let changed = then["actors"].as_object().into_iter().flatten();
        for (number, _) in changed.filter(|(_, view)| view.is_null()) {
            let pid = self.pids[number.parse::<usize>().unwrap()];
            assert!(self.runtime.join(pid, Some(DEADLINE)), "{number} did not end");
        }
    }

    /// Waits until what is seen is what is expected; what still differs in the end.
    fn settle(&self, expected: &Value) -> Vec<String> {
        let until = Instant::now() + DEADLINE;
        loop {
            let seen = self.seen();
            if seen == *expected || Instant::now() > until {
                return differences("", expected, &seen);
            }
            std::thread::yield_now();
        }
    }

    fn close(self) {
        for (_, hold) in &self.holds {
            hold.release();
        }
        // A shutdown gives those that it kills a moment only, and a thread of a busy machine may come later.
        for pull in &self.pulls {
            self.runtime.stop(pull.pid);
        }
        self.pulls.into_iter().for_each(Pull::join);
        assert_eq!(self.runtime.shutdown(DEADLINE).unfinished, []);
    }
}

fn restart(name: &str) -> Restart {
    match name {
        "permanent" => Restart::Permanent,
        "transient" => Restart::Transient,
        "temporary" => Restart::Temporary,
        _ => panic!("there is no restart {name}"),
    }
}

fn strategy(name: &str) -> Strategy {
    match name {
        "one_for_one" => Strategy::OneForOne,
        "one_for_all" => Strategy::OneForAll,
        "rest_for_one" => Strategy::RestForOne,
        _ => panic!("there is no strategy {name}"),
    }
}

/// What a call gives, or the kind of its error.
fn given<T: Into<Value>>(result: iris_core::Result<T>) -> Value {
    result.map_or_else(|error| json!(error.kind().name()), Into::into)
}

fn outcome(result: iris_core::Result<()>) -> Value {
    given(result.map(|()| "ok"))
}

fn play(number: usize, steps: &Value) {
    let mut player = Player::new();
    let no_counts = ["sent", "handled", "crashed", "restarted"].into_iter().chain(DROPS);
    let mut expected = json!({
        "actors": {},
        "names": NAMES.map(|name| (name.to_owned(), Value::Null)).into_iter().collect::<Map<_, _>>(),
        "counts": no_counts.map(|name| (name.to_owned(), json!(0))).collect::<Map<_, _>>(),
    });
    for (place, step) in steps.as_array().unwrap().iter().enumerate() {
        let (call, mut gives) = (&step["call"], step["gives"].clone());
        if let Value::Array(items) = gives {
            gives = sorted(items);
        }
        let [name, arguments @ ..] = call.as_array().unwrap().as_slice() else {
            panic!("trace {number}, step {place}: no call");
        };
        let gave = player.make(name.as_str().unwrap(), &Arguments(arguments), &gives);
        assert!(gave == gives, "trace {number}, step {place}, {call}: expected {gives}, it gave {gave}");
        for replaced in step["replaced"].as_array().into_iter().flatten() {
            player.take_over(usize::try_from(replaced.as_u64().unwrap()).unwrap());
        }
        player.join_ended(&step["then"]);
        merge(&mut expected, &step["then"]);
        let wrong = player.settle(&expected);
        assert!(wrong.is_empty(), "trace {number}, step {place}, {call}:\n{}", wrong.join("\n"));
    }
    player.close();
}

#[test]
fn every_trace_of_the_reference_is_played() {
    let ours = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/traces.jsonl");
    let path = std::env::var_os("IRIS_TRACES").map_or_else(ours, PathBuf::from);
    let traces = std::fs::read_to_string(&path).unwrap();
    assert!(!traces.is_empty(), "{} has no traces", path.display());
    for (number, trace) in traces.lines().enumerate() {
        play(number, &serde_json::from_str(trace).unwrap());
    }
}
