"""What bench.py measures: one function per sample, called in a fresh process, which prints its numbers as a JSON list."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable

BODY = b"0123456789abcdef"
LAST = b"the last message"
DONE_WITHIN = 60.0

Handler = Callable[[bytes], object]


def wait_for(done: threading.Event) -> None:
    """Wait until the last message was handled; one that is lost is an error, not a hang."""
    assert done.wait(DONE_WITHIN), f"not all messages were handled within {DONE_WITHIN} s"


def watching_handler(done: threading.Event) -> Handler:
    """A handler that does next to nothing, and tells when it meets the last message."""
    last = LAST

    def handler(message: bytes) -> None:
        if message is last:
            done.set()

    return handler


def counting_handler(count: int, done: threading.Event) -> Handler:
    """A handler that counts every message."""
    left = count

    def handler(_message: bytes) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    return handler


def resident_bytes() -> int:
    """This process's resident memory."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


def seconds_since(start: float) -> float:
    """Seconds on the clock that all samples use."""
    return time.perf_counter() - start


# Messages


def bare_loop(count: int) -> float:
    """Seconds that a loop takes to call the same handler as often."""
    handler, body = watching_handler(threading.Event()), BODY
    start = time.perf_counter()
    for _ in range(count):
        handler(body)
    return seconds_since(start)


def send_all(count: int, through_ref: bool = False) -> float:
    """Seconds from the first send of the main thread until the last message was handled."""
    import iris

    with iris.Runtime() as rt:
        done = threading.Event()
        pid = rt.spawn(watching_handler(done))
        body = BODY
        if through_ref:
            send_to_ref = rt.ref(pid).send
            start = time.perf_counter()
            for _ in range(count - 1):
                send_to_ref(body)
            send_to_ref(LAST)
        else:
            send = rt.send
            start = time.perf_counter()
            for _ in range(count - 1):
                send(pid, body)
            send(pid, LAST)
        wait_for(done)
        seconds = seconds_since(start)
        assert rt.stats()["handled"] == count, "every message is handled once"
    return seconds


