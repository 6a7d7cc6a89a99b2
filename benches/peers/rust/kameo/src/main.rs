//! Kameo: an actor is a task, here with an unbounded mailbox; told by `tell`, asked by `ask`, supervised by `supervise`.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use harness::measure::Sample;
use harness::workloads::{Crashing, crash_rounds};
use harness::{BODY, Behaviour, Body, Next, System};
use kameo::actor::{Actor, ActorRef, Spawn};
use kameo::mailbox;
use kameo::message::{Context, Message};
use tokio::runtime::{Builder, Runtime};

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

fn runtime() -> &'static Runtime {
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a tokio runtime")
    })
}

struct Kameo;

/// A behaviour as kameo sees it.
struct Host<B>(B);

struct Tell(Body);
struct Ask(Body);

impl<B: Behaviour<Kameo>> Actor for Host<B> {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(host: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(host)
    }
}

impl<B: Behaviour<Kameo>> Message<Tell> for Host<B> {
    type Reply = ();

    async fn handle(&mut self, Tell(body): Tell, context: &mut Context<Self, ()>) {
        if self.0.handle(|| context.actor_ref().clone(), body) == Next::Stop {
            context.stop();
        }
    }
}

impl<B: Behaviour<Kameo>> Message<Ask> for Host<B> {
    type Reply = Body;

    async fn handle(&mut self, Ask(body): Ask, _: &mut Context<Self, Body>) -> Body {
        self.0.answer(body)
    }
}

impl System for Kameo {
    type Address<B: Behaviour<Self>> = ActorRef<Host<B>>;

    fn open() {
        runtime();
    }

    fn spawn<B: Behaviour<Self>>(behaviour: B) -> ActorRef<Host<B>> {
        let _entered = runtime().enter();
        Host::spawn_with_mailbox(Host(behaviour), mailbox::unbounded())
    }

    fn send<B: Behaviour<Self>>(to: &ActorRef<Host<B>>, message: Body) {
        to.tell(Tell(message)).try_send().expect("a live actor");
    }

    fn send_after<B: Behaviour<Self>>(to: &ActorRef<Host<B>>, delay: Duration, message: Body) {
        let _entered = runtime().enter();
        to.tell(Tell(message)).send_after(delay);
    }

    async fn ask<B: Behaviour<Self>>(to: &ActorRef<Host<B>>, message: Body) -> Body {
        to.ask(Ask(message)).await.expect("an answer")
    }

    async fn ask_at_once<B: Behaviour<Self>>(to: &ActorRef<Host<B>>, count: usize) {
        let mut answers = Vec::with_capacity(count);
        for _ in 0..count {
            answers.push(to.ask(Ask(BODY)).enqueue().await.expect("a live actor"));
        }
        for answer in answers {
            answer.await.expect("an answer");
        }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        runtime().block_on(future)
    }

    const RESTARTS: Option<fn(usize) -> Sample> = Some(restarts);
}

struct Supervisor;

impl Actor for Supervisor {
    type Args = ();
    type Error = Infallible;

    async fn on_start((): (), _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

fn restarts(rounds: usize) -> Sample {
    let handled = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&handled);
    let worker = runtime().block_on(async {
        let supervisor = Supervisor::spawn(());
        let worker = Host::supervise_with(&supervisor, move || Host(Crashing(Arc::clone(&seen))))
            .restart_limit(u32::MAX, Duration::from_secs(1))
            .spawn_with_mailbox(mailbox::unbounded())
            .await;
        // The supervisor lives as long as the process.
        std::mem::forget(supervisor);
        worker
    });
    crash_rounds(
        rounds,
        &handled,
        |body| drop(worker.tell(Tell(body)).try_send()),
        || runtime().block_on(async { worker.ask(Ask(BODY)).await.is_ok() }),
    )
}

fn main() {
    harness::main::<Kameo>();
}
