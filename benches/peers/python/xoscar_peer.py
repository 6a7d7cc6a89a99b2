"""Xoscar: actors of one pool in this process (`n_process=0`), told by `tell`, asked by a call; on uvloop, as it does itself."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import uvloop
import xoscar as xo
from measure import (
    BODY,
    DONE_WITHIN,
    LAST,
    Flood,
    Handler,
    Late,
    Sample,
    asked,
    beats_of,
    counting,
    echo,
    main,
    rate,
    resident_bytes,
    watching,
)

POOL: Any = None


class Host(xo.Actor):
    """An actor that calls a handler."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def handle(self, message: bytes) -> object:
        """Handle one message; what it returns is the answer."""
        return self.handler(message)


class Hop(xo.Actor):
    """Hands each message on to the next of its ring; the first counts the laps."""

    def __init__(self, laps: int, done: asyncio.Event) -> None:
        self.laps = laps
        self.done = done
        self.next: Any = None

    def set_next(self, following: Any) -> None:
        """Tell it whom to hand on to."""
        self.next = following

    async def handle(self, message: bytes) -> None:
        """Hand on."""
        if self.laps:
            self.laps -= 1
            if not self.laps:
                self.done.set()
                return
        await self.next.handle.tell(message)


class Node(xo.Actor):
    """A node of the skynet."""

    def __init__(self, parent: Any, number: int, leaves: int) -> None:
        self.parent = parent
        self.number = number
        self.leaves = leaves
        self.missing = self.total = 0

    async def handle(self, message: bytes) -> None:
        """Begin children and start them, add up what they tell, tell the parent, and end."""
        if self.leaves == 1:
            self.total = self.number
        elif not self.missing:
            self.missing, part = 10, self.leaves // 10
            for branch in range(10):
                child = await begin(Node, self.ref(), self.number + branch * part, part)
                await child.handle.tell(BODY)
            return
        else:
            self.missing -= 1
            self.total += int.from_bytes(message, "little")
        if not self.missing:
            await self.parent.handle.tell(self.total.to_bytes(16, "little"))
            # An actor cannot wait for its own end.
            ENDING.add(ending := asyncio.create_task(xo.destroy_actor(self.ref())))
            ending.add_done_callback(ENDING.discard)


ENDING: set[asyncio.Task[None]] = set()


async def begin(actor: type[xo.Actor], *arguments: Any) -> Any:
    """Begin an actor in the pool."""
    return await xo.create_actor(actor, *arguments, address=POOL.external_address)


async def spawn(handler: Handler) -> Any:
    """Begin an actor that calls a handler."""
    return await begin(Host, handler)


async def wait_for(done: asyncio.Event) -> None:
    """Wait until the last message was handled."""
    await asyncio.wait_for(done.wait(), DONE_WITHIN)


async def spawn_idle(count: int) -> Sample:
    """W1."""
    await (await spawn(echo)).handle(BODY)
    before = resident_bytes()
    start = time.perf_counter()
    actors = [await spawn(echo) for _ in range(count)]
    sample = rate(count, start)
    await actors[-1].handle(BODY)
    return sample | {"bytes": (resident_bytes() - before) / count}


async def many_actors(count: int, rounds: int = 1) -> Sample:
    """W2."""
    done = asyncio.Event()
    handler = counting(count * rounds, done.set)
    actors = [await spawn(handler) for _ in range(count)]
    start = time.perf_counter()
    for _ in range(rounds):
        for actor in actors:
            await actor.handle.tell(BODY)
    await wait_for(done)
    return rate(count * rounds, start)


async def one_producer(count: int) -> Sample:
    """W3."""
    done = asyncio.Event()
    tell = (await spawn(watching(done.set))).handle.tell
    start = time.perf_counter()
    for _ in range(count - 1):
        await tell(BODY)
    await tell(LAST)
    await wait_for(done)
    return rate(count, start)


