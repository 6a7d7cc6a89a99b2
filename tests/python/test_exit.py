"""The end of the process, in every state and in every way: no abort, no hang, no word on stderr that is not the user's."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice

import iris
import pytest
from conftest import SWITCH_INTERVAL, run_script, times
from exits import ENDINGS, STATES, THREADS, TRACEBACK, end

# How many ends of each state a run of the tests sees; the deep tests see more of them.
RUNS = times("IRIS_EXIT_RUNS", 3)
# How long an end may take, from the moment the state is told.
SECONDS_MAX = 2.0


def seconds_max(threads: int = 1) -> float:
    """As `SECONDS_MAX`; a machine so busy that a bare interpreter takes long gets as much more for an end.

    Beside threads that never rest, each time an end wants the interpreter, a dozen times or two, it waits for one switch
    interval of each.
    """
    began = time.monotonic()
    assert run_script("").returncode == 0
    return SECONDS_MAX + 25 * threads * float(SWITCH_INTERVAL or 0) + 10 * (time.monotonic() - began)


@pytest.mark.parametrize("number", range(len(STATES)), ids=list(STATES))
def test_exit_is_clean_and_quick(number: int) -> None:
    state = list(STATES)[number]
    # Each state begins elsewhere in the list of ways, so that a short run sees all of both.
    ways = islice(cycle(ENDINGS), number * 3, number * 3 + RUNS)
    limit = seconds_max(THREADS.get(state, 1))
    with ThreadPoolExecutor(os.cpu_count()) as processes:
        wrong = list(processes.map(lambda way: end(state, way, limit), ways))
    assert len(wrong) == RUNS
    assert [said for said in wrong if said] == []


# What asyncio does for an actor runs more Python in debug mode, and so is met more often by the end of the process.
@pytest.mark.parametrize("state", [state for state in STATES if "async" in state])
def test_exit_is_clean_in_debug_mode(state: str) -> None:
    limit = seconds_max()
    with ThreadPoolExecutor(os.cpu_count()) as processes:
        ends = [
            processes.submit(end, state, "dropped", limit, PYTHONDEVMODE="1") for _ in range(max(RUNS, 10))
        ]
    assert [wrong for wrong in (each.result() for each in ends) if wrong] == []


BLOCKING_CALLS = {
    "join": "rt.join(pid)",
    "ask_blocking": "rt.ask_blocking(pid, b'', timeout=None)",
    "ask_of_a_handle": "rt.ref(pid).ask_blocking(b'', timeout=None)",
    "selective_recv_blocking": "rt.selective_recv_blocking(pid, lambda message: False)",
    "send_to_a_full_mailbox": "rt.send(full, b'x')",
    "shutdown": "rt.shutdown(timeout=60)",
    "await_ask": "asyncio.run(awaits(lambda: rt.ask(pid, b'', timeout=None)))",
    "await_selective_recv": "asyncio.run(awaits(lambda: rt.selective_recv(pid, lambda message: False)))",
}
INTERRUPTED = """
import asyncio, iris, os, signal, threading, time
def interrupt():
    print(time.monotonic(), flush=True)
    os.kill(os.getpid(), signal.SIGINT)
rt = iris.Runtime()
held, entered = threading.Event(), threading.Event()
def block(message): entered.set(); held.wait(60)
async def awaits(call): await call()
pid = rt.spawn_observed_handler()
full = rt.spawn_py_handler_bounded(block, 100, 1)
rt.set_overflow_policy(full, 'block')
rt.send(full, b'x')
assert entered.wait(30)
rt.send(full, b'x')
threading.Timer(0.05, interrupt).start()
try:
    {call}
except KeyboardInterrupt:
    held.set()
    print("interrupted")
"""


def interrupted_in_time(source: str) -> None:
    """Run a program that tells when it interrupts itself: the call ends, and the process."""
    limit = seconds_max()
    for _ in range(times("IRIS_EXIT_RUNS", 1)):
        done = run_script(source)
        ended = time.monotonic()
        at, *said = done.stdout.splitlines()
        assert (said, done.stderr, done.returncode) == (["interrupted"], "", 0)
        assert ended - float(at) < limit, "seconds from the signal to the end of the process"


@pytest.mark.parametrize("call", BLOCKING_CALLS)
def test_ctrl_c_ends_blocking_calls(call: str) -> None:
    interrupted_in_time(INTERRUPTED.format(call=BLOCKING_CALLS[call]))


def test_ctrl_c_ends_a_blocked_send(rt: iris.Runtime) -> None:
    go, entered = threading.Event(), threading.Event()

    def handler(message: bytes) -> None:
        entered.set()
        go.wait(60)

    pid = rt.spawn_py_handler_bounded(handler, 100, 1)
    rt.set_overflow_policy(pid, "block")
    rt.send(pid, b"held")
    assert entered.wait(10)
    rt.send(pid, b"fills")
    sent_at = 0.0

    def interrupt() -> None:
        nonlocal sent_at
        sent_at = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)

    limit = seconds_max()
    timer = threading.Timer(0.05, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        rt.send(pid, b"waits")
    assert time.monotonic() - sent_at < limit
    go.set()
    timer.join()


# The main thread runs a pull function's mailbox: what `recv` does under Ctrl-C there.
RECV = """
import iris, os, signal, threading, time
def interrupt():
    print(time.monotonic(), flush=True)
    os.kill(os.getpid(), signal.SIGINT)
