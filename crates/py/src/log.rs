//! Log: carries the lines of a runtime to the logger `iris.mesh`, on a thread that lives while there are any: those who
//! tell them are threads of core, which must not wait for the interpreter.

use std::sync::Arc;
use std::time::{Duration, Instant};

use iris_core::sync::{Condvar, Mutex};
use iris_core::{LogLevel, LogLine, RuntimeLog};
use pyo3::prelude::*;

use crate::interpreter;
use crate::once::{CRASH, intern};

/// How long the thread waits for the next line: one thread for many lines, and none where nothing happens.
const LINGER: Duration = Duration::from_secs(1);

/// What the thread is told.
#[derive(Default)]
struct Bell {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Default)]
struct State {
    rings: bool,
    has_thread: bool,
}

/// Sees to it that the lines of a runtime are read.
pub(crate) fn begin(runtime: &iris_core::Runtime) {
    let (log, bell) = (runtime.log(), Arc::new(Bell::default()));
    let weak = Arc::downgrade(&log);
    log.on_lines(Box::new(move || {
        if let Some(log) = weak.upgrade() {
            ring(&bell, log);
        }
    }));
}

fn ring(bell: &Arc<Bell>, log: Arc<RuntimeLog>) {
    let mut state = bell.state.lock();
    state.rings = true;
    if state.has_thread {
        bell.rung.notify_one();
        return;
    }
    let heard = Arc::clone(bell);
    let thread = std::thread::Builder::new()
        .name("iris-log".to_owned())
        .stack_size(crate::lane::STACK)
        .spawn(move || carry(&heard, &log));
    // Without a thread the lines wait, up to a bound.
    state.has_thread = thread.is_ok();
}

fn carry(bell: &Bell, log: &RuntimeLog) {
    loop {
        let lines = log.take();
        if !lines.is_empty() && !interpreter::is_exiting() {
            interpreter::attach(None, |py| drop(report(py, lines)));
        }
        let deadline = Instant::now() + LINGER;
        let mut state = bell.state.lock();
        while !state.rings {
            if bell.rung.wait_until(&mut state, deadline).timed_out() && !state.rings {
                state.has_thread = false;
                return;
            }
        }
        state.rings = false;
    }
}

fn report(py: Python<'_>, lines: Vec<LogLine>) -> PyResult<()> {
    if interpreter::is_ending() {
        return Ok(());
    }
    let lines: Vec<(u8, String)> = lines.into_iter().map(|line| (level(line.level), line.text)).collect();
    let report = CRASH.get(py)?.getattr(intern!(py, "report_lines"))?;
    interpreter::call(&report, lines.into_pyobject(py)?.as_any())?;
    Ok(())
}

/// The number of a level of `logging`.
fn level(level: LogLevel) -> u8 {
    match level {
        LogLevel::Debug => 10,
        LogLevel::Info => 20,
        LogLevel::Warn => 30,
        LogLevel::Error => 40,
    }
}
