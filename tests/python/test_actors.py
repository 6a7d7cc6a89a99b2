"""Actors: crash, stop, swap, children, virtual actors, fairness, handlers that block."""

from __future__ import annotations

import asyncio
import logging
import threading

import iris
import pytest
from conftest import DEADLINE, Inbox, eventually, system


@pytest.mark.parametrize("error", [ValueError("boom"), SystemExit(3), KeyboardInterrupt(), RecursionError()])
def test_crash_is_isolated(
    rt: iris.Runtime, inbox: Inbox, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def handler(message: bytes) -> None:
        raise error

    crashes, watcher, other = rt.spawn(handler), rt.spawn_observed_handler(), rt.spawn(inbox)
    rt.link(watcher, crashes)
    with caplog.at_level(logging.ERROR, "iris"):
        rt.send(crashes, b"x")
        assert rt.join(crashes, DEADLINE)
    told = rt.selective_recv_blocking(watcher, lambda message: True, timeout=DEADLINE)
    assert isinstance(told, iris.SystemMessage)
    assert (told.type_name, told.target_pid, told.reason) == ("EXIT", crashes, "Crash")
    assert told.metadata is not None
    assert told.metadata["type"] == type(error).__name__
    assert told.metadata["message"] == str(error)
    assert "in handler" in told.metadata["traceback"]
    (record,) = caplog.records
    assert record.name == "iris"
    assert str(crashes) in record.getMessage()
    assert record.exc_info is not None
    rt.send(other, b"alive")
    assert inbox.wait(1) == [b"alive"]


def test_stop_goes_first(rt: iris.Runtime) -> None:
    handled, entered, go = [], threading.Event(), threading.Event()

    def handler(message: bytes) -> None:
        handled.append(message)
        entered.set()
        assert go.wait(DEADLINE)

    pid = rt.spawn(handler)
    rt.send_many(pid, [b"x"] * 100_000)
    assert entered.wait(DEADLINE)
    assert rt.stop(pid) is True
    assert rt.is_alive(pid) is False
    assert rt.send(pid, b"late") is False
    go.set()
    assert rt.join(pid, DEADLINE)
    assert len(handled) == 1


def test_stop_of_idle_is_immediate(rt: iris.Runtime) -> None:
    pid, watcher = rt.spawn(lambda message: None), rt.spawn_observed_handler()
    rt.link(watcher, pid)
    assert rt.stop(pid) is True
    assert rt.stop(pid) is False
    assert rt.join(pid, 0) is True
    (told,) = system(rt.get_messages(watcher), "EXIT")
    assert told.reason == "Killed"


def test_join_times_out(rt: iris.Runtime) -> None:
    assert rt.join(rt.spawn_observed_handler(), timeout=0.01) is False


def test_join_of_oneself_is_refused(rt: iris.Runtime) -> None:
    def handler(message: bytes) -> bytes:
        with pytest.raises(iris.WouldDeadlockError):
            rt.join(rt.current_pid() or 0)
        return b"refused"

    assert rt.ask_blocking(rt.spawn(handler), b"") == b"refused"


def test_last_words_never_wait_for_the_actor_that_says_them(rt: iris.Runtime) -> None:
    refused: list[str] = []

    class Handler:
        def __call__(self, message: bytes) -> None: ...

        def __del__(self) -> None:
            for wait in (rt.join, lambda pid: rt.ask_blocking(pid, b"")):
                try:
                    wait(pid)
                except iris.WouldDeadlockError as error:
                    refused.append(str(error))

    pid = rt.spawn(Handler())
    assert rt.stop(pid)
    assert rt.join(pid, timeout=DEADLINE)
    eventually(lambda: len(refused) == 2, "both last words")
    assert refused == [
        f"actor {pid} would wait for its own end",
        f"actor {pid} would wait for its own answer",
    ]


def test_swap_meets_every_later_message(rt: iris.Runtime) -> None:
    seen, go, entered = [], threading.Event(), threading.Event()

    def old(message: bytes) -> None:
        if message == b"hold":
            entered.set()
            assert go.wait(DEADLINE)
        seen.append((b"old", message))

    def new(message: bytes) -> None:
        seen.append((b"new", message))

    pid = rt.spawn(old)
    rt.send_many(pid, [b"1", b"hold", b"2"])
    assert entered.wait(DEADLINE)
    assert rt.hot_swap(pid, new) == 2
    rt.send(pid, b"3")
    go.set()
    eventually(lambda: len(seen) == 4, "four messages")
    assert seen == [(b"old", b"1"), (b"old", b"hold"), (b"new", b"2"), (b"new", b"3")]
    assert rt.behavior_version(pid) == 2


def test_rollback_brings_back(rt: iris.Runtime) -> None:
    pid = rt.spawn(lambda message: b"1")
    rt.hot_swap(pid, lambda message: b"2")
    rt.hot_swap(pid, lambda message: b"3")
    assert rt.ask_blocking(pid, b"") == b"3"
    assert rt.rollback_behavior(pid) == 2
    assert rt.ask_blocking(pid, b"") == b"2"
    assert rt.rollback_behavior(pid, 1) == 1
    assert rt.ask_blocking(pid, b"") == b"1"
    with pytest.raises(iris.InvalidArgumentError):
        rt.rollback_behavior(pid, 1)


def test_swap_between_plain_and_async(rt: iris.Runtime) -> None:
    async def later(message: bytes) -> bytes:
        return b"async"

    pid = rt.spawn(lambda message: b"plain")
    assert rt.ask_blocking(pid, b"") == b"plain"
    rt.hot_swap(pid, later)
    assert rt.ask_blocking(pid, b"") == b"async"
    rt.hot_swap(pid, lambda message: b"again")
    assert rt.ask_blocking(pid, b"") == b"again"


def test_fairness_under_flood(rt: iris.Runtime) -> None:
    budget, flood, handled = 10, 10_000, 0
    meanwhile: list[int] = []
    queued: list[int] = []

    def note(message: bytes) -> None:
        meanwhile.append(handled - int(message))
        queued.append(rt.mailbox_size(flooded) or 0)

    def count(message: bytes) -> None:
        nonlocal handled
        handled += 1
        if handled % 500 == 1:
            rt.send(others[handled // 500], b"%d" % handled)

    flooded = rt.spawn(count, budget)
    others = [rt.spawn(note) for _ in range(flood // 500)]
    assert rt.send_many(flooded, [b"x"] * flood) == flood
    eventually(lambda: handled == flood and len(meanwhile) == len(others), "the flood and the others")
    assert max(meanwhile) < budget, "the rest of the turn in which the other was sent to"
    assert min(queued) > 0


def test_children_end_with_parent(rt: iris.Runtime, inbox: Inbox) -> None:
    order: list[int] = []
    parent = rt.spawn(inbox)
    child = rt.spawn_child(parent, inbox)
    grandchild = rt.spawn_child_with_mailbox(child, lambda mailbox: mailbox.recv())
    pool = rt.spawn_child_pool(parent, inbox, 3)
    watcher = rt.spawn_observed_handler()
    for pid in (parent, child, grandchild, *pool):
        rt.link(watcher, pid)
    rt.stop(parent)
    eventually(lambda: not any(map(rt.is_alive, [parent, child, grandchild, *pool])), "the end of the family")
    while len(order) < 6:
        told = rt.selective_recv_blocking(watcher, lambda message: True, timeout=DEADLINE)
        assert isinstance(told, iris.SystemMessage)
        order.append(told.target_pid or 0)
    assert order[-1] == parent
    assert order.index(grandchild) < order.index(child)
    with pytest.raises(iris.NoProcessError):
        rt.spawn_child(parent, inbox)
    with pytest.raises(iris.InvalidArgumentError, match="workers"):
        rt.spawn_child_pool(watcher, inbox, 0)


def test_virtual_starts_late_and_retires(rt: iris.Runtime, inbox: Inbox) -> None:
    pid = rt.spawn_virtual(inbox, idle_timeout_ms=20)
    watcher = rt.spawn_observed_handler()
    rt.link(watcher, pid)
    assert rt.send(pid, b"wake")
    assert inbox.wait(1) == [b"wake"]
    told = rt.selective_recv_blocking(watcher, lambda message: True, timeout=DEADLINE)
    assert isinstance(told, iris.SystemMessage)
    assert told.reason == "Normal"
    assert not rt.is_alive(pid)
    stays = rt.spawn_virtual(inbox)
    assert rt.is_alive(stays)
    with pytest.raises(iris.InvalidArgumentError, match="idle_timeout_ms"):
        rt.spawn_virtual(inbox, idle_timeout_ms=0)


def test_handler_that_never_returns_hurts_one_actor(rt: iris.Runtime, inbox: Inbox) -> None:
    never = threading.Event()
    stuck = rt.spawn(lambda message: never.wait(60))
    rt.send(stuck, b"x")
    rt.send(rt.spawn(inbox), b"alive")
    assert inbox.wait(1) == [b"alive"]
    never.set()


def test_async_handler_that_blocks_hurts_the_other_async_actors_alone(rt: iris.Runtime) -> None:
    go, entered = threading.Event(), threading.Event()

    async def block(message: bytes) -> None:
        entered.set()
        go.wait(60)

    async def later(message: bytes) -> bytes:
        return message.upper()

    def pull(mailbox: iris.Mailbox) -> None:
        while (message := mailbox.recv()) is not None:
            mailbox.reply(message, bytes(message).upper())  # type: ignore[arg-type]

    async def ask_of_a_loop_of_ones_own() -> bytes:
        return await rt.ask(rt.spawn(later), b"x", timeout=DEADLINE)

    held_up, early = rt.spawn(later), rt.spawn(bytes.upper)
    rt.send(rt.spawn(block), b"x")
    assert entered.wait(DEADLINE)
    rt.send(held_up, b"x")
    kinds = [
        early,
        rt.spawn(bytes.upper),
        rt.spawn(bytes.upper, release_gil=True),
        rt.spawn_with_mailbox(pull),
    ]
    kinds += [rt.spawn_virtual(bytes.upper), rt.start_child(rt.spawn_supervisor(), lambda: bytes.upper)]
    for pid in kinds * 100:
        assert rt.ask_blocking(pid, b"x", timeout=DEADLINE) == b"X"
    assert asyncio.run(ask_of_a_loop_of_ones_own()) == b"X"
    assert rt.mailbox_size(held_up) == 1
    go.set()
    assert rt.ask_blocking(held_up, b"x", timeout=DEADLINE) == b"X"


def test_handlers_that_block_are_relieved(rt: iris.Runtime) -> None:
    go, entered = threading.Event(), threading.Semaphore(0)

    def handler(message: bytes) -> None:
        entered.release()
        go.wait(DEADLINE)

    for _ in range(4):
        rt.send(rt.spawn(handler), b"x")
    for _ in range(4):
        assert entered.acquire(timeout=DEADLINE)
    go.set()


def test_handlers_may_ask_each_other(rt: iris.Runtime) -> None:
    pids: list[int] = []

    def handler(message: bytes) -> bytes:
        depth = int(message)
        return b"bottom" if depth == 0 else rt.ask_blocking(pids[depth - 1], b"%d" % (depth - 1))

    pids.extend(rt.spawn(handler) for _ in range(11))
    assert rt.ask_blocking(pids[10], b"10", timeout=DEADLINE) == b"bottom"


def test_current_pid_is_the_running_actor(rt: iris.Runtime) -> None:
    assert rt.current_pid() is None
    pid = rt.spawn(lambda message: b"%d" % (rt.current_pid() or 0))
    assert rt.ask_blocking(pid, b"") == b"%d" % pid


def test_runtimes_live_side_by_side(inbox: Inbox) -> None:
    with iris.Runtime() as one, iris.Runtime() as other:
        pid = one.spawn(inbox)
        assert other.send(pid, b"stranger") is False
        assert one.send(pid, b"mine") is True
        inbox.wait(1)
    assert one.closed
    assert one._inner is one
    with pytest.raises(iris.RuntimeClosedError):
        one.spawn(inbox)
    assert one.send(pid, b"") is False
    one.close()


def test_shutdown_lets_finish(rt: iris.Runtime) -> None:
    seen: list[bytes] = []
    pid = rt.spawn(seen.append)
    rt.send_many(pid, [b"x"] * 10_000)
    report = rt.shutdown(timeout=DEADLINE)
    assert len(seen) == 10_000
    assert report["unfinished"] == []
    assert report["killed"] == 0


def test_dropped_runtime_ends_its_actors() -> None:
    runtime = iris.Runtime()
    ended = threading.Event()

    def function(mailbox: iris.Mailbox) -> None:
        while mailbox.recv() is not None:
            pass
        ended.set()

    runtime.spawn_with_mailbox(function)
    del runtime
    assert ended.wait(DEADLINE)


def test_leaving_a_runtime_ends_all_its_actors() -> None:
    async def waits(mailbox: iris.AsyncMailbox) -> None:
        await mailbox.recv()

    def populate(rt: iris.Runtime) -> list[int]:
        parent = rt.spawn(print)
        pids = [parent, rt.spawn_child(parent, print), rt.spawn(print, release_gil=True)]
        pids += [rt.spawn_with_mailbox(lambda mailbox: mailbox.recv()), rt.spawn_with_mailbox(waits)]
        pids += [rt.spawn_virtual(print), rt.spawn_observed_handler(), rt.spawn_supervisor()]
        for pid in pids:
            rt.send_after(pid, 3_600_000, b"late")
        return pids

    async def leave(rt: iris.Runtime) -> list[int]:
        async with rt:
            return populate(rt)

    with iris.Runtime() as left:
        pids = populate(left)
    other = iris.Runtime()
    for rt, populated in ((left, pids), (other, asyncio.run(leave(other)))):
        assert rt.closed
        assert not any(rt.is_alive(pid) for pid in populated)
        eventually(
            lambda rt=rt: (rt.stats()["actors"], rt.stats()["timers"]) == (0, 0), "the end of everything"
        )


def test_alias_is_the_same_module() -> None:
    import myrmidon

    assert myrmidon is iris
    assert iris.version() == myrmidon.version()
