//! Workers: the threads that run Rust actors, each with a queue of its own that the others may steal from.
//!
//! An actor made ready by a worker goes to that worker's queue (crossbeam's Chase-Lev deque), one made ready from
//! outside goes to the injector. A worker that finds nothing searches for a moment, then sleeps under the protocol of
//! [`crate::sleep`]. Every [`INJECTOR_EVERY`] turns the injector is asked first, so that a busy worker starves nobody outside.

use std::cell::Cell as StdCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;

use crossbeam_deque::{Injector, Steal, Stealer, Worker};
use parking_lot::Mutex;

use crate::cell::Cell;
use crate::error::{Error, ErrorKind, Result};
use crate::lane::Slice;
use crate::shared::{Shared, WeakShared};
use crate::sleep::Sleepers;
use crate::turn;
use crate::watch::{SPARES_MAX, Watch};

/// As tokio's: prime, so that it falls into step with no pattern of the actors.
const INJECTOR_EVERY: u32 = 61;
/// Looks around before a worker sleeps: about 20 microseconds, what waking it would cost.
const SPINS: u32 = 400;

#[derive(Clone, Copy)]
struct Ready(*const Cell);

// SAFETY: a pointer to a cell, which is `Sync` and lives as long as the table.
unsafe impl Send for Ready {}

/// The threads of one runtime.
pub(crate) struct Workers {
    injector: Injector<Ready>,
    stealers: Box<[Stealer<Ready>]>,
    queues: Mutex<Vec<Option<Worker<Ready>>>>,
    sleepers: Sleepers,
    started: AtomicBool,
    closing: AtomicBool,
    interrupts: AtomicU32,
    threads: Mutex<Vec<JoinHandle<()>>>,
    watch: Watch,
}

thread_local! {
    static QUEUE: StdCell<(*const Workers, *const Worker<Ready>)> =
        const { StdCell::new((std::ptr::null(), std::ptr::null())) };
}

impl Workers {
    pub(crate) fn new(count: usize) -> Self {
        let queues: Vec<_> = (0..count).map(|_| Worker::new_fifo()).collect();
        Self {
            injector: Injector::new(),
            stealers: queues.iter().map(Worker::stealer).collect(),
            queues: Mutex::new(queues.into_iter().map(Some).collect()),
            sleepers: Sleepers::new(count),
            started: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            interrupts: AtomicU32::new(0),
            threads: Mutex::new(Vec::new()),
            watch: Watch::new(count),
        }
    }

    /// Starts the threads, once.
    pub(crate) fn start(&self, shared: &Arc<Shared>) -> Result<()> {
        if self.started.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut queues = self.queues.lock();
        if self.closing.load(Ordering::Acquire) || self.started.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let mut threads = self.threads.lock();
        for (number, queue) in queues.iter_mut().enumerate() {
            let Some(queue) = queue.take() else { continue };
            let weak = WeakShared::new(shared);
            threads.push(named(format!("iris-worker-{number}"), move || work(&weak, number, &queue))?);
        }
        let weak = WeakShared::new(shared);
        threads.push(named("iris-watch".to_owned(), move || watch(&weak))?);
        Ok(())
    }

    /// Whether no worker makes progress though there is work; what sleeps is woken before it comes to that.
    fn is_stuck(&self, turns_before: u64) -> bool {
        let stuck = self.has_work() && self.watch.turns() == turns_before;
        if stuck {
            self.sleepers.notify();
        }
        stuck
    }

    /// Queues a ready actor.
    pub(crate) fn push(&self, cell: &Cell) {
        let (workers, queue) = QUEUE.get();
        if std::ptr::eq(workers, self) {
            // SAFETY: set by `work` on this very thread and cleared before the queue goes.
            unsafe { (*queue).push(Ready(cell)) };
            return;
        }
        self.injector.push(Ready(cell));
        self.sleepers.notify();
    }

    pub(crate) fn interrupt(&self) {
        self.interrupts.fetch_add(1, Ordering::Release);
    }

    /// Whether the current thread is one of these workers.
    pub(crate) fn is_current(&self) -> bool {
        std::ptr::eq(QUEUE.get().0, self)
    }

    /// Tells the threads to end and gives them out to be waited for.
    pub(crate) fn close(&self) -> Vec<JoinHandle<()>> {
        {
            let _queues = self.queues.lock();
            self.closing.store(true, Ordering::SeqCst);
        }
        self.sleepers.wake_all();
        self.watch.wake_now();
        std::mem::take(&mut self.threads.lock())
    }

    fn has_work(&self) -> bool {
        !self.injector.is_empty() || self.stealers.iter().any(|stealer| !stealer.is_empty())
    }

    fn next(&self, queue: &Worker<Ready>, turn: u32) -> Option<Ready> {
        if turn.is_multiple_of(INJECTOR_EVERY)
            && let Some(ready) = self.take_injected(queue)
        {
            return Some(ready);
        }
        queue.pop()
    }

