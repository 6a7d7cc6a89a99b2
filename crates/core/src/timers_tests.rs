//! Tests of the timers, most of them under a clock moved by hand.

use std::sync::mpsc::{self, Receiver};

use super::*;
use crate::clock::ManualClock;

const LONG: Duration = Duration::from_secs(10);

/// Timers that send what they fire to a channel.
fn timers(clock: Clock) -> (Timers<u32>, Receiver<u32>) {
    let (sender, fired) = mpsc::channel();
    let fire = move |batch: &mut Vec<Fired<u32>>| {
        for fired in batch.drain(..) {
            assert_ne!(fired.value, 666, "the value that the fire function does not like");
            let _ = sender.send(fired.value);
        }
    };
    (Timers::new(clock, |value| *value, Box::new(fire)), fired)
}

fn manual() -> (Timers<u32>, Receiver<u32>, ManualClock) {
    let (clock, hand) = Clock::manual();
    let (timers, fired) = timers(clock);
    (timers, fired, hand)
}

fn after(delay_ms: u64) -> Delay {
    Delay { delay_ms, ..Delay::default() }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn all(fired: &Receiver<u32>) -> Vec<u32> {
    fired.try_iter().collect()
}

#[test]
fn fires_when_its_time_has_come() {
    let (timers, fired, hand) = manual();
    hand.advance(Duration::from_micros(500));
    timers.insert(after(10), 10).unwrap();
    timers.insert(after(5), 5).unwrap();
    timers.insert(after(0), 0).unwrap();
    assert_eq!((all(&fired), timers.pending()), (vec![], 3));
    hand.advance(Duration::ZERO);
    assert_eq!(all(&fired), [0]);
    hand.advance(ms(5));
    assert_eq!(all(&fired), [], "5 ms after 0.5 ms is not over at tick 5");
    hand.advance(ms(1));
    assert_eq!(all(&fired), [5]);
    hand.advance(LONG);
    assert_eq!((all(&fired), timers.pending()), (vec![10], 0));
}

#[test]
fn an_interval_fires_at_each_beat_of_a_clock_moved_by_hand() {
    let (timers, fired, hand) = manual();
    let interval_ms = NonZeroU64::new(100);
    let id = timers.insert(Delay { delay_ms: 100, interval_ms, owner: None }, 1).unwrap();
    hand.advance(ms(1050));
    assert_eq!(all(&fired).len(), 10);
    assert_eq!(timers.cancel(id), Some(1));
    assert_eq!(timers.cancel(id), None);
    hand.advance(LONG);
    assert_eq!(all(&fired), []);
}

#[test]
fn an_owner_takes_its_timers_along() {
    let (timers, fired, hand) = manual();
    let (first, second) = (Pid::new(1, 1), Pid::new(2, 1));
    assert_eq!(timers.cancel_owner(first), 0);
    for owner in [first, second, first] {
        timers.insert(Delay { delay_ms: 5, interval_ms: None, owner: Some(owner) }, owner.index()).unwrap();
    }
    assert_eq!(timers.cancel_owner(first), 2);
    hand.advance(LONG);
    assert_eq!(all(&fired), [2]);
}

#[test]
fn a_panic_while_firing_costs_one_batch() {
    let (timers, fired, hand) = manual();
    timers.insert(after(1), 666).unwrap();
    timers.insert(after(2), 2).unwrap();
    hand.advance(LONG);
    assert_eq!(all(&fired), [2]);
}

#[test]
fn closed_timers_fire_nothing_and_take_nothing() {
    let (timers, fired, hand) = manual();
    timers.insert(after(1), 1).unwrap();
    assert_eq!(timers.close(LONG), [1]);
    hand.advance(LONG);
    assert_eq!((all(&fired), timers.pending()), (vec![], 0));
    assert_eq!(timers.insert(after(1), 1).unwrap_err().kind(), ErrorKind::RuntimeClosed);
}

#[test]
fn the_thread_fires_by_the_machines_clock() {
    let (timers, fired) = timers(Clock::real());
    let begin = Instant::now();
    timers.insert(after(3_600_000), 3).unwrap();
    timers.insert(after(60), 2).unwrap();
    timers.insert(after(20), 1).unwrap();
    assert_eq!(fired.recv_timeout(LONG), Ok(1));
    assert!(begin.elapsed() >= ms(20));
    assert_eq!(fired.recv_timeout(LONG), Ok(2));
    assert!(begin.elapsed() >= ms(60));
    assert_eq!(timers.close(LONG), [3]);
    assert!(matches!(timers.shared.state.lock().thread, Thread::Ended));
    assert_eq!(all(&fired), []);
}

#[test]
fn close_waits_no_longer_than_asked_and_may_be_called_by_what_is_fired() {
    let (sender, fired) = mpsc::channel();
    let timers: Arc<std::sync::OnceLock<Timers<()>>> = Arc::default();
    let weak = Arc::downgrade(&timers);
    let fire = move |_: &mut Vec<Fired<()>>| {
        let closed = weak.upgrade().and_then(|timers| timers.get().map(|timers| timers.close(LONG).len()));
        let _ = sender.send(closed);
    };
    let timers = timers.get_or_init(|| Timers::new(Clock::real(), |()| (), Box::new(fire)));
    timers.insert(after(1), ()).unwrap();
    assert_eq!(fired.recv_timeout(LONG), Ok(Some(0)));
    timers.close(LONG);
    assert!(matches!(timers.shared.state.lock().thread, Thread::Ended));
}
