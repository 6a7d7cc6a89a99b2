//! Harness: what every system of actors in Rust offers to be measured, and the program around the workloads.
//!
//! A system implements [`System`] in its own words; `workloads` is then the same code for all of them, compiled for each.
//! The product's own program includes these files, since it belongs to another cargo workspace.

pub mod measure;
pub mod workloads;

use std::future::Future;
use std::time::Duration;

use self::measure::Sample;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A message: sixteen bytes, as everywhere in these benches.
pub type Body = [u8; 16];

/// The message where its content does not matter.
pub const BODY: Body = *b"0123456789abcdef";

/// What becomes of an actor after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It goes on.
    Continue,
    /// It ends.
    Stop,
}

/// What an actor of a workload does. State lies in relaxed atomics, which cost what plain fields cost.
pub trait Behaviour<S: System>: Send + Sync + Unpin + Sized + 'static {
    /// Handles a message. `me` makes the actor's own address.
    fn handle(&self, me: impl FnOnce() -> S::Address<Self>, message: Body) -> Next;

    /// Answers an ask.
    fn answer(&self, message: Body) -> Body {
        message
    }
}

/// A system of actors. Each process measures one workload once, so a system is opened once and has no value.
pub trait System: Sized + 'static {
    /// Where messages to an actor go.
    type Address<B: Behaviour<Self>>: Clone + Send + Sync + Unpin + 'static;

    /// Starts it with two threads that run actors.
    fn open();

    /// Begins an actor, from outside or from within a handler.
    fn spawn<B: Behaviour<Self>>(behaviour: B) -> Self::Address<B>;

    /// Begins many actors that do the same.
    fn spawn_all<B: Behaviour<Self> + Clone>(behaviour: &B, count: usize) -> Vec<Self::Address<B>> {
        (0..count).map(|_| Self::spawn(behaviour.clone())).collect()
    }

    /// Sends a message, from outside or from within a handler, without waiting.
    fn send<B: Behaviour<Self>>(to: &Self::Address<B>, message: Body);

    /// Sends a message later.
    fn send_after<B: Behaviour<Self>>(to: &Self::Address<B>, delay: Duration, message: Body);

    /// Asks, and waits for the answer.
    fn ask<B: Behaviour<Self>>(to: &Self::Address<B>, message: Body) -> impl Future<Output = Body>;

    /// Sends so many asks before it waits for the first answer.
    fn ask_at_once<B: Behaviour<Self>>(to: &Self::Address<B>, count: usize) -> impl Future<Output = ()>;

    /// Runs a future on the measuring thread, which runs no actor.
    fn block_on<F: Future>(future: F) -> F::Output;

    /// One ask from the measuring thread, in the way this system recommends for threads.
    fn ask_blocking<B: Behaviour<Self>>(to: &Self::Address<B>, message: Body) -> Body {
        Self::block_on(Self::ask(to, message))
    }

    /// Workload W11, where the system can swap an actor's code.
    const HOT_SWAPS: Option<fn(usize) -> Sample> = None;

    /// Workload W13, where the system can restart an actor.
    const RESTARTS: Option<fn(usize) -> Sample> = None;
}

/// Measures the workload and the count of the command line, and prints the sample as one line of JSON.
///
/// # Panics
/// Where the command line names no workload of this system, or a message was lost.
pub fn main<S: System>() {
    // A crash on purpose is W13's work, and tells nothing.
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !measure::is_on_purpose(panic) {
            told(panic);
        }
    }));
    let mut arguments = std::env::args().skip(1);
    let workload = arguments.next().expect("a workload, such as W3");
    let count = arguments.next().and_then(|count| count.parse().ok()).expect("a count");
    S::open();
    measure::print(&workloads::measure::<S>(&workload, count));
    // Ending a million actors is not measured here.
    std::process::exit(0);
}
