"""Programs that Iris is used in: processes that fork or spawn, servers that fork early, other event loops, threads of others."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from conftest import run_script

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

# Each is played once, and in the deep tests again and again.
REPEATED = True

# From 3.12 on CPython refuses it before the module is asked.
SUB_INTERPRETER = """
try: import _interpreters as interpreters
except ImportError: import _xxsubinterpreters as interpreters
import iris
number = interpreters.create()
try: failed = interpreters.run_string(number, "import iris")
except Exception as error: failed = error
print(any(why in str(failed) for why in ("main interpreter alone", "not support loading in subinterpreters")))
interpreters.destroy(number)
"""
FREE_THREADED = """
import sys
sys.abiflags = "t"
try: import iris
except ImportError as error: print("free-threaded" in str(error))
"""


@pytest.mark.parametrize("program", [SUB_INTERPRETER, FREE_THREADED])
def test_interpreters_of_other_rules_are_refused(program: str) -> None:
    done = run_script(program)
    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)


LATE = """
import atexit
def late():
    try: iris.Runtime()
    except iris.RuntimeClosedError as error: print(error)
atexit.register(late)
import iris
rt = iris.Runtime()
"""


def test_no_runtime_is_made_while_the_process_ends() -> None:
    done = run_script(LATE)
    said = "the process is ending: no runtime can be made any more\n"
    assert (done.stdout, done.stderr, done.returncode) == (said, "", 0)


MULTIPROCESSING = """
import multiprocessing, sys, warnings
import iris
warnings.simplefilter("ignore")
rt = None

def upper(word):
    with iris.Runtime() as own:
        return own.ask_blocking(own.spawn(bytes.upper), word)

def inherited(word):
    try:
        return rt.spawn(print) if rt else b"none"
    except iris.ForkedRuntimeError as error:
        return b"refused" if "spawn" in str(error) else b"unclear"

if __name__ == "__main__":
    rt = iris.Runtime()
    pid = rt.spawn(bytes.upper)
    rt.ask_blocking(pid, b"x")
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        print(pool.map(upper, [b"a", b"b"]), pool.map(inherited, [b"", b""]), rt.ask_blocking(pid, b"c"))
"""


@pytest.mark.parametrize(
    ("method", "inherited"), [("fork", b"refused"), ("forkserver", b"none"), ("spawn", b"none")]
)
def test_multiprocessing(tmp_path: Path, method: str, inherited: bytes) -> None:
    done = run_file(tmp_path, MULTIPROCESSING, method)
    assert (done.stdout, done.stderr, done.returncode) == (
        f"[b'A', b'B'] [{inherited!r}, {inherited!r}] b'C'\n",
        "",
        0,
    )


def run_file(folder: Path, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program from a file, as those need that are imported again by another process."""
    file = folder / "program.py"
    file.write_text(source)
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", file, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_concurrent_futures_in_processes(tmp_path: Path) -> None:
    source = """
import concurrent.futures, multiprocessing, iris
def upper(word):
    rt = iris.Runtime()  # never closed
    return rt.ask_blocking(rt.spawn(bytes.upper), word)
if __name__ == "__main__":
    rt = iris.Runtime()
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        print(list(pool.map(upper, [b"a", b"b"])))
"""
    done = run_file(tmp_path, source)
    assert (done.stdout, done.stderr, done.returncode) == ("[b'A', b'B']\n", "", 0)


def test_subprocesses_are_started_from_handlers_and_beside_them() -> None:
    script = """
import iris, subprocess, sys
rt = iris.Runtime()
def run(message): return subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True).stdout
pid = rt.spawn(run)
def flood(message): rt.send(rt.current_pid(), message)
rt.send(rt.spawn(flood), b"x")
print([rt.ask_blocking(pid, b"", timeout=30) for _ in range(3)], run(b""), rt.is_alive(pid))
"""
    done = run_script(script)
    assert (done.stdout, done.stderr) == (f"{[b'42' + os.linesep.encode()] * 3} b'42\\n' True\n", "")


