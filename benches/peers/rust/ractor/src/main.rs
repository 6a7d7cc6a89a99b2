//! Ractor: an actor is a task with its state, told by `cast` and asked by `call`; a supervisor hears of a failure.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use harness::measure::Sample;
use harness::workloads::{Crashing, crash_rounds};
use harness::{BODY, Behaviour, Body, Next, System};
use ractor::concurrency::oneshot;
use ractor::{Actor, ActorProcessingErr, ActorRef, ActorRuntime, RpcReplyPort, SupervisionEvent, call};
use tokio::runtime::{Builder, Runtime};

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

fn runtime() -> &'static Runtime {
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a tokio runtime")
    })
}

enum Letter {
    Tell(Body),
    Ask(Body, RpcReplyPort<Body>),
}

struct Ractor;

/// A behaviour as ractor sees it.
struct Host<B>(B);

impl<B: Behaviour<Ractor>> Actor for Host<B> {
    type Msg = Letter;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Letter>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        me: ActorRef<Letter>,
        letter: Letter,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match letter {
            Letter::Tell(body) => {
                if self.0.handle(|| me.clone(), body) == Next::Stop {
                    me.stop(None);
                }
            }
            Letter::Ask(body, reply) => reply.send(self.0.answer(body))?,
        }
        Ok(())
    }
}

impl System for Ractor {
    type Address<B: Behaviour<Self>> = ActorRef<Letter>;

    fn open() {
        runtime();
    }

    fn spawn<B: Behaviour<Self>>(behaviour: B) -> ActorRef<Letter> {
        let _entered = runtime().enter();
        let (actor, _starting) = ActorRuntime::spawn_instant(None, Host(behaviour), ()).expect("an actor");
        actor
    }

    fn send<B: Behaviour<Self>>(to: &ActorRef<Letter>, message: Body) {
        to.cast(Letter::Tell(message)).expect("a live actor");
    }

    fn send_after<B: Behaviour<Self>>(to: &ActorRef<Letter>, delay: Duration, message: Body) {
        let _entered = runtime().enter();
        to.send_after(delay, move || Letter::Tell(message));
    }

    async fn ask<B: Behaviour<Self>>(to: &ActorRef<Letter>, message: Body) -> Body {
        call!(to, Letter::Ask, message).expect("an answer")
    }

    async fn ask_at_once<B: Behaviour<Self>>(to: &ActorRef<Letter>, count: usize) {
        let mut answers = Vec::with_capacity(count);
        for _ in 0..count {
            // What `call!` does, without its wait.
            let (reply, answer) = oneshot();
            to.cast(Letter::Ask(BODY, reply.into())).expect("a live actor");
            answers.push(answer);
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

/// Where the actor that lives now is found.
type Place = Arc<Mutex<ActorRef<Letter>>>;

/// Spawns a successor for the actor that failed, as the supervisor of ractor's examples does.
struct Supervisor {
    worker: Crashing,
    place: Arc<OnceLock<Place>>,
}

impl Supervisor {
    async fn begin(&self, me: &ActorRef<()>) -> Result<(), ActorProcessingErr> {
        let (worker, _) = Actor::spawn_linked(None, Host(self.worker.clone()), (), me.get_cell()).await?;
        if let Err(place) = self.place.set(Arc::new(Mutex::new(worker.clone()))) {
            drop(place);
            *self.place.get().expect("it is set").lock().expect("no panic under the lock") = worker;
        }
        Ok(())
    }
}

impl Actor for Supervisor {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, me: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        self.begin(&me).await
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<()>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(..) = event {
            self.begin(&me).await?;
        }
        Ok(())
    }
}

fn restarts(rounds: usize) -> Sample {
    let handled = Arc::new(AtomicUsize::new(0));
    let place = Arc::new(OnceLock::new());
    let supervisor = Supervisor { worker: Crashing(Arc::clone(&handled)), place: Arc::clone(&place) };
    let supervisor = runtime().block_on(Actor::spawn(None, supervisor, ())).expect("a supervisor");
    let place = place.get().expect("a worker");
    let now = || place.lock().expect("no panic under the lock").clone();
    let sample = crash_rounds(
        rounds,
        &handled,
        // What is sent to one that ended is refused: it is lost.
        |body| drop(now().cast(Letter::Tell(body))),
        || runtime().block_on(async { call!(now(), Letter::Ask, BODY).is_ok() }),
    );
    drop(supervisor);
    assert!(handled.load(Ordering::Acquire) > 0);
    sample
}

fn main() {
    harness::main::<Ractor>();
}
