"""Users who misbehave: what their code does hurts one actor, and the rest goes on."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from typing import TYPE_CHECKING, Any

import iris
import pytest
from conftest import DEADLINE, Inbox, eventually
from handed_over import USES, Things

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def bystander(rt: iris.Runtime) -> Iterator[int]:
    """An actor that has nothing to do with it, and works at the end as at the beginning."""
    logging.getLogger("iris").disabled = True
    pid = rt.spawn(bytes.upper)
    yield pid
    assert rt.ask_blocking(pid, b"still here", timeout=DEADLINE) == b"STILL HERE"
    logging.getLogger("iris").disabled = False


def recurse(message: object) -> None:
    """Recurse for ever."""
    recurse(message)


async def recurse_later(message: object) -> None:
    """Recurse for ever by coroutines that wait for each other."""
    await recurse_later(message)


def raiser(error: type[BaseException]) -> Callable[[object], object]:
    """A handler that raises."""

    def handler(_: object) -> object:
        raise error("own")

    return handler


class BadText(Exception):
    """An exception that cannot be told of."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


ERRORS = [ValueError, BaseException, SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, MemoryError]
KINDS = ["push", "own thread", "async", "pull", "async pull"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", ERRORS)
def test_whatever_a_handler_raises_ends_its_actor(
    rt: iris.Runtime, kind: str, error: type[BaseException]
) -> None:
    handler = raiser(error)

    async def later(message: object) -> object:
        return handler(message)

    watcher = rt.spawn_observed_handler()
    gate = threading.Event()
    if "pull" in kind:
        # The function begins when the link is made.
        def function(mailbox: iris.Mailbox) -> object:
            return gate.wait(DEADLINE) and handler(mailbox.recv())

        async def slow(mailbox: iris.AsyncMailbox) -> object:
            return handler(await mailbox.recv())

        pid = rt.spawn_with_mailbox(slow if kind == "async pull" else function)
    else:
        pid = rt.spawn(later if kind == "async" else handler, release_gil=kind == "own thread")
    rt.link(watcher, pid)
    gate.set()
    rt.send(pid, b"x")
    told = rt.selective_recv_blocking(watcher, lambda _: True, DEADLINE)
    assert isinstance(told, iris.SystemMessage)
    assert (told.type_name, told.reason) == ("EXIT", "Crash")
    assert not rt.is_alive(pid)


def test_an_exception_that_cannot_be_told_of_ends_its_actor(rt: iris.Runtime) -> None:
    for own_thread in (False, True):
        pid = rt.spawn(raiser(BadText), release_gil=own_thread)
        rt.send(pid, b"x")
        assert rt.join(pid, DEADLINE)


def test_what_ends_a_task_does_not_end_the_loop_of_the_others(rt: iris.Runtime) -> None:
    async def upper(mailbox: iris.AsyncMailbox) -> None:
        async for message in mailbox:
            mailbox.reply(message, bytes(message).upper())  # type: ignore[arg-type]

    async def leave(message: bytes) -> None:
        if message == b"stop":
            asyncio.get_running_loop().stop()
        else:
            raise SystemExit

    pid = rt.spawn_with_mailbox(upper)
    for message in (b"stop", b"exit"):
        rt.ask_blocking(pid, b"x", timeout=DEADLINE)
        rt.send(rt.spawn(leave), message)
        assert rt.ask_blocking(pid, b"x", timeout=DEADLINE) == b"X"


@pytest.mark.parametrize("kind", KINDS)
def test_endless_recursion_ends_its_actor(rt: iris.Runtime, kind: str) -> None:
    gate, watcher = threading.Event(), rt.spawn_observed_handler()

    def pull(mailbox: iris.Mailbox) -> None:
        gate.wait(DEADLINE)
        recurse(mailbox.recv())

    async def pull_later(mailbox: iris.AsyncMailbox) -> None:
        await recurse_later(await mailbox.recv())

    if "pull" in kind:
        pid = rt.spawn_with_mailbox(pull_later if kind == "async pull" else pull)
    else:
        pid = rt.spawn(recurse_later if kind == "async" else recurse, release_gil=kind == "own thread")
    rt.link(watcher, pid)
    gate.set()
    rt.send(pid, b"x")
    told = rt.selective_recv_blocking(watcher, lambda _: True, DEADLINE)
    assert isinstance(told, iris.SystemMessage)
    assert told.metadata is not None
    assert (told.reason, told.metadata["type"]) == ("Crash", "RecursionError")
    assert rt.join(pid, DEADLINE)


# What is no answer: another type, and what is odd to look at.
NO_ANSWERS: dict[str, Callable[[], object]] = {
    "int": lambda: 5,
    "str": lambda: "text",
    "list": lambda: [b"x"],
    "type": lambda: bytes,
    "Unseen": lambda: Unseen(),
}


class Unseen:
    """An answer that fails whoever looks at it."""

    def __bytes__(self) -> bytes:
        raise ValueError("of bytes")

    def __bool__(self) -> bool:
        raise ValueError("of bool")

    __repr__ = __str__ = __len__ = __bytes__  # type: ignore[assignment]


@pytest.mark.parametrize("kind", ["push", "own thread", "async"])
@pytest.mark.parametrize("what", NO_ANSWERS)
def test_what_is_no_answer_fails_the_ask_alone_and_is_ignored_after_a_send(
    rt: iris.Runtime, inbox: Inbox, kind: str, what: str
) -> None:
    def handler(message: bytes) -> object:
        inbox(message)
        return message.upper() if message == b"said" else NO_ANSWERS[what]()

    async def later(message: bytes) -> object:
        return handler(message)

    pid = rt.spawn(later if kind == "async" else handler, release_gil=kind == "own thread")
    assert rt.send_many(pid, [b"sent"] * 3) == 3
    assert rt.ask_blocking(pid, b"said", timeout=DEADLINE) == b"SAID"
    assert inbox.messages == [b"sent"] * 3 + [b"said"]
    with pytest.raises(iris.AskFailedError, match=what):
        rt.ask_blocking(pid, b"asked", timeout=DEADLINE)
    assert rt.ask_blocking(pid, b"said", timeout=DEADLINE) == b"SAID"
    assert (rt.is_alive(pid), rt.stats()["crashed"], rt.stats()["exited"]) == (True, 0, 0)


def test_asks_in_a_circle_time_out(rt: iris.Runtime) -> None:
    pids: list[int] = []

    def ask_next(message: bytes) -> bytes:
        following = pids[(pids.index(rt.current_pid() or 0) + 1) % len(pids)]
        try:
            return rt.ask_blocking(following, message, timeout=0.1)
        except iris.AskTimeoutError as error:
            return str(error).encode()

    pids += [rt.spawn(ask_next) for _ in range(3)]
    assert b"did not answer within" in rt.ask_blocking(pids[0], b"x", timeout=DEADLINE)


def test_handlers_that_swap_and_stop_themselves(rt: iris.Runtime, inbox: Inbox) -> None:
    def first(message: bytes) -> None:
        rt.hot_swap(rt.current_pid() or 0, second)
        inbox(b"first " + message)

    def second(message: bytes) -> None:
        inbox(b"second " + message)
        rt.stop(rt.current_pid() or 0)

    pid = rt.spawn(first)
    rt.send_many(pid, [b"1", b"2", b"3"])
    assert inbox.wait(2) == [b"first 1", b"second 2"]
    assert rt.join(pid, DEADLINE)


# What a factory gives, or does, when it is called first.
MISBEHAVIOURS: dict[str, Callable[[iris.Runtime, dict[str, int]], object]] = {
    "raises": lambda rt, pids: raiser(ValueError)(pids),
    "exits": lambda rt, pids: raiser(SystemExit)(pids),
    "gives nothing": lambda rt, pids: None,
    "gives no number": lambda rt, pids: "no pid",
    "gives a coroutine": lambda rt, pids: asyncio.sleep(0),
    "gives a negative number": lambda rt, pids: -1,
    "gives a huge number": lambda rt, pids: 2**70,
    "gives what exited": lambda rt, pids: pids["first"],
    "gives another that ended": lambda rt, pids: pids["dead"],
    "gives a live sibling": lambda rt, pids: pids["sibling"],
    "gives another runtime's": lambda rt, pids: pids["foreign"],
    "gives its supervisor": lambda rt, pids: (rt.actor_info(pids["sibling"]) or {})["supervisor"],
}


@pytest.mark.parametrize("what", MISBEHAVIOURS)
@pytest.mark.filterwarnings("ignore:coroutine 'sleep' was never awaited:RuntimeWarning")
def test_factories_that_misbehave(rt: iris.Runtime, what: str) -> None:
    made: list[int] = []
    calls = 0

    def factory() -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            return MISBEHAVIOURS[what](rt, pids)
        made.append(rt.spawn(print))
        return made[-1]

    with iris.Runtime() as other:
        pids = {name: rt.spawn(bytes.upper) for name in ("first", "sibling", "dead")}
        pids["foreign"] = other.spawn(bytes.upper)
        rt.stop(pids["dead"])
        rt.watch(pids["sibling"], "RestartOne")
        rt.supervise_with_factory(pids["first"], factory, "RestartOne")
        rt.stop(pids["first"])
        eventually(lambda: made and made[0] in rt.child_pids(), "the replacement to be supervised")
        assert calls == 2, "it is called again once"
        assert set(rt.child_pids()) == {pids["sibling"], made[0]}
        assert rt.ask_blocking(pids["sibling"], b"x", timeout=DEADLINE) == b"X"
        assert other.ask_blocking(pids["foreign"], b"x", timeout=DEADLINE) == b"X"


def test_a_factory_may_give_who_was_there_before_until_that_one_ends(rt: iris.Runtime) -> None:
    kept, first = rt.spawn_observed_handler(), rt.spawn(print)
    given: list[int] = []

    def factory() -> int:
        given.append(kept if len(given) < 2 else rt.spawn(print))
        return given[-1]

    rt.supervise_with_factory(first, factory, "RestartOne")
    rt.stop(first)
    eventually(lambda: kept in rt.child_pids(), "who was there before to be supervised")
    rt.stop(kept)
    eventually(lambda: len(given) == 3 and given[2] in rt.child_pids(), "a third that is alive")
    assert given[:2] == [kept, kept]


def test_matchers_that_misbehave(rt: iris.Runtime) -> None:
    pid = rt.spawn_observed_handler()
    rt.send_many(pid, [b"a", b"b"])
    with pytest.raises(SystemExit):
        rt.selective_recv_blocking(pid, raiser(SystemExit), 1.0)

    def takes_away(message: object) -> bool:
        rt.send(pid, b"more")
        rt.get_messages(pid)
        return True

    rt.selective_recv_blocking(pid, takes_away, 0)
    rt.send(pid, b"c")
    assert rt.selective_recv_blocking(pid, lambda message: message == b"c", DEADLINE) == b"c"
    rt.send(pid, b"d")
    rt.selective_recv_blocking(pid, lambda _: rt.stop(pid), 0)
    assert not rt.is_alive(pid)


def test_a_matcher_that_answers_by_a_coroutine_is_refused(rt: iris.Runtime) -> None:
    async def later(_: object) -> bool:
        return True

    def function(mailbox: iris.Mailbox) -> None:
        with pytest.raises(iris.InvalidArgumentError, match="coroutine") as refused:
            mailbox.selective_recv(later, DEADLINE)
        rt.send(pid, str(refused.value).encode())

    pid = rt.spawn_observed_handler()
    rt.send(pid, b"x")
    with pytest.raises(iris.InvalidArgumentError, match="coroutine"):
        rt.selective_recv_blocking(pid, later, 0)
    rt.send(rt.spawn_with_mailbox(function), b"x")
    assert rt.selective_recv_blocking(pid, lambda message: message != b"x", DEADLINE)
    assert rt.get_messages(pid) == [b"x"]


class Letter(bytes):
    """A message that sends another when it goes."""

    inbox: Callable[[bytes], object]

    def __del__(self) -> None:
        type(self).inbox(b"gone")


def test_messages_that_send_when_they_go(rt: iris.Runtime) -> None:
    observed = rt.spawn_observed_handler()
    Letter.inbox = staticmethod(lambda message: rt.send(observed, message))
    for ends in (False, True):
        pid = rt.spawn(lambda message: None)
        assert rt.send_many(pid, [Letter(b"x") for _ in range(100)]) == 100
        if ends:
            rt.stop(pid)
        eventually(lambda pid=pid: rt.mailbox_size(pid) in (0, None), "the letters to be handled")
    gc.collect()
    eventually(lambda: rt.mailbox_size(observed) == 200, "what all of them sent")
    Letter.inbox = staticmethod(lambda message: None)


def test_many_swaps_under_load_with_the_collector_running(rt: iris.Runtime) -> None:
    counted = [0]

    def handler(number: int) -> Callable[[bytes], None]:
        cycle: list[object] = [number]

        def count(message: bytes) -> None:
            counted[0] += 1

        cycle.append((cycle, count))
        return count

    pid = rt.spawn(handler(0))
    for number in range(10_000):
        assert rt.send(pid, b"x")
        rt.hot_swap(pid, handler(number))
        if number % 1_000 == 0:
            gc.collect()
    eventually(lambda: counted[0] == 10_000, "all messages")
    assert rt.behavior_version(pid) == 10_001


def test_buffers_that_are_used_after_they_are_handed_over(rt: iris.Runtime) -> None:
    pid = rt.spawn_observed_handler()
    number, view, *_ = iris.allocate_buffer(8)
    view[:] = b"12345678"
    part = view[2:4]
    assert rt.send_buffer(pid, number)
    part[:] = b"xx"
    with pytest.raises(iris.NoSuchBufferError):
        rt.send_buffer(pid, number)
    assert rt.get_messages(pid) == [b"12345678"]
    del view, part
    source = bytearray(b"abc")
    assert rt.send(pid, source)
    source.extend(b"def")
    source.clear()
    released = memoryview(b"x")
    released.release()
    with pytest.raises(ValueError, match="released"):
        rt.send(pid, released)
    assert rt.get_messages(pid) == [b"abc"]


@pytest.mark.parametrize("use", USES)
def test_nothing_is_kept_of_handlers_and_messages(
    rt: iris.Runtime, use: Callable[[iris.Runtime, Things], list[int]]
) -> None:
    things = Things(rt)
    before = things.counts()
    for pid in use(rt, things):
        rt.stop(pid)
        assert rt.join(pid, DEADLINE)
    # The last handler made is kept for the next spawn of the same.
    rt.stop(rt.spawn(print))

    def given_back() -> bool:
        gc.collect()
        return all(count <= before[name] for name, count in things.counts().items())

    eventually(given_back, "all references to be given back")


def test_a_child_that_is_stopped_while_it_is_made_anew_ends(rt: iris.Runtime) -> None:
    pids: list[int] = []

    def make() -> Callable[[bytes], object]:
        if pids:
            assert rt.stop(pids[0])
        return raiser(ValueError)

    supervisor = rt.spawn_supervisor(backoff=(0.0, 0.0))
    pids.append(rt.start_child(supervisor, make))
    rt.send(pids[0], b"x")
    assert rt.join(pids[0], DEADLINE)
    eventually(lambda: rt.child_pids(supervisor) == [], "the supervisor to know")
    assert rt.is_alive(supervisor)


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_pull_actor_that_is_stopped_before_its_function_begins_is_told_so(kind: str) -> None:
    told: list[object] = []

    def plain(mailbox: iris.Mailbox) -> None:
        told.append(mailbox.recv())

    async def later(mailbox: iris.AsyncMailbox) -> None:
        told.append(await mailbox.recv())

    async def main() -> None:
        async with iris.Runtime() as rt:
            # A task begins when the loop has its turn, a thread when it is let in: after this.
            pid = rt.spawn_with_mailbox(plain if kind == "plain" else later)
            assert rt.stop(pid)
            assert await asyncio.to_thread(rt.join, pid, DEADLINE)

    asyncio.run(main())
    assert told == [None]
