"""Threads: one `threading.Thread` and one `queue.SimpleQueue` for each actor, as the standard library has them."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from typing import Any

from measure import BODY, Handler, main
from workloads import System

Mailbox = queue.SimpleQueue[Any]


class Ask:
    """A message that wants an answer."""

    __slots__ = ("answer", "body")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.answer: Future[Any] = Future()


def live(mailbox: Mailbox, handler: Handler) -> None:
    """Call the handler with each message, until None comes."""
    take = mailbox.get
    while (message := take()) is not None:
        if type(message) is bytes:
            handler(message)
        else:
            message.answer.set_result(handler(message.body))


class Threads(System):
    """Actors made of threads and queues."""

    def spawn(self, handler: Handler) -> Mailbox:
        """Begin one."""
        mailbox: Mailbox = queue.SimpleQueue()
        threading.Thread(target=live, args=(mailbox, handler), daemon=True).start()
        return mailbox

    def send(self, to: Mailbox, message: bytes) -> None:
        """Put it in."""
        to.put(message)

    def ask(self, to: Mailbox, message: bytes) -> bytes:
        """Put in a future, and wait."""
        ask = Ask(message)
        to.put(ask)
        return ask.answer.result()

    def ask_at_once(self, to: Mailbox, count: int) -> None:
        """Put in many futures, and wait."""
        asks = [Ask(BODY) for _ in range(count)]
        for ask in asks:
            to.put(ask)
        for ask in asks:
            ask.answer.result()

    def stop_self(self, me: Mailbox) -> None:
        """End it after what it does now."""
        me.put(None)


if __name__ == "__main__":
    main(Threads().workloads())
