"""Bad input: every public method with wrong and odd values gives a defined outcome or a documented error, and never hangs."""

from __future__ import annotations

import array
import decimal
import inspect
import logging
import math
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import iris
import pytest
from conftest import DEADLINE, Inbox, eventually, run_script, times
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EXAMPLES = times("IRIS_FUZZ_EXAMPLES", 300)

# What the documents allow a call to raise for what it was given: the runtime's own errors, and Python's for a wrong type, a
# wrong value (text that is not Unicode) and memory that is not there.
DOCUMENTED = (iris.IrisError, TypeError, ValueError, MemoryError)


class Index:
    """An integer by protocol."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __index__(self) -> int:
        return self.number


class Text(str):
    """A string by inheritance."""

    __slots__ = ()


HUGE = [2**31, 2**32, 2**52, 2**63 - 1, 2**63, 2**64, 10**400]
NUMBERS = [0, 1, 2, 5, -1, *HUGE, *(-number for number in HUGE), True, False, Index(3), Index(2**70)]
FLOATS = [0.0, -0.0, 0.5, 1.0, -1.0, 1e308, 5e-324, math.nan, math.inf, -math.inf, decimal.Decimal(1)]
TEXTS = [
    "",
    "x",
    "/",
    "//",
    "/a",
    "/a/",
    "/a//b",
    "..",
    "/a/../b",
    "\0",
    "a\0b",
    "\ud800",
    "ä" * 300,
    Text("x"),
]
LONG_TEXTS = ["x" * 100_000, "/" + "a/" * 50_000]
WORDS = [
    "RestartOne",
    "restart_all",
    "one_for_one",
    "block",
    "dropold",
    "redirect",
    "spill",
    "permanent",
    "pull",
]
DATA = [
    b"",
    b"x",
    b"x" * 100_000,
    bytearray(b"x"),
    memoryview(b"x"),
    memoryview(b"xyz")[::2],
    array.array("d", [1]),
]
THINGS = [
    None,
    object(),
    [],
    [b"x"],
    [b"x", 1],
    (),
    (0.0, 0.0),
    (1, 2, 3),
    {},
    {b"x": 1},
    set(),
    print,
    int,
    ...,
]
ODD: list[object] = [*NUMBERS, *FLOATS, *TEXTS, *LONG_TEXTS, *WORDS, *DATA, *THINGS]
ODD += [lambda: None, lambda message: message, lambda *_: 1 / 0, type("Hidden", (), {})]


class World:
    """A runtime with an actor of every kind, and what calls may be given of it."""

    def __init__(self) -> None:
        self.rt, other = iris.Runtime(), iris.Runtime()
        dead = self.rt.spawn(print)
        self.rt.stop(dead)
        self.handler: Callable[[object], None] = lambda message: None
        rt = self.rt
        self.pids = {
            "push": rt.spawn(self.handler),
            "bounded": rt.spawn_py_handler_bounded(self.handler, 10, 2),
            "observed": rt.spawn_observed_handler(),
            "virtual": rt.spawn_virtual(self.handler),
            "pull": rt.spawn_with_mailbox(self.receive),
            "supervisor": rt.spawn_supervisor(),
            "dead": dead,
            "stranger": other.spawn(self.handler),
        }
        self.strangers = other
        self.mailbox: iris.Mailbox | None = None

    @staticmethod
    def receive(mailbox: iris.Mailbox) -> None:
        """A pull function that takes what comes."""
        while mailbox.recv() is not None:
            pass

    def close(self) -> None:
        """End all of it."""
        self.rt.close()
        self.strangers.close()


# What would wait for ever, or take the memory of the machine, is given these values alone.
QUICK_TIMEOUTS = st.sampled_from(
    [0, 0.0, -0.0, 0.001, False, -1, math.nan, -math.inf, "x", b"", [], -(10**400)]
)
SMALL_SIZES = st.sampled_from(
    [1, 100, 0, -1, -(2**63), 2**62, 2**63, 2**64, 1.5, math.nan, "1", None, Index(7)]
)
FEW_WORKERS = st.sampled_from([1, 3, 0, -1, 2**40, 2**64, 1.5, "x", None])
FITTING = {
    "budget": st.sampled_from([1, 100]),
    "capacity": st.sampled_from([1, 2]),
    "handler": st.just(lambda message: None),
    "data": st.sampled_from(DATA),
    "name": st.sampled_from(TEXTS),
    "path": st.sampled_from(TEXTS),
    "prefix": st.sampled_from(TEXTS),
    "strategy": st.sampled_from(WORDS),
    "policy": st.sampled_from(WORDS),
}


def parameters(method: object) -> list[inspect.Parameter]:
    """What a method takes, without the instance."""
    return [p for p in inspect.signature(method).parameters.values() if p.name != "self"]  # type: ignore[arg-type]


def values(name: str, pids: list[int]) -> st.SearchStrategy[object]:
    """What to give for a parameter: any odd thing, or what fits, so that calls get past the first check."""
    if name == "timeout":
        return QUICK_TIMEOUTS
    if name == "size":
        return SMALL_SIZES
    if name == "workers":
        return FEW_WORKERS
    odd = st.one_of(st.sampled_from(ODD), st.integers(), st.floats(), st.text(), st.binary())
    pid_names = ("pid", "a", "b", "parent", "supervisor", "watcher", "target")
    fitting = st.sampled_from(pids) if name in pid_names else FITTING.get(name, odd)
    return st.one_of(odd, fitting, fitting)


def public_methods(thing: object) -> list[str]:
    """What users may call on it."""
    return [
        name
        for name in dir(thing)
        if not name.startswith("_")
        and callable(getattr(thing, name))
        and name not in ("close", "aclose", "shutdown")
    ]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One world for all examples: what one of them leaves behind must not hurt the next."""
    logging.getLogger("iris").disabled = True
    made = World()
    yield made
    made.close()
    logging.getLogger("iris").disabled = False