async def two_producers(count: int) -> Sample:
    """W4: two tasks."""
    done = asyncio.Event()
    tell = (await spawn(counting(count, done.set))).handle.tell

    async def produce() -> None:
        for _ in range(count // 2):
            await tell(BODY)

    start = time.perf_counter()
    await asyncio.gather(produce(), produce())
    await wait_for(done)
    return rate(count, start)


async def laps(actors: int, count: int) -> float:
    """When a message began to go round a ring of so many actors so many times."""
    done = asyncio.Event()
    ring = [await begin(Hop, 0 if place else count, done) for place in range(actors)]
    for place, actor in enumerate(ring):
        await actor.set_next(ring[(place + 1) % actors])
    start = time.perf_counter()
    await ring[1].handle.tell(BODY)
    await wait_for(done)
    return start


async def ping_pong(count: int) -> Sample:
    """W5."""
    return rate(count, await laps(2, count))


async def ring(hops: int) -> Sample:
    """W6."""
    return rate(hops, await laps(1_000, hops // 1_000))


async def skynet(leaves: int) -> Sample:
    """W7."""
    done, sums = asyncio.Event(), []

    def take(message: bytes) -> None:
        sums.append(int.from_bytes(message, "little"))
        done.set()

    root = await spawn(take)
    start = time.perf_counter()
    await (await begin(Node, root, 0, leaves)).handle.tell(BODY)
    await wait_for(done)
    sample = rate(leaves, start)
    assert sums == [leaves * (leaves - 1) // 2], "the sum of all leaves"
    return sample


async def ask_sequential(count: int) -> Sample:
    """W8a."""
    actor, now, each = await spawn(echo), time.perf_counter_ns, []
    for _ in range(count // 10):
        await actor.handle(BODY)
    start = time.perf_counter()
    for _ in range(count):
        before = now()
        await actor.handle(BODY)
        each.append(now() - before)
    return asked(each, start)


async def ask_in_flight(count: int) -> Sample:
    """W8b."""
    actor = await spawn(echo)
    start = time.perf_counter()
    for _ in range(count // 1_000):
        await asyncio.gather(*(actor.handle(BODY) for _ in range(1_000)))
    return rate(count, start)


async def fairness(count: int) -> Sample:
    """W10: the handlers are plain methods, so the flooded actor gives way between its messages."""
    beats, flood, done = beats_of(count), Flood(), asyncio.Event()
    late, now = Late(beats * 1_000, done.set), time.perf_counter_ns
    quiet = [await spawn(late.handler) for _ in range(1_000)]
    flooded = await spawn(flood.handler)
    for _ in range(count):
        await flooded.handle.tell(BODY)
    start = time.perf_counter()
    for beat in range(beats):
        planned = int((start + beat * 0.010) * 1e9).to_bytes(8, "little")
        for actor in quiet:
            await actor.handle.tell(now().to_bytes(8, "little") + planned)
        await asyncio.sleep(max(0.0, start + (beat + 1) * 0.010 - time.perf_counter()))
    flood.over = True
    await wait_for(done)
    return late.sample() | {"flood_handled": flood.handled / count}


def in_pool(workload: Any, *more: int) -> Any:
    """The workload as a function that opens a pool and runs in its loop."""

    async def run(count: int) -> Sample:
        global POOL
        POOL = await xo.create_actor_pool("127.0.0.1", n_process=0)
        async with POOL:
            return await workload(count, *more)

    def take(count: int) -> Sample:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run(count))

    return take


if __name__ == "__main__":
    main(
        {
            "W1a": in_pool(spawn_idle),
            "W1b": in_pool(spawn_idle),
            "W2": in_pool(many_actors),
            "W2x10": in_pool(many_actors, 10),
            "W3": in_pool(one_producer),
            "W4": in_pool(two_producers),
            "W5": in_pool(ping_pong),
            "W6": in_pool(ring),
            "W7": in_pool(skynet),
            "W8a": in_pool(ask_sequential),
            "W8b": in_pool(ask_in_flight),
            "W10": in_pool(fairness),
        }
    )
