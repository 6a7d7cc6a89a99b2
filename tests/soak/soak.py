"""Soak: all features at once from several threads, with crashes; at the end nothing is lost, stuck, leaked or slow.

`soak.py --seconds 600` is the long run of `make deep`; the suite runs a short one. Each part below is a round that a thread
of its own repeats. A part leaves something to be checked at the end in `Soak.promises`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import math
import random
import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import iris
from crashes import crashes

#: Between two rounds of a part, on average: the threads share one interpreter with the canary.
PAUSE = 0.025
DRAIN_SECONDS = 60.0
GROWTH_MIB_MAX = 24.0
REPORT_SECONDS = 10.0
#: How long one thing that a part waits for may take.
WAIT_SECONDS = 30.0
#: Rounds of each part, and messages of the canary, in a second; on a machine of its own there are some 35.
ROUNDS_MIN, CANARIES_MIN = 1.0, 4.0


def rss_mib() -> float:
    """The resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


class Soak:
    """What the parts share."""

    def __init__(self, rt: iris.Runtime, seed: int) -> None:
        self.rt = rt
        self.chance = random.Random(seed)
        self.over = threading.Event()
        self.failures: list[str] = []
        #: Asked once everything came to rest: the text says what was promised.
        self.promises: list[tuple[str, Callable[[], bool]]] = []
        self.rounds: dict[str, int] = defaultdict(int)
        self.delays: list[float] = []
        self.supervisor = rt.spawn_supervisor(intensity=1_000_000, period=1.0, backoff=(0.001, 0.005))

    def repeat(self, name: str, part: Callable[[], None]) -> None:
        """The life of one thread."""
        try:
            while not self.over.wait(2 * PAUSE * self.chance.random()):
                part()
                self.rounds[name] += 1
        except BaseException as error:
            self.failures.append(f"{name}: {error!r}")
            self.over.set()

    def wait(self, happened: Callable[[], object], what: str) -> None:
        """Wait for something, and fail saying what it was."""
        deadline, never = time.monotonic() + WAIT_SECONDS, threading.Event()
        while not happened():
            assert time.monotonic() < deadline, f"waited {WAIT_SECONDS} s for {what}"
            never.wait(0.001)

    def promise(self, text: str, kept: Callable[[], bool]) -> None:
        """Something that must be true at rest."""
        self.promises.append((text, kept))


def ordered_flow(soak: Soak) -> Callable[[], None]:
    """Numbered messages to actors, some on threads of their own, that are swapped all the time: all come once, in order."""
    rt, sent, got, strays = soak.rt, [0] * 20, [0] * 20, []

    def handler_of(place: int) -> Callable[[bytes], None]:
        def handler(message: bytes) -> None:
            number = int.from_bytes(message, "little")
            if number != got[place]:
                strays.append((place, number, got[place]))
            got[place] = number + 1

        return handler

    pids = [rt.spawn(handler_of(place), release_gil=place % 5 == 0) for place in range(len(sent))]
    soak.promise("numbered messages arrive once and in order", lambda: not strays and got == sent)

    def part() -> None:
        for place, pid in enumerate(pids):
            for _ in range(20):
                assert rt.send(pid, sent[place].to_bytes(8, "little"))
                sent[place] += 1
            if soak.chance.random() < 0.3:
                rt.hot_swap(pid, handler_of(place))
            if soak.chance.random() < 0.1:
                with suppress(iris.IrisError):
                    rt.rollback_behavior(pid)

    return part


def lives(soak: Soak) -> Callable[[], None]:
    """Actors that are born, linked, watched, named and stopped, with children; who was untied from them hears nothing."""
    rt, numbers = soak.rt, itertools.count()
    notices, expected = {"DOWN": 0, "EXIT": 0}, {"DOWN": 0, "EXIT": 0}

    def hear(mailbox: iris.Mailbox) -> None:
        while (message := mailbox.recv()) is not None:
            if isinstance(message, iris.SystemMessage):
                notices[message.type_name] += 1

    watcher = rt.spawn_with_mailbox(hear)
    soak.promise("each link and monitor tells once, unless it was taken back", lambda: notices == expected)

    def part() -> None:
        number = next(numbers)
        parent, other = rt.spawn(print), rt.spawn(len)
        children = [rt.spawn_child(parent, len) for _ in range(3)]
        rt.register(f"life-{number}", parent)
        rt.register_path(f"/soak/{number}", other)
        rt.link(parent, other)
        rt.monitor(parent, watcher)
        rt.monitor(children[0], watcher)
        rt.link(watcher, children[0])
        expected["DOWN"] += 2
        expected["EXIT"] += 1
        rt.link(watcher, children[1])
        rt.unlink(watcher, children[1])
        assert rt.demonitor(rt.monitor(children[1], watcher))
        virtual = rt.spawn_virtual(len, idle_timeout_ms=1)
        rt.send(virtual, b"hello")
        assert rt.stop(parent)
        assert rt.join(parent, 10.0)
        assert not any(map(rt.is_alive, children)), "children end before their parent"
        assert rt.whereis(f"life-{number}") is None
        rt.stop(other)

    return part


