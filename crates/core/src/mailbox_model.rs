//! The mailbox word under every interleaving: nothing lost or doubled, run once at a time, signals obeyed, strangers told apart.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use super::{Push, Signalled, Word};
use crate::list::List;
use crate::message::Message;
use crate::node::Node;
use crate::payload::Payload;

/// One actor whose owner is whoever was told to schedule it.
struct Actor {
    word: Word,
    running: AtomicBool,
    handled: AtomicUsize,
    signals: AtomicUsize,
    obeyed: AtomicUsize,
}

impl Actor {
    fn new() -> Arc<Self> {
        let actor = Self {
            word: Word::vacant(),
            running: AtomicBool::new(false),
            handled: AtomicUsize::new(0),
            signals: AtomicUsize::new(0),
            obeyed: AtomicUsize::new(0),
        };
        actor.word.open(false);
        Arc::new(actor)
    }

    fn send(&self) {
        let node = Node::new(1, Message::new(Payload::copy_from(b"x")));
        match self.word.push(node) {
            Push::Schedule => self.run(),
            Push::Queued | Push::Wake => {}
            Push::Refused(node) => drop(node),
        }
    }

    fn signal(&self, close: bool) {
        self.signals.fetch_add(1, Ordering::Relaxed);
        if self.word.signal(close) == Signalled::Schedule {
            self.run();
        }
    }

