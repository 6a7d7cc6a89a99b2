//! Mesh: two processes on loopback: messages to an actor of the other, and asks one after another, plain and by TLS.

use std::time::Duration;

use crate::echo::Echo;
use crate::pair::{Pair, ask, each, one_way};
use crate::report::{Must, Scale, figure, is_wanted, millions_per_second, print};

pub(crate) fn measure(scale: Scale) {
    let count = scale.count(1_000_000);
    let directory = tempfile::tempdir().expect("a directory");
    iris_core::dev_certs(directory.path(), &["here", "there"]).expect("certificates");
    for (name, floor, certificates) in [("mesh_plain", 1.5, None), ("mesh_tls", 1.0, Some(directory.path()))]
    {
        figure(scale, name, "M/s", Must::Floor(floor), || {
            millions_per_second(count, one_way(&Pair::begin(certificates), count))
        });
    }
    let once = |certificates| {
        let pair = Pair::begin(certificates);
        move || ask(&pair)
    };
    latency(scale, "mesh_ask", Must::Ceiling(60.0), || once(None));
    latency(scale, "mesh_ask_tls", Must::Compare, || once(Some(directory.path())));
    latency(scale, "tcp_echo", Must::Compare, || {
        let mut echo = Echo::begin();
        move || echo.once()
    });
}

/// The median and the 99th percentile of what `once` took, one after another, after a tenth of that: in each sample with
/// another one that `begin` made.
fn latency<F: FnMut()>(scale: Scale, name: &str, must: Must, begin: impl Fn() -> F) {
    let (median, last) = (format!("{name}_p50"), format!("{name}_p99"));
    if !is_wanted(&median) && !is_wanted(&last) {
        return;
    }
    let micros = |took: Duration| took.as_secs_f64() * 1e6;
    let samples = (0..scale.runs).map(|_| {
        let took = each(scale.count(2_000), begin());
        (micros(took[took.len() / 2]), micros(took[(took.len() * 99).div_ceil(100) - 1]))
    });
    let (medians, lasts) = samples.unzip();
    print(scale, &median, "us", must, medians);
    print(scale, &last, "us", Must::Compare, lasts);
}
