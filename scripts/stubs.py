"""Writes python/iris/_iris.pyi, the types of the native module: names, parameters, defaults and docstrings are read from the
extension itself, so that an editor shows them; what a signature cannot tell, the types, stands here.

A parameter has one type wherever its name is used. A name without a type, and a type without a use, are errors.
"""

from __future__ import annotations

import inspect
import keyword
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from iris import _iris

AIM = Path(__file__).resolve().parent.parent / "python" / "iris" / "_iris.pyi"

HEAD = '''"""The native module. Written by `make generate` from the extension and scripts/stubs.py: do not edit."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from os import PathLike
from types import GenericAlias
from typing import Any, Generic, Self, TypeAlias, final

from typing_extensions import Buffer, TypeVar, disjoint_base

_M = TypeVar("_M", bound=Buffer, default=Buffer, contravariant=True)

_Message: TypeAlias = bytes | PySystemMessage
_Matcher: TypeAlias = Callable[[_Message], object]
_Handler: TypeAlias = Callable[[bytes], object]
_PullFunction: TypeAlias = Callable[[Mailbox], object] | Callable[[AsyncMailbox], Coroutine[Any, Any, object]]
'''

#: How each class begins.
CLASSES = {
    "PySystemMessage": "@final\nclass PySystemMessage:",
    "Mailbox": "@final\nclass Mailbox:",
    "AsyncMailbox": "@final\nclass AsyncMailbox:",
    "ActorRef": "@final\nclass ActorRef(Generic[_M]):",
    "Runtime": "@disjoint_base\nclass Runtime:",
}

#: The type of a parameter by its name; `Class.method.name` goes before `Class.name`, that before `name`.
PARAMETERS = {
    "a": "int",
    "ActorRef.data": "_M",
    "actors_max": "int | None",
    "addr": "str",
    "addresses": "Sequence[str]",
    "allow": "dict[str, list[str]] | None",
    "b": "int",
    "backoff": "tuple[float, float]",
    "budget": "int",
    "buffer_id": "int",
    "capacity": "int",
    "certificates": "str | PathLike[str] | None",
    "contextvars": "bool",
    "data": "Buffer",
    "delay_ms": "int",
    "directory": "str | PathLike[str]",
    "factory": "Callable[[], int]",
    "future": "Awaitable[None]",
    "gil_pool_size": "int",
    "global_": "bool",
    "handler": "_Handler",
    "heartbeat_ms": "int | None",
    "id": "int",
    "idle_timeout_ms": "int | None",
    "insecure": "bool | None",
    "intensity": "int",
    "interval_ms": "int",
    "kind": "str",
    "make_handler": "Callable[[], _Handler | _PullFunction]",
    "matcher": "_Matcher",
    "max": "int",
    "max_threads": "int",
    "message": "_Message",
    "messages": "Iterable[Buffer]",
    "monitor": "int",
    "name": "str",
    "names": "Sequence[str]",
    "new_handler": "_Handler | _PullFunction",
    "parent": "int",
    "path": "str",
    "payload_max": "int | None",
    "period": "float",
    "pid": "int",
    "policy": "str",
    "prefix": "str",
    "release_gil": "bool",
    "restart": "str",
    "Runtime.child_pids.supervisor": "int | None",
    "Runtime.children_count.supervisor": "int | None",
    "Runtime.listen.name": "str | None",
    "Runtime.listen_dead_letters.pid": "int | None",
    "Runtime.shutdown.timeout": "float",
    "Runtime.spawn_child_with_mailbox.handler": "_PullFunction",
    "Runtime.spawn_supervisor.supervisor": "int | None",
    "Runtime.spawn_with_mailbox.handler": "_PullFunction",
    "Runtime.start_child.name": "str | None",
    "Runtime.start_child.path": "str | None",
    "Runtime.start_mesh.name": "str | None",
    "size": "int",
    "steps": "int",
    "strategy": "str",
    "strict": "bool",
    "supervisor": "int",
    "target": "int | None",
    "timeout": "float | None",
    "v1_hosts": "Sequence[str] | None",
    "watcher": "int | None",
    "window": "int | None",
    "workers": "int",
}