def timers(soak: Soak) -> Callable[[], None]:
    """Timers set and taken back."""
    rt, fired, expected = soak.rt, {"one": 0}, {"one": 0}

    def count(message: bytes) -> None:
        fired["one"] += 1

    pid, beaten = rt.spawn(count), rt.spawn(len)
    soak.promise("each timer that was not taken back fired once", lambda: fired == expected)

    def part() -> None:
        for _ in range(20):
            timer = rt.send_after(pid, soak.chance.randrange(100), b"one")
            if soak.chance.random() < 0.5 and rt.cancel_timer(timer):
                continue
            expected["one"] += 1
        interval = rt.send_interval(beaten, 1, b"beat")
        soak.over.wait(0.003)
        assert rt.cancel_timer(interval)

    return part


def bounded(soak: Soak) -> Callable[[], None]:
    """Mailboxes with bounds under each policy."""
    rt = soak.rt
    target = rt.spawn(len)
    pids = []
    for policy in ("dropnew", "dropold", "block", "redirect", "spill"):
        pid = rt.spawn_py_handler_bounded(len, 100, 16)
        rt.set_overflow_policy(pid, policy, target if policy == "redirect" else None)
        pids.append(pid)

    def part() -> None:
        for pid in pids:
            rt.send_many(pid, [b"0123456789abcdef"] * 40)

    return part


def pulls(soak: Soak) -> Callable[[], None]:
    """Pull actors, threads and tasks, that echo, and end when they are told."""
    rt = soak.rt

    def echo(mailbox: iris.Mailbox) -> None:
        while (message := mailbox.recv()) is not None:
            if message == b"end":
                return
            if not isinstance(message, iris.SystemMessage):
                mailbox.reply(message, message)

    async def echo_later(mailbox: iris.AsyncMailbox) -> None:
        async for message in mailbox:
            if message == b"end":
                return
            mailbox.reply(message, message)

    def part() -> None:
        for pid in (rt.spawn_with_mailbox(echo), rt.spawn_with_mailbox(echo_later)):
            assert rt.ask_blocking(pid, b"question", timeout=10.0) == b"question"
            rt.send(pid, b"end")
            assert rt.join(pid, 10.0)

    return part


def asks(soak: Soak) -> Callable[[], None]:
    """Asks from an event loop, some to an actor too slow for them."""
    rt = soak.rt
    quick = rt.spawn(lambda message: message)

    async def slow(message: bytes) -> bytes:
        await asyncio.sleep(0.005)  # busy on purpose
        return message

    async def round_of_asks() -> None:
        slow_pid = rt.spawn(slow)
        answers = await asyncio.gather(*(rt.ask(quick, b"%d" % n, timeout=10.0) for n in range(100)))
        assert answers == [b"%d" % n for n in range(100)]
        late = await asyncio.gather(
            *(rt.ask(slow_pid, b"x", timeout=0.002) for _ in range(5)), return_exceptions=True
        )
        assert all(isinstance(answer, (bytes, iris.AskTimeoutError)) for answer in late), late
        rt.stop(slow_pid)

    return lambda: asyncio.run(round_of_asks())