rt = iris.Runtime()
given, kept = threading.Event(), threading.Event()
def function(mailbox):
    global box
    box = mailbox; given.set(); kept.wait(60)
rt.spawn_with_mailbox(function)
assert given.wait(30)
threading.Timer(0.05, interrupt).start()
try:
    box.recv{many}
except KeyboardInterrupt:
    kept.set()
    print("interrupted")
"""


@pytest.mark.parametrize("many", ["()", "_many(10)", "(60.0)"])
def test_ctrl_c_ends_recv(many: str) -> None:
    interrupted_in_time(RECV.format(many=many))


SAID_OF_ATEXIT = rf"Exception ignored in atexit callback.*\n(?:{TRACEBACK})?KeyboardInterrupt: ?\n"


def test_ctrl_c_while_the_process_ends_is_no_abort() -> None:
    script = """
import iris, os, signal, threading
rt, entered = iris.Runtime(), threading.Event()
def block(mailbox): entered.set(); threading.Event().wait(60)
def interrupt():
    while not rt.closed: threading.Event().wait(0.001)
    os.kill(os.getpid(), signal.SIGINT)
rt.spawn_with_mailbox(block)
threading.Thread(target=interrupt, daemon=True).start()
assert entered.wait(30)
"""
    for _ in range(times("IRIS_EXIT_RUNS", 3)):
        done = run_script(script)
        # CPython tells of an interrupt within `atexit` by itself.
        assert re.fullmatch(SAID_OF_ATEXIT, done.stderr), done.stderr
        assert done.returncode == 0


# What an actor leaves goes on the runtime's thread, and still does when the interpreter, on its way out, lets that thread go on.
GOING = """
import iris, logging, sys, threading
logging.getLogger("iris").disabled = True
begun, go, never = threading.Event(), threading.Event(), threading.Event()
class Slow:
    def __del__(self): begun.set(); go.wait(60)
class Last:
    def __del__(self, go=go.set, wait=never.wait): go(); wait(0.3)
def raises(message):
    slow = Slow()
    raise LookupError
async def raises_later(message): raises(message)
def made():
    slow = Slow()
    raise LookupError
class Handler(Slow):
    def __call__(self, message): raise LookupError
class Letter(bytes, Slow): pass
made_once = []
def made_anew():
    if made_once: made()
    made_once.append(True)
    return {{}}.__getitem__
rt = iris.Runtime()
{leave}
assert begun.wait(30)
sys.last = Last()
"""
LEFT_BEHIND = {
    "the_result_of_a_pull_function": "rt.spawn_with_mailbox(lambda mailbox: Slow())",
    "an_exception": "rt.send(rt.spawn(raises), b'x')",
    "an_exception_of_an_async_handler": "rt.send(rt.spawn(raises_later), b'x')",
    "an_exception_of_a_pull_function": "rt.spawn_with_mailbox(raises)",
    "an_exception_of_a_factory": (
        "pid = rt.spawn({}.__getitem__); rt.supervise_with_factory(pid, made, 'RestartOne'); rt.send(pid, b'x')"
    ),
    "an_exception_of_what_makes_a_handler": "rt.send(rt.start_child(rt.spawn_supervisor(), made_anew), b'x')",
    "a_handler": "rt.send(rt.spawn(Handler()), b'x')",
    "a_message": "rt.send(rt.spawn(lambda message: None), Letter(b'x'))",
    "a_message_that_nobody_handles": (
        "stopped = threading.Event(); pid = rt.spawn(lambda message: stopped.wait(60)); "
        "rt.send(pid, b'x'); rt.send(pid, Letter(b'x')); rt.stop(pid); stopped.set()"
    ),
    "a_pull_function": "rt.spawn_with_mailbox(Handler())",
    "a_variable_of_the_thread": (
        "local = threading.local(); rt.spawn_with_mailbox(lambda mailbox: setattr(local, 'slow', Slow()))"
    ),
}


@pytest.mark.parametrize("what", LEFT_BEHIND)
def test_what_goes_for_long_while_the_process_ends_is_no_abort(what: str) -> None:
    done = run_script(GOING.format(leave=LEFT_BEHIND[what]))
    assert (done.stderr, done.returncode) == ("", 0)


def test_import_needs_no_heavy_modules() -> None:
    script = (
        "import sys, iris; print(sorted({'asyncio', 'logging', 'typing', 'traceback'} & set(sys.modules)))"
    )
    done = run_script(script)
    assert done.stdout == "[]\n", done.stderr
