"""Asyncio: one task and one `asyncio.Queue` for each actor on one event loop, as the standard library has them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

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
    due_times,
    echo,
    main,
    rate,
    resident_bytes,
    watching,
)

Mailbox = asyncio.Queue[Any]
Ask = tuple[bytes, asyncio.Future[Any]]

# The loop keeps weak references alone: a task that nobody holds may vanish.
TASKS: set[asyncio.Task[None]] = set()


async def live(mailbox: Mailbox, handler: Handler) -> None:
    """Call the handler with each message, until None comes."""
    take = mailbox.get
    while (message := await take()) is not None:
        if type(message) is bytes:
            handler(message)
        else:
            message[1].set_result(handler(message[0]))


def spawn(handler: Handler) -> Mailbox:
    """Begin an actor."""
    mailbox: Mailbox = asyncio.Queue()
    task = asyncio.create_task(live(mailbox, handler))
    TASKS.add(task)
    task.add_done_callback(TASKS.discard)
    return mailbox


def begin_ask(to: Mailbox, message: bytes) -> asyncio.Future[Any]:
    """Ask; the future is the answer."""
    answer = asyncio.get_running_loop().create_future()
    to.put_nowait((message, answer))
    return answer


async def wait_for(done: asyncio.Event) -> None:
    """Wait until the last message was handled."""
    await asyncio.wait_for(done.wait(), DONE_WITHIN)


async def spawn_idle(count: int) -> Sample:
    """W1: begun are they when their tasks wait for messages."""
    await begin_ask(spawn(echo), BODY)
    before = resident_bytes()
    start = time.perf_counter()
    actors = [spawn(echo) for _ in range(count)]
    sample = rate(count, start)
    await begin_ask(actors[-1], BODY)
    return sample | {"bytes": (resident_bytes() - before) / count}


async def many_actors(count: int, rounds: int = 1) -> Sample:
    """W2."""
    done = asyncio.Event()
    handler = counting(count * rounds, done.set)
    actors = [spawn(handler) for _ in range(count)]
    await begin_ask(spawn(echo), BODY)
    start = time.perf_counter()
    for _ in range(rounds):
        for actor in actors:
            actor.put_nowait(BODY)
    await wait_for(done)
    return rate(count * rounds, start)


async def many_actors_x10(count: int) -> Sample:
    """W2x10."""
    return await many_actors(count, 10)


async def one_producer(count: int) -> Sample:
    """W3, after a tenth of it."""
    await send_all(count // 10)
    return await send_all(count)


async def send_all(count: int) -> Sample:
    """The producer puts all, and the actor takes all when the producer waits."""
    done, body = asyncio.Event(), BODY
    send = spawn(watching(done.set)).put_nowait
    start = time.perf_counter()
    for _ in range(count - 1):
        send(body)
    send(LAST)
    await wait_for(done)
    return rate(count, start)


async def two_producers(count: int) -> Sample:
    """W4: two tasks, each of which lets the loop run after a thousand messages."""
    done = asyncio.Event()
    actor = spawn(counting(count, done.set))

    async def produce() -> None:
        for number in range(1, count // 2 + 1):
            actor.put_nowait(BODY)
            if number % 1_000 == 0:
                await asyncio.sleep(0)

    start = time.perf_counter()
    await asyncio.gather(produce(), produce())
    await wait_for(done)
    return rate(count, start)


async def laps(actors: int, count: int) -> float:
    """When a message began to go round a ring of so many actors so many times."""
    done, ring = asyncio.Event(), []

    def hop(place: int) -> Handler:
        following = (place + 1) % actors
        return lambda message: ring[following].put_nowait(message)

    left = count

    def first(message: bytes) -> None:
        nonlocal left
        left -= 1
        if left:
            ring[1].put_nowait(message)
        else:
            done.set()

    ring += [spawn(hop(place) if place else first) for place in range(actors)]
    start = time.perf_counter()
    ring[1].put_nowait(BODY)
    await wait_for(done)
    return start


async def ping_pong(count: int) -> Sample:
    """W5."""
    return rate(count, await laps(2, count))


async def ring(hops: int) -> Sample:
    """W6."""
    return rate(hops, await laps(1_000, hops // 1_000))


def node(parent: Mailbox, number: int, leaves: int) -> Mailbox:
    """A node of the skynet."""
    missing, total = 0, 0

    def handler(message: bytes) -> None:
        nonlocal missing, total
        if leaves == 1:
            total = number
        elif not missing:
            missing, part = 10, leaves // 10
            for branch in range(10):
                node(me, number + branch * part, part).put_nowait(BODY)
            return
        else:
            missing -= 1
            total += int.from_bytes(message, "little")
        if not missing:
            parent.put_nowait(total.to_bytes(16, "little"))
            me.put_nowait(None)

    me = spawn(handler)
    return me


async def skynet(leaves: int) -> Sample:
    """W7."""
    root: Mailbox = asyncio.Queue()
    start = time.perf_counter()
    node(root, 0, leaves).put_nowait(BODY)
    total = int.from_bytes(await asyncio.wait_for(root.get(), DONE_WITHIN), "little")
    sample = rate(leaves, start)
    assert total == leaves * (leaves - 1) // 2, "the sum of all leaves"
    return sample


async def ask_sequential(count: int) -> Sample:
    """W8a."""
    actor, now, each = spawn(echo), time.perf_counter_ns, []
    for _ in range(count // 10):
        await begin_ask(actor, BODY)
    start = time.perf_counter()
    for _ in range(count):
        before = now()
        await begin_ask(actor, BODY)
        each.append(now() - before)
    return asked(each, start)


async def ask_in_flight(count: int) -> Sample:
    """W8b."""
    actor = spawn(echo)
    start = time.perf_counter()
    for _ in range(count // 1_000):
        for answer in [begin_ask(actor, BODY) for _ in range(1_000)]:
            await answer
    return rate(count, start)


async def timers(count: int) -> Sample:
    """W12: `call_later`, set by a task that lets the loop run after a thousand."""
    done = asyncio.Event()
    late = Late(count, done.set)
    actors = [spawn(late.handler) for _ in range(1_000)]
    later = asyncio.get_running_loop().call_later
    start, timer = due_times(count)
    for place in range(count):
        number, delay_ms, message = timer(place)
        later(delay_ms / 1e3, actors[number % 1_000].put_nowait, message)
        if place % 1_000 == 0:
            await asyncio.sleep(0)
    set_seconds = (time.perf_counter_ns() - start) / 1e9
    await wait_for(done)
    return {"rate": count / set_seconds, "p99_ms": late.sample()["p99_ms"]}


async def fairness(count: int) -> Sample:
    """W10: the handlers are plain functions, so the flooded task gives way only when its queue is empty."""
    beats, flood, done = beats_of(count), Flood(), asyncio.Event()
    late, now = Late(beats * 1_000, done.set), time.perf_counter_ns
    quiet = [spawn(late.handler) for _ in range(1_000)]
    flooded = spawn(flood.handler)
    for _ in range(count):
        flooded.put_nowait(BODY)
    start = time.perf_counter()
    for beat in range(beats):
        planned = int((start + beat * 0.010) * 1e9).to_bytes(8, "little")
        for actor in quiet:
            actor.put_nowait(now().to_bytes(8, "little") + planned)
        await asyncio.sleep(max(0.0, start + (beat + 1) * 0.010 - time.perf_counter()))
    flood.over = True
    await wait_for(done)
    return late.sample() | {"flood_handled": flood.handled / count}


def on_a_loop(workload: Callable[[int], Coroutine[Any, Any, Sample]]) -> Callable[[int], Sample]:
    """The workload as a function that runs its own loop."""
    return lambda count: asyncio.run(workload(count))


if __name__ == "__main__":
    main(
        {
            "W1a": on_a_loop(spawn_idle),
            "W1b": on_a_loop(spawn_idle),
            "W2": on_a_loop(many_actors),
            "W2x10": on_a_loop(many_actors_x10),
            "W3": on_a_loop(one_producer),
            "W4": on_a_loop(two_producers),
            "W5": on_a_loop(ping_pong),
            "W6": on_a_loop(ring),
            "W7": on_a_loop(skynet),
            "W8a": on_a_loop(ask_sequential),
            "W8b": on_a_loop(ask_in_flight),
            "W10": on_a_loop(fairness),
            "W12": on_a_loop(timers),
        }
    )
