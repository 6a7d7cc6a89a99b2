"""Async mailboxes and asks under cancellation: nobody waits for ever, and what was given up is not done."""

from __future__ import annotations

import asyncio
import threading

import iris
import pytest
from conftest import DEADLINE, settled, tick


def test_second_wait_on_one_mailbox_is_refused() -> None:
    async def function(mailbox: iris.AsyncMailbox) -> None:
        first = asyncio.ensure_future(mailbox.selective_recv(lambda message: message == b"c"))
        await tick()
        for refused in [mailbox.recv(), mailbox.recv_many(2), mailbox.selective_recv(bool), anext(mailbox)]:
            with pytest.raises(iris.WouldDeadlockError, match="another task waits"):
                await refused
        answers.append(await first)
        answers.append(await mailbox.recv_many(3))
        first = asyncio.ensure_future(mailbox.recv())
        await tick()
        first.cancel()
        await tick()
        answers.append(await mailbox.recv())

    answers: list[object] = []

    async def main() -> None:
        async with iris.Runtime() as rt:
            pid = rt.spawn_with_mailbox(function)
            rt.send_many(pid, [b"a", b"b"])
            await tick()
            await tick()
            rt.send(pid, b"c")
            await settled(lambda: len(answers) == 2, "the first answers")
            await tick()
            rt.send(pid, b"d")
            await settled(lambda: len(answers) == 3, "the last answer")

    asyncio.run(main())
    assert answers == [b"c", [b"a", b"b"], b"d"]


def test_a_coroutine_that_is_closed_waits_no_more() -> None:
    async def function(mailbox: iris.AsyncMailbox) -> None:
        async def wait() -> object:
            return await mailbox.recv(timeout=3600.0)

        closed = wait()
        closed.send(None)
        closed.close()
        answers.append(await mailbox.recv(timeout=DEADLINE))

    answers: list[object] = []

    async def main() -> None:
        async with iris.Runtime() as rt:
            pid = rt.spawn_with_mailbox(function)
            await tick()
            rt.send(pid, b"a")
            await settled(lambda: answers, "the answer")

    asyncio.run(main())
    assert answers == [b"a"]


def test_cancelled_ask_is_not_executed(rt: iris.Runtime) -> None:
    seen: list[bytes] = []
    go = threading.Event()

    def handler(message: bytes) -> None:
        seen.append(message)
        if message == b"block":
            assert go.wait(DEADLINE)

    pid = rt.spawn(handler)

    async def main() -> None:
        rt.send(pid, b"block")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(rt.ask(pid, b"given up"), 0.01)
        await tick()
        go.set()
        assert await rt.ask(pid, b"last") == b""

    asyncio.run(main())
    assert seen == [b"block", b"last"]
    assert rt.dead_letters()["AskExpired"] == 1


def test_hot_swap_of_a_pull_actor_keeps_its_kind(rt: iris.Runtime) -> None:
    def plain(mailbox: iris.Mailbox) -> None:
        mailbox.recv()

    async def task(mailbox: iris.AsyncMailbox) -> None:
        await mailbox.recv()

    for mine, other, words in [(plain, task, "a thread: a plain"), (task, plain, "a task: an `async def`")]:
        pid = rt.spawn_with_mailbox(mine)
        with pytest.raises(iris.InvalidArgumentError, match=words):
            rt.hot_swap(pid, other)
        assert rt.hot_swap(pid, mine) == 2
