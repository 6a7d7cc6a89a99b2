"""The table of a process's life: states that a program can be in, and ways in which it can end."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from conftest import run_script

# A handler, a function or a task that is meant to run when the program ends says so by `there`.
HEAD = """
import asyncio, contextlib, gc, logging, os, signal, sys, threading, time
import iris
rt = iris.Runtime()
there = threading.Semaphore(0)
def arrived(count=1):
    for _ in range(count): assert there.acquire(timeout=30), "the state was not reached"
def reached(state):
    until, never = time.monotonic() + 30, threading.Event()
    while not state():
        assert time.monotonic() < until, "the state was not reached"
        never.wait(0.001)
# Who looks holds the interpreter: a thread that is at its call, alone on the function's last line, waits within that call.
def called(function, count=1):
    code = function.__code__
    last = max(line for *_, line in code.co_lines() if line)
    def calls(): return sum((at.f_code, at.f_lineno) == (code, last) for at in sys._current_frames().values())
    reached(lambda: calls() >= count)
# What comes last to the runtime's own loop is answered when all before it wait.
async def last(message): return message
def awaited(): rt.ask_blocking(rt.spawn(last), b"", timeout=30)
"""

STATES = {
    "nothing": "",
    "idle_actors": "pids = [rt.spawn(lambda message: None) for _ in range(100_000)]",
    "queued_messages": "rt.send_many(rt.spawn(lambda message: None), [b'x'] * 200_000)",
    "flooded_actor": """
def again(message): rt.send_many(pid, [message] * 2); there.release()
pid = rt.spawn(again)
rt.send(pid, b'x'); arrived(100)
""",
    "blocked_pull_actors": """
def function(mailbox):
    mailbox.recv()
for _ in range(100): rt.spawn_with_mailbox(function)
called(function, 100)
""",
    "busy_pull_actors": """
def function(mailbox):
    while (message := mailbox.recv()) is not None: rt.send(mailbox.pid, message); there.release()
for _ in range(10): rt.send(rt.spawn_with_mailbox(function), b'x')
arrived(1000)
""",
    "async_pull_actors": """
async def function(mailbox):
    there.release()
    async for message in mailbox: pass
for _ in range(200): rt.spawn_with_mailbox(function)
arrived(200); awaited()
""",
    "running_timers": """
pid = rt.spawn(lambda message: there.release())
for _ in range(1000): rt.send_interval(pid, 1, b'x')
for _ in range(1000): rt.send_after(pid, 3_600_000, b'x')
arrived(10)
""",
    "virtual_actors": """
for _ in range(100): rt.send(rt.spawn_virtual(lambda message: there.release(), 10, 1), b'x')
arrived(50)
""",
    "handler_that_blocks": """
def block(message): there.release(); threading.Event().wait(60)
rt.send(rt.spawn(block), b'x'); arrived()
""",
    "handler_that_spins": """
def spin(message):
    there.release()
    while True: pass
rt.send(rt.spawn(spin, release_gil=True), b'x'); arrived()
""",
    "handlers_that_run": """
def work(message): there.release(); sum(range(1000)); rt.send(rt.current_pid(), message)
for _ in range(20): rt.send(rt.spawn(work), b'x')
for _ in range(4): rt.send(rt.spawn(work, release_gil=True), b'x')
arrived(200)
""",
    "pull_actor_that_blocks": """
def block(mailbox): there.release(); threading.Event().wait(60)
rt.spawn_with_mailbox(block); arrived()
""",
    "async_handlers_that_wait": """
async def wait(message): there.release(); await asyncio.Event().wait()
for _ in range(100): rt.send(rt.spawn(wait), b'x')
arrived(100); awaited()
""",
    "async_pull_actors_that_wait_elsewhere": """
async def wait(mailbox): there.release(); await asyncio.Event().wait()
for _ in range(100): rt.spawn_with_mailbox(wait)
arrived(100); awaited()
""",
    "async_handler_that_blocks": """
