"""Measure: clocks, counters, memory, and the line a sample is printed as; shared by every Python program beside this file."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable

BODY = b"0123456789abcdef"
LAST = b"the last message"
CRASH = b"crash on purpose"
DONE_WITHIN = 60.0

Sample = dict[str, float]
Handler = Callable[[bytes], object]


def main(workloads: dict[str, Callable[[int], Sample]], close: Callable[[], object] | None = None) -> None:
    """Take the sample that the command line names, and print it as one line of JSON."""
    try:
        sample = workloads[sys.argv[1]](int(sys.argv[2]))
    finally:
        if close:
            close()
    print(json.dumps(sample), flush=True)
    # Ending a million actors is not measured here.
    os._exit(0)


def rate(count: int, start: float) -> Sample:
    """So many things each second, since then."""
    return {"rate": count / (time.perf_counter() - start)}


def wait_for(done: threading.Event) -> None:
    """Wait until the last message was handled; one that is lost is an error, not a hang."""
    assert done.wait(DONE_WITHIN), f"not all messages were handled within {DONE_WITHIN} s"


def resident_bytes() -> int:
    """This process's resident memory."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


def percentile(values: list[int], percent: int) -> float:
    """The value at a percentile."""
    values.sort()
    return values[-(-len(values) * percent // 100) - 1]


def asked(nanoseconds: list[int], start: float) -> Sample:
    """The sample of W8a."""
    sample = rate(len(nanoseconds), start)
    return sample | {
        "p50_us": percentile(nanoseconds, 50) / 1e3,
        "p99_us": percentile(nanoseconds, 99) / 1e3,
    }


# Handlers: the same functions for every system


def watching(done: Callable[[], object]) -> Handler:
    """Compares each message with the last one, and does nothing else."""
    last = LAST

    def handler(message: bytes) -> None:
        if message is last:
            done()

    return handler


def counting(count: int, done: Callable[[], object]) -> Handler:
    """Counts every message. CPython switches threads between calls and loops only, so the count is right on many threads."""
    left = count

    def handler(_message: bytes) -> None:
        nonlocal left
        left -= 1
        if not left:
            done()

    return handler


def echo(message: bytes) -> bytes:
    """Answers what it is asked."""
    return message


def rounds_of_work() -> range:
    """A range that takes two microseconds to walk here."""
    start = time.perf_counter()
    for _ in range(1_000_000):
        pass
    return range(max(1, round(2.0 / (time.perf_counter() - start))))


class Flood:
    """The flooded actor of W10: busy for two microseconds with each message, until it is over."""

    def __init__(self) -> None:
        self.work = rounds_of_work()
        self.handled = 0
        self.over = False

    def handler(self, _message: bytes) -> None:
        """Works."""
        if not self.over:
            for _ in self.work:
                pass
        self.handled += 1


class Late:
    """Notes how late messages are handled: since they were sent, and since they were planned."""

    def __init__(self, count: int, done: Callable[[], object]) -> None:
        self.since_sent: list[int] = []
        self.since_planned: list[int] = []
        self.count = count
        self.done = done

    def handler(self, message: bytes) -> None:
        """Notes one."""
        now = time.perf_counter_ns()
        self.since_planned.append(now - int.from_bytes(message[8:], "little"))
        self.since_sent.append(now - int.from_bytes(message[:8], "little"))
        if len(self.since_sent) == self.count:
            self.done()

    def sample(self) -> Sample:
        """The 99th percentiles in milliseconds."""
        return {
            "p99_ms": percentile(self.since_sent, 99) / 1e6,
            "p99_planned_ms": percentile(self.since_planned, 99) / 1e6,
        }


def beats_of(count: int) -> int:
    """How many beats of ten milliseconds a flood of so many messages lasts for."""
    return max(1, count // 5_000)


def due_times(count: int) -> tuple[int, Callable[[int], tuple[int, int, bytes]]]:
    """The start of W12, and what tells a timer's number, its delay in milliseconds and its message at a place in the order."""
    start = time.perf_counter_ns()
    step, first = 1_000_000_000 // count, start + 3_000_000_000

    def timer(place: int) -> tuple[int, int, bytes]:
        number = place * 7_919 % count
        now = time.perf_counter_ns()
        delay_ms = max(0, first + number * step - now + 999_999) // 1_000_000
        due = (now + delay_ms * 1_000_000).to_bytes(8, "little")
        return number, delay_ms, due + due

    return start, timer
