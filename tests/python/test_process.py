"""The process: exit in any state, fork, Ctrl-C, import time."""

from __future__ import annotations

import os
import signal
import threading
import time

import iris
import pytest
from conftest import run_script

STATES = {
    "nothing": "",
    "many_actors": "pids = [rt.spawn(lambda message: None) for _ in range(100_000)]",
    "queued_messages": "rt.send_many(rt.spawn(lambda message: None), [b'x'] * 200_000)",
    "blocked_pull_actors": "[rt.spawn_with_mailbox(lambda mailbox: mailbox.recv()) for _ in range(200)]",
    "async_pull_actors": """
async def function(mailbox):
    async for message in mailbox: pass
[rt.spawn_with_mailbox(function) for _ in range(200)]
""",
    "running_timers": "pid = rt.spawn(lambda m: None); [rt.send_interval(pid, 1, b'') for _ in range(1000)]",
    "handler_that_blocks": "rt.send(rt.spawn(lambda m: threading.Event().wait(60)), b'')",
    "handler_that_spins": """
def spin(message):
    while True: pass
rt.send(rt.spawn(spin, release_gil=True), b'')
""",
    "pull_actor_that_blocks": "rt.spawn_with_mailbox(lambda mailbox: threading.Event().wait(60))",
    "async_handler_that_waits": """
import asyncio
async def wait(message): await asyncio.Event().wait()
rt.send(rt.spawn(wait), b'')
""",
    "supervised_and_crashing": """
import logging; logging.getLogger("iris").disabled = True
def crash(message): raise ValueError
supervisor = rt.spawn_supervisor(intensity=1000, backoff=(0.0, 0.0))
rt.send_many(rt.start_child(supervisor, lambda: crash), [b''] * 100)
""",
    "thread_that_sends": """
def send():
    while True: rt.send(pid, b'x')
pid = rt.spawn(lambda m: None)
threading.Thread(target=send, daemon=True).start()
""",
    "thread_that_asks": """
pid = rt.spawn_observed_handler()
threading.Thread(target=lambda: rt.ask_blocking(pid, b'', timeout=None), daemon=True).start()
""",
    "loop_that_was_closed": """
import asyncio
async def main(): return rt.spawn(lambda m: None)
rt.send(asyncio.run(main()), b'x')
""",
    "unraised_exit": "raise SystemExit",
}


@pytest.mark.parametrize("state", STATES)
def test_exit_is_clean_and_quick(state: str) -> None:
    script = f"import iris, threading\nrt = iris.Runtime()\n{STATES[state]}\n"
    started = time.monotonic()
    done = run_script(script)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - started < 6


def test_fork_is_refused_with_a_clear_error() -> None:
    script = """
import iris, os, threading, warnings
warnings.simplefilter("ignore")  # from 3.12 on a fork with threads is warned of
rt = iris.Runtime()
pid = rt.spawn(bytes.upper)
rt.ask_blocking(pid, b"x")
rt.spawn_with_mailbox(lambda mailbox: mailbox.recv())
ref = rt.ref(pid)
child = os.fork()
if child == 0:
    calls = [
        lambda: rt.send(pid, b""), lambda: rt.spawn(print), lambda: rt.stop(pid), lambda: rt.close(),
        lambda: rt.stats(), lambda: rt.join(pid), lambda: rt.whereis("x"), lambda: ref.send(b""),
        lambda: rt.ask_blocking(pid, b""), lambda: rt.send_after(pid, 1, b""), lambda: rt.shutdown(),
    ]
    refused = 0
    for call in calls:
        try:
            call()
        except iris.ForkedRuntimeError as error:
            refused += "spawn" in str(error)
    with iris.Runtime() as own:
        works = own.ask_blocking(own.spawn(bytes.upper), b"child") == b"CHILD"
    del rt, ref
    raise SystemExit(0 if works and refused == len(calls) else refused)
status = os.waitpid(child, 0)[1]
print(os.waitstatus_to_exitcode(status), rt.ask_blocking(pid, b"parent"))
"""
    done = run_script(script)
    assert (done.stdout, done.stderr, done.returncode) == ("0 b'PARENT'\n", "", 0)


@pytest.mark.parametrize(
    "call",
    [
        "rt.join(pid)",
        "rt.ask_blocking(pid, b'', timeout=None)",
        "rt.selective_recv_blocking(pid, lambda m: False)",
    ],
)
def test_ctrl_c_ends_blocking_calls(call: str) -> None:
    script = f"""
import iris, os, signal, threading
rt = iris.Runtime()
pid = rt.spawn_observed_handler()
threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    {call}
except KeyboardInterrupt:
    print("interrupted")
"""
    done = run_script(script)
    assert (done.stdout, done.stderr, done.returncode) == ("interrupted\n", "", 0)


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
    timer = threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        rt.send(pid, b"waits")
    go.set()
    timer.join()


def test_import_needs_no_heavy_modules() -> None:
    script = (
        "import sys, iris; print(sorted({'asyncio', 'logging', 'typing', 'traceback'} & set(sys.modules)))"
    )
    done = run_script(script)
    assert done.stdout == "[]\n", done.stderr
