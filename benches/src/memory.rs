//! Memory: how fast idle actors are made, and what each costs, in a fresh process per sample.

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use iris_core::{Behaviour, Context, Flow, Message, Payload, Pid, Runtime, SpawnOptions};

use crate::messages::BODY;
use crate::report::{Must, Scale, figure, float, millions_per_second};
use crate::wait::Latch;

/// Marks a process that takes one sample and prints it.
pub(crate) const CHILD_FLAG: &str = "--memory-of";

pub(crate) fn measure(scale: Scale) {
    let count = scale.count(1_000_000);
    figure(scale, "spawn", "M/s", Must::Floor(8.0), || spawn(count));
    figure(scale, "idle_actor", "bytes", Must::Ceiling(128.0), || in_child("fresh", count));
    figure(scale, "idle_actor_after_message", "bytes", Must::Compare, || in_child("used", count));
    figure(scale, "tokio_idle_task", "bytes", Must::Compare, || in_child("tokio", count / 10));
}

fn idle() -> Arc<dyn Behaviour> {
    Arc::new(|_: &Context<'_>, _: Message| Flow::Continue)
}

fn spawn(count: usize) -> f64 {
    let (runtime, behaviour) = (Runtime::new().expect("a runtime"), idle());
    let start = Instant::now();
    for _ in 0..count {
        runtime.spawn_shared(Arc::clone(&behaviour), SpawnOptions::default()).expect("an actor");
    }
    millions_per_second(count, start)
}

fn in_child(figure: &str, count: usize) -> f64 {
    let program = std::env::current_exe().expect("this program's path");
    let output =
        Command::new(program).args([CHILD_FLAG, figure, &count.to_string()]).output().expect("a process");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

/// Takes one sample in this process and prints it.
#[expect(clippy::print_stdout, reason = "standard output is how the child answers")]
pub(crate) fn child(figure: &str, count: usize) {
    let bytes = match figure {
        "fresh" => fresh(count),
        "used" => used(count),
        "tokio" => crate::bare::idle_tasks(count, resident_bytes),
        other => panic!("no figure is called {other}"),
    };
    println!("{}", float(bytes) / float(count));
}

fn fresh(count: usize) -> usize {
    let (runtime, behaviour) = (Runtime::new().expect("a runtime"), idle());
    // The workers are there before the count begins.
    runtime.spawn_shared(Arc::clone(&behaviour), SpawnOptions::default()).expect("an actor");
    let before = resident_bytes();
    for _ in 0..count {
        runtime.spawn_shared(Arc::clone(&behaviour), SpawnOptions::default()).expect("an actor");
    }
    resident_bytes() - before
}

/// As [`fresh`], after every actor handled one message.
fn used(count: usize) -> usize {
    let runtime = Runtime::new().expect("a runtime");
    let mut pids: Vec<Pid> = Vec::with_capacity(count);
    let handled = Arc::new(Latch::new(count));
    let seen = Arc::clone(&handled);
    let behaviour: Arc<dyn Behaviour> = Arc::new(move |_: &Context<'_>, _: Message| {
        seen.count_down();
        Flow::Continue
    });
    pids.push(runtime.spawn_shared(Arc::clone(&behaviour), SpawnOptions::default()).expect("an actor"));
    let before = resident_bytes();
    for _ in 1..count {
        pids.push(runtime.spawn_shared(Arc::clone(&behaviour), SpawnOptions::default()).expect("an actor"));
    }
    for pid in &pids {
        runtime.send(*pid, Payload::copy_from(&BODY)).expect("a live actor");
    }
    handled.wait();
    resident_bytes() - before - size_of::<Pid>() * count
}

/// This process's resident memory.
fn resident_bytes() -> usize {
    const PAGE: usize = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux's /proc");
    let pages: usize =
        statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a count of pages");
    pages * PAGE
}
