"""Uses that the typed face must accept."""

from __future__ import annotations

from typing import assert_type

import iris


def handler(message: bytes) -> None:
    """A plain handler."""


async def later(message: bytes) -> bytes:
    """An async handler."""
    return message


def pull(mailbox: iris.Mailbox) -> None:
    """A pull actor."""
    message = mailbox.recv(timeout=1.0)
    assert_type(message, bytes | iris.PySystemMessage | None)
    if isinstance(message, bytes):
        mailbox.reply(message, b"answer")
    for one in mailbox.recv_many(10):
        assert_type(one, bytes | iris.PySystemMessage)


async def pull_async(mailbox: iris.AsyncMailbox) -> None:
    """An async pull actor."""
    assert_type(await mailbox.recv(), bytes | iris.PySystemMessage | None)
    async for message in mailbox:
        assert_type(message, bytes | iris.PySystemMessage)


async def main() -> None:
    """The rest of the face."""
    async with iris.Runtime(contextvars=True) as rt:
        assert_type(rt, iris.Runtime)
        assert_type(rt.spawn(handler, 100, release_gil=True), int)
        rt.spawn(later)
        rt.spawn(bytes.upper)
        rt.spawn(lambda message: message[::-1])
        rt.spawn_with_mailbox(pull)
        rt.spawn_with_mailbox(pull_async)
        pid = rt.spawn(handler)
        rt.send(pid, bytearray(b"x"))
        rt.send(pid, memoryview(b"x"))
        assert_type(await rt.ask(pid, b"x", timeout=None), bytes)
        assert_type(rt.ask_blocking(pid, b"x"), bytes)
        narrow: iris.ActorRef[bytes] = rt.ref(pid)
        narrow.send(b"x")
        assert_type(rt.whereis("name"), int | None)
        assert_type(await rt.selective_recv(pid, lambda message: True), bytes | iris.PySystemMessage | None)
        rt.supervise_with_factory(pid, lambda: rt.spawn(handler), "RestartOne")
        rt.hot_swap(pid, later)
        buffer_id, view, size = iris.allocate_buffer(16)
        view[:size] = b"0" * size
        rt.send_buffer(pid, buffer_id)
    with iris.Runtime() as other:
        assert_type(other._inner, iris.Runtime)  # pyright: ignore[reportPrivateUsage]
        error: LookupError = iris.NoProcessError("x")
        assert_type(iris.version(), str)
        raise error
