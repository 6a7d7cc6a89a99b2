"""Crashes: the part of the soak in which actors of every kind crash by chance."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import iris

if TYPE_CHECKING:
    from collections.abc import Callable

    from soak import Soak


def crashes(soak: Soak) -> Callable[[], None]:
    """Actors of which one message in a hundred is poison: they come back in place, of any kind, and lose no other message."""
    rt, places, sent = soak.rt, range(12), {"sent": 0}
    handled, crashed = [0] * len(places), [0] * len(places)

    def take(place: int, message: object) -> None:
        if message == b"poison":
            crashed[place] += 1
            raise ValueError("poison")
        handled[place] += 1

    def start(place: int) -> int:
        async def later(message: bytes) -> None:
            await asyncio.sleep(0)
            take(place, message)

        def pull(mailbox: iris.Mailbox) -> None:
            while (message := mailbox.recv()) is not None:
                take(place, message)

        async def pull_later(mailbox: iris.AsyncMailbox) -> None:
            async for message in mailbox:
                take(place, message)

        code = [lambda message: take(place, message), later, pull, pull_later][place % 4]
        kind = "pull" if code in (pull, pull_later) else "push"
        return rt.start_child(soak.supervisor, lambda: code, name=f"crashing-{place}", kind=kind)

    pids = [start(place) for place in places]
    soak.promise(
        "each message to a crashing actor is handled or crashes it, and there are both",
        lambda: sum(handled) + sum(crashed) == sent["sent"] and min(handled) > 0 and sum(crashed) > 0,
    )
    soak.promise(
        "crashing actors are alive and have their names",
        lambda: [rt.whereis(f"crashing-{place}") for place in places] == pids,
    )

    def part() -> None:
        for pid in pids:
            for _ in range(10):
                assert rt.send(pid, b"poison" if soak.chance.random() < 0.01 else b"bread")
                sent["sent"] += 1

    return part