    /// The owner's turn: signals before each message, then idle.
    fn run(&self) {
        assert!(!self.running.swap(true, Ordering::Relaxed), "two owners at once");
        let mut local = List::default();
        loop {
            if self.word.is_signalled() {
                self.word.clear_signal();
                self.obeyed.store(self.signals.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            if local.is_empty() {
                local = self.word.take();
            }
            if local.pop().is_some() {
                self.handled.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            self.running.store(false, Ordering::Relaxed);
            if self.word.try_idle() {
                return;
            }
            assert!(!self.running.swap(true, Ordering::Relaxed), "two owners at once");
            if !self.word.is_open() {
                self.running.store(false, Ordering::Relaxed);
                return;
            }
        }
    }
}

#[test]
fn two_senders_lose_nothing_and_never_run_it_twice_at_once() {
    loom::model(|| {
        let actor = Actor::new();
        let other = Arc::clone(&actor);
        let sender = thread::spawn(move || other.send());
        actor.send();
        actor.send();
        sender.join().expect("the sender");
        assert_eq!(actor.handled.load(Ordering::Relaxed), 3);
    });
}

#[test]
fn a_signal_is_obeyed_whatever_it_races_with() {
    loom::model(|| {
        let actor = Actor::new();
        let other = Arc::clone(&actor);
        let signaller = thread::spawn(move || other.signal(false));
        actor.send();
        signaller.join().expect("the signaller");
        assert_eq!(actor.handled.load(Ordering::Relaxed), 1);
        assert_eq!(actor.obeyed.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn what_is_refused_and_what_is_taken_is_all_that_was_sent() {
    loom::model(|| {
        let word = Arc::new(Word::vacant());
        word.open(true);
        let other = Arc::clone(&word);
        let sender = thread::spawn(move || {
            let node = Node::new(1, Message::new(Payload::copy_from(b"x")));
            matches!(other.push(node), Push::Refused(_))
        });
        word.close();
        let mut taken = usize::from(word.take().pop().is_some());
        taken += usize::from(word.vacate().pop().is_some());
        let refused = sender.join().expect("the sender");
        assert_eq!(taken + usize::from(refused), 1);
    });
}

#[test]
fn one_who_waits_is_woken_by_a_signal_and_left_alone_by_messages() {
    loom::model(|| {
        let word = Arc::new(Word::vacant());
        word.open(true);
        let other = Arc::clone(&word);
        let sender = thread::spawn(move || {
            let node = Node::new(1, Message::new(Payload::copy_from(b"x")));
            assert!(matches!(other.push(node), Push::Queued));
            other.signal(false)
        });
        let waits = word.try_wait();
        let signalled = sender.join().expect("the sender");
        assert_eq!(waits, signalled == Signalled::Schedule);
    });
}

#[test]
fn a_message_to_an_ended_actor_carries_its_generation_to_the_next() {
    loom::model(|| {
        let word = Arc::new(Word::vacant());
        word.open(true);
        let other = Arc::clone(&word);
        let late = thread::spawn(move || {
            let node = Node::new(1, Message::new(Payload::copy_from(b"x")));
            matches!(other.push(node), Push::Refused(_))
        });
        let mut seen = Vec::new();
        word.close();
        let mut list = word.vacate();
        while let Some(node) = list.pop() {
            seen.push(node.generation());
        }
        word.open(true);
        let refused = late.join().expect("the sender");
        let mut list = word.take();
        while let Some(node) = list.pop() {
            assert_ne!(node.generation(), 2, "a message of the second actor that nobody sent");
            seen.push(node.generation());
        }
        assert_eq!(seen.len() + usize::from(refused), 1);
    });
}

#[test]
fn who_is_late_for_a_pull_actor_leaves_the_next_actor_of_its_slot_idle_or_owns_it() {
    loom::model(|| {
        let word = Arc::new(Word::vacant());
        word.open(true);
        let other = Arc::clone(&word);
        let late = thread::spawn(move || {
            let node = Node::new(1, Message::new(Payload::copy_from(b"x")));
            matches!(other.push(node), Push::Schedule)
        });
        if word.try_lie_down() && !word.try_get_up() {
            assert!(word.take().pop().is_some(), "woken for nothing");
        }
        word.close();
        drop(word.vacate());
        word.open(false);
        let owns = late.join().expect("the sender");
        assert_eq!(owns, !word.try_claim());
        assert_eq!(owns, word.take().pop().is_some());
    });
}

/// The whole protocol of an end: a stop that closes races with two senders; the owner obeys it before the next message.
#[test]
fn a_stop_goes_first_and_every_message_is_handled_refused_or_given_back() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let actor =
            Arc::new(Ending { word: Word::vacant(), handled: 0.into(), left: 0.into(), ended: 0.into() });
        actor.word.open(false);
        let threads = [(); 2].map(|()| {
            let other = Arc::clone(&actor);
            thread::spawn(move || other.send())
        });
        if actor.word.signal(true) == Signalled::Schedule {
            actor.run();
        }
        let refused: usize = threads.map(|thread| thread.join().expect("a sender")).iter().sum();
        let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        assert_eq!(count(&actor.ended), 1);
        assert_eq!(count(&actor.handled) + count(&actor.left) + refused, 2);
        assert_eq!(actor.word.signal(false), Signalled::Vacant);
    });
}

/// An actor that ends when it is told to.
struct Ending {
    word: Word,
    handled: AtomicUsize,
    left: AtomicUsize,
    ended: AtomicUsize,
}

impl Ending {
    /// How many messages were refused.
    fn send(&self) -> usize {
        match self.word.push(Node::new(1, Message::new(Payload::copy_from(b"x")))) {
            Push::Schedule => self.run(),
            Push::Queued | Push::Wake => {}
            Push::Refused(_) => return 1,
        }
        0
    }

    fn run(&self) {
        let mut local = List::default();
        loop {
            if self.word.is_signalled() {
                self.word.clear_signal();
                self.word.close();
                let mut left = 0;
                for mut list in [std::mem::take(&mut local), self.word.take(), self.word.vacate()] {
                    while list.pop().is_some() {
                        left += 1;
                    }
                }
                self.left.fetch_add(left, Ordering::Relaxed);
                self.ended.fetch_add(1, Ordering::Relaxed);
                return;
            }
            if local.is_empty() {
                local = self.word.take();
            }
            if local.pop().is_some() {
                assert_eq!(self.ended.load(Ordering::Relaxed), 0, "a message was handled after the end");
                self.handled.fetch_add(1, Ordering::Relaxed);
            } else if self.word.try_idle() {
                return;
            }
        }
    }
}
