"""What a close meets: a shutdown under way, one that was interrupted, and threads that spawn meanwhile."""

from __future__ import annotations

import os
import signal
import threading

import iris
import pytest
from conftest import DEADLINE, eventually, run_script


@pytest.fixture
def busy(rt: iris.Runtime) -> int:
    """An actor with work for an hour."""
    gate = threading.Event()
    pid = rt.spawn(lambda message: gate.wait(0.01))
    assert rt.send_many(pid, [b"x"] * 360_000) == 360_000
    return pid


def test_a_close_hurries_a_shutdown_under_way(rt: iris.Runtime, busy: int) -> None:
    closing = threading.Thread(target=rt.shutdown, kwargs={"timeout": 3_600})
    closing.start()
    eventually(lambda: rt.closed, "the shutdown to begin")
    rt.close()
    closing.join(DEADLINE)
    assert not closing.is_alive()
    assert not rt.is_alive(busy)


def test_an_interrupted_shutdown_stops_everything(rt: iris.Runtime, busy: int) -> None:
    told = threading.Event()

    def pull(mailbox: iris.Mailbox) -> None:
        mailbox.recv()
        told.set()

    rt.spawn_with_mailbox(pull)

    def interrupt() -> None:
        eventually(lambda: rt.closed, "the shutdown to begin")
        os.kill(os.getpid(), signal.SIGINT)

    interrupts = threading.Thread(target=interrupt)
    interrupts.start()
    with pytest.raises(KeyboardInterrupt):
        rt.shutdown(timeout=3_600)
    interrupts.join()
    assert told.wait(DEADLINE), "the pull actor to be told"
    eventually(lambda: not rt.is_alive(busy), "the busy actor to end")


LOOP_THAT_GIVES_WAY = """
import asyncio, contextlib, faulthandler, threading
import iris

faulthandler.dump_traceback_later(10, exit=True)
spawning = threading.Event()

class Loop(asyncio.SelectorEventLoop):
    closing = False
    def call_soon(self, *arguments, **options):
        # As in asyncio's debug mode, other threads have the interpreter meanwhile.
        if self.closing:
            spawning.clear()
            spawning.wait(0.2)
        return super().call_soon(*arguments, **options)

def spawn():
    while not loop.is_closed():
        spawning.set()
        with contextlib.suppress(iris.RuntimeClosedError):
            rt.spawn(print)

async def main():
    global rt
    rt = iris.Runtime()
    with contextlib.suppress(iris.AskTimeoutError):
        await rt.ask(rt.spawn_observed_handler(), b"", timeout=0.01)
    thread = threading.Thread(target=spawn)
    thread.start()
    loop.closing = True
    rt.close()
    loop.closing = False
    return thread

loop = Loop()
thread = loop.run_until_complete(main())
loop.close()
thread.join()
print("closed")
"""


def test_a_close_on_an_event_loop_and_a_spawn_elsewhere_do_not_wait_for_each_other() -> None:
    done = run_script(LOOP_THAT_GIVES_WAY)
    assert (done.stdout, done.stderr, done.returncode) == ("closed\n", "", 0)
