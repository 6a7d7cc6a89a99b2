"""The Python rows of the speed table: each sample in a process of its own, one JSON line per figure on standard output.

`bench.py` measures everything, `bench.py ask_sequential import` only those figures; `--quick` takes smaller counts and one
repetition, and judges nothing. `README.md` beside this file says what each figure measures.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPETITIONS = 5
SAMPLE_SECONDS_MAX = 120.0
SAMPLES = Path(__file__).with_name("bench_samples.py")

Number = float | int


@dataclass(frozen=True)
class Figure:
    """One line of the table: its name, its unit, and the limit it must keep."""

    name: str
    unit: str
    floor: float | None = None
    ceiling: float | None = None

    def line(self, values: list[float]) -> dict[str, object]:
        """The figure's JSON object."""
        value = statistics.median(values)
        line: dict[str, object] = {
            "lang": "python",
            "figure": self.name,
            "value": round(value, 4),
            "unit": self.unit,
        }
        line |= {"min": round(min(values), 4), "max": round(max(values), 4)}
        if self.floor is not None:
            line |= {"floor": self.floor, "met": value >= self.floor}
        if self.ceiling is not None:
            line |= {"ceiling": self.ceiling, "met": value <= self.ceiling}
        return line


@dataclass(frozen=True)
class Sample:
    """What one process measures: a function of bench_samples.py, its count, and the figures it gives, in order."""

    function: str
    count: int
    figures: tuple[Figure, ...]
    count_quick: int | None = None


PLAN = (
    Sample(
        "one_actor",
        1_000_000,
        (
            Figure("one_actor", "M/s", floor=6),
            Figure("bare_loop", "M/s"),
            Figure("one_actor_to_bare_loop", "ratio", floor=0.20),
        ),
    ),
    Sample("one_actor_ref", 1_000_000, (Figure("one_actor_ref", "M/s"),)),
    Sample("one_actor_counting", 1_000_000, (Figure("one_actor_counting", "M/s"),)),
    Sample("one_actor_distinct", 1_000_000, (Figure("one_actor_distinct", "M/s"),)),
    Sample("one_actor_send_many", 1_000_000, (Figure("one_actor_send_many", "M/s"),)),
    Sample("many_actors", 100_000, (Figure("many_actors", "M/s", floor=4),)),
    Sample(
        "spawn",
        1_000_000,
        (Figure("spawn", "M/s", floor=2), Figure("idle_actor", "bytes", ceiling=250)),
    ),
    Sample("ask_sequential", 100_000, (Figure("ask_sequential", "k/s", floor=100),)),
    Sample("ask_in_flight", 300_000, (Figure("ask_1000_in_flight", "k/s", floor=300),)),
    Sample("ask_tasks", 200_000, (Figure("ask_1000_tasks", "k/s"),)),
    Sample("ask_blocking", 200_000, (Figure("ask_blocking", "k/s"),)),
    Sample("pull_recv", 1_000_000, (Figure("pull_recv", "M/s", floor=5),)),
    Sample("pull_ping_pong", 100_000, (Figure("pull_ping_pong", "k round trips/s", floor=60),)),
    Sample(
        "async_pull_alive",
        100_000,
        (Figure("async_pull_100k", "MB", ceiling=600), Figure("async_pull_spawn", "k/s")),
    ),
    Sample(
        "fairness",
        1_000_000,
        (Figure("fairness_p99", "ms", ceiling=10), Figure("fairness_p99_planned", "ms")),
    ),
    Sample("timers", 1_000_000, (Figure("timers_set", "ns"), Figure("timers_late_p99", "ms", ceiling=5))),
    Sample("timer_cancel", 1_000_000, (Figure("timer_cancel", "ns", ceiling=1_000),)),
    Sample(
        "import_iris",
        1,
        (Figure("import_iris", "ms", ceiling=30), Figure("first_runtime", "ms", ceiling=5)),
        count_quick=1,
    ),
)
QUICK_DIVISOR = 50


def take(sample: Sample, count: int) -> list[float]:
    """Take one sample in a fresh process."""
    command = [sys.executable, str(SAMPLES), sample.function, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SAMPLE_SECONDS_MAX)
    if done.returncode != 0:
        raise SystemExit(
            f"{sample.function} failed with status {done.returncode}:\n{done.stderr or done.stdout}"
        )
    return [float(value) for value in json.loads(done.stdout)]


def measure(sample: Sample, quick: bool) -> Iterator[dict[str, object]]:
    """Measure a sample's figures as often as the table wants."""
    count = sample.count
    if quick:
        count = sample.count_quick or sample.count // QUICK_DIVISOR
    taken = [take(sample, count) for _ in range(1 if quick else REPETITIONS)]
    for figure, values in zip(sample.figures, zip(*taken, strict=True), strict=True):
        line = figure.line(list(values))
        if quick:
            line.pop("met", None)
        yield line


def main(arguments: list[str]) -> None:
    """Measure what is asked for, and print each figure as soon as it is known."""
    quick = "--quick" in arguments
    wanted = {argument for argument in arguments if not argument.startswith("--")}
    for sample in PLAN:
        names = {sample.function} | {figure.name for figure in sample.figures}
        if wanted and not wanted & names:
            continue
        for line in measure(sample, quick):
            print(json.dumps(line, separators=(",", ":")), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
