"""Users who misbehave: what their code does hurts one actor, and the rest goes on."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

import iris
import pytest
from conftest import DEADLINE, Inbox, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def bystander(rt: iris.Runtime) -> Iterator[int]:
    """An actor that has nothing to do with it, and works at the end as at the beginning."""
    logging.getLogger("iris").disabled = True
    pid = rt.spawn(bytes.upper)
    yield pid
    assert rt.ask_blocking(pid, b"still here", timeout=DEADLINE) == b"STILL HERE"
    logging.getLogger("iris").disabled = False


def recurse(message: bytes) -> None:
    """Recurse for ever."""
    recurse(message)


def raiser(error: type[BaseException]) -> Callable[[object], object]:
    """A handler that raises."""

    def handler(_: object) -> object:
        raise error("own")

    return handler


class BadText(Exception):
    """An exception that cannot be told of."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


ERRORS = [ValueError, BaseException, SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, MemoryError]


@pytest.mark.parametrize("kind", ["push", "own thread", "async", "pull", "async pull"])
@pytest.mark.parametrize("error", ERRORS)
def test_whatever_a_handler_raises_ends_its_actor(
    rt: iris.Runtime, kind: str, error: type[BaseException]
) -> None:
    handler = raiser(error)

    async def later(message: object) -> object:
        return handler(message)

    watcher = rt.spawn_observed_handler()
    gate = threading.Event()
    if "pull" in kind:
        # The function begins when the link is made.
        def function(mailbox: iris.Mailbox) -> object:
            return gate.wait(DEADLINE) and handler(mailbox.recv())

        async def slow(mailbox: iris.AsyncMailbox) -> object:
            return handler(await mailbox.recv())

        pid = rt.spawn_with_mailbox(slow if kind == "async pull" else function)
    else:
        pid = rt.spawn(later if kind == "async" else handler, release_gil=kind == "own thread")
    rt.link(watcher, pid)
    gate.set()
    rt.send(pid, b"x")
    told = rt.selective_recv_blocking(watcher, lambda _: True, DEADLINE)
    assert isinstance(told, iris.SystemMessage)
    assert (told.type_name, told.reason) == ("EXIT", "Crash")
    assert not rt.is_alive(pid)


def test_an_exception_that_cannot_be_told_of_ends_its_actor(rt: iris.Runtime) -> None:
    for own_thread in (False, True):
        pid = rt.spawn(raiser(BadText), release_gil=own_thread)
        rt.send(pid, b"x")
        assert rt.join(pid, DEADLINE)


def test_what_ends_a_task_does_not_end_the_loop_of_the_others(rt: iris.Runtime) -> None:
    async def upper(mailbox: iris.AsyncMailbox) -> None:
        async for message in mailbox:
            mailbox.reply(message, bytes(message).upper())  # type: ignore[arg-type]

    async def leave(message: bytes) -> None:
        if message == b"stop":
            asyncio.get_running_loop().stop()
        else:
            raise SystemExit

    pid = rt.spawn_with_mailbox(upper)
    for message in (b"stop", b"exit"):
        rt.ask_blocking(pid, b"x", timeout=DEADLINE)
        rt.send(rt.spawn(leave), message)
        assert rt.ask_blocking(pid, b"x", timeout=DEADLINE) == b"X"


def test_endless_recursion_ends_its_actor(rt: iris.Runtime) -> None:
    for own_thread in (False, True):
        pid = rt.spawn(recurse, release_gil=own_thread)
        rt.send(pid, b"x")
        assert rt.join(pid, DEADLINE)
    assert rt.stats()["crashed"] == 2


def test_asks_in_a_circle_time_out(rt: iris.Runtime) -> None:
    pids: list[int] = []

    def ask_next(message: bytes) -> bytes:
        following = pids[(pids.index(rt.current_pid() or 0) + 1) % len(pids)]
        try:
            return rt.ask_blocking(following, message, timeout=0.1)
        except iris.AskTimeoutError as error:
            return str(error).encode()

    pids += [rt.spawn(ask_next) for _ in range(3)]
    assert b"did not answer within" in rt.ask_blocking(pids[0], b"x", timeout=DEADLINE)


def test_handlers_that_swap_and_stop_themselves(rt: iris.Runtime, inbox: Inbox) -> None:
    def first(message: bytes) -> None:
        rt.hot_swap(rt.current_pid() or 0, second)
        inbox(b"first " + message)

    def second(message: bytes) -> None:
        inbox(b"second " + message)
        rt.stop(rt.current_pid() or 0)

    pid = rt.spawn(first)
    rt.send_many(pid, [b"1", b"2", b"3"])
    assert inbox.wait(2) == [b"first 1", b"second 2"]
    assert rt.join(pid, DEADLINE)


def test_factories_that_misbehave(rt: iris.Runtime) -> None:
    dead = rt.spawn(print)
    rt.stop(dead)
    kept = rt.spawn_observed_handler()
    asked = threading.Semaphore(0)
    answers: list[Any] = [None, "no pid", dead, -1, 2**70, kept, kept]

    def factory() -> Any:
        asked.release()
        return answers.pop(0) if answers else rt.spawn(print)

    pid = rt.spawn(print)
    rt.supervise_with_factory(pid, factory, "RestartOne")
    rt.stop(pid)
    for _ in range(6):
        assert asked.acquire(timeout=DEADLINE), answers
    eventually(lambda: kept in rt.child_pids(), "what the factory gave at last to be supervised")
    rt.unsupervise(kept)


