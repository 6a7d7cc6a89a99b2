"""Iris: very many cheap isolated actors, supervision that heals, and code that is swapped while it runs.

Example:
    >>> import iris
    >>> with iris.Runtime() as rt:
    ...     pid = rt.spawn(lambda message: message.upper())
    ...     rt.ask_blocking(pid, b"hello")
    b'HELLO'
"""

from __future__ import annotations

import atexit as _atexit
import os as _os

from iris import _iris
from iris._iris import ActorRef, AsyncMailbox, Mailbox, PySystemMessage, allocate_buffer, dev_certs, version
from iris.errors import (
    AskFailedError,
    AskTimeoutError,
    ForkedRuntimeError,
    InvalidArgumentError,
    IrisError,
    LimitReachedError,
    ListenFailedError,
    MailboxFullError,
    NameTakenError,
    NodeDownError,
    NoProcessError,
    NoSuchBufferError,
    NoSuchNameError,
    NoSupervisorError,
    NotPermittedError,
    RuntimeClosedError,
    WouldDeadlockError,
    WrongActorKindError,
)

# As in `typing`, whose import would cost more than all of this module's own.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self

__all__ = [
    "ActorRef",
    "AskFailedError",
    "AskTimeoutError",
    "AsyncMailbox",
    "ForkedRuntimeError",
    "InvalidArgumentError",
    "IrisError",
    "LimitReachedError",
    "ListenFailedError",
    "Mailbox",
    "MailboxFullError",
    "NameTakenError",
    "NoProcessError",
    "NoSuchBufferError",
    "NoSuchNameError",
    "NoSupervisorError",
    "NodeDownError",
    "NotPermittedError",
    "PySystemMessage",
    "Runtime",
    "RuntimeClosedError",
    "SystemMessage",
    "WouldDeadlockError",
    "WrongActorKindError",
    "allocate_buffer",
    "dev_certs",
    "version",
]

SystemMessage = PySystemMessage


class Runtime(_iris.Runtime):
    """A runtime of actors: a value, not a singleton; several live side by side in one process.

    As a context manager, sync or async, it stops everything when it is left. All methods may be called from
    any thread. After a fork, every call in the child raises `ForkedRuntimeError`.

    Args:
        contextvars: carry the sender's `contextvars` context to the handler of each message. Costs nothing
            when off.
        actors_max: the most actors at once, among them supervisors and the proxies of actors of other nodes: a spawn
            beyond raises `LimitReachedError`. From 1 to 268435456, which `None` stands for.

    Raises:
        InvalidArgumentError: `actors_max` is outside its range, or an environment variable for `release_gil` limits is not a
            number in its range.

    Example:
        >>> import iris
        >>> with iris.Runtime() as rt:
        ...     rt.ask_blocking(rt.spawn(bytes.upper), b"hello")
        b'HELLO'
    """

    @property
    def _inner(self) -> Self:
        """The same object, under the name that code for 0.1.1 reaches it by."""
        return self

    def __enter__(self) -> Self:
        """Give the runtime itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop everything."""
        self.close()

    async def __aenter__(self) -> Self:
        """Give the runtime itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop everything, while the event loop goes on."""
        await self.aclose()

    async def aclose(self) -> None:
        """Stop everything now, while the event loop goes on: its actors can end in order."""
        import asyncio

        await asyncio.get_running_loop().run_in_executor(None, self.close)

    async def resolve_remote_py(self, addr: str, name: str) -> int | None:
        """Look for the actor that has a name at another node, as `resolve_remote`, while the event loop goes on.

        Args:
            addr: `"host:port"`.
            name: the name it has there.

        Returns:
            A proxy, or `None`.

        Example:
            >>> import asyncio, iris
            >>> async def main():
            ...     async with iris.Runtime() as there, iris.Runtime() as here:
            ...         there.register("shout", there.spawn(bytes.upper))
            ...         address = there.listen("127.0.0.1:0")
            ...         return await here.ask(await here.resolve_remote_py(address, "shout"), b"hello")
            >>> asyncio.run(main())
            b'HELLO'
        """
        import asyncio

        return await asyncio.get_running_loop().run_in_executor(None, self.resolve_remote, addr, name)

    def selective_recv(
        self,
        pid: int,
        matcher: Callable[[bytes | PySystemMessage], object],
        timeout: float | None = None,
    ) -> Awaitable[bytes | PySystemMessage | None]:
        """Await the first message of an observed actor for which `matcher(message)` is true.

        The others keep their order.

        Args:
            pid: an observed actor.
            matcher: called with each message, oldest first.
            timeout: seconds; `None` waits for ever.

        Returns:
            An awaitable of the message, or of `None` on time-out.

        Example:
            >>> import asyncio, iris
            >>> async def main():
            ...     async with iris.Runtime() as rt:
            ...         pid = rt.spawn_observed_handler()
            ...         _ = rt.send_many(pid, [b"a", b"b"])
            ...         return await rt.selective_recv(pid, lambda message: message == b"b")
            >>> asyncio.run(main())
            b'b'
        """
        from iris._observed import selective_recv

        return selective_recv(self, pid, matcher, timeout)


_atexit.register(_iris._exit)
if hasattr(_os, "register_at_fork"):
    _os.register_at_fork(
        before=_iris._before_fork, after_in_parent=_iris._after_fork, after_in_child=_iris._forked
    )
