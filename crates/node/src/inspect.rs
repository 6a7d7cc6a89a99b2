//! Inspection: what a runtime and its actors do, and how a shutdown went.

use iris_core::{ActorInfo, LogLevel, LogLine, ShutdownReport};
use napi_derive::napi;

use crate::native::Native;
use crate::raw;

/// A count by reason.
#[napi(object, object_from_js = false)]
pub struct Count {
    /// The reason's name.
    pub reason: String,
    /// How many.
    pub count: f64,
}

/// A line of the runtime's log.
#[napi(object, object_from_js = false)]
pub struct Line {
    /// The method of a logger for it.
    pub level: &'static str,
    /// What happened.
    pub text: String,
}

impl From<LogLine> for Line {
    fn from(line: LogLine) -> Self {
        let level = match line.level {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        };
        Self { level, text: line.text }
    }
}

/// A look at a whole runtime, see [`iris_core::RuntimeInfo`].
#[napi(object, object_from_js = false)]
pub struct Stats {
    /// Live actors.
    pub actors: f64,
    /// Actors spawned so far.
    pub spawned: f64,
    /// Actors that ended so far.
    pub exited: f64,
    /// Failures so far.
    pub crashed: f64,
    /// Restarts so far.
    pub restarted: f64,
    /// Messages sent so far.
    pub sent: f64,
    /// Messages handled so far.
    pub handled: f64,
    /// Messages that wait.
    pub queued: f64,
    /// Messages that were not delivered.
    pub dropped: Vec<Count>,
    /// Timers pending.
    pub timers: f64,
    /// Names registered.
    pub names: f64,
    /// Paths registered.
    pub paths: f64,
}

/// A look at one actor, see [`iris_core::ActorInfo`].
#[napi(object, object_from_js = false)]
pub struct Info {
    /// Its pid.
    pub pid: f64,
    /// Its kind.
    pub kind: String,
    /// What it does now.
    pub state: String,
    /// Messages that wait.
    pub mailbox_size: f64,
    /// Messages a turn.
    pub budget: u32,
    /// The version of its code.
    pub version: u32,
    /// Restarts in place so far.
    pub restarts: u32,
    /// Its names.
    pub names: Vec<String>,
    /// Its paths.
    pub paths: Vec<String>,
    /// Whom it is linked to.
    pub links: Vec<f64>,
    /// Who monitors it.
    pub monitored_by: Vec<f64>,
    /// The actor it ends with.
    pub parent: Option<f64>,
    /// The actors that end with it.
    pub children: Vec<f64>,
    /// Its supervisor.
    pub supervisor: Option<f64>,
}

/// How a shutdown went.
#[napi(object, object_from_js = false)]
pub struct Report {
    /// Actors that finished.
    pub finished: f64,
    /// Actors that were killed with messages left.
    pub killed: f64,
    /// Actors that did not end.
    pub unfinished: Vec<f64>,
}

#[napi]
impl Native {
    /// Live actors.
    #[napi]
    pub fn live_actors(&self) -> f64 {
        count(self.state.runtime.live_actors())
    }

    /// A look at the whole runtime.
    #[napi]
    pub fn stats(&self) -> Stats {
        let info = self.state.runtime.stats();
        Stats {
            actors: count(info.actors),
            spawned: raw::id_number(info.spawned),
            exited: raw::id_number(info.exited),
            crashed: raw::id_number(info.crashed),
            restarted: raw::id_number(info.restarted),
            sent: raw::id_number(info.sent),
            handled: raw::id_number(info.handled),
            queued: raw::id_number(info.queued),
            dropped: counts(info.dropped),
            timers: count(info.timers),
            names: count(info.names),
            paths: count(info.paths),
        }
    }

    /// Dead letters by reason.
    #[napi]
    pub fn dead_letters(&self) -> Vec<Count> {
        counts(self.state.runtime.dead_letters())
    }

    /// A look at one actor.
    #[napi]
    pub fn actor_info(&self, pid: f64) -> Option<Info> {
        raw::pid_of(pid).and_then(|pid| self.state.runtime.actor_info(pid)).map(Info::from)
    }

    /// A look at all actors.
    #[napi]
    pub fn tree(&self) -> Vec<Info> {
        self.state.runtime.tree().into_iter().map(Info::from).collect()
    }

    /// The text with this number that is to be logged.
    #[napi]
    pub fn take_text(&self, text: u32) -> String {
        self.state.texts.borrow_mut().take(text).unwrap_or_default()
    }

    /// The lines that wait to be logged.
    #[napi]
    pub fn take_log(&self) -> Vec<Line> {
        self.state.runtime.log().take().into_iter().map(Line::from).collect()
    }

    /// How the shutdown with this number went.
    #[napi]
    pub fn take_report(&self, report: u32) -> Report {
        let report = self.state.reports.borrow_mut().take(report).unwrap_or_default();
        Report::from(report)
    }
}

impl From<ActorInfo> for Info {
    fn from(info: ActorInfo) -> Self {
        Self {
            pid: raw::number_of(info.pid),
            kind: info.kind.to_owned(),
            state: info.state.to_owned(),
            mailbox_size: count(info.mailbox_size),
            budget: info.budget,
            version: info.version,
            restarts: info.restarts,
            names: info.names,
            paths: info.paths,
            links: numbers(info.links),
            monitored_by: numbers(info.monitored_by),
            parent: info.parent.map(raw::number_of),
            children: numbers(info.children),
            supervisor: info.supervisor.map(raw::number_of),
        }
    }
}

impl From<ShutdownReport> for Report {
    fn from(report: ShutdownReport) -> Self {
        Self {
            finished: count(report.finished),
            killed: count(report.killed),
            unfinished: numbers(report.unfinished),
        }
    }
}

fn numbers(pids: Vec<iris_core::Pid>) -> Vec<f64> {
    pids.into_iter().map(raw::number_of).collect()
}

fn counts(counts: Vec<(&'static str, u64)>) -> Vec<Count> {
    let named =
        |(reason, count): (&str, u64)| Count { reason: reason.to_owned(), count: raw::id_number(count) };
    counts.into_iter().map(named).collect()
}

fn count(count: usize) -> f64 {
    raw::id_number(count as u64)
}