def one_actor(count: int) -> list[float]:
    """One push actor and the bare loop of the same process: two rates and their ratio."""
    bare_loop(count // 10)
    bare = count / bare_loop(count) / 1e6
    send_all(count // 10)
    rate = count / send_all(count) / 1e6
    return [rate, bare, rate / bare]


def one_actor_ref(count: int) -> list[float]:
    """As one_actor, through an ActorRef."""
    send_all(count // 10, through_ref=True)
    return [count / send_all(count, through_ref=True) / 1e6]


def one_actor_counting(count: int) -> list[float]:
    """As one_actor, with a handler that counts."""
    import iris

    with iris.Runtime() as rt:
        done = threading.Event()
        pid, send, body = rt.spawn(counting_handler(count, done)), rt.send, BODY
        start = time.perf_counter()
        for _ in range(count):
            send(pid, body)
        wait_for(done)
        return [count / seconds_since(start) / 1e6]


def one_actor_distinct(count: int) -> list[float]:
    """As one_actor, with a bytes object of its own for each message."""
    import iris

    bodies = [number.to_bytes(16, "little") for number in range(1, count)]
    with iris.Runtime() as rt:
        done = threading.Event()
        pid, send = rt.spawn(watching_handler(done)), rt.send
        start = time.perf_counter()
        for body in bodies:
            send(pid, body)
        send(pid, LAST)
        wait_for(done)
        return [count / seconds_since(start) / 1e6]


def one_actor_send_many(count: int) -> list[float]:
    """As one_actor, a thousand messages a call."""
    import iris

    with iris.Runtime() as rt:
        done = threading.Event()
        pid, batch = rt.spawn(counting_handler(count, done)), [BODY] * 1_000
        start = time.perf_counter()
        for _ in range(count // len(batch)):
            assert rt.send_many(pid, batch) == len(batch)
        assert rt.send_many(pid, batch[: count % len(batch)]) == count % len(batch)
        wait_for(done)
        return [count / seconds_since(start) / 1e6]


def many_actors(count: int) -> list[float]:
    """Ten messages to each of so many push actors, in rounds."""
    import iris

    rounds = 10
    with iris.Runtime() as rt:
        done = threading.Event()
        handler = counting_handler(count * rounds, done)
        pids, send, body = [rt.spawn(handler) for _ in range(count)], rt.send, BODY
        start = time.perf_counter()
        for _ in range(rounds):
            for pid in pids:
                send(pid, body)
        wait_for(done)
        return [count * rounds / seconds_since(start) / 1e6]


def spawn(count: int) -> list[float]:
    """Push actors with one shared handler: rate, and resident bytes for each with its pid in a list."""
    import iris

    def handler(_message: bytes) -> None:
        pass

    with iris.Runtime() as rt:
        rt.spawn(handler)
        gc.collect()
        before = resident_bytes()
        start = time.perf_counter()
        pids = [rt.spawn(handler) for _ in range(count)]
        seconds = seconds_since(start)
        each = (resident_bytes() - before) / count
        assert len(set(pids)) == count
        return [count / seconds / 1e6, each]


# Asks


def answer(message: bytes) -> bytes:
    """The handler that answers an ask."""
    return message


def ask_sequential(count: int) -> list[float]:
    """One ask after another, awaited on asyncio."""
    import iris

    async def ask() -> float:
        async with iris.Runtime() as rt:
            pid = rt.spawn(answer)
            for _ in range(count // 10):
                await rt.ask(pid, BODY)
            start = time.perf_counter()
            for _ in range(count):
                await rt.ask(pid, BODY)
            return seconds_since(start)

    return [count / asyncio.run(ask()) / 1e3]


def ask_in_flight(count: int) -> list[float]:
    """A thousand asks at once, then their answers, and again."""
    import iris

    async def ask() -> float:
        async with iris.Runtime() as rt:
            pid, in_flight = rt.spawn(answer), 1_000
            start = time.perf_counter()
            for _ in range(count // in_flight):
                for asked in [rt.ask(pid, BODY) for _ in range(in_flight)]:
                    assert await asked == BODY
            return seconds_since(start)

    return [count / asyncio.run(ask()) / 1e3]


def ask_tasks(count: int) -> list[float]:
    """A thousand tasks, each asking one after another."""
    import iris

    async def ask() -> float:
        async with iris.Runtime() as rt:
            pid, tasks = rt.spawn(answer), 1_000

            async def asking() -> None:
                for _ in range(count // tasks):
                    await rt.ask(pid, BODY)

            start = time.perf_counter()
            await asyncio.gather(*(asking() for _ in range(tasks)))
            return seconds_since(start)

    return [count / asyncio.run(ask()) / 1e3]


def ask_blocking(count: int) -> list[float]:
    """One blocking ask after another."""
    import iris

    with iris.Runtime() as rt:
        pid = rt.spawn(answer)
        start = time.perf_counter()
        for _ in range(count):
            rt.ask_blocking(pid, BODY)
        return [count / seconds_since(start) / 1e3]


# Pull actors


def pull_recv(count: int) -> list[float]:
    """A pull actor takes messages one by one while the main thread sends."""
    import iris

    done = threading.Event()

    def take(mailbox: iris.Mailbox) -> None:
        recv = mailbox.recv
        for _ in range(count):
            recv()
        done.set()

    with iris.Runtime() as rt:
        pid, send, body = rt.spawn_with_mailbox(take), rt.send, BODY
        start = time.perf_counter()
        for _ in range(count):
            send(pid, body)
        wait_for(done)
        return [count / seconds_since(start) / 1e6]


def pull_ping_pong(count: int) -> list[float]:
    """Round trips of two pull actors."""
    import iris

    done = threading.Event()
    with iris.Runtime() as rt:

        def play(mailbox: iris.Mailbox) -> None:
            mailbox.recv()
            for _ in range(count):
                rt.send(echo, BODY)
                mailbox.recv()
            done.set()

        def answer_player(mailbox: iris.Mailbox) -> None:
            while isinstance(message := mailbox.recv(), bytes):
                rt.send(player, message)

        player, echo = rt.spawn_with_mailbox(play), rt.spawn_with_mailbox(answer_player)
        start = time.perf_counter()
        rt.send(player, BODY)
        wait_for(done)
        return [count / seconds_since(start) / 1e3]


def async_pull_alive(count: int) -> list[float]:
    """So many `async def` pull actors that all wait for a message: the process's megabytes, and thousands spawned a second."""
    import iris

    async def live() -> list[float]:
        begun, handled = Countdown(count), Countdown(count)

        async def take(mailbox: iris.AsyncMailbox) -> None:
            begun.one()
            assert await mailbox.recv() == BODY
            handled.one()

        async with iris.Runtime() as rt:
            start = time.perf_counter()
            pids = [rt.spawn_with_mailbox(take) for _ in range(count)]
            await asyncio.wait_for(begun.over.wait(), DONE_WITHIN)
            seconds = seconds_since(start)
            megabytes = resident_bytes() / 1e6
            for pid in pids:
                rt.send(pid, BODY)
            await asyncio.wait_for(handled.over.wait(), DONE_WITHIN)
        return [megabytes, count / seconds / 1e3]

    return asyncio.run(live())


class Countdown:
    """An event of the running loop that is set when it was counted down."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.over = asyncio.Event()

    def one(self) -> None:
        """One less."""
        self.left -= 1
        if self.left == 0:
            self.over.set()


# Time


def p99_ms(nanoseconds: list[int]) -> float:
    """The 99th percentile, in milliseconds."""
    nanoseconds.sort()
    return nanoseconds[-(-len(nanoseconds) * 99 // 100) - 1] / 1e6


def fairness(count: int) -> list[float]:
    """One actor has so many messages of about two microseconds; a thousand others get one each ten milliseconds."""
    import iris

    work = range(rounds_of(2e-6))
    now, handled = time.perf_counter_ns, 0
    delays: list[int] = []
    delays_planned: list[int] = []

    def flooded(_message: bytes) -> None:
        nonlocal handled
        for _ in work:
            pass
        handled += 1

    def quiet(message: bytes) -> None:
        at = now()
        delays.append(at - int.from_bytes(message[:8], "little"))
        delays_planned.append(at - int.from_bytes(message[8:], "little"))

    with iris.Runtime() as rt:
        pids = [rt.spawn(quiet) for _ in range(1_000)]
        flood = rt.spawn(flooded)
        rt.send_many(flood, [BODY] * count)
        start, beats = time.perf_counter(), 0
        while beats == 0 or (handled < count and seconds_since(start) < 3):
            planned = int((start + beats * 0.010) * 1e9).to_bytes(8, "little")
            for pid in pids:
                rt.send(pid, now().to_bytes(8, "little") + planned)
            beats += 1
            time.sleep(max(0.0, start + beats * 0.010 - time.perf_counter()))
        rt.stop(flood)
        sent = beats * len(pids)
        while len(delays) < sent and seconds_since(start) < DONE_WITHIN:
            time.sleep(0.001)
        assert len(delays) == sent, f"{len(delays)} of {sent} messages were handled"
        return [p99_ms(delays), p99_ms(delays_planned)]


def rounds_of(seconds: float) -> int:
    """How many rounds of an empty loop take so long here."""
    start = time.perf_counter()
    for _ in range(1_000_000):
        pass
    return max(1, round(1_000_000 * seconds / seconds_since(start)))


def timers(count: int) -> list[float]:
    """Timers that go off within one second: nanoseconds to set one, and how late the slowest in a hundred is handled."""
    import iris

    late: list[int] = []
    done = threading.Event()
    now = time.perf_counter_ns

    def handler(message: bytes) -> None:
        late.append(now() - int.from_bytes(message, "little"))
        if len(late) == count:
            done.set()

    with iris.Runtime() as rt:
        pids = [rt.spawn(handler) for _ in range(1_000)]
        step, stride, setting = 1_000_000_000 // count, 7_919, 3 * 1_000_000_000
        start = now()
        for number in range(count):
            number = number * stride % count
            set_at = now()
            delay_ms = max(0, start + setting + number * step - set_at + 999_999) // 1_000_000
            due = set_at + delay_ms * 1_000_000
            rt.send_after(pids[number % 1_000], delay_ms, due.to_bytes(8, "little"))
        set_ns = now() - start
        assert set_ns < setting, f"the timers took {set_ns / 1e9:.1f} s to set"
        wait_for(done)
        assert min(late) >= 0, "no timer goes off early"
        return [set_ns / count, p99_ms(late)]


def timer_cancel(count: int) -> list[float]:
    """Nanoseconds to take a pending timer back, in another order than they were set."""
    import iris

    with iris.Runtime() as rt:
        pid = rt.spawn(answer)
        ids = [rt.send_after(pid, 60_000 + number % 1_000, BODY) for number in range(count)]
        shuffled = [ids[number * 7_919 % count] for number in range(count)]
        cancel = rt.cancel_timer
        start = time.perf_counter()
        cancelled = sum(cancel(timer) for timer in shuffled)
        seconds = seconds_since(start)
        assert cancelled == count, "a pending timer is cancelled"
        return [seconds / count * 1e9]


def import_iris(_count: int) -> list[float]:
    """Milliseconds of `import iris` and of the first Runtime in a process that imported nothing else."""
    code = (
        "import time; a = time.perf_counter(); import iris; b = time.perf_counter(); rt = iris.Runtime(); "
        "c = time.perf_counter(); print(1e3 * (b - a), 1e3 * (c - b)); rt.close()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [float(number) for number in done.stdout.split()]


FUNCTIONS: dict[str, Callable[[int], list[float]]] = {
    function.__name__: function
    for function in (
        one_actor,
        one_actor_ref,
        one_actor_counting,
        one_actor_distinct,
        one_actor_send_many,
        many_actors,
        spawn,
        ask_sequential,
        ask_in_flight,
        ask_tasks,
        ask_blocking,
        pull_recv,
        pull_ping_pong,
        async_pull_alive,
        fairness,
        timers,
        timer_cancel,
        import_iris,
    )
}


if __name__ == "__main__":
    print(json.dumps(FUNCTIONS[sys.argv[1]](int(sys.argv[2]))))
