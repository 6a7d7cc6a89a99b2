"""Timers: once, again and again, cancelled, and ended with their actor."""

from __future__ import annotations

import time

import iris
import pytest
from conftest import DEADLINE, Inbox, eventually


def test_timer_fires_after(rt: iris.Runtime, inbox: Inbox) -> None:
    started = time.monotonic()
    rt.send_after(rt.spawn(inbox), 30, b"tick")
    assert inbox.wait(1) == [b"tick"]
    assert 0.03 <= time.monotonic() - started < DEADLINE


def test_timer_repeats(rt: iris.Runtime, inbox: Inbox) -> None:
    timer = rt.send_interval(rt.spawn(inbox), 5, b"tick")
    inbox.wait(3)
    assert rt.cancel_timer(timer) is True
    assert rt.cancel_timer(timer) is False
    with pytest.raises(iris.InvalidArgumentError):
        rt.send_interval(rt.spawn(inbox), 0, b"")


def test_timer_is_cancelled(rt: iris.Runtime, inbox: Inbox) -> None:
    pid = rt.spawn(inbox)
    timer = rt.send_after(pid, 60_000, b"never")
    assert rt.cancel_timer(timer) is True
    assert rt.cancel_timer(timer) is False
    fired = rt.send_after(pid, 1, b"fired")
    assert inbox.wait(1) == [b"fired"]
    assert rt.cancel_timer(fired) is False
    assert rt.cancel_timer(10**15) is False


def test_timer_ends_with_actor(rt: iris.Runtime, inbox: Inbox) -> None:
    pid = rt.spawn(inbox)
    timer = rt.send_interval(pid, 5, b"tick")
    rt.stop(pid)
    eventually(lambda: rt.stats()["timers"] == 0, "the end of the timer")
    assert rt.cancel_timer(timer) is False
    with pytest.raises(iris.NoProcessError):
        rt.send_after(pid, 5, b"late")
