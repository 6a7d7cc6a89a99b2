//! States: what a restart of all, and a message beyond a bound, do to a child in each state it can be in. More columns of the
//! table of docs/semantics.md, played.

#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{DEADLINE, Gate, bytes, collector, eventually, fragile, gated_collector, kind, plain};
use iris_core::{
    Backoff, Behaviour, Bounds, ChildSpec, Clock, Context, ErrorKind, ExitReason, Failure, Flow, HostedLane,
    Incoming, LaneHost, LaneId, Mailbox, ManualClock, Message, Overflow, Pid, Refusal, Restart, Runtime,
    RuntimeOptions, SpawnOptions, Strategy, SupervisorOptions, Suspension,
};

/// Where a child that is restarted in place may stand when something is done to it; most as in `states.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Queued,
    Running,
    /// In its handler, which will fail.
    Crashing,
    /// In its handler, and told to stop.
    Stopping,
    Suspended,
    Pausing,
    Ending,
    Receiving,
    /// In `select`, which passes over what waits.
    Selecting,
    Pulling,
    PullCrashing,
    PullStopping,
    PullPausing,
    Observed,
}

use State::{
    Crashing, Ending, Idle, Observed, Pausing, PullCrashing, PullPausing, PullStopping, Pulling, Queued,
    Receiving, Running, Selecting, Stopping, Suspended,
};

const PUSH: [State; 8] = [Idle, Queued, Running, Crashing, Stopping, Suspended, Pausing, Ending];
const PULL: [State; 6] = [Receiving, Selecting, Pulling, PullCrashing, PullStopping, PullPausing];

impl State {
    fn is_told_to_stop(self) -> bool {
        matches!(self, Stopping | PullStopping | Ending)
    }

    fn is_pausing(self) -> bool {
        matches!(self, Pausing | PullPausing)
    }

    /// Whether messages can wait for it.
    fn has_queue(self) -> bool {
        !matches!(self, Idle | Receiving)
    }
}

/// The longest pause before a restart, by the test's own clock.
const PAUSE: Duration = Duration::from_hours(1);

struct Host;

impl LaneHost for Host {
    fn wake(&self) {}
}

/// The child's code: does what messages say, and tells of it, and of its restarts.
#[derive(Clone)]
struct Code {
    tell: Sender<String>,
    gate: Gate,
    suspension: Arc<Mutex<Option<Suspension>>>,
}

impl Code {
    fn say(&self, text: &str) {
        let _ = self.tell.send(text.to_owned());
    }

    /// False: it fails.
    fn obey(&self, message: &[u8]) -> bool {
        if message.starts_with(b"hold") {
            self.gate.pass();
        }
        if !message.ends_with(b"crash") {
            self.say(&String::from_utf8_lossy(message));
        }
        !message.ends_with(b"crash")
    }

    /// As the function of a pull actor; `selects`: its first run passes over all messages until it hears a notice.
    fn into_function(self, selects: bool) -> impl Fn(&mut Mailbox) + Send + Sync + 'static {
        let is_first = AtomicBool::new(true);
        move |mailbox| {
            if !is_first.swap(false, Ordering::SeqCst) {
                self.say("restarted");
            } else if selects {
                let notice = mailbox.select(|incoming| matches!(incoming, Incoming::System(_)), None);
                if notice.is_none() {
                    return;
                }
            }
            while let Some(incoming) = mailbox.recv(None) {
                if !self.obey(bytes(&incoming)) {
                    resume_unwind(Box::new("told to crash"));
                }
            }
        }
    }
}

impl Behaviour for Code {
    fn handle(&self, context: &Context<'_>, message: Message) -> Flow {
        if message.payload().as_slice() == b"suspend" {
            let code = self.clone();
            let suspension = context.suspend(Box::new(move || code.say("cancelled")));
            *self.suspension.lock().unwrap() = Some(suspension);
            return Flow::Suspend;
        }
        if self.obey(message.payload().as_slice()) {
            Flow::Continue
        } else {
            Flow::Stop(ExitReason::crash(Failure::new("Test", "told to crash")))
        }
    }

