"""Played: the code of the actors that are played beside the reference."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import iris

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference import Actor, Notice


class OnPurpose(Exception):
    """What actors crash by that are told to."""


def answers(code: str) -> Callable[[bytes], bytes]:
    """A handler that answers with its name."""

    def handler(message: bytes) -> bytes:
        if message == b"crash":
            raise OnPurpose
        return code.encode()

    return handler


def answers_later(code: str) -> Callable[[bytes], Any]:
    """As `answers`, for an event loop."""

    async def handler(message: bytes) -> bytes:
        await asyncio.sleep(0)
        return answers(code)(message)

    return handler


class Gate:
    """A handler that keeps its message in hand until it is released."""

    def __init__(self) -> None:
        self.waits: asyncio.Future[None] | None = None
        self.released = False
        self._deciding = threading.Lock()

    async def handle(self, message: bytes) -> None:
        """Wait for the release, once."""
        with self._deciding:
            if self.released:
                return
            self.waits = asyncio.get_running_loop().create_future()
        await self.waits

    def release(self) -> None:
        """Let what waits go on."""
        with self._deciding:
            waits, self.released = None if self.released else self.waits, True
        if waits:
            waits.get_loop().call_soon_threadsafe(lambda: waits.done() or waits.set_result(None))


def told_of(message: iris.SystemMessage) -> Notice:
    """A notice as the reference has it."""
    return message.type_name, message.target_pid or 0, message.reason or ""


class Code:
    """What actors are made of, and what those were told that pull.

    A swap is heard of when the new function begins: another one before that would be one with it.
    """

    def __init__(self) -> None:
        self.heard: dict[int, list[Notice]] = {}
        self.swapped: dict[int, Notice] = {}

    def function(self, code: str) -> Callable[[iris.Mailbox], None]:
        """A pull function: writes down what it is told, and returns when it is given new code."""

        def function(mailbox: iris.Mailbox) -> None:
            self.begin(mailbox.pid)
            while (message := mailbox.recv()) is not None:
                if not self.goes_on(mailbox, message, code):
                    return

        return function

    def function_later(self, code: str) -> Callable[[iris.AsyncMailbox], Any]:
        """As `function`, for an event loop."""

        async def function(mailbox: iris.AsyncMailbox) -> None:
            self.begin(mailbox.pid)
            while (message := await mailbox.recv()) is not None:
                if not self.goes_on(mailbox, message, code):
                    return

        return function

    def begin(self, pid: int) -> None:
        """A function begins; where it replaces another one, that is heard."""
        if told := self.swapped.pop(pid, None):
            self.heard.setdefault(pid, []).append(told)

    def goes_on(
        self, mailbox: iris.Mailbox | iris.AsyncMailbox, message: bytes | iris.SystemMessage, code: str
    ) -> bool:
        """What both do with a message: whether the function waits for the next one."""
        if isinstance(message, iris.SystemMessage):
            if message.type_name == "HOT_SWAP":
                self.swapped[mailbox.pid] = told_of(message)
                return False
            self.heard.setdefault(mailbox.pid, []).append(told_of(message))
            return True
        if message == b"crash":
            raise OnPurpose
        mailbox.reply(message, code.encode())
        return message != b"return"

    def of(self, actor: Actor, code: str) -> Any:
        """A handler or a function, whichever an actor is made of."""
        if actor.kind == "pull":
            return self.function_later(code) if actor.on_loop else self.function(code)
        return answers_later(code) if actor.kind == "async" else answers(code)
