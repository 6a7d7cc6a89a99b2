"""Reference: what actors do, written as plainly as can be, for the tests that play the same calls on the runtime."""

from __future__ import annotations

from dataclasses import dataclass, field

# How often a message that does not fit is sent on before it is refused, and how many versions of its code an actor keeps.
REDIRECTS_MAX = 8
HISTORY_MAX = 16

# What is told: which notice, of whom, and why that one ended.
Notice = tuple[str, int, str]


@dataclass(eq=False)
class Actor:
    """One actor. `kind`: push, async, thread, observed, bounded, virtual, retiring, pull or supervisor."""

    pid: int
    kind: str
    parent: Actor | None = None
    # Of a child that its supervisor restarts in place.
    supervisor: Actor | None = None
    restart: str = ""
    # Of one that a factory replaces: whom its failure concerns.
    factory: str = ""
    # Below which path it is supervised; of a pull actor: whether its function runs on an event loop.
    place: str = ""
    on_loop: bool = False
    # Of a bounded one; it has its first message in hand until it is released.
    capacity: int = 0
    policy: str = "dropnew"
    target: Actor | None = None
    # Of a supervisor.
    strategy: str = ""
    placed: list[Actor] = field(default_factory=list)

    alive: bool = True
    children: list[Actor] = field(default_factory=list)
    restarts: int = 0
    codes: list[tuple[int, str]] = field(default_factory=lambda: [(1, "first")])
    # What an observed actor keeps, and what a pull actor was told.
    kept: list[bytes | Notice] = field(default_factory=list)
    queue: list[bytes] = field(default_factory=list)
    in_hand: bool = False

    def __post_init__(self) -> None:
        self.held = self.kind == "bounded"

    @property
    def version(self) -> int:
        """The version of its code."""
        return self.codes[-1][0]

    @property
    def code(self) -> str:
        """What it answers."""
        return self.codes[-1][1]

    @property
    def hears(self) -> bool:
        """Whether it is told of others."""
        return self.kind in ("observed", "pull")

    @property
    def takes(self) -> bool:
        """Whether its own mailbox takes one more: what comes after something that was spilled is spilled, too."""
        return self.kind != "bounded" or len(self.queue) != self.capacity or self.policy == "spill"

    @property
    def waiting(self) -> int:
        """The messages of users that wait."""
        return len(self.queue) + len([item for item in self.kept if isinstance(item, bytes)])