def test_pytest_xdist(tmp_path: Path) -> None:
    (tmp_path / "test_words.py").write_text("""
import iris, pytest
shared = iris.Runtime()
@pytest.mark.parametrize("number", range(20))
def test_words(number):
    assert shared.ask_blocking(shared.spawn(bytes.upper), b"x") == b"X"
    with iris.Runtime() as rt:
        assert rt.ask_blocking(rt.spawn(bytes.upper), b"y") == b"Y"
def test_crash():
    pid = shared.spawn(lambda message: 1 / 0)
    shared.send(pid, b"x")
    assert shared.join(pid, 30)
""")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            "2",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:asyncio",
            tmp_path,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "21 passed" in done.stdout
    assert done.stderr == ""


GUNICORN_LOG = re.compile(r"\[[-\d: +]+\] \[\d+\] \[(INFO\] .+|\w+\] Worker \(pid:\d+\) was sent SIGTERM!)")
SERVED = """
import iris, warnings
warnings.simplefilter("ignore")
early, late = iris.Runtime(), None
def app(environ, start_response):
    global late
    late = late or iris.Runtime()
    try:
        early.spawn(print)
        said = "taken"
    except iris.ForkedRuntimeError as error:
        said = "refused" if "make a Runtime in the child" in str(error) else str(error)
    answer = late.ask_blocking(late.spawn(bytes.upper), b"served").decode()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{said} {answer}".encode()]
"""


