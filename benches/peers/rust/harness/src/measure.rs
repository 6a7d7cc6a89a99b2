//! Measure: clocks, counters, memory, and the line a sample is printed as.

use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// The figures of one sample by name.
pub type Sample = Vec<(&'static str, f64)>;

/// Longer than any sample takes: what is not there by then is lost.
const DEADLINE: Duration = Duration::from_mins(1);

/// What a handler panics with that crashes on purpose.
pub const ON_PURPOSE: &str = "crashed on purpose";

/// Whether a panic is part of a workload.
pub fn is_on_purpose(panic: &PanicHookInfo<'_>) -> bool {
    panic.payload().downcast_ref::<&str>().is_some_and(|text| *text == ON_PURPOSE)
}

/// Prints a sample as one line of JSON.
///
/// # Panics
/// Where standard output takes no line.
pub fn print(sample: &Sample) {
    let figures: Vec<String> = sample.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    writeln!(std::io::stdout(), "{{{}}}", figures.join(",")).expect("standard output takes a line");
}

/// A count as a float; counts here are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
pub fn float(count: usize) -> f64 {
    count as f64
}

/// So many things each second, since then.
pub fn rate(count: usize, since: Instant) -> Sample {
    vec![("rate", float(count) / since.elapsed().as_secs_f64())]
}

/// A percentile of durations.
///
/// # Panics
/// Where nothing was sampled.
pub fn percentile(sorted: &[u64], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    Duration::from_nanos(sorted[rank.saturating_sub(1)])
}

/// This process's resident memory.
///
/// # Panics
/// Where the system has no `/proc`.
pub fn resident_bytes() -> usize {
    const PAGE: usize = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux's /proc");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("a count of pages") * PAGE
}

/// Nanoseconds since the first call.
pub fn now_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The two numbers of a message.
pub fn words(message: &[u8; 16]) -> [u64; 2] {
    let word = |from: usize| u64::from_le_bytes(std::array::from_fn(|place| message[from + place]));
    [word(0), word(8)]
}

/// A message of two numbers.
pub fn words_body(words: [u64; 2]) -> [u8; 16] {
    let mut body = [0; 16];
    body[..8].copy_from_slice(&words[0].to_le_bytes());
    body[8..].copy_from_slice(&words[1].to_le_bytes());
    body
}

/// Opens when it was counted down to nothing.
#[derive(Debug)]
pub struct Latch {
    left: AtomicUsize,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Latch {
    /// A latch that so many things open.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self { left: AtomicUsize::new(count), open: Mutex::new(count == 0), opened: Condvar::new() }
    }

    /// One thing less to wait for, counted by many.
    pub fn count_down(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.release();
        }
    }

    /// One thing less to wait for, counted by one actor alone: no locked instruction. Whether it was the last.
    pub fn count_down_alone(&self) -> bool {
        let left = self.left.load(Ordering::Relaxed) - 1;
        self.left.store(left, Ordering::Release);
        if left == 0 {
            self.release();
        }
        left == 0
    }

    fn release(&self) {
        *self.open.lock().expect("no panic under the lock") = true;
        self.opened.notify_all();
    }

    /// How many things have not happened yet.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::Acquire)
    }

    /// Sleeps until it opens.
    ///
    /// # Panics
    /// Where that takes too long: something was lost.
    pub fn wait(&self) {
        let open = self.open.lock().expect("no panic under the lock");
        let (open, _) =
            self.opened.wait_timeout_while(open, DEADLINE, |open| !*open).expect("no panic under the lock");
        assert!(*open, "{} things did not happen within {DEADLINE:?}", self.left());
    }
}
