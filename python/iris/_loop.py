"""The runtime's own event loop: run on a thread of the binding until the runtime closes."""

from __future__ import annotations

import asyncio
from contextlib import suppress

# The loops whose runtime is closed. What else ends a loop's run is the doing of one actor, and the others need the loop.
_stopped: set[asyncio.AbstractEventLoop] = set()


def stop(loop: asyncio.AbstractEventLoop) -> None:
    """Have the loop end, from its own thread."""
    _stopped.add(loop)
    loop.stop()


def run(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until `stop`, then end what is left on it and close it."""
    asyncio.set_event_loop(loop)
    try:
        while loop not in _stopped:
            # asyncio lets these two out of the task they were raised in, and out of the loop.
            with suppress(SystemExit, KeyboardInterrupt):
                loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        _stopped.discard(loop)
        asyncio.set_event_loop(None)
        loop.close()
