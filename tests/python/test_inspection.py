"""Inspection, references and errors."""

from __future__ import annotations

import builtins
import threading

import iris
import pytest
from conftest import Inbox
from iris import _iris, errors


def test_inspection_shows_an_actor(rt: iris.Runtime, inbox: Inbox) -> None:
    parent = rt.spawn(inbox, budget=7)
    child = rt.spawn_child(parent, inbox)
    peer = rt.spawn_observed_handler()
    rt.register("mail", parent)
    rt.register_path("/services/mail", parent)
    rt.link(parent, peer)
    rt.hot_swap(parent, inbox)
    info = rt.actor_info(parent)
    assert info is not None
    assert info["pid"] == parent
    assert (info["kind"], info["budget"], info["version"], info["restarts"]) == ("push", 7, 2, 0)
    assert (info["names"], info["paths"]) == (["mail"], ["/services/mail"])
    assert (info["links"], info["children"], info["parent"]) == ([peer], [child], None)
    assert rt.actor_info(12345) is None
    assert rt.actor_info(peer)["kind"] == "observed"  # type: ignore[index]
    tree = {look["pid"]: look for look in rt.tree()}
    assert tree[child]["parent"] == parent
    stats = rt.stats()
    assert stats["actors"] == stats["spawned"] == 3
    assert (stats["names"], stats["paths"]) == (1, 1)


def test_reference_sends_and_compares(rt: iris.Runtime, inbox: Inbox) -> None:
    pid = rt.spawn(inbox)
    ref: iris.ActorRef[bytes] = rt.ref(pid)
    assert ref.pid == pid
    assert ref.send(b"x") is True
    assert inbox.wait(1) == [b"x"]
    assert ref == rt.ref(pid)
    assert ref != rt.ref(rt.spawn(inbox))
    assert ref != 5
    assert len({ref, rt.ref(pid)}) == 1
    assert str(pid) in repr(ref)
    assert ref.is_alive() is True
    assert ref.stop() is True
    assert ref.is_alive() is False
    assert ref.send(b"late") is False
    with pytest.raises(iris.NoProcessError):
        rt.ref(pid)
    assert iris.ActorRef[bytes] is not None


def test_an_actor_that_was_told_to_stop_has_no_reference(rt: iris.Runtime) -> None:
    entered, go = threading.Event(), threading.Event()

    def lives_on(mailbox: iris.Mailbox) -> None:
        entered.set()
        go.wait(60)

    pid = rt.spawn_with_mailbox(lives_on)
    assert entered.wait(60)
    assert rt.ref(pid).stop()
    with pytest.raises(iris.NoProcessError):
        rt.ref(pid)
    go.set()
    assert rt.join(pid, 60)


def test_errors_have_one_class_per_kind() -> None:
    kinds = {f"{kind}Error": kind for kind in _iris._error_kinds()}
    classes = {name: getattr(errors, name) for name in errors.__all__ if name != "IrisError"}
    assert {name: cls.kind for name, cls in classes.items()} == kinds
    builtin = {value for value in vars(builtins).values() if isinstance(value, type)}
    for name, cls in classes.items():
        assert issubclass(cls, iris.IrisError)
        assert getattr(iris, name) is cls
        assert any(base in builtin and base is not object for base in cls.__bases__), (
            f"{name} is no builtin error"
        )
    assert issubclass(iris.AskTimeoutError, TimeoutError)
    assert issubclass(iris.ForkedRuntimeError, RuntimeError)