    fn restarted(&self) -> Result<Option<Arc<dyn Behaviour>>, Failure> {
        self.say("restarted");
        Ok(None)
    }
}

fn manual_runtime() -> (Runtime, ManualClock) {
    let (clock, hand) = Clock::manual();
    let options = RuntimeOptions { workers: 2, clock, ..RuntimeOptions::default() };
    (Runtime::with_options(options).unwrap(), hand)
}

/// It restarts all for the failure of one, and bears so many.
fn supervisor(runtime: &Runtime, intensity: u32) -> Pid {
    let backoff = Backoff::new(PAUSE, PAUSE).unwrap();
    let strategy = Strategy::OneForAll;
    let options = SupervisorOptions { strategy, intensity, backoff, ..SupervisorOptions::default() };
    runtime.spawn_supervisor(options).unwrap()
}

fn in_place(supervisor: Pid) -> SpawnOptions {
    SpawnOptions { supervisor: Some(ChildSpec { supervisor, restart: Restart::Permanent }), ..plain() }
}

/// One child of a `one_for_all` supervisor in its state.
struct Stage {
    state: State,
    runtime: Runtime,
    lane: Arc<HostedLane>,
    hand: ManualClock,
    supervisor: Pid,
    pid: Pid,
    code: Code,
    heard: Receiver<String>,
    /// Messages that brought it there.
    begun: u64,
    /// Whom its mailbox may redirect to, and what that hears.
    target: Pid,
    elsewhere: Receiver<Vec<u8>>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.code.gate.open();
    }
}

