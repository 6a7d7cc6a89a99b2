"""What all tests share: a runtime that must end clean, and waiting for something with a deadline."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import iris
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DEADLINE = 10.0

# How long a thread may hold the interpreter while others wait for it, of this process and of those it starts: by default what
# CPython thinks best, in the long tests both extremes.
SWITCH_INTERVAL = os.environ.get("IRIS_SWITCH_INTERVAL")
if SWITCH_INTERVAL:
    sys.setswitchinterval(float(SWITCH_INTERVAL))

# Whoever runs the tests may be a job in the background, whose children ignore Ctrl-C: the tests' children must not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# An event loop in debug mode, as development mode makes them, tells of each callback that a busy machine held up.
SLOW_CALLBACK = re.compile(r"^Executing <.*> took \d+\.\d+ seconds\n", re.MULTILINE)


def eventually(predicate: Callable[[], object], what: str, timeout: float = DEADLINE) -> None:
    """Wait until the predicate holds, or fail saying what was awaited."""
    deadline = time.monotonic() + timeout
    never = threading.Event()
    while not predicate():
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}"
        never.wait(0.002)


async def tick() -> None:
    """Let the event loop make one round."""
    loop = asyncio.get_running_loop()
    round_made = loop.create_future()
    loop.call_soon(round_made.set_result, None)
    await round_made


async def settled(predicate: Callable[[], object], what: str, timeout: float = DEADLINE) -> None:
    """As `eventually`, while the event loop runs."""
    deadline = time.monotonic() + timeout
    while not predicate():
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}"
        await tick()


class Inbox:
    """Collects what a handler gets, for the test's thread to wait on."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self._arrived = threading.Condition()

    def __call__(self, message: bytes) -> None:
        with self._arrived:
            self.messages.append(message)
            self._arrived.notify_all()

    def wait(self, count: int, timeout: float = DEADLINE) -> list[bytes]:
        """Wait until so many messages are there."""
        with self._arrived:
            enough = self._arrived.wait_for(lambda: len(self.messages) >= count, timeout)
            assert enough, f"waited {timeout} s for {count} messages, got {len(self.messages)}"
            return list(self.messages)


@pytest.fixture
def rt() -> Iterator[iris.Runtime]:
    """A runtime of the test's own; no actor may outlive it."""
    runtime = iris.Runtime()
    yield runtime
    runtime.close()
    eventually(lambda: runtime.stats()["actors"] == 0, "the end of all actors")


@pytest.fixture
def inbox() -> Inbox:
    """A handler that collects what it gets."""
    return Inbox()


def system(messages: Sequence[object], kind: str) -> list[iris.SystemMessage]:
    """The notices of one kind among messages."""
    return [m for m in messages if isinstance(m, iris.SystemMessage) and m.type_name == kind]


def times(name: str, few: int) -> int:
    """How often to do a thing: a few times, or as often as an environment variable says for the deep tests."""
    return int(os.environ.get(name, few))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have the tests of the modules that say so played as often as the deep tests want."""
    if getattr(metafunc.module, "REPEATED", False):
        metafunc.fixturenames.append("run")
        metafunc.parametrize("run", range(times("IRIS_HOST_RUNS", 1)))


def run_script(source: str, timeout: float = 30.0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program in a process of its own."""
    if SWITCH_INTERVAL:
        source = f"import sys; sys.setswitchinterval({SWITCH_INTERVAL})\n{source}"
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", source],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **environment},
        check=False,
    )
    done.stderr = SLOW_CALLBACK.sub("", done.stderr)
    return done
