"""A child process that an actor's code forks ends where that code returns: the parent's messages are the parent's."""

from __future__ import annotations

import pytest
from conftest import run_script

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
