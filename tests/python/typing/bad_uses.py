"""Uses that the typed face must refuse, each at its line."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import iris


def takes_text(message: str) -> None:
    """Not a handler: messages are bytes."""


def no_argument() -> None:
    """Not a handler: it takes no message."""


async def wrong_mailbox(mailbox: iris.Mailbox) -> None:
    """An async function that takes the mailbox of a thread."""
    await mailbox.recv()  # pyright: ignore  # error: misc


def narrow(ref: iris.ActorRef[bytes]) -> None:
    """A reference that takes bytes alone."""
    ref.send(bytearray(b"x"))  # pyright: ignore  # error: arg-type


rt = iris.Runtime()
rt.spawn(takes_text)  # pyright: ignore  # error: arg-type
rt.spawn(no_argument)  # pyright: ignore  # error: arg-type
rt.spawn_with_mailbox(takes_text)  # pyright: ignore  # error: arg-type
rt.send("pid", b"x")  # pyright: ignore  # error: arg-type
rt.send(1, "text")  # pyright: ignore  # error: arg-type
rt.ask_blocking(1, "text")  # pyright: ignore  # error: arg-type
rt.spawn(print, budget="many")  # pyright: ignore  # error: arg-type
iris.Runtime(True)  # pyright: ignore  # error: call-arg
rt.whereis("name") + 1  # pyright: ignore  # error: operator
rt.supervise_with_factory(1, lambda: "pid", "RestartOne")  # pyright: ignore  # error: return-value
wide: iris.ActorRef[str]  # pyright: ignore  # error: type-var
rt.no_such_method()  # pyright: ignore  # error: attr-defined
rt.join(1, timeout="soon")  # pyright: ignore  # error: arg-type
