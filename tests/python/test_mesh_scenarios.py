"""The scenarios of the mesh that every language plays: two nodes in one process, on loopback."""

from __future__ import annotations

import contextlib
from pathlib import Path

import iris
import pytest
from conftest import DEADLINE, eventually, system


@pytest.fixture
def there() -> iris.Runtime:
    """The other node's runtime; a test may close it before it ends."""
    with contextlib.closing(iris.Runtime()) as runtime:
        yield runtime


def found(rt: iris.Runtime, address: str, name: str) -> int:
    """The proxy of an actor that must be there."""
    proxy = rt.resolve_remote(address, name)
    assert proxy is not None
    return proxy


def test_remote_messages_keep_their_order(rt: iris.Runtime, there: iris.Runtime) -> None:
    got: list[int] = []
    target = there.spawn(lambda message: got.append(int(message)))
    there.register("mail", target)
    address = there.listen("127.0.0.1:0")
    proxy = found(rt, address, "mail")
    assert proxy >= 1 << 52 > target
    assert found(rt, address, "mail") == proxy
    assert rt.resolve_remote(address, "nobody") is None
    assert all(rt.send(proxy, b"%d" % number) for number in range(10_000))
    eventually(lambda: len(got) == 10_000, "all messages")
    assert got == list(range(10_000))


def test_remote_pid_is_reached(rt: iris.Runtime, there: iris.Runtime) -> None:
    got: list[bytes] = []
    target = there.spawn(got.append)
    address = there.listen("127.0.0.1:0")
    assert all(rt.send_remote(address, target, bytes([number])) for number in range(100))
    eventually(lambda: len(got) == 100, "all messages")
    assert got == [bytes([number]) for number in range(100)]
    assert rt.send(target, b"a pid of there is none of here") is False


def test_remote_asks_are_answered(rt: iris.Runtime, there: iris.Runtime) -> None:
    there.register("shout", there.spawn(bytes.upper))
    there.register("silent", there.spawn_observed_handler())
    address = there.listen("127.0.0.1:0")
    shout, silent = found(rt, address, "shout"), found(rt, address, "silent")
    assert rt.ask_blocking(shout, b"hello", DEADLINE) == b"HELLO"
    with pytest.raises(iris.AskTimeoutError):
        rt.ask_blocking(silent, b"hello", 0.01)
    there.stop(there.whereis("shout"))
    with pytest.raises(iris.IrisError):
        rt.ask_blocking(shout, b"hello", DEADLINE)


def test_remote_ends_are_told(rt: iris.Runtime, there: iris.Runtime) -> None:
    def fragile(message: bytes) -> None:
        raise ValueError("told to crash")

    there.register("fragile", there.spawn(fragile))
    proxy = found(rt, there.listen("127.0.0.1:0"), "fragile")
    watcher = rt.spawn_observed_handler()
    reference = rt.monitor(proxy, watcher)
    rt.link(watcher, proxy)
    rt.send(proxy, b"crash")
    got: list[bytes | iris.SystemMessage] = []
    eventually(
        lambda: (got.extend(rt.get_messages(watcher)), len(system(got, "EXIT") + system(got, "DOWN")) == 2)[
            1
        ],
        "EXIT and DOWN",
    )
    (exited,), (down,) = system(got, "EXIT"), system(got, "DOWN")
    assert (exited.target_pid, exited.reason) == (proxy, "Crash") == (down.target_pid, down.reason)
    assert exited.metadata is not None
    assert exited.metadata["message"] == "told to crash"
    assert not rt.demonitor(reference)
    assert not rt.is_alive(proxy)


def test_remote_actor_is_stopped(rt: iris.Runtime, there: iris.Runtime) -> None:
    target = there.spawn(bytes.upper)
    there.register("shout", target)
    proxy = found(rt, there.listen("127.0.0.1:0"), "shout")
    assert rt.stop(proxy)
    assert there.join(target, DEADLINE)
    assert rt.join(proxy, DEADLINE)
    assert there.whereis("shout") is None


