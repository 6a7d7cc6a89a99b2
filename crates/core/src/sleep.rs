//! Sleepers: which workers of a pool sleep, and whom to wake when there is work: at most one wake in flight, no wake
//! while somebody searches, none lost. The protocol is the idle protocol of tokio's multi-threaded scheduler.
//!
//! One word counts the workers that *search* for work (low half) and those that *sleep* (high half). A worker runs,
//! searches or sleeps; each change is one addition. A waker moves one worker from asleep to searching *before* it wakes
//! it, so that the next notifier sees a searcher and leaves it at that. A searcher that finds work stops searching and,
//! if it was the last one, wakes the next if there is more ([`Sleepers::end_search`]).
//!
//! Proof that no work is left while all sleep. A notifier makes work visible, passes a `SeqCst` fence and reads the
//! word; a worker adds itself to the sleepers, passes a `SeqCst` fence and looks at the queues again. One fence is first:
//! either the worker's look sees the work, or the notifier's read sees the sleeper. A notifier that sees a searcher
//! does nothing: that searcher's later change (to asleep or to running) comes before a fence and a look of its own. The
//! list of sleepers and the word change together under the lock, so nobody is woken twice. The model at the foot of the
//! file checks this, and that it fails without the look.

use crate::sync::{AtomicU32, Condvar, Mutex, Ordering, fence};

const SEARCHING: u32 = 1;
const SLEEPING: u32 = 1 << 16;

fn searching(word: u32) -> u32 {
    word & (SLEEPING - 1)
}

fn sleeping(word: u32) -> u32 {
    word >> 16
}

/// Who of a pool's workers sleeps.
pub(crate) struct Sleepers {
    word: AtomicU32,
    list: Mutex<List>,
    beds: Box<[Bed]>,
}

struct List {
    asleep: Vec<usize>,
    closed: bool,
}

/// Where one worker sleeps. Padded, so that one worker's waking does not slow its neighbour down.
#[repr(align(128))]
struct Bed {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Sleepers {
    /// For workers numbered from 0, all running.
    pub(crate) fn new(workers: usize) -> Self {
        debug_assert!(workers < SLEEPING as usize);
        let beds = (0..workers).map(|_| Bed { woken: Mutex::new(false), changed: Condvar::new() });
        let list = List { asleep: Vec::with_capacity(workers), closed: false };
        Self { word: AtomicU32::new(0), list: Mutex::new(list), beds: beds.collect() }
    }

    /// Wakes one worker, if any sleeps and none searches. To be called after work was made visible.
    pub(crate) fn notify(&self) {
        fence(Ordering::SeqCst);
        let word = self.word.load(Ordering::Relaxed);
        if searching(word) == 0 && sleeping(word) != 0 {
            self.wake_one();
        }
    }

    #[cold]
    fn wake_one(&self) {
        let worker = {
            let mut list = self.list.lock();
            if searching(self.word.load(Ordering::Relaxed)) != 0 {
                return;
            }
            let Some(worker) = list.asleep.pop() else { return };
            self.word.fetch_add(SEARCHING.wrapping_sub(SLEEPING), Ordering::SeqCst);
            worker
        };
        self.wake(worker);
    }

    /// Lets a running worker search, unless half of the workers do: more would only contend.
    #[must_use]
    pub(crate) fn start_search(&self) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        if 2 * searching(word) as usize >= self.beds.len() {
            return false;
        }
        self.word.fetch_add(SEARCHING, Ordering::SeqCst);
        true
    }

    /// The calling worker stops searching. True if it was the last one: others may have left work to it, so the caller
    /// must look at the queues and [`Sleepers::notify`] if there is more than it took (or go to sleep, which looks).
    #[must_use]
    pub(crate) fn end_search(&self) -> bool {
        let before = self.word.fetch_sub(SEARCHING, Ordering::SeqCst);
        debug_assert!(searching(before) != 0);
        fence(Ordering::SeqCst);
        searching(before) == 1
    }

    /// Puts a worker that does not search to sleep, unless `has_work` after it has said so. When this returns, the
    /// worker *searches*: it must look for work and then call [`Sleepers::end_search`].
    pub(crate) fn sleep(&self, worker: usize, has_work: &dyn Fn() -> bool) {
        {
            let mut list = self.list.lock();
            if list.closed {
                self.word.fetch_add(SEARCHING, Ordering::SeqCst);
                return;
            }
            list.asleep.push(worker);
            self.word.fetch_add(SLEEPING, Ordering::SeqCst);
        }
        fence(Ordering::SeqCst);
        if has_work() && self.get_up(worker) {
            return;
        }
        let bed = &self.beds[worker];
        let mut woken = bed.woken.lock();
        while !*woken {
            bed.changed.wait(&mut woken);
        }
        *woken = false;
    }

    /// Takes a worker off the list; false if a waker was quicker and its wake is on the way.
    fn get_up(&self, worker: usize) -> bool {
        let mut list = self.list.lock();
        let Some(place) = list.asleep.iter().position(|&asleep| asleep == worker) else { return false };
        list.asleep.swap_remove(place);
        self.word.fetch_add(SEARCHING.wrapping_sub(SLEEPING), Ordering::SeqCst);
        true
    }

    /// Whether every worker sleeps.
    pub(crate) fn all_asleep(&self) -> bool {
        sleeping(self.word.load(Ordering::SeqCst)) as usize == self.beds.len()
    }

    /// Wakes everybody, and lets nobody sleep from now on.
    pub(crate) fn wake_all(&self) {
        let asleep = {
            let mut list = self.list.lock();
            list.closed = true;
            for _ in &list.asleep {
                self.word.fetch_add(SEARCHING.wrapping_sub(SLEEPING), Ordering::SeqCst);
            }
            std::mem::take(&mut list.asleep)
        };
        for worker in asleep {
            self.wake(worker);
        }
    }

