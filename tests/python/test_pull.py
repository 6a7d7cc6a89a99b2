"""Observed actors and pull actors, on threads and on event loops."""

from __future__ import annotations

import asyncio
import threading

import iris
import pytest
from conftest import DEADLINE, eventually, settled, system, tick


def test_observed_keeps_messages(rt: iris.Runtime) -> None:
    pid = rt.spawn_observed_handler()
    rt.send_many(pid, [b"a", b"b"])
    rt.hot_swap(pid, print)
    messages = rt.get_messages(pid)
    assert [m for m in messages if isinstance(m, bytes)] == [b"a", b"b"]
    assert len(system(messages, "HOT_SWAP")) == 1
    assert rt.get_messages(pid) == []
    with pytest.raises(iris.WrongActorKindError):
        rt.get_messages(rt.spawn(print))
    with pytest.raises(iris.NoProcessError):
        rt.get_messages(12345)


def test_observed_selects(rt: iris.Runtime) -> None:
    pid = rt.spawn_observed_handler()
    rt.send_many(pid, [b"a", b"b", b"c"])
    assert rt.selective_recv_blocking(pid, lambda message: message == b"b", timeout=1) == b"b"
    assert rt.selective_recv_blocking(pid, lambda message: message == b"x", timeout=0.01) is None
    rt.send_after(pid, 20, b"x")
    assert rt.selective_recv_blocking(pid, lambda message: message == b"x", timeout=DEADLINE) == b"x"
    with pytest.raises(ZeroDivisionError):
        rt.selective_recv_blocking(pid, lambda message: 1 // 0)
    assert rt.get_messages(pid) == [b"a", b"c"]


def test_observed_selects_while_the_loop_runs() -> None:
    async def main() -> None:
        async with iris.Runtime() as rt:
            pid = rt.spawn_observed_handler()
            waiting = asyncio.ensure_future(rt.selective_recv(pid, lambda message: message == b"b"))
            await asyncio.wait([waiting], timeout=0.01)
            rt.send_many(pid, [b"a", b"b"])
            assert await waiting == b"b"
            assert await rt.selective_recv(pid, lambda message: message == b"b", timeout=0.01) is None
            assert await rt.selective_recv(pid, lambda message: message == b"b", timeout=0) is None
            assert rt.get_messages(pid) == [b"a"]

    asyncio.run(main())


def test_pull_receives(rt: iris.Runtime) -> None:
    got: list[object] = []
    threads: list[int] = []

    def function(mailbox: iris.Mailbox) -> None:
        threads.append(threading.get_ident())
        assert mailbox.recv(timeout=0) is None
        assert mailbox.recv(timeout=0.01) is None
        got.append(mailbox.recv())
        got.append(mailbox.recv_many(2))
        got.append(mailbox.recv_many(10, timeout=DEADLINE))
        got.append(mailbox.recv_many(10, timeout=0.01))

    pid = rt.spawn_with_mailbox(function)
    eventually(lambda: threads, "the function to run")
    assert threads != [threading.get_ident()]
    rt.join(pid, 0.05)
    rt.send_many(pid, [b"1", b"2", b"3", b"4", b"5"])
    assert rt.join(pid, DEADLINE)
    flat = [m for part in got for m in (part if isinstance(part, list) else [part])]
    assert flat == [b"1", b"2", b"3", b"4", b"5"]


def test_pull_selects(rt: iris.Runtime) -> None:
    got: list[object] = []

    def function(mailbox: iris.Mailbox) -> None:
        got.append(mailbox.selective_recv(lambda message: message == b"2", timeout=DEADLINE))
        got.append(mailbox.selective_recv(lambda message: message == b"x", timeout=0.01))
        with pytest.raises(ZeroDivisionError):
            mailbox.selective_recv(lambda message: 1 // 0)
        got.append(mailbox.recv())
        got.append(mailbox.recv())

    pid = rt.spawn_with_mailbox(function)
    rt.send_many(pid, [b"1", b"2", b"3"])
    assert rt.join(pid, DEADLINE)
    assert got == [b"2", None, b"1", b"3"]


def test_pull_stop_ends_recv(rt: iris.Runtime) -> None:
    got: list[object] = []
    entered = threading.Event()

    def function(mailbox: iris.Mailbox) -> None:
        entered.set()
        got.append(mailbox.recv())
        got.append(mailbox.recv())

    pid = rt.spawn_with_mailbox(function)
    watcher = rt.spawn_observed_handler()
    rt.link(watcher, pid)
    assert entered.wait(DEADLINE)
    rt.stop(pid)
    assert rt.join(pid, DEADLINE)
    told = rt.selective_recv_blocking(watcher, lambda message: True, timeout=DEADLINE)
    assert isinstance(told, iris.SystemMessage)
    assert told.reason == "Killed"
    eventually(lambda: got == [None, None], "two None")


def test_pull_answers_asks(rt: iris.Runtime) -> None:
    def function(mailbox: iris.Mailbox) -> None:
        first = mailbox.recv()
        assert first is not None
        second = mailbox.recv()
        assert second is not None
        assert mailbox.reply(second, b"second") is True
        assert mailbox.reply(first, b"first") is True
        assert mailbox.reply(first, b"again") is False
        assert mailbox.recv() == b"unanswered"

    pid = rt.spawn_with_mailbox(function)

    async def main() -> None:
        answers = await asyncio.gather(*(rt.ask(pid, data) for data in (b"1", b"2")))
        assert answers == [b"first", b"second"]
        with pytest.raises(iris.AskFailedError):
            await rt.ask(pid, b"unanswered")

    asyncio.run(main())
    assert rt.join(pid, DEADLINE)


def test_pull_actor_is_swapped(rt: iris.Runtime) -> None:
    got: list[object] = []

    def old(mailbox: iris.Mailbox) -> None:
        message = mailbox.recv()
        got.append(message.type_name if isinstance(message, iris.SystemMessage) else message)

    def new(mailbox: iris.Mailbox) -> None:
        got.append(mailbox.recv())

    pid = rt.spawn_with_mailbox(old)
    assert rt.hot_swap(pid, new) == 2
    eventually(lambda: got == ["HOT_SWAP"], "the old function to return")
    rt.send(pid, b"for the new one")
    assert rt.join(pid, DEADLINE)
    assert got == ["HOT_SWAP", b"for the new one"]


def test_mailbox_belongs_to_its_actor(rt: iris.Runtime) -> None:
    kept: list[iris.Mailbox] = []

    def function(mailbox: iris.Mailbox) -> None:
        kept.append(mailbox)
        mailbox.recv()

    pid = rt.spawn_with_mailbox(function)
    eventually(lambda: kept and rt.actor_info(pid)["state"] == "idle", "the wait")  # type: ignore[index]
    with pytest.raises(iris.WouldDeadlockError):
        kept[0].recv()
    rt.send(pid, b"")
    assert rt.join(pid, DEADLINE)
    eventually(lambda: kept[0].recv(timeout=0) is None, "None after the end")
    assert kept[0].pid == pid


def test_many_pull_actors_take_turns(rt: iris.Runtime) -> None:
    pids = [rt.spawn_with_mailbox(lambda mailbox: mailbox.recv()) for _ in range(200)]
    for pid in pids:
        assert rt.send(pid, b"go")
    assert all(rt.join(pid, DEADLINE) for pid in pids)


def test_async_pull_actor(rt: iris.Runtime) -> None:
    async def function(mailbox: iris.AsyncMailbox) -> None:
        assert await mailbox.recv(timeout=0.01) is None
        assert await mailbox.recv() == b"1"
        assert await mailbox.selective_recv(lambda message: message == b"3") == b"3"
        assert await mailbox.selective_recv(lambda message: message == b"x", timeout=0.01) is None
        assert await mailbox.recv_many(2) == [b"2", b"4"]
        async for message in mailbox:
            mailbox.reply(message, b"async answer")

    pid = rt.spawn_with_mailbox(function)
    watcher = rt.spawn_observed_handler()
    rt.link(watcher, pid)
    rt.join(pid, 0.05)
    rt.send_many(pid, [b"1", b"2", b"3", b"4"])
    assert rt.ask_blocking(pid, b"question") == b"async answer"
    rt.stop(pid)
    told = rt.selective_recv_blocking(watcher, lambda message: True, timeout=DEADLINE)
    assert isinstance(told, iris.SystemMessage)
    assert told.reason == "Killed"


def test_async_pull_actor_on_the_running_loop() -> None:
    async def main() -> None:
        threads: list[int] = []

        async def function(mailbox: iris.AsyncMailbox) -> None:
            async for message in mailbox:
                threads.append(threading.get_ident())
                mailbox.reply(message, b"here")

        async with iris.Runtime() as rt:
            pid = rt.spawn_with_mailbox(function)
            assert await rt.ask(pid, b"where") == b"here"
            assert threads == [threading.get_ident()]

    asyncio.run(main())


def test_async_pull_actor_crashes(rt: iris.Runtime) -> None:
    async def function(mailbox: iris.AsyncMailbox) -> None:
        await mailbox.recv()
        raise ValueError("boom")

    pid, watcher = rt.spawn_with_mailbox(function), rt.spawn_observed_handler()
    rt.link(watcher, pid)
    rt.send(pid, b"x")
    told = rt.selective_recv_blocking(watcher, lambda message: True, timeout=DEADLINE)
    assert isinstance(told, iris.SystemMessage)
    assert told.reason == "Crash"
    assert told.metadata is not None
    assert told.metadata["type"] == "ValueError"


def test_cancelled_recv_loses_no_message() -> None:
    async def main() -> None:
        got: list[object] = []
        gave_up = asyncio.Event()

        async def function(mailbox: iris.AsyncMailbox) -> None:
            for _ in range(3):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(mailbox.recv(), 0.005)
            gave_up.set()
            got.append(await mailbox.recv())
            got.append(await mailbox.recv())

        async with iris.Runtime() as rt:
            pid = rt.spawn_with_mailbox(function)
            await asyncio.wait_for(gave_up.wait(), 20)
            rt.send_many(pid, [b"1", b"2"])
            await settled(lambda: not rt.is_alive(pid), "the end of the actor")
            assert got == [b"1", b"2"]

    asyncio.run(main())


def test_async_push_handler_takes_one_message_at_a_time(rt: iris.Runtime) -> None:
    running, seen = 0, []

    async def handler(message: bytes) -> bytes:
        nonlocal running
        running += 1
        assert running == 1
        await tick()
        running -= 1
        seen.append(message)
        return message + b"!"

    pid = rt.spawn(handler)
    rt.send_many(pid, [b"%d" % n for n in range(50)])
    assert rt.ask_blocking(pid, b"last") == b"last!"
    assert seen == [b"%d" % n for n in range(50)] + [b"last"]


def test_async_push_handler_is_cancelled_by_stop(rt: iris.Runtime) -> None:
    entered, cancelled = threading.Event(), threading.Event()

    async def handler(message: bytes) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    pid = rt.spawn(handler)
    rt.send(pid, b"x")
    assert entered.wait(DEADLINE)
    rt.stop(pid)
    assert cancelled.wait(DEADLINE)
    assert rt.join(pid, DEADLINE)


def test_async_push_handler_crashes(rt: iris.Runtime) -> None:
    async def handler(message: bytes) -> None:
        await tick()
        raise ValueError("boom")

    pid = rt.spawn(handler)
    with pytest.raises(iris.AskFailedError, match="ValueError: boom"):
        rt.ask_blocking(pid, b"")
    assert rt.join(pid, DEADLINE)
