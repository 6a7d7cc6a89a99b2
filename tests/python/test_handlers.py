"""Handlers: whatever can be called may be one, plain or async, in each way that Python knows."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

import iris
import pytest
from conftest import DEADLINE, tick

if TYPE_CHECKING:
    from collections.abc import Callable


def plain(message: bytes) -> bytes:
    return message.upper()


async def later(message: bytes) -> bytes:
    await tick()
    return message.upper()


class Handler:
    """Handlers as methods, and an object that is one."""

    def __call__(self, message: bytes) -> bytes:
        return message.upper()

    def method(self, message: bytes) -> bytes:
        return message.upper()

    async def later(self, message: bytes) -> bytes:
        return await later(message)

    @staticmethod
    async def static(message: bytes) -> bytes:
        return await later(message)

    @classmethod
    async def of_class(cls, message: bytes) -> bytes:
        return await later(message)


class Later:
    """An object whose calls are awaited."""

    async def __call__(self, message: bytes) -> bytes:
        return await later(message)


class Reserved(Handler):
    """An object that tells nothing of itself."""

    def __getattr__(self, name: str) -> Any:
        raise LookupError(name)


def of_two(_: int, message: bytes) -> bytes:
    return message.upper()


async def of_two_later(_: int, message: bytes) -> bytes:
    return await later(message)


@functools.wraps(later)
def wrapper(message: bytes) -> object:
    return later(message)


PLAIN = {
    "function": plain,
    "builtin": bytes.upper,
    "object": Handler(),
    "method": Handler().method,
    "partial": functools.partial(of_two, 1),
    "cached": functools.lru_cache(plain),
    "reserved": Reserved(),
}
ASYNC = {
    "function": later,
    "object": Later(),
    "method": Handler().later,
    "static method": Handler.static,
    "class method": Handler.of_class,
    "partial": functools.partial(of_two_later, 1),
    "partial of a partial": functools.partial(functools.partial(of_two_later, 1)),
    "partial of an object": functools.partial(Later()),
    "wrapper": wrapper,
    "lambda": lambda message: later(message),
}


@pytest.mark.parametrize("handler", PLAIN.values(), ids=list(PLAIN))
def test_plain_handlers_of_each_kind(rt: iris.Runtime, handler: Callable[[bytes], object]) -> None:
    for own_thread in (False, True):
        pid = rt.spawn(handler, release_gil=own_thread)
        assert rt.ask_blocking(pid, b"said", timeout=DEADLINE) == b"SAID"


@pytest.mark.parametrize("handler", ASYNC.values(), ids=list(ASYNC))
def test_async_handlers_of_each_kind(rt: iris.Runtime, handler: Callable[[bytes], object]) -> None:
    async def on_a_loop() -> bytes:
        return await rt.ask(rt.spawn(handler), b"said", timeout=DEADLINE)

    assert rt.ask_blocking(rt.spawn(handler), b"said", timeout=DEADLINE) == b"SAID"
    assert asyncio.run(on_a_loop()) == b"SAID"


@pytest.mark.filterwarnings("ignore:Assigning a code object:DeprecationWarning")
def test_a_handler_may_become_another_in_place(rt: iris.Runtime) -> None:
    def first(message: bytes) -> bytes:
        return b"first"

    pid = rt.spawn(first)
    answers = [rt.ask_blocking(pid, b"", timeout=DEADLINE)]
    for code in (plain.__code__, later.__code__):
        first.__code__ = code
        answers.append(rt.ask_blocking(pid, b"said", timeout=DEADLINE))
    assert answers == [b"first", b"SAID", b"SAID"]
