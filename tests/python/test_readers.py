"""Several readers of one observed actor: each gets what it waits for, and none keeps another busy."""

from __future__ import annotations

import asyncio
import threading

import iris
from conftest import DEADLINE, tick


def test_readers_that_wait_leave_each_other_asleep(rt: iris.Runtime) -> None:
    looks = 0

    def never(message: object) -> bool:
        nonlocal looks
        looks += 1
        return False

    async def main() -> None:
        pid = rt.spawn_observed_handler()
        rt.send(pid, b"unwanted")
        readers = [asyncio.ensure_future(rt.selective_recv(pid, never, DEADLINE)) for _ in range(3)]
        wanted = asyncio.ensure_future(rt.selective_recv(pid, lambda message: message == b"wanted", DEADLINE))
        for _ in range(1_000):
            await tick()
        assert looks <= 6
        rt.send(pid, b"wanted")
        assert await wanted == b"wanted"
        for reader in readers:
            reader.cancel()

    asyncio.run(main())


def test_reader_is_told_of_what_another_put_back(rt: iris.Runtime) -> None:
    pid = rt.spawn_observed_handler()
    rt.send(pid, b"wanted")
    entered, go = threading.Event(), threading.Event()

    def slow(message: object) -> bool:
        entered.set()
        assert go.wait(DEADLINE)
        return False

    found: list[object] = []

    def read() -> None:
        found.append(rt.selective_recv_blocking(pid, lambda message: message == b"wanted", DEADLINE / 2))

    first = threading.Thread(target=rt.selective_recv_blocking, args=(pid, slow, 0.01))
    second = threading.Thread(target=read)
    first.start()
    assert entered.wait(DEADLINE)
    second.start()
    second.join(0.05)
    go.set()
    first.join(DEADLINE)
    second.join(DEADLINE)
    assert found == [b"wanted"]
