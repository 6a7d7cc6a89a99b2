//! Bare: what the standard channel, and a tokio task with a channel per actor, reach at the same work.

use std::sync::mpsc;
use std::time::Instant;

use tokio::sync::mpsc as tokio_mpsc;

use crate::messages::BODY;
use crate::report::{Must, Scale, figure, millions_per_second};

type Body = [u8; 16];

pub(crate) fn measure(scale: Scale) {
    let million = scale.count(1_000_000);
    figure(scale, "std_channel", "M/s", Must::Compare, || std_channel(million));
    figure(scale, "tokio_one_task", "M/s", Must::Compare, || tokio_one_task(million));
    figure(scale, "tokio_many_tasks", "M/s", Must::Compare, || tokio_many_tasks(scale.count(100_000), 10));
    figure(scale, "tokio_ping_pong", "M round trips/s", Must::Compare, || {
        tokio_ping_pong(scale.count(200_000))
    });
    figure(scale, "tokio_spawn", "M/s", Must::Compare, || tokio_spawn(scale.count(100_000)));
}

fn std_channel(count: usize) -> f64 {
    let (sender, receiver) = mpsc::channel::<Body>();
    let start = Instant::now();
    let consumer = std::thread::spawn(move || receiver.iter().take(count).count());
    for _ in 0..count {
        sender.send(BODY).expect("a receiver");
    }
    assert_eq!(consumer.join().expect("a count"), count);
    millions_per_second(count, start)
}

fn tokio_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a tokio runtime")
}

/// A task that counts what it gets until all its senders are gone.
fn spawn_task(
    runtime: &tokio::runtime::Runtime,
) -> (tokio_mpsc::UnboundedSender<Body>, tokio::task::JoinHandle<usize>) {
    let (sender, mut receiver) = tokio_mpsc::unbounded_channel::<Body>();
    let counting = async move {
        let mut seen = 0;
        while receiver.recv().await.is_some() {
            seen += 1;
        }
        seen
    };
    (sender, runtime.spawn(counting))
}

fn tokio_one_task(count: usize) -> f64 {
    let runtime = tokio_runtime();
    let (sender, task) = spawn_task(&runtime);
    let start = Instant::now();
    for _ in 0..count {
        sender.send(BODY).expect("a receiver");
    }
    drop(sender);
    assert_eq!(runtime.block_on(task).expect("a count"), count);
    millions_per_second(count, start)
}

fn tokio_many_tasks(tasks: usize, each: usize) -> f64 {
    let runtime = tokio_runtime();
    let (senders, tasks_running): (Vec<_>, Vec<_>) = (0..tasks).map(|_| spawn_task(&runtime)).unzip();
    let start = Instant::now();
    for _ in 0..each {
        for sender in &senders {
            sender.send(BODY).expect("a receiver");
        }
    }
    drop(senders);
    let seen: usize = tasks_running.into_iter().map(|task| runtime.block_on(task).expect("a count")).sum();
    assert_eq!(seen, tasks * each);
    millions_per_second(seen, start)
}

fn tokio_ping_pong(round_trips: usize) -> f64 {
    let runtime = tokio_runtime();
    let (to_server, mut server) = tokio_mpsc::unbounded_channel::<Body>();
    let (to_receiver, mut receiver) = tokio_mpsc::unbounded_channel::<Body>();
    let start = Instant::now();
    runtime.spawn(async move {
        while let Some(body) = receiver.recv().await {
            if to_server.send(body).is_err() {
                return;
            }
        }
    });
    let playing = runtime.spawn(async move {
        for _ in 0..round_trips {
            to_receiver.send(BODY).expect("a peer");
            server.recv().await.expect("a return");
        }
    });
    runtime.block_on(playing).expect("a game");
    millions_per_second(round_trips, start)
}

fn tokio_spawn(count: usize) -> f64 {
    let runtime = tokio_runtime();
    let start = Instant::now();
    let tasks: Vec<_> = (0..count).map(|_| spawn_task(&runtime)).collect();
    let rate = millions_per_second(count, start);
    drop(tasks);
    rate
}

/// Resident bytes that so many idle tasks, each with its channel, add.
pub(crate) fn idle_tasks(count: usize, resident_bytes: impl Fn() -> usize) -> usize {
    let runtime = tokio_runtime();
    let mut tasks = Vec::with_capacity(count);
    tasks.push(spawn_task(&runtime));
    let before = resident_bytes();
    tasks.extend((1..count).map(|_| spawn_task(&runtime)));
    runtime.block_on(async { tokio::task::yield_now().await });
    resident_bytes() - before
}
