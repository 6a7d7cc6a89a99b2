"""Write traces: calls that are chosen at random, and what they do to the reference, for the suites of all languages to play.

A line is one trace: a list of steps. A step is what is called, what that gives, and what it changes:
`{"call": ["link", 3, 5], "gives": "ok", "then": {"actors": {"3": {"links": [5]}, "5": {"links": [3]}}}}`. Actors are numbered
in the order in which they are spawned; one that ended is `null`. What a pull actor was told is in its `heard`. Where factories
were called, `replaced` says for whom; what they made has the next numbers, and is left to itself. `tests/traces.jsonl` is what
this writes without options.
"""

from __future__ import annotations

import argparse
import json
import random
from typing import TYPE_CHECKING, Any

from reference import Actor, Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS_A_TRACE = 60
ACTORS_MAX = 20
CAPACITY_MAX = 3
NAMES = ["one", "two", "/three"]
POLICIES = ["dropnew", "dropold", "block", "redirect", "spill"]
STRATEGIES = ["one_for_one", "one_for_all", "rest_for_one"]
RESTARTS = ["permanent", "transient", "temporary"]
KINDS = ["push", "push", "observed", "observed", "virtual", "retiring", "pull", "pull"]
RECEIVERS = ["push", "observed", "virtual", "retiring", "bounded", "pull"]
HOUR_MS = 3_600_000


