"""The second act of the tour: a Python and a Node node find each other, speak, lose each other by SIGKILL, and heal."""

import asyncio
import logging
import platform
import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import NoReturn

import iris
from demo import wait_until

OTHER = Path(__file__).with_name("demo_mesh.mjs")
MESSAGES, ASKS_IN_TURN, ASKS, WATCHERS = 100_000, 1_000, 20_000, 1_000
# A machine that is busy with other things may take seconds to start a program.
PATIENCE = 20.0


def fail(otherwise: str) -> NoReturn:
    """End the tour with what did not happen."""
    sys.exit(f"  the demo failed: {otherwise}")


def show(step: str, result: str, measured: str) -> None:
    """Print one line of the tour, with what was measured."""
    print(f"  {step:<6}{result:<82}{measured:>16}", flush=True)


def since(began: float) -> str:
    """The time from then to now."""
    return f"{(time.perf_counter() - began) * 1_000:,.1f} ms"


def rate(count: int, unit: str, began: float) -> str:
    """How many a second since then."""
    return f"{count / (time.perf_counter() - began):,.0f} {unit}/s"


class Peer:
    """The Node node: a process of its own."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        lines: queue.Queue[str] = queue.Queue()
        # A pipe has no time-out of its own.
        threading.Thread(target=lambda: lines.put(self.process.stdout.readline()), daemon=True).start()
        try:
            self.address = lines.get(timeout=PATIENCE).strip()
        except queue.Empty:
            self.address = ""
        if not self.address:
            self.kill()
            fail("the Node node did not start to listen")

    def kill(self) -> None:
        """SIGKILL: it has no time for a farewell."""
        with self.process:
            self.process.kill()


def find(rt: iris.Runtime, peer: Peer) -> tuple[int, int]:
    """Actors of the other node by their names: first from here, then, told to by a message, from there."""
    began = time.perf_counter()
    tour = rt.resolve_remote(peer.address, "tour")
    shout = rt.resolve_remote(peer.address, "shout")
    if tour is None or shout is None:
        fail("the Python node does not find an actor of the Node node")
    show("find", f"python finds 'shout' at {peer.address} by name: the proxy {shout}", since(began))
    began = time.perf_counter()
    found = rt.ask_blocking(tour, b"find", PATIENCE)
    show("find", f"node finds 'tally' of python by name: the proxy {found.decode()}", since(began))
    return tour, shout


def send(rt: iris.Runtime, tour: int, tally: list[int]) -> None:
    """Messages to and fro, each of them looked at and counted where it arrives."""
    began = time.perf_counter()
    # As much as the other node lets pile up there is under way at most; a send beyond that waits.
    rt.set_overflow_policy(tour, "block")
    for number in range(MESSAGES):
        rt.send(tour, number.to_bytes(4, "little"))
    handled = int(rt.ask_blocking(tour, b"tally", PATIENCE))
    if handled != MESSAGES:
        fail(f"the Node node handled {handled:,} of {MESSAGES:,} messages in order")
    text = f"python -> node: {handled:,} messages sent, and every one handled, in order"
    show("send", text, rate(MESSAGES, "messages", began))
    began = time.perf_counter()
    rt.ask_blocking(tour, b"send %d" % MESSAGES, PATIENCE)
    wait_until(lambda: len(tally) == MESSAGES, "not every message of the Node node was handled")
    if tally != list(range(MESSAGES)):
        fail("messages of the Node node came out of order")
    text = f"node -> python: {len(tally):,} messages sent, and every one handled, in order"
    show("send", text, rate(MESSAGES, "messages", began))


async def ask(rt: iris.Runtime, shout: int) -> None:
    """Questions one after the other, then a thousand in flight."""
    took = []
    for _ in range(ASKS_IN_TURN):
        began = time.perf_counter()
        if rt.ask_blocking(shout, b"hello", PATIENCE) != b"HELLO":
            fail("a wrong answer")
        took.append((time.perf_counter() - began) * 1_000)
    text = f"{ASKS_IN_TURN:,} questions one after the other: half of them took less than"
    show("ask", text, f"{statistics.median(took):.3f} ms")
    began = time.perf_counter()
    for _ in range(ASKS // 1_000):
        answers = await asyncio.gather(*(rt.ask(shout, b"hello", PATIENCE) for _ in range(1_000)))
        if set(answers) != {b"HELLO"}:
            fail("a wrong answer")
    show(
        "ask", f"{ASKS:,} questions, a thousand in flight, and every one answered", rate(ASKS, "asks", began)
    )


def lose(rt: iris.Runtime, peer: Peer, shout: int) -> None:
    """The other node is killed, and each monitor of its actor is told, once."""
    watcher = rt.spawn_observed_handler(WATCHERS)
    for _ in range(WATCHERS):
        rt.monitor(shout, watcher)
    told: list[object] = []

    def all_are_told() -> bool:
        notices = (notice for notice in rt.get_messages(watcher) if isinstance(notice, iris.SystemMessage))
        told.extend(notice.reason for notice in notices if notice.type_name == "DOWN")
        return len(told) >= WATCHERS

    began = time.perf_counter()
    peer.kill()
    show("kill", f"node is killed: SIGKILL to process {peer.process.pid}", "")
    wait_until(all_are_told, "not every monitor was told of the killed node", PATIENCE)
    if told != ["NodeDown"] * WATCHERS:
        fail(f"the monitors were not told NodeDown once each: {Counter(told)}")
    show("down", f"{WATCHERS:,} monitors of 'shout' in python are told NodeDown, each once", since(began))


def heal(rt: iris.Runtime, peer: Peer, command: list[str], shout: int, tries: list[int]) -> Peer:
    """The node comes back at its address, and the supervisor finds the actor again."""
    wait_until(lambda: len(tries) > 1, "the supervisor does not look for the node", PATIENCE)
    show("look", f"python's supervisor looks for 'shout' at {peer.address}: {len(tries)} times so far", "")
    began = time.perf_counter()
    again = Peer([*command[:2], peer.address, *command[3:]])
    show("back", f"node is back at {again.address}: process {again.process.pid}", since(began))
    began = time.perf_counter()
    wait_until(lambda: any(pid != shout for pid in rt.child_pids()), "the link does not heal", PATIENCE)
    healed = next(pid for pid in rt.child_pids() if pid != shout)
    if rt.ask_blocking(healed, b"again", PATIENCE) != b"AGAIN":
        fail("a wrong answer after the link healed")
    text = f"the supervisor found 'shout' at try {len(tries)}: the proxy {healed}, and it answers"
    show("heal", text, since(began))
    return again


def act(rt: iris.Runtime, certificates: str, program: str) -> None:
    """Everything that both nodes do; the other ends with it, however it ends."""
    tally: list[int] = []
    rt.register("tally", rt.spawn(lambda message: tally.append(int.from_bytes(message, "little"))))
    here = rt.listen("127.0.0.1:0", name="python", certificates=certificates)
    began = time.perf_counter()
    command = [program, str(OTHER), "127.0.0.1:0", certificates, here]
    peer = Peer(command)
    try:
        show("nodes", f"python listens at {here}, node at {peer.address}, by TLS 1.3", since(began))
        tour, shout = find(rt, peer)
        send(rt, tour, tally)
        asyncio.run(ask(rt, shout))
        tries: list[int] = []

        def look_again() -> int:
            tries.append(len(tries))
            pid = rt.resolve_remote(peer.address, "shout")
            if pid is None:
                raise RuntimeError("not back yet")
            return pid

        rt.supervise_with_factory(shout, look_again, "RestartOne")
        lose(rt, peer, shout)
        peer = heal(rt, peer, command, shout, tries)
    finally:
        peer.kill()


def main() -> None:
    """The second act."""
    program = shutil.which("node")
    if program is None:
        fail("the second node needs the program node, which is not on the PATH")
    print(f"Iris {iris.version()}: a node on Python {platform.python_version()}, and one on Node")
    # Each try to find a node that is gone is logged. In this tour they are no news.
    logging.getLogger("iris").setLevel(logging.CRITICAL)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as certificates, iris.Runtime() as rt:
        iris.dev_certs(certificates, ["python", "node"])
        act(rt, certificates, program)
    print(f"  {'sum':<6}found, told, killed and healed ({time.perf_counter() - began:.1f} s)")


if __name__ == "__main__":
    main()
