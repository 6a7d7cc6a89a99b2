"""Bad input where it is awaited or sent far away: async mailboxes, and the calls to other nodes."""

from __future__ import annotations

import asyncio
import inspect
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import iris
import pytest
from conftest import DEADLINE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_bad_input import DOCUMENTED, EXAMPLES, ODD, TEXTS, outcome, parameters, public_methods, values
from test_bad_times import LONG_TIMES, NO_TIMES

if TYPE_CHECKING:
    from collections.abc import Iterator

FUZZ = settings(
    max_examples=EXAMPLES // 10, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """What actors crash by on purpose is not told."""
    logging.getLogger("iris").disabled = True
    yield
    logging.getLogger("iris").disabled = False


async def use_mailbox(method: str, arguments: dict[str, Any]) -> None:
    """A function calls a method of its mailbox, awaits what that gives for a moment, and receives as if nothing had been."""
    received: list[object] = []

    async def function(mailbox: iris.AsyncMailbox) -> None:
        # An odd matcher divides by zero.
        with suppress(ZeroDivisionError, TimeoutError, *DOCUMENTED):
            made = getattr(mailbox, method)(**arguments)
            if inspect.isawaitable(made):
                got = await asyncio.wait_for(made, 0.01)
                received.extend(got if isinstance(got, list) else [got])
        while b"last" not in received:
            received.append(await mailbox.recv(timeout=DEADLINE))
            assert received[-1] is not None

    async with iris.Runtime() as rt:
        observed = rt.spawn_observed_handler()
        pid = rt.spawn_with_mailbox(function)
        rt.link(observed, pid)
        rt.send_many(pid, [b"first", b"", b"last"])
        told = await rt.selective_recv(observed, lambda _: True, timeout=DEADLINE)
        assert isinstance(told, iris.SystemMessage)
        assert told.reason == "Normal", told.metadata
        assert await rt.ask(rt.spawn(bytes.upper), b"alive", timeout=DEADLINE) == b"ALIVE"


@pytest.mark.parametrize("method", [*public_methods(iris.AsyncMailbox), "__anext__", "__aiter__"])
def test_odd_values_for_an_async_mailbox(method: str) -> None:
    takes = parameters(getattr(iris.AsyncMailbox, method)) if not method.startswith("__") else []

    @FUZZ
    @given(st.data())
    def call(data: st.DataObject) -> None:
        asyncio.run(use_mailbox(method, {p.name: data.draw(values(p.name, []), p.name) for p in takes}))

    call()


@pytest.mark.parametrize("method", ["Runtime.ask", "ActorRef.ask", "Runtime.selective_recv"])
def test_odd_values_for_what_is_awaited(method: str) -> None:
    owner, name = method.split(".")
    takes = parameters(getattr(getattr(iris, owner), name))

    async def use(arguments: dict[str, Any], pids: list[int]) -> None:
        called = near if owner == "Runtime" else near.ref(pids[0])
        # An odd matcher divides by zero.
        with suppress(ZeroDivisionError, TimeoutError, *DOCUMENTED):
            await asyncio.wait_for(getattr(called, name)(**arguments), 0.01)
        assert await near.ask(near.spawn(bytes.upper), b"alive", timeout=DEADLINE) == b"ALIVE"

    @FUZZ
    @given(st.data())
    def call(data: st.DataObject) -> None:
        pids = [near.spawn(bytes.upper), near.spawn_observed_handler()]
        times = st.sampled_from([*NO_TIMES, *LONG_TIMES, 0, 0.001, "x", None])
        arguments = {
            p.name: data.draw(times if p.name == "timeout" else values(p.name, pids), p.name) for p in takes
        }
        asyncio.run(use(arguments, pids))

    with iris.Runtime() as near:
        call()


class Far:
    """A node that others speak to, and what of it may be given to their calls."""

    def __init__(self) -> None:
        self.rt = iris.Runtime()
        self.echo = self.rt.spawn(bytes.upper)
        self.rt.register("x", self.echo)
        self.address = self.rt.listen("127.0.0.1:0")

    def fitting(self, name: str, near: iris.Runtime) -> st.SearchStrategy[object]:
        """Values that get a call past its first checks."""
        proxy = near.resolve_remote(self.address, "x")
        known: dict[str, list[object]] = {
            "addr": [
                self.address,
                "127.0.0.1:0",
                "127.0.0.1:1",
                "127.0.0.1:99999",
                "localhost",
                ":0",
                "[::1]:0",
            ],
            "name": ["x", *TEXTS],
            "pid": [proxy, self.echo, near.spawn_observed_handler(), 2**52, 2**53 - 1],
            "data": [b"x", b"x" * 2_000_000],
            "heartbeat_ms": [1, 1000, 2**31, 2**40],
            "payload_max": [1, 1000, 2**20, 2**40],
            "window": [1, 1000, 2**24, 2**50],
            "certificates": [None, "", "nowhere", "\0"],
            "allow": [None, {}, {"*": ["x"]}, {"*": []}, {"": [""]}, {"*": "x"}, {1: ["x"]}, {"*": [1]}],
            "insecure": [None, True, False],
            "v1_hosts": [None, [], ["10.0.0.1"], ["a b"], "x", [1], ["10.0.0.1"] * 65],
        }
        return st.sampled_from(known.get(name, ODD))


@pytest.fixture(scope="module")
def far() -> Iterator[Far]:
    """One node for all examples: what one of them leaves behind must not hurt the next."""
    made = Far()
    yield made
    assert made.rt.ask_blocking(made.echo, b"alive", timeout=DEADLINE) == b"ALIVE"
    made.rt.close()


REMOTE = ["resolve_remote", "send_remote", "monitor_remote", "is_node_up", "monitor_nodes", "demonitor_nodes"]


@pytest.mark.parametrize("method", [*REMOTE, "listen", "start_mesh", "mesh_info"])
def test_odd_values_for_other_nodes(far: Far, method: str) -> None:
    takes = parameters(getattr(iris.Runtime, method))
    near = iris.Runtime()
    near.start_mesh(timeout=0.2)

    @FUZZ
    @given(st.data())
    def call(data: st.DataObject) -> None:
        arguments = {}
        for parameter in takes:
            fitting = far.fitting(parameter.name, near)
            odd = values(parameter.name, [near.spawn_observed_handler()])
            arguments[parameter.name] = data.draw(st.one_of(fitting, fitting, odd), parameter.name)
        # What makes a node makes it once.
        with iris.Runtime() as fresh, suppress(*DOCUMENTED):
            outcome(getattr(near if method in REMOTE else fresh, method), arguments)
        assert near.ask_blocking(near.spawn(bytes.upper), b"alive", timeout=DEADLINE) == b"ALIVE"

    call()
    proxy = near.resolve_remote(far.address, "x")
    assert proxy is not None
    assert near.ask_blocking(proxy, b"alive", timeout=DEADLINE) == b"ALIVE"
    near.close()
