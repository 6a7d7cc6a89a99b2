"""Async mailboxes and asks under cancellation: nobody waits for ever, and what was given up is not done."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import TYPE_CHECKING

import iris
import pytest
from conftest import DEADLINE, eventually, settled, tick

if TYPE_CHECKING:
    from collections.abc import Callable


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


class Meanwhile(asyncio.SelectorEventLoop):
    """A loop in which something happens at the moment a wait begins: where its future is made."""

    happens: Callable[[], object] | None = None

    def create_future(self) -> asyncio.Future[object]:
        happens, self.happens = self.happens, None
        if happens:
            happens()
        return super().create_future()


async def yielded(predicate: Callable[[], object], what: str) -> None:
    """As `settled`, without a future of its own."""
    deadline = time.monotonic() + DEADLINE
    while not predicate():
        assert time.monotonic() < deadline, f"waited {DEADLINE} s for {what}"
        await asyncio.sleep(0)


def test_what_comes_while_a_wait_begins_ends_it(rt: iris.Runtime) -> None:
    async def collect(mailbox: iris.AsyncMailbox) -> None:
        async for message in mailbox:
            answers.append(message)

    answers: list[object] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Meanwhile)
        pid = rt.spawn_with_mailbox(collect)
        loop.happens = lambda: rt.send(pid, b"while it begins")
        await yielded(lambda: len(answers) == 1, "the first message")
        rt.send(pid, b"while it waits")
        await yielded(lambda: len(answers) == 2, "the second message")

    with asyncio.Runner(loop_factory=Meanwhile) as runner:
        runner.run(main())
    assert answers == [b"while it begins", b"while it waits"]


def test_restart_that_is_decided_while_the_task_ends(
    rt: iris.Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "iris")

    def sibling(message: bytes) -> None:
        raise ValueError("on purpose")

    async def fragile(mailbox: iris.AsyncMailbox) -> None:
        async for message in mailbox:
            if message == b"crash":
                loop = asyncio.get_running_loop()
                assert isinstance(loop, Meanwhile)
                loop.happens = decided
                raise ValueError("on purpose")
            answers.append(message)

    def decided() -> None:
        # The supervisor hears in order: when the other is back, it has decided about this one.
        rt.send(other, b"crash")
        eventually(lambda: (rt.actor_info(other) or {})["restarts"] == 1, "the restart of the other")

    answers: list[object] = []
    supervisor = rt.spawn_supervisor(backoff=(0.0, 0.0))
    other = rt.start_child(supervisor, lambda: sibling)

    async def main() -> None:
        pid = rt.start_child(supervisor, lambda: fragile, kind="pull")
        rt.send_many(pid, [b"crash", b"again"])
        await yielded(lambda: answers, "the message behind the crash")
        rt.send(pid, b"and again")
        await yielded(lambda: len(answers) == 2, "a message that was waited for")

    with asyncio.Runner(loop_factory=Meanwhile) as runner:
        runner.run(main())
    assert answers == [b"again", b"and again"]