/// The child is in this state, with these messages in its mailbox where any can wait there. Its supervisor bears no failure
/// more than the state needs and one besides.
fn stage(state: State, policy: Option<Policy>, waiting: &[&'static str]) -> Stage {
    let (runtime, hand) = manual_runtime();
    let lane = runtime.add_lane(Arc::new(Host)).unwrap();
    let supervisor = supervisor(&runtime, if state.is_pausing() { 3 } else { 1 });
    let (behaviour, elsewhere) = collector();
    let target = runtime.spawn(behaviour, plain()).unwrap();
    let (tell, heard) = mpsc::channel();
    let code = Code { tell, gate: Gate::default(), suspension: Arc::default() };
    // What holds its thread runs on a worker, all else when the test drains the lane.
    let is_held = matches!(state, Running | Crashing | Stopping);
    let options = SpawnOptions {
        lane: if is_held { LaneId::WORKERS } else { lane.id() },
        bounds: policy.map(|_| Bounds::messages(1)),
        overflow: policy.map_or(Overflow::DropNewest, |policy| policy(target)),
        ..in_place(supervisor)
    };
    let pid = match state {
        Observed => runtime.spawn_observed(options),
        _ if PULL.contains(&state) => {
            runtime.spawn_thread(code.clone().into_function(state == Selecting), options)
        }
        _ => runtime.spawn(code.clone(), options),
    };
    let (pid, begun) = (pid.unwrap(), 0);
    let mut stage =
        Stage { state, runtime, lane, hand, supervisor, pid, code, heard, begun, target, elsewhere };
    stage.begin();
    if state.has_queue() {
        assert!(waiting.iter().all(|text| stage.send(text).is_ok()), "{state:?}");
    }
    if matches!(state, Receiving | Selecting) {
        // When it has passed over what waits.
        eventually("the wait", || stage.runtime.actor_info(stage.pid).unwrap().state == "idle");
    }
    if state.is_told_to_stop() {
        assert!(stage.runtime.stop(stage.pid));
        stage.drain();
    }
    stage
}

impl Stage {
    fn begin(&mut self) {
        match self.state {
            Idle | Queued | Receiving | Selecting | Observed => {}
            Running | Crashing | Stopping | Pulling | PullCrashing | PullStopping => {
                let fails = matches!(self.state, Crashing | PullCrashing);
                self.send(if fails { "hold, crash" } else { "hold" }).unwrap();
                self.code.gate.wait_for_one_inside();
                self.begun += 1;
            }
            Suspended => {
                self.send("suspend").unwrap();
                self.drain();
                self.begun += 1;
            }
            Pausing | PullPausing => {
                self.send("crash").unwrap();
                assert_eq!(self.hear(1), ["restarted"]);
                self.send("crash").unwrap();
                eventually("the pause", || {
                    self.drain();
                    self.runtime.stats().timers == 1
                });
                self.begun += 2;
            }
            Ending => {
                let (behaviour, _) = gated_collector(&self.code.gate);
                let below = SpawnOptions { parent: Some(self.pid), ..plain() };
                let child = self.runtime.spawn(behaviour, below).unwrap();
                self.runtime.send(child, b"wait".into()).unwrap();
                self.code.gate.wait_for_one_inside();
                self.begun += 1;
            }
        }
    }

    fn send(&self, text: &'static str) -> Result<(), Refusal> {
        self.runtime.try_send(self.pid, text.as_bytes().into()).map_err(|error| error.refusal)
    }

    fn drain(&self) {
        while self.lane.drain_one() {}
    }

    fn hear(&self, count: usize) -> Vec<String> {
        let mut told = Vec::new();
        eventually(&format!("{:?}: it tells {count} things", self.state), || {
            self.drain();
            told.extend(self.heard.try_iter().take(count - told.len()));
            told.len() == count
        });
        told
    }

    /// Waits until the supervisor has heard all that it was told so far.
    fn supervisor_heard_all(&self) {
        let _ = self.runtime.ask_blocking(self.supervisor, b"?".into(), Some(DEADLINE));
    }

    fn restarts(&self, pid: Pid) -> Option<u32> {
        self.runtime.actor_info(pid).map(|info| info.restarts)
    }

    /// A new sibling crashes: all are restarted. Its pid, once the restarts are ordered.
    fn restart_all(&self) -> Pid {
        let sibling = self.runtime.spawn(fragile().0, in_place(self.supervisor)).unwrap();
        self.runtime.send(sibling, b"crash".into()).unwrap();
        eventually("the restart of the sibling", || self.restarts(sibling) == Some(1));
        self.supervisor_heard_all();
        sibling
    }

    fn resume(&self, flow: Flow) {
        let suspension = self.code.suspension.lock().unwrap().take();
        if let Some(suspension) = suspension {
            suspension.resume(flow);
        }
    }

    /// Ends what keeps the child in its state.
    fn go_on(&self) {
        self.code.gate.open();
        self.resume(Flow::Continue);
        if self.state.is_pausing() {
            self.hand.advance(PAUSE);
        }
        if self.state == Selecting {
            let other = self.runtime.spawn_observed(plain()).unwrap();
            self.runtime.monitor(other, self.pid).unwrap();
            assert!(self.runtime.stop(other));
        }
        if self.state.is_told_to_stop() {
            eventually("the end", || {
                self.drain();
                self.runtime.join(self.pid, Some(Duration::ZERO))
            });
        }
    }

    /// The reasons for which messages were dropped, with how many.
    fn dropped(&self) -> Vec<(&'static str, u64)> {
        self.runtime.dead_letters().into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// What is told of the message in hand, if there is one, and of a restart that is ordered meanwhile.
fn told_before_the_queue(state: State) -> &'static [&'static str] {
    match state {
        Running | Pulling => &["hold", "restarted"],
        Suspended => &["cancelled", "restarted"],
        Stopping | PullStopping => &["hold"],
        Ending | Observed => &[],
        _ => &["restarted"],
    }
}

#[test]
fn a_restart_of_all_leaves_each_child_its_pid_and_its_queue() {
    for state in PUSH.into_iter().chain(PULL).chain([Observed]) {
        let queue = ["1", "2", "3"];
        let stage = stage(state, None, &queue);
        let Stage { runtime, pid, .. } = &stage;
        let before = stage.restarts(*pid).unwrap();
        assert_eq!(before, u32::from(state.is_pausing()), "{state:?}");
        let sibling = stage.restart_all();
        let told = told_before_the_queue(state);
        if matches!(state, Idle | Suspended | Receiving | Selecting) {
            assert_eq!(stage.hear(told.len()), told, "{state:?}: at once");
            stage.resume(Flow::Stop(ExitReason::Normal));
        } else {
            assert_eq!(stage.restarts(*pid), Some(before), "{state:?}");
            assert!(stage.heard.try_recv().is_err(), "{state:?}");
            assert_eq!(runtime.mailbox_size(*pid), Some(queue.len()), "{state:?}");
            stage.go_on();
            assert_eq!(stage.hear(told.len()), told, "{state:?}");
        }
        if !state.has_queue() {
            assert!(queue.iter().all(|text| stage.send(text).is_ok()), "{state:?}");
        }
        let ends = state.is_told_to_stop();
        if state == Observed {
            let kept = runtime.take_observed(*pid).unwrap();
            assert!(kept.iter().map(bytes).eq(queue.map(str::as_bytes)));
        } else if !ends {
            assert_eq!(stage.hear(queue.len()), queue, "{state:?}");
        }
        stage.supervisor_heard_all();
        let rise = u32::from(!ends && state != Observed);
        assert_eq!(stage.restarts(*pid), (!ends).then_some(before + rise), "{state:?}");
        assert_eq!(stage.restarts(sibling), Some(1), "{state:?}: of its own failure alone");
        assert_eq!(runtime.stats().restarted, u64::from(before + rise + 1), "{state:?}: no other");
        let children = runtime.child_pids(stage.supervisor).unwrap();
        assert_eq!(children, if ends { vec![sibling] } else { vec![*pid, sibling] }, "{state:?}");
        assert_eq!(stage.dropped(), if ends { vec![("ActorExited", 3)] } else { vec![] }, "{state:?}");
        assert_eq!(runtime.stats().queued, 0, "{state:?}");
        assert!(stage.heard.try_recv().is_err(), "{state:?}: it told of more");
    }
}

#[test]
fn a_second_restart_of_all_waits_and_whoever_is_well_goes_on_until_then() {
    let (runtime, hand) = manual_runtime();
    let supervisor = supervisor(&runtime, 2);
    let [(failing, _silent), (well, heard)] = [(); 2].map(|()| {
        let (behaviour, heard) = fragile();
        (runtime.spawn(behaviour, in_place(supervisor)).unwrap(), heard)
    });
    let restarts = || [failing, well].map(|pid| runtime.actor_info(pid).unwrap().restarts);
    runtime.send(failing, b"crash".into()).unwrap();
    eventually("the first, at once", || restarts() == [1, 1]);
    runtime.send(failing, b"crash".into()).unwrap();
    eventually("a pause for each", || runtime.stats().timers == 2);
    runtime.send(well, b"meanwhile".into()).unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"meanwhile");
    // This failure is none more: its restart is on its way.
    runtime.send(well, b"crash".into()).unwrap();
    eventually("the crash", || runtime.stats().crashed == 3);
    let _ = runtime.ask_blocking(supervisor, b"?".into(), Some(DEADLINE));
    runtime.send(well, b"waits".into()).unwrap();
    assert_eq!((restarts(), runtime.mailbox_size(well)), ([1, 1], Some(1)));
    hand.advance(PAUSE);
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), b"waits");
    eventually("the second", || restarts() == [2, 2]);
    assert!(runtime.is_alive(supervisor));
}