async def block(message): there.release(); threading.Event().wait(60)
rt.send(rt.spawn(block), b'x'); arrived()
""",
    "ask_in_flight": """
pid = rt.spawn_observed_handler()
def ask():
    with contextlib.suppress(iris.AskFailedError):
        rt.ask_blocking(pid, b'x', timeout=None)
threading.Thread(target=ask, daemon=True).start()
called(ask); reached(lambda: rt.mailbox_size(pid) == 1)
""",
    "handlers_that_ask": """
def ask(message):
    rt.ask_blocking(silent, b'x', timeout=None)
silent = rt.spawn_observed_handler()
for _ in range(8): rt.send(rt.spawn(ask), b'x')
called(ask, 8); reached(lambda: rt.mailbox_size(silent) == 8)
""",
    "thread_that_joins": """
pid = rt.spawn(lambda message: None)
def join():
    rt.join(pid)
threading.Thread(target=join, daemon=True).start(); called(join)
""",
    "threads_that_send": """
pid = rt.spawn(lambda message: None)
def send(rt=rt):
    there.release()
    while True: rt.send(pid, b'x')
for _ in range(3): threading.Thread(target=send, daemon=True).start()
arrived(3)
""",
    "thread_that_spawns": """
def spawn(rt=rt):
    there.release()
    try:
        while True: rt.stop(rt.spawn(lambda message: None))
    except iris.RuntimeClosedError: pass
threading.Thread(target=spawn, daemon=True).start(); arrived()
""",
    "sender_that_waits_for_room": """
held = threading.Event()
def block(message): there.release(); held.wait(60)
pid = rt.spawn_py_handler_bounded(block, 100, 1)
rt.set_overflow_policy(pid, 'block')
rt.send(pid, b'x'); arrived()
rt.send(pid, b'fills')
def send():
    rt.send(pid, b'waits')
threading.Thread(target=send, daemon=True).start()
called(send)
""",
    "supervised_and_crashing": """
logging.getLogger('iris').disabled = True
def crash(message): there.release(); raise ValueError
supervisor = rt.spawn_supervisor(intensity=1_000_000, backoff=(0.0, 0.0))
rt.send_many(rt.start_child(supervisor, lambda: crash), [b'x'] * 1000); arrived(5)
""",
    "factory_that_blocks": """
def factory(): there.release(); threading.Event().wait(60)
pid = rt.spawn_observed_handler()
rt.supervise_with_factory(pid, factory, 'RestartOne')
rt.stop(pid); arrived()
""",
    "loop_that_was_closed": """
async def main():
    pids = [rt.spawn(lambda message: there.release()) for _ in range(10)]
    async def function(mailbox): await mailbox.recv()
    rt.spawn_with_mailbox(function)
    return pids
for pid in asyncio.run(main()): rt.send(pid, b'x')
arrived(10)
""",
    "code_that_goes_on_behind_a_handler": """
def forever(*_):
    there.release()
    while True: time.sleep(0.0005)  # busy on purpose
class Result: __del__ = forever
class Verdict: __bool__ = forever
class Unspeakable(Exception): __str__ = forever
def fails(message): raise Unspeakable
def sends(message): rt.send_many(kept, iter(forever, None))
def picks(mailbox): mailbox.selective_recv(lambda message: Verdict())
kept = rt.spawn_observed_handler()
for handler in (lambda message: Result(), fails, sends): rt.send(rt.spawn(handler, release_gil=True), b'x')
rt.send(rt.spawn_with_mailbox(picks), b'x')
arrived(4)
""",
    "log_that_goes_on": """
class Log(logging.Handler):
    def handle(self, record):
        there.release()
        while True: time.sleep(0.0005)  # busy on purpose
logging.getLogger('iris').addHandler(Log())
def fails(message): raise LookupError
rt.send(rt.spawn(fails), b'x')
arrived()
""",
    "handed_over_buffers": """
