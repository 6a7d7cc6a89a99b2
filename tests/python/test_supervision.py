"""Supervision: factories, restarts in place, strategies, intensity, nesting."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Coroutine

import iris
import pytest
from conftest import DEADLINE, Inbox, eventually, system


def crash(message: bytes) -> None:
    raise ValueError(message)


class Factory:
    """Makes actors and remembers their pids."""

    def __init__(
        self, rt: iris.Runtime, handler: Callable[[bytes], object] = crash, failures: int = 0
    ) -> None:
        self.rt, self.handler, self.failures = rt, handler, failures
        self.pids: list[int] = []

    def __call__(self) -> int:
        if self.failures:
            self.failures -= 1
            raise OSError("not yet")
        self.pids.append(self.rt.spawn(self.handler))
        return self.pids[-1]


@pytest.mark.parametrize("strategy", ["RestartOne", "restart_one", "RESTARTONE", "one_for_one"])
def test_factory_replaces_crashed(rt: iris.Runtime, strategy: str) -> None:
    factory = Factory(rt)
    first = rt.spawn(crash)
    rt.supervise_with_factory(first, factory, strategy)
    assert rt.child_pids() == [first]
    assert rt.children_count() == 1
    rt.send(first, b"x")
    eventually(lambda: factory.pids and rt.child_pids() == factory.pids, "the replacement")
    assert factory.pids[0] != first
    assert rt.is_alive(factory.pids[0])
    rt.send(factory.pids[0], b"x")
    eventually(lambda: len(factory.pids) == 2 and rt.child_pids() == factory.pids[1:], "the next replacement")


def test_factory_is_not_called_after_a_normal_exit(rt: iris.Runtime) -> None:
    factory = Factory(rt)
    pid = rt.spawn_with_mailbox(lambda mailbox: mailbox.recv())
    rt.supervise_with_factory(pid, factory, "RestartOne")
    rt.send(pid, b"return")
    assert rt.join(pid, DEADLINE)
    eventually(lambda: rt.child_pids() == [], "the empty supervisor")
    assert factory.pids == []


def test_factory_is_retried(rt: iris.Runtime) -> None:
    factory = Factory(rt, failures=1)
    first = rt.spawn(crash)
    rt.supervise_with_factory(first, factory, "RestartOne")
    rt.send(first, b"x")
    eventually(lambda: factory.pids and rt.child_pids() == factory.pids, "the replacement")
    assert factory.failures == 0


def test_factory_may_block(rt: iris.Runtime, inbox: Inbox) -> None:
    go, entered = threading.Event(), threading.Event()

    def factory() -> int:
        entered.set()
        assert go.wait(DEADLINE)
        return rt.spawn(inbox)

    pid = rt.spawn(crash)
    rt.supervise_with_factory(pid, factory, "RestartOne")
    rt.send(pid, b"x")
    assert entered.wait(DEADLINE)
    assert rt.ask_blocking(rt.spawn(bytes.upper), b"alive") == b"ALIVE"
    go.set()
    eventually(lambda: rt.child_pids() and rt.child_pids() != [pid], "the replacement")


def test_unsupervised_stays_down(rt: iris.Runtime) -> None:
    factory = Factory(rt)
    pid = rt.spawn(crash)
    rt.supervise_with_factory(pid, factory, "RestartOne")
    assert rt.unsupervise(pid) is True
    assert rt.unsupervise(pid) is False
    rt.stop(pid)
    assert rt.join(pid, DEADLINE)
    assert rt.child_pids() == []
    assert factory.pids == []


def test_restart_all_replaces_siblings(rt: iris.Runtime) -> None:
    factories = [Factory(rt), Factory(rt)]
    first = [rt.spawn(crash), rt.spawn(crash)]
    for pid, factory in zip(first, factories, strict=True):
        rt.supervise_with_factory(pid, factory, "RestartAll")
    rt.send(first[0], b"x")
    eventually(
        lambda: (
            sorted(rt.child_pids()) == sorted(factories[0].pids + factories[1].pids)
            and len(factories[0].pids) == len(factories[1].pids) == 1
        ),
        "two replacements",
    )
    assert not rt.is_alive(first[1])


def test_watched_is_listed_until_it_exits(rt: iris.Runtime) -> None:
    pid = rt.spawn_observed_handler()
    rt.watch(pid, "RestartOne")
    assert rt.child_pids() == [pid]
    rt.stop(pid)
    eventually(lambda: rt.child_pids() == [], "the empty supervisor")


def test_restart_in_place_keeps_queue(rt: iris.Runtime) -> None:
    made: list[list[bytes]] = []
    go, entered = threading.Event(), threading.Event()

    def make_handler() -> Callable[[bytes], None]:
        seen: list[bytes] = []
        made.append(seen)

        def handler(message: bytes) -> None:
            if message == b"crash":
                entered.set()
                assert go.wait(DEADLINE)
                raise ValueError("boom")
            seen.append(message)

        return handler

    supervisor = rt.spawn_supervisor(backoff=(0.001, 0.01))
    watcher = rt.spawn_observed_handler()
    pid = rt.start_child(supervisor, make_handler, name="worker", path="/workers/1")
    rt.link(watcher, pid)
    rt.send_many(pid, [b"1", b"crash", b"2", b"3"])
    assert entered.wait(DEADLINE)
    go.set()
    eventually(lambda: len(made) == 2 and made[1] == [b"2", b"3"], "the queue under the fresh handler")
    assert made[0] == [b"1"]
    assert rt.whereis("worker") == rt.whereis_path("/workers/1") == pid
    assert rt.child_pids(supervisor) == [pid]
    assert system(rt.get_messages(watcher), "EXIT") == []
    info = rt.actor_info(pid)
    assert info is not None
    assert (info["restarts"], info["supervisor"]) == (1, supervisor)


def test_pull_actor_restarts_in_place(rt: iris.Runtime) -> None:
    got: list[object] = []

    def make_handler() -> Callable[[iris.Mailbox], None]:
        def function(mailbox: iris.Mailbox) -> None:
            while (message := mailbox.recv()) is not None:
                if message == b"crash":
                    raise ValueError("boom")
                got.append(message)

        return function

    supervisor = rt.spawn_supervisor(backoff=(0.001, 0.01))
    pid = rt.start_child(supervisor, make_handler, kind="pull")
    rt.send_many(pid, [b"1", b"crash", b"2"])
    eventually(lambda: got == [b"1", b"2"], "both messages")
    assert rt.is_alive(pid)


def test_async_pull_actor_restarts_in_place(rt: iris.Runtime) -> None:
    got: list[object] = []

    def make_handler() -> Callable[[iris.AsyncMailbox], Coroutine[None, None, None]]:
        async def function(mailbox: iris.AsyncMailbox) -> None:
            async for message in mailbox:
                if message == b"crash":
                    raise ValueError("boom")
                got.append(message)

        return function

    supervisor = rt.spawn_supervisor(backoff=(0.001, 0.01))
    pid = rt.start_child(supervisor, make_handler, kind="pull")
    rt.send_many(pid, [b"1", b"crash", b"2"])
    eventually(lambda: got == [b"1", b"2"], "both messages")
    assert rt.is_alive(pid)


def test_restart_rest_for_one(rt: iris.Runtime) -> None:
    starts = {"a": 0, "b": 0, "c": 0}

    def maker(name: str) -> Callable[[], Callable[[bytes], None]]:
        def make_handler() -> Callable[[bytes], None]:
            starts[name] += 1
            return crash

        return make_handler

    supervisor = rt.spawn_supervisor("rest_for_one", backoff=(0.001, 0.01))
    pids = {name: rt.start_child(supervisor, maker(name)) for name in starts}
    rt.send(pids["b"], b"x")
    eventually(lambda: starts == {"a": 1, "b": 2, "c": 2}, "the restart of b and all after it")
    assert all(map(rt.is_alive, pids.values()))


def test_restart_kinds(rt: iris.Runtime) -> None:
    supervisor = rt.spawn_supervisor(backoff=(0.001, 0.01))
    temporary = rt.start_child(supervisor, lambda: crash, restart="temporary")
    transient = rt.start_child(supervisor, lambda: crash, restart="transient")
    rt.send(temporary, b"x")
    assert rt.join(temporary, DEADLINE)
    rt.send(transient, b"x")
    eventually(lambda: (rt.actor_info(transient) or {}).get("restarts") == 1, "the restart")
    with pytest.raises(iris.InvalidArgumentError, match="restart"):
        rt.start_child(supervisor, lambda: crash, restart="sometimes")
    with pytest.raises(iris.InvalidArgumentError, match="kind"):
        rt.start_child(supervisor, lambda: crash, kind="other")
    with pytest.raises(iris.NoSupervisorError):
        rt.start_child(transient, lambda: crash)


def test_intensity_ends_supervisor(rt: iris.Runtime) -> None:
    supervisor = rt.spawn_supervisor(intensity=2, period=60.0, backoff=(0.0, 0.0))
    watcher = rt.spawn_observed_handler()
    rt.link(watcher, supervisor)
    pid = rt.start_child(supervisor, lambda: crash)
    rt.send_many(pid, [b"x"] * 3)
    assert rt.join(supervisor, DEADLINE)
    assert rt.join(pid, DEADLINE)
    told = rt.selective_recv_blocking(watcher, lambda message: True, timeout=DEADLINE)
    assert isinstance(told, iris.SystemMessage)
    assert told.target_pid == supervisor
    for bad in (
        {"intensity": -1},
        {"period": 0.0},
        {"period": -1.0},
        {"backoff": (5.0, 1.0)},
        {"strategy": "x"},
    ):
        with pytest.raises(iris.InvalidArgumentError):
            rt.spawn_supervisor(**bad)


def test_that_a_supervisor_gives_up_is_logged(rt: iris.Runtime, caplog: pytest.LogCaptureFixture) -> None:
    supervisor = rt.spawn_supervisor(intensity=0, backoff=(0.0, 0.0))
    pid = rt.start_child(supervisor, lambda: crash)
    rt.send(pid, b"x")
    said = f"supervisor {supervisor} gave up: child {pid} made it more than 0 restarts within 5s"
    eventually(lambda: any(record.message.startswith(said) for record in caplog.records), "a record of it")
    (record,) = [record for record in caplog.records if record.message.startswith(said)]
    assert (record.name, record.levelno) == ("iris", logging.ERROR)


def test_nested_supervisor_heals(rt: iris.Runtime) -> None:
    starts: list[int] = []

    def make_handler() -> Callable[[bytes], None]:
        starts.append(1)
        return crash

    top = rt.spawn_supervisor(backoff=(0.001, 0.01))
    inner = rt.spawn_supervisor(intensity=1, period=60.0, backoff=(0.001, 0.01), supervisor=top)
    pid = rt.start_child(inner, make_handler)
    assert inner in rt.child_pids(top)
    rt.send(pid, b"x")
    eventually(lambda: len(starts) == 2, "the restart")
    rt.send(pid, b"x")
    eventually(lambda: rt.child_pids(top) and rt.is_alive(top), "the inner supervisor to be healed")
    assert rt.is_alive(top)
    rt.stop(top)
    assert rt.join(top, DEADLINE)
    eventually(lambda: not rt.is_alive(pid), "the end of all below")


def test_path_supervisor_is_its_own(rt: iris.Runtime) -> None:
    with pytest.raises(iris.NoSupervisorError, match="/services"):
        rt.path_supervisor_watch("/services", rt.spawn_observed_handler())
    rt.create_path_supervisor("/services")
    pid, watched = rt.spawn(crash), rt.spawn_observed_handler()
    factory = Factory(rt, bytes.upper)
    rt.path_supervisor_watch("/services", watched)
    rt.path_supervise_with_factory("/services", pid, factory, "RestartOne")
    assert sorted(rt.path_supervisor_children("/services")) == sorted([pid, watched])
    assert rt.child_pids() == []
    rt.send(pid, b"x")
    eventually(
        lambda: set(rt.path_supervisor_children("/services")) == {watched, *factory.pids}, "the replacement"
    )
    assert len(factory.pids) == 1
    assert rt.remove_path_supervisor("/services") is True
    assert rt.remove_path_supervisor("/services") is False
    assert rt.is_alive(watched)
    with pytest.raises(LookupError):
        rt.path_supervisor_children("/services")


def test_watch_path_lists_direct_children(rt: iris.Runtime) -> None:
    pids = [rt.spawn_with_path_observed(100, path) for path in ("/s/a", "/s/b", "/s/b/c")]
    rt.watch_path("/s")
    assert sorted(rt.child_pids()) == sorted(pids[:2])


@pytest.mark.parametrize("kind", ["push", "pull", "async pull"])
def test_a_restart_keeps_the_code_that_is_in_force_and_makes_that_of_its_maker_anew(
    rt: iris.Runtime, kind: str
) -> None:
    def handle(name: bytes, message: bytes) -> bytes:
        if message == b"crash":
            raise ValueError
        return name

    def code(name: bytes) -> Callable[..., object]:
        def pull(mailbox: iris.Mailbox) -> None:
            while (message := mailbox.recv()) is not None:
                if isinstance(message, iris.PySystemMessage):
                    return
                mailbox.reply(message, handle(name, message))

        async def async_pull(mailbox: iris.AsyncMailbox) -> None:
            async for message in mailbox:
                if isinstance(message, iris.PySystemMessage):
                    return
                mailbox.reply(message, handle(name, message))

        kinds = {"push": lambda message: handle(name, message), "pull": pull, "async pull": async_pull}
        return kinds[kind]

    def make() -> Callable[..., object]:
        made.append(b"made %d" % (len(made) + 1))
        return code(made[-1])

    def crash() -> None:
        with pytest.raises(iris.AskFailedError):
            rt.ask_blocking(pid, b"crash", timeout=DEADLINE)

    def which() -> bytes:
        return rt.ask_blocking(pid, b"which?", timeout=DEADLINE)

    made: list[bytes] = []
    supervisor = rt.spawn_supervisor(intensity=100, backoff=(0.0, 0.0))
    pid = rt.start_child(supervisor, make, kind="push" if kind == "push" else "pull")
    crash()
    assert which() == b"made 2"
    rt.hot_swap(pid, code(b"swapped"))
    crash()
    assert which() == b"swapped"
    crash()
    assert (which(), rt.behavior_version(pid), len(made)) == (b"swapped", 2, 2)
    rt.rollback_behavior(pid)
    assert which() == b"made 2"
    crash()
    assert (which(), rt.behavior_version(pid), len(made)) == (b"made 3", 1, 3)
