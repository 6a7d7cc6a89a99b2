"""Python's rates beside a bare loop's in one process: many short turns of each, so that some of both are undisturbed.

Prints the best rate of each kind of turn divided by the best bare one.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench_samples import BODY, bare_loop, counting_handler, many_actors, seconds_since, send_all

TURNS = 150
# A turn takes a millisecond or two, so that many are over before another process has its turn on this core.
MESSAGES = 10_000
ACTORS = 1_000


def bare_many(count: int) -> float:
    """Seconds that a loop takes to call as many handlers ten times, in the order of `many_actors`."""
    handlers = [counting_handler(count * 10, threading.Event())] * count
    start = time.perf_counter()
    for _ in range(10):
        for handler in handlers:
            handler(BODY)
    return seconds_since(start)


def main() -> None:
    """Take the turns in alternation."""
    one = [(bare_loop(MESSAGES), send_all(MESSAGES)) for _ in range(TURNS)]
    many = [(bare_many(ACTORS), ACTORS * 10 / many_actors(ACTORS)[0] / 1e6) for _ in range(TURNS)]
    ratios = [min(bare for bare, _ in turns) / min(actors for _, actors in turns) for turns in (one, many)]
    print(json.dumps({"python one actor": ratios[0], "python many actors": ratios[1]}))


if __name__ == "__main__":
    main()
