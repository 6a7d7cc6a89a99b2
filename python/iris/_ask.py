"""The future of an ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class AskFuture(asyncio.Future[bytes]):
    """A future that takes its ask back when it is cancelled.

    A callback would do, too, and costs more than the ask: the loop makes a handle and a turn of each.
    """

    __slots__ = ("take_back",)

    take_back: Callable[[], object]

    def cancel(self, msg: object = None) -> bool:
        """Cancel the future, and the ask with it if nobody has begun to answer."""
        if not super().cancel(msg):
            return False
        self.take_back()
        return True
