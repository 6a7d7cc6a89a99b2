//! Report: how often and how much is measured, and the line a figure is printed as.

use std::io::Write as _;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// How much a run measures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Repetitions; the median is reported.
    pub(crate) runs: usize,
    /// What counts of messages and actors are divided by.
    divisor: usize,
}

impl Scale {
    /// The figures of the table.
    pub(crate) const FULL: Self = Self { runs: 5, divisor: 1 };
    /// A smoke run: does it work at all?
    pub(crate) const QUICK: Self = Self { runs: 1, divisor: 50 };

    /// Whether this is a smoke run, whose figures are not judged.
    fn is_quick(self) -> bool {
        self.divisor > 1
    }

    /// A count at this scale.
    pub(crate) fn count(self, full: usize) -> usize {
        full / self.divisor
    }
}

/// What a figure must reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Must {
    /// At least this.
    Floor(f64),
    /// At most this.
    Ceiling(f64),
    /// Nothing: printed to compare with.
    Compare,
}

static WANTED: OnceLock<Vec<String>> = OnceLock::new();
static GROUP: Mutex<&str> = Mutex::new("");

/// Limits the run to these groups and figures; none: everything.
pub(crate) fn want(names: Vec<String>) {
    WANTED.get_or_init(|| names);
}

/// Says which group the next figures belong to.
pub(crate) fn enter(group: &'static str) {
    *GROUP.lock().expect("no panic under the lock") = group;
}

/// Whether this figure is to be measured.
pub(crate) fn is_wanted(figure: &str) -> bool {
    let group = *GROUP.lock().expect("no panic under the lock");
    WANTED
        .get()
        .is_none_or(|names| names.is_empty() || names.iter().any(|name| name == figure || name == group))
}

/// Takes a figure `scale.runs` times and prints the median with its range.
pub(crate) fn figure(scale: Scale, name: &str, unit: &str, must: Must, mut take: impl FnMut() -> f64) {
    if !is_wanted(name) {
        return;
    }
    let samples = (0..scale.runs).map(|_| take()).collect();
    print(scale, name, unit, must, samples);
}

/// Prints a figure of which the samples were taken.
pub(crate) fn print(scale: Scale, name: &str, unit: &str, must: Must, mut samples: Vec<f64>) {
    samples.sort_by(f64::total_cmp);
    let (value, min, max) = (samples[samples.len() / 2], samples[0], samples[samples.len() - 1]);
    let (limit, is_met) = match must {
        Must::Floor(floor) => (format!(",\"floor\":{floor}"), value >= floor),
        Must::Ceiling(ceiling) => (format!(",\"ceiling\":{ceiling}"), value <= ceiling),
        Must::Compare => (String::new(), true),
    };
    let is_judged = !limit.is_empty() && !scale.is_quick();
    let verdict = if is_judged { format!(",\"met\":{is_met}") } else { String::new() };
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{{\"lang\":\"rust\",\"figure\":\"{name}\",\"value\":{value:.4},\"unit\":\"{unit}\",\"min\":{min:.4},\"max\":{max:.4}{limit}{verdict}}}"
    )
    .and_then(|()| out.flush())
    .expect("standard output takes a line");
}

/// A count as a float; counts here are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
pub(crate) fn float(count: usize) -> f64 {
    count as f64
}

/// Millions per second.
pub(crate) fn millions_per_second(count: usize, since: Instant) -> f64 {
    float(count) / since.elapsed().as_secs_f64() / 1e6
}

/// The 99th percentile of nanoseconds, in milliseconds.
pub(crate) fn p99_ms(mut nanoseconds: Vec<u64>) -> f64 {
    assert!(!nanoseconds.is_empty(), "nothing was sampled");
    nanoseconds.sort_unstable();
    let rank = (nanoseconds.len() * 99).div_ceil(100) - 1;
    Duration::from_nanos(nanoseconds[rank]).as_secs_f64() * 1e3
}
