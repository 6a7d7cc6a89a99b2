"""A tour of Iris in one run: 100,000 actors, crashes that heal, code swapped while messages flow, and what it measured."""

import asyncio
import logging
import platform
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

import iris

ACTORS, ROUNDS, WORKERS, STREAM, ASKS = 100_000, 10, 1_000, 500_000, 50_000


def wait_until(is_so: Callable[[], bool], otherwise: str, patience: float = 10) -> None:
    """Wait for what must come true. The tour proves itself: what does not ends it with an error."""
    deadline = time.monotonic() + patience
    while not is_so():
        if time.monotonic() > deadline:
            sys.exit(f"  the demo failed: {otherwise}")
        time.sleep(0.001)


def show(step: str, result: str, count: int, unit: str, began: float) -> None:
    """Print one line of the tour, with its rate."""
    print(f"  {step:<6}{result:<78}{count / (time.perf_counter() - began):>12,.0f} {unit}/s", flush=True)


def spawn_and_send(rt: iris.Runtime) -> None:
    """Very many actors, and messages to them all."""
    handled = 0

    def handler(message: bytes) -> None:
        nonlocal handled
        handled += 1

    began = time.perf_counter()
    pids = [rt.spawn(handler) for _ in range(ACTORS)]
    show("spawn", f"{len(pids):,} actors live in this process", ACTORS, "actors", began)
    began = time.perf_counter()
    for _ in range(ROUNDS):
        for pid in pids:
            rt.send(pid, b"hello")
    wait_until(lambda: handled == ACTORS * ROUNDS, "not every message was handled")
    show("send", f"{handled:,} messages sent, and every one handled", ACTORS * ROUNDS, "messages", began)


def heal(rt: iris.Runtime) -> None:
    """Supervised workers crash between two messages: each goes on with a fresh handler, the same pid, and its queue."""
    seen: Counter[str] = Counter()

    def make_worker() -> Callable[[bytes], None]:
        seen["made"] += 1

        def worker(message: bytes) -> None:
            if message == b"poison":
                seen["crashed"] += 1
                raise ValueError("this worker has had enough")
            seen["worked"] += 1

        return worker

    began = time.perf_counter()
    supervisor = rt.spawn_supervisor(intensity=WORKERS)
    workers = [rt.start_child(supervisor, make_worker) for _ in range(WORKERS)]
    for message in (b"work", b"poison", b"work"):
        for pid in workers:
            rt.send(pid, message)
    wait_until(
        lambda: seen == {"made": 2 * WORKERS, "crashed": WORKERS, "worked": 2 * WORKERS},
        "not every job is done",
    )
    wait_until(lambda: all(map(rt.is_alive, workers)), "not every worker is alive again")
    healed = seen["made"] - WORKERS
    result = f"{seen['crashed']:,} workers crashed, {healed:,} healed, {seen['worked']:,} of {2 * WORKERS:,} jobs done"
    show("heal", result, healed, "crashes", began)


def swap(rt: iris.Runtime) -> None:
    """New code for an actor, again and again, while messages flow to it."""
    handled_by: Counter[int] = Counter()
    expected = 0

    def make_handler(version: int) -> Callable[[bytes], None]:
        def handler(message: bytes) -> None:
            nonlocal expected
            assert int.from_bytes(message, "little") == expected, "lost, doubled or out of order"
            expected += 1
            handled_by[version] += 1

        return handler

    def stream() -> None:
        for number in range(STREAM):
            rt.send(pid, number.to_bytes(4, "little"))

    began = time.perf_counter()
    pid = rt.spawn(make_handler(1))
    sender = threading.Thread(target=stream)
    sender.start()
    while sender.is_alive():
        rt.hot_swap(pid, make_handler(rt.behavior_version(pid) + 1))
        time.sleep(0.001)
    wait_until(lambda: expected == STREAM, "not every message of the stream was handled")
    swaps, lost = rt.behavior_version(pid) - 1, STREAM - handled_by.total()
    result = f"code swapped {swaps} times in a stream of {STREAM:,} messages: {lost} lost, order kept"
    show("swap", result, STREAM, "messages", began)


async def ask(rt: iris.Runtime) -> None:
    """Questions from asyncio, a thousand in flight."""
    pid = rt.spawn(bytes.upper)
    began = time.perf_counter()
    for _ in range(ASKS // 1_000):
        answers = await asyncio.gather(*(rt.ask(pid, b"hello") for _ in range(1_000)))
        if set(answers) != {b"HELLO"}:
            sys.exit("  the demo failed: a wrong answer")
    show("ask", f"{ASKS:,} questions asked from asyncio, and every one answered", ASKS, "asks", began)


def main() -> None:
    """The tour."""
    print(f"Iris {iris.version()} on Python {platform.python_version()}")
    # Each crash is logged with its traceback. A thousand of them on purpose are no news.
    logging.getLogger("iris").setLevel(logging.CRITICAL)
    began = time.perf_counter()
    with iris.Runtime() as rt:
        spawn_and_send(rt)
        heal(rt)
        swap(rt)
        asyncio.run(ask(rt))
        stats = rt.stats()
        sent, dropped = stats["sent"], sum(stats["dropped"].values())
        if (
            sent != stats["handled"] + dropped
            or dropped
            or sent != ACTORS * ROUNDS + 3 * WORKERS + STREAM + ASKS
        ):
            sys.exit(f"  the demo failed: the counts do not add up: {stats}")
    print(
        f"  {'sum':<6}{sent:,} messages sent, {stats['handled']:,} handled, {dropped} dropped: it adds up",
        end="",
    )
    print(f" ({time.perf_counter() - began:.1f} s)")


if __name__ == "__main__":
    main()
