"""Waiting on observed actors without blocking the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from iris._iris import _wait_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from iris import Runtime, SystemMessage


async def selective_recv(
    rt: Runtime,
    pid: int,
    matcher: Callable[[bytes | SystemMessage], object],
    timeout: float | None,
) -> bytes | SystemMessage | None:
    """Take the first matching message of an observed actor, waiting for one."""
    seconds = _wait_seconds(timeout)
    loop = asyncio.get_running_loop()
    deadline = None if seconds is None else loop.time() + seconds
    while True:
        message = rt._select_observed(pid, matcher)
        if message is not None:
            return message
        arrival: asyncio.Future[None] = loop.create_future()
        rt._notify_observed(pid, arrival)
        left = None if deadline is None else deadline - loop.time()
        if left is not None and left <= 0:
            return None
        await asyncio.wait([arrival], timeout=left)
