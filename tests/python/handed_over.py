"""Handed over: what users give to a runtime, of which it keeps nothing, and programs that use all of it."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import iris
from conftest import DEADLINE, eventually


class Things:
    """A message and all that users hand over to a runtime, made for one test, so that references to them can be counted."""

    def __init__(self, rt: iris.Runtime) -> None:
        message = bytes(bytearray(b"a message of its own"))

        def handler(got: bytes) -> bytes:
            return got

        async def later(got: bytes) -> bytes:
            await asyncio.sleep(0)
            return got

        def crash(got: bytes) -> bytes:
            if got == b"poison":
                raise ValueError(got)
            return got

        def function(mailbox: iris.Mailbox) -> None:
            while (got := mailbox.recv()) is not None:
                mailbox.reply(got, message)

        async def pull_later(mailbox: iris.AsyncMailbox) -> None:
            async for got in mailbox:
                mailbox.reply(got, message)

        def factory() -> int:
            return rt.spawn(handler)

        def matcher(got: object) -> bool:
            return got is message

        self.message, self.handler, self.later, self.crash = message, handler, later, crash
        self.function, self.pull_later, self.factory, self.matcher = function, pull_later, factory, matcher

    def counts(self) -> dict[str, int]:
        """How many references there are to each."""
        return {name: sys.getrefcount(thing) for name, thing in vars(self).items()}


def use_swaps_and_timers(rt: iris.Runtime, things: Things) -> list[int]:
    """Actors of each kind that are sent to, swapped, and have timers set."""
    plain, later = things.handler, things.later
    pids = [rt.spawn(plain), rt.spawn(plain, release_gil=True), rt.spawn(later), rt.spawn_virtual(later)]
    pulls = [rt.spawn_with_mailbox(things.function), rt.spawn_with_mailbox(things.pull_later)]
    swaps: list[Any] = [*[plain] * len(pids), things.function, things.pull_later]
    for pid, new in zip(pids + pulls, swaps, strict=True):
        assert rt.send_many(pid, [things.message] * 10) == 10
        rt.send_after(pid, 3_600_000, things.message)
        assert rt.cancel_timer(rt.send_interval(pid, 3_600_000, things.message))
        rt.hot_swap(pid, new)
    rt.rollback_behavior(pids[0])
    return pids + pulls


def use_asks(rt: iris.Runtime, things: Things) -> list[int]:
    """Asks that are answered, by blocking and awaited, that are given up, and that fail with their actor."""
    pids = [rt.spawn(things.handler), rt.spawn(things.handler, release_gil=True), rt.spawn(things.later)]
    pids += [rt.spawn_with_mailbox(things.function), rt.spawn_with_mailbox(things.pull_later)]
    silent = rt.spawn_observed_handler()

    async def ask() -> None:
        answers = await asyncio.gather(*(rt.ask(pid, things.message, timeout=DEADLINE) for pid in pids))
        assert answers == [things.message] * len(pids)
        waiting = [rt.ask(silent, things.message, timeout=None) for _ in range(10)]
        await asyncio.sleep(0)
        assert all(given_up.cancel() for given_up in waiting[:5])  # type: ignore[attr-defined]
        rt.stop(silent)
        failed = await asyncio.gather(*waiting[5:], return_exceptions=True)
        assert [type(error) for error in failed] == [iris.AskFailedError] * 5

    for pid in pids * 20:
        assert rt.ask_blocking(pid, things.message, timeout=DEADLINE) == things.message
    asyncio.run(ask())
    return pids


def use_restarts(rt: iris.Runtime, things: Things) -> list[int]:
    """Actors that crash and are restarted in place with what waits for them, or replaced by a factory."""
    supervisor = rt.spawn_supervisor(intensity=1_000, backoff=(0.0, 0.0))
    children = [rt.start_child(supervisor, lambda: things.crash) for _ in range(3)]
    for pid in children:
        rt.send_many(pid, [b"poison", things.message] * 5)
    eventually(lambda: rt.stats()["restarted"] == 15, "the restarts")
    first = rt.spawn(things.crash)
    rt.supervise_with_factory(first, things.factory, "RestartOne")
    rt.send_many(first, [b"poison", things.message])
    eventually(lambda: set(rt.child_pids()) - {first}, "the replacement")
    (replacement,) = rt.child_pids()
    assert rt.ask_blocking(replacement, things.message, timeout=DEADLINE) == things.message
    rt.unsupervise(replacement)
    return [*children, supervisor, replacement]


def use_bounds(rt: iris.Runtime, things: Things) -> list[int]:
    """Mailboxes that are full, under each policy, and messages that a matcher leaves."""
    target, pids = rt.spawn_observed_handler(), []
    for policy in ("dropnew", "dropold", "redirect", "spill"):
        go, entered = threading.Event(), threading.Event()

        def hold(got: bytes, go: threading.Event = go, entered: threading.Event = entered) -> None:
            entered.set()
            go.wait(DEADLINE)

        pids.append(rt.spawn_py_handler_bounded(hold, 10, 2))
        rt.set_overflow_policy(pids[-1], policy, target if policy == "redirect" else None)
        rt.send(pids[-1], things.message)
        assert entered.wait(DEADLINE)
        rt.send_many(pids[-1], [things.message] * 10)
        rt.hot_swap(pids[-1], things.handler)
        go.set()
    rt.send(target, b"left")
    assert rt.selective_recv_blocking(target, things.matcher, DEADLINE) is things.message
    return [*pids, target]


USES = [use_swaps_and_timers, use_asks, use_restarts, use_bounds]
