"""Iris: push actors spawned from the main thread; asks as a program on asyncio makes them."""

from __future__ import annotations

import asyncio
import threading
import time

import iris
from measure import BODY, CRASH, Handler, Sample, asked, counting, echo, main, rate, wait_for
from workloads import System


class Iris(System):
    """The product's Python face."""

    def __init__(self) -> None:
        self.rt = iris.Runtime()
        # What a program calls is the runtime's own method, with nothing between.
        self.spawn = self.rt.spawn
        self.send = self.rt.send
        self.send_after = self.rt.send_after
        self.ask = self.rt.ask_blocking
        self.stop_self = self.rt.stop

    def ask_sequential(self, count: int) -> Sample:
        """W8a on asyncio."""

        async def asking() -> Sample:
            actor, ask, now, each = self.rt.spawn(echo), self.rt.ask, time.perf_counter_ns, []
            for _ in range(count // 10):
                await ask(actor, BODY)
            start = time.perf_counter()
            for _ in range(count):
                before = now()
                await ask(actor, BODY)
                each.append(now() - before)
            return asked(each, start)

        return asyncio.run(asking())

    def ask_in_flight(self, count: int) -> Sample:
        """W8b on asyncio."""

        async def asking() -> Sample:
            actor, ask = self.rt.spawn(echo), self.rt.ask
            start = time.perf_counter()
            for _ in range(count // 1_000):
                for answer in [ask(actor, BODY) for _ in range(1_000)]:
                    await answer
            return rate(count, start)

        return asyncio.run(asking())

    def hot_swaps(self, swaps: int) -> Sample:
        """W11."""
        done = threading.Event()
        count, newest = counting(swaps * 10, done.set), 0

        def version(number: int) -> Handler:
            def handler(message: bytes) -> None:
                nonlocal newest
                newest = number
                count(message)

            return handler

        rt = self.rt
        actor = rt.spawn(echo)
        start = time.perf_counter()
        for number in range(1, swaps + 1):
            rt.hot_swap(actor, version(number))
            for _ in range(10):
                rt.send(actor, BODY)
        wait_for(done)
        sample = rate(swaps, start)
        assert newest == swaps
        return sample

    def restarts(self, rounds: int) -> Sample:
        """W13."""
        import logging

        logging.getLogger("iris").setLevel(logging.CRITICAL + 1)
        rt, handled = self.rt, 0

        def make_handler() -> Handler:
            def handler(message: bytes) -> bytes:
                nonlocal handled
                if message == CRASH:
                    raise ValueError("on purpose")
                handled += 1
                return message

            return handler

        supervisor = rt.spawn_supervisor(intensity=2**31, backoff=(0.0, 0.0))
        actor = rt.start_child(supervisor, make_handler)
        start = time.perf_counter()
        for _ in range(rounds):
            for _ in range(5):
                rt.send(actor, BODY)
            rt.send(actor, CRASH)
            for _ in range(5):
                rt.send(actor, BODY)
            rt.ask_blocking(actor, BODY)
        return rate(rounds, start) | {"kept": (handled - rounds) / (rounds * 10)}


if __name__ == "__main__":
    system = Iris()
    main(system.workloads() | {"W11": system.hot_swaps, "W13": system.restarts})
