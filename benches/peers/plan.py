"""Plan: what is measured, of whom, how much of it, and who is left out of what and why."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# What the peers need is built and installed here, apart from the product's own.
BUILT = ROOT / "target" / "peers"
PYTHON_OF_PEERS = BUILT / "venv" / "bin" / "python"
ROUNDS = 5
QUICK_DIVISOR = 50
SAMPLE_SECONDS_MAX = 90.0


@dataclass(frozen=True)
class Figure:
    """One number of a sample."""

    name: str
    unit: str
    more_is_better: bool


@dataclass(frozen=True)
class Workload:
    """What is done, how often, and the numbers it gives; the first is the one that is drawn."""

    name: str
    title: str
    count: int
    figures: tuple[Figure, ...]


RATE = Figure("rate", "1/s", True)
P99_MS = Figure("p99_ms", "ms", False)

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("W1a", "spawn 100,000 idle actors", 100_000, (RATE, Figure("bytes", "bytes", False))),
        Workload("W1b", "spawn 1,000,000 idle actors", 1_000_000, (RATE, Figure("bytes", "bytes", False))),
        Workload("W2", "100,000 actors, one message each", 100_000, (RATE,)),
        Workload("W2x10", "100,000 actors, ten messages each", 100_000, (RATE,)),
        Workload("W3", "one producer, one actor", 1_000_000, (RATE,)),
        Workload("W4", "two producers, one actor", 1_000_000, (RATE,)),
        Workload("W5", "ping-pong of two actors, round trips", 200_000, (RATE,)),
        Workload("W6", "ring of 1,000 actors, hops", 1_000_000, (RATE,)),
        Workload("W7", "skynet, leaves", 1_000_000, (RATE,)),
        Workload(
            "W8a",
            "ask from outside, one after another",
            100_000,
            (RATE, Figure("p50_us", "µs", False), Figure("p99_us", "µs", False)),
        ),
        Workload("W8b", "ask from outside, 1,000 in flight", 100_000, (RATE,)),
        Workload("W9a", "64 bytes to another process", 1_000_000, (RATE,)),
        Workload(
            "W9b",
            "ask another process, one after another",
            10_000,
            (RATE, Figure("p50_us", "µs", False), Figure("p99_us", "µs", False)),
        ),
        Workload(
            "W10",
            "one actor flooded, 1,000 others: delay",
            1_000_000,
            (P99_MS, Figure("p99_planned_ms", "ms", False)),
        ),
        Workload("W11", "hot swaps under load", 10_000, (RATE,)),
        Workload("W12", "1,000,000 timers: lateness, and setting", 1_000_000, (P99_MS, RATE)),
        Workload("W13", "crash and restart under load", 10_000, (RATE, Figure("kept", "of 1", True))),
    )
}

NO_SWAP = "has no hot swap"
NO_RESTART = "does not restart an actor"
NO_TIMERS = "has no timers"
THREADS = "an actor is a thread: a million are not to be had"
PROCESSES = "an actor is a process: thousands are not to be had"


@dataclass(frozen=True)
class Subject:
    """A system that is measured: in which language, in which role, by which command."""

    name: str
    language: str
    role: str  # `iris`, `bare` or `peer`
    command: tuple[str, ...]
    # Fewer than the workload's count, where that would take minutes; rates are compared.
    counts: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def count(self, workload: Workload, quick: bool) -> int:
        """How many things to measure."""
        count = self.counts.get(workload.name, workload.count)
        if quick and workload.name == "W7":
            return 1_000
        # Every workload takes a multiple of a thousand.
        return max(1_000, count // QUICK_DIVISOR // 1_000 * 1_000) if quick else count


def rust(name: str) -> tuple[str, ...]:
    """The command of a Rust peer."""
    return (str(BUILT / "rust" / "release" / f"peer-{name}"),)


def python(name: str, interpreter: str = str(PYTHON_OF_PEERS)) -> tuple[str, ...]:
    """The command of a Python program."""
    return (interpreter, str(HERE / "python" / f"{name}.py"))


def node(name: str) -> tuple[str, ...]:
    """The command of a Node program: a million actors of the slimmest peer want more than the default heap."""
    return ("node", "--expose-gc", "--max-old-space-size=8192", str(HERE / "node" / f"{name}.mjs"))


ERLANG = (
    "erl",
    "-noshell",
    "-noinput",
    "+P",
    "4000000",
    # W9 needs two nodes: on addresses of their own, they find each other without a daemon.
    "-start_epmd",
    "false",
    "-erl_epmd_port",
    "43691",
    "-pa",
    str(BUILT / "erlang"),
    "-run",
    "beam",
    "main",
)

THREAD_COUNTS = {"W1a": 2_000, "W2": 2_000, "W2x10": 2_000, "W5": 20_000, "W6": 20_000, "W7": 1_000}
THREAD_COUNTS |= {"W8a": 20_000, "W8b": 20_000, "W10": 100_000}

SUBJECTS = (
    Subject("iris-rust", "rust", "iris", (str(ROOT / "target" / "release" / "iris-work"),), {"W11": 100_000}),
    Subject(
        "bare tokio",
        "rust",
        "bare",
        rust("bare-tokio"),
        {"W1b": 300_000, "W11": 100_000},
        {"W13": "a bare task is not restarted"},
    ),
    Subject(
        "ractor",
        "rust",
        "peer",
        rust("ractor"),
        {"W1b": 100_000, "W7": 100_000, "W12": 300_000},
        {"W11": NO_SWAP},
    ),
    Subject(
        "kameo",
        "rust",
        "peer",
        rust("kameo"),
        {"W1b": 300_000, "W7": 100_000, "W12": 300_000},
        {"W11": NO_SWAP},
    ),
    Subject("actix", "rust", "peer", rust("actix"), {"W7": 100_000}, {"W11": NO_SWAP}),
    Subject("BEAM", "erlang", "peer", ERLANG, {"W11": 100_000}),
    Subject(
        "iris-python",
        "python",
        "iris",
        python("iris_peer", sys.executable),
        {"W7": 100_000},
    ),
    Subject(
        "bare Python loop",
        "python",
        "bare",
        python("bare_loop"),
        left_out={
            "W8b": "a call is over when it returns",
            "W10": "a loop has nobody to be fair to",
            "W12": NO_TIMERS,
        },
    ),
    Subject(
        "pykka",
        "python",
        "peer",
        python("pykka_peer"),
        THREAD_COUNTS | {"W3": 200_000, "W4": 200_000},
        {"W1b": THREADS, "W11": NO_SWAP, "W12": NO_TIMERS, "W13": NO_RESTART},
    ),
    Subject(
        "xoscar",
        "python",
        "peer",
        python("xoscar_peer"),
        {"W1a": 10_000, "W2": 10_000, "W2x10": 2_000, "W3": 20_000, "W4": 20_000, "W5": 10_000, "W6": 20_000}
        | {"W7": 1_000, "W8a": 10_000, "W8b": 10_000, "W10": 20_000},
        {
            "W1b": "would take minutes",
            "W11": NO_SWAP,
            "W12": NO_TIMERS,
            "W13": "restarts pools of actors, which are processes",
        },
    ),
    Subject(
        "thespian",
        "python",
        "peer",
        python("thespian_peer"),
        {"W1a": 10_000, "W2": 10_000, "W2x10": 2_000, "W3": 50_000, "W5": 20_000, "W6": 50_000, "W7": 1_000}
        | {"W8a": 20_000, "W8b": 20_000},
        {
            "W1b": "would take minutes",
            "W4": "its base for one process is used from one thread",
            "W10": "on its base for one process a send returns when all is handled",
            "W11": NO_SWAP,
            "W12": "on its base for one process actors run only while somebody sends",
            "W13": "gives the message to the same actor again",
        },
    ),
    Subject(
        "ray",
        "python",
        "peer",
        python("ray_peer"),
        {"W3": 5_000, "W4": 5_000, "W8a": 1_000, "W8b": 2_000},
        {
            "W1a": PROCESSES,
            "W1b": PROCESSES,
            "W2": PROCESSES,
            "W2x10": PROCESSES,
            "W5": "actors that call each other wait for each other's process",
            "W6": PROCESSES,
            "W7": PROCESSES,
            "W10": PROCESSES,
            "W11": NO_SWAP,
            "W12": NO_TIMERS,
            "W13": "a restart begins a process, which takes seconds",
        },
    ),
    Subject(
        "asyncio.Queue",
        "python",
        "peer",
        python("asyncio_queue"),
        {"W1b": 100_000, "W5": 50_000, "W6": 200_000, "W7": 100_000, "W12": 300_000},
        {"W11": NO_SWAP, "W13": NO_RESTART},
    ),
    Subject(
        "queue + threads",
        "python",
        "peer",
        python("thread_queue"),
        THREAD_COUNTS,
        {
            "W1b": THREADS,
            "W11": NO_SWAP,
            "W12": "a threading.Timer is a thread: a million are not to be had",
            "W13": NO_RESTART,
        },
    ),
    Subject("iris-node", "node", "iris", node("iris"), {"W7": 100_000}),
    Subject(
        "bare JS loop",
        "node",
        "bare",
        node("bare_loop"),
        left_out={"W10": "a loop has nobody to be fair to", "W12": NO_TIMERS},
    ),
    Subject(
        "nact",
        "node",
        "peer",
        node("nact"),
        {"W1b": 300_000, "W2x10": 20_000, "W3": 300_000, "W4": 300_000, "W5": 50_000, "W6": 200_000}
        | {"W7": 10_000, "W8a": 20_000, "W8b": 20_000, "W13": 5_000},
        {"W11": NO_SWAP, "W12": NO_TIMERS},
    ),
    Subject(
        "piscina",
        "node",
        "peer",
        node("piscina"),
        {"W3": 20_000, "W8a": 10_000, "W8b": 20_000},
        dict.fromkeys(
            ("W1a", "W1b", "W2", "W2x10", "W4", "W5", "W6", "W7", "W10", "W11", "W12", "W13"),
            "a pool of workers: a task has no address and knows no other",
        ),
    ),
    Subject(
        "MessageChannel",
        "node",
        "peer",
        node("message_channel"),
        {"W1a": 10_000, "W2": 10_000, "W2x10": 10_000, "W3": 200_000, "W4": 200_000, "W5": 50_000}
        | {"W6": 50_000, "W7": 1_000, "W8a": 20_000, "W8b": 20_000, "W10": 50_000, "W12": 100_000},
        {"W1b": "takes 12 kB each", "W11": NO_SWAP, "W13": NO_RESTART},
    ),
)

# The two that are measured between processes; the other faces of Iris speak by the same connection.
TWO_PROCESSES = {"iris-rust", "BEAM"}
for subject in SUBJECTS:
    if subject.name not in TWO_PROCESSES:
        why = "measured in one process" if subject.role != "iris" else "the connection is that of iris-rust"
        subject.left_out.update(W9a=why, W9b=why)
