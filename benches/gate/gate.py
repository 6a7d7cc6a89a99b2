"""Gate: fails where a hot path takes more than its committed baseline, whatever else the machine does.

Two kinds of figures do not depend on the machine's mood: instructions under callgrind (the same binary and the same input give
the same number), and ratios to a bare loop of the same process, the best of many turns. `--accept` writes the baseline anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BASELINE = HERE / "baseline.json"
RUST_PATHS = (
    "spawn",
    "send_idle",
    "send_busy",
    "ref_send",
    "handle_one",
    "handle_many",
    "ask",
    "timer",
    "swap",
    "stop",
)
RUST_COUNT = 10_000
PYTHON_COUNTS = (10_000, 40_000)


@dataclass(frozen=True)
class Kind:
    """How a figure is judged: which way is worse, and by how much it may be worse than its baseline."""

    unit: str
    more_is_better: bool
    tolerance: float


# A change elsewhere moves what the compiler inlines: nearby commits with the same hot path differed by up to 17 in a hundred.
INSTRUCTIONS = Kind("instructions", False, 0.20)
# The loop of asyncio looks at its clock, so a turn more or less is in the count; and the interpreter is another build elsewhere.
TIMES_BARE = Kind("x the bare loop's instructions", False, 0.08)
# Two threads and a clock: the best of many short turns moved by a quarter at most beside a dozen busy processes.
RATE_RATIO = Kind("of the bare loop's rate", True, 0.40)

# Of another interpreter the instructions are others: the baseline is this one's.
PYTHON_OF_BASELINE = (3, 11)

Baseline = dict[str, float]
Measured = dict[str, tuple[Kind, float]]


def is_worse(kind: Kind, baseline: float, value: float) -> bool:
    """Whether a figure is beyond its tolerance."""
    if kind.more_is_better:
        return value < baseline * (1 - kind.tolerance)
    return value > baseline * (1 + kind.tolerance)


def said(*command: str, **environment: str) -> str:
    """What a command prints; one that fails ends the gate."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2_000:]}")
    return done.stdout


def instructions(*command: str) -> int:
    """How many instructions callgrind counts."""
    callgrind = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
    output = said(*callgrind, *command, PYTHONHASHSEED="0")
    collected = re.search(r"Collected : (\d+)", output)
    if collected is None or collected[1] == "0":
        raise SystemExit(f"callgrind counted nothing in {' '.join(command)}:\n{output[-2_000:]}")
    return int(collected[1])


def rust_path(path: str) -> float:
    """Instructions of one thing on a path of core."""
    program = str(ROOT / "target" / "release" / "iris-gate")
    return instructions("--toggle-collect=*measured_*", program, path, str(RUST_COUNT)) / RUST_COUNT


def python_path(path: str) -> float:
    """Instructions of one message in Python, without what starts and ends the interpreter."""
    fewer, more = PYTHON_COUNTS
    script = str(HERE / "python_path.py")
    counted = [instructions(sys.executable, script, path, str(count)) for count in (fewer, more)]
    return (counted[1] - counted[0]) / (more - fewer)


def ratios(*command: str) -> Measured:
    """The ratios that a program prints."""
    found: dict[str, float] = json.loads(said(*command).splitlines()[-1])
    return {name: (RATE_RATIO, ratio) for name, ratio in found.items()}


def measure() -> Measured:
    """Every figure by its name; callgrind's on all cores, the ratios with nothing beside them."""
    said("cargo", "build", "--release", "--locked", "--quiet", "-p", "iris-benches", "--bin", "iris-gate")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        paths = ("actor", "bare") if sys.version_info[:2] == PYTHON_OF_BASELINE else ()
        python = {path: pool.submit(python_path, path) for path in paths}
        rust = {path: pool.submit(rust_path, path) for path in RUST_PATHS}
        measured: Measured = {
            f"rust {path}": (INSTRUCTIONS, counted.result()) for path, counted in rust.items()
        }
        if python:
            times_bare = python["actor"].result() / python["bare"].result()
            measured["python message"] = (TIMES_BARE, times_bare)
    measured |= ratios(sys.executable, str(HERE / "ratios.py"))
    measured |= ratios("node", str(HERE / "ratios.mjs"))
    return measured


def judge(measured: Measured, baseline: Baseline) -> list[str]:
    """What is wrong: figures that are worse than their tolerance allows, and figures without a baseline or the reverse."""
    wrong = [
        f"{name}: {value:.4g} {kind.unit}, baseline {baseline[name]:.4g}, tolerance {kind.tolerance:.0%}"
        for name, (kind, value) in measured.items()
        if name in baseline and is_worse(kind, baseline[name], value)
    ]
    wrong += [f"{name}: has no baseline" for name in measured if name not in baseline]
    return wrong + [
        f"{name}: has a baseline and was not measured" for name in baseline if name not in measured
    ]


def main(arguments: list[str]) -> int:
    """Measure, print, judge; 1 where something is worse."""
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind was not found: install it (Debian: valgrind)")
    baseline: Baseline = json.loads(BASELINE.read_text()) if BASELINE.is_file() else {}
    if sys.version_info[:2] != PYTHON_OF_BASELINE:
        baseline.pop("python message", None)
        print(
            f"python message: left out, since this is CPython {sys.version_info.major}.{sys.version_info.minor}"
        )
    measured = measure()
    for name, (kind, value) in measured.items():
        known = baseline.get(name)
        change = f"{value / known - 1:+.1%}" if known else "new"
        print(f"{name:<20} {value:>10.4g} {kind.unit:<32} baseline {known or 0:>8.4g}  {change}")
    if "--accept" in arguments:
        rounded = {name: float(f"{value:.4g}") for name, (_, value) in measured.items()}
        BASELINE.write_text(json.dumps(rounded, indent=2) + "\n")
        print(f"{BASELINE.relative_to(ROOT)} is written")
        return 0
    wrong = judge(measured, baseline)
    for line in wrong:
        print(f"WORSE {line}")
    print("a hot path takes more than it did" if wrong else "no hot path takes more than it did")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
