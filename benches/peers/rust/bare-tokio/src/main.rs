//! Bare tokio: one task and one unbounded channel for each actor, with nothing around them.

use std::future::Future;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use harness::measure::{Latch, Sample, rate};
use harness::{BODY, Behaviour, Body, Next, System};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

fn runtime() -> &'static Runtime {
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a tokio runtime")
    })
}

enum Letter {
    Tell(Body),
    Ask(Body, oneshot::Sender<Body>),
}

struct Tokio;

impl System for Tokio {
    type Address<B: Behaviour<Self>> = UnboundedSender<Letter>;

    fn open() {
        runtime();
    }

    fn spawn<B: Behaviour<Self>>(behaviour: B) -> UnboundedSender<Letter> {
        let (sender, mut receiver) = unbounded_channel();
        // An actor knows its own address, as those of every peer do.
        let me = sender.clone();
        runtime().spawn(async move {
            while let Some(letter) = receiver.recv().await {
                match letter {
                    Letter::Tell(body) => {
                        if behaviour.handle(|| me.clone(), body) == Next::Stop {
                            return;
                        }
                    }
                    Letter::Ask(body, reply) => {
                        let _ = reply.send(behaviour.answer(body));
                    }
                }
            }
        });
        sender
    }

    fn send<B: Behaviour<Self>>(to: &UnboundedSender<Letter>, message: Body) {
        // An actor that ended takes no messages, which no workload sends it.
        to.send(Letter::Tell(message)).ok().expect("a live actor");
    }

    fn send_after<B: Behaviour<Self>>(to: &UnboundedSender<Letter>, delay: Duration, message: Body) {
        let to = to.clone();
        runtime().spawn(async move {
            tokio::time::sleep(delay).await;
            Self::send::<B>(&to, message);
        });
    }

    async fn ask<B: Behaviour<Self>>(to: &UnboundedSender<Letter>, message: Body) -> Body {
        let (reply, answer) = oneshot::channel();
        to.send(Letter::Ask(message, reply)).ok().expect("a live actor");
        answer.await.expect("an answer")
    }

    async fn ask_at_once<B: Behaviour<Self>>(to: &UnboundedSender<Letter>, count: usize) {
        let mut answers = Vec::with_capacity(count);
        for _ in 0..count {
            let (reply, answer) = oneshot::channel();
            to.send(Letter::Ask(BODY, reply)).ok().expect("a live actor");
            answers.push(answer);
        }
        for answer in answers {
            answer.await.expect("an answer");
        }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        runtime().block_on(future)
    }

    const HOT_SWAPS: Option<fn(usize) -> Sample> = Some(hot_swaps);
}

type Handler = Box<dyn Fn(Body) + Send>;

enum Swapping {
    Tell(Body),
    Swap(Handler),
}

/// The least that a swap can be: the new handler comes as a message.
fn hot_swaps(swaps: usize) -> Sample {
    let (sender, mut receiver) = unbounded_channel();
    let handled = Arc::new(Latch::new(swaps * 10));
    let newest = Arc::new(AtomicUsize::new(0));
    runtime().spawn(async move {
        let mut handler: Handler = Box::new(|_| {});
        while let Some(letter) = receiver.recv().await {
            match letter {
                Swapping::Tell(body) => handler(body),
                Swapping::Swap(with) => handler = with,
            }
        }
    });
    let start = Instant::now();
    for version in 1..=swaps {
        let (handled, newest) = (Arc::clone(&handled), Arc::clone(&newest));
        let handler = move |_| {
            newest.store(version, Ordering::Relaxed);
            handled.count_down();
        };
        sender.send(Swapping::Swap(Box::new(handler))).ok().expect("a live actor");
        for _ in 0..10 {
            sender.send(Swapping::Tell(BODY)).ok().expect("a live actor");
        }
    }
    handled.wait();
    assert_eq!(newest.load(Ordering::Relaxed), swaps);
    rate(swaps, start)
}

fn main() {
    harness::main::<Tokio>();
}
