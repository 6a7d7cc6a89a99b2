"""Memory: what is over costs nothing: the memory of the process stays where it was, round after round."""

from __future__ import annotations

import os
from math import ceil

import pytest
from conftest import run_script

# How much of the full amount each round does; the deep tests do all of it, where a hundred bytes a time are seen of most things.
SCALE = float(os.environ.get("IRIS_MEMORY_SCALE", 0.01))
SLOPE_MAX_BYTES = 1 << 20
# Rounds until caches, pools and stacks are as large as they get, and rounds that are measured.
WARM, MEASURED = 4, 12

# What a round does `count` times, and how often in full.
ROUNDS = {
    "messages": (
        10**7,
        """
pid = rt.spawn(lambda message: None)
def round(count):
    for _ in range(count // 1000 + 1):
        assert rt.send_many(pid, [bytes(100) for _ in range(1000)]) == 1000
        rt.ask_blocking(pid, b"all handled?")
""",
    ),
    "messages to pull actors": (
        10**6,
        """
def function(mailbox):
    while (message := mailbox.recv()) is not None: mailbox.reply(message, message)
async def later(mailbox):
    async for message in mailbox: mailbox.reply(message, message)
pids = [rt.spawn_with_mailbox(function), rt.spawn_with_mailbox(later)]
def round(count):
    for _ in range(count // 1000 + 1):
        for pid in pids:
            rt.send_many(pid, [bytes(100) for _ in range(500)])
            rt.ask_blocking(pid, b"all handled?")
""",
    ),
    "spawns and stops": (
        10**6,
        """
def round(count):
    for number in range(count): rt.stop(rt.spawn(lambda message: number))
""",
    ),
    "pull actors": (
        10**4,
        """
async def later(mailbox): await mailbox.recv()
def round(count):
    for number in range(count):
        pids = [rt.spawn_with_mailbox(lambda mailbox: mailbox.recv()), rt.spawn_with_mailbox(later)]
        for pid in pids: rt.send(pid, b"x")
        assert all(map(rt.join, pids))
""",
    ),
    "swaps": (
        10**5,
        """
pid = rt.spawn(lambda message: None)
def round(count):
    for number in range(count):
        rt.hot_swap(pid, lambda message: number)
        rt.send(pid, b"x")
    wait(lambda: rt.mailbox_size(pid) == 0)
""",
    ),
    "crashes and restarts": (
        10**5,
        """
supervisor = rt.spawn_supervisor(intensity=10**9, period=1.0, backoff=(0.0, 0.0))
def crash(message): raise ValueError("on purpose")
pid = rt.start_child(supervisor, lambda: lambda message: crash(message))
def round(count):
    until = rt.stats()["restarted"] + count
    rt.send_many(pid, [b"x"] * count)
    wait(lambda: rt.stats()["restarted"] == until)
""",
    ),
    "timers set and cancelled": (
        10**5,
        """
pid = rt.spawn(lambda message: None)
def round(count):
    for number in range(count): assert rt.cancel_timer(rt.send_after(pid, 1000 + number, bytes(100)))
""",
    ),
    "asks that are given up": (
        10**5,
        """
pid = rt.spawn_observed_handler()
def round(count):
    async def ask():
        waiting = [asyncio.ensure_future(rt.ask(pid, bytes(100), timeout=None)) for _ in range(100)]
        await asyncio.sleep(0)
        for ask in waiting: ask.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    for _ in range(count // 100 + 1):
        asyncio.run(ask())
        rt.get_messages(pid)
""",
    ),
    "runtimes": (
        10**3,
        """
async def later(mailbox): await mailbox.recv()
def round(count):
    for number in range(count):
        with iris.Runtime() as other:
            other.send_after(other.spawn(lambda message: number), 1000, b"x")
            other.spawn_with_mailbox(lambda mailbox: mailbox.recv())
            other.spawn_with_mailbox(later)
            other.ask_blocking(other.spawn(bytes.upper), b"x", 60.0)
""",
    ),
}

# What lies in lists of free memory of the C library would be measured as well, by how much of it was needed at once. The slope is
# the median of those between all pairs of rounds (Theil 1950, Sen 1968): the allocator gives some MB back when it likes.
PROGRAM = """
import asyncio, ctypes, gc, iris, itertools, logging, os, statistics, threading
logging.getLogger("iris").disabled = True
rt = iris.Runtime()
never = threading.Event()
def wait(condition):
    while not condition(): never.wait(0.002)
{script}
def resident():
    with open("/proc/self/statm") as file: return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
seen = []
for number in range({rounds}):
    round({count})
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    seen.append(resident())
seen = seen[{warm}:]
pairs = itertools.combinations(enumerate(seen), 2)
print(int(statistics.median((late - early) / (after - before) for (before, early), (after, late) in pairs)))
"""


@pytest.mark.parametrize("what", ROUNDS)
def test_what_is_over_leaves_no_memory_behind(what: str) -> None:
    total, script = ROUNDS[what]
    count = ceil(total * SCALE)
    source = PROGRAM.format(script=script, rounds=WARM + MEASURED, warm=WARM, count=count)
    done = run_script(source, timeout=1200)
    assert (done.stderr, done.returncode) == ("", 0)
    assert int(done.stdout) < SLOPE_MAX_BYTES, "bytes that a round leaves behind"