/// The policy of a mailbox; where it needs an actor that takes what is too much, this one.
type Policy = fn(Pid) -> Overflow;

const POLICIES: [Policy; 6] = [
    |_| Overflow::DropNewest,
    |_| Overflow::DropOldest,
    |_| Overflow::Block,
    Overflow::Redirect,
    |_| Overflow::Spill(None),
    |target| Overflow::Spill(Some(target)),
];

/// What becomes of `2`, sent to a mailbox with room for one where `1` waits: what its sender hears, what waits then, and how
/// many were dropped for which reason in the end.
type Beyond = (Result<(), Refusal>, &'static [&'static str], &'static [(&'static str, u64)]);

fn beyond(policy: Overflow) -> Beyond {
    match policy {
        Overflow::DropNewest => (Err(Refusal::Full), &["1"], &[("MailboxFull", 1)]),
        Overflow::DropOldest => (Ok(()), &["2"], &[("DroppedOldest", 1)]),
        Overflow::Block => (Err(Refusal::WouldBlock), &["1"], &[]),
        Overflow::Redirect(_) | Overflow::Spill(Some(_)) => (Ok(()), &["1"], &[]),
        Overflow::Spill(None) => (Ok(()), &["1", "2"], &[]),
    }
}

/// What is told of the message in hand, if there is one, and of the child's own failure.
fn told_without_a_restart_of_all(state: State) -> &'static [&'static str] {
    match state {
        Running | Pulling | Stopping | PullStopping => &["hold"],
        Crashing | PullCrashing | Pausing | PullPausing => &["restarted"],
        _ => &[],
    }
}

