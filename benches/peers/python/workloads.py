"""Workloads: W1 to W12 of benches/README.md for systems that are called from threads; those of event loops stand beside."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from typing import Any

from measure import (
    BODY,
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
    rate,
    resident_bytes,
    wait_for,
    watching,
)

Address = Any


class System:
    """A system of actors: a subclass says in its own words how they are begun, told, asked and ended.

    The plan asks no system for a workload that needs what it does not have: `send_after` is for W12 alone.
    """

    #: Begin an actor that calls the handler with each message.
    spawn: Callable[[Handler], Address]
    #: Send without waiting.
    send: Callable[[Address, bytes], object]
    #: Ask and wait.
    ask: Callable[[Address, bytes], bytes]
    #: Send so many asks, then wait for all.
    ask_at_once: Callable[[Address, int], None]
    #: End the actor that runs.
    stop_self: Callable[[Address], None]
    #: Send after so many milliseconds.
    send_after: Callable[[Address, int, bytes], object]

    # Workloads

    def spawn_idle(self, count: int) -> Sample:
        """W1a, W1b."""
        self.ask(self.spawn(echo), BODY)
        gc.collect()
        before = resident_bytes()
        spawn = self.spawn
        start = time.perf_counter()
        actors = [spawn(echo) for _ in range(count)]
        sample = rate(count, start)
        self.ask(actors[-1], BODY)
        return sample | {"bytes": (resident_bytes() - before) / count}

    def many_actors(self, count: int, rounds: int = 1) -> Sample:
        """W2."""
        done = threading.Event()
        handler = counting(count * rounds, done.set)
        actors = [self.spawn(handler) for _ in range(count)]
        send = self.send
        start = time.perf_counter()
        for _ in range(rounds):
            for actor in actors:
                send(actor, BODY)
        wait_for(done)
        return rate(count * rounds, start)

    def many_actors_x10(self, count: int) -> Sample:
        """W2x10."""
        return self.many_actors(count, 10)

    def one_producer(self, count: int) -> Sample:
        """W3, after a tenth of it."""
        self._one_producer(count // 10)
        return self._one_producer(count)

    def _one_producer(self, count: int) -> Sample:
        done = threading.Event()
        actor, send, body = self.spawn(watching(done.set)), self.send, BODY
        start = time.perf_counter()
        for _ in range(count - 1):
            send(actor, body)
        send(actor, LAST)
        wait_for(done)
        return rate(count, start)

    def two_producers(self, count: int) -> Sample:
        """W4."""
        done = threading.Event()
        actor, send, body = self.spawn(counting(count, done.set)), self.send, BODY

        def produce() -> None:
            for _ in range(count // 2):
                send(actor, body)

        threads = [threading.Thread(target=produce) for _ in range(2)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        wait_for(done)
        return rate(count, start)

    def laps(self, actors: int, count: int) -> float:
        """When a message began to go round a ring of so many actors so many times."""
        done, send = threading.Event(), self.send
        ring: list[Address] = []

        def hop(place: int) -> Handler:
            following = (place + 1) % actors
            return lambda message: send(ring[following], message)

        left = count

        def first(message: bytes) -> None:
            nonlocal left
            left -= 1
            if left:
                send(ring[1], message)
            else:
                done.set()

        ring += [self.spawn(hop(place) if place else first) for place in range(actors)]
        start = time.perf_counter()
        send(ring[1], BODY)
        wait_for(done)
        return start

    def ping_pong(self, count: int) -> Sample:
        """W5."""
        return rate(count, self.laps(2, count))

    def ring(self, count: int) -> Sample:
        """W6."""
        return rate(count, self.laps(1_000, count // 1_000))

    def skynet(self, leaves: int) -> Sample:
        """W7."""
        done, sums = threading.Event(), []

        def root(message: bytes) -> None:
            sums.append(int.from_bytes(message, "little"))
            done.set()

        above = self.spawn(root)
        start = time.perf_counter()
        self.send(self.node(above, 0, leaves), BODY)
        wait_for(done)
        sample = rate(leaves, start)
        assert sums == [leaves * (leaves - 1) // 2], "the sum of all leaves"
        return sample

    def node(self, parent: Address, number: int, leaves: int) -> Address:
        """A node of the skynet."""
        missing, total = 0, 0

        def handler(message: bytes) -> None:
            nonlocal missing, total
            if leaves == 1:
                total = number
            elif not missing:
                missing, part = 10, leaves // 10
                for branch in range(10):
                    self.send(self.node(me, number + branch * part, part), BODY)
                return
            else:
                missing -= 1
                total += int.from_bytes(message, "little")
            if not missing:
                self.send(parent, total.to_bytes(16, "little"))
                self.stop_self(me)

        me = self.spawn(handler)
        return me

    def ask_sequential(self, count: int) -> Sample:
        """W8a."""
        actor, ask, now, each = self.spawn(echo), self.ask, time.perf_counter_ns, []
        for _ in range(count // 10):
            ask(actor, BODY)
        start = time.perf_counter()
        for _ in range(count):
            before = now()
            ask(actor, BODY)
            each.append(now() - before)
        return asked(each, start)

    def ask_in_flight(self, count: int) -> Sample:
        """W8b."""
        actor = self.spawn(echo)
        start = time.perf_counter()
        for _ in range(count // 1_000):
            self.ask_at_once(actor, 1_000)
        return rate(count, start)

    def fairness(self, count: int) -> Sample:
        """W10."""
        beats, flood, done = beats_of(count), Flood(), threading.Event()
        late, now = Late(beats * 1_000, done.set), time.perf_counter_ns
        quiet = [self.spawn(late.handler) for _ in range(1_000)]
        flooded, send = self.spawn(flood.handler), self.send
        for _ in range(count):
            send(flooded, BODY)
        start = time.perf_counter()
        for beat in range(beats):
            planned = int((start + beat * 0.010) * 1e9).to_bytes(8, "little")
            for actor in quiet:
                send(actor, now().to_bytes(8, "little") + planned)
            time.sleep(max(0.0, start + (beat + 1) * 0.010 - time.perf_counter()))
        flood.over = True
        wait_for(done)
        return late.sample() | {"flood_handled": flood.handled / count}

    def timers(self, count: int) -> Sample:
        """W12."""
        done = threading.Event()
        late = Late(count, done.set)
        actors = [self.spawn(late.handler) for _ in range(1_000)]
        start, timer = due_times(count)
        for place in range(count):
            number, delay_ms, message = timer(place)
            self.send_after(actors[number % 1_000], delay_ms, message)
        set_seconds = (time.perf_counter_ns() - start) / 1e9
        wait_for(done)
        return {"rate": count / set_seconds, "p99_ms": late.sample()["p99_ms"]}

    def workloads(self) -> dict[str, Callable[[int], Sample]]:
        """Every workload by its name; a system that lacks one is not asked for it."""
        return {
            "W1a": self.spawn_idle,
            "W1b": self.spawn_idle,
            "W2": self.many_actors,
            "W2x10": self.many_actors_x10,
            "W3": self.one_producer,
            "W4": self.two_producers,
            "W5": self.ping_pong,
            "W6": self.ring,
            "W7": self.skynet,
            "W8a": self.ask_sequential,
            "W8b": self.ask_in_flight,
            "W10": self.fairness,
            "W12": self.timers,
        }