def test_a_server_that_forks_early(tmp_path: Path) -> None:
    (tmp_path / "served.py").write_text(SERVED)
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--bind", "127.0.0.1:0"]
    said: list[str] = []
    with subprocess.Popen(
        [*command, "--no-control-socket", "served:app"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr
            port = listening_port(server.stderr, said)
            answers = {fetch(port) for _ in range(20)}
            server.send_signal(signal.SIGTERM)
            said.append(server.stderr.read())
            assert server.wait(30) == 0
        finally:
            server.kill()
    assert answers == {"refused SERVED"}
    lines = "".join(said).splitlines()
    assert [line for line in lines if not GUNICORN_LOG.fullmatch(line)] == []


def listening_port(stderr: IO[str], said: list[str]) -> int:
    """The port that gunicorn says it listens on."""
    for line in stderr:
        said.append(line)
        if "Listening at" in line:
            return int(line.rsplit(":", 1)[1].split()[0].rstrip(")"))
    raise AssertionError("".join(said))


def fetch(port: int) -> str:
    """What the server answers."""
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as response:
        return response.read().decode()


# What each event loop must do with actors of every kind that an event loop carries.
ON_A_LOOP = """
import asyncio, iris, sys
async def upper(message):
    await asyncio.sleep(0)
    return message.upper()
async def pull(mailbox):
    async for message in mailbox: mailbox.reply(message, message.lower())
async def crash(message): raise ValueError("own")
async def main():
    import logging; logging.getLogger("iris").disabled = True
    # Else a loop in debug mode tells of each callback that a busy machine held up.
    asyncio.get_running_loop().slow_callback_duration = 60.0
    async with iris.Runtime() as rt:
        kinds = [rt.spawn(bytes.upper), rt.spawn(upper), rt.spawn_with_mailbox(pull)]
        for _ in range(50):
            answers = await asyncio.gather(*(rt.ask(pid, b"aB", timeout=30) for pid in kinds))
            assert answers == [b"AB", b"AB", b"ab"], answers
        blocking = await asyncio.to_thread(rt.ask_blocking, kinds[1], b"x", 30)
        observed = rt.spawn_observed_handler()
        rt.send_after(observed, 5, b"tick")
        tick = await rt.selective_recv(observed, lambda message: True, timeout=30)
        crashing = rt.spawn(crash)
        rt.link(observed, crashing)
        rt.send(crashing, b"x")
        end = await rt.selective_recv(observed, lambda message: True, timeout=30)
        waiting = asyncio.ensure_future(rt.ask(observed, b"", timeout=None))
        await asyncio.sleep(0)
        waiting.cancel()
        return blocking, tick, end.reason
"""
LOOPS = {
    "asyncio": "print(asyncio.run(main()))",
    "asyncio_debug": "print(asyncio.run(main(), debug=True))",
    "uvloop": "import uvloop; print(uvloop.run(main()))",
    "uvloop_debug": "import uvloop; print(uvloop.run(main(), debug=True))",
    "anyio": "import anyio; print(anyio.run(main, backend='asyncio'))",
    "anyio_uvloop": "import anyio; print(anyio.run(main, backend_options={'use_uvloop': True}))",
    "in_a_thread": """
import threading
thread = threading.Thread(target=lambda: print(asyncio.run(main()))); thread.start(); thread.join()
""",
    "one_after_the_other": """
for _ in range(5): said = asyncio.run(main())
print(said)
""",
}


@pytest.mark.parametrize("mode", [{}, {"PYTHONDEVMODE": "1", "PYTHONASYNCIODEBUG": "1"}], ids=["", "dev"])
@pytest.mark.parametrize("loop", LOOPS)
def test_event_loops(loop: str, mode: dict[str, str]) -> None:
    done = run_script(ON_A_LOOP + LOOPS[loop], **mode)
    assert (done.stdout, done.stderr, done.returncode) == ("(b'X', b'tick', 'Crash')\n", "", 0)


# trio has no asyncio loop: its program asks from threads, and its own loop goes on meanwhile.
TRIO = """
import anyio, iris, sys, trio
async def main():
    with iris.Runtime() as rt:
        async def slow(message): return message.upper()
        pids = [rt.spawn(bytes.upper), rt.spawn(slow)]
        answers, beats = [], []
        async def ask(pid):
            answers.append(await anyio.to_thread.run_sync(rt.ask_blocking, pid, b"x", 30))
        async def beat():
            while len(answers) < 40:
                beats.append(1); await trio.sleep(0)
        async with anyio.create_task_group() as group:
            group.start_soon(beat)
            for number in range(40): group.start_soon(ask, pids[number % 2])
        token = trio.lowlevel.current_trio_token()
        told = trio.Event()
        rt.send(rt.spawn(lambda message: token.run_sync_soon(told.set)), b"x")
        with trio.fail_after(30): await told.wait()
        try:
            rt.ask(pids[0], b"x")
        except RuntimeError as error:
            print(set(answers), bool(beats), error)
anyio.run(main, backend="trio")
"""


def test_trio_and_threads_of_anyio() -> None:
    done = run_script(TRIO)
    said = "{b'X'} True ask needs a running event loop; use ask_blocking in a thread\n"
    assert (done.stdout, done.stderr, done.returncode) == (said, "", 0)


def test_faulthandler_sees_all_threads_and_hurts_none() -> None:
    """By `dump_traceback`, which holds the interpreter.

    The watchdog of `dump_traceback_later` reads the frames of threads that run meanwhile. On 3.11, 3.12 and 3.13 that ends a
    process of six plain threads that call functions and make new ones, without this library, within seconds where it
    repeats every half millisecond.
    """
    script = """
import faulthandler, iris, tempfile
faulthandler.enable(all_threads=True)
rt = iris.Runtime()
with tempfile.TemporaryFile() as file:
    def dump(times):
        for _ in range(times): faulthandler.dump_traceback(file, all_threads=True)
    for _ in range(2_000):
        begins = rt.spawn_with_mailbox(lambda mailbox: None)
        dump(20)
        assert rt.join(begins, timeout=30)
    def flood(message): rt.send(rt.current_pid(), message)
    rt.send(rt.spawn(flood), b"x")
    for _ in range(10): rt.spawn_with_mailbox(lambda mailbox: mailbox.recv())
    dump(50)
    print(rt.ask_blocking(rt.spawn(bytes.upper), b"x", timeout=30))
"""
    done = run_script(script)
    assert (done.stdout, done.stderr, done.returncode) == ("b'X'\n", "", 0)
