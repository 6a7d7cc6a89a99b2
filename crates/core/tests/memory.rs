//! Memory: what was used is given back. Rounds of everything that comes and goes, and the resident memory between them.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::trivially_copy_pass_by_ref, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use common::{DEADLINE, counter, eventually, fragile, plain, runtime, scaled, spawn};
use iris_core::{Backoff, Bounds, ChildSpec, Overflow, Restart, Runtime, SpawnOptions, SupervisorOptions};

// In `make deep` each round is 10^7 messages, 10^6 more of those that wait or spill, 10^6 actors, 10^5 swaps, crashes and timers,
// and 10^3 runtimes: what of a swap stayed would be seen from three bytes on.

/// Rounds before the first look, in which allocators and tables find their size.
const WARM_UP: usize = 3;
/// Messages that are on their way at a time.
const BATCH: usize = 50_000;
/// Rounds that are looked at.
const ROUNDS: usize = 6;
/// Strangers in a round: 10,000 in all.
const STRANGERS: usize = 1_112;
/// Most that the resident memory may rise by from round to round: nine times the steepest that was seen.
const SLOPE_MAX: i64 = 256 * 1024;

/// Resident memory in bytes, without what the allocator merely keeps.
fn resident() -> i64 {
    // SAFETY: both may be called at any time. The first has the allocator keep nothing at the end of an arena, where it would
    // keep twice the size of the largest piece ever freed; the second gives free memory back to the system.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, 0);
        libc::malloc_trim(0);
    }
    // The end of this thread's own arena goes back when a large piece is freed.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(100_000)));
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: i64 = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// The slope of the least squares' line through the rounds.
fn slope(seen: &[i64]) -> i64 {
    // Twice the distance from the middle round: the distances' sum is 0.
    let distances = (1 - seen.len().cast_signed() as i64..).step_by(2);
    let (above, below) = seen.iter().zip(distances).fold((0, 0), |(above, below), (seen, distance)| {
        (above + distance * seen, below + distance * distance)
    });
    2 * above / below
}

fn stays(what: &str, mut round: impl FnMut()) {
    for _ in 0..WARM_UP {
        round();
    }
    let seen: Vec<i64> = (0..ROUNDS)
        .map(|_| {
            round();
            resident()
        })
        .collect();
    let slope = slope(&seen);
    assert!(slope < SLOPE_MAX, "{what}: the memory rises by {slope} bytes a round: {seen:?}");
}

fn messages(runtime: &Runtime, options: SpawnOptions, batches: usize) {
    let (behaviour, handled) = counter();
    let pid = runtime.spawn(behaviour, options).unwrap();
    for sent in 1..=batches {
        for number in 0..BATCH {
            // Some lie in the message itself, some beside it.
            runtime.send(pid, vec![7; if number % 10 == 0 { 100 } else { 8 }].into()).unwrap();
        }
        handled.wait_for(sent * BATCH);
    }
    assert!(runtime.stop(pid) && runtime.join(pid, Some(DEADLINE)));
}

fn actors(runtime: &Runtime) {
    let (batch, batches) = (1_000, scaled(5, 1_000));
    for _ in 0..batches {
        let pids: Vec<_> = (0..batch).map(|_| spawn(runtime)).collect();
        for pid in &pids {
            runtime.register(&format!("name of {pid}"), *pid).unwrap();
            runtime.monitor(*pid, pids[0]).unwrap();
        }
        assert!(pids.iter().all(|pid| runtime.stop(*pid)));
    }
    eventually("all have ended", || runtime.live_actors() == 0);
}

fn swaps(runtime: &Runtime) {
    let pid = spawn(runtime);
    for _ in 0..scaled(5_000, 100_000) {
        runtime.hot_swap(pid, Arc::new(counter().0)).unwrap();
    }
    assert!(runtime.stop(pid) && runtime.join(pid, Some(DEADLINE)));
}

fn crashes(runtime: &Runtime) {
    let backoff = Backoff::new(Duration::ZERO, Duration::ZERO).unwrap();
    let options = SupervisorOptions { intensity: u32::MAX, backoff, ..SupervisorOptions::default() };
    let supervisor = runtime.spawn_supervisor(options).unwrap();
    let spec = Some(ChildSpec { supervisor, restart: Restart::Permanent });
    let pid = runtime.spawn(fragile().0, SpawnOptions { supervisor: spec, ..plain() }).unwrap();
    let before = runtime.stats().restarted;
    let count = scaled(2_000, 100_000);
    for _ in 0..count {
        runtime.send(pid, b"crash".into()).unwrap();
    }
    eventually("all restarts", || runtime.stats().restarted == before + count as u64);
    assert!(runtime.stop(supervisor) && runtime.join(supervisor, Some(DEADLINE)));
}