#[test]
fn a_message_beyond_the_bound_is_the_policys_in_each_state() {
    for policy in POLICIES {
        for state in PUSH.into_iter().chain(PULL) {
            let stage = stage(state, Some(policy), &["1"]);
            overflow(&stage, policy(stage.target), &format!("{state:?}, {:?}", policy(stage.target)));
        }
    }
    let bounded = SpawnOptions { bounds: Some(Bounds::messages(1)), ..plain() };
    let refused = kind(manual_runtime().0.spawn_observed(bounded));
    assert_eq!(refused, ErrorKind::InvalidArgument, "an observed actor has no bounds");
}

fn overflow(stage: &Stage, policy: Overflow, case: &str) {
    let Stage { state, runtime, pid, begun, .. } = stage;
    let (outcome, waiting, dropped): Beyond = match state {
        Idle | Receiving => {
            stage.send("1").unwrap();
            assert_eq!(stage.hear(1), ["1"], "{case}: nothing waits for it");
            (Ok(()), &["2"], &[])
        }
        _ if state.is_told_to_stop() => {
            (Err(Refusal::NoProcess), &["1"], &[("NoProcess", 1), ("ActorExited", 1)])
        }
        _ => beyond(policy),
    };
    assert_eq!(runtime.mailbox_size(*pid), Some(state.has_queue().into()), "{case}: full, where it can be");
    assert_eq!(stage.send("2"), outcome, "{case}");
    let is_redirected = outcome.is_ok() && !waiting.contains(&"2");
    if is_redirected {
        assert_eq!(stage.elsewhere.recv_timeout(DEADLINE).unwrap(), b"2", "{case}");
    }
    if state.has_queue() {
        eventually(case, || runtime.mailbox_size(*pid) == Some(waiting.len()));
    }
    stage.go_on();
    let mut told = told_without_a_restart_of_all(*state).to_vec();
    let handled = if state.is_told_to_stop() { &[] } else { waiting };
    told.extend(handled);
    assert_eq!(stage.hear(told.len()), told, "{case}");
    assert_eq!(stage.dropped(), dropped, "{case}");
    let stats = runtime.stats();
    let sent = begun + 1 + u64::from(outcome != Err(Refusal::WouldBlock));
    let elsewhere = u64::from(is_redirected) + u64::from(!state.has_queue());
    let handled = begun + handled.len() as u64 + elsewhere;
    assert_eq!((stats.sent, stats.handled, stats.queued), (sent, handled, 0), "{case}");
    let dropped: u64 = dropped.iter().map(|(_, count)| count).sum();
    assert_eq!(stats.sent, stats.handled + dropped + stats.queued, "{case}");
    if !state.is_told_to_stop() {
        stage.send("3").unwrap();
        assert_eq!(stage.hear(1), ["3"], "{case}: there is room again");
    }
    assert!(stage.heard.try_recv().is_err() && stage.elsewhere.try_recv().is_err(), "{case}: more is told");
}
