"""Ray: actors are processes of their own; calls are pipelined, and a result is fetched where it is needed."""

from __future__ import annotations

import logging
import time

import ray
from measure import BODY, Sample, asked, main, rate


@ray.remote(num_cpus=0)
class Host:
    """An actor that counts what it is told, and answers what it is asked."""

    def __init__(self) -> None:
        self.handled = 0

    def tell(self, _message: bytes) -> None:
        """Handle one message."""
        self.handled += 1

    def echo(self, message: bytes) -> bytes:
        """Answer."""
        return message

    def count(self) -> int:
        """Tell how many were handled."""
        return self.handled

    def produce(self, to: object, count: int) -> None:
        """Send so many messages to another."""
        for _ in range(count):
            to.tell.remote(BODY)
        ray.get(to.count.remote())


def one_producer(count: int) -> Sample:
    """W3: a call that returns None is a message; the count that follows them comes when all were handled."""
    actor = Host.remote()
    ray.get(actor.count.remote())
    start = time.perf_counter()
    for _ in range(count):
        actor.tell.remote(BODY)
    assert ray.get(actor.count.remote()) == count
    return rate(count, start)


def two_producers(count: int) -> Sample:
    """W4: two actors send to a third."""
    actor, producers = Host.remote(), [Host.remote() for _ in range(2)]
    ray.get([host.count.remote() for host in [actor, *producers]])
    start = time.perf_counter()
    ray.get([producer.produce.remote(actor, count // 2) for producer in producers])
    sample = rate(count, start)
    assert ray.get(actor.count.remote()) == count
    return sample


def ask_sequential(count: int) -> Sample:
    """W8a."""
    actor, now, each = Host.remote(), time.perf_counter_ns, []
    for _ in range(count // 10):
        ray.get(actor.echo.remote(BODY))
    start = time.perf_counter()
    for _ in range(count):
        before = now()
        ray.get(actor.echo.remote(BODY))
        each.append(now() - before)
    return asked(each, start)


def ask_in_flight(count: int) -> Sample:
    """W8b."""
    actor = Host.remote()
    ray.get(actor.count.remote())
    start = time.perf_counter()
    for _ in range(count // 1_000):
        ray.get([actor.echo.remote(BODY) for _ in range(1_000)])
    return rate(count, start)


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    measured = {"W3": one_producer, "W4": two_producers, "W8a": ask_sequential, "W8b": ask_in_flight}
    main(measured, close=ray.shutdown)
