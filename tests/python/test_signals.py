"""Signals: what a program's signal handlers raise reaches the program, whichever actor's handler they interrupt."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from typing import TYPE_CHECKING

import iris
import pytest
from conftest import DEADLINE, settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Alarm(Exception):
    """What a signal handler of the program raises."""


def leave(*_: object) -> None:
    """End the program, as most handlers of SIGTERM do."""
    raise SystemExit(5)


class Alarms:
    """A signal handler that is no function."""

    def __call__(self, *_: object) -> None:
        raise Alarm


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.getLogger("iris").disabled = True
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
    logging.getLogger("iris").disabled = False


def handler(message: bytes) -> bytes:
    """What the messages say happens in the midst of it."""
    if message in (b"SIGTERM", b"SIGINT"):
        signal.raise_signal(getattr(signal, message.decode()))
    if message == b"raise":
        raise KeyboardInterrupt
    if message == b"exit":
        sys.exit(7)
    return repr(sys.exc_info()[1]).encode()


def asked(rt: iris.Runtime, message: bytes) -> None:
    """Ask an actor that was so quick to answer that this thread runs its handler."""
    pid = rt.spawn(handler)
    for _ in range(100):
        rt.ask_blocking(pid, b"")
    rt.ask_blocking(pid, message)


def asked_on_its_loop(rt: iris.Runtime, message: bytes) -> None:
    """Ask from the thread of the actor's event loop, which runs the handler while it waits."""

    async def main() -> None:
        rt.ask_blocking(rt.spawn(handler), message)

    asyncio.run(main())


def run_by_its_loop(rt: iris.Runtime, message: bytes) -> None:
    """Let an event loop of the program's run the handler."""

    async def main() -> None:
        pid = rt.spawn(handler)
        rt.send(pid, message)
        await settled(lambda: not rt.is_alive(pid), "the actor's end")
        with pytest.raises(iris.NoProcessError):
            rt.ask_blocking(pid, b"", timeout=DEADLINE)

    asyncio.run(main())


WAYS = [asked, asked_on_its_loop, run_by_its_loop]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", [leave, signal.default_int_handler])
def test_what_a_signal_handler_raises_reaches_the_program(
    rt: iris.Runtime, way: Callable[[iris.Runtime, bytes], None], how: Callable[..., None]
) -> None:
    signal.signal(signal.SIGTERM, how)
    with pytest.raises((SystemExit, KeyboardInterrupt)) as raised:
        way(rt, b"SIGTERM")
    assert raised.type is (SystemExit if how is leave else KeyboardInterrupt)


@pytest.mark.parametrize("how", [Alarms(), Alarms().__call__])
@pytest.mark.parametrize("way", [asked, asked_on_its_loop])
def test_whatever_kind_of_signal_handler_it_is(
    rt: iris.Runtime, way: Callable[[iris.Runtime, bytes], None], how: Callable[..., None]
) -> None:
    signal.signal(signal.SIGTERM, how)
    with pytest.raises(Alarm):
        way(rt, b"SIGTERM")


@pytest.mark.parametrize("message", [b"raise", b"exit"])
def test_what_a_handler_raises_by_itself_ends_its_actor_alone(rt: iris.Runtime, message: bytes) -> None:
    for way in (asked, asked_on_its_loop):
        with pytest.raises(iris.AskFailedError):
            way(rt, message)
    run_by_its_loop(rt, message)


def test_ctrl_c_in_a_handler_that_the_asking_thread_runs(rt: iris.Runtime) -> None:
    with pytest.raises(KeyboardInterrupt):
        asked(rt, b"SIGINT")


def test_what_an_asker_handles_is_no_cause_of_what_its_handler_raises(rt: iris.Runtime) -> None:
    pid = rt.spawn(handler)
    try:
        raise Alarm
    except Alarm:
        assert {rt.ask_blocking(pid, b"") for _ in range(100)} == {b"None"}
        assert isinstance(sys.exc_info()[1], Alarm)
    assert sys.exc_info()[1] is None

    async def main() -> bytes:
        try:
            raise Alarm
        except Alarm:
            return rt.ask_blocking(rt.spawn(handler), b"")

    assert asyncio.run(main()) == b"None"
