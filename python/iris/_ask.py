"""The future of an ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any, Protocol

# Called as they are: a look-up through `super()` costs as much as the call.
_add: Callable[..., None] = asyncio.Future[bytes].add_done_callback
_remove: Callable[..., int] = asyncio.Future[bytes].remove_done_callback


class AskHold(Protocol):
    """What an ask and its future know of each other; the extension makes it."""

    def keep(self, future: asyncio.Future[bytes]) -> None:
        """Have the ask hold its future: somebody waits for it."""

    def let_go(self) -> None:
        """Have the ask hold it no more."""

    def take_back(self) -> None:
        """Give the ask up."""


class AskFuture(asyncio.Future[bytes]):
    """A future that takes its ask back when it is cancelled, and that its ask holds only while somebody waits for it.

    A callback would take the ask back, too, and costs more than the ask: the loop makes a handle and a turn of each.
    """

    __slots__ = ("hold",)

    hold: AskHold

    def add_done_callback(
        self, fn: Callable[[AskFuture], object], /, *, context: Context | None = None
    ) -> None:
        """Add a callback; as the base does."""
        self.hold.keep(self)
        _add(self, fn, context=context)

    def remove_done_callback(self, fn: Callable[[AskFuture], object], /) -> int:
        """Remove a callback; as the base does."""
        removed = _remove(self, fn)
        if not self._callbacks:
            self.hold.let_go()
        return removed

    def cancel(self, msg: Any = None) -> bool:
        """Cancel the future, and the ask with it if nobody has begun to answer."""
        if not super().cancel(msg):
            return False
        self.hold.take_back()
        return True
