"""Event loops: who runs where, and what becomes of actors when a loop ends."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from typing import TYPE_CHECKING

import iris
import pytest
from conftest import DEADLINE, eventually, settled, tick

if TYPE_CHECKING:
    from collections.abc import Callable


def ident(message: bytes) -> bytes:
    """Answers with the thread it runs on."""
    return b"%d" % threading.get_ident()


def test_handlers_spawned_on_a_loop_run_on_it() -> None:
    async def main() -> None:
        async with iris.Runtime() as rt:
            assert await rt.ask(rt.spawn(ident), b"") == b"%d" % threading.get_ident()

    asyncio.run(main())


def test_handlers_spawned_elsewhere_run_on_the_runtimes_thread(rt: iris.Runtime) -> None:
    threads = {rt.ask_blocking(rt.spawn(ident), b"") for _ in range(3)}
    assert len(threads) == 1
    assert threads != {b"%d" % threading.get_ident()}


def test_handlers_may_use_what_belongs_to_their_loop() -> None:
    async def main() -> None:
        async with iris.Runtime() as rt:
            queue: asyncio.Queue[bytes] = asyncio.Queue()
            rt.send(rt.spawn(queue.put_nowait), b"x")
            assert await asyncio.wait_for(queue.get(), DEADLINE) == b"x"

    asyncio.run(main())


def test_event_loops_come_and_go_without_end(rt: iris.Runtime) -> None:
    async def spawn() -> int:
        pid = rt.spawn(ident)
        await rt.ask(pid, b"")
        return pid

    stays = asyncio.run(spawn())
    # More than a runtime may have at a time.
    for _ in range(5_000):
        assert rt.stop(asyncio.run(spawn()))
    # On threads of the runtime's own: which of them is its affair, one that was held up is relieved.
    asked = {rt.ask_blocking(pid, b"") for pid in (stays, rt.spawn(ident))}
    assert b"%d" % threading.get_ident() not in asked


def test_other_threads_wake_the_loop() -> None:
    async def main() -> None:
        async with iris.Runtime() as rt:
            seen: list[bytes] = []
            pid = rt.spawn(seen.append)
            sender = threading.Thread(target=lambda: rt.send_many(pid, [b"x"] * 1_000))
            sender.start()
            await settled(lambda: len(seen) == 1_000, "all messages")
            sender.join()

    asyncio.run(main())


def test_blocking_calls_on_the_loops_thread_run_its_handlers() -> None:
    async def main() -> None:
        async with iris.Runtime() as rt:
            pid = rt.spawn(bytes.upper)
            assert rt.ask_blocking(pid, b"a", timeout=DEADLINE) == b"A"
            rt.send(pid, b"x")
            assert rt.join(pid, 0.01) is False
            assert rt.stats()["queued"] == 0

    asyncio.run(main())


def test_actors_outlive_their_loop(rt: iris.Runtime) -> None:
    async def spawn() -> list[int]:
        async def later(message: bytes) -> bytes:
            await tick()
            return b"async"

        return [rt.spawn(bytes.upper), rt.spawn(later)]

    plain, later = asyncio.run(spawn())
    assert rt.ask_blocking(plain, b"a", timeout=DEADLINE) == b"A"
    assert rt.ask_blocking(later, b"a", timeout=DEADLINE) == b"async"


def test_pull_actor_of_a_closed_loop_ends(rt: iris.Runtime) -> None:
    async def spawn() -> int:
        async def function(mailbox: iris.AsyncMailbox) -> None:
            await mailbox.recv()

        pid = rt.spawn_with_mailbox(function)
        await tick()
        return pid

    pid = asyncio.run(spawn())
    assert rt.join(pid, DEADLINE)
    loop = asyncio.new_event_loop()
    pid = loop.run_until_complete(spawn())
    # The task waits on: a loop that is closed tells it nothing.
    loop.close()
    assert rt.join(pid, DEADLINE)


@pytest.mark.parametrize(
    "ends", ["as asyncio.run ends it", "closed alone", "closed while a supervisor decides"]
)
def test_supervised_pull_actor_of_a_closed_loop_ends(
    rt: iris.Runtime, ends: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    async def function(mailbox: iris.AsyncMailbox) -> None:
        async for _ in mailbox:
            raise ValueError("on purpose")

    async def spawn() -> int:
        pid = rt.start_child(supervisor, lambda: function, kind="pull")
        await tick()
        return pid

    # Who fails for the second time is restarted an hour later.
    supervisor = rt.spawn_supervisor(intensity=10, backoff=(3600.0, 3600.0))
    if ends == "as asyncio.run ends it":
        pid = asyncio.run(spawn())
    else:
        loop = asyncio.new_event_loop()
        pid = loop.run_until_complete(spawn())
        if ends == "closed while a supervisor decides":
            rt.send_many(pid, [b"x", b"x"])
            loop.run_until_complete(settled(lambda: rt.stats()["crashed"] == 2, "the second crash"))
        loop.close()
    assert rt.join(pid, DEADLINE)
    eventually(lambda: rt.child_pids(supervisor) == [], "the supervisor to forget it")


@pytest.mark.parametrize("ends", ["as asyncio.run ends it", "closed alone"])
def test_push_actor_whose_task_was_on_a_closed_loop_ends(rt: iris.Runtime, ends: str) -> None:
    async def handler(message: bytes) -> None:
        await asyncio.get_running_loop().create_future()

    async def spawn() -> None:
        pids.append(rt.spawn(handler))
        asker.start()
        await settled(lambda: rt.actor_info(pids[0])["state"] == "suspended", "the handler to wait")

    def ask() -> None:
        with pytest.raises(iris.AskFailedError):
            rt.ask_blocking(pids[0], b"", timeout=None)
        failed.set()

    pids: list[int] = []
    failed = threading.Event()
    asker = threading.Thread(target=ask, daemon=True)
    if ends == "as asyncio.run ends it":
        asyncio.run(spawn())
    else:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(spawn())
        loop.close()
    assert rt.join(pids[0], DEADLINE)
    assert failed.wait(DEADLINE), "the ask to fail"


def test_two_loops_at_once(rt: iris.Runtime) -> None:
    async def main() -> bytes:
        pid = rt.spawn(ident)
        return await rt.ask(pid, b"")

    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(asyncio.run(main()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    idents = [b"%d" % (thread.ident or 0) for thread in threads]
    for thread in threads:
        thread.join()
    assert sorted(answers) == sorted(idents)


def test_a_flood_leaves_the_loop_responsive() -> None:
    async def main() -> None:
        async with iris.Runtime() as rt:
            rt.send_many(rt.spawn(lambda message: None), [b"x"] * 300_000)
            loop = asyncio.get_running_loop()
            slowest = 0.0
            for _ in range(10):
                before = loop.time()
                await tick()
                slowest = max(slowest, loop.time() - before)
            assert slowest < 0.5

    asyncio.run(main())


class BlindLoop(asyncio.SelectorEventLoop):
    """A loop that cannot watch file descriptors, as Windows' default one."""

    def add_reader(self, *arguments: object) -> None:
        """Refuse, as such loops do."""
        raise NotImplementedError


