"""What docs/semantics.md promises beyond the shared scenarios: swaps under load, finality of stop, memory that returns."""

from __future__ import annotations

import asyncio
import logging
import queue
import random
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import iris
import pytest
from conftest import DEADLINE, Inbox, eventually, run_script

if TYPE_CHECKING:
    from collections.abc import Callable


def test_messages_flow_through_many_swaps_in_order(rt: iris.Runtime) -> None:
    seen: list[tuple[int, bytes]] = []

    def handler(version: int) -> Callable[[bytes], None]:
        return lambda message: seen.append((version, message))

    pid = rt.spawn(handler(1), budget=7)
    expected = [b"%d" % number for number in range(20_000)]
    for number, message in enumerate(expected):
        assert rt.send(pid, message)
        if number % 400 == 399:
            assert rt.hot_swap(pid, handler(number // 400 + 2)) == number // 400 + 2
    eventually(lambda: len(seen) == len(expected), "all messages")
    assert [message for _, message in seen] == expected
    versions = [version for version, _ in seen]
    assert versions == sorted(versions)


def test_no_message_is_lost_or_doubled_by_crashes_and_swaps(
    rt: iris.Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    def handler(message: bytes) -> None:
        seen.append(int(message))
        if int(message) % 50 == 0:
            raise ValueError("boom")

    async def later(message: bytes) -> None:
        handler(message)

    supervisor = rt.spawn_supervisor(intensity=1_000, backoff=(0.0, 0.0))
    pid = rt.start_child(supervisor, lambda: handler, budget=3)
    with caplog.at_level(logging.CRITICAL, "iris"):
        for number in range(1, 4_001):
            assert rt.send(pid, b"%d" % number)
            if number % 30 == 0:
                rt.hot_swap(pid, later if number % 60 else handler)
        eventually(lambda: len(seen) >= 4_000, "all messages")
    assert seen == list(range(1, 4_001))
    eventually(lambda: rt.stats()["crashed"] == 80, "the last crash to be counted")


def wild_actors(rt: iris.Runtime) -> list[int]:
    """Actors of all kinds, some of which crash, block, spill or retire."""

    def handler(message: bytes) -> bytes:
        if message[0] % 97 == 0:
            raise ValueError("boom")
        return message

    async def later(message: bytes) -> bytes:
        return handler(message)

    def function(mailbox: iris.Mailbox) -> None:
        while (message := mailbox.recv()) is not None:
            if isinstance(message, bytes) and message[0] % 5 == 0:
                mailbox.reply(message, b"answer")

    supervisor = rt.spawn_supervisor(intensity=1_000_000, backoff=(0.0, 0.001))
    pids = [rt.start_child(supervisor, lambda: handler) for _ in range(5)]
    pids += [rt.start_child(supervisor, lambda: function, kind="pull") for _ in range(3)]
    for policy in ("dropnew", "dropold", "spill", "block"):
        pids.append(rt.spawn_py_handler_bounded(handler, 7, 3))
        rt.set_overflow_policy(pids[-1], policy)
    pids += [rt.spawn(make) for make in (handler, later) for _ in range(5)]
    return [*pids, rt.spawn_virtual(handler, 10, 5), rt.spawn_observed_handler()]


@pytest.mark.parametrize("seed", range(3))
def test_counters_balance_whatever_happens(
    rt: iris.Runtime, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    pids = wild_actors(rt)

    def act(chance: random.Random) -> None:
        for _ in range(1_500):
            pid, data = chance.choice(pids), bytes([chance.randrange(256)]) * chance.choice([1, 40, 3_000])
            with suppress(iris.IrisError):
                chance.choice(
                    [
                        lambda pid=pid, data=data: rt.send(pid, data),
                        lambda pid=pid, data=data: rt.send_many(pid, [data] * 10),
                        lambda pid=pid, data=data: rt.ask_blocking(pid, data, timeout=0.001),
                        lambda pid=pid, data=data: rt.send_after(pid, 1, data),
                        lambda pid=pid: rt.stop(pid) if chance.random() < 0.02 else rt.get_messages(pid),
                    ]
                )()

    with caplog.at_level(logging.CRITICAL, "iris"):
        actors = [threading.Thread(target=act, args=(random.Random(seed * 7 + n),)) for n in range(3)]
        for thread in actors:
            thread.start()
        for thread in actors:
            thread.join()
        eventually(lambda: rt.stats()["timers"] == 0, "the last timer")
        eventually(lambda: all(not rt.mailbox_size(pid) for pid in pids[:-1]), "the queues to be handled")
    stats = rt.stats()
    assert stats["sent"] == stats["handled"] + stats["queued"] + sum(stats["dropped"].values())
    assert stats["queued"] == (rt.mailbox_size(pids[-1]) or 0)


def test_push_handlers_hear_no_notices(rt: iris.Runtime, inbox: Inbox) -> None:
    pid, other = rt.spawn(inbox), rt.spawn(print)
    rt.link(pid, other)
    rt.monitor(other, pid)
    rt.hot_swap(pid, inbox)
    rt.stop(other)
    rt.send(pid, b"only this")
    assert inbox.wait(1) == [b"only this"]
    assert rt.is_alive(pid)


def test_stop_of_a_child_restarted_in_place_is_final(rt: iris.Runtime) -> None:
    supervisor = rt.spawn_supervisor()
    pid = rt.start_child(supervisor, lambda: print, restart="permanent", name="worker")
    sibling = rt.start_child(supervisor, lambda: print)
    assert rt.stop(pid)
    assert rt.join(pid, DEADLINE)
    eventually(lambda: rt.child_pids(supervisor) == [sibling], "the child to be forgotten")
    assert rt.whereis("worker") is None
    assert rt.is_alive(supervisor)


def test_restart_in_place_stops_children(rt: iris.Runtime) -> None:
    def crash(message: bytes) -> None:
        raise ValueError("boom")

    supervisor = rt.spawn_supervisor()
    pid = rt.start_child(supervisor, lambda: crash)
    child = rt.spawn_child(pid, print)
    rt.send(pid, b"x")
    assert rt.join(child, DEADLINE)
    assert rt.is_alive(pid)


def test_block_policy_refuses_within_a_handler(rt: iris.Runtime) -> None:
    go, entered = threading.Event(), threading.Event()

    def slow(message: bytes) -> None:
        entered.set()
        assert go.wait(DEADLINE)

    full = rt.spawn_py_handler_bounded(slow, 100, 1)
    rt.set_overflow_policy(full, "block")
    rt.send(full, b"held")
    assert entered.wait(DEADLINE)
    rt.send(full, b"fills")
    sender = rt.spawn(lambda message: b"sent" if rt.send(full, message) else b"refused")
    assert rt.ask_blocking(sender, b"", timeout=DEADLINE) == b"refused"
    assert rt.dead_letters()["MailboxFull"] == 1
    go.set()


def test_asks_are_not_spilled(rt: iris.Runtime) -> None:
    go, entered = threading.Event(), threading.Event()

    def slow(message: bytes) -> None:
        entered.set()
        assert go.wait(DEADLINE)

    full = rt.spawn_py_handler_bounded(slow, 100, 1)
    rt.set_overflow_policy(full, "spill")
    rt.send(full, b"held")
    assert entered.wait(DEADLINE)
    assert rt.send_many(full, [b"fills", b"is spilled"]) == 2
    with pytest.raises(iris.MailboxFullError):
        rt.ask_blocking(full, b"")
    go.set()


def test_async_handlers_without_a_loop_share_one_thread(rt: iris.Runtime) -> None:
    async def handler(message: bytes) -> bytes:
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0)
        return threading.current_thread().name.encode() + b" %d" % threading.get_ident()

    answers = {rt.ask_blocking(rt.spawn(handler), b"", timeout=DEADLINE) for _ in range(3)}
    assert len(answers) == 1
    assert not answers.pop().endswith(b" %d" % threading.get_ident())


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_shutdown_waits_for_what_is_in_hand(rt: iris.Runtime, kind: str) -> None:
    go, entered, done = threading.Event(), threading.Event(), threading.Event()

    def plain(message: bytes) -> None:
        entered.set()
        assert go.wait(DEADLINE)
        done.set()

    async def later(message: bytes) -> None:
        entered.set()
        await asyncio.get_running_loop().run_in_executor(None, go.wait, DEADLINE)
        done.set()

    rt.send(rt.spawn(plain if kind == "plain" else later), b"x")
    assert entered.wait(DEADLINE)
    reports: list[object] = []
    closing = threading.Thread(target=lambda: reports.append(rt.shutdown(timeout=DEADLINE)))
    closing.start()
    eventually(lambda: refused(rt), "the shutdown to begin")
    assert reports == []
    go.set()
    closing.join()
    assert done.is_set()
    assert reports == [{"finished": 1, "killed": 0, "unfinished": []}]


@pytest.mark.parametrize("kind", ["push", "own thread", "pull"])
def test_shutdown_by_an_actor_does_not_wait_for_that_actor(rt: iris.Runtime, kind: str) -> None:
    reports: queue.Queue[dict[str, object]] = queue.Queue()

    def handler(_: object) -> None:
        reports.put(rt.shutdown(timeout=3_600))

    rt.spawn(print)
    pid = rt.spawn_with_mailbox(handler) if kind == "pull" else rt.spawn(handler, release_gil=kind != "push")
    rt.send(pid, b"x")
    assert reports.get(timeout=DEADLINE) == {"finished": 2, "killed": 0, "unfinished": []}
    assert rt.join(pid, DEADLINE)


def test_shutdown_waits_for_none_of_those_it_is_called_within(rt: iris.Runtime) -> None:
    async def main() -> object:
        report = asyncio.get_running_loop().create_future()
        inner = rt.spawn(lambda message: report.set_result(rt.shutdown(timeout=3_600)))
        # It waits on the thread of the event loop, which runs the inner actor meanwhile.
        outer = rt.spawn(lambda message: rt.ask_blocking(inner, message, timeout=DEADLINE))
        rt.send(outer, b"x")
        return await asyncio.wait_for(report, DEADLINE)

    assert asyncio.run(main()) == {"finished": 2, "killed": 0, "unfinished": []}


def refused(rt: iris.Runtime) -> bool:
    """Whether the runtime takes no actors any more."""
    try:
        rt.stop(rt.spawn(print))
    except iris.RuntimeClosedError:
        return True
    return False


def test_unread_messages_do_not_hold_up_a_shutdown(rt: iris.Runtime) -> None:
    rt.send(rt.spawn_observed_handler(), b"unread")
    assert rt.shutdown(timeout=3_600) == {"finished": 1, "killed": 0, "unfinished": []}


def test_unsupervised_while_it_waits_for_its_restart_an_actor_goes_on_alone(
    rt: iris.Runtime, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(message: bytes) -> None:
        if message == b"crash":
            raise ValueError("boom")
        inbox(message)

    supervisor = rt.spawn_supervisor(intensity=1_000, backoff=(3_600.0, 3_600.0))
    with caplog.at_level(logging.CRITICAL, "iris"):
        pid = rt.start_child(supervisor, lambda: handler)
        rt.send_many(pid, [b"crash", b"crash", b"again"])
        eventually(lambda: rt.stats()["crashed"] == 2, "the second crash")
        # The supervisor hears in order: when the sibling is back, the other's pause has begun.
        sibling = rt.start_child(supervisor, lambda: handler)
        rt.send(sibling, b"crash")
        eventually(lambda: (rt.actor_info(sibling) or {}).get("restarts") == 1, "the sibling's restart")
        assert rt.unsupervise(pid)
        assert inbox.wait(1) == [b"again"]
        rt.send(pid, b"crash")
        assert rt.join(pid, DEADLINE)


MEMORY = """
import iris, resource
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rt = iris.Runtime()
def messages(count):
    burst = [b"sixteen bytes ok"] * 50_000
    for _ in range(count // len(burst)):
        assert rt.send_many(pid, burst) == len(burst)
        rt.ask_blocking(pid, b"all handled?")
def actors(count):
    for _ in range(count // 10_000):
        ended = [rt.spawn(handler) for _ in range(10_000)]
        for pid in ended:
            rt.send(pid, b"x")
            rt.stop(pid)
        assert all(map(rt.join, ended))
handler = lambda message: None
pid = rt.spawn(handler)
messages(1_000_000), actors(20_000)
before = peak()
messages(10_000_000), actors(200_000)
stats = rt.stats()
print(stats["actors"], stats["queued"], peak() - before)
"""


def test_memory_returns() -> None:
    done = run_script(MEMORY, timeout=120)
    actors, queued, grown = map(int, done.stdout.split())
    assert (actors, queued, done.stderr) == (1, 0, "")
    assert grown < 20_000, (
        "kilobytes (on Linux) by which ten million messages and 200,000 ended actors raised the peak"
    )