#: What a function gives, and the type of a property, in the order of the file.
RESULTS = {
    "version": "str",
    "allocate_buffer": "tuple[int, memoryview, int]",
    "dev_certs": "None",
    "_error_kinds": "list[str]",
    "_wait_seconds": "float | None",
    "_after_fork": "None",
    "_before_fork": "None",
    "_exit": "None",
    "_forked": "None",
    "PySystemMessage.type_name": "str",
    "PySystemMessage.from_pid": "int | None",
    "PySystemMessage.target_pid": "int | None",
    "PySystemMessage.reason": "str | None",
    "PySystemMessage.metadata": "dict[str, Any] | None",
    "Mailbox.pid": "int",
    "Mailbox.recv": "_Message | None",
    "Mailbox.recv_many": "list[_Message]",
    "Mailbox.selective_recv": "_Message | None",
    "Mailbox.reply": "bool",
    "AsyncMailbox.pid": "int",
    "AsyncMailbox.recv": "Awaitable[_Message | None]",
    "AsyncMailbox.recv_many": "Awaitable[list[_Message]]",
    "AsyncMailbox.selective_recv": "Awaitable[_Message | None]",
    "AsyncMailbox.reply": "bool",
    "ActorRef.pid": "int",
    "ActorRef.send": "bool",
    "ActorRef.ask": "Awaitable[bytes]",
    "ActorRef.ask_blocking": "bytes",
    "ActorRef.stop": "bool",
    "ActorRef.is_alive": "bool",
    "Runtime.spawn": "int",
    "Runtime.spawn_with_mailbox": "int",
    "Runtime.spawn_child": "int",
    "Runtime.spawn_child_with_mailbox": "int",
    "Runtime.spawn_child_pool": "list[int]",
    "Runtime.spawn_py_handler_bounded": "int",
    "Runtime.spawn_virtual": "int",
    "Runtime.spawn_observed_handler": "int",
    "Runtime.spawn_with_path_observed": "int",
    "Runtime.set_release_gil_limits": "None",
    "Runtime.set_release_gil_strict": "None",
    "Runtime.hot_swap": "int",
    "Runtime.behavior_version": "int",
    "Runtime.rollback_behavior": "int",
    "Runtime.send": "bool",
    "Runtime.send_many": "int",
    "Runtime.send_named": "bool",
    "Runtime.send_buffer": "bool",
    "Runtime.ref": "ActorRef[Buffer]",
    "Runtime.ask": "Awaitable[bytes]",
    "Runtime.ask_blocking": "bytes",
    "Runtime.mailbox_size": "int | None",
    "Runtime.set_overflow_policy": "None",
    "Runtime.get_messages": "list[_Message]",
    "Runtime.selective_recv_blocking": "_Message | None",
    "Runtime._select_observed": "_Message | None",
    "Runtime._notify_observed": "None",
    "Runtime.send_after": "int",
    "Runtime.send_interval": "int",
    "Runtime.cancel_timer": "bool",
    "Runtime.register": "None",
    "Runtime.unregister": "bool",
    "Runtime.whereis": "int | None",
    "Runtime.resolve": "int | None",
    "Runtime.register_path": "None",
    "Runtime.unregister_path": "bool",
    "Runtime.whereis_path": "int | None",
    "Runtime.list_children": "list[tuple[str, int]]",
    "Runtime.list_children_direct": "list[tuple[str, int]]",
    "Runtime.link": "None",
    "Runtime.unlink": "bool",
    "Runtime.monitor": "int",
    "Runtime.demonitor": "bool",
    "Runtime.watch": "None",
    "Runtime.watch_path": "None",
    "Runtime.supervise_with_factory": "None",
    "Runtime.unsupervise": "bool",
    "Runtime.child_pids": "list[int]",
    "Runtime.children_count": "int",
    "Runtime.create_path_supervisor": "bool",
    "Runtime.remove_path_supervisor": "bool",
    "Runtime.path_supervisor_watch": "None",
    "Runtime.path_supervisor_children": "list[int]",
    "Runtime.path_supervise_with_factory": "None",
    "Runtime.spawn_supervisor": "int",
    "Runtime.start_child": "int",
    "Runtime.stop": "bool",
    "Runtime.join": "bool",
    "Runtime.is_alive": "bool",
    "Runtime.current_pid": "int | None",
    "Runtime.shutdown": "dict[str, Any]",
    "Runtime.close": "None",
    "Runtime.closed": "bool",
    "Runtime.stats": "dict[str, Any]",
    "Runtime.actor_info": "dict[str, Any] | None",
    "Runtime.tree": "list[dict[str, Any]]",
    "Runtime.dead_letters": "dict[str, int]",
    "Runtime.listen_dead_letters": "None",
    "Runtime.listen": "str",
    "Runtime.start_mesh": "None",
    "Runtime.resolve_remote": "int | None",
    "Runtime.send_remote": "bool",
    "Runtime.monitor_remote": "int",
    "Runtime.is_node_up": "bool",
    "Runtime.mesh_info": "dict[str, Any] | None",
    "Runtime.join_mesh": "None",
    "Runtime.monitor_nodes": "None",
    "Runtime.demonitor_nodes": "bool",
}

