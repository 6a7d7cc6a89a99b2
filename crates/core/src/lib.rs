//! Actors in one process: very many cheap isolated actors, supervision that heals, code swapped while it runs.
//!
//! The modules stand in reading order, and each uses only what is above it or, between the running parts, beside it:
//! values, pure decisions, shared structures, running, front. Start with [`Runtime`].

#![cfg_attr(
    any(loom, shuttle),
    expect(dead_code, reason = "the models leave out the mesh and what serves it")
)]

#[doc(hidden)]
pub mod sync;

// Values
mod error;
mod exit;
mod payload;
mod pid;
mod quietly;

// Pure decisions
mod backoff;
mod intensity;
mod overflow;
mod strategy;

// Shared structures
mod ask;
pub mod buffers;
mod clock;
mod counters;
mod directory;
mod inbox;
mod log;
mod message;
mod names;
mod paths;
mod pid_map;
mod send;
mod short_slice;
mod sleep;
mod spill;
mod table;
mod timer_id;
mod timer_slab;
mod timers;
mod wheel;

// An actor
mod behaviour;
mod bounded;
mod cell;
mod details;
mod history;
mod list;
mod mailbox;
mod node;
mod remote;

// Running
mod child;
mod context;
mod depth;
mod ending;
mod lane;
mod lanes;
mod letters;
mod options;
mod peers;
mod pull;
mod ready;
mod route;
mod shared;
mod stepper;
mod supervisor;
mod supervisors;
mod timing;
mod turn;
mod watch;
mod workers;

// Front
mod actor_ref;
mod asking;
mod future;
mod inspect;
mod observed;
mod relations;
mod runtime;
mod shutdown;
mod spawn;
mod swap;
mod thread;

// Mesh
#[cfg(not(any(loom, shuttle)))]
mod mesh;

pub use actor_ref::ActorRef;
pub use ask::Completion;
pub use asking::{AskHandle, AskOptions};
pub use backoff::Backoff;
pub use behaviour::{Behaviour, Flow};
pub use child::{Factory, StartDone};
pub use clock::{Clock, ManualClock};
pub use context::{Context, Entered, Suspension, callers, current, enter, is_within, leave, on_behalf_of};
pub use counters::Dropped;
pub use details::{ExitHook, Waiter};
pub use error::{Error, ErrorKind, Result};
pub use exit::{ExitReason, Failure};
pub use future::{Ask, Own};
pub use history::HISTORY_MAX;
pub use inspect::{ActorInfo, RuntimeInfo};
pub use lane::{Drained, HostedLane, LANES_MAX, LaneHost, LaneId};
pub use log::{LogLevel, LogLine, RuntimeLog};
#[cfg(not(any(loom, shuttle)))]
pub use mesh::{Allow, Certificates, MeshCompletion, MeshInfo, MeshOptions, NODES_MAX, dev_certs};
pub use message::{Incoming, Message, NodeNotice, Reply, SystemKind, SystemMessage};
pub use options::{
    BUDGET_DEFAULT, Bounds, ChildSpec, RuntimeOptions, SpawnOptions, SupervisorOptions, WORKERS_MAX,
};
pub use overflow::Overflow;
pub use payload::{HostBytes, INLINE_MAX, Payload, PayloadView, SHORT_MAX};
pub use pid::{PID_MAX, Pid};
pub use pull::{Finish, PullMailbox, Received};
pub use runtime::Runtime;
pub use send::{Refusal, SendError};
pub use shutdown::ShutdownReport;
pub use strategy::{Restart, Strategy};
pub use supervisors::OnGiveUp;

pub use table::ACTORS_MAX;
pub use thread::{AsyncMailbox, Mailbox};
pub use timing::DELAY_MS_MAX;
pub use turn::{Delivery, Turn};

/// The product's version.
#[must_use]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
