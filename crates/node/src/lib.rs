//! The Node binding: actors of `iris-core` whose handlers are JavaScript functions, drained on the JavaScript thread.
//!
//! Read in this order: [`host`] (how other threads reach JavaScript), [`batch`] (how messages get there and what comes
//! back), [`mail`] (pull actors), [`hot`] (what JavaScript calls often), [`native`] (the rest). The JavaScript half is
//! js/*.js; js/frame.js shares its numbers with [`frame`].

#![expect(clippy::needless_pass_by_value, reason = "napi-rs hands arguments over as owned values")]

mod actors;
mod batch;
mod buffers;
mod errors;
mod events;
mod frame;
mod host;
mod hot;
mod inspect;
mod mail;
mod makers;
mod memory;
mod mesh;
mod native;
mod observed;
mod parcels;
mod raw;
mod relations;
mod shelf;
mod slots;
mod state;
mod supervision;

/// Messages are allocated by one thread and freed by another all the time: with mimalloc that costs a fifth of what it
/// costs with glibc's allocator. It serves this library alone, never Node's own memory. Its thread-local parts may be
/// torn down after a worker's environment is gone; that is sound because the library is never unloaded (build.rs), and
/// because version 2 is built (Cargo.toml): tests/node/workers.test.js runs what version 3 crashes on.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
