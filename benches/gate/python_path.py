"""A Python handler's way in one thread, for callgrind to count: an actor on an event loop, or the loop that calls its handler.

`python_path.py actor 20000` sends so many messages to a handler on this thread's event loop, a hundred at a time; `bare` calls
the handler as often. What starts and ends the interpreter is in both, and goes out by subtraction of two counts.
"""

from __future__ import annotations

import asyncio
import os
import sys

import iris

BODY = b"0123456789abcdef"
CHUNK = 100


async def actor(count: int) -> int:
    """Send, and let the loop handle what was sent."""
    handled = 0

    def handler(_message: bytes) -> None:
        nonlocal handled
        handled += 1

    rt = iris.Runtime()
    pid, send, body = rt.spawn(handler), rt.send, BODY
    for _ in range(count // CHUNK):
        expected = handled + CHUNK
        for _ in range(CHUNK):
            send(pid, body)
        while handled < expected:  # noqa: ASYNC110 - an Event's instructions would be counted too
            await asyncio.sleep(0)
    return handled


async def bare(count: int) -> int:
    """Call."""
    handled = 0

    def handler(_message: bytes) -> None:
        nonlocal handled
        handled += 1

    body = BODY
    for _ in range(count // CHUNK):
        for _ in range(CHUNK):
            handler(body)
        await asyncio.sleep(0)
    return handled


if __name__ == "__main__":
    path, messages = {"actor": actor, "bare": bare}[sys.argv[1]], int(sys.argv[2])
    assert asyncio.run(path(messages)) == messages
    os._exit(0)
