"""The mesh: nodes in processes of their own, Python and Node, that are found, spoken to, watched and killed."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import iris
import pytest
from conftest import DEADLINE, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent
PYTHON = [sys.executable, str(HERE / "mesh_node.py")]
NODE = ["node", str(HERE.parent / "node" / "mesh_node.js")]

Start = "Callable[..., tuple[subprocess.Popen[str], str]]"


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Start nodes, and end them when the test is over."""
    started: list[subprocess.Popen[str]] = []

    def begin(command: list[str], *args: object) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [*command, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def collect(rt: iris.Runtime, observed: int, notices: list[iris.PySystemMessage], count: int) -> None:
    """Take what an observed actor gets until there are so many notices."""

    def enough() -> bool:
        for message in rt.get_messages(observed):
            assert isinstance(message, iris.PySystemMessage)
            if message.type_name != "PONG":
                notices.append(message)
        return len(notices) >= count

    eventually(enough, f"{count} notices")


def found(rt: iris.Runtime, address: str, name: str) -> int:
    """The proxy of an actor that must be there."""
    proxy = rt.resolve_remote(address, name)
    assert proxy is not None
    return proxy


@pytest.mark.parametrize("language", [PYTHON, NODE], ids=["python", "node"])
def test_actors_of_another_process(rt: iris.Runtime, start: Start, language: list[str]) -> None:
    _, address = start(language)
    count = found(rt, address, "count")
    assert count >= 1 << 52
    assert found(rt, address, "count") == count
    assert rt.resolve_remote(address, "nobody") is None
    for number in range(2000):
        assert rt.send(count, str(number).encode())
    assert rt.ask_blocking(count, b"how many?", DEADLINE) == b"2000 True"
    assert rt.ask_blocking(found(rt, address, "echo"), b"x" * 100_000, DEADLINE) == b"x" * 100_000
    assert rt.is_node_up(address)
    assert rt.send_remote(address, count, b"2000")
    assert rt.ask_blocking(count, b"how many?", DEADLINE) == b"2001 True"


@pytest.mark.parametrize("language", [PYTHON, NODE], ids=["python", "node"])
def test_the_end_of_an_actor_is_told_with_its_reason(
    rt: iris.Runtime, start: Start, language: list[str]
) -> None:
    _, address = start(language)
    fragile = found(rt, address, "fragile")
    watcher = rt.spawn_observed_handler()
    monitor = rt.monitor(fragile, watcher)
    rt.link(fragile, watcher)
    rt.send(fragile, b"crash")
    notices: list[iris.PySystemMessage] = []
    collect(rt, watcher, notices, 2)
    assert sorted(notice.type_name for notice in notices) == ["DOWN", "EXIT"]
    assert {notice.target_pid for notice in notices} == {fragile}
    assert {notice.reason for notice in notices} == {"Crash"}
    assert notices[0].metadata is not None
    assert notices[0].metadata["message"] == "told to crash"
    assert not rt.is_alive(fragile)
    assert not rt.demonitor(monitor)
    with pytest.raises(iris.NoProcessError):
        rt.monitor_remote(address, fragile)
    count = found(rt, address, "count")
    assert rt.stop(count)
    assert rt.join(count, DEADLINE)


@pytest.mark.parametrize("language", [PYTHON, NODE], ids=["python", "node"])
def test_a_killed_node_is_told_to_each_monitor_once(
    rt: iris.Runtime, start: Start, language: list[str]
) -> None:
    process, address = start(language)
    echo = found(rt, address, "echo")
    assert rt.monitor_remote(address, echo) == echo
    watcher = rt.spawn_observed_handler()
    monitors = {rt.monitor(echo, watcher) for _ in range(10_000)}
    process.kill()
    since = time.monotonic()
    assert rt.join(echo, DEADLINE)
    told: list[iris.PySystemMessage] = []
    collect(rt, watcher, told, 10_000)
    assert time.monotonic() - since < 3.5
    assert len(told) == len(monitors)
    assert {notice.reason for notice in told} == {"NodeDown"}
    assert not rt.is_node_up(address)
    assert rt.resolve_remote(address, "echo") is None


@pytest.mark.parametrize("language", [PYTHON, NODE], ids=["python", "node"])
def test_both_sides_prove_who_they_are(
    rt: iris.Runtime, start: Start, language: list[str], tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    iris.dev_certs(ours, ["node", "here"])
    iris.dev_certs(theirs, ["here"])
    _, address = start(language, "0.0.0.0:0", ours)
    address = address.replace("0.0.0.0", "127.0.0.1")
    rt.start_mesh(name="here", certificates=ours)
    assert rt.ask_blocking(found(rt, address, "echo"), b"secret", DEADLINE) == b"secret"
    for options in [{}, {"name": "here", "certificates": theirs}, {"name": "node2", "certificates": None}]:
        with iris.Runtime() as stranger:
            stranger.start_mesh(timeout=2.0, **options)
            assert stranger.resolve_remote(address, "echo") is None
    with iris.Runtime() as guarded:
        allow = {"here": ["time"], "other-*": ["*"]}
        address = guarded.listen("127.0.0.1:0", name="node", certificates=ours, allow=allow)
        for name in ["time", "secret"]:
            guarded.register(name, guarded.spawn(bytes.upper))
        assert rt.ask_blocking(found(rt, address, "time"), b"now", DEADLINE) == b"NOW"
        assert rt.resolve_remote(address, "secret") is None
    with pytest.raises(iris.InvalidArgumentError, match="need the name"):
        rt.listen("127.0.0.1:0", certificates=ours)


def test_a_stopped_process_is_gone_within_three_heartbeats(start: Start) -> None:
    import signal

    process, address = start(PYTHON)
    with iris.Runtime() as rt:
        echo = found(rt, address, "echo")
        process.send_signal(signal.SIGSTOP)
        since = time.monotonic()
        assert rt.join(echo, DEADLINE)
        assert 0.9 < time.monotonic() - since < 3.5
        process.send_signal(signal.SIGCONT)


def test_healing_as_the_first_release_did_it(start: Start) -> None:
    process, address = start(PYTHON)

    async def main() -> None:
        async with iris.Runtime() as rt:
            target = await rt._inner.resolve_remote_py(address, "echo")
            assert target is not None
            rt.monitor_remote(address, target)

            def factory() -> int:
                pid = rt.resolve_remote(address, "echo")
                if pid is None:
                    raise RuntimeError("not back yet")
                return pid

            rt.supervise_with_factory(target, factory, "RestartOne")
            process.kill()
            assert await asyncio.to_thread(rt.join, target, DEADLINE)
            start(PYTHON, address)
            await asyncio.to_thread(
                eventually, lambda: [pid for pid in rt.child_pids() if pid != target], "the link heals"
            )
            (healed,) = rt.child_pids()
            assert await rt.ask(healed, b"again") == b"again"

    asyncio.run(main())


def test_a_stopped_reader_refuses_what_does_not_fit(rt: iris.Runtime, start: Start) -> None:
    import resource
    import signal

    process, address = start(PYTHON)
    echo = found(rt, address, "echo")
    process.send_signal(signal.SIGSTOP)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    offered = [rt.send(echo, bytes(1 << 20)) for _ in range(1024)]
    assert not all(offered)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
    process.send_signal(signal.SIGCONT)
    eventually(
        lambda: rt.send(echo, b"again") or not rt.is_alive(echo), "it takes messages again, or is gone"
    )


def test_addresses_of_nodes_are_checked(rt: iris.Runtime) -> None:
    address = rt.listen("127.0.0.1:0", name="here", heartbeat_ms=500)
    assert rt.mesh_info() == {"name": "here", "addresses": [address], "nodes": [], "refused": 0}
    with iris.Runtime() as other:
        assert other.mesh_info() is None
        with pytest.raises(OSError, match="cannot listen on") as refused:
            other.listen(address)
        assert isinstance(refused.value, iris.ListenFailedError)
        with pytest.raises(PermissionError, match="configure TLS"):
            other.listen("0.0.0.0:0")
        with pytest.raises(iris.InvalidArgumentError):
            other.listen("nowhere")
        with pytest.raises(iris.InvalidArgumentError):
            other.start_mesh(heartbeat_ms=1)
        with pytest.raises(ConnectionError):
            other.monitor_remote("127.0.0.1:1", 1 << 28)
        assert not other.is_node_up("127.0.0.1:1")
    with iris.Runtime() as other:
        for hosts in [["10.0.0.0/8"], ["old:9000"], ["0.0.0.0"], ["nobody.invalid"], ["10.0.0.1"] * 65]:
            with pytest.raises(iris.InvalidArgumentError, match="version 1"):
                other.start_mesh(v1_hosts=hosts)
        other.start_mesh(name="other")
        with pytest.raises(iris.InvalidArgumentError, match="other options"):
            other.listen("127.0.0.1:0", name="another")
        assert other.is_node_up(address)
        assert other.mesh_info() == {"name": "other", "addresses": [], "nodes": ["here"], "refused": 0}


def test_version_1_is_spoken_with_hosts_that_are_listed(rt: iris.Runtime, tmp_path: Path) -> None:
    iris.dev_certs(tmp_path, ["here"])
    rt.register("mail", rt.spawn(bytes.upper))
    address = rt.listen("127.0.0.1:0", name="here", certificates=tmp_path, v1_hosts=["127.0.0.1"])
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as old:
        old.sendall(b"\x02")
        assert old.recv(1) == b"\x03"


@pytest.mark.parametrize("command", [PYTHON, NODE], ids=["python", "node"])
def test_nodes_that_come_and_go_are_told(rt: iris.Runtime, start: Start, command: list[str]) -> None:
    process, address = start(command)
    watcher = rt.spawn_observed_handler()
    notices: list[iris.PySystemMessage] = []
    rt.monitor_nodes(watcher)
    assert rt.is_node_up(address)
    collect(rt, watcher, notices, 1)
    process.kill()
    collect(rt, watcher, notices, 2)
    up, down = [(notice.type_name, notice.metadata) for notice in notices]
    assert up[0] == "NODE_UP"
    assert down[0] == "NODE_DOWN"
    assert up[1] is not None
    assert down[1] is not None
    assert up[1].keys() == {"node", "address"}
    assert up[1]["address"] == address
    assert down[1] == up[1] | {"message": down[1]["message"]}
    assert down[1]["message"]
    assert rt.demonitor_nodes(watcher)
    assert not rt.demonitor_nodes(watcher)
    with pytest.raises(iris.WrongActorKindError):
        rt.monitor_nodes(rt.spawn(bytes.upper))


def test_members_find_each_other(rt: iris.Runtime, start: Start) -> None:
    address = rt.listen("127.0.0.1:0", name="first", heartbeat_ms=200)
    rt.join_mesh([])
    for command in (PYTHON, NODE):
        start(command, "127.0.0.1:0", "", address)

    def members(node: iris.Runtime) -> int:
        info = node.mesh_info()
        assert info is not None
        return len(info["nodes"])

    eventually(lambda: members(rt) == 2, "both have joined")
    with iris.Runtime() as late:
        late.listen("127.0.0.1:0", name="late", heartbeat_ms=200)
        late.join_mesh([address])
        eventually(lambda: members(late) == 3, "one that comes later finds all")
        with pytest.raises(iris.InvalidArgumentError, match="joined already"):
            late.join_mesh([address])
    with iris.Runtime() as other:
        with pytest.raises(iris.InvalidArgumentError, match="must listen"):
            other.join_mesh([address])
        other.listen("127.0.0.1:0")
        with pytest.raises(iris.InvalidArgumentError, match="host:port"):
            other.join_mesh(["nowhere"])
        with pytest.raises(PermissionError):
            other.join_mesh(["192.0.2.1:9000"])


def test_a_global_name_is_found_from_every_member(rt: iris.Runtime, start: Start) -> None:
    address = rt.listen("127.0.0.1:0", name="first", heartbeat_ms=200)
    pid = rt.spawn(bytes.upper)
    with pytest.raises(iris.InvalidArgumentError, match="join_mesh"):
        rt.register("here", pid, global_=True)
    rt.join_mesh([])
    rt.register("here", pid, global_=True)
    processes = [start(command, "127.0.0.1:0", "", address)[0] for command in (PYTHON, NODE)]
    for name in ("python", "node"):
        eventually(lambda name=name: rt.whereis(name) is not None, f"{name} is found")
        proxy = rt.whereis(name)
        assert proxy is not None
        assert rt.ask_blocking(proxy, b"hello", timeout=DEADLINE) == b"hello"
        with pytest.raises(iris.NameTakenError):
            rt.register(name, pid, global_=True)
    with iris.Runtime() as late:
        late.listen("127.0.0.1:0", name="late", heartbeat_ms=200)
        late.join_mesh([address])
        eventually(lambda: late.whereis("here") is not None, "one that comes later finds it")
        proxy = late.whereis("here")
        assert proxy is not None
        assert late.ask_blocking(proxy, b"hello", timeout=DEADLINE) == b"HELLO"
    for process in processes:
        process.kill()
    eventually(lambda: rt.whereis("python") is None and rt.whereis("node") is None, "the names are free")


def test_what_happens_between_nodes_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "iris.mesh")

    def logged(level: int, text: str) -> bool:
        return any(record.levelno == level and text in record.getMessage() for record in caplog.records)

    with iris.Runtime() as here, iris.Runtime() as there:
        address = here.listen("127.0.0.1:0", name="here")
        there.start_mesh(name="there")
        assert there.is_node_up(address)
        eventually(lambda: logged(logging.INFO, "node up [node=there peer=here]"), "the caller's line")
        eventually(lambda: logged(logging.INFO, "node up [node=here peer=there]"), "the listener's line")
        host, port = address.split(":")
        with socket.create_connection((host, int(port))) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert stranger.recv(1) == b""
        refused = "a connection was closed before it was made [node=here from=127.0.0.1:"
        eventually(lambda: logged(logging.WARNING, refused), "a stranger's line")
        there.close()
        down = "node down [node=here peer=there reason=the peer said goodbye"
        eventually(lambda: logged(logging.INFO, down), "the end's line")
    assert {record.name for record in caplog.records} == {"iris.mesh"}


def test_a_logger_that_fails_or_asks_the_runtime_hurts_nobody() -> None:
    logger, seen = logging.getLogger("iris.mesh"), []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append((record.getMessage(), here.mesh_info()))
            raise ValueError("a handler that fails")

        def handleError(self, record: logging.LogRecord) -> None:
            raise RuntimeError("and says so")

    handler = Handler(logging.INFO)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with iris.Runtime() as here, iris.Runtime() as there:
            address = here.listen("127.0.0.1:0", name="here")
            assert there.is_node_up(address)
            eventually(lambda: any("node up" in message for message, _ in seen), "a line")
            there.close()
            eventually(lambda: any("node down" in message for message, _ in seen), "a later line")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