class Trace:
    """One trace on its way: the reference, and what the last step left."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        self.model = Reference()
        self.monitors: list[tuple[Actor, Actor]] = []
        self.timers: list[Actor | None] = []
        self.codes = 0
        self.before: dict[str, Any] = {
            "actors": {},
            "names": dict.fromkeys(NAMES),
            "counts": dict.fromkeys(self.model.counts, 0),
        }

    def steps(self, count: int) -> list[dict[str, Any]]:
        """So many steps, and what each does."""
        calls = [self.spawn, self.bounded, self.supervisor, self.child, self.send, self.ask, self.release]
        calls += [self.read, self.link, self.unlink, self.monitor, self.demonitor, self.register]
        calls += [self.unregister, self.swap, self.roll_back, self.stop]
        calls += [self.timer, self.cancel, self.factory, self.unsupervise, self.policy]
        weights = [6, 2, 2, 4, 12, 4, 2, 4, 4, 1, 4, 1, 2, 1, 3, 2, 3, 3, 2, 3, 1, 2]
        begin = iter(
            [self.supervisor, self.child, self.child, self.spawn, self.spawn, self.spawn, self.bounded]
        )
        steps: list[dict[str, Any]] = []
        while len(steps) < count:
            call = next(begin, None) or self.random.choices(calls, weights)[0]
            for step in call():
                self.model.settle()
                replaced = self.replace()
                steps.append({**step, **replaced, "then": self.changes()})
        return steps

    def pick(self, *kinds: str) -> Actor | None:
        """An actor of these kinds, mostly a live one."""
        dead_too = self.random.random() < 0.15
        among = [actor for actor in self.model.actors if actor.alive or dead_too]
        among = [actor for actor in among if not kinds or actor.kind in kinds]
        return self.random.choice(among) if among else None

    def replace(self) -> dict[str, list[int]]:
        """Whom factories replaced; their successors have the next numbers."""
        replaced = [actor.pid for actor in self.model.replaced]
        self.model.replaced.clear()
        for _ in replaced:
            self.add(Actor(0, "push"))
        return {"replaced": replaced} if replaced else {}

    def is_full(self) -> bool:
        return len(self.model.actors) >= ACTORS_MAX

    def add(self, actor: Actor) -> int:
        actor.pid = len(self.model.actors)
        return self.model.add(actor).pid

    # Actors

    def spawn(self) -> Iterator[dict[str, Any]]:
        kind = self.random.choice(KINDS)
        among = ["push", "observed", "virtual", "bounded", "pull"]
        parent = self.pick(*among) if kind in ("push", "pull") else None
        parent = parent if self.random.random() < 0.6 else None
        if not self.is_full():
            refused = parent is not None and not parent.alive
            gives = "NoProcess" if refused else self.add(Actor(0, kind, parent=parent))
            yield step("spawn", kind, parent and parent.pid, gives=gives)

    def bounded(self) -> Iterator[dict[str, Any]]:
        if not self.is_full():
            bounded = [actor for actor in self.model.actors if actor.kind == "bounded" and actor.alive]
            # Long ways from mailbox to mailbox are made on purpose.
            target = bounded[-1] if bounded else self.pick("push", "observed")
            policy = self.random.choice(POLICIES)
            if policy != "redirect" or not target or not target.alive:
                target, policy = None, "dropnew" if policy == "redirect" else policy
            actor = Actor(
                0, "bounded", capacity=self.random.randint(1, CAPACITY_MAX), policy=policy, target=target
            )
            gives = self.add(actor)
            yield step("bounded", actor.capacity, policy, target and target.pid, gives=gives)

    def supervisor(self) -> Iterator[dict[str, Any]]:
        above = self.pick("supervisor")
        above = above if above and above.alive and self.random.random() < 0.5 else None
        strategy = self.random.choice(STRATEGIES)
        if not self.is_full():
            restart = "permanent" if above else ""
            gives = self.add(Actor(0, "supervisor", supervisor=above, restart=restart, strategy=strategy))
            yield step("supervisor", strategy, above and above.pid, gives=gives)

    def child(self) -> Iterator[dict[str, Any]]:
        above, restart = self.pick("supervisor"), self.random.choice(RESTARTS)
        if above and not self.is_full():
            actor = Actor(0, self.random.choice(["push", "pull"]), supervisor=above, restart=restart)
            gives = self.add(actor) if above.alive else "NoProcess"
            yield step("child", above.pid, restart, actor.kind, gives=gives)

    def policy(self) -> Iterator[dict[str, Any]]:
        actor, policy = self.pick("bounded"), self.random.choice(POLICIES)
        target = self.pick("push", "observed", "bounded", "pull") if policy == "redirect" else None
        if actor and (target or policy != "redirect"):
            lives = actor.alive and (not target or target.alive)
            gives = "NoProcess" if not lives else "InvalidArgument" if target is actor else "ok"
            if gives == "ok":
                actor.policy, actor.target = policy, target
            yield step("policy", actor.pid, policy, target and target.pid, gives=gives)

    # Messages

    def send(self) -> Iterator[dict[str, Any]]:
        actor = self.pick(*RECEIVERS)
        text = self.random.choice(["m", "m", "crash"])
        if actor and actor.kind == "pull":
            text = self.random.choice([text, text, "return"])
        for _ in range(self.random.randint(1, 3) if actor else 0):
            yield step("send", actor.pid, text, gives=self.model.send(actor, text.encode()))

    def ask(self) -> Iterator[dict[str, Any]]:
        actor = self.pick("push", "virtual", "retiring", "pull")
        if actor:
            gives = actor.code if self.model.send(actor, b"question") else "NoProcess"
            yield step("ask", actor.pid, gives=gives)

    def release(self) -> Iterator[dict[str, Any]]:
        actor = self.pick("bounded")
        if actor:
            self.model.release(actor)
            yield step("release", actor.pid, gives="ok")

    def read(self) -> Iterator[dict[str, Any]]:
        actor = self.pick("observed")
        if actor and actor.alive:
            kept = [item.decode() if isinstance(item, bytes) else list(item) for item in actor.kept]
            self.model.counts["handled"] += actor.waiting
            actor.kept = []
            yield step("read", actor.pid, gives=sorted(kept, key=json.dumps))

    def timer(self) -> Iterator[dict[str, Any]]:
        actor, is_soon = self.pick(*RECEIVERS), self.random.random() < 0.5
        if actor and actor.alive:
            self.timers.append(None if is_soon else actor)
            if is_soon:
                self.model.send(actor, b"m")
            yield step("timer", actor.pid, 1 if is_soon else HOUR_MS, gives=len(self.timers) - 1)
        elif actor:
            yield step("timer", actor.pid, 1, gives="NoProcess")

    def cancel(self) -> Iterator[dict[str, Any]]:
        if self.timers:
            timer = self.random.randrange(len(self.timers))
            pending, self.timers[timer] = self.timers[timer], None
            yield step("cancel", timer, gives=pending is not None and pending.alive)

    # Relations

    def link(self) -> Iterator[dict[str, Any]]:
        one, other = self.pick(), self.pick()
        if one and other:
            gives = "InvalidArgument" if one is other else "ok" if one.alive and other.alive else "NoProcess"
            if gives == "ok":
                self.model.links.add(frozenset((one, other)))
            yield step("link", one.pid, other.pid, gives=gives)

    def unlink(self) -> Iterator[dict[str, Any]]:
        one, other = self.pick(), self.pick()
        if self.model.links and self.random.random() < 0.7:
            one, other = self.random.choice(
                sorted(map(by_number, self.model.links), key=lambda pair: [actor.pid for actor in pair])
            )
        if one and other:
            pair = frozenset((one, other))
            linked = pair in self.model.links
            self.model.links.discard(pair)
            yield step("unlink", one.pid, other.pid, gives=linked)

    def monitor(self) -> Iterator[dict[str, Any]]:
        target, watcher = self.pick(), self.pick("observed", "pull")
        if target and watcher:
            gives: int | str = "NoProcess"
            if target.alive and watcher.alive:
                gives = len(self.monitors)
                self.monitors.append((target, watcher))
                self.model.monitors.append((target, watcher))
            yield step("monitor", target.pid, watcher.pid, gives=gives)

    def demonitor(self) -> Iterator[dict[str, Any]]:
        # What becomes of a monitor whose watcher ended nobody can see; of two alike either may be meant.
        clear = [m for m in self.monitors if m[1].alive and self.monitors.count(m) == 1]
        if clear:
            monitor = self.random.choice(clear)
            stands = monitor in self.model.monitors
            if stands:
                self.model.monitors.remove(monitor)
            yield step("demonitor", self.monitors.index(monitor), gives=stands)

    def register(self) -> Iterator[dict[str, Any]]:
        actor, name = self.pick(), self.random.choice(NAMES)
        if actor:
            taken = self.model.names.get(name, actor) is not actor
            gives = "NoProcess" if not actor.alive else "NameTaken" if taken else "ok"
            if gives == "ok":
                self.model.names[name] = actor
            yield step("register", name, actor.pid, gives=gives)

    def unregister(self) -> Iterator[dict[str, Any]]:
        name = self.random.choice(NAMES)
        yield step("unregister", name, gives=self.model.names.pop(name, None) is not None)

    # Code and ends

    def swap(self) -> Iterator[dict[str, Any]]:
        actor = self.pick("push", "virtual", "retiring", "pull")
        if actor:
            self.codes += 1
            code = f"code {self.codes}"
            yield step(
                "swap", actor.pid, code, gives=self.model.swap(actor, code) if actor.alive else "NoProcess"
            )

    def roll_back(self) -> Iterator[dict[str, Any]]:
        swapped = [actor for actor in self.model.actors if actor.alive and len(actor.codes) > 1]
        if swapped:
            actor, count = self.random.choice(swapped), self.random.choice([0, 1, 1, 1, 2, 3])
            version = self.model.roll_back(actor, count)
            yield step("roll_back", actor.pid, count, gives="InvalidArgument" if version is None else version)

    def stop(self) -> Iterator[dict[str, Any]]:
        actor = self.pick()
        if actor:
            yield step("stop", actor.pid, gives=self.model.end(actor, "Killed"))

    def factory(self) -> Iterator[dict[str, Any]]:
        actor, strategy = (
            self.pick("push", "observed", "virtual", "pull"),
            self.random.choice(["RestartOne", "RestartAll"]),
        )
        if actor and not (actor.parent or actor.supervisor or actor.factory):
            actor.factory = strategy if actor.alive else ""
            yield step("factory", actor.pid, strategy, gives="ok" if actor.alive else "NoProcess")

    def unsupervise(self) -> Iterator[dict[str, Any]]:
        actor = self.pick("push", "observed", "virtual", "pull")
        if actor and not actor.supervisor:
            supervised, actor.factory = actor.alive and bool(actor.factory), ""
            yield step("unsupervise", actor.pid, gives=supervised)

    # What is so

    def changes(self) -> dict[str, Any]:
        """What differs from what the last step left."""
        model = self.model
        actors = {str(actor.pid): self.view(actor) for actor in model.actors}
        names = {
            name: owner.pid if owner else None for name, owner in ((n, model.names.get(n)) for n in NAMES)
        }
        before, self.before = self.before, {"actors": actors, "names": names, "counts": dict(model.counts)}
        return differences(before, self.before)

    def view(self, actor: Actor) -> dict[str, Any] | None:
        """What can be seen of an actor; `None` of a dead one."""
        if not actor.alive:
            return None
        above = actor.parent or actor.supervisor
        heard = {"heard": sorted(map(list, actor.kept), key=json.dumps)} if actor.kind == "pull" else {}
        return {
            "version": actor.version,
            "restarts": actor.restarts,
            "waiting": actor.waiting,
            "above": above.pid if above else None,
            "supervised": bool(actor.supervisor or actor.factory),
            "below": [child.pid for child in actor.children + actor.placed],
            "links": sorted(o.pid for pair in self.model.links if actor in pair for o in pair - {actor}),
            "watchers": sorted(watcher.pid for target, watcher in self.model.monitors if target is actor),
            **heard,
        }


def differences(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """The parts that are not as before; of an actor that lives on, what is not as before in it."""
    return {
        key: differences(before[key], value) if isinstance(value, dict) and key in before else value
        for key, value in now.items()
        if key not in before or before[key] != value
    }


def by_number(pair: frozenset[Actor]) -> list[Actor]:
    """Two actors, the older one first."""
    return sorted(pair, key=lambda actor: actor.pid)


def step(*call: object, gives: object) -> dict[str, Any]:
    """A call and its result."""
    return {"call": list(call), "gives": gives}


def lines(seed: int, steps: int) -> Iterator[str]:
    """Traces with about so many steps in all."""
    for number in range(-(-steps // STEPS_A_TRACE)):
        yield json.dumps(Trace(f"{seed} {number}").steps(STEPS_A_TRACE), separators=(",", ":"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Write traces of the reference, a line each, to standard output."
    )
    parser.add_argument("--seed", type=int, default=1, help="what the random choices come from (default: 1)")
    parser.add_argument("--steps", type=int, default=3000, help="steps in all (default: 3000)")
    options = parser.parse_args()
    for line in lines(options.seed, options.steps):
        print(line)


if __name__ == "__main__":
    main()
