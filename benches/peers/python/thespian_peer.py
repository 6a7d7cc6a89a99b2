"""Thespian on its default base, `simpleSystemBase`: all actors in this process and thread, run within `tell` and `ask`."""

from __future__ import annotations

from typing import Any

from measure import BODY, Handler, main
from thespian.actors import Actor, ActorExitRequest, ActorSystem
from workloads import System


class Begin:
    """Tells a new actor what to call; a message may be any object on this base."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler


class Ask:
    """A message that wants an answer."""

    def __init__(self, body: bytes) -> None:
        self.body = body


class Host(Actor):
    """An actor that calls a handler."""

    handler: Handler

    def receiveMessage(self, message: Any, sender: Any) -> None:
        """Handle one message."""
        running.append(self)
        if type(message) is bytes:
            self.handler(message)
        elif type(message) is Ask:
            self.send(sender, self.handler(message.body))
        elif type(message) is Begin:
            self.handler = message.handler
        running.pop()


running: list[Host] = []


class Thespian(System):
    """Actors of thespian."""

    def __init__(self) -> None:
        self.system = ActorSystem("simpleSystemBase")

    def spawn(self, handler: Handler) -> Any:
        """Begin one, from outside or as the child of the actor that runs."""
        within = running[-1] if running else None
        actor = within.createActor(Host) if within else self.system.createActor(Host)
        (within.send if within else self.system.tell)(actor, Begin(handler))
        return actor

    def send(self, to: Any, message: bytes) -> None:
        """Tell it."""
        (running[-1].send if running else self.system.tell)(to, message)

    def ask(self, to: Any, message: bytes) -> bytes:
        """Ask it."""
        return self.system.ask(to, Ask(message))

    def ask_at_once(self, to: Any, count: int) -> None:
        """Ask one after another: each ask runs the actor before it returns."""
        for _ in range(count):
            self.system.ask(to, Ask(BODY))

    def stop_self(self, me: Any) -> None:
        """End it after what it does now."""
        running[-1].send(me, ActorExitRequest())


if __name__ == "__main__":
    main(Thespian().workloads())
