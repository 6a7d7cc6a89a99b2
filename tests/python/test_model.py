"""Model: the runtime and the reference are given the same calls, and are the same after each."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import iris
import pytest
from conftest import DEADLINE, eventually, times
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from played import Code, Gate, answers, told_of
from reference import Actor, Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Calls in all; the deep tests make 100,000.
STEPS = times("IRIS_MODEL_STEPS", 1500)
STEPS_A_RUN = 100
ACTORS_MAX = 24
NAMES = ["one", "two", "/three", "/three/four"]
POLICIES = ["dropnew", "dropold", "block", "redirect", "spill"]
STRATEGIES = ["one_for_one", "one_for_all", "rest_for_one"]
RESTARTS = ["permanent", "transient", "temporary"]
KINDS = ["push", "async", "thread", "observed", "virtual", "retiring", "pull", "async pull"]
HOUR_MS = 3_600_000

number = st.integers(0, 59)


class Machine(RuleBasedStateMachine):
    """One runtime, its reference, and the calls that both are given."""

    def __init__(self) -> None:
        super().__init__()
        self.rt = iris.Runtime()
        self.model = Reference()
        self.code = Code()
        self.gates: dict[int, Gate] = {}
        self.monitors: list[tuple[int, tuple[Actor, Actor]]] = []
        self.timers: list[tuple[int, Actor]] = []
        self.cancelled: set[int] = set()
        self.made: dict[Actor, int] = {}
        self.codes = 0
        self.sender = self.rt.spawn(self.send_on)
        self.rt.create_path_supervisor("/three")

    def teardown(self) -> None:
        """Let all go."""
        for gate in self.gates.values():
            gate.release()
        self.rt.close()

    # Actors

    def send_on(self, message: bytes) -> bytes:
        """A handler that sends for others: within an actor a send never waits."""
        pid, text = message.split(b" ")
        return b"taken" if self.rt.send(int(pid), text) else b""

    def full(self) -> bool:
        """Whether there are actors enough."""
        return len(self.model.actors) >= ACTORS_MAX

    def pick(self, number: int) -> Actor | None:
        """An actor, mostly a live one."""
        among = [actor for actor in self.model.actors if actor.alive or number % 4 == 0]
        return among[number % len(among)] if among else None

    def refused(self, error: type[Exception], call: Callable[..., object], *arguments: Any) -> None:
        """A call that must fail, and nothing else happen."""
        with pytest.raises(error):
            call(*arguments)

    @initialize()
    def begin(self) -> None:
        """One of each kind is there."""
        for kind in KINDS:
            self.spawn(kind, None)
        self.spawn_supervisor("one_for_one", None)
        self.spawn_bounded(2, "dropnew", 0)

    @rule(kind=st.sampled_from(KINDS), parent=st.none() | number)
    def spawn(self, kind: str, parent: int | None) -> None:
        above = None if parent is None else self.pick(parent)
        if self.full() or (above and above.kind == "supervisor"):
            return
        actor = Actor(0, "pull" if kind == "async pull" else kind, on_loop=kind == "async pull")
        code, rt = self.code.of(actor, "first"), self.rt
        if kind in ("observed", "virtual", "retiring"):
            makers = {
                "observed": rt.spawn_observed_handler,
                "virtual": lambda: rt.spawn_virtual(code),
                "retiring": lambda: rt.spawn_virtual(code, 100, 1),
            }
            actor.pid = makers[kind]()
        elif above is None:
            pulls = actor.kind == "pull"
            actor.pid = rt.spawn_with_mailbox(code) if pulls else rt.spawn(code, 100, kind == "thread")
        else:
            make = rt.spawn_child_with_mailbox if actor.kind == "pull" else rt.spawn_child
            if not above.alive:
                self.refused(iris.NoProcessError, make, above.pid, code)
                return
            actor.pid, actor.parent = make(above.pid, code), above
        self.model.add(actor)
        self.check()

    @rule(capacity=st.integers(1, 3), policy=st.sampled_from(POLICIES), to=number)
    def spawn_bounded(self, capacity: int, policy: str, to: int) -> None:
        if self.full():
            return
        target = self.pick(to)
        # Long ways from mailbox to mailbox are made on purpose: to the bounded one before.
        bounded = [actor for actor in self.model.actors if actor.kind == "bounded" and actor.alive]
        target = bounded[-1] if bounded and to % 2 else target
        if policy == "redirect" and (not target or not target.alive or target.kind == "supervisor"):
            policy = "dropnew"
        gate = Gate()
        pid = self.rt.spawn_py_handler_bounded(gate.handle, 10, capacity)  # type: ignore[arg-type]
        self.gates[pid] = gate
        self.rt.set_overflow_policy(pid, policy, target.pid if target and policy == "redirect" else None)
        self.model.add(Actor(pid, "bounded", capacity=capacity, policy=policy, target=target))
        self.check()

    @rule(strategy=st.sampled_from(STRATEGIES), under=st.none() | number)
    def spawn_supervisor(self, strategy: str, under: int | None) -> None:
        above = None if under is None else self.pick(under)
        if self.full() or (above and (above.kind != "supervisor" or not above.alive)):
            return
        pid = self.rt.spawn_supervisor(strategy, 10**6, 1.0, (0.0, 0.0), above.pid if above else None)
        restart = "permanent" if above else ""
        self.model.add(Actor(pid, "supervisor", supervisor=above, restart=restart, strategy=strategy))
        self.check()

    @rule(under=number, restart=st.sampled_from(RESTARTS), pulls=st.booleans())
    def start_child(self, under: int, restart: str, pulls: bool) -> None:
        supervisors = [actor for actor in self.model.actors if actor.kind == "supervisor"]
        if self.full() or not supervisors:
            return
        above = supervisors[under % len(supervisors)]
        kind = "pull" if pulls else "push"
        actor = Actor(0, kind, supervisor=above, restart=restart)

        def start() -> int:
            make = lambda: self.code.of(actor, "first")  # noqa: E731
            return self.rt.start_child(above.pid, make, restart=restart, kind=kind)

        if above.alive:
            actor.pid = start()
            self.model.add(actor)
        else:
            self.refused(iris.NoProcessError, start)
        self.check()

    # Messages

    @rule(which=number, text=st.sampled_from([b"m", b"m", b"m", b"crash", b"return"]), within=st.booleans())
    def send(self, which: int, text: bytes, within: bool) -> None:
        actor = self.pick(which)
        if not actor or actor.kind == "supervisor":
            return
        if within or self.model.would_block(actor):
            self.model.counts["sent"] += 1
            self.model.counts["handled"] += 1
            message = b"%d %s" % (actor.pid, text)
            taken = self.rt.ask_blocking(self.sender, message, timeout=DEADLINE) == b"taken"
        else:
            taken = self.rt.send(actor.pid, text)
        assert taken == self.model.send(actor, text)
        self.check()

    @rule(which=number, count=st.integers(0, 6))
    def send_many(self, which: int, count: int) -> None:
        actor = self.pick(which)
        if not actor or actor.kind in ("supervisor", "retiring", "bounded"):
            return
        taken = 0
        while taken < count and self.model.send(actor, b"m"):
            taken += 1
        assert self.rt.send_many(actor.pid, [b"m"] * count) == taken
        self.check()

    @rule(which=number)
    def ask(self, which: int) -> None:
        actor = self.pick(which)
        if not actor or actor.kind == "supervisor" or (actor.kind in ("observed", "bounded") and actor.alive):
            return
        if self.model.send(actor, b"question"):
            answer = self.rt.ask_blocking(actor.pid, b"question", timeout=DEADLINE)
            assert answer.decode() == actor.code
        else:
            self.refused(iris.NoProcessError, self.rt.ask_blocking, actor.pid, b"question")
        self.check()

    @rule(which=number)
    def release(self, which: int) -> None:
        bounded = [actor for actor in self.model.actors if actor.kind == "bounded"]
        if bounded:
            actor = bounded[which % len(bounded)]
            self.gates[actor.pid].release()
            self.model.release(actor)
            self.check()

    @rule(which=number)
    def read(self, which: int) -> None:
        observed = [actor for actor in self.model.actors if actor.kind == "observed" and actor.alive]
        if observed:
            actor = observed[which % len(observed)]
            got: list[bytes | iris.SystemMessage] = []

            # The end of one that is not alive any more may be told a moment later.
            more = lambda: got.extend(self.rt.get_messages(actor.pid))  # noqa: E731
            eventually(lambda: more() or len(got) >= len(actor.kept), f"what {actor.pid} is told")
            assert alike([m if isinstance(m, bytes) else told_of(m) for m in got]) == alike(actor.kept)
            self.model.counts["handled"] += actor.waiting
            actor.kept = []
            self.check()

    @rule(which=number)
    def select(self, which: int) -> None:
        observed = [actor for actor in self.model.actors if actor.kind == "observed" and actor.alive]
        if observed:
            actor = observed[which % len(observed)]
            got = self.rt.selective_recv_blocking(actor.pid, lambda m: isinstance(m, bytes), 0)
            expected = next((item for item in actor.kept if isinstance(item, bytes)), None)
            assert got == expected
            if expected is not None:
                actor.kept.remove(expected)
                self.model.counts["handled"] += 1
            self.check()

    @rule(which=number, soon=st.booleans(), again=st.booleans())
    def send_after(self, which: int, soon: bool, again: bool) -> None:
        actor = self.pick(which)
        if not actor or actor.kind == "supervisor":
            return
        if not actor.alive:
            self.refused(iris.NoProcessError, self.rt.send_after, actor.pid, 1, b"m")
        elif soon:
            self.rt.send_after(actor.pid, 1, b"m")
            self.model.send(actor, b"m")
        else:
            start = self.rt.send_interval if again else self.rt.send_after
            self.timers.append((start(actor.pid, HOUR_MS, b"late"), actor))
        self.check()

    @rule(which=number)
    def cancel_timer(self, which: int) -> None:
        if self.timers:
            timer, actor = self.timers[which % len(self.timers)]
            assert self.rt.cancel_timer(timer) == (actor.alive and timer not in self.cancelled)
            self.cancelled.add(timer)
            self.check()

    # Relations

    @rule(one=number, other=number)
    def link(self, one: int, other: int) -> None:
        a, b = self.pick(one), self.pick(other)
        if not a or not b:
            return
        if a is b:
            self.refused(iris.IrisError, self.rt.link, a.pid, b.pid)
        elif a.alive and b.alive:
            self.rt.link(a.pid, b.pid)
            self.model.links.add(frozenset((a, b)))
        else:
            self.refused(iris.NoProcessError, self.rt.link, a.pid, b.pid)
        self.check()

    @rule(one=number, other=number)
    def unlink(self, one: int, other: int) -> None:
        a, b = self.pick(one), self.pick(other)
        if a and b:
            pair = frozenset((a, b))
            assert self.rt.unlink(a.pid, b.pid) == (pair in self.model.links)
            self.model.links.discard(pair)
            self.check()

    @rule(one=number, other=number)
    def monitor(self, one: int, other: int) -> None:
        target, watcher = self.pick(one), self.pick(other)
        if not target or not watcher or not watcher.hears:
            return
        if target.alive and watcher.alive:
            monitor = (target, watcher)
            self.monitors.append((self.rt.monitor(target.pid, watcher.pid), monitor))
            self.model.monitors.append(monitor)
        else:
            self.refused(iris.NoProcessError, self.rt.monitor, target.pid, watcher.pid)
        self.check()

    @rule(which=number)
    def demonitor(self, which: int) -> None:
        if self.monitors:
            reference, monitor = self.monitors.pop(which % len(self.monitors))
            there = monitor in self.model.monitors
            # What becomes of a monitor whose watcher ended nobody can see.
            if monitor[1].alive:
                assert self.rt.demonitor(reference) == there
                if there:
                    self.model.monitors.remove(monitor)
            self.check()

    @rule(name=st.sampled_from(NAMES), which=number)
    def register(self, name: str, which: int) -> None:
        actor = self.pick(which)
        if not actor:
            return
        call = self.rt.register_path if name.startswith("/") else self.rt.register
        if not actor.alive:
            self.refused(iris.NoProcessError, call, name, actor.pid)
        elif self.model.names.get(name, actor) is not actor:
            self.refused(iris.NameTakenError, call, name, actor.pid)
        else:
            call(name, actor.pid)
            self.model.names[name] = actor
        self.check()

    @rule(name=st.sampled_from(NAMES))
    def unregister(self, name: str) -> None:
        call = self.rt.unregister_path if name.startswith("/") else self.rt.unregister
        assert call(name) == (self.model.names.pop(name, None) is not None)
        self.check()

    # Code and ends

    @rule(which=number)
    def swap(self, which: int) -> None:
        actor = self.pick(which)
        if not actor or actor.kind in ("bounded", "supervisor"):
            return
        self.codes += 1
        code = f"code {self.codes}"
        if actor.alive:
            version = self.model.swap(actor, code)
            assert self.rt.hot_swap(actor.pid, self.code.of(actor, code)) == version
        else:
            self.refused(iris.NoProcessError, self.rt.hot_swap, actor.pid, self.code.of(actor, code))
        self.check()

    @rule(which=number, steps=st.integers(0, 3))
    def roll_back(self, which: int, steps: int) -> None:
        actor = self.pick(which)
        if not actor or actor.kind in ("bounded", "supervisor") or not actor.alive:
            return
        version = self.model.roll_back(actor, steps)
        if version is None:
            self.refused(iris.InvalidArgumentError, self.rt.rollback_behavior, actor.pid, steps)
        else:
            assert self.rt.rollback_behavior(actor.pid, steps) == version
        self.check()

    @rule(which=number)
    def stop(self, which: int) -> None:
        actor = self.pick(which)
        if actor:
            assert self.rt.stop(actor.pid) == self.model.end(actor, "Killed")
            self.check()

    @rule(
        which=number,
        strategy=st.sampled_from(["RestartOne", "RestartAll"]),
        place=st.sampled_from(["", "/three"]),
    )
    def supervise_with_factory(self, which: int, strategy: str, place: str) -> None:
        actor = self.pick(which)
        if not actor or actor.kind == "supervisor" or actor.parent or actor.supervisor or actor.factory:
            return

        def factory() -> int:
            self.made[actor] = self.rt.spawn(answers("first"))
            return self.made[actor]

        call, before = (
            (self.rt.path_supervise_with_factory, [place]) if place else (self.rt.supervise_with_factory, [])
        )
        if actor.alive:
            call(*before, actor.pid, factory, strategy)
            actor.factory, actor.place = strategy, place
            self.model.supervised = [other for other in self.model.supervised if other is not actor] + [actor]
        else:
            self.refused(iris.NoProcessError, call, *before, actor.pid, factory, strategy)
        self.check()

    @rule(which=number)
    def unsupervise(self, which: int) -> None:
        actor = self.pick(which)
        if actor and not actor.supervisor:
            assert self.rt.unsupervise(actor.pid) == (actor.alive and bool(actor.factory))
            actor.factory = ""
            self.check()

    # What is so

    def check(self) -> None:
        """Both sides settle, and are the same then."""
        self.model.settle()
        while self.model.replaced:
            actor = self.model.replaced.pop(0)
            eventually(lambda actor=actor: actor in self.made, "a factory to be called")
            pid = self.made[actor]
            # Its next end is its own: a second restart would wait for a while.
            eventually(lambda pid=pid: self.rt.unsupervise(pid), "the successor to be supervised")
            self.model.add(Actor(pid, "push"))
        # One that is not alive any more may still be telling others.
        assert all(self.rt.join(actor.pid, DEADLINE) for actor in self.model.actors if not actor.alive)
        try:
            eventually(lambda: self.seen() == self.expected(), "both to be the same")
        except AssertionError:
            seen, expected = self.seen(), self.expected()
            wrong = [(key, seen[key], expected[key]) for key in seen if seen[key] != expected[key]]
            raise AssertionError(wrong) from None

    def seen(self) -> dict[str, Any]:
        """What of the runtime must be as in the reference."""
        rt, stats = self.rt, self.rt.stats()
        dropped = stats["dropped"]
        counts = {name: dropped[name] if name in dropped else stats[name] for name in self.model.counts}
        return {
            "counts": counts,
            "queued": stats["queued"],
            "timers": stats["timers"],
            "names": [(rt.whereis_path if name.startswith("/") else rt.whereis)(name) for name in NAMES],
            "below": rt.list_children("/"),
            "supervised": [rt.child_pids(), rt.path_supervisor_children("/three")],
            "actors": [self.look(actor) for actor in self.model.actors],
        }

    def look(self, actor: Actor) -> object:
        """One actor of the runtime."""
        info = self.rt.actor_info(actor.pid) if self.rt.is_alive(actor.pid) else None
        if info is None:
            return None
        place = [info[part] for part in ("version", "restarts", "mailbox_size", "parent")]
        place += [bool(info["supervisor"])]
        children = self.rt.child_pids(actor.pid) if actor.kind == "supervisor" else []
        heard = alike(self.code.heard.get(actor.pid, []))
        related = [sorted(info["links"]), sorted(info["monitored_by"])]
        return [actor.kind, *place, info["children"], children, related, heard]

    def expected(self) -> dict[str, Any]:
        """The same of the reference."""
        model = self.model
        paths = sorted((name, owner.pid) for name, owner in model.names.items() if name.startswith("/"))
        owners = [model.names.get(name) for name in NAMES]
        late = {timer for timer, actor in self.timers if actor.alive} - self.cancelled
        return {
            "counts": dict(model.counts),
            "queued": model.queued(),
            "timers": len(late),
            "names": [owner.pid if owner else None for owner in owners],
            "below": paths,
            "supervised": [model.with_factory(""), model.with_factory("/three")],
            "actors": [self.look_up(actor) for actor in model.actors],
        }

    def look_up(self, actor: Actor) -> object:
        """One actor of the reference."""
        if not actor.alive:
            return None
        above = actor.parent or actor.supervisor
        below = [[child.pid for child in part] for part in (actor.children + actor.placed, actor.placed)]
        links = sorted(other.pid for pair in self.model.links if actor in pair for other in pair - {actor})
        watchers = sorted(watcher.pid for target, watcher in self.model.monitors if target is actor)
        heard = alike(actor.kept) if actor.kind == "pull" else []
        place = [actor.version, actor.restarts, actor.waiting]
        place += [above.pid if above else None, bool(actor.supervisor or actor.factory)]
        return [actor.kind, *place, *below, [links, watchers], heard]


def alike(items: list[Any]) -> list[str]:
    """What one gets from several is in no order."""
    return sorted(map(repr, items))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The log of what crashes on purpose."""
    logging.getLogger("iris").disabled = True
    yield
    logging.getLogger("iris").disabled = False


def test_any_calls_do_to_the_runtime_what_they_do_to_the_reference() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=max(1, STEPS // STEPS_A_RUN),
            stateful_step_count=STEPS_A_RUN,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
