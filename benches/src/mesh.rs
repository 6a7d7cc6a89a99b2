//! Mesh: two processes on loopback: messages to an actor of the other, and asks one after another, plain and by TLS.

use std::time::Duration;

use crate::pair::{Pair, asks, one_way};
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
    for (name, certificates) in [("mesh_ask", None), ("mesh_ask_tls", Some(directory.path()))] {
        let (median, last) = (format!("{name}_p50"), format!("{name}_p99"));
        if !is_wanted(&median) && !is_wanted(&last) {
            continue;
        }
        let limit = if certificates.is_none() { Must::Ceiling(60.0) } else { Must::Compare };
        let micros = |took: Duration| took.as_secs_f64() * 1e6;
        let pairs = (0..scale.runs).map(|_| {
            let took = asks(&Pair::begin(certificates), scale.count(2_000));
            (micros(took[took.len() / 2]), micros(took[(took.len() * 99).div_ceil(100) - 1]))
        });
        let (medians, lasts) = pairs.unzip();
        print(scale, &median, "us", limit, medians);
        print(scale, &last, "us", Must::Compare, lasts);
    }
}