class Reference:
    """All actors of one runtime."""

    def __init__(self) -> None:
        self.actors: list[Actor] = []
        self.names: dict[str, Actor] = {}
        self.links: set[frozenset[Actor]] = set()
        self.monitors: list[tuple[Actor, Actor]] = []
        # Those that have a factory, and those whose factory was called.
        self.supervised: list[Actor] = []
        self.replaced: list[Actor] = []
        self.counts = dict.fromkeys(
            [
                "sent",
                "handled",
                "crashed",
                "restarted",
                "NoProcess",
                "MailboxFull",
                "DroppedOldest",
                "ActorExited",
            ],
            0,
        )

    def add(self, actor: Actor) -> Actor:
        """A new actor, the youngest child of its parent and its supervisor."""
        self.actors.append(actor)
        if actor.parent:
            actor.parent.children.append(actor)
        if actor.supervisor:
            actor.supervisor.placed.append(actor)
        return actor

    # Messages

    def send(self, actor: Actor, message: bytes) -> bool:
        """Whether a message is taken."""
        self.counts["sent"] += 1
        return self._offer(actor, message, 0)

    def _offer(self, actor: Actor, message: bytes, hops: int) -> bool:
        if not actor.alive:
            return self._refuse("NoProcess")
        if hops > REDIRECTS_MAX:
            return self._refuse("MailboxFull")
        if actor.kind == "observed":
            actor.kept.append(message)
        elif actor.takes:
            actor.queue.append(message)
        elif actor.policy == "dropold":
            actor.queue = [*actor.queue[1:], message]
            self.counts["DroppedOldest"] += 1
        elif actor.policy == "redirect" and actor.target:
            return self._offer(actor.target, message, hops + 1)
        else:
            return self._refuse("MailboxFull")
        return True

    def _refuse(self, reason: str) -> bool:
        self.counts[reason] += 1
        return False

    def would_block(self, actor: Actor, hops: int = 0) -> bool:
        """Whether a thread that sends to it now has to wait for room."""
        if not actor.alive or actor.takes or hops > REDIRECTS_MAX:
            return False
        if actor.policy == "redirect" and actor.target:
            return self.would_block(actor.target, hops + 1)
        return actor.policy == "block"

    def settle(self) -> None:
        """The actors do what they can with what they have."""
        for actor in self.actors:
            while actor.alive and actor.queue and not actor.in_hand:
                self._handle(actor, actor.queue.pop(0))

    def _handle(self, actor: Actor, message: bytes) -> None:
        self.counts["handled"] += 1
        actor.in_hand = actor.held
        if message == b"crash" and actor.kind != "bounded":
            self.counts["crashed"] += 1
            self._exit(actor, "Crash")
        elif (message == b"return" and actor.kind == "pull") or actor.kind == "retiring":
            self._exit(actor, "Normal")

    def release(self, actor: Actor) -> None:
        """It handles what it has in hand, and what comes."""
        actor.held = actor.in_hand = False

    # Ends

    def _exit(self, actor: Actor, reason: str) -> None:
        """An actor ends by itself: what its supervisor makes of it."""
        anew = actor.restart == "permanent" or (actor.restart == "transient" and reason != "Normal")
        if actor.supervisor and anew:
            concerned = actor.supervisor.placed
            place = concerned.index(actor)
            end = place + 1 if actor.supervisor.strategy == "one_for_one" else None
            begin = 0 if actor.supervisor.strategy == "one_for_all" else place
            for other in concerned[begin:end]:
                self._begin_anew(other)
        else:
            self.end(actor, reason)

    def _begin_anew(self, actor: Actor) -> None:
        """A restart in place: pid, names, links and queue stay; what is below ends or begins anew, too."""
        self.counts["restarted"] += 1
        actor.restarts += 1
        for child in reversed(actor.children):
            self.end(child, "Killed")
        for placed in actor.placed:
            self._begin_anew(placed)

    def end(self, actor: Actor, reason: str) -> bool:
        """An actor ends, its children before it."""
        if not actor.alive:
            return False
        actor.alive = False
        for child in [*reversed(actor.children), *reversed(actor.placed)]:
            self.end(child, "Killed")
        if actor.supervisor:
            actor.supervisor.placed.remove(actor)
        if actor.parent:
            actor.parent.children.remove(actor)
        self.counts["ActorExited"] += actor.waiting
        actor.queue, actor.kept = [], [] if actor.kind == "observed" else actor.kept
        self.names = {name: owner for name, owner in self.names.items() if owner is not actor}
        self._tell(actor, reason)
        if actor.factory and reason != "Normal":
            self._replace(actor)
        actor.factory = ""
        return True

    def _tell(self, actor: Actor, reason: str) -> None:
        for pair in [pair for pair in self.links if actor in pair]:
            self.links.remove(pair)
            (other,) = pair - {actor}
            if other.alive and other.hears:
                other.kept.append(("EXIT", actor.pid, reason))
        over = [monitor for monitor in self.monitors if actor in monitor]
        self.monitors = [monitor for monitor in self.monitors if monitor not in over]
        for target, watcher in over:
            if target is actor and watcher.alive:
                watcher.kept.append(("DOWN", actor.pid, reason))

    def _replace(self, actor: Actor) -> None:
        """Its factory is called, and with RestartAll those of the others, which are stopped first."""
        strategy, actor.factory = actor.factory, ""
        others = [other for other in self.actors if other.factory and other.place == actor.place]
        others = others if strategy == "RestartAll" else []
        self.replaced.append(actor)
        for other in others:
            other.factory = ""
            self.end(other, "Killed")
            self.replaced.append(other)
        self.counts["restarted"] += 1 + len(others)

    # Code

    def swap(self, actor: Actor, code: str) -> int:
        """New code; its version."""
        actor.codes.append((actor.version + 1, code))
        del actor.codes[:-HISTORY_MAX]
        if actor.hears:
            actor.kept.append(("HOT_SWAP", actor.pid, ""))
        return actor.version

    def roll_back(self, actor: Actor, steps: int) -> int | None:
        """The version then in force; `None` where so many are not kept."""
        if not 0 < steps < len(actor.codes):
            return None
        del actor.codes[-steps:]
        if actor.hears:
            actor.kept.append(("HOT_SWAP", actor.pid, ""))
        return actor.version

    def with_factory(self, place: str) -> list[int]:
        """Whom a supervisor is to have replaced."""
        return [actor.pid for actor in self.supervised if actor.factory and actor.place == place]

    def queued(self) -> int:
        """The messages of users that wait anywhere."""
        return sum(actor.waiting for actor in self.actors if actor.alive)
