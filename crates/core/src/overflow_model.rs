//! Full mailboxes under thousands of random schedules: senders against the runner, and against the end of whom a message would
//! go to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::thread;

use super::{check, exited, plain, settle};
use crate::behaviour::{Behaviour, Flow};
use crate::context::Context;
use crate::message::Message;
use crate::options::{Bounds, SpawnOptions};
use crate::overflow::Overflow;
use crate::pid::Pid;
use crate::runtime::Runtime;

/// Messages of each of the two senders.
const EACH: u8 = 2;

/// What the actors of one model handled.
#[derive(Default)]
struct Handled {
    count: AtomicUsize,
    /// The next number each sender may be heard with.
    next: [AtomicUsize; 2],
    out_of_order: AtomicUsize,
}

fn noting(handled: &Arc<Handled>) -> impl Behaviour + use<> {
    let handled = Arc::clone(handled);
    move |_: &Context<'_>, message: Message| {
        let [sender, number] = [0, 1].map(|place| usize::from(message.payload().as_slice()[place]));
        if handled.next[sender].swap(number + 1, Ordering::Relaxed) > number {
            handled.out_of_order.fetch_add(1, Ordering::Relaxed);
        }
        handled.count.fetch_add(1, Ordering::Relaxed);
        Flow::Continue
    }
}

fn full_with_one(overflow: Overflow) -> SpawnOptions {
    SpawnOptions { bounds: Some(Bounds::messages(1)), overflow, ..plain() }
}

/// Two senders to one actor, while another may be stopped: how many messages were taken.
fn send_against_stop(runtime: &Runtime, pid: Pid, stopped: Option<Pid>) -> usize {
    let senders = [0, 1].map(|sender| {
        let runtime = runtime.downgrade();
        let send = move |number: &u8| runtime.try_send(pid, (&[sender, *number]).into()).is_ok();
        thread::spawn(move || (0..EACH).filter(send).count())
    });
    if let Some(stopped) = stopped {
        assert!(runtime.stop(stopped));
    }
    senders.into_iter().map(|sender| sender.join().expect("a sender")).sum()
}

fn dropped(runtime: &Runtime, reason: &str) -> usize {
    let letters = runtime.dead_letters();
    let count = letters.iter().find(|(name, _)| *name == reason).map_or(0, |(_, count)| *count);
    usize::try_from(count).expect("few")
}

/// Waits until what was taken was handled or dropped, which is for ever where one was lost, and asks for the rest of the account.
fn balance(runtime: &Runtime, taken: usize, handled: &[Arc<Handled>]) {
    let heard = || handled.iter().map(|handled| handled.count.load(Ordering::Relaxed)).sum::<usize>();
    while heard() + exited(runtime) != taken {
        thread::yield_now();
    }
    let stats = runtime.stats();
    let refused = dropped(runtime, "NoProcess") + dropped(runtime, "MailboxFull");
    assert_eq!((taken + refused, stats.queued), (2 * usize::from(EACH), 0), "{stats:?}");
    assert!(handled.iter().all(|handled| handled.out_of_order.load(Ordering::Relaxed) == 0));
}

#[test]
fn what_goes_to_another_is_counted_whoever_of_them_ends() {
    for overflow in [Overflow::Redirect, |target| Overflow::Spill(Some(target))] {
        for (bounded, stopped) in [(false, None), (false, Some(0)), (true, Some(1)), (false, Some(1))] {
            check(move |runtime, _| {
                let handled = [(); 2].map(|()| Arc::new(Handled::default()));
                let beyond = if bounded { full_with_one(Overflow::DropNewest) } else { plain() };
                let target = runtime.spawn(noting(&handled[1]), beyond).expect("a target");
                let front = runtime.spawn(noting(&handled[0]), full_with_one(overflow(target)));
                let pids = [front.expect("an actor"), target];
                let taken = send_against_stop(runtime, pids[0], stopped.map(|place: usize| pids[place]));
                balance(runtime, taken, &handled);
                settle(runtime, 2 - usize::from(stopped.is_some()));
                if stopped.is_none() {
                    assert_eq!((taken, exited(runtime)), (2 * usize::from(EACH), 0));
                }
            });
        }
    }
}

#[test]
fn what_is_spilled_comes_back_in_order_or_is_counted_with_the_end() {
    for stops in [false, true] {
        check(move |runtime, _| {
            let handled = [Arc::new(Handled::default())];
            let pid = runtime.spawn(noting(&handled[0]), full_with_one(Overflow::Spill(None)));
            let pid = pid.expect("an actor");
            let taken = send_against_stop(runtime, pid, stops.then_some(pid));
            balance(runtime, taken, &handled);
            settle(runtime, 1 - usize::from(stops));
            if !stops {
                assert_eq!((taken, exited(runtime)), (2 * usize::from(EACH), 0));
            }
        });
    }
}
