"""Actors on an event loop: awaited asks, an async handler, an async pull actor."""

import asyncio

import iris


async def slow_square(message: bytes) -> bytes:
    """Answer a number with its square, later."""
    await asyncio.sleep(0.01)
    return b"%d" % int(message) ** 2


async def counter(mailbox: iris.AsyncMailbox) -> None:
    """Count messages, and answer each with how many there were."""
    count = 0
    async for message in mailbox:
        count += 1
        mailbox.reply(message, b"%d" % count)


async def main() -> None:
    """Ask many at once."""
    async with iris.Runtime() as rt:
        squares = [rt.spawn(slow_square) for _ in range(5)]
        answers = await asyncio.gather(*(rt.ask(pid, b"%d" % n) for n, pid in enumerate(squares)))
        print([int(answer) for answer in answers])
        pid = rt.spawn_with_mailbox(counter)
        for _ in range(3):
            count = await rt.ask(pid, b"tick")
        print("counted", count.decode())


if __name__ == "__main__":
    asyncio.run(main())