#: Methods of the language, written as they are: their signatures say nothing.
SPECIAL = {
    "ActorRef.__class_getitem__": "def __class_getitem__(cls, key: Any) -> GenericAlias: ...",
    "ActorRef.__eq__": "def __eq__(self, other: object, /) -> bool: ...",
    "ActorRef.__hash__": "def __hash__(self) -> int: ...",
    "AsyncMailbox.__aiter__": "def __aiter__(self) -> Self: ...",
    "AsyncMailbox.__anext__": "def __anext__(self) -> Awaitable[_Message]: ...",
}

#: What CPython makes beside what is written: comparisons that follow from `__eq__`, representations.
IMPLIED = {"__repr__", "__lt__", "__le__", "__ne__", "__gt__", "__ge__", "__doc__", "__module__"}


class Table:
    """A table of types that knows which of its entries were used."""

    def __init__(self, name: str, entries: dict[str, str]) -> None:
        self.name, self.entries, self.unused = name, entries, set(entries)

    def get(self, *keys: str) -> str:
        """The entry of the first key that has one."""
        for key in keys:
            if key in self.entries:
                self.unused.discard(key)
                return self.entries[key]
        sys.exit(f"scripts/stubs.py: {keys[0]} is in the extension and not in {self.name}")


PARAMETER, RESULT, SPECIALS = (
    Table("PARAMETERS", PARAMETERS),
    Table("RESULTS", RESULTS),
    Table("SPECIAL", SPECIAL),
)


def docstring(thing: object) -> str:
    """The docstring as a literal, at no indentation; empty where there is none."""
    text = inspect.getdoc(thing) or ""
    if not text:
        return ""
    quoted = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    end = "\n" if "\n" in quoted else ""
    return f'"""{quoted}{end}"""'


def parameter(owner: str, one: inspect.Parameter) -> str:
    """A parameter with its type and default."""
    holder = owner.partition(".")[0]
    typed = f"{one.name}: {PARAMETER.get(f'{owner}.{one.name}', f'{holder}.{one.name}', one.name)}"
    if one.default is inspect.Parameter.empty:
        return typed
    default = "..." if one.default is ... else re.sub(r"^'(.*)'$", r'"\1"', repr(one.default))
    return f"{typed} = {default}"


def function(owner: str, thing: object, name: str) -> str:
    """The stub of a function or method, with its docstring."""
    words, keywords_begun = [], False
    signature = inspect.signature(thing)  # type: ignore[arg-type]
    for one in signature.parameters.values():
        if one.name == "self":
            words.append("self")
            continue
        if one.kind is inspect.Parameter.KEYWORD_ONLY and not keywords_begun:
            words.append("*")
            keywords_begun = True
        words.append(parameter(owner, one))
    assert not keyword.iskeyword(name)
    return f"def {name}({', '.join(words)}) -> {RESULT.get(owner)}:{body(thing)}"


def body(thing: object) -> str:
    """A docstring as a body, or nothing at all."""
    text = docstring(thing)
    return "\n" + textwrap.indent(text, "    ") if text else " ..."


def place(owner: str) -> tuple[bool, int]:
    """Where it stands in the file: the extension's own order is not the same in each build."""
    order = list(RESULTS)
    return owner not in RESULTS, order.index(owner) if owner in RESULTS else 0


def members(name: str, of: type) -> Iterator[str]:
    """The stubs of what a class has."""
    if name == "Runtime":
        words = [parameter("Runtime.__new__", one) for one in inspect.signature(of).parameters.values()]
        yield f"def __new__(cls, *, {', '.join(words)}) -> Self: ..."
    for member, thing in sorted(vars(of).items(), key=lambda item: place(f"{name}.{item[0]}")):
        owner = f"{name}.{member}"
        if member in IMPLIED or (name == "Runtime" and member == "__new__"):
            continue
        if member.startswith("__"):
            yield SPECIALS.get(owner)
        elif inspect.isgetsetdescriptor(thing):
            yield f"@property\ndef {member}(self) -> {RESULT.get(owner)}:{body(thing)}"
        else:
            yield function(owner, thing, member)


def stub() -> str:
    """The whole file."""
    public = [name for name in vars(_iris) if not (name.startswith("__") and name.endswith("__"))]
    names = ", ".join(f'"{name}"' for name in sorted(public))
    parts = [HEAD, f"__all__ = [{names}]"]
    functions = sorted((name for name in public if name not in CLASSES), key=place)
    parts += [function(name, vars(_iris)[name], name) for name in functions]
    for name, head in CLASSES.items():
        of = vars(_iris)[name]
        inside = [docstring(of), *members(name, of)]
        parts.append(head + "\n" + textwrap.indent("\n\n".join(filter(None, inside)), "    "))
    unused = sorted(PARAMETER.unused | RESULT.unused | SPECIALS.unused)
    if unused:
        sys.exit(f"scripts/stubs.py: types without a use: {', '.join(unused)}")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    AIM.write_text(stub())