    fn wake(&self, worker: usize) {
        let bed = &self.beds[worker];
        *bed.woken.lock() = true;
        bed.changed.notify_one();
    }
}

#[cfg(all(test, loom))]
mod model {
    //! Two workers and two producers under every interleaving with up to two preemptions: a lost wake-up is a deadlock.

    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::sync::AtomicUsize;

    const WORKERS: usize = 2;
    const PRODUCERS: usize = 2;

    struct Pool {
        sleepers: Sleepers,
        queued: AtomicUsize,
        handled: AtomicUsize,
        looks_again: bool,
    }

    impl Pool {
        fn produce(&self) {
            self.queued.fetch_add(1, Ordering::Release);
            self.sleepers.notify();
        }

        fn has_work(&self) -> bool {
            self.queued.load(Ordering::Relaxed) != 0
        }

        fn take(&self) -> bool {
            let take_one = |queued: usize| queued.checked_sub(1);
            self.queued.fetch_update(Ordering::Acquire, Ordering::Relaxed, take_one).is_ok()
        }

        fn work(&self, worker: usize) {
            let mut searches = false;
            loop {
                searches = searches || self.sleepers.start_search();
                let found = self.take();
                if searches && self.sleepers.end_search() && found && self.has_work() {
                    self.sleepers.notify();
                }
                searches = false;
                if found {
                    if self.handled.fetch_add(1, Ordering::Relaxed) + 1 == PRODUCERS {
                        self.sleepers.wake_all();
                    }
                    continue;
                }
                if self.handled.load(Ordering::Relaxed) == PRODUCERS {
                    return;
                }
                self.sleepers.sleep(worker, &|| self.looks_again && self.has_work());
                searches = true;
            }
        }
    }

    fn check(looks_again: bool) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(2);
        model.check(move || {
            let pool = Arc::new(Pool {
                sleepers: Sleepers::new(WORKERS),
                queued: AtomicUsize::new(0),
                handled: AtomicUsize::new(0),
                looks_again,
            });
            let mut threads = Vec::new();
            for worker in 0..WORKERS {
                let pool = pool.clone();
                threads.push(thread::spawn(move || pool.work(worker)));
            }
            for _ in 1..PRODUCERS {
                let pool = pool.clone();
                threads.push(thread::spawn(move || pool.produce()));
            }
            pool.produce();
            for thread in threads {
                thread.join().expect("no thread of the model panics");
            }
            assert_eq!(pool.sleepers.word.load(Ordering::Relaxed), 0);
        });
    }

    /// Set in the child process that runs the model without the last look.
    const BLIND: &str = "IRIS_MODEL_BLIND";

    #[test]
    fn no_wake_is_lost() {
        check(std::env::var_os(BLIND).is_none());
    }

    /// In a process of its own: loom ends the process when it finds a deadlock.
    #[test]
    fn without_the_last_look_a_wake_is_lost() {
        let tests = std::env::current_exe().expect("the tests run from a file");
        let mut child = std::process::Command::new(tests);
        let ran =
            child.args(["sleep::model::no_wake_is_lost", "--exact", "--nocapture"]).env(BLIND, "1").output();
        let ran = ran.expect("the tests' own file can be run");
        assert!(!ran.status.success());
        assert!(String::from_utf8_lossy(&ran.stderr).contains("deadlock"), "{ran:?}");
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn half_of_the_workers_search() {
        for (workers, allowed) in [(1, 1), (2, 1), (3, 2), (4, 2), (8, 4)] {
            let sleepers = Sleepers::new(workers);
            assert_eq!(
                (0..workers).filter(|_| sleepers.start_search()).count(),
                allowed,
                "{workers} workers"
            );
            assert_eq!((0..allowed).filter(|_| sleepers.end_search()).count(), 1);
        }
    }

    #[test]
    fn who_sees_work_does_not_sleep() {
        let sleepers = Sleepers::new(1);
        sleepers.sleep(0, &|| true);
        assert!(sleepers.end_search());
        sleepers.wake_all();
        sleepers.sleep(0, &|| false);
        assert!(sleepers.end_search());
        assert_eq!(sleepers.word.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn every_piece_of_work_is_done() {
        const PIECES: usize = 20_000;
        const WORKERS: usize = 3;
        let (sleepers, queued, (done, all_done)) =
            (Sleepers::new(WORKERS), AtomicUsize::new(0), mpsc::channel());
        thread::scope(|scope| {
            for worker in 0..WORKERS {
                let (sleepers, queued, done) = (&sleepers, &queued, done.clone());
                scope.spawn(move || {
                    let mut searches = false;
                    while !sleepers.list.lock().closed {
                        let found =
                            queued.fetch_update(SeqCst, SeqCst, |queued| queued.checked_sub(1)).is_ok();
                        if searches && sleepers.end_search() && queued.load(SeqCst) != 0 {
                            sleepers.notify();
                        }
                        searches = false;
                        if found {
                            done.send(()).expect("the test counts");
                        } else {
                            sleepers.sleep(worker, &|| queued.load(SeqCst) != 0);
                            searches = true;
                        }
                    }
                });
            }
            for _ in 0..PIECES {
                queued.fetch_add(1, SeqCst);
                sleepers.notify();
            }
            let counted =
                (0..PIECES).take_while(|_| all_done.recv_timeout(Duration::from_secs(20)).is_ok()).count();
            sleepers.wake_all();
            assert_eq!(counted, PIECES);
        });
    }
}