fn timers(runtime: &Runtime) {
    let pid = spawn(runtime);
    let set: Vec<u64> = (0..scaled(10_000, 100_000) as u64)
        .map(|delay| runtime.send_after(pid, 60_000 + delay, b"x".into()).unwrap())
        .collect();
    assert!(set.iter().step_by(2).all(|timer| runtime.cancel_timer(*timer)));
    assert!(runtime.stop(pid) && runtime.join(pid, Some(DEADLINE)));
    eventually("no timer is left", || runtime.stats().timers == 0);
}

fn runtimes() {
    for _ in 0..scaled(20, 1_000) {
        let runtime = runtime();
        let (behaviour, handled) = counter();
        let pid = runtime.spawn(behaviour, plain()).unwrap();
        runtime.send(pid, b"x".into()).unwrap();
        runtime.send_interval(pid, 60_000, b"x".into()).unwrap();
        handled.wait_for(1);
        assert!(runtime.shutdown(DEADLINE).unfinished.is_empty());
    }
}

/// Greets as a node of this name, or as what is none, and goes on with what is no frame.
fn malformed(address: SocketAddr, number: usize) {
    let name = format!("peer-{number}");
    let mut fields = vec![1, 1, 0, 2, 2, 2, 2, 0, u8::try_from(name.len()).unwrap()];
    fields.extend_from_slice(name.as_bytes());
    fields.extend_from_slice(&[4, 0, 4, 0, 16, 0, 0, 5, 0, 4, 0, 1, 0, 0, 6, 0, 4, 0, 0, 0x75, 0x30]);
    let mut said = b"\x89IRIS\r\n\x02".to_vec();
    said.extend_from_slice(&u32::try_from(fields.len()).unwrap().to_be_bytes());
    said.extend_from_slice(&fields);
    said.extend_from_slice(&[0, 0, 0, 1, 2]);
    let wrong: &[u8] = match number % 4 {
        0 => &[0xff, 0xff, 0xff, 0xff, 0x10],
        1 => &[0, 0, 0, 10, 0x33, 0, 0, 0, 0, 0, 0, 0, 1, 9],
        2 => &[0, 0, 0, 1, 0x01],
        _ => &[0xff; 4096],
    };
    if number % 4 == 3 {
        said.truncate(said.len() / 2);
    }
    said.extend_from_slice(wrong);
    let mut stranger = TcpStream::connect(address).unwrap();
    stranger.set_read_timeout(Some(DEADLINE)).unwrap();
    let _ = stranger.write_all(&said);
    // Until the node closes.
    while stranger.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {}
}

fn strangers(runtime: &Runtime, address: SocketAddr, first: usize) {
    for number in first..first + STRANGERS {
        malformed(address, number);
    }
    eventually("they are gone", || runtime.mesh_info().unwrap().nodes.is_empty());
}

/// One test: what runs beside would be measured, too.
#[test]
fn memory_returns() {
    let runtime = runtime();
    let bounded = |overflow| SpawnOptions { bounds: Some(Bounds::messages(100)), overflow, ..plain() };
    stays("messages", || messages(&runtime, plain(), scaled(1, 200)));
    stays("messages that wait for room", || messages(&runtime, bounded(Overflow::Block), scaled(1, 20)));
    stays("messages that spill", || messages(&runtime, bounded(Overflow::Spill(None)), scaled(1, 20)));
    stays("actors", || actors(&runtime));
    stays("swaps", || swaps(&runtime));
    stays("crashes", || crashes(&runtime));
    stays("timers", || timers(&runtime));
    stays("runtimes", runtimes);
    let address = runtime.listen(common::nodes::HERE, None).unwrap();
    let mut met = 0;
    stays("strangers that send malformed frames", || {
        strangers(&runtime, address, met);
        met += STRANGERS;
    });
    // The others were nodes until they sent what is no frame.
    let refused = met as u64 / 4;
    eventually("each fourth is refused", || runtime.mesh_info().unwrap().refused == refused);
}
