"""Scale: very many of one thing at once, and users who want more than there is."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import iris
import pytest
from conftest import DEADLINE, eventually, run_script, times

if TYPE_CHECKING:
    from collections.abc import Callable

# How many of each; the deep tests ask for a million.
MANY = times("IRIS_MANY", 100_000)
# What a busy machine may take for them.
LONG = 120.0


def test_very_many_timers_that_are_due_at_once(rt: iris.Runtime) -> None:
    pid = rt.spawn(lambda message: None)
    seconds, pending, rounds = 0.2, 0, 0
    # Again with more time, where a busy machine had not set the last before the first was due.
    while pending < MANY:
        seconds, rounds = 2 * seconds, rounds + 1
        assert seconds < LONG, f"at most {pending} timers were pending at once"
        due = time.monotonic() + seconds
        for _ in range(MANY):
            rt.send_after(pid, max(0, int((due - time.monotonic()) * 1000)), b"x")
        pending = rt.stats()["timers"]
        eventually(lambda: rt.stats()["timers"] == 0, "all timers", timeout=LONG + seconds)
    assert pending == MANY
    eventually(lambda: rt.stats()["handled"] == rounds * MANY, "their messages", timeout=LONG)


def test_very_many_names_of_one_actor(rt: iris.Runtime) -> None:
    pid = rt.spawn(lambda message: None)
    for number in range(MANY):
        rt.register(f"name {number}", pid)
    assert rt.whereis(f"name {MANY - 1}") == pid
    rt.stop(pid)
    assert rt.join(pid, LONG)
    assert rt.whereis("name 0") is None
    assert rt.stats()["names"] == 0


def test_very_many_pull_actors(rt: iris.Runtime) -> None:
    def upper(mailbox: iris.Mailbox) -> None:
        while (message := mailbox.recv()) is not None:
            mailbox.reply(message, bytes(message).upper())  # type: ignore[arg-type]

    async def later(mailbox: iris.AsyncMailbox) -> None:
        async for message in mailbox:
            mailbox.reply(message, bytes(message).upper())  # type: ignore[arg-type]

    # 10,000 threads and 100,000 tasks, where there are a million of the rest.
    pids = [rt.spawn_with_mailbox(upper) for _ in range(MANY // 100)]
    pids += [rt.spawn_with_mailbox(later) for _ in range(MANY // 10)]
    assert all(rt.send(pid, b"x") for pid in pids)
    for pid in (*pids[:10], *pids[-10:]):
        assert rt.ask_blocking(pid, b"x", timeout=LONG) == b"X"
    assert all(rt.stop(pid) for pid in pids)
    assert all(rt.join(pid, LONG) for pid in pids)


# An actor of each kind that wants more than the process may have; the others and the process go on.
GREEDY = """
import iris, logging
logging.getLogger("iris").disabled = True
rt = iris.Runtime()
wants = {wants}
def push(message): wants()
async def later(message): wants()
def pull(mailbox): mailbox.recv(); wants()
async def pull_later(mailbox): await mailbox.recv(); wants()
bystander, observed = rt.spawn(bytes.upper), rt.spawn_observed_handler()
pids = [rt.spawn(push), rt.spawn(push, release_gil=True), rt.spawn(later)]
pids += [rt.spawn_with_mailbox(pull), rt.spawn_with_mailbox(pull_later)]
rt.ask_blocking(bystander, b"x")
fails = rt.spawn(lambda message: 1 / 0)
rt.send(fails, b"what tells of a failure is imported")
rt.join(fails)
{scarce}
for pid in pids:
    rt.link(observed, pid)
    rt.send(pid, b"x")
    told = rt.selective_recv_blocking(observed, lambda message: message.target_pid == pid, 30)
    print(told.reason, told.metadata["type"], rt.ask_blocking(bystander, b"x"))