def test_lost_node_ends_its_proxies(rt: iris.Runtime, there: iris.Runtime) -> None:
    there.register("shout", there.spawn(bytes.upper))
    address = there.listen("127.0.0.1:0")
    proxy, watcher = found(rt, address, "shout"), rt.spawn_observed_handler()
    rt.monitor(proxy, watcher)
    there.close()
    assert rt.join(proxy, DEADLINE)
    got: list[bytes | iris.SystemMessage] = []
    eventually(lambda: (got.extend(rt.get_messages(watcher)), system(got, "DOWN"))[1], "DOWN")
    # A node that closes in order stops its actors first, and some of them are told before it is gone.
    (down,) = system(got, "DOWN")
    assert (down.target_pid, down.reason in {"NodeDown", "Killed"}) == (proxy, True)
    assert rt.resolve_remote(address, "shout") is None
    assert not rt.is_node_up(address)


def test_factory_finds_a_returned_node(rt: iris.Runtime, there: iris.Runtime) -> None:
    there.register("shout", there.spawn(bytes.upper))
    address = there.listen("127.0.0.1:0")
    proxy = found(rt, address, "shout")

    def look_again() -> int:
        pid = rt.resolve_remote(address, "shout")
        if pid is None:
            raise RuntimeError("not back yet")
        return pid

    rt.supervise_with_factory(proxy, look_again, "RestartOne")
    there.close()
    assert rt.join(proxy, DEADLINE)
    with iris.Runtime() as back:
        back.register("shout", back.spawn(bytes.upper))
        assert back.listen(address) == address
        eventually(lambda: [pid for pid in rt.child_pids() if pid != proxy], "the supervisor finds it")
        (again,) = rt.child_pids()
        assert rt.ask_blocking(again, b"hello", DEADLINE) == b"HELLO"


def test_slow_node_slows_its_senders(rt: iris.Runtime, there: iris.Runtime) -> None:
    kept = there.spawn_observed_handler()
    there.register("kept", kept)
    address = there.listen("127.0.0.1:0")
    rt.start_mesh(window=1 << 21)
    proxy = found(rt, address, "kept")
    taken = 0
    while rt.send(proxy, bytes(1000)):
        taken += 1
        assert taken <= (1 << 21) // 1128
    with pytest.raises(iris.MailboxFullError):
        rt.ask_blocking(proxy, bytes(1000), DEADLINE)
    got: list[object] = []
    eventually(lambda: (got.extend(there.get_messages(kept)), len(got) == taken)[1], "what was taken")
    eventually(lambda: rt.send(proxy, b"again"), "room")


def test_peers_reach_what_rules_allow(rt: iris.Runtime, there: iris.Runtime) -> None:
    for name in ["time", "secret"]:
        there.register(name, there.spawn(bytes.upper))
    address = there.listen("127.0.0.1:0", allow={"here": ["time"], "other-*": ["*"]})
    rt.start_mesh(name="here")
    assert rt.ask_blocking(found(rt, address, "time"), b"now", DEADLINE) == b"NOW"
    assert rt.resolve_remote(address, "secret") is None
    with iris.Runtime() as other:
        other.start_mesh(name="other-1")
        assert other.ask_blocking(found(other, address, "secret"), b"key", DEADLINE) == b"KEY"


def test_strangers_are_refused(rt: iris.Runtime, there: iris.Runtime, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    iris.dev_certs(ours, ["there", "here"])
    iris.dev_certs(theirs, ["here"])
    there.register("shout", there.spawn(bytes.upper))
    address = there.listen("127.0.0.1:0", name="there", certificates=ours)
    with iris.Runtime() as plain, iris.Runtime() as foreign:
        plain.start_mesh(name="here", timeout=2.0)
        foreign.start_mesh(name="here", certificates=theirs)
        assert plain.resolve_remote(address, "shout") is None
        assert foreign.resolve_remote(address, "shout") is None
    eventually(lambda: (there.mesh_info() or {})["refused"] == 2, "both are counted")
    rt.start_mesh(name="here", certificates=ours)
    assert rt.ask_blocking(found(rt, address, "shout"), b"hello", DEADLINE) == b"HELLO"
