"""Bad times: what is no time is refused by every wait before anything is taken, and a huge time is a long one."""

from __future__ import annotations

import asyncio
import inspect
import math
import threading
from typing import TYPE_CHECKING, Any

import iris
import pytest
from conftest import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable

NO_TIMES = [-1, -0.001, math.nan, -math.inf, -(10**5000)]
LONG_TIMES = [1e9, 1e308, math.inf, 10**5000]
WAITS: dict[str, Callable[[Any, Any], Any]] = {
    "recv": lambda mailbox, seconds: mailbox.recv(seconds),
    "recv_many": lambda mailbox, seconds: mailbox.recv_many(1, seconds),
    "selective_recv": lambda mailbox, seconds: mailbox.selective_recv(lambda message: True, seconds),
}


async def given(made: object) -> object:
    """What a call gave, or what that gives when it is awaited."""
    return await made if inspect.isawaitable(made) else made


@pytest.mark.parametrize("seconds", NO_TIMES, ids=range(len(NO_TIMES)))
@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("method", WAITS)
@pytest.mark.asyncio
async def test_a_mailbox_refuses_times_that_are_none(method: str, kind: str, seconds: float) -> None:
    kept: list[iris.Mailbox | iris.AsyncMailbox] = []

    async def refuse(mailbox: iris.Mailbox | iris.AsyncMailbox) -> None:
        kept.append(mailbox)
        with pytest.raises(iris.InvalidArgumentError, match="at least 0 seconds"):
            await given(WAITS[method](mailbox, seconds))

    async def wait(mailbox: iris.AsyncMailbox) -> None:
        await refuse(mailbox)
        mailbox.reply(await mailbox.recv(), b"still there")

    def block(mailbox: iris.Mailbox) -> None:
        asyncio.run(refuse(mailbox))
        mailbox.reply(mailbox.recv(), b"still there")

    async with iris.Runtime() as rt:
        pid = rt.spawn_with_mailbox(block if kind == "plain" else wait)
        assert await rt.ask(pid, b"first", timeout=DEADLINE) == b"still there"
        assert await asyncio.to_thread(rt.join, pid, DEADLINE)
        await refuse(kept[0])


@pytest.mark.parametrize("seconds", LONG_TIMES, ids=range(len(LONG_TIMES)))
@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("method", WAITS)
@pytest.mark.asyncio
async def test_huge_times_of_a_mailbox_are_long_times(method: str, kind: str, seconds: float) -> None:
    waits = threading.Event()

    async def wait(mailbox: iris.Mailbox | iris.AsyncMailbox) -> None:
        made = WAITS[method](mailbox, seconds) if kind == "async" else None
        waits.set()
        got = await given(made or WAITS[method](mailbox, seconds))
        rt.send(observed, got[0] if isinstance(got, list) else got)

    async with iris.Runtime() as rt:
        observed = rt.spawn_observed_handler()
        pid = rt.spawn_with_mailbox(wait if kind == "async" else lambda mailbox: asyncio.run(wait(mailbox)))
        assert await asyncio.to_thread(waits.wait, DEADLINE)
        rt.send(pid, b"late")
        assert (
            await rt.selective_recv(observed, lambda message: message == b"late", timeout=seconds) == b"late"
        )


@pytest.mark.parametrize("seconds", NO_TIMES, ids=range(len(NO_TIMES)))
@pytest.mark.asyncio
async def test_awaited_calls_refuse_times_that_are_none(seconds: float) -> None:
    async with iris.Runtime() as rt:
        pid, observed = rt.spawn(bytes.upper), rt.spawn_observed_handler()
        rt.send(observed, b"kept")
        calls = [
            lambda: rt.ask(pid, b"x", timeout=seconds),
            lambda: rt.ref(pid).ask(b"x", timeout=seconds),
            lambda: rt.selective_recv(observed, lambda message: True, timeout=seconds),
        ]
        for call in calls:
            with pytest.raises(iris.InvalidArgumentError, match="at least 0 seconds"):
                await call()
        assert rt.get_messages(observed) == [b"kept"]


@pytest.mark.parametrize("seconds", LONG_TIMES, ids=range(len(LONG_TIMES)))
@pytest.mark.asyncio
async def test_huge_times_of_asks_are_long_times(seconds: float) -> None:
    async with iris.Runtime() as rt:
        ref = rt.ref(rt.spawn(bytes.upper))
        assert await rt.ask(ref.pid, b"a", timeout=seconds) == b"A"
        assert await ref.ask(b"b", timeout=seconds) == b"B"
        assert ref.ask_blocking(b"c", timeout=seconds) == b"C"
        observed = rt.spawn_observed_handler()
        rt.send_after(observed, 1, b"d")
        assert rt.selective_recv_blocking(observed, lambda message: True, seconds) == b"d"
