"""release_gil threads and their pool, and contextvars."""

from __future__ import annotations

import contextlib
import contextvars
import os
import subprocess
import sys
import threading
from pathlib import Path

import iris
import pytest
from conftest import DEADLINE, eventually, run_script


def thread_of(rt: iris.Runtime, pid: int) -> bytes:
    """The thread that runs an actor spawned with `ident`."""
    return rt.ask_blocking(pid, b"", timeout=DEADLINE)


def threads_of_this_process() -> int:
    return len(os.listdir("/proc/self/task"))


def ident(message: bytes) -> bytes:
    """Answers with the thread it runs on."""
    return b"%d" % threading.get_ident()


def test_release_gil_actors_have_threads_of_their_own(rt: iris.Runtime) -> None:
    plain = rt.spawn(ident)
    own = [rt.spawn(ident, release_gil=True) for _ in range(3)]
    assert len({thread_of(rt, pid) for pid in [plain, *own]}) == 4


def test_release_gil_actors_beyond_the_limit_share_a_pool(rt: iris.Runtime) -> None:
    rt.set_release_gil_limits(2, 1)
    own = [rt.spawn(ident, release_gil=True) for _ in range(2)]
    pool = [rt.spawn(ident, release_gil=True) for _ in range(5)]
    assert len({thread_of(rt, pid) for pid in own}) == 2
    assert len({thread_of(rt, pid) for pid in pool}) == 1
    rt.set_release_gil_strict(True)
    with pytest.raises(iris.LimitReachedError, match="max_threads"):
        rt.spawn(ident, release_gil=True)
    rt.stop(own[0])
    assert rt.join(own[0], DEADLINE)
    again = rt.spawn(ident, release_gil=True)
    assert thread_of(rt, again)
    with pytest.raises(iris.InvalidArgumentError):
        rt.set_release_gil_limits(-1, 8)
    with pytest.raises(iris.InvalidArgumentError):
        rt.set_release_gil_limits(8, 0)


def test_release_gil_handlers_block_beside_each_other(rt: iris.Runtime) -> None:
    meeting = threading.Barrier(5)
    for _ in range(4):
        rt.send(rt.spawn(lambda message: meeting.wait(DEADLINE), release_gil=True), b"")
    meeting.wait(DEADLINE)


@pytest.mark.parametrize("name", ["IRIS_GIL_POOL_SIZE", "MYRMIDON_MAX_RELEASE_GIL_THREADS"])
@pytest.mark.parametrize("value", ["many", "-1", "", "1.5", "99999999"])
def test_bad_environment_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(iris.InvalidArgumentError, match=name):
        iris.Runtime()


def test_environment_sets_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYRMIDON_MAX_RELEASE_GIL_THREADS", "0")
    monkeypatch.setenv("IRIS_GIL_POOL_SIZE", "1")
    with iris.Runtime() as rt:
        pids = [rt.spawn(ident, release_gil=True) for _ in range(3)]
        assert len({thread_of(rt, pid) for pid in pids}) == 1


request_id: contextvars.ContextVar[bytes] = contextvars.ContextVar("request_id", default=b"none")


def test_context_travels_with_the_message() -> None:
    seen: list[bytes] = []
    with iris.Runtime(contextvars=True) as rt:

        def handler(message: bytes) -> bytes:
            seen.append(request_id.get())
            request_id.set(b"changed")
            return request_id.get()

        async def later(message: bytes) -> bytes:
            return request_id.get()

        pid = rt.spawn(handler)
        token = request_id.set(b"7")
        rt.send(pid, b"")
        rt.ref(pid).send(b"")
        assert rt.ask_blocking(pid, b"") == b"changed"
        assert rt.ask_blocking(rt.spawn(later), b"") == b"7"
        request_id.reset(token)
        rt.send(pid, b"")
        eventually(lambda: len(seen) == 4, "four messages")
    assert seen == [b"7", b"7", b"7", b"none"]
    assert request_id.get() == b"none"


def test_context_stays_where_it_is_unless_asked_for(rt: iris.Runtime) -> None:
    token = request_id.set(b"7")
    assert rt.ask_blocking(rt.spawn(lambda message: request_id.get()), b"") == b"none"
    request_id.reset(token)


def test_thread_count_has_a_clear_limit() -> None:
    script = """
import resource, iris
rt = iris.Runtime()
def function(mailbox):
    mailbox.reply(mailbox.recv(), b"begun")
    mailbox.recv()
# What the first thread needs of memory, it has when it has answered.
rt.ask_blocking(rt.spawn_with_mailbox(function), b"")
try:
    rt.ref(1)
except iris.IrisError:
    pass
with open("/proc/self/statm") as file: used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200_000, resource.RLIM_INFINITY))
try:
    for _ in range(100):
        rt.spawn_with_mailbox(function)
except iris.LimitReachedError as error:
    print("async def" in str(error))
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(rt.ask_blocking(rt.spawn(bytes.upper), b"alive"))
"""
    done = run_script(script)
    assert (done.stdout, done.stderr) == ("True\nb'ALIVE'\n", "")


def test_hot_swap_leaves_a_release_gil_actor_its_thread(rt: iris.Runtime) -> None:
    def other(message: bytes) -> bytes:
        return b"%d" % threading.get_ident()

    def handler(message: bytes) -> bytes:
        return other(message)

    pid = rt.spawn(handler, release_gil=True)
    before = rt.ask_blocking(pid, b"")
    rt.hot_swap(pid, other)
    assert rt.ask_blocking(pid, b"") == before


NESTS = """
import iris
def sorts(message): return sorted([1, 2], key=sorts)
with iris.Runtime() as rt:
    for release_gil in (False, True):
        try: rt.ask_blocking(rt.spawn(sorts, release_gil=release_gil), b"")
        except iris.AskFailedError as error: print("RecursionError" in str(error))
"""


def test_recursion_meets_the_interpreters_limit_before_the_end_of_the_stack() -> None:
    done = run_script(NESTS)
    assert (done.returncode, done.stdout) == (0, "True\nTrue\n")


def test_closed_runtime_starts_nothing(rt: iris.Runtime) -> None:
    async def later(message: bytes) -> None: ...

    before = threads_of_this_process()
    rt.close()
    for release_gil in (False, True):
        with pytest.raises(iris.RuntimeClosedError):
            rt.spawn(len, release_gil=release_gil)
    with pytest.raises(iris.RuntimeClosedError):
        rt.spawn(later)
    eventually(lambda: threads_of_this_process() <= before, "the threads that close it to end")


COMPUTES = """
import iris, os, sys, time
sys.setswitchinterval(0.2)
rt = iris.Runtime()
def work(message): sum(range(1000)); rt.send(rt.current_pid(), message)
for _ in range(20): rt.send(rt.spawn(work), b"x")
for _ in range(4): rt.send(rt.spawn(work, release_gil=True), b"x")
end = time.monotonic() + 6
while time.monotonic() < end: pass
os._exit(0)
"""


def names_of_threads(process: int) -> list[str]:
    names = []
    for task in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(OSError):  # it ended meanwhile
            names.append((task / "comm").read_text().strip())
    return names


def test_handlers_that_wait_for_the_interpreter_are_not_taken_to_block() -> None:
    most = 0
    with subprocess.Popen([sys.executable, "-c", COMPUTES]) as process:

        def is_over() -> bool:
            nonlocal most
            most = max(most, names_of_threads(process.pid).count("iris-python"))
            return process.poll() is not None

        eventually(is_over, "the end of a process that computes", timeout=60)
    assert process.returncode == 0
    assert 1 <= most <= 7