def trees(soak: Soak) -> Callable[[], None]:
    """Supervisors whose middle child fails: all its siblings begin anew, or those after it, and nobody else."""
    rt = soak.rt

    def fail(strategy: str, expected: list[int]) -> None:
        made = [0, 0, 0]

        def maker(place: int) -> Callable[[], Callable[[bytes], None]]:
            def make() -> Callable[[bytes], None]:
                made[place] += 1
                return handler

            return make

        def handler(message: bytes) -> None:
            if message == b"poison":
                raise ValueError("poison")

        supervisor = rt.spawn_supervisor(
            strategy, intensity=10, backoff=(0.0, 0.0), supervisor=soak.supervisor
        )
        pids = [rt.start_child(supervisor, maker(place)) for place in range(3)]
        assert rt.send(pids[1], b"poison")
        soak.wait(lambda: made == expected, f"{strategy}: {expected}, got {made}")
        for pid in pids:
            rt.ask_blocking(pid, b"alive", timeout=WAIT_SECONDS)
        assert made == expected, f"{strategy}: {made}"
        assert rt.stop(supervisor)
        assert rt.join(supervisor, WAIT_SECONDS)

    def part() -> None:
        fail("one_for_all", [2, 2, 2])
        fail("rest_for_one", [1, 2, 2])

    return part


def factories(soak: Soak) -> Callable[[], None]:
    """Actors below a path that factories replace, one of them or all."""
    rt, numbers = soak.rt, itertools.count()

    def fail(strategy: str, replaced: int) -> None:
        path, made = f"/healed/{next(numbers)}", []

        def factory() -> int:
            made.append(rt.spawn(bytes.upper))
            return made[-1]

        assert rt.create_path_supervisor(path)
        first = [rt.spawn(bytes.upper) for _ in range(2)]
        for pid in first:
            rt.path_supervise_with_factory(path, pid, factory, strategy)
        assert rt.stop(first[0])
        soak.wait(lambda: len(made) == replaced, f"{replaced} replacements by {strategy}")
        alive = {*first[replaced:], *made}
        soak.wait(
            lambda: set(rt.path_supervisor_children(path)) == alive, "the replacements to be supervised"
        )
        assert all(rt.ask_blocking(pid, b"x", timeout=WAIT_SECONDS) == b"X" for pid in alive)
        assert rt.remove_path_supervisor(path)
        for pid in alive:
            rt.stop(pid)

    def part() -> None:
        fail("RestartOne", 1)
        fail("RestartAll", 2)

    return part


def observed(soak: Soak) -> Callable[[], None]:
    """Observed actors that get bytes and buffers, picked by matchers; nothing is lost and the rest keeps its order."""
    rt = soak.rt

    def part() -> None:
        pid, rest = rt.spawn_observed_handler(), [b"%d" % number for number in range(20)]
        pattern = soak.chance.randbytes(1000)
        number, view, *_ = iris.allocate_buffer(len(pattern))
        view[:] = pattern
        rt.send_many(pid, rest[:10])
        assert rt.send_buffer(pid, number)
        rt.send_many(pid, rest[10:])
        rt.send_after(pid, 1, b"tick")
        assert rt.selective_recv_blocking(pid, lambda message: message == b"tick", WAIT_SECONDS) == b"tick"
        found = rt.selective_recv_blocking(pid, lambda message: len(bytes(message)) == 1000, WAIT_SECONDS)
        assert found == pattern
        assert rt.get_messages(pid) == rest
        rt.stop(pid)

    return part


def letters(soak: Soak) -> Callable[[], None]:
    """Messages to the dead, of this part and all others: each is told to who listens."""
    rt, told = soak.rt, [0]

    def hear(mailbox: iris.Mailbox) -> None:
        while (messages := mailbox.recv_many(1000)) or rt.is_alive(mailbox.pid):
            told[0] += len(messages)

    rt.listen_dead_letters(rt.spawn_with_mailbox(hear))
    soak.promise("each dead letter is told once", lambda: told[0] == sum(rt.dead_letters().values()))

    def part() -> None:
        pid = rt.spawn(len)
        rt.stop(pid)
        assert not any(rt.send(pid, b"late") for _ in range(5))

    return part


def canary(soak: Soak) -> Callable[[], None]:
    """A message each 10 ms whose delay is noted."""

    def note(message: bytes) -> None:
        soak.delays.append((time.perf_counter_ns() - int.from_bytes(message, "little")) / 1e6)

    pid = soak.rt.spawn(note)
    return lambda: soak.rt.send(pid, time.perf_counter_ns().to_bytes(8, "little")) and None


