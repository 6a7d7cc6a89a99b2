"""Forks: of a busy process, beside what another thread does, and by an actor's own code."""

from __future__ import annotations

import pytest
from conftest import run_script, times

# Each is played once, and in the deep tests again and again.
REPEATED = True

# In the child every public method of all that the parent left it is called, with what fits: each must refuse.
FORKED = """
import asyncio, inspect, iris, os, signal, threading, warnings
warnings.simplefilter("ignore")  # from 3.12 on a fork with threads is warned of
rt = iris.Runtime()
pid = rt.spawn(bytes.upper)
rt.ask_blocking(pid, b"x")
kept, there, answers, held = [], threading.Semaphore(0), [], asyncio.Event()
def keep(mailbox, message): kept.append((mailbox, message)); there.release()
def pull(mailbox): keep(mailbox, mailbox.recv()); threading.Event().wait(30)
async def pull_later(mailbox): keep(mailbox, await mailbox.recv()); await held.wait()
def ask(pid): answers.append(rt.ask_blocking(pid, b"question", timeout=30))
asking = [threading.Thread(target=ask, args=(rt.spawn_with_mailbox(each),)) for each in (pull, pull_later)]
for thread in asking: thread.start()
assert there.acquire(timeout=30) and there.acquire(timeout=30)
things = [rt, rt.ref(pid), *(mailbox for mailbox, _ in kept)]
fitting = dict.fromkeys(("pid", "a", "parent", "supervisor", "watcher", "target"), pid) | {"b": pid + 1}
fitting |= dict.fromkeys(("handler", "new_handler", "factory", "make_handler", "matcher"), print)
fitting |= {"message": kept[0][1], "messages": [b"x"], "data": b"x", "name": "x", "path": "/x", "prefix": "/x"}
fitting |= {"strategy": "RestartOne", "policy": "block", "addr": "127.0.0.1:0", "addresses": ["127.0.0.1:0"], "strict": True}
fitting |= dict.fromkeys(
    ("delay_ms", "interval_ms", "workers", "capacity", "budget", "buffer_id", "max", "id", "monitor", "max_threads",
     "gil_pool_size"), 1)

async def call(thing, name):
    method = getattr(thing, name)
    takes = inspect.signature(method).parameters.values()
    needs = [each.name for each in takes if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
    given = method(**{name: fitting[name] for name in needs})
    return await given if inspect.isawaitable(given) else given

def refusal(thing, name):
    try:
        return f"gave {asyncio.run(call(thing, name))!r}"
    except iris.ForkedRuntimeError as error:
        return "" if "spawn" in str(error) else str(error)
    except Exception as error:
        return repr(error)

child = os.fork()
if child == 0:
    signal.alarm(60)
    calls = [(thing, name) for thing in things for name in dir(thing) if name[0] != "_" and callable(getattr(thing, name))]
    wrong = [(type(thing).__name__, name, told) for thing, name in calls if (told := refusal(thing, name))]
    with iris.Runtime() as own:
        works = own.ask_blocking(own.spawn(bytes.upper), b"child") == b"CHILD"
    print(len(calls) > 80, works, wrong, flush=True)
    del rt, things, kept
    raise SystemExit(0)
status = os.waitpid(child, 0)[1]
for mailbox, message in kept: mailbox.reply(message, b"answer")
for thread in asking: thread.join()
print(os.waitstatus_to_exitcode(status), rt.ask_blocking(pid, b"parent"), answers, flush=True)
os._exit(0)
"""


def test_fork_is_refused_with_a_clear_error() -> None:
    done = run_script(FORKED)
    said = "True True []\n0 b'PARENT' [b'answer', b'answer']\n"
    assert (done.stdout, done.stderr, done.returncode) == (said, "", 0)


# A fork may find any lock taken: the child must not need one that a thread of the parent's holds.
FORKS_UNDER_LOAD = """
import iris, os, signal, threading, warnings
warnings.simplefilter("ignore")
rt = iris.Runtime()
def again(message): rt.send(rt.current_pid(), message)
def crowd(mailbox):
    while (message := mailbox.recv()) is not None: rt.send(mailbox.pid, message)
for _ in range(20): rt.send(rt.spawn(again), b"x")
for _ in range(4): rt.send(rt.spawn_with_mailbox(crowd), b"x")
timed = rt.spawn(lambda message: None)
for _ in range(50): rt.send_interval(timed, 1, b"x")
over = threading.Event()
def start_threads():
    while not over.is_set(): rt.join(rt.spawn_with_mailbox(lambda mailbox: None), timeout=30)
starting = threading.Thread(target=start_threads)
starting.start()
codes = set()
for _ in range({forks}):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        with iris.Runtime() as own:
            answer = own.ask_blocking(own.spawn(bytes.upper), b"x")
        raise SystemExit(0 if answer == b"X" else 1)
    codes.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
over.set()
starting.join()
print(codes)
"""


def test_fork_of_a_busy_process_gives_a_child_that_works() -> None:
    done = run_script(FORKS_UNDER_LOAD.format(forks=times("IRIS_EXIT_RUNS", 20)), timeout=600)
    assert (done.stdout, done.stderr, done.returncode) == ("{0}\n", "", 0)