    fn take_injected(&self, queue: &Worker<Ready>) -> Option<Ready> {
        loop {
            match self.injector.steal_batch_and_pop(queue) {
                Steal::Success(ready) => return Some(ready),
                Steal::Empty => return None,
                Steal::Retry => {}
            }
        }
    }

    /// One ready actor and no more, for a thread without a queue of its own.
    fn take_one(&self) -> Option<Ready> {
        let all = std::iter::once(self.injector.steal());
        all.chain(self.stealers.iter().map(Stealer::steal)).find_map(Steal::success)
    }

    fn search(&self, queue: &Worker<Ready>, number: usize) -> Option<Ready> {
        if let Some(ready) = self.take_injected(queue) {
            return Some(ready);
        }
        let count = self.stealers.len();
        (1..count).map(|offset| &self.stealers[(number + offset) % count]).find_map(|stealer| {
            loop {
                match stealer.steal_batch_and_pop(queue) {
                    Steal::Success(ready) => return Some(ready),
                    Steal::Empty => return None,
                    Steal::Retry => {}
                }
            }
        })
    }
}

fn named(name: String, life: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(name).spawn(life);
    thread.map_err(|error| Error::new(ErrorKind::LimitReached, format!("no worker thread: {error}")))
}

/// The watch's life: asleep while all workers are; otherwise it looks, every tick, whether work moves, and starts a
/// spare worker when none does.
fn watch(weak: &WeakShared) {
    let Some(shared) = weak.upgrade() else { return };
    let workers = &shared.workers;
    while !workers.closing.load(Ordering::Acquire) {
        let turns = workers.watch.turns();
        workers.watch.tick(|| !workers.closing.load(Ordering::SeqCst) && workers.sleepers.all_asleep());
        if workers.is_stuck(turns) && workers.watch.may_start_spare() {
            let weak = weak.clone();
            match named("iris-spare".to_owned(), move || help_out(&weak)) {
                Ok(thread) => workers.threads.lock().push(thread),
                Err(error) => {
                    workers.watch.spare_ended();
                    tracing::warn!(%error, limit = SPARES_MAX, "all workers are stuck in handlers");
                }
            }
        }
    }
}

/// A spare worker's life: it runs what the stuck ones cannot, and ends when nothing is left to do.
fn help_out(weak: &WeakShared) {
    let Some(shared) = weak.upgrade() else { return };
    let workers = &shared.workers;
    let mut slice = Slice::endless();
    while !workers.closing.load(Ordering::Acquire)
        && let Some(Ready(cell)) = workers.take_one()
    {
        workers.watch.count_spare_turn();
        // SAFETY: cells live as long as the table, and `shared` keeps the table; a queued cell is in one queue only.
        turn::run(&shared, unsafe { &*cell }, &workers.interrupts, &mut slice);
    }
    workers.watch.spare_ended();
}

/// A worker's life.
fn work(weak: &WeakShared, number: usize, queue: &Worker<Ready>) {
    let Some(shared) = weak.upgrade() else { return };
    let workers = &shared.workers;
    QUEUE.set((std::ptr::from_ref(workers), std::ptr::from_ref(queue)));
    let mut turns = 0_u32;
    let mut searching = false;
    let mut slice = Slice::endless();
    while !workers.closing.load(Ordering::Acquire) {
        turns = turns.wrapping_add(1);
        let ready =
            workers.next(queue, turns).or_else(|| look_around(workers, queue, number, &mut searching));
        let Some(Ready(cell)) = ready else { continue };
        let was_last = std::mem::take(&mut searching) && workers.sleepers.end_search();
        if !queue.is_empty() || (was_last && workers.has_work()) {
            workers.sleepers.notify();
        }
        workers.watch.count_turn(number);
        // SAFETY: cells live as long as the table, and `shared` keeps the table; a queued cell is in one queue only.
        turn::run(&shared, unsafe { &*cell }, &workers.interrupts, &mut slice);
    }
    QUEUE.set((std::ptr::null(), std::ptr::null()));
}

/// Searches for a moment, then sleeps. `None`: look again.
fn look_around(
    workers: &Workers,
    queue: &Worker<Ready>,
    number: usize,
    searching: &mut bool,
) -> Option<Ready> {
    *searching = *searching || workers.sleepers.start_search();
    for _ in 0..if *searching { SPINS } else { 1 } {
        let found = workers.search(queue, number);
        if found.is_some() {
            return found;
        }
        if workers.closing.load(Ordering::Relaxed) {
            return None;
        }
        std::hint::spin_loop();
    }
    if std::mem::take(searching) {
        // Whether it was the last searcher does not matter: falling asleep looks at the queues again.
        let _ = workers.sleepers.end_search();
    }
    workers.sleepers.sleep(number, &|| workers.has_work() || workers.closing.load(Ordering::SeqCst));
    workers.watch.wake_up();
    *searching = true;
    None
}
