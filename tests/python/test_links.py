"""Links and monitors."""

from __future__ import annotations

import iris
import pytest
from conftest import DEADLINE, eventually, system


def test_link_tells_exit(rt: iris.Runtime) -> None:
    a, b = rt.spawn_observed_handler(), rt.spawn_observed_handler()
    rt.link(a, b)
    rt.stop(b)
    (told,) = system(rt.get_messages(a), "EXIT")
    assert (told.target_pid, told.reason, told.metadata) == (b, "Killed", None)
    assert rt.is_alive(a)
    assert str(b) in repr(told)
    with pytest.raises(iris.NoProcessError):
        rt.link(a, b)
    c = rt.spawn_observed_handler()
    rt.link(a, c)
    assert rt.unlink(a, c) is True
    assert rt.unlink(a, c) is False
    rt.stop(c)
    assert rt.get_messages(a) == []


def test_exit_of_a_pull_actor_that_returned_is_normal(rt: iris.Runtime) -> None:
    watcher = rt.spawn_observed_handler()
    pid = rt.spawn_with_mailbox(lambda mailbox: mailbox.recv())
    rt.link(watcher, pid)
    rt.send(pid, b"return")
    told = rt.selective_recv_blocking(watcher, lambda message: True, timeout=DEADLINE)
    assert isinstance(told, iris.SystemMessage)
    assert (told.type_name, told.target_pid, told.reason) == ("EXIT", pid, "Normal")


def test_monitor_tells_down_once(rt: iris.Runtime) -> None:
    watcher, target = rt.spawn_observed_handler(), rt.spawn_observed_handler()
    reference = rt.monitor(target, watcher)
    rt.stop(target)
    (told,) = system(rt.get_messages(watcher), "DOWN")
    assert (told.target_pid, told.reason, told.metadata) == (target, "Killed", {"monitor": reference})
    assert rt.get_messages(watcher) == []
    assert rt.demonitor(reference) is False
    with pytest.raises(iris.NoProcessError):
        rt.monitor(target, watcher)
    with pytest.raises(iris.InvalidArgumentError, match="watcher"):
        rt.monitor(watcher)


def test_actor_monitors_by_itself(rt: iris.Runtime) -> None:
    target = rt.spawn_observed_handler()
    downs: list[object] = []

    def function(mailbox: iris.Mailbox) -> None:
        rt.monitor(target)
        downs.append(mailbox.recv())
        downs.append(mailbox.recv())

    pid = rt.spawn_with_mailbox(function)
    eventually(lambda: rt.actor_info(target)["monitored_by"] == [pid], "the monitor")  # type: ignore[index]
    rt.stop(target)
    eventually(lambda: len(downs) == 1, "DOWN")
    (down,) = system(downs, "DOWN")
    assert down.target_pid == target


def test_demonitor_is_silent(rt: iris.Runtime) -> None:
    watcher, target = rt.spawn_observed_handler(), rt.spawn_observed_handler()
    assert rt.demonitor(rt.monitor(target, watcher)) is True
    rt.stop(target)
    assert rt.get_messages(watcher) == []
