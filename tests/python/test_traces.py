"""Traces: what the reference did is played on the runtime, step by step; the suites of Rust and Node play the same traces."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import iris
import pytest
import write_traces
from conftest import DEADLINE, eventually
from played import Code, Gate, answers, told_of
from reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference import Notice

WRITTEN = Path(__file__).parent.parent / "traces.jsonl"
PLAYED = Path(os.environ.get("IRIS_TRACES", WRITTEN))
REFUSALS = {
    "NoProcess": iris.NoProcessError,
    "NameTaken": iris.NameTakenError,
    "InvalidArgument": iris.InvalidArgumentError,
}


class Player:
    """A runtime on which one trace is played, and what it must look like."""

    def __init__(self) -> None:
        self.rt = iris.Runtime()
        self.pids: list[int] = []
        self.gates: dict[int, Gate] = {}
        self.pulled = Code()
        self.pulls: dict[int, Callable[[str], Any]] = {}
        self.monitors: list[int] = []
        self.timers: list[int] = []
        # What factories made, by whom it replaces.
        self.made: dict[int, int] = {}
        self.gives: Any = None
        self.expected: dict[str, Any] = {
            "actors": {},
            "names": dict.fromkeys(write_traces.NAMES),
            "counts": dict.fromkeys(Reference().counts, 0),
        }
        # Within an actor a send never waits.
        self.sender = self.rt.spawn(self.send_on)
        self.sent_by_us = 0

    def send_on(self, message: bytes) -> bytes:
        pid, text = message.split(b" ")
        return b"taken" if self.rt.send(int(pid), text) else b""

    def close(self) -> None:
        for gate in self.gates.values():
            gate.release()
        self.rt.close()

    def play(self, step: dict[str, Any]) -> None:
        """One step, and what is so then."""
        (name, *arguments), gives = step["call"], step["gives"]
        self.gives = gives
        call: Callable[..., object] = getattr(self, name)
        if isinstance(gives, str) and gives in REFUSALS:
            with pytest.raises(REFUSALS[gives]):
                call(*arguments)
        else:
            assert call(*arguments) == gives
        for number in step.get("replaced", []):
            self.take_over(number)
        for number, changed in step["then"].get("actors", {}).items():
            # One that is not alive any more may still be telling others.
            assert changed is not None or self.rt.join(self.pids[int(number)], DEADLINE)
        merge(self.expected, step["then"])
        try:
            eventually(lambda: self.seen() == self.expected, "both to be the same")
        except AssertionError:
            assert self.seen() == self.expected

    def take_over(self, number: int) -> None:
        """What a factory made in the place of an actor is left to itself: a second restart would wait for a while."""
        eventually(lambda: number in self.made, f"a factory to be called for {number}")
        pid = self.made[number]
        eventually(lambda: self.rt.unsupervise(pid), "what it made to be supervised")
        self.added(pid)

    # Calls

    def added(self, pid: int) -> int:
        self.pids.append(pid)
        return len(self.pids) - 1

    def pull(self, spawn: Callable[[Any], int]) -> int:
        """A pull actor: one on a thread, the next one on an event loop."""
        code = self.pulled.function_later if len(self.pulls) % 2 else self.pulled.function
        pid = spawn(code("first"))
        self.pulls[pid] = code
        return self.added(pid)

    def spawn(self, kind: str, parent: int | None) -> int:
        code, rt = answers("first"), self.rt
        if kind == "pull" and parent is not None:
            return self.pull(lambda code: rt.spawn_child_with_mailbox(self.pids[parent], code))
        if kind == "pull":
            return self.pull(rt.spawn_with_mailbox)
        if parent is not None:
            return self.added(rt.spawn_child(self.pids[parent], code))
        makers = {
            "push": lambda: rt.spawn(code),
            "observed": rt.spawn_observed_handler,
            "virtual": lambda: rt.spawn_virtual(code),
            "retiring": lambda: rt.spawn_virtual(code, 100, 1),
        }
        return self.added(makers[kind]())

    def bounded(self, capacity: int, policy: str, target: int | None) -> int:
        gate = Gate()
        pid = self.rt.spawn_py_handler_bounded(gate.handle, 10, capacity)  # type: ignore[arg-type]
        self.rt.set_overflow_policy(pid, policy, None if target is None else self.pids[target])
        self.gates[pid] = gate
        return self.added(pid)

    def supervisor(self, strategy: str, above: int | None) -> int:
        above = None if above is None else self.pids[above]
        return self.added(self.rt.spawn_supervisor(strategy, 10**6, 1.0, (0.0, 0.0), above))

    def policy(self, number: int, policy: str, target: int | None) -> str:
        self.rt.set_overflow_policy(self.pids[number], policy, None if target is None else self.pids[target])
        return "ok"

    def child(self, supervisor: int, restart: str, kind: str) -> int:
        start = lambda code: self.rt.start_child(  # noqa: E731
            self.pids[supervisor], lambda: code, restart=restart, kind=kind
        )
        return self.pull(start) if kind == "pull" else self.added(start(answers("first")))

    def send(self, number: int, text: str) -> bool:
        pid = self.pids[number]
        if pid not in self.gates:
            return self.rt.send(pid, text.encode())
        self.sent_by_us += 1
        message = b"%d %s" % (pid, text.encode())
        return self.rt.ask_blocking(self.sender, message, timeout=DEADLINE) == b"taken"

    def ask(self, number: int) -> str:
        return self.rt.ask_blocking(self.pids[number], b"question", timeout=DEADLINE).decode()

    def release(self, number: int) -> str:
        self.gates[self.pids[number]].release()
        return "ok"

    def timer(self, number: int, delay_ms: int) -> int:
        self.timers.append(self.rt.send_after(self.pids[number], delay_ms, b"m"))
        return len(self.timers) - 1

    def cancel(self, number: int) -> bool:
        return self.rt.cancel_timer(self.timers[number])

    def read(self, number: int) -> list[Any]:
        got: list[Any] = []

        def more() -> bool:
            for item in self.rt.get_messages(self.pids[number]):
                if isinstance(item, bytes):
                    got.append(item.decode())
                else:
                    got.append(self.notice(told_of(item)))
            return len(got) >= len(self.gives)

        # What an actor is told of another one's end may come a moment later.
        eventually(more, f"what {number} is told")
        return sorted(got, key=json.dumps)

    def link(self, one: int, other: int) -> str:
        self.rt.link(self.pids[one], self.pids[other])
        return "ok"

    def unlink(self, one: int, other: int) -> bool:
        return self.rt.unlink(self.pids[one], self.pids[other])

    def monitor(self, target: int, watcher: int) -> int:
        self.monitors.append(self.rt.monitor(self.pids[target], self.pids[watcher]))
        return len(self.monitors) - 1

    def demonitor(self, number: int) -> bool:
        return self.rt.demonitor(self.monitors[number])

    def register(self, name: str, number: int) -> str:
        register = self.rt.register_path if name.startswith("/") else self.rt.register
        register(name, self.pids[number])
        return "ok"

    def unregister(self, name: str) -> bool:
        return (self.rt.unregister_path if name.startswith("/") else self.rt.unregister)(name)

    def swap(self, number: int, code: str) -> int:
        pid = self.pids[number]
        return self.rt.hot_swap(pid, self.pulls.get(pid, answers)(code))

    def roll_back(self, number: int, steps: int) -> int:
        return self.rt.rollback_behavior(self.pids[number], steps)

    def factory(self, number: int, strategy: str) -> str:
        def make() -> int:
            self.made[number] = self.rt.spawn(answers("first"))
            return self.made[number]

        self.rt.supervise_with_factory(self.pids[number], make, strategy)
        return "ok"

    def unsupervise(self, number: int) -> bool:
        return self.rt.unsupervise(self.pids[number])

    def stop(self, number: int) -> bool:
        return self.rt.stop(self.pids[number])

    # What is seen

    def number(self, pid: int | None) -> int | None:
        return None if pid is None else self.pids.index(pid)

    def notice(self, told: Notice) -> list[Any]:
        kind, pid, reason = told
        return [kind, self.number(pid), reason]

    def seen(self) -> dict[str, Any]:
        stats = {**self.rt.stats()["dropped"], **self.rt.stats()}
        counts = {name: stats[name] for name in self.expected["counts"]}
        for name in {"sent", "handled"} & set(counts):
            counts[name] -= self.sent_by_us
        where = lambda name: (self.rt.whereis_path if name.startswith("/") else self.rt.whereis)(name)  # noqa: E731
        return {
            "actors": {str(number): self.view(pid) for number, pid in enumerate(self.pids)},
            "names": {name: self.number(where(name)) for name in self.expected["names"]},
            "counts": counts,
        }

    def view(self, pid: int) -> dict[str, Any] | None:
        info = self.rt.actor_info(pid) if self.rt.is_alive(pid) else None
        heard = map(self.notice, self.pulled.heard.get(pid, []))
        return info and {
            "version": info["version"],
            "restarts": info["restarts"],
            "waiting": info["mailbox_size"],
            "above": self.number(info["parent"]),
            "supervised": info["supervisor"] is not None,
            "below": [self.number(child) for child in info["children"]],
            "links": sorted(map(self.pids.index, info["links"])),
            "watchers": sorted(map(self.pids.index, info["monitored_by"])),
            **({"heard": sorted(heard, key=json.dumps)} if pid in self.pulls else {}),
        }


def merge(state: dict[str, Any], changes: dict[str, Any]) -> None:
    """Changes a state; what is given as a part of a part changes that alone."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(state.get(key), dict):
            merge(state[key], value)
        else:
            state[key] = value


def test_every_trace_of_the_reference_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("iris"), "disabled", True)
    traces = PLAYED.read_text(encoding="utf-8").splitlines()
    assert traces != []
    for trace, line in enumerate(traces):
        player = Player()
        for number, step in enumerate(json.loads(line)):
            try:
                player.play(step)
            except BaseException as error:
                raise AssertionError(f"trace {trace}, step {number}: {step}") from error
        player.close()


def test_the_traces_are_those_of_the_reference() -> None:
    written = WRITTEN.read_text(encoding="utf-8").splitlines()
    assert written == list(write_traces.lines(seed=1, steps=3000)), (
        "write them anew: tests/python/write_traces.py"
    )