def test_a_loop_without_readers_is_woken_too(rt: iris.Runtime) -> None:
    elsewhere = rt.spawn(bytes.upper)

    async def main() -> int:
        assert await rt.ask(elsewhere, b"a") == b"A"
        seen: list[bytes] = []
        pid = rt.spawn(seen.append)
        sender = threading.Thread(target=lambda: rt.send_many(pid, [b"x"] * 100))
        sender.start()
        await settled(lambda: len(seen) == 100, "all messages")
        sender.join()
        return rt.spawn(bytes.upper)

    with asyncio.Runner(loop_factory=BlindLoop) as runner:
        pid = runner.run(main())
    assert rt.ask_blocking(pid, b"b", timeout=DEADLINE) == b"B"


def test_a_closed_runtime_leaves_the_loop() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        selector = loop._selector  # type: ignore[attr-defined]
        before = len(selector.get_map())
        for _ in range(20):
            async with iris.Runtime() as rt:
                assert await rt.ask(rt.spawn(bytes.upper), b"a") == b"A"
        await settled(lambda: len(selector.get_map()) == before, "the loop to watch as little as before")

    asyncio.run(main())


@pytest.mark.parametrize("loop_factory", [asyncio.SelectorEventLoop, BlindLoop])
def test_answers_after_a_runtime_is_closed_reach_the_loop(
    loop_factory: Callable[[], asyncio.SelectorEventLoop],
) -> None:
    entered, go = threading.Event(), threading.Event()

    def handler(message: bytes) -> bytes:
        entered.set()
        assert go.wait(DEADLINE)
        return b"late"

    async def main() -> None:
        watched = asyncio.get_running_loop()._selector.get_map()  # type: ignore[attr-defined]
        before = len(watched)
        rt = iris.Runtime()
        pid = await asyncio.to_thread(rt.spawn, handler)
        asked = [rt.ask(pid, b"", timeout=None) for _ in range(2)]
        await settled(entered.is_set, "the handler to run")
        await rt.aclose()
        go.set()
        await asyncio.wait(asked, timeout=DEADLINE)
        # The first was answered or failed, as the runtime's end and the handler's met; the second was never handled.
        assert asked[0].done()
        assert isinstance(asked[1].exception(), iris.AskFailedError)
        await settled(lambda: len(watched) == before, "the loop to watch as little as before")

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