PARTS = [letters, ordered_flow, crashes, lives, timers, bounded]
PARTS += [pulls, asks, trees, factories, observed, canary]


def is_at_rest(rt: iris.Runtime) -> bool:
    """Whether nothing waits and no timer runs."""
    stats = rt.stats()
    return stats["timers"] == 0 and stats["queued"] == 0


def p99(values: list[float]) -> float:
    """The 99th percentile; of next to nothing it is not good."""
    return statistics.quantiles(values, n=100)[98] if len(values) > 1 else math.inf


def run(seconds: float, seed: int, canary_ms_max: float) -> list[str]:
    """One soak; what went wrong."""
    rt = iris.Runtime()
    soak = Soak(rt, seed)
    threads = [
        threading.Thread(
            target=soak.repeat, args=(part.__name__, part(soak)), name=part.__name__, daemon=True
        )
        for part in PARTS
    ]
    started, memory_warm = time.monotonic(), 0.0
    for thread in threads:
        thread.start()
    while (passed := time.monotonic() - started) < seconds and not soak.over.wait(
        min(REPORT_SECONDS, seconds / 3)
    ):
        memory_warm = memory_warm or (rss_mib() if passed > seconds / 3 else 0.0)
        stats = rt.stats()
        print(
            f"{passed:6.0f} s  {stats['handled']:>12,} handled  {stats['actors']:>6} actors  {rss_mib():7.1f} MiB  "
            f"canary p99 {p99(soak.delays):.2f} ms",
            flush=True,
        )
    soak.over.set()
    for thread in threads:
        thread.join(DRAIN_SECONDS)
        if thread.is_alive():
            soak.failures.append(f"{thread.name} is stuck")
    deadline = time.monotonic() + DRAIN_SECONDS
    at_rest = threading.Event()
    while not is_at_rest(rt) and time.monotonic() < deadline:
        at_rest.wait(PAUSE)
    return soak.failures + idle(soak, seconds) + judge(soak, canary_ms_max, memory_warm)


def idle(soak: Soak, seconds: float) -> list[str]:
    """What did too little to be judged."""
    rounds = soak.rounds
    wrong = [
        f"{part.__name__} made {rounds[part.__name__]} rounds"
        for part in PARTS
        if rounds[part.__name__] < max(1.0, ROUNDS_MIN * seconds)
    ]
    if len(soak.delays) < max(1.0, CANARIES_MIN * seconds) or len(soak.delays) != rounds["canary"]:
        wrong.append(f"{len(soak.delays)} of {rounds['canary']} messages of the canary were handled")
    return wrong


def judge(soak: Soak, canary_ms_max: float, memory_warm: float) -> list[str]:
    """What is wrong at rest."""
    rt, wrong = soak.rt, []
    stats = rt.stats()
    if not is_at_rest(rt):
        wrong.append(f"not at rest: {stats}")
    if stats["sent"] != stats["handled"] + stats["queued"] + sum(stats["dropped"].values()):
        wrong.append(f"the counters do not balance: {stats}")
    for text, kept in soak.promises:
        # Notices are no messages, which is all that is known to be at rest.
        with suppress(AssertionError):
            soak.wait(kept, text)
        if not kept():
            wrong.append(f"broken: {text}")
    if p99(soak.delays) > canary_ms_max:
        wrong.append(f"the canary's p99 is {p99(soak.delays):.1f} ms, more than {canary_ms_max:.0f}")
    grown = rss_mib() - memory_warm
    if grown > GROWTH_MIB_MAX:
        wrong.append(f"the memory grew by {grown:.1f} MiB after the first third")
    report = rt.shutdown(10.0)
    if report["unfinished"]:
        wrong.append(f"the shutdown left {report}")
    print(f"rounds {dict(soak.rounds)}; p99 {p99(soak.delays):.2f} ms; grown {grown:.1f} MiB; {stats}")
    return wrong


def main() -> None:
    """Soak for the seconds asked for, and fail where something went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long (default 10)")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of what happens when")
    parser.add_argument("--canary-ms-max", type=float, default=20.0, help="p99 of the canary (default 20)")
    options = parser.parse_args()
    logging.getLogger("iris").setLevel(logging.CRITICAL)
    print(f"seed {options.seed}")
    wrong = run(options.seconds, options.seed, options.canary_ms_max)
    for text in wrong:
        print(text, file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