# The thread that forks gets the interpreter wherever the other one lets it go, on its way through what it uses first.
FORK_AT_FIRST_USE = """
import asyncio, iris, os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore")
sys.setswitchinterval(10)
iris.Runtime().close()
async def echo(message): return message
async def asks(rt): await rt.ask(rt.spawn(echo), b"x")
def fails(message):
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # for what the logger says
    raise LookupError
def use():
    with iris.Runtime() as rt:
        {use}
def first():
    begun.set()
    for _ in range(20_000): pass  # until the other thread waits for the interpreter
    use()
def fork():
    time.sleep(0)  # the other thread goes on, to where it lets go of the interpreter next
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        use()
        os._exit(0)
    return child
begun = threading.Event()
thread = threading.Thread(target=first)
thread.start()
begun.wait()
children = [fork() for _ in range(8)]
print({{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}})
thread.join()
"""
FIRST_USES = {
    "a_plain_handler": "rt.spawn(print)",
    "an_async_handler": "rt.spawn(echo)",
    "a_pull_actor": "rt.join(rt.spawn_with_mailbox(lambda mailbox: None))",
    "an_ask": "asyncio.run(asks(rt))",
    "a_blocking_ask": "rt.ask_blocking(rt.spawn(bytes.upper), b'x')",
    "a_crash": "pid = rt.spawn(fails); rt.send(pid, b'x'); rt.join(pid)",
    "a_wrong_argument": "\n        try: rt.spawn(print, release_gil=b'x')\n        except TypeError: pass",
    "a_buffer": "iris.allocate_buffer(8)",
}


@pytest.mark.parametrize("use", FIRST_USES)
def test_fork_beside_a_first_use(use: str) -> None:
    done = run_script(FORK_AT_FIRST_USE.format(use=FIRST_USES[use]), timeout=120)
    assert (done.stdout, done.stderr, done.returncode) == ("{0}\n", "", 0)


FORKED_IN_A_HANDLER = """
import os, warnings
import iris

warnings.simplefilter("ignore")
rt = iris.Runtime()
said = lambda text: os.write(1, text.encode() + b"\\n")
other = rt.spawn(lambda message: said(f"handled in the parent: {os.getpid() == parent}"))
parent = os.getpid()

def forks(message):
    rt.send(other, b"once")
    child = os.fork()
    if child == 0:
        own = iris.Runtime()
        said(f"runs: {own.current_pid()} {own.ask_blocking(own.spawn(bytes.upper), b'child')}")
        own.close()
        os._exit(0)
    os.waitpid(child, 0)

rt.ask_blocking(rt.spawn(forks), b"")
rt.ask_blocking(rt.spawn(bytes.upper), b"")
rt.shutdown()
"""


def test_child_forked_in_a_handler_runs_no_actor_of_its_parent() -> None:
    done = run_script(FORKED_IN_A_HANDLER)
    said = "runs: None b'CHILD'\nhandled in the parent: True\n"
    assert (done.stdout, done.stderr, done.returncode) == (said, "", 0)


# A child that an actor's code forks ends where that code returns: the parent's messages are the parent's.
ACTORS = {
    "handler": "rt.send(rt.spawn(act), b'x')",
    "own thread": "rt.send(rt.spawn(act, release_gil=True), b'x')",
    "async handler": "rt.send(rt.spawn(act_later), b'x')",
    "handler that is asked": "threading.Thread(target=ask).start()",
    "handler that the asking thread runs": "for _ in range(100): rt.ask_blocking(asked, b'quick')\nask()",
    "pull": "rt.send(rt.spawn_with_mailbox(lambda mailbox: act(mailbox.recv())), b'x')",
    "async pull": "rt.send(rt.spawn_with_mailbox(pull_later), b'x')",
}
ENDS = {"return None": (0, ""), "sys.exit(3)": (3, ""), "raise ValueError('told')": (1, "ValueError: told")}

SCRIPT = """
import asyncio, os, sys, threading, warnings
import iris
warnings.simplefilter("ignore")  # from 3.12 on a fork with threads is warned of
rt, children, forked = iris.Runtime(), [], threading.Event()

def act(message):
    if message != b"x":
        return message
    child = os.fork()
    if child == 0:
        print("child", flush=False)
        {end}
    children.append(child)
    forked.set()

async def act_later(message): return act(message)
async def pull_later(mailbox): act(await mailbox.recv())
asked = rt.spawn(act)
def ask(): rt.ask_blocking(asked, b"x")
{actor}
assert forked.wait(30)
_, status = os.waitpid(children[0], 0)
print("parent", os.waitstatus_to_exitcode(status))
rt.close()
"""


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("actor", ACTORS)
def test_a_child_that_an_actor_forks_ends_where_it_returns(actor: str, end: str) -> None:
    status, said = ENDS[end]
    done = run_script(SCRIPT.format(end=end, actor=ACTORS[actor]))
    assert (done.stdout, done.returncode) == (f"child\nparent {status}\n", 0), done.stderr
    assert said in done.stderr
    assert (done.stderr == "") == (said == "")