def test_closing_on_the_loops_own_thread_is_quick() -> None:
    ended: list[object] = []

    async def function(mailbox: iris.AsyncMailbox) -> None:
        ended.append(await mailbox.recv())

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with iris.Runtime() as rt:
            rt.spawn_with_mailbox(function)
            waiting = rt.ask(rt.spawn_observed_handler(), b"")
            await tick()
            started = loop.time()
        assert loop.time() - started < 2
        with pytest.raises(iris.AskFailedError):
            await waiting
        await settled(lambda: ended == [None], "the end of the async actor")

    asyncio.run(main())


def test_loop_that_another_thread_took_over_is_woken() -> None:
    loop = asyncio.new_event_loop()
    with iris.Runtime() as rt:

        async def spawns() -> int:
            return rt.spawn(lambda message: seen.append(threading.get_ident()))

        seen: list[int] = []
        pid = loop.run_until_complete(spawns())
        runs = threading.Event()
        loop.call_soon(runs.set)
        other = threading.Thread(target=loop.run_forever)
        other.start()
        assert runs.wait(DEADLINE)
        rt.send(pid, b"x")
        eventually(lambda: seen, "the message to be handled")
        assert rt.ask_blocking(pid, b"", timeout=DEADLINE) == b""
        assert set(seen) == {other.ident}
        loop.call_soon_threadsafe(loop.stop)
        other.join(DEADLINE)
    loop.close()


def test_handler_that_blocks_within_its_loops_turn_is_woken(rt: iris.Runtime) -> None:
    """What it waits for runs on the same loop, and becomes ready only after it went to sleep."""
    asleep = threading.Event()

    def first(message: bytes) -> bytes:
        return rt.ask_blocking(middle, message, timeout=DEADLINE)

    def between(mailbox: iris.Mailbox) -> None:
        while (message := mailbox.recv()) is not None:
            asleep.wait(0.05)
            mailbox.reply(message, rt.ask_blocking(pids[1], b"a", timeout=DEADLINE / 4))

    async def spawns(message: bytes) -> None:
        pids.extend([rt.spawn(first), rt.spawn(bytes.upper)])

    pids: list[int] = []
    middle = rt.spawn_with_mailbox(between)
    rt.ask_blocking(rt.spawn(spawns), b"")
    assert rt.ask_blocking(pids[0], b"", timeout=DEADLINE) == b"A"


user: contextvars.ContextVar[bytes] = contextvars.ContextVar("user", default=b"nobody")


def test_contexts_of_tasks_stay_out_of_handlers() -> None:
    async def first(rt: iris.Runtime) -> tuple[int, int]:
        async def later(message: bytes) -> bytes:
            return user.get()

        user.set(b"the first")
        return rt.spawn(lambda message: user.get()), rt.spawn(later)

    async def second(rt: iris.Runtime, pid: int) -> list[bytes]:
        user.set(b"the second")
        threaded = asyncio.to_thread(rt.ask_blocking, pid, b"")
        return [
            await rt.ask(pid, b""),
            rt.ask_blocking(pid, b"") if pid == pids[0] else b"nobody",
            await threaded,
        ]

    pids: tuple[int, int] = (0, 0)

    async def main() -> None:
        nonlocal pids
        async with iris.Runtime() as rt:
            pids = await asyncio.create_task(first(rt))
            for pid in pids:
                assert await asyncio.create_task(second(rt, pid)) == [b"nobody"] * 3

    asyncio.run(main())


def test_loops_without_actors_come_and_go_without_end(rt: iris.Runtime) -> None:
    pid = rt.spawn(bytes.upper)

    async def main() -> bytes:
        return await rt.ask(pid, b"a")

    for _ in range(4_200):
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(main()) == b"A"
        loop.close()
