"""Names and paths."""

from __future__ import annotations

import iris
import pytest
from conftest import Inbox, eventually


def test_name_goes_with_its_actor(rt: iris.Runtime, inbox: Inbox) -> None:
    pid = rt.spawn(inbox)
    rt.register("mail", pid)
    assert rt.whereis("mail") == rt.resolve("mail") == pid
    assert rt.send_named("mail", b"letter") is True
    inbox.wait(1)
    rt.stop(pid)
    eventually(lambda: rt.whereis("mail") is None, "the name to go")
    assert rt.send_named("mail", b"letter") is False
    rt.register("mail", rt.spawn(inbox))
    assert rt.unregister("mail") is True
    assert rt.unregister("mail") is False
    assert rt.whereis("mail") is None


def test_name_of_live_actor_is_taken(rt: iris.Runtime, inbox: Inbox) -> None:
    one, other = rt.spawn(inbox), rt.spawn(inbox)
    rt.register("mail", one)
    with pytest.raises(iris.NameTakenError, match="mail"):
        rt.register("mail", other)
    with pytest.raises(ValueError, match="mail"):
        rt.register("mail", other)
    assert rt.whereis("mail") == one
    with pytest.raises(iris.NoProcessError):
        rt.register("nobody", 12345)


def test_paths_list_whole_segments(rt: iris.Runtime) -> None:
    pids = {
        path: rt.spawn_with_path_observed(100, path) for path in ("/a", "/a/c", "/a/b", "/a/b/d", "/ab/x")
    }
    assert rt.list_children("/a") == [(path, pids[path]) for path in ("/a/b", "/a/b/d", "/a/c")]
    assert rt.list_children_direct("/a") == [(path, pids[path]) for path in ("/a/b", "/a/c")]
    assert rt.whereis_path("/a/b/d") == pids["/a/b/d"]
    assert rt.unregister_path("/a/b/d") is True
    assert rt.unregister_path("/a/b/d") is False
    assert rt.whereis_path("/a/b/d") is None
    rt.register_path("/z/y", pids["/a"])
    assert rt.whereis_path("/z/y") == pids["/a"]
    with pytest.raises(iris.NameTakenError):
        rt.register_path("/z/y", pids["/a/b"])
    rt.stop(pids["/a/c"])
    eventually(lambda: rt.whereis_path("/a/c") is None, "the path to go")
    for bad in ("", "no-slash", "/a//b"):
        with pytest.raises(iris.InvalidArgumentError):
            rt.register_path(bad, pids["/a"])