def test_matchers_that_misbehave(rt: iris.Runtime) -> None:
    pid = rt.spawn_observed_handler()
    rt.send_many(pid, [b"a", b"b"])
    with pytest.raises(SystemExit):
        rt.selective_recv_blocking(pid, raiser(SystemExit), 1.0)

    def takes_away(message: object) -> bool:
        rt.send(pid, b"more")
        rt.get_messages(pid)
        return True

    rt.selective_recv_blocking(pid, takes_away, 0)
    rt.send(pid, b"c")
    assert rt.selective_recv_blocking(pid, lambda message: message == b"c", DEADLINE) == b"c"
    rt.send(pid, b"d")
    rt.selective_recv_blocking(pid, lambda _: rt.stop(pid), 0)
    assert not rt.is_alive(pid)


def test_a_matcher_that_answers_by_a_coroutine_is_refused(rt: iris.Runtime) -> None:
    async def later(_: object) -> bool:
        return True

    def function(mailbox: iris.Mailbox) -> None:
        with pytest.raises(iris.InvalidArgumentError, match="coroutine") as refused:
            mailbox.selective_recv(later, DEADLINE)
        rt.send(pid, str(refused.value).encode())

    pid = rt.spawn_observed_handler()
    rt.send(pid, b"x")
    with pytest.raises(iris.InvalidArgumentError, match="coroutine"):
        rt.selective_recv_blocking(pid, later, 0)
    rt.send(rt.spawn_with_mailbox(function), b"x")
    assert rt.selective_recv_blocking(pid, lambda message: message != b"x", DEADLINE)
    assert rt.get_messages(pid) == [b"x"]


class Letter(bytes):
    """A message that sends another when it goes."""

    inbox: Callable[[bytes], object]

    def __del__(self) -> None:
        type(self).inbox(b"gone")


def test_messages_that_send_when_they_go(rt: iris.Runtime) -> None:
    observed = rt.spawn_observed_handler()
    Letter.inbox = staticmethod(lambda message: rt.send(observed, message))
    for ends in (False, True):
        pid = rt.spawn(lambda message: None)
        assert rt.send_many(pid, [Letter(b"x") for _ in range(100)]) == 100
        if ends:
            rt.stop(pid)
        eventually(lambda pid=pid: rt.mailbox_size(pid) in (0, None), "the letters to be handled")
    gc.collect()
    eventually(lambda: rt.mailbox_size(observed) == 200, "what all of them sent")
    Letter.inbox = staticmethod(lambda message: None)


def test_many_swaps_under_load_with_the_collector_running(rt: iris.Runtime) -> None:
    counted = [0]

    def handler(number: int) -> Callable[[bytes], None]:
        cycle: list[object] = [number]

        def count(message: bytes) -> None:
            counted[0] += 1

        cycle.append((cycle, count))
        return count

    pid = rt.spawn(handler(0))
    for number in range(10_000):
        assert rt.send(pid, b"x")
        rt.hot_swap(pid, handler(number))
        if number % 1_000 == 0:
            gc.collect()
    eventually(lambda: counted[0] == 10_000, "all messages")
    assert rt.behavior_version(pid) == 10_001


def test_buffers_that_are_used_after_they_are_handed_over(rt: iris.Runtime) -> None:
    pid = rt.spawn_observed_handler()
    number, view, *_ = iris.allocate_buffer(8)
    view[:] = b"12345678"
    part = view[2:4]
    assert rt.send_buffer(pid, number)
    part[:] = b"xx"
    with pytest.raises(iris.NoSuchBufferError):
        rt.send_buffer(pid, number)
    assert rt.get_messages(pid) == [b"12345678"]
    del view, part
    source = bytearray(b"abc")
    assert rt.send(pid, source)
    source.extend(b"def")
    source.clear()
    released = memoryview(b"x")
    released.release()
    with pytest.raises(ValueError, match="released"):
        rt.send(pid, released)
    assert rt.get_messages(pid) == [b"abc"]


def test_nothing_is_kept_of_handlers_and_messages(rt: iris.Runtime) -> None:
    message = bytes(bytearray(b"a message of its own"))

    def handler(_: bytes) -> None:
        return

    def function(mailbox: iris.Mailbox) -> None:
        while mailbox.recv() is not None:
            pass

    things = (message, handler, function)
    before = [sys.getrefcount(thing) for thing in things]
    supervisor = rt.spawn_supervisor()
    pids = [rt.spawn(handler), rt.spawn(handler, release_gil=True), rt.spawn_with_mailbox(function)]
    pids += [
        rt.spawn_virtual(handler),
        rt.start_child(supervisor, lambda: handler),
        rt.spawn_observed_handler(),
    ]
    for pid in pids:
        rt.send_many(pid, [message] * 10)
        rt.send_after(pid, 3_600_000, message)
        rt.hot_swap(pid, function if pid == pids[2] else handler)
    for pid in [*pids, supervisor]:
        rt.stop(pid)
        assert rt.join(pid, DEADLINE)
    # The last handler made is kept for the next spawn of the same.
    rt.stop(rt.spawn(print))
    eventually(
        lambda: [sys.getrefcount(thing) for thing in things] <= before, "all references to be given back"
    )
