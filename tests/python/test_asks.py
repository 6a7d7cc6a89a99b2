"""Asks: answers, time-outs, failures; awaited and blocking."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import signal
import threading
import time

import iris
import pytest
from conftest import DEADLINE, eventually, settled
from iris._ask import AskFuture


def test_ask_is_answered(rt: iris.Runtime) -> None:
    assert rt.ask_blocking(rt.spawn(bytes.upper), b"hello") == b"HELLO"
    assert rt.ask_blocking(rt.spawn(lambda message: None), b"") == b""
    assert rt.ask_blocking(rt.spawn(lambda message: bytearray(message)), b"copy") == b"copy"
    ref = rt.ref(rt.spawn(bytes.upper))
    assert ref.ask_blocking(b"ref") == b"REF"


def test_awaited_asks_are_answered() -> None:
    async def main() -> None:
        async with iris.Runtime() as rt:
            pid = rt.spawn(bytes.upper)
            assert await rt.ask(pid, b"hello") == b"HELLO"
            answers = await asyncio.gather(*(rt.ask(pid, b"%d" % n) for n in range(1_000)))
            assert answers == [b"%d" % n for n in range(1_000)]
            assert await rt.ref(pid).ask(b"ref") == b"REF"

    asyncio.run(main())


def test_awaited_ask_of_an_actor_elsewhere(rt: iris.Runtime) -> None:
    on_the_runtime_thread = rt.spawn(lambda message: message + b"!")

    async def main() -> list[bytes]:
        return [await rt.ask(on_the_runtime_thread, b"%d" % n) for n in range(100)]

    assert asyncio.run(main()) == [b"%d!" % n for n in range(100)]


def test_ask_times_out(rt: iris.Runtime) -> None:
    pid = rt.spawn_observed_handler()
    started = time.monotonic()
    with pytest.raises(TimeoutError) as caught:
        rt.ask_blocking(pid, b"", timeout=0.02)
    assert time.monotonic() - started < 5
    assert isinstance(caught.value, iris.AskTimeoutError)
    assert caught.value.kind == "AskTimeout"

    async def main() -> None:
        with pytest.raises(iris.AskTimeoutError):
            await rt.ask(pid, b"", timeout=0.02)

    asyncio.run(main())


def test_ask_of_a_handler_that_blocks_times_out(rt: iris.Runtime) -> None:
    go = threading.Event()
    pid = rt.spawn(lambda message: go.wait(DEADLINE))
    with pytest.raises(iris.AskTimeoutError):
        rt.ask_blocking(pid, b"", timeout=0.05)
    go.set()


def test_ask_of_dying_fails(rt: iris.Runtime) -> None:
    def crash(message: bytes) -> None:
        raise ValueError("boom")

    with pytest.raises(iris.AskFailedError, match="ValueError: boom"):
        rt.ask_blocking(rt.spawn(crash), b"", timeout=DEADLINE)
    quiet = rt.spawn_observed_handler()
    failed = threading.Event()

    def asker() -> None:
        with pytest.raises(iris.AskFailedError):
            rt.ask_blocking(quiet, b"", timeout=DEADLINE)
        failed.set()

    thread = threading.Thread(target=asker)
    thread.start()
    eventually(lambda: rt.mailbox_size(quiet) == 1, "the ask to arrive")
    rt.stop(quiet)
    assert failed.wait(DEADLINE)
    thread.join()
    with pytest.raises(iris.NoProcessError):
        rt.ask_blocking(quiet, b"")
    with pytest.raises(LookupError):
        rt.ask_blocking(5, b"")


def test_ask_expired_is_not_executed(rt: iris.Runtime) -> None:
    seen: list[bytes] = []
    go, entered = threading.Event(), threading.Event()

    def handler(message: bytes) -> None:
        seen.append(message)
        entered.set()
        assert go.wait(DEADLINE)

    pid = rt.spawn(handler)
    rt.send(pid, b"hold")
    assert entered.wait(DEADLINE)
    with pytest.raises(iris.AskTimeoutError):
        rt.ask_blocking(pid, b"expired", timeout=0.02)
    rt.send(pid, b"last")
    go.set()
    eventually(lambda: b"last" in seen, "the last message")
    assert seen == [b"hold", b"last"]
    assert rt.dead_letters()["AskExpired"] == 1


def test_answer_of_another_type_fails_the_ask_alone(rt: iris.Runtime) -> None:
    pid = rt.spawn(lambda message: 5)
    with pytest.raises(iris.AskFailedError, match="int"):
        rt.ask_blocking(pid, b"")
    assert rt.is_alive(pid)


def test_actor_that_asks_itself_is_refused(rt: iris.Runtime) -> None:
    def handler(message: bytes) -> bytes:
        with pytest.raises(iris.WouldDeadlockError):
            rt.ask_blocking(rt.current_pid() or 0, b"")
        return b"refused"

    assert rt.ask_blocking(rt.spawn(handler), b"") == b"refused"


def test_ask_outside_of_a_loop_says_what_to_use(rt: iris.Runtime) -> None:
    with pytest.raises(RuntimeError, match="ask_blocking"):
        rt.ask(rt.spawn(bytes.upper), b"")


def test_full_mailbox_refuses_an_ask(rt: iris.Runtime) -> None:
    go, entered = threading.Event(), threading.Event()

    def handler(message: bytes) -> None:
        entered.set()
        assert go.wait(DEADLINE)

    pid = rt.spawn_py_handler_bounded(handler, 100, 1)
    rt.send(pid, b"held")
    assert entered.wait(DEADLINE)
    rt.send(pid, b"fills")
    with pytest.raises(iris.MailboxFullError):
        rt.ask_blocking(pid, b"")
    go.set()


def test_cancelled_ask_leaves_nothing_behind() -> None:
    async def main() -> None:
        async with iris.Runtime() as rt:
            pid = rt.spawn_observed_handler()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.ensure_future(rt.ask(pid, b"")), 0.01)
            assert await rt.ask(rt.spawn(bytes.upper), b"a") == b"A"

    asyncio.run(main())


def futures_of_asks() -> int:
    gc.collect()
    return sum(isinstance(one, AskFuture) for one in gc.get_objects())


def test_futures_that_nobody_holds_are_let_go() -> None:
    async def main() -> None:
        async with iris.Runtime() as rt:
            before = futures_of_asks()
            never, upper = rt.spawn_observed_handler(), rt.spawn(bytes.upper)
            for _ in range(10_000):
                rt.ask(never, b"", timeout=None)
            assert futures_of_asks() == before
            asked = [rt.ask(never, b"", timeout=None) for _ in range(100)]
            done, waiting = await asyncio.wait(asked, timeout=0.01)
            assert (len(done), len(waiting)) == (0, 100)
            del asked, waiting
            assert futures_of_asks() == before
            assert len(rt.get_messages(never)) == 10_100, "they are delivered nevertheless"
            assert await rt.ask(upper, b"a") == b"A"

    asyncio.run(main())


def test_an_ask_holds_its_future_while_somebody_waits() -> None:
    async def main() -> None:
        async with iris.Runtime() as rt:
            gate, answers = asyncio.Event(), []

            async def late(mailbox: iris.AsyncMailbox) -> None:
                messages = [await mailbox.recv() for _ in range(2)]
                await gate.wait()
                for message in messages:
                    mailbox.reply(message, b"late")

            pid = rt.spawn_with_mailbox(late)

            async def asking() -> None:
                answers.append(await rt.ask(pid, b"", timeout=None))

            # Nobody holds the task, nor the second future: what they wait for does.
            asyncio.ensure_future(asking())  # noqa: RUF006
            rt.ask(pid, b"", timeout=None).add_done_callback(lambda asked: answers.append(asked.result()))
            await asyncio.sleep(0)
            gc.collect()
            gate.set()
            await settled(lambda: answers == [b"late"] * 2, "both answers")

    asyncio.run(main())


setting: contextvars.ContextVar[str] = contextvars.ContextVar("setting", default="none")


def test_quick_handlers_are_run_by_the_thread_that_asks(rt: iris.Runtime) -> None:
    def handler(message: bytes) -> bytes:
        if message == b"interrupt":
            signal.raise_signal(signal.SIGINT)
        before = setting.get()
        setting.set("the handler's")
        return f"{threading.get_ident()} {before}".encode()

    pid, me = rt.spawn(handler), threading.get_ident()
    token = setting.set("the asker's")
    answers = [rt.ask_blocking(pid, b"") for _ in range(2_000)]
    assert answers[0].split()[0] != b"%d" % me
    assert [answer for answer in answers if answer.split()[0] == b"%d" % me]
    assert not [answer for answer in answers if b"asker" in answer]
    assert setting.get() == "the asker's"
    setting.reset(token)
    with pytest.raises(KeyboardInterrupt):
        rt.ask_blocking(pid, b"interrupt")


@pytest.mark.parametrize("way", ["asks", "waits"])
def test_a_handler_that_the_asking_thread_runs_holds_up_nobody(rt: iris.Runtime, way: str) -> None:
    me, helped, never = threading.get_ident(), [False], rt.spawn_observed_handler()
    handled = threading.Event()

    def note(message: bytes) -> bytes:
        handled.set()
        return message.upper()

    other = rt.spawn(note)

    def handler(message: bytes) -> bytes:
        helped[0] = threading.get_ident() == me
        if message == b"deep" and way == "asks":
            return rt.ask_blocking(other, message, timeout=DEADLINE)
        if message == b"deep":
            rt.send(other, b"")
            assert handled.wait(DEADLINE), "another actor of the runtime's thread waits for this handler"
        return b"DEEP"

    pid = rt.spawn(handler)

    def asked_deep() -> bool:
        eventually(lambda: rt.ask_blocking(pid, b"") and helped[0], "the handler to run on this thread")
        # With nothing to do for so long, nobody watches any more whether the lane moves.
        assert not rt.join(never, 1.5)
        handled.clear()
        assert rt.ask_blocking(pid, b"deep", timeout=DEADLINE) == b"DEEP"
        return helped[0]

    eventually(asked_deep, "the handler to run on this thread")


def test_a_handler_that_turned_slow_is_left_to_its_own_thread(rt: iris.Runtime) -> None:
    go = threading.Event()

    def handler(message: bytes) -> bytes:
        if message == b"slow":
            go.wait(0.05)
        if message == b"stuck":
            go.wait(DEADLINE)
        return b""

    pid = rt.spawn(handler)
    for _ in range(100):
        rt.ask_blocking(pid, b"")
    rt.ask_blocking(pid, b"slow")
    with pytest.raises(iris.AskTimeoutError):
        rt.ask_blocking(pid, b"stuck", timeout=0.02)
    go.set()


def test_a_waiting_thread_is_let_in_while_handlers_keep_coming(rt: iris.Runtime) -> None:
    pids = [rt.spawn(bytes.upper) for _ in range(10)]
    for pid in pids:
        rt.send_many(pid, [b"x" * 100] * 50_000)
    slowest = 0.0
    while any(rt.mailbox_size(pid) for pid in pids):
        before = time.monotonic()
        sum(range(1_000))
        slowest = max(slowest, time.monotonic() - before)
    assert slowest < 0.5


def test_a_handler_finds_no_event_loop_of_whoever_asks(rt: iris.Runtime) -> None:
    """However often it was asked: some of the asks may be answered on the asking thread."""

    async def later(message: bytes) -> bytes:
        return message

    async def main() -> None:
        for _ in range(50):
            assert rt.ask_blocking(runs, b"x", timeout=DEADLINE) == b"x"
            assert rt.ask_blocking(returns, b"x", timeout=DEADLINE) == b"x"

    # Made away from an event loop, where plain handlers share a thread of the runtime.
    runs = rt.spawn(lambda message: asyncio.run(later(message)))
    returns = rt.spawn(lambda message: later(message))
    quick = rt.spawn(lambda message: asyncio.run(later(message)) if message == b"run" else message)

    async def after_quick_ones() -> bytes:
        for _ in range(50):
            rt.ask_blocking(quick, b"x", timeout=DEADLINE)
        return rt.ask_blocking(quick, b"run", timeout=DEADLINE)

    asyncio.run(main())
    assert asyncio.run(after_quick_ones()) == b"run"
