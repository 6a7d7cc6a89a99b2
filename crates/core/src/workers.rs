//! Workers: the threads that run Rust actors, each with a queue of its own that the others may steal from.
//!
//! An actor made ready by a worker runs next on that worker; whom it displaces goes to the worker's queue (crossbeam's
//! Chase-Lev deque). One made ready from outside is injected for any worker. A worker that finds nothing searches for a moment, then sleeps under the protocol of
//! [`crate::sleep`]. Every [`INJECTED_EVERY`] turns, and
//! after each that used its whole budget, the injected are asked first, so that busy workers starve nobody outside.

use std::cell::Cell as StdCell;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use crossbeam_deque::{Steal, Stealer, Worker};
use crossbeam_utils::CachePadded;

use crate::cell::Cell;
use crate::depth::run_nested;
use crate::error::{Error, ErrorKind, Result};
use crate::lane::Slice;
use crate::ready::ReadyQueue;
use crate::shared::{Shared, WeakShared};
use crate::sleep::Sleepers;
use crate::stepper;
use crate::sync::{AtomicBool, AtomicPtr, Mutex, Ordering, thread, thread_local};
use crate::watch::{SPARES_MAX, Watch};

/// Turns between two looks at the injected actors: as tokio's, prime, so that it falls into step with no pattern.
const INJECTED_EVERY: u32 = 61;
/// Turns between two looks at the queue before the next actor, so that two actors that talk starve nobody.
const QUEUE_EVERY: u32 = 4;
/// Injected actors a worker takes over at once; the others may steal them.
const INJECTED_BATCH: usize = 64;
/// Looks around before a worker sleeps: about 20 microseconds, what waking it would cost.
#[cfg(not(any(loom, shuttle)))]
const SPINS: u32 = 400;
#[cfg(any(loom, shuttle))]
const SPINS: u32 = 1;
/// Spins between two offers of the core to another thread, such as the one that is about to send something.
const YIELD_EVERY: u32 = 32;
/// Waits for more, of half a microsecond each, when a busy mailbox was emptied: going idle costs sender and worker more.
const LINGERS: u32 = 4;

#[derive(Clone, Copy)]
struct Ready(*const Cell);

// SAFETY: a pointer to a cell, which is `Sync` and lives as long as the table.
unsafe impl Send for Ready {}

/// The threads of one runtime.
pub(crate) struct Workers {
    injected: ReadyQueue,
    /// The actor each worker runs next. Only its worker looks there, and a spare when all workers are stuck: two actors
    /// that talk to each other stay on one core while another worker searches.
    next: Box<[CachePadded<AtomicPtr<Cell>>]>,
    stealers: Box<[Stealer<Ready>]>,
    queues: Mutex<Vec<Option<Worker<Ready>>>>,
    sleepers: Sleepers,
    started: AtomicBool,
    closing: AtomicBool,
    interrupts: AtomicU32,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
    watch: Watch,
}

/// The worker that runs on a thread.
#[derive(Clone, Copy)]
struct Here {
    workers: *const Workers,
    number: usize,
    queue: *const Worker<Ready>,
}

thread_local! {
    static HERE: StdCell<Option<Here>> = const { StdCell::new(None) };
}

