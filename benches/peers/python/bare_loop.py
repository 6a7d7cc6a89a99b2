"""Bare: a Python loop that calls the same handlers, with no actor between; the limit that Python itself sets."""

from __future__ import annotations

import threading
import time
from collections import deque

from measure import (
    BODY,
    CRASH,
    LAST,
    Handler,
    Sample,
    asked,
    counting,
    echo,
    main,
    rate,
    resident_bytes,
    watching,
)


def spawn_idle(count: int) -> Sample:
    """W1: the least that an actor is, a handler with a queue."""
    before = resident_bytes()
    start = time.perf_counter()
    actors = [(echo, deque()) for _ in range(count)]
    sample = rate(count, start)
    return sample | {"bytes": (resident_bytes() - before) / len(actors)}


def many(count: int, rounds: int = 1) -> Sample:
    """W2: the handlers of a list, called in rounds."""
    done = threading.Event()
    handler = counting(count * rounds, done.set)
    handlers = [handler for _ in range(count)]
    start = time.perf_counter()
    for _ in range(rounds):
        for call in handlers:
            call(BODY)
    assert done.is_set()
    return rate(count * rounds, start)


def one(count: int) -> Sample:
    """W3, after a tenth of it."""
    call(watching(threading.Event().set), count // 10)
    return call(watching(threading.Event().set), count)


def two(count: int) -> Sample:
    """W4."""
    return call(counting(count, threading.Event().set), count)


def call(handler: Handler, count: int) -> Sample:
    """Call one handler."""
    body = BODY
    start = time.perf_counter()
    for _ in range(count - 1):
        handler(body)
    handler(LAST)
    return rate(count, start)


def ping_pong(count: int) -> Sample:
    """W5: two calls a round trip."""
    start = time.perf_counter()
    for _ in range(count):
        echo(echo(BODY))
    return rate(count, start)


def ring(hops: int) -> Sample:
    """W6: the handlers of a list, called lap by lap."""
    handlers = [echo] * 1_000
    body = BODY
    start = time.perf_counter()
    for _ in range(hops // len(handlers)):
        for handler in handlers:
            body = handler(body)
    return rate(hops, start)


def skynet(leaves: int) -> Sample:
    """W7: a recursive function."""

    def node(number: int, leaves: int) -> int:
        if leaves == 1:
            return number
        part = leaves // 10
        return sum([node(number + branch * part, part) for branch in range(10)])

    start = time.perf_counter()
    assert node(0, leaves) == leaves * (leaves - 1) // 2
    return rate(leaves, start)


def ask_sequential(count: int) -> Sample:
    """W8a: a call."""
    each, now = [], time.perf_counter_ns
    start = time.perf_counter()
    for _ in range(count):
        before = now()
        echo(BODY)
        each.append(now() - before)
    return asked(each, start)


def hot_swaps(swaps: int) -> Sample:
    """W11: another function in a variable."""
    start = time.perf_counter()
    for number in range(swaps):

        def handler(message: bytes, number: int = number) -> int:
            return number

        for _ in range(10):
            handler(BODY)
    return rate(swaps, start)


def restarts(rounds: int) -> Sample:
    """W13: an exception that is caught, and a new function."""

    def make_handler() -> Handler:
        def handler(message: bytes) -> bytes:
            if message == CRASH:
                raise ValueError("on purpose")
            return message

        return handler

    handler = make_handler()
    start = time.perf_counter()
    for _ in range(rounds):
        for message in [BODY] * 5 + [CRASH] + [BODY] * 6:
            try:
                handler(message)
            except ValueError:
                handler = make_handler()
    return rate(rounds, start) | {"kept": 1.0}


if __name__ == "__main__":
    main(
        {
            "W1a": spawn_idle,
            "W1b": spawn_idle,
            "W2": many,
            "W2x10": lambda count: many(count, 10),
            "W3": one,
            "W4": two,
            "W5": ping_pong,
            "W6": ring,
            "W7": skynet,
            "W8a": ask_sequential,
            "W11": hot_swaps,
            "W13": restarts,
        }
    )
