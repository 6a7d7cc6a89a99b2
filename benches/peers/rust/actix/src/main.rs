//! Actix: actors live on arbiters, one thread each. One actor, and what belongs together, lives on the first of two; many that
//! are spawned at once live on both in turn; what an actor spawns stays with it.

use std::future::Future;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix::prelude::*;
use harness::measure::Sample;
use harness::workloads::{CRASH, crash_rounds};
use harness::{BODY, Behaviour, Body, Next, System as Measured};
use tokio::runtime::{Builder, Runtime};

static ARBITERS: OnceLock<[ArbiterHandle; 2]> = OnceLock::new();
static ASKING: OnceLock<Runtime> = OnceLock::new();

struct Actix;

/// A behaviour as actix sees it.
struct Host<B>(B);

#[derive(Message)]
#[rtype(result = "()")]
struct Tell(Body);

#[derive(Message)]
#[rtype(result = "Body")]
struct Ask(Body);

#[derive(Message)]
#[rtype(result = "()")]
struct Later(Duration, Body);

impl<B: Behaviour<Actix>> Actor for Host<B> {
    type Context = Context<Self>;
}

impl<B: Behaviour<Actix>> Handler<Tell> for Host<B> {
    type Result = ();

    fn handle(&mut self, Tell(body): Tell, context: &mut Context<Self>) {
        if self.0.handle(|| context.address(), body) == Next::Stop {
            context.stop();
        }
    }
}

impl<B: Behaviour<Actix>> Handler<Ask> for Host<B> {
    type Result = MessageResult<Ask>;

    fn handle(&mut self, Ask(body): Ask, _: &mut Context<Self>) -> MessageResult<Ask> {
        MessageResult(self.0.answer(body))
    }
}

impl<B: Behaviour<Actix>> Handler<Later> for Host<B> {
    type Result = ();

    fn handle(&mut self, Later(delay, body): Later, context: &mut Context<Self>) {
        context.notify_later(Tell(body), delay);
    }
}

fn arbiters() -> &'static [ArbiterHandle; 2] {
    ARBITERS.get().expect("it is open")
}

impl Measured for Actix {
    type Address<B: Behaviour<Self>> = Addr<Host<B>>;

    fn open() {
        // Arbiters belong to a system, which a thread of its own keeps.
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let system = System::new();
            let begun = system.block_on(async { [Arbiter::new().handle(), Arbiter::new().handle()] });
            sender.send(begun).expect("the main thread waits");
            system.run().expect("a system");
        });
        let arbiters = receiver.recv().expect("two arbiters");
        assert!(ARBITERS.set(arbiters).is_ok(), "a system is opened once");
        let asking = Builder::new_current_thread().build().expect("a tokio runtime");
        assert!(ASKING.set(asking).is_ok(), "a system is opened once");
    }

    fn spawn<B: Behaviour<Self>>(behaviour: B) -> Addr<Host<B>> {
        if Arbiter::try_current().is_some() {
            return Host(behaviour).start();
        }
        Host::start_in_arbiter(&arbiters()[0], move |_| Host(behaviour))
    }

    fn spawn_all<B: Behaviour<Self> + Clone>(behaviour: &B, count: usize) -> Vec<Addr<Host<B>>> {
        let begin = |place: usize| {
            let host = Host(behaviour.clone());
            Host::start_in_arbiter(&arbiters()[place % 2], move |_| host)
        };
        (0..count).map(begin).collect()
    }

    fn send<B: Behaviour<Self>>(to: &Addr<Host<B>>, message: Body) {
        to.do_send(Tell(message));
    }

    fn send_after<B: Behaviour<Self>>(to: &Addr<Host<B>>, delay: Duration, message: Body) {
        to.do_send(Later(delay, message));
    }

    async fn ask<B: Behaviour<Self>>(to: &Addr<Host<B>>, message: Body) -> Body {
        to.send(Ask(message)).await.expect("an answer")
    }

    async fn ask_at_once<B: Behaviour<Self>>(to: &Addr<Host<B>>, count: usize) {
        let answers: Vec<_> = (0..count).map(|_| to.send(Ask(BODY))).collect();
        for answer in answers {
            answer.await.expect("an answer");
        }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        ASKING.get().expect("it is open").block_on(future)
    }

    const RESTARTS: Option<fn(usize) -> Sample> = Some(restarts);
}

/// Ends where it is told to crash: a panic would end its arbiter, so this is what a failure is to a supervisor of actix.
struct Ending(Arc<AtomicUsize>);

impl Actor for Ending {
    type Context = Context<Self>;
}

impl Supervised for Ending {}

impl Handler<Tell> for Ending {
    type Result = ();

    fn handle(&mut self, Tell(body): Tell, context: &mut Context<Self>) {
        if body == CRASH {
            context.stop();
        } else {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Handler<Ask> for Ending {
    type Result = MessageResult<Ask>;

    fn handle(&mut self, Ask(body): Ask, _: &mut Context<Self>) -> MessageResult<Ask> {
        MessageResult(body)
    }
}

fn restarts(rounds: usize) -> Sample {
    let handled = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&handled);
    let worker = Supervisor::start_in_arbiter(&arbiters()[0], move |_| Ending(seen));
    crash_rounds(
        rounds,
        &handled,
        |body| worker.do_send(Tell(body)),
        || Actix::block_on(worker.send(Ask(BODY))).is_ok(),
    )
}

fn main() {
    harness::main::<Actix>();
}