pid = rt.spawn_observed_handler()
for _ in range(100):
    number, view, *_ = iris.allocate_buffer(10_000)
    rt.send_buffer(pid, number)
kept = iris.allocate_buffer(10_000)
""",
    "many_runtimes": """
others = [iris.Runtime() for _ in range(20)]
for other in others: other.send(other.spawn(lambda message: there.release()), b'x')
arrived(20)
""",
    "messages_that_send": """
class Letter(bytes):
    def __del__(self): rt is None or rt.send(pid, b'last')
pid = rt.spawn_observed_handler()
rt.send_many(pid, [Letter(b'x') for _ in range(100)])
""",
}
# How many threads never rest, where a state has more than one.
THREADS = {"handlers_that_run": 5}


@dataclass(frozen=True)
class Ending:
    """One way to end: the program's last lines, its exit code, and what it may say on stderr."""

    source: str
    code: int = 0
    stderr: str = ""


TRACEBACK = r"Traceback \(most recent call last\):\n(?:  .*\n)+"
ENDINGS = {
    "return": Ending("tell()"),
    "sys_exit": Ending("tell(); sys.exit(3)", 3),
    "exception": Ending("tell(); raise LookupError('own')", 1, TRACEBACK + "LookupError: own\n"),
    "ctrl_c": Ending("tell(); signal.raise_signal(signal.SIGINT)", -2, TRACEBACK + "KeyboardInterrupt\n"),
    "sigterm": Ending("tell(); os.kill(os.getpid(), signal.SIGTERM); signal.pause()", -15),
    "sigterm_obeyed": Ending(
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5)); tell(); signal.raise_signal(signal.SIGTERM)",
        5,
    ),
    "os_exit": Ending("tell(); os._exit(4)", 4),
    "os_exit_in_actor": Ending(
        "rt.spawn_with_mailbox(lambda mailbox: (tell(), os._exit(6))); threading.Event().wait()", 6
    ),
    "closed": Ending("tell(); rt.close()"),
    "closed_twice": Ending("tell(); rt.close(); rt.close()"),
    "closed_by_two": Ending("tell(); threading.Thread(target=rt.close).start(); rt.close()"),
    "closed_in_actor": Ending(
        "tell(); rt.spawn_with_mailbox(lambda mailbox: (rt.close(), there.release()))\n"
        "while not rt.closed: there.acquire(timeout=0.01)"
    ),
    "closed_in_handler": Ending(
        "tell(); rt.send(rt.spawn(lambda message: (rt.close(), there.release())), b'x')\n"
        "while not rt.closed: there.acquire(timeout=0.01)"
    ),
    "shut_down": Ending("tell(); rt.shutdown(timeout=0.1)"),
    "dropped": Ending("tell(); rt = None; gc.collect()"),
}
# What a handler does with a runtime that its own program closes may fail, and is logged.
CLOSES = {name for name in ENDINGS if name.startswith(("closed", "shut", "dropped"))}
QUIET = "logging.getLogger('iris').disabled = True\n"
TELL = "def tell(): print(time.monotonic(), flush=True)\n"


def end(state: str, ending: str, seconds_max: float, **environment: str) -> str:
    """Run the program of a state and an ending; what was wrong with its end, or nothing."""
    way = ENDINGS[ending]
    quiet = QUIET if ending in CLOSES else ""
    source = f"{HEAD}{STATES[state]}\n{TELL}{quiet}{way.source}\n"
    done = run_script(source, timeout=seconds_max + 60, **environment)
    ended = time.monotonic()
    if done.returncode != way.code or not re.fullmatch(way.stderr, done.stderr):
        return f"{state}, {ending}: code {done.returncode}, stderr {done.stderr!r}"
    took = ended - float(done.stdout)
    return f"{state}, {ending}: took {took:.2f} s" if took > seconds_max else ""
