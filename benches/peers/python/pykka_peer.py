"""Pykka: `ThreadingActor`, one thread for each actor; told by `tell`, asked by `ask`."""

from __future__ import annotations

import pykka
from measure import BODY, Handler, main
from workloads import System


class Host(pykka.ThreadingActor):
    """An actor that calls a handler. The handler is its `on_receive`, with nothing between."""

    use_daemon_thread = True

    def __init__(self, handler: Handler) -> None:
        super().__init__()
        self.on_receive = handler


class Pykka(System):
    """Actors of pykka."""

    def spawn(self, handler: Handler) -> pykka.ActorRef[Host]:
        """Begin one."""
        return Host.start(handler)

    def send(self, to: pykka.ActorRef[Host], message: bytes) -> None:
        """Tell it."""
        to.tell(message)

    def ask(self, to: pykka.ActorRef[Host], message: bytes) -> bytes:
        """Ask it."""
        return to.ask(message)

    def ask_at_once(self, to: pykka.ActorRef[Host], count: int) -> None:
        """Ask with futures."""
        pykka.get_all([to.ask(BODY, block=False) for _ in range(count)])

    def stop_self(self, me: pykka.ActorRef[Host]) -> None:
        """End it after what it does now."""
        me.stop(block=False)


if __name__ == "__main__":
    main(Pykka().workloads())