METHODS = [f"Runtime.{name}" for name in public_methods(iris.Runtime)]
METHODS += [f"ActorRef.{name}" for name in public_methods(iris.ActorRef)]
METHODS += [f"Mailbox.{name}" for name in public_methods(iris.Mailbox)]
METHODS += [
    "iris.allocate_buffer",
    "iris.version",
    "iris.Runtime",
    "iris.PySystemMessage",
    "iris.Mailbox",
    "iris.dev_certs",
]


def receiver(world: World, owner: str) -> object:
    """The object whose method is called; a mailbox outlives its actor's function."""
    if owner == "Runtime":
        return world.rt
    if owner == "ActorRef":
        if not world.rt.is_alive(world.pids["push"]):
            world.pids["push"] = world.rt.spawn(world.handler)
        return world.rt.ref(world.pids["push"])
    if owner == "Mailbox":
        kept: list[iris.Mailbox] = []
        pid = world.rt.spawn_with_mailbox(lambda mailbox: kept.append(mailbox))
        assert world.rt.join(pid, DEADLINE)
        return kept[0]
    return iris


@pytest.mark.parametrize("method", METHODS)
def test_odd_values_give_a_documented_error_or_a_result(world: World, method: str, tmp_path: Path) -> None:
    owner, name = method.split(".")
    function = getattr(iris if owner == "iris" else getattr(iris, owner), name)
    try:
        takes = parameters(function)
    except ValueError:
        takes = []

    @settings(
        max_examples=EXAMPLES // 10, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.data())
    def call(data: st.DataObject) -> None:
        pids = list(world.pids.values())
        arguments = {p.name: data.draw(values(p.name, pids), p.name) for p in takes}
        if isinstance(directory := arguments.get("directory"), str):
            # What is written goes where it is found again.
            arguments["directory"] = f"{tmp_path}/{directory}"
        target = receiver(world, owner)
        with suppress(*DOCUMENTED):
            outcome(getattr(target, name), arguments)
        assert world.rt.ask_blocking(world.rt.spawn(bytes.upper), b"alive", timeout=DEADLINE) == b"ALIVE"

    call()


def outcome(function: Callable[..., object], arguments: dict[str, Any]) -> None:
    """Call it, and end what would not end by itself: an awaitable that nobody awaits, a runtime of its own."""
    try:
        made = function(**arguments)
    except RuntimeError as error:
        # An `ask` is for event loops, and says so.
        if "event loop" not in str(error):
            raise
        return
    except ZeroDivisionError:
        # What an odd matcher or handler does.
        return
    if inspect.iscoroutine(made) or isinstance(made, iris.Runtime):
        made.close()


@pytest.mark.parametrize("seconds", [-1, -0.001, math.nan, -math.inf, -(10**400)], ids=range(5))
@pytest.mark.parametrize("call", ["join", "ask_blocking", "selective_recv_blocking", "shutdown"])
def test_times_that_are_none_are_refused(rt: iris.Runtime, call: str, seconds: float) -> None:
    pid = rt.spawn_observed_handler()
    calls: dict[str, Callable[[], object]] = {
        "join": lambda: rt.join(pid, seconds),
        "ask_blocking": lambda: rt.ask_blocking(pid, b"", seconds),
        "selective_recv_blocking": lambda: rt.selective_recv_blocking(pid, lambda message: True, seconds),
        "shutdown": lambda: rt.shutdown(seconds),
    }
    with pytest.raises(iris.InvalidArgumentError, match="at least 0 seconds"):
        calls[call]()
    assert rt.is_alive(pid)


@pytest.mark.parametrize("seconds", [1e9, 1e308, math.inf, 10**400], ids=["1e9", "1e308", "inf", "10**400"])
def test_huge_times_are_long_times(rt: iris.Runtime, seconds: float) -> None:
    pid = rt.spawn(bytes.upper)
    assert rt.ask_blocking(pid, b"x", timeout=seconds) == b"X"
    threading.Timer(0.01, lambda: rt.stop(pid)).start()
    assert rt.join(pid, seconds)
    supervisor = rt.spawn_supervisor(period=seconds, backoff=(0.0, seconds))
    assert rt.is_alive(supervisor)
    rt.shutdown(timeout=seconds)


NO_NUMBERS: list[tuple[str, Callable[[iris.Runtime, int], object]]] = [
    ("interval 0", lambda rt, pid: rt.send_interval(pid, 0, b"")),
    ("capacity 0", lambda rt, pid: rt.spawn_py_handler_bounded(print, 100, 0)),
    ("budget 0", lambda rt, pid: rt.spawn(print, 0)),
    ("budget -1", lambda rt, pid: rt.spawn(print, -1)),
    ("budget 2**64", lambda rt, pid: rt.spawn(print, 2**64)),
    ("pool of 0", lambda rt, pid: rt.spawn_child_pool(pid, print, 0)),
    ("pool of 2**64", lambda rt, pid: rt.spawn_child_pool(pid, print, 2**64)),
    ("no threads in the pool", lambda rt, pid: rt.set_release_gil_limits(1, 0)),
    ("2**64 threads", lambda rt, pid: rt.set_release_gil_limits(2**64, 8)),
    ("rollback by 0", lambda rt, pid: rt.rollback_behavior(pid, 0)),
    ("delay -1", lambda rt, pid: rt.send_after(pid, -1, b"")),
    ("period 0", lambda rt, pid: rt.spawn_supervisor(period=0)),
    ("intensity -1", lambda rt, pid: rt.spawn_supervisor(intensity=-1)),
    ("backoff nan", lambda rt, pid: rt.spawn_supervisor(backoff=(math.nan, 1.0))),
    ("backoff that shrinks", lambda rt, pid: rt.spawn_supervisor(backoff=(2.0, 1.0))),
    ("buffer of 0", lambda rt, pid: iris.allocate_buffer(0)),
    ("idle 0", lambda rt, pid: rt.spawn_virtual(print, 100, 0)),
    ("name of nothing", lambda rt, pid: rt.register("", pid)),
    ("name with NUL", lambda rt, pid: rt.register("a\0b", pid)),
    ("name without end", lambda rt, pid: rt.register("x" * 100_000, pid)),
    ("path of nothing", lambda rt, pid: rt.register_path("", pid)),
    ("path with NUL", lambda rt, pid: rt.register_path("/a\0b", pid)),
    ("path without root", lambda rt, pid: rt.register_path("a/b", pid)),
    ("path with an empty segment", lambda rt, pid: rt.register_path("/a//b", pid)),
    ("path that climbs", lambda rt, pid: rt.register_path("/a/../b", pid)),
    ("path without end", lambda rt, pid: rt.register_path("/" + "a/" * 50_000, pid)),
    ("link with itself", lambda rt, pid: rt.link(pid, pid)),
    ("unknown strategy", lambda rt, pid: rt.watch(pid, "RestartSome")),
    ("unknown policy", lambda rt, pid: rt.set_overflow_policy(pid, "explode")),
]


@pytest.mark.parametrize(("what", "call"), NO_NUMBERS, ids=[what for what, _ in NO_NUMBERS])
def test_values_outside_their_range_are_refused(
    rt: iris.Runtime, what: str, call: Callable[[iris.Runtime, int], object]
) -> None:
    pid = rt.spawn(print)
    with pytest.raises(iris.InvalidArgumentError) as refused:
        call(rt, pid)
    assert len(str(refused.value)) > 15, "says what is allowed"
    assert rt.stats()["actors"] == 1


def test_text_that_is_not_unicode_is_refused(rt: iris.Runtime) -> None:
    pid, text = rt.spawn(print), os.fsdecode(b"/\xff")
    calls: list[Callable[[], object]] = [
        lambda: rt.register(text, pid),
        lambda: rt.whereis(text),
        lambda: rt.send_named(text, b""),
        lambda: rt.register_path(text, pid),
        lambda: rt.list_children(text),
        lambda: rt.create_path_supervisor(text),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="surrogates"):
            call()
    assert (rt.stats()["names"], rt.stats()["paths"]) == (0, 0)


@pytest.mark.parametrize("pid", [0, -1, 1, 2**28 - 1, 2**52, 2**53 + 1, 2**64, -(2**64), True])
def test_pids_that_no_actor_has(rt: iris.Runtime, pid: int) -> None:
    assert not rt.send(pid, b"x")
    assert not rt.is_alive(pid)
    assert not rt.stop(pid)
    assert rt.join(pid, 0)
    assert rt.mailbox_size(pid) is None
    assert rt.actor_info(pid) is None
    assert not rt.unsupervise(pid)
    assert not rt.cancel_timer(pid)
    for call in (rt.ref, rt.get_messages, rt.behavior_version, rt.rollback_behavior):
        with pytest.raises(iris.NoProcessError):
            call(pid)


@pytest.mark.parametrize("pid", [1.0, 0.5, math.nan, "1", b"1", None, (), decimal.Decimal(1), 1j])
def test_pids_that_are_no_integers(rt: iris.Runtime, pid: Any) -> None:
    for call in (rt.is_alive, rt.stop, rt.join, rt.ref, lambda pid: rt.send(pid, b"x")):
        with pytest.raises(TypeError):
            call(pid)


@pytest.mark.parametrize("number", [-1, -(2**64), 2**64, 2**63 - 1, 10**400], ids=range(5))
def test_numbers_that_name_nothing(rt: iris.Runtime, number: int) -> None:
    assert not rt.cancel_timer(number)
    assert not rt.demonitor(number)
    with pytest.raises(iris.NoSuchBufferError):
        rt.send_buffer(rt.spawn(print), number)


def test_pids_of_another_runtime_name_nobody(rt: iris.Runtime) -> None:
    with iris.Runtime() as other:
        stranger = other.spawn(print)
        assert not rt.send(stranger, b"x")
        assert not rt.stop(stranger)
        with pytest.raises(iris.NoProcessError):
            rt.link(rt.spawn(print), stranger)
        assert other.is_alive(stranger)


@pytest.mark.parametrize("name", ["IRIS_MAX_RELEASE_GIL_THREADS", "MYRMIDON_GIL_POOL_SIZE"])
@pytest.mark.parametrize(
    "value", ["", "x", "-1", "1.5", "99999999999999999999999", "nan", " ", "0x10", "\udcff"]
)
def test_bad_values_in_the_environment(name: str, value: str) -> None:
    script = """
import iris
try:
    iris.Runtime()
except iris.InvalidArgumentError as error:
    print(error)
"""
    done = run_script(script, **{name: value})
    assert name in done.stdout, (done.stdout, done.stderr)
    assert done.stderr == ""


def test_a_mailbox_that_is_full_of_its_own_messages(rt: iris.Runtime) -> None:
    taken: list[bool] = []
    pid = rt.spawn_py_handler_bounded(
        lambda message: taken.extend(rt.send(pid, b"x") for _ in range(3)), 10, 2
    )
    rt.set_overflow_policy(pid, "block")
    assert rt.send(pid, b"x")
    eventually(lambda: len(taken) >= 3, "the handler")
    assert taken[:3] == [True, True, False]
    rt.stop(pid)


def test_redirects_in_a_circle(rt: iris.Runtime) -> None:
    held, entered = threading.Event(), threading.Semaphore(0)

    def block(message: bytes) -> None:
        entered.release()
        held.wait(DEADLINE)

    pids = [rt.spawn_py_handler_bounded(block, 1, 1) for _ in range(3)]
    for number, pid in enumerate(pids):
        rt.set_overflow_policy(pid, "redirect", pids[(number + 1) % 3])
        assert rt.send(pid, b"held")
        assert entered.acquire(timeout=DEADLINE)
        assert rt.send(pid, b"fills")
    assert not rt.send(pids[0], b"nowhere")
    held.set()


def test_a_mailbox_used_in_odd_places(rt: iris.Runtime, inbox: Inbox) -> None:
    kept: list[iris.Mailbox] = []
    go = threading.Event()

    def function(mailbox: iris.Mailbox) -> None:
        kept.append(mailbox)
        go.wait(DEADLINE)

    pid = rt.spawn_with_mailbox(function)
    eventually(lambda: kept, "the mailbox")
    rt.send_many(pid, [b"in a handler", b"in a thread"])
    reads = rt.spawn(lambda message: kept[0].recv(timeout=0))
    assert rt.ask_blocking(reads, b"", timeout=DEADLINE) == b"in a handler"
    threading.Thread(target=lambda: inbox(kept[0].recv(timeout=0) or b"")).start()
    assert inbox.wait(1) == [b"in a thread"]
    go.set()
    assert rt.join(pid, DEADLINE)
    assert kept[0].recv() is None
    assert kept[0].recv_many(5) == []
    assert kept[0].selective_recv(lambda message: True) is None
    assert not kept[0].reply(b"never sent", b"x")


def test_stop_in_every_place(rt: iris.Runtime, inbox: Inbox) -> None:
    def stops_itself(message: bytes) -> None:
        assert rt.stop(rt.current_pid() or 0)
        assert not rt.stop(rt.current_pid() or 0)
        inbox(message)

    pid = rt.spawn(stops_itself)
    rt.send_many(pid, [b"first", b"never"])
    assert inbox.wait(1) == [b"first"]
    assert rt.join(pid, DEADLINE)
    parent = rt.spawn(print)
    child = rt.spawn_child(parent, print)
    assert rt.stop(child)
    assert rt.is_alive(parent)
    supervisor = rt.spawn_supervisor()
    supervised = rt.start_child(supervisor, lambda: print)
    assert [rt.stop(supervised), rt.stop(supervised)] == [True, False]
    # A stop in the midst of a start: the supervisor is gone when its child is to begin.
    with suppress(iris.NoProcessError):
        rt.start_child(supervisor, lambda: rt.stop(supervisor) and print)
    assert rt.join(supervisor, DEADLINE)
    eventually(lambda: rt.stats()["actors"] == 1, "nobody but the parent to be left")
