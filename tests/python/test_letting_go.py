"""Letting go: a runtime that is closed, or whose last reference goes, wherever code of a user runs for it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import threading
import weakref
from typing import TYPE_CHECKING

import iris
import pytest
from conftest import DEADLINE, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: What runs in the midst of things, once.
    Deed = Callable[[], None]


@pytest.fixture(autouse=True)
def log() -> Iterator[logging.Logger]:
    """The runtime's log, which is not for the screen here."""
    logger = logging.getLogger("iris")
    logger.propagate = False
    yield logger
    logger.propagate = True


def in_handler(rt: iris.Runtime, deed: Deed) -> None:
    rt.send(rt.spawn(lambda message: deed()), b"x")


def in_own_thread(rt: iris.Runtime, deed: Deed) -> None:
    rt.send(rt.spawn(lambda message: deed(), release_gil=True), b"x")


def in_async_handler(rt: iris.Runtime, deed: Deed) -> None:
    async def handler(message: bytes) -> None:
        deed()
        await asyncio.Event().wait()

    rt.send(rt.spawn(handler), b"x")


def in_pull_function(rt: iris.Runtime, deed: Deed) -> None:
    def function(mailbox: iris.Mailbox) -> None:
        deed()
        assert mailbox.recv() is None

    rt.spawn_with_mailbox(function)


def in_async_pull_function(rt: iris.Runtime, deed: Deed) -> None:
    async def function(mailbox: iris.AsyncMailbox) -> None:
        deed()
        await mailbox.recv()

    rt.spawn_with_mailbox(function)


def in_matcher(rt: iris.Runtime, deed: Deed) -> None:
    pid = rt.spawn_observed_handler()
    rt.send(pid, b"x")
    assert rt.selective_recv_blocking(pid, lambda message: [deed()], DEADLINE) == b"x"


def in_matcher_of_a_mailbox(rt: iris.Runtime, deed: Deed) -> None:
    def function(mailbox: iris.Mailbox) -> None:
        assert mailbox.selective_recv(lambda message: [deed()], DEADLINE) in (b"x", None)

    rt.send(rt.spawn_with_mailbox(function), b"x")


def in_factory(rt: iris.Runtime, deed: Deed) -> None:
    def factory() -> int:
        deed()
        return 0

    pid = rt.spawn(print)
    rt.supervise_with_factory(pid, factory, "RestartOne")
    rt.stop(pid)


def in_maker(rt: iris.Runtime, deed: Deed) -> None:
    def maker() -> Callable[[bytes], None]:
        deed()
        return print

    with contextlib.suppress(iris.RuntimeClosedError):
        rt.start_child(rt.spawn_supervisor(), maker)


def in_what_is_sent(rt: iris.Runtime, deed: Deed) -> None:
    def messages() -> Iterator[bytes]:
        yield b"x"
        deed()
        yield b"y"

    rt.send_many(rt.spawn_observed_handler(), messages())


def in_log(rt: iris.Runtime, deed: Deed) -> None:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logging.getLogger("iris").removeHandler(self)
            deed()

    logging.getLogger("iris").addHandler(Handler())
    rt.send(rt.spawn(lambda message: {}[message]), b"x")


def in_what_is_collected(rt: iris.Runtime, deed: Deed) -> None:
    class Letter(bytes):
        def __del__(self) -> None:
            deed()

    pid = rt.spawn_observed_handler()
    rt.send(pid, Letter(b"x"))
    rt.stop(pid)


PLACES = [place for name, place in list(globals().items()) if name.startswith("in_")]


@pytest.mark.parametrize("place", PLACES)
def test_a_runtime_is_closed_wherever_code_runs(place: Callable[[iris.Runtime, Deed], None]) -> None:
    rt, done = iris.Runtime(), threading.Event()

    def close() -> None:
        rt.close()
        done.set()

    place(rt, close)
    assert done.wait(DEADLINE), "close to return"
    assert rt.closed
    with pytest.raises(iris.RuntimeClosedError):
        rt.spawn(print)


@pytest.mark.parametrize("place", PLACES)
def test_the_last_reference_may_go_wherever_code_runs(place: Callable[[iris.Runtime, Deed], None]) -> None:
    held, begun, gone = [iris.Runtime()], threading.Event(), threading.Event()
    weakref.finalize(held[0], gone.set)

    def let_go() -> None:
        begun.wait(DEADLINE)
        held.clear()

    def begin() -> None:
        # Nobody else holds the runtime where the deed is done on another thread.
        rt = held[0]
        if place in (in_matcher, in_maker, in_what_is_sent, in_what_is_collected):
            begun.set()
        place(rt, let_go)

    begin()
    begun.set()
    eventually(lambda: gc.collect() >= 0 and gone.is_set(), "the runtime to go")
    assert not held