impl Workers {
    pub(crate) fn new(count: usize) -> Self {
        let queues: Vec<_> = (0..count).map(|_| Worker::new_fifo()).collect();
        Self {
            injected: ReadyQueue::new(),
            next: (0..count).map(|_| CachePadded::default()).collect(),
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

    pub(crate) fn is_running(&self) -> bool {
        self.started.load(Ordering::Relaxed) && !self.closing.load(Ordering::Relaxed)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Runs a turn on the calling thread.
    pub(crate) fn run_here(shared: Arc<Shared>, cell: &Cell) {
        let cell = std::ptr::from_ref(cell);
        run_nested(move || {
            // SAFETY: a cell lives as long as its table, which the runtime here keeps.
            let cell = unsafe { &*cell };
            stepper::run(&shared, cell, &shared.workers.interrupts, &mut Slice::endless());
        });
    }

    /// Starts the threads, once. Where one cannot be started, the next call goes on with it.
    pub(crate) fn start(&self, shared: &Arc<Shared>) -> Result<()> {
        if self.started.load(Ordering::Acquire) {
            return Ok(());
        }
        let queues = self.queues.lock();
        if self.closing.load(Ordering::Acquire) || self.started.load(Ordering::Acquire) {
            return Ok(());
        }
        // Spares come only when all are started: until then the threads are the first workers.
        let mut threads = self.threads.lock();
        for number in threads.len()..queues.len() {
            let weak = WeakShared::new(shared);
            threads.push(named(format!("iris-worker-{number}"), move || work(&weak, number))?);
        }
        let weak = WeakShared::new(shared);
        threads.push(named("iris-watch".to_owned(), move || watch(&weak))?);
        self.started.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether no worker makes progress though there is work; what sleeps is woken before it comes to that.
    fn is_stuck(&self, turns_before: u64) -> bool {
        let waits = |next: &CachePadded<AtomicPtr<Cell>>| !next.load(Ordering::Relaxed).is_null();
        let has_work = self.has_work() || self.next.iter().any(waits);
        let stuck = has_work && self.watch.turns() == turns_before;
        if stuck {
            self.sleepers.notify();
        }
        stuck
    }

    /// Queues a ready actor.
    pub(crate) fn push(&self, cell: &Cell) {
        match HERE.with(StdCell::get) {
            Some(here) if std::ptr::eq(here.workers, self) => {
                let before =
                    self.next[here.number].swap(std::ptr::from_ref(cell).cast_mut(), Ordering::AcqRel);
                if !before.is_null() {
                    // SAFETY: set by `work` on this very thread and cleared before the queue goes.
                    unsafe { (*here.queue).push(Ready(before)) };
                }
            }
            _ => self.inject(cell),
        }
    }

    /// Queues an actor behind all others.
    pub(crate) fn push_last(&self, cell: &Cell) {
        match HERE.with(StdCell::get) {
            Some(here) if std::ptr::eq(here.workers, self) => {
                // SAFETY: as in `push`.
                unsafe { (*here.queue).push(Ready(cell)) };
            }
            _ => self.inject(cell),
        }
    }

    fn inject(&self, cell: &Cell) {
        // The queue's own sleep is not used: the sleepers know who sleeps.
        let _ = self.injected.push(cell);
        self.sleepers.notify();
    }

    pub(crate) fn interrupt(&self) {
        self.interrupts.fetch_add(1, Ordering::Release);
    }

    /// Whether the current thread is one of these workers.
    pub(crate) fn is_current(&self) -> bool {
        HERE.with(StdCell::get).is_some_and(|here| std::ptr::eq(here.workers, self))
    }

    /// Tells the threads to end and gives them out to be waited for.
    pub(crate) fn close(&self) -> Vec<thread::JoinHandle<()>> {
        {
            let _queues = self.queues.lock();
            self.closing.store(true, Ordering::SeqCst);
        }
        self.sleepers.wake_all();
        self.watch.wake_now();
        std::mem::take(&mut self.threads.lock())
    }

    /// Whether something is ready that any worker may take.
    fn has_work(&self) -> bool {
        self.injected.has_work() || self.stealers.iter().any(|stealer| !stealer.is_empty())
    }

    /// What this worker runs next: mostly what its last actor sent to, now and then the queue, and the injected.
    fn next(&self, queue: &Worker<Ready>, number: usize, turn: u32, was_long: bool) -> Option<Ready> {
        if (was_long || turn.is_multiple_of(INJECTED_EVERY))
            && let Some(ready) = self.take_injected(queue)
        {
            return Some(ready);
        }
        if turn.is_multiple_of(QUEUE_EVERY)
            && let Some(ready) = queue.pop()
        {
            return Some(ready);
        }
        self.take_next(number).or_else(|| queue.pop())
    }

    /// Hands what a stuck worker would run next, and what lies in its queue, to the others: one that is busy looks there, and
    /// in no other's queue.
    fn free_what_waits_behind_the_stuck(&self, turns_before: &[u64]) {
        for (number, before) in turns_before.iter().enumerate() {
            if self.watch.turns_of(number) != *before {
                continue;
            }
            let stealer = &self.stealers[number];
            let queued = std::iter::from_fn(|| steal(|| stealer.steal())).take(stealer.len());
            for Ready(cell) in queued.chain(self.take_next(number)) {
                // SAFETY: cells live as long as the table; a queued cell is in one queue only.
                self.inject(unsafe { &*cell });
            }
        }
    }

    fn take_next(&self, number: usize) -> Option<Ready> {
        let next = &self.next[number];
        if next.load(Ordering::Relaxed).is_null() {
            return None;
        }
        let next = next.swap(std::ptr::null_mut(), Ordering::AcqRel);
        (!next.is_null()).then_some(Ready(next))
    }

    fn take_injected(&self, queue: &Worker<Ready>) -> Option<Ready> {
        if !self.injected.has_work() {
            return None;
        }
        self.injected.pop_batch(INJECTED_BATCH, |cell| queue.push(Ready(cell))).map(|cell| Ready(cell))
    }

    /// One ready actor and no more, for a thread without a queue of its own, when the workers are stuck.
    fn take_one(&self) -> Option<Ready> {
        let injected = self.injected.pop().map(|cell| Ready(cell));
        injected
            .or_else(|| self.stealers.iter().map(Stealer::steal).find_map(Steal::success))
            .or_else(|| (0..self.next.len()).find_map(|number| self.take_next(number)))
    }

    fn search(&self, queue: &Worker<Ready>, number: usize) -> Option<Ready> {
        if let Some(ready) = self.take_injected(queue) {
            return Some(ready);
        }
        let count = self.stealers.len();
        (1..count)
            .map(|offset| &self.stealers[(number + offset) % count])
            .find_map(|stealer| steal(|| stealer.steal_batch_and_pop(queue)))
    }
}

fn steal(attempt: impl Fn() -> Steal<Ready>) -> Option<Ready> {
    loop {
        match attempt() {
            Steal::Success(ready) => return Some(ready),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}

fn named(name: String, life: impl FnOnce() + Send + 'static) -> Result<thread::JoinHandle<()>> {
    let thread = thread::Builder::new().name(name).spawn(life);
    thread.map_err(|error| Error::new(ErrorKind::LimitReached, format!("no worker thread: {error}")))
}

/// The watch's life: asleep while all workers are; otherwise it looks, every tick, whether work moves, and starts a
/// spare worker when none does.
fn watch(weak: &WeakShared) {
    let Some(shared) = weak.upgrade() else { return };
    let workers = &shared.workers;
    while !workers.closing.load(Ordering::Acquire) {
        let turns = workers.watch.turns();
        let each = workers.watch.turns_of_each();
        workers.watch.tick(|| !workers.closing.load(Ordering::SeqCst) && workers.sleepers.all_asleep());
        workers.free_what_waits_behind_the_stuck(&each);
        if workers.is_stuck(turns)
            && let Err(error) = start_spare(workers, weak)
        {
            tracing::warn!(%error, limit = SPARES_MAX, "all workers are stuck in handlers");
        }
    }
}

/// Starts one more thread, unless there are enough or the others were told to end: who closes the pool waits for the
/// threads it finds here.
fn start_spare(workers: &Workers, weak: &WeakShared) -> Result<()> {
    let mut threads = workers.threads.lock();
    if workers.is_closing() || !workers.watch.may_start_spare() {
        return Ok(());
    }
    let weak = weak.clone();
    let thread = named("iris-spare".to_owned(), move || help_out(&weak));
    let thread = thread.inspect_err(|_| workers.watch.spare_ended())?;
    threads.retain(|thread| !thread.is_finished());
    threads.push(thread);
    Ok(())
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
        stepper::run(&shared, unsafe { &*cell }, &workers.interrupts, &mut slice);
    }
    workers.watch.spare_ended();
}

/// A worker's life.
fn work(weak: &WeakShared, number: usize) {
    let Some(shared) = weak.upgrade() else { return };
    let workers = &shared.workers;
    // Not handed over by whoever started the thread: it would be lost with a thread that cannot be started.
    let Some(queue) = workers.queues.lock()[number].take() else { return };
    let queue = &queue;
    let here = Here { workers: std::ptr::from_ref(workers), number, queue: std::ptr::from_ref(queue) };
    HERE.with(|this| this.set(Some(here)));
    let mut turns = 0_u32;
    let (mut searching, mut was_long) = (false, false);
    let mut slice = Slice::endless();
    while !workers.closing.load(Ordering::Acquire) {
        turns = turns.wrapping_add(1);
        let ready = workers
            .next(queue, number, turns, was_long)
            .or_else(|| look_around(workers, queue, number, &mut searching));
        let Some(Ready(cell)) = ready else { continue };
        let was_last = std::mem::take(&mut searching) && workers.sleepers.end_search();
        if !queue.is_empty() || (was_last && workers.has_work()) {
            workers.sleepers.notify();
        }
        workers.watch.count_turn(number);
        slice.allow_lingering(LINGERS);
        // SAFETY: cells live as long as the table, and `shared` keeps the table; a queued cell is in one queue only.
        was_long = stepper::run(&shared, unsafe { &*cell }, &workers.interrupts, &mut slice);
    }
    // Everybody was told to stop: who is ready ends, and no handler is called.
    while let Some(Ready(cell)) = queue.pop().or_else(|| workers.take_one()) {
        // SAFETY: as above.
        stepper::run(&shared, unsafe { &*cell }, &workers.interrupts, &mut slice);
    }
    HERE.with(|here| here.set(None));
}

/// Searches for a moment, then sleeps. `None`: look again.
fn look_around(
    workers: &Workers,
    queue: &Worker<Ready>,
    number: usize,
    searching: &mut bool,
) -> Option<Ready> {
    *searching = *searching || workers.sleepers.start_search();
    for spin in 0..if *searching { SPINS } else { 1 } {
        let found = workers.search(queue, number);
        if found.is_some() {
            return found;
        }
        if workers.closing.load(Ordering::Relaxed) {
            return None;
        }
        if spin % YIELD_EVERY == YIELD_EVERY - 1 {
            thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
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
