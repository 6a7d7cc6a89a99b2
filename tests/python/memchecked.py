"""Memchecked: what the extension does with memory, in one short program that `make memcheck` runs under valgrind."""

import asyncio
import gc
import logging
import threading
import time

import iris

logging.getLogger("iris").disabled = True


def wait(happened, what):
    deadline, never = time.monotonic() + 100, threading.Event()
    while not happened():
        assert time.monotonic() < deadline, f"waited for {what}"
        never.wait(0.01)


def main():
    with iris.Runtime() as rt:

        async def later(message):
            await asyncio.sleep(0)
            return message.upper()

        def pull(mailbox):
            while (message := mailbox.recv()) is not None:
                mailbox.reply(message, message)

        async def pull_later(mailbox):
            async for message in mailbox:
                mailbox.reply(message, message)

        def crash(message):
            raise ValueError(message)

        pids = [
            rt.spawn(bytes.upper),
            rt.spawn(bytes.upper, release_gil=True),
            rt.spawn(later),
            rt.spawn_with_mailbox(pull),
            rt.spawn_with_mailbox(pull_later),
            rt.spawn_virtual(bytes.upper),
        ]
        observed = rt.spawn_observed_handler()
        for pid in pids:
            rt.link(observed, pid)
            rt.monitor(pid, observed)
            rt.send_many(pid, [b"x", bytearray(b"y" * 10_000), memoryview(b"z")])
            for _ in range(5):
                rt.ask_blocking(pid, b"q", timeout=100)
        supervisor = rt.spawn_supervisor(intensity=1000, backoff=(0.0, 0.0))
        child = rt.start_child(supervisor, lambda: crash, name="child")
        rt.send_many(child, [b"x"] * 5)
        wait(lambda: (rt.stats()["crashed"], rt.stats()["restarted"]) == (5, 5), "five crashes and restarts")
        rt.hot_swap(pids[0], bytes.lower)
        rt.rollback_behavior(pids[0])
        number, view, *_ = iris.allocate_buffer(5000)
        view[:] = b"b" * 5000
        part = view[10:20]
        rt.send_buffer(observed, number)
        del view
        part[0]
        bounded = rt.spawn_py_handler_bounded(lambda message: None, 10, 2)
        rt.set_overflow_policy(bounded, "spill")
        rt.send_many(bounded, [b"x" * 100] * 50)
        for delay in range(20):
            rt.cancel_timer(rt.send_after(observed, 10_000 + delay, b"t"))
        rt.send_after(observed, 1, b"tick")
        print(rt.selective_recv_blocking(observed, lambda m: m == b"tick", timeout=100))

        async def asks():
            return await asyncio.gather(*(rt.ask(pid, b"a", timeout=100) for pid in pids))

        print(asyncio.run(asks()))
        for pid in pids:
            rt.stop(pid)
        print(len(rt.get_messages(observed)), rt.stats()["restarted"], rt.tree() is not None)


for _ in range(2):
    main()
    gc.collect()
