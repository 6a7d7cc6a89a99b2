"""Messages: order, loss, bounds, kinds of data, buffers."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import iris
import pytest
from conftest import DEADLINE, Inbox, eventually

if TYPE_CHECKING:
    from collections.abc import Callable


def stopped_actor(
    rt: iris.Runtime, spawn: Callable[..., int], seen: list[bytes]
) -> tuple[int, threading.Event]:
    """An actor that holds its first message until the event is set, so that the others queue."""
    go, entered = threading.Event(), threading.Event()

    def handler(message: bytes) -> None:
        if message == b"hold":
            entered.set()
            assert go.wait(DEADLINE)
            return
        seen.append(message)

    pid = spawn(handler)
    assert rt.send(pid, b"hold")
    assert entered.wait(DEADLINE)
    return pid, go


def gone(rt: iris.Runtime) -> int:
    """The pid of an actor that ended."""
    pid = rt.spawn(print)
    rt.stop(pid)
    return pid


def test_order_is_kept(rt: iris.Runtime, inbox: Inbox) -> None:
    pid = rt.spawn(inbox, budget=3)
    expected = [b"%d" % number for number in range(20_000)]
    assert rt.send_many(pid, expected) == len(expected)
    assert inbox.wait(len(expected)) == expected


def test_senders_lose_nothing(rt: iris.Runtime, inbox: Inbox) -> None:
    pid = rt.spawn(inbox)
    senders = [
        threading.Thread(target=lambda name=name: [rt.send(pid, b"%d:%d" % (name, n)) for n in range(5_000)])
        for name in range(4)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    messages = inbox.wait(20_000)
    for name in range(4):
        own = [message for message in messages if message.startswith(b"%d:" % name)]
        assert own == [b"%d:%d" % (name, n) for n in range(5_000)]


@pytest.mark.parametrize(
    "data",
    [
        b"plain",
        bytearray(b"plain"),
        memoryview(b"plain"),
        memoryview(b"p-l-a-i-n")[::2],
        memoryview(b"nialp")[::-1],
        memoryview(b"plain").cast("B", (5, 1)),
    ],
    ids=lambda data: type(data).__name__,
)
def test_bytes_like_data_is_sent(
    rt: iris.Runtime, inbox: Inbox, data: bytes | bytearray | memoryview
) -> None:
    assert rt.send(rt.spawn(inbox), data)
    (got,) = inbox.wait(1)
    assert got == b"plain"
    assert type(got) is bytes


def test_bytes_arrive_as_the_same_object(rt: iris.Runtime, inbox: Inbox) -> None:
    # The second is not asked what it holds.
    messages = [b"x" * 100_000, type("Own", (bytes,), {"__len__": None, "__iter__": None})(b"own")]
    pid = rt.spawn(inbox)
    for message in messages:
        rt.send(pid, message)
    assert all(got is message for got, message in zip(inbox.wait(2), messages, strict=True))


def test_bad_arguments_are_refused(rt: iris.Runtime) -> None:
    pid = rt.spawn(lambda message: None)
    with pytest.raises(TypeError, match="bytes-like"):
        rt.send(pid, "text")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        rt.send("pid", b"")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="callable"):
        rt.spawn(5)  # type: ignore[arg-type]
    with pytest.raises(iris.InvalidArgumentError, match="budget"):
        rt.spawn(print, budget=0)
    with pytest.raises(ValueError, match="budget"):
        rt.spawn(print, budget=-1)
    with pytest.raises(iris.InvalidArgumentError, match="capacity"):
        rt.spawn_py_handler_bounded(print, 100, 0)
    with pytest.raises(iris.InvalidArgumentError, match="delay_ms"):
        rt.send_after(pid, -1, b"")
    with pytest.raises(iris.InvalidArgumentError, match="timeout"):
        rt.join(pid, timeout=-1)
    with pytest.raises(iris.InvalidArgumentError, match="strategy"):
        rt.supervise_with_factory(pid, lambda: 0, "RestartSome")
    with pytest.raises(iris.InvalidArgumentError, match="unbounded"):
        rt.set_overflow_policy(pid, "dropold")
    for nobody in (0, -1, 7, 2**53, 2**64, 2**200):
        assert rt.send(nobody, b"") is False
        assert rt.is_alive(nobody) is False
        assert rt.mailbox_size(nobody) is None
        assert rt.join(nobody, timeout=0) is True
    assert rt.is_alive(pid)


def test_pids_are_not_reused(rt: iris.Runtime) -> None:
    seen = set()
    for _ in range(1_000):
        pid = rt.spawn(print)
        assert 0 < pid < 2**53
        assert pid not in seen
        seen.add(pid)
        rt.stop(pid)
        assert rt.send(pid, b"stranger") is False


def test_send_many_stops_at_the_first_refusal(rt: iris.Runtime) -> None:
    pid, go = stopped_actor(rt, lambda handler: rt.spawn_py_handler_bounded(handler, 100, 3), [])
    assert rt.send_many(pid, [b"%d" % n for n in range(10)]) == 3
    go.set()


def test_mailbox_size_counts_what_waits(rt: iris.Runtime) -> None:
    pid = rt.spawn_observed_handler()
    assert rt.mailbox_size(pid) == 0
    rt.send_many(pid, [b"a", b"b", b"c"])
    assert rt.mailbox_size(pid) == 3
    rt.get_messages(pid)
    assert rt.mailbox_size(pid) == 0


def test_bounded_refuses_new(rt: iris.Runtime) -> None:
    seen: list[bytes] = []
    pid, go = stopped_actor(rt, lambda handler: rt.spawn_py_handler_bounded(handler, 100, 2), seen)
    assert [rt.send(pid, b"%d" % n) for n in range(4)] == [True, True, False, False]
    go.set()
    eventually(lambda: seen == [b"0", b"1"], "the two that fit")


def test_bounded_drops_old(rt: iris.Runtime) -> None:
    seen: list[bytes] = []
    pid, go = stopped_actor(rt, lambda handler: rt.spawn_py_handler_bounded(handler, 100, 2), seen)
    rt.set_overflow_policy(pid, "dropold")
    assert [rt.send(pid, b"%d" % n) for n in range(4)] == [True] * 4
    go.set()
    eventually(lambda: seen == [b"2", b"3"], "the two newest")


def test_bounded_blocks(rt: iris.Runtime) -> None:
    seen: list[bytes] = []
    pid, go = stopped_actor(rt, lambda handler: rt.spawn_py_handler_bounded(handler, 100, 2), seen)
    rt.set_overflow_policy(pid, "block")
    sent = threading.Event()

    def sender() -> None:
        assert rt.send_many(pid, [b"%d" % n for n in range(6)]) == 6
        sent.set()

    thread = threading.Thread(target=sender)
    thread.start()
    assert not sent.wait(0.05)
    go.set()
    assert sent.wait(DEADLINE)
    thread.join()
    eventually(lambda: seen == [b"%d" % n for n in range(6)], "all six in order")


def test_bounded_redirects(rt: iris.Runtime) -> None:
    seen: list[bytes] = []
    other = rt.spawn_observed_handler()
    pid, go = stopped_actor(rt, lambda handler: rt.spawn_py_handler_bounded(handler, 100, 1), seen)
    with pytest.raises(iris.InvalidArgumentError, match="target"):
        rt.set_overflow_policy(pid, "redirect")
    rt.set_overflow_policy(pid, "redirect", other)
    assert [rt.send(pid, b"%d" % n) for n in range(3)] == [True] * 3
    assert rt.get_messages(other) == [b"1", b"2"]
    go.set()
    eventually(lambda: seen == [b"0"], "the one that fit")


def test_bounded_spills_in_order(rt: iris.Runtime) -> None:
    seen: list[bytes] = []
    pid, go = stopped_actor(rt, lambda handler: rt.spawn_py_handler_bounded(handler, 10, 5), seen)
    rt.set_overflow_policy(pid, "spill")
    expected = [b"%d" % n * 50 for n in range(500)]
    assert rt.send_many(pid, expected) == 500
    go.set()
    eventually(lambda: len(seen) == 500, "all that were spilled")
    assert seen == expected


def test_counters_balance(rt: iris.Runtime, inbox: Inbox) -> None:
    rt.send_many(rt.spawn(inbox), [b"x"] * 1_000)
    rt.send_many(rt.spawn_observed_handler(), [b"x"] * 10)
    rt.send(gone(rt), b"x")
    inbox.wait(1_000)
    stats = rt.stats()
    assert stats["handled"] == 1_000
    assert stats["queued"] == 10
    assert stats["dropped"]["NoProcess"] == 1
    assert stats["sent"] == stats["handled"] + stats["queued"] + sum(stats["dropped"].values())


def test_dead_letters_are_counted(rt: iris.Runtime) -> None:
    rt.send(gone(rt), b"x")
    pid = rt.spawn_observed_handler()
    rt.send_many(pid, [b"a", b"b"])
    rt.stop(pid)
    letters = rt.dead_letters()
    assert letters["NoProcess"] == 1
    eventually(lambda: rt.dead_letters()["ActorExited"] == 2, "two letters to an actor that exited")


def test_dead_letters_are_told(rt: iris.Runtime) -> None:
    listener, gone = rt.spawn_observed_handler(), rt.spawn_observed_handler()
    rt.stop(gone)
    rt.listen_dead_letters(listener)
    rt.send(gone, b"too late")
    letter = rt.selective_recv_blocking(listener, lambda message: True, timeout=DEADLINE)
    assert isinstance(letter, iris.SystemMessage)
    assert (letter.type_name, letter.target_pid, letter.reason) == ("DEAD_LETTER", gone, "NoProcess")
    assert letter.metadata == {"data": b"too late"}
    rt.listen_dead_letters(None)
    rt.send(gone, b"unheard")
    assert rt.get_messages(listener) == []


def test_buffer_is_handed_over_without_copy(rt: iris.Runtime, inbox: Inbox) -> None:
    buffer_id, view, size = iris.allocate_buffer(5)
    assert (size, bytes(view), view.readonly) == (5, b"\0" * 5, False)
    view[:] = b"hello"
    pid = rt.spawn(inbox)
    assert rt.send_buffer(pid, buffer_id) is True
    assert inbox.wait(1) == [b"hello"]
    with pytest.raises(ValueError, match="released"):
        view[0] = 1
    with pytest.raises(iris.NoSuchBufferError):
        rt.send_buffer(pid, buffer_id)
    for unknown in (0, -1, 10**9):
        with pytest.raises(LookupError):
            rt.send_buffer(pid, unknown)
    for size in (0, -5):
        with pytest.raises(iris.InvalidArgumentError, match="size"):
            iris.allocate_buffer(size)


def test_buffer_with_views_in_use_is_copied(rt: iris.Runtime, inbox: Inbox) -> None:
    buffer_id, view, _ = iris.allocate_buffer(4)
    part = memoryview(view)[1:3]
    view[:] = b"abcd"
    assert rt.send_buffer(rt.spawn(inbox), buffer_id)
    (sent,) = inbox.wait(1)
    part[0] = ord("X")
    assert sent == b"abcd"


def test_refused_buffer_stays(rt: iris.Runtime, inbox: Inbox) -> None:
    buffer_id, view, _ = iris.allocate_buffer(1)
    assert rt.send_buffer(12345, buffer_id) is False
    view[:] = b"k"
    assert rt.send_buffer(rt.spawn(inbox), buffer_id) is True
    assert inbox.wait(1) == [b"k"]


def test_send_takes_keywords_and_subclasses(rt: iris.Runtime, inbox: Inbox) -> None:
    class Words(bytes):
        pass

    class Number(int):
        pass

    pid = rt.spawn(inbox)
    ref = rt.ref(pid)
    assert rt.send(pid=pid, data=b"1")
    assert rt.send(pid, data=b"2")
    assert rt.send(Number(pid), Words(b"3"))
    assert ref.send(data=b"4")
    assert ref.send(Words(b"5"))
    assert inbox.wait(5) == [b"1", b"2", b"3", b"4", b"5"]
    for wrong in ((), (pid,), (pid, b"", b"")):
        with pytest.raises(TypeError):
            rt.send(*wrong)
    with pytest.raises(TypeError):
        ref.send()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        rt.send(None, b"")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        iris.Runtime.send(ref, pid, b"")  # type: ignore[arg-type]


def test_handed_over_buffer_gives_no_further_view(rt: iris.Runtime) -> None:
    pid = rt.spawn_observed_handler()
    buffer_id, view, _size = iris.allocate_buffer(5)
    exporter = view.obj
    view[:] = b"hello"
    assert rt.send_buffer(pid, buffer_id)
    with pytest.raises(BufferError, match="handed over"):
        memoryview(exporter)
    assert rt.get_messages(pid) == [b"hello"]


def test_refused_messages_are_freed_at_once(rt: iris.Runtime) -> None:
    pid = rt.spawn_observed_handler()
    ref, message = rt.ref(pid), b"refused %d" % pid
    rt.stop(pid)
    before = sys.getrefcount(message)
    for _ in range(100):
        rt.send(pid, message)
        ref.send(message)
    assert sys.getrefcount(message) == before
