//! iris-bench: measures iris-core beside bare channels and prints one JSON line per figure.
//!
//! `iris-bench` measures everything; `iris-bench timers ping_pong` only those groups and figures; `--quick` takes smaller
//! counts and one repetition, and judges nothing. `benches/README.md` says what each figure measures.

mod bare;
mod echo;
mod fairness;
mod memory;
mod mesh;
mod messages;
mod pair;
mod report;
mod timers;
mod wait;

use std::path::Path;

use report::Scale;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A group of figures: its name on the command line, and what measures it.
type Group = (&'static str, fn(Scale));

const GROUPS: [Group; 6] = [
    ("messages", messages::measure),
    ("memory", memory::measure),
    ("fairness", fairness::measure),
    ("timers", timers::measure),
    ("mesh", mesh::measure),
    ("bare", bare::measure),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, figure, count] = arguments.as_slice()
        && flag == memory::CHILD_FLAG
    {
        return memory::child(figure, count.parse().expect("a count of actors"));
    }
    if let [flag, certificates @ ..] = arguments.as_slice()
        && flag == pair::CHILD_FLAG
    {
        return pair::child(certificates.first().map(Path::new));
    }
    if arguments == [echo::CHILD_FLAG] {
        return echo::child();
    }
    let scale =
        if arguments.iter().any(|argument| argument == "--quick") { Scale::QUICK } else { Scale::FULL };
    report::want(arguments.into_iter().filter(|argument| !argument.starts_with("--")).collect());
    for (name, measure) in GROUPS {
        report::enter(name);
        measure(scale);
    }
}
