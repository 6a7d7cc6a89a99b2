"""Signals: what a program's signal handlers raise reaches the program, whichever actor's handler they interrupt."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from typing import TYPE_CHECKING, Any

import iris
import pytest
from conftest import DEADLINE, settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


logger = logging.getLogger("iris")


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
    logger.disabled = True
    logger.propagate = False
    logger.addHandler(logs := Logs())
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
    logger.removeHandler(logs)
    logger.propagate = True
    logger.disabled = False


class Texts(Exception):
    """An exception whose text is interrupted while it is made."""

    def __str__(self) -> str:
        signal.raise_signal(signal.SIGTERM)
        return "never"


class Logs(logging.Handler):
    """A log that is interrupted while it is written."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write nothing."""
        signal.raise_signal(signal.SIGTERM)


def handler(message: bytes) -> bytes:
    """What the messages say happens in the midst of it."""
    if message in (b"SIGTERM", b"SIGINT"):
        signal.raise_signal(getattr(signal, message.decode()))
    if message == b"raise":
        raise KeyboardInterrupt
    if message == b"exit":
        sys.exit(7)
    if message == b"text":
        raise Texts
    if message == b"log":
        logger.disabled = False
        raise ValueError
    return repr(sys.exc_info()[1]).encode()


def asked(rt: iris.Runtime, message: bytes) -> None:
    """Ask an actor that was so quick to answer that this thread runs its handler."""
    pid = rt.spawn(handler)
    for _ in range(100):
        rt.ask_blocking(pid, b"")
    try:
        rt.ask_blocking(pid, message)
    finally:
        # Where its own thread ran the handler after all, what it signalled comes up at this one's next steps.
        for _ in range(1000):
            pass


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


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("message", [b"text", b"log"])
def test_a_signal_while_a_crash_is_told_reaches_the_program(
    rt: iris.Runtime, way: Callable[[iris.Runtime, bytes], None], message: bytes
) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        way(rt, message)


class Interrupted(asyncio.SelectorEventLoop):
    """A loop that a signal interrupts before it takes a call of the runtime."""

    armed = False

    def call_soon(self, callback: Callable[..., object], *arguments: Any, **options: Any) -> asyncio.Handle:
        """Schedule a call, unless a signal comes first."""
        if self.armed and type(callback).__module__ == "iris._iris":
            self.armed = False
            signal.raise_signal(signal.SIGTERM)
        return super().call_soon(callback, *arguments, **options)


@pytest.mark.parametrize("how", [Alarms(), signal.default_int_handler])
@pytest.mark.parametrize("deed", ["sends", "asks"])
def test_a_signal_while_the_loop_is_woken_reaches_the_program_and_loses_no_wake(
    rt: iris.Runtime, deed: str, how: Callable[..., None]
) -> None:
    signal.signal(signal.SIGTERM, how)
    loop = Interrupted()

    async def main() -> None:
        seen: list[bytes] = []
        pid = rt.spawn(seen.append)

        def use() -> None:
            # The exception comes up where the interpreter looks for signals, at the latest at a loop's next round.
            for _ in range(100):
                if deed == "asks":
                    rt.ask(pid, b"first", timeout=None)
                else:
                    rt.send(pid, b"first")

        loop.armed = True
        with pytest.raises((Alarm, KeyboardInterrupt)):
            use()
        assert not loop.armed
        await settled(lambda: b"first" in seen, "the message to be handled")
        assert await rt.ask(rt.spawn(bytes.upper), b"a", timeout=DEADLINE) == b"A"

    loop.run_until_complete(main())
    loop.close()


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