"""


MEMORY_IS_SCARCE = """
import resource
with open("/proc/self/statm") as file: used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20), resource.RLIM_INFINITY))
"""

# A filter of system calls, in all threads: from now on the kernel says EAGAIN to `clone`, as where a user has too many threads,
# and that it knows no `clone3`. Memory that is scarce would meet CPython first, which does without none.
THREADS_ARE_SCARCE = """
import ctypes, errno, platform, struct
clone, clone3, seccomp = {"x86_64": (56, 435, 317), "aarch64": (220, 435, 277)}[platform.machine()]
load, equal, give, fail = 0x20, 0x15, 0x06, 0x50000
steps = [(load, 0, 0, 0), (equal, 0, 1, clone3), (give, 0, 0, fail | errno.ENOSYS)]
steps += [(equal, 0, 1, clone), (give, 0, 0, fail | errno.EAGAIN), (give, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.syscall(seccomp, 1, 1, program) == 0, ctypes.get_errno()
"""


def test_a_handler_that_wants_a_gigabyte_ends_alone() -> None:
    done = run_script(GREEDY.format(wants="lambda: bytearray(1 << 30)", scarce=MEMORY_IS_SCARCE))
    assert (done.stdout, done.stderr, done.returncode) == ("Crash MemoryError b'X'\n" * 5, "", 0)


# The end, too, must do without another thread.
@pytest.mark.parametrize("end", ["", "rt.close()", "del rt; pull = pull_later = None"])
def test_a_handler_that_spawns_threads_without_end_ends_alone(end: str) -> None:
    wants = "lambda: [rt.spawn_with_mailbox(lambda mailbox: mailbox.recv()) for _ in iter(int, 1)]"
    done = run_script(f"{GREEDY.format(wants=wants, scarce=THREADS_ARE_SCARCE)}\n{end}")
    assert (done.stdout, done.stderr, done.returncode) == ("Crash LimitReachedError b'X'\n" * 5, "", 0)


def test_a_node_that_gets_no_thread_is_refused() -> None:
    listen = "try: rt.listen('127.0.0.1:0')\nexcept iris.LimitReachedError: print('refused')"
    done = run_script(f"import iris\nrt = iris.Runtime()\n{THREADS_ARE_SCARCE}\n{listen}\nrt.close()")
    assert (done.stdout, done.stderr, done.returncode) == ("refused\n", "", 0)


def test_a_handler_that_spawns_beyond_a_strict_limit_ends_alone(rt: iris.Runtime) -> None:
    rt.set_release_gil_limits(5, 1)
    rt.set_release_gil_strict(True)
    observed, bystander = rt.spawn_observed_handler(), rt.spawn(bytes.upper)

    def spawns(message: bytes) -> None:
        while True:
            rt.spawn(print, release_gil=True)

    pid = rt.spawn(spawns)
    rt.link(observed, pid)
    rt.send(pid, b"x")
    told = rt.selective_recv_blocking(observed, lambda message: True, DEADLINE)
    assert isinstance(told, iris.SystemMessage)
    assert told.metadata
    assert told.metadata["type"] == "LimitReachedError"
    assert rt.ask_blocking(bystander, b"x") == b"X"


def test_actors_are_limited() -> None:
    with iris.Runtime(actors_max=100) as rt:
        observed, bystander = rt.spawn_observed_handler(), rt.spawn(bytes.upper)

        def spawns(message: bytes) -> None:
            parent = rt.current_pid()
            assert parent is not None
            while True:
                rt.spawn_child(parent, print)

        pid = rt.spawn(spawns)
        rt.link(observed, pid)
        rt.send(pid, b"x")
        told = rt.selective_recv_blocking(observed, lambda message: True, DEADLINE)
        assert isinstance(told, iris.SystemMessage)
        assert told.metadata
        assert told.metadata["type"] == "LimitReachedError"
        assert rt.ask_blocking(bystander, b"x") == b"X"
        eventually(lambda: rt.stats()["actors"] == 2, "the end of the greedy actor's children")
        for _ in range(98):
            rt.spawn(print)
        for spawn in (rt.spawn, rt.spawn_with_mailbox, rt.spawn_virtual):
            with pytest.raises(iris.LimitReachedError, match="100 actors"):
                spawn(print)
    for outside in (0, -1, 2**28 + 1, 2**32, 2**70):
        with pytest.raises(iris.InvalidArgumentError, match="actors_max"):
            iris.Runtime(actors_max=outside)


def test_factories_that_block_for_ever_hold_up_nobody(rt: iris.Runtime) -> None:
    held, asked = threading.Event(), threading.Semaphore(0)

    def blocks() -> int:
        asked.release()
        held.wait(60)
        return rt.spawn(print)

    def heals() -> int:
        return rt.spawn(bytes.upper)

    for _ in range(50):
        pid = rt.spawn(print)
        rt.supervise_with_factory(pid, blocks, "RestartOne")
        rt.stop(pid)
    assert all(asked.acquire(timeout=DEADLINE) for _ in range(50))
    pid = rt.spawn(print)
    before = set(rt.child_pids())
    rt.supervise_with_factory(pid, heals, "RestartOne")
    rt.stop(pid)
    eventually(lambda: any(map(rt.is_alive, set(rt.child_pids()) - before)), "the one that heals")
    held.set()


def test_factories_that_supervise_what_they_make(rt: iris.Runtime) -> None:
    """The same supervisor twice: the later one counts, and each end is healed once."""
    made: list[int] = []

    def factory() -> int:
        made.append(rt.spawn(print))
        rt.supervise_with_factory(made[-1], factory, "RestartOne")
        return made[-1]

    pid = rt.spawn(print)
    rt.supervise_with_factory(pid, factory, "RestartOne")
    for count in range(1, 4):
        rt.stop(made[-1] if made else pid)
        eventually(lambda count=count: len(made) >= count and rt.is_alive(made[-1]), "the next one")
    stop_all(rt, lambda: made)


def stop_all(rt: iris.Runtime, pids: Callable[[], list[int]]) -> None:
    """End what heals itself: nobody comes after."""
    for pid in rt.child_pids():
        rt.unsupervise(pid)
    for pid in pids():
        rt.stop(pid)
