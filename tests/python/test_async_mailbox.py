"""Async mailboxes and asks under cancellation: nobody waits for ever, and what was given up is not done."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
import weakref
from typing import TYPE_CHECKING

import iris
import pytest
from conftest import DEADLINE, Inbox, eventually, settled, tick

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


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


WAITS: dict[str, Callable[[iris.AsyncMailbox], Awaitable[object]]] = {
    "recv": lambda mailbox: mailbox.recv(),
    "recv with a time-out": lambda mailbox: mailbox.recv(3600.0),
    "recv_many": lambda mailbox: mailbox.recv_many(5),
    "selective_recv": lambda mailbox: mailbox.selective_recv(lambda message: True),
    "anext": anext,
}
PLACES = ["the main thread", "another thread", "a push handler", "no loop"]


class Kept:
    """An async pull actor on the runtime's own loop whose mailbox is used elsewhere; told to, it takes a message itself."""

    def __init__(self, rt: iris.Runtime) -> None:
        self.rt = rt
        self.mailboxes: list[iris.AsyncMailbox] = []
        self.took = Inbox()
        self.pid = rt.spawn_with_mailbox(self.function)
        eventually(lambda: self.mailboxes, "the mailbox")
        self.waker = rt.spawn(self.wake)

    async def function(self, mailbox: iris.AsyncMailbox) -> None:
        self.turn = asyncio.Event()
        self.mailboxes.append(mailbox)
        while await self.turn.wait():
            self.turn.clear()
            if (message := await mailbox.recv(DEADLINE)) is None:
                return
            self.took(bytes(message))  # type: ignore[arg-type]

    async def wake(self, message: bytes) -> None:
        self.turn.set()

    def still_takes(self, message: bytes) -> bool:
        """Whether its own function gets what is sent."""
        count = len(self.took.messages)
        self.rt.send(self.pid, message)
        self.rt.send(self.waker, b"")
        return self.took.wait(count + 1)[-1] == message


def use_at(rt: iris.Runtime, place: str, wait: Callable[[], Awaitable[object]]) -> object:
    """What a wait gives, or raises, in a place that is not its actor's."""
    outcome: list[object] = []

    async def awaited() -> object:
        return await asyncio.wait_for(wait(), DEADLINE)  # type: ignore[arg-type]

    def use(message: bytes = b"") -> None:
        try:
            outcome.append(next(iter(wait().__await__())) if place == "no loop" else asyncio.run(awaited()))
        except Exception as error:
            outcome.append(error)

    if place == "the main thread":
        use()
    elif place == "a push handler":
        rt.send(rt.spawn(use), b"")
    else:
        threading.Thread(target=use).start()
    eventually(lambda: outcome, f"the use in {place}", timeout=2 * DEADLINE)
    return outcome[0]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("wait", WAITS)
def test_a_wait_elsewhere_than_on_the_actors_loop_is_refused(rt: iris.Runtime, wait: str, place: str) -> None:
    kept = Kept(rt)
    refused = use_at(rt, place, lambda: WAITS[wait](kept.mailboxes[0]))
    assert isinstance(refused, iris.InvalidArgumentError), repr(refused)
    assert "loop" in str(refused)
    assert kept.still_takes(b"nothing is spoilt")


def test_an_async_mailbox_is_used_by_others_on_its_loop(rt: iris.Runtime) -> None:
    kept = Kept(rt)

    async def take(message: bytes) -> bytes:
        return bytes(await kept.mailboxes[0].recv(DEADLINE) or b"")  # type: ignore[arg-type]

    reads = rt.spawn(take)
    rt.send(kept.pid, b"in a handler")
    assert rt.ask_blocking(reads, b"", timeout=DEADLINE) == b"in a handler"
    assert kept.still_takes(b"its own")


def test_an_answer_may_come_from_anywhere(rt: iris.Runtime) -> None:
    asked: list[object] = []

    async def function(mailbox: iris.AsyncMailbox) -> None:
        async for message in mailbox:
            asked.append((mailbox, message))

    def answer() -> None:
        eventually(lambda: asked, "the question")
        mailbox, message = asked.pop()  # type: ignore[misc]
        answered.append(mailbox.reply(message, b"answer"))
        answered.append(mailbox.reply(message, b"twice"))

    answered: list[bool] = []
    thread = threading.Thread(target=answer)
    thread.start()
    pid = rt.spawn_with_mailbox(function)
    assert rt.ask_blocking(pid, b"question", timeout=DEADLINE) == b"answer"
    thread.join()
    assert answered == [True, False]


@pytest.mark.parametrize("place", ["its own loop", *PLACES[:-1]])
def test_an_async_mailbox_whose_actor_ended_is_empty(rt: iris.Runtime, place: str) -> None:
    kept = Kept(rt)
    mailbox = kept.mailboxes[0]
    rt.send(kept.pid, b"never taken")
    assert rt.stop(kept.pid)
    rt.send(kept.waker, b"")
    assert rt.join(kept.pid, DEADLINE)

    async def use(message: bytes) -> bytes:
        assert [await mailbox.recv(), await mailbox.recv(3600.0), await mailbox.recv_many(5)] == [
            None,
            None,
            [],
        ]
        assert await mailbox.selective_recv(lambda message: True) is None
        assert [message async for message in mailbox] == []
        return b"empty"

    if place == "its own loop":
        assert rt.ask_blocking(rt.spawn(use), b"", timeout=DEADLINE) == b"empty"
    for wait in WAITS.values():
        given = use_at(rt, place, lambda wait=wait: wait(mailbox)) if place in PLACES else None
        assert given in (None, []) or isinstance(given, (StopAsyncIteration, iris.InvalidArgumentError)), (
            given
        )
    assert not mailbox.reply(b"never sent", b"x")
    assert mailbox.pid == kept.pid


def test_a_task_that_waits_for_what_nobody_else_holds_is_not_collected(rt: iris.Runtime) -> None:
    async def function(mailbox: iris.AsyncMailbox) -> None:
        waiting.set()
        await asyncio.Event().wait()

    async def later(message: bytes) -> bytes:
        return message

    waiting = threading.Event()
    pid = rt.spawn_with_mailbox(function)
    assert waiting.wait(DEADLINE)
    # What is asked of the same loop is answered when the task waits.
    assert rt.ask_blocking(rt.spawn(later), b"x", timeout=DEADLINE) == b"x"
    gc.collect()
    assert rt.ask_blocking(rt.spawn(later), b"x", timeout=DEADLINE) == b"x"
    assert rt.is_alive(pid)


def test_a_loop_closed_under_a_wait_leaves_nothing(
    rt: iris.Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    class Held: ...

    async def function(mailbox: iris.AsyncMailbox) -> None:
        held = Held()
        waiting.append(weakref.ref(held))
        begun.set()
        await mailbox.recv()

    async def main() -> None:
        rt.spawn_with_mailbox(function)
        await begun.wait()

    begun, waiting = asyncio.Event(), list["weakref.ref[Held]"]()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    # That a pending task is collected is for asyncio to tell.
    caplog.set_level(logging.CRITICAL, "asyncio")
    loop.close()
    del loop
    gc.collect()
    assert [ref() for ref in waiting] == [None]
