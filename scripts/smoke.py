"""Tries an installed iris in an empty place: import time, a crash, an ask, a swap; prints one line."""

import time

started = time.perf_counter()
import iris  # noqa: E402

imported = time.perf_counter()

with iris.Runtime() as rt:
    begun = time.perf_counter()
    pid = rt.spawn(lambda message: message.upper())
    assert rt.ask_blocking(pid, b"hello", timeout=10) == b"HELLO"
    rt.hot_swap(pid, lambda message: message[::-1])
    assert rt.ask_blocking(pid, b"hello", timeout=10) == b"olleh"
    pids = [rt.spawn(lambda message: None) for _ in range(1000)]
    assert all(rt.send(one, b"x") for one in pids)
    assert rt.stop(pid) is not False
    assert rt.join(pid, timeout=10)
    assert not rt.is_alive(pid)

import myrmidon  # noqa: E402

assert myrmidon.Runtime is iris.Runtime
assert __import__("pathlib").Path(iris.__file__).with_name("py.typed").exists()
import_ms, begin_ms = (imported - started) * 1e3, (begun - imported) * 1e3
print(f"iris {iris.version()}: import {import_ms:.1f} ms, first Runtime {begin_ms:.1f} ms")
