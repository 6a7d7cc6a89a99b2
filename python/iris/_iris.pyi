"""The native module. Written by `make generate` from the extension and scripts/stubs.py: do not edit."""

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

__all__ = [
    "ActorRef",
    "AsyncMailbox",
    "Mailbox",
    "PySystemMessage",
    "Runtime",
    "_after_fork",
    "_before_fork",
    "_error_kinds",
    "_exit",
    "_forked",
    "_wait_seconds",
    "allocate_buffer",
    "dev_certs",
    "version",
]

def version() -> str:
    """The version of the product."""

def allocate_buffer(size: int) -> tuple[int, memoryview, int]:
    """Allocate a buffer to fill in place and hand over with `Runtime.send_buffer`.

    Args:
        size: bytes, at least 1. The memory is zero.

    Returns:
        `(buffer_id, view, size)`; `view` is a writable `memoryview`. A buffer lives until it is handed over, or until
        the process ends.

    Example:
        >>> import iris
        >>> buffer_id, view, size = iris.allocate_buffer(5)
        >>> view[:] = b"hello"
        >>> with iris.Runtime() as rt:
        ...     rt.send_buffer(rt.spawn_observed_handler(), buffer_id)
        True
    """

def dev_certs(directory: str | PathLike[str], names: Sequence[str]) -> None:
    """Write certificates for development: an authority of one's own (`ca.pem`, `ca.key`), made where the directory has none, and
    `NAME.pem` and `NAME.key` for each node. Whoever can read `ca.key` can be any node.

    Example:
        >>> import iris, tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     iris.dev_certs(directory, ["one", "other"])
        ...     with iris.Runtime() as there, iris.Runtime() as here:
        ...         there.register("shout", there.spawn(bytes.upper))
        ...         address = there.listen("127.0.0.1:0", name="one", certificates=directory)
        ...         here.start_mesh(name="other", certificates=directory)
        ...         here.ask_blocking(here.resolve_remote(address, "shout"), b"hello")
        b'HELLO'
    """

def _error_kinds() -> list[str]:
    """The kinds by name, for the test that compares the languages."""

def _wait_seconds(timeout: float | None) -> float | None:
    """A time-out as seconds, for a wait that is written in Python; `None`: for ever."""

def _after_fork() -> None:
    """Called after a fork, in the parent; in the child with what else is done there."""

def _before_fork() -> None:
    """Called before a fork, by the thread that forks. Whoever holds the lock needs nothing of it, the GIL least."""

def _exit() -> None:
    """Closes all runtimes of this process; registered with `atexit`."""

def _forked() -> None:
    """Marks a forked child; registered with `os.register_at_fork`."""

@final
class PySystemMessage:
    """A notice of the runtime, as `Mailbox.recv` and `Runtime.get_messages` give it beside user messages (`bytes`).

    `type_name` says which notice it is:

    - `"EXIT"`: a linked actor exited; `target_pid` is that actor.
    - `"DOWN"`: a monitored actor exited; `target_pid` is that actor, `metadata["monitor"]` the monitor.
    - `"HOT_SWAP"`: the receiver's handler was swapped.
    - `"PING"`, `"PONG"`: heartbeats of remote nodes.
    - `"DEAD_LETTER"`: told to the listener of dead letters; `target_pid` is the actor that did not get the message,
      `reason` the name of the reason, `metadata["data"]` the message.
    - `"NODE_UP"`, `"NODE_DOWN"`: told by `Runtime.monitor_nodes`; `metadata["node"]` is the node's name, `metadata["address"]`
      where it listens, `metadata["message"]` why it is down.

    Example:
        >>> import iris
        >>> with iris.Runtime() as rt:
        ...     a, b = rt.spawn_observed_handler(), rt.spawn_observed_handler()
        ...     rt.link(a, b)
        ...     rt.stop(b)
        ...     [(m.type_name, m.target_pid == b, m.reason) for m in rt.get_messages(a)]
        True
        [('EXIT', True, 'Killed')]
    """

    @property
    def type_name(self) -> str:
        """Which notice it is: `"EXIT"`, `"DOWN"`, `"HOT_SWAP"`, `"PING"`, `"PONG"`, `"DEAD_LETTER"`,
        `"NODE_UP"` or `"NODE_DOWN"`.
        """

    @property
    def from_pid(self) -> int | None:
        """The actor the notice comes from, where there is one."""

    @property
    def target_pid(self) -> int | None:
        """The actor the notice is about: for EXIT and DOWN the actor that exited."""

    @property
    def reason(self) -> str | None:
        """Why the actor exited: `"Normal"`, `"Killed"`, `"Panic"` or `"Crash"`; for a dead letter why it is one."""

    @property
    def metadata(self) -> dict[str, Any] | None:
        """What else is known, as a dict, or `None`: after a crash `"type"`, `"message"` and `"traceback"`; in a DOWN
        `"monitor"`; in a dead letter `"data"`; of a node `"node"`, `"address"` and, where it is down, `"message"`.
        """

@final
class Mailbox:
    """The messages of one pull actor, for its own function on its own thread.

    A message of a user is `bytes`; a notice of the runtime is a `PySystemMessage`. Every waiting method lets other
    Python threads run and returns `None` (or what it has) once the actor was told to stop: return from the function
    then.

    Example:
        >>> import iris
        >>> def double(mailbox):
        ...     while (message := mailbox.recv()) is not None:
        ...         mailbox.reply(message, message * 2)
        >>> with iris.Runtime() as rt:
        ...     rt.ask_blocking(rt.spawn_with_mailbox(double), b"ab")
        b'abab'
    """

    @property
    def pid(self) -> int:
        """The actor's pid."""

    def recv(self, timeout: float | None = None) -> _Message | None:
        """Take the oldest message, waiting for one.

        Args:
            timeout: seconds to wait; `None` waits for ever, 0 only looks.

        Returns:
            `bytes`, a `PySystemMessage`, or `None` on time-out and when the actor was told to stop.
        """

    def recv_many(self, max: int, timeout: float | None = None) -> list[_Message]:
        """Take what is there, up to `max` messages, waiting for the first one.

        Args:
            max: most messages to take, at least 1.
            timeout: seconds to wait for the first message; `None` waits for ever.

        Returns:
            A list of messages, oldest first; empty on time-out and when the actor was told to stop.
        """

    def selective_recv(self, matcher: _Matcher, timeout: float | None = None) -> _Message | None:
        """Take the first message for which `matcher(message)` is true, waiting for one. The others keep their order.

        Args:
            matcher: called with each message, oldest first; what it raises is raised here, and nothing is taken.
            timeout: seconds to wait; `None` waits for ever.

        Returns:
            The message, or `None` on time-out and when the actor was told to stop.
        """

    def reply(self, message: _Message, data: Buffer) -> bool:
        """Answer the ask that `message` came with.

        Args:
            message: the very object that `recv` gave. Of several asks with the same object the oldest is answered.
            data: any bytes-like object.

        Returns:
            True if somebody still waited; False for a message that was sent, answered already, or timed out.
        """

@final
class AsyncMailbox:
    """The messages of one `async def` pull actor, for its own function.

    As `Mailbox`, with `await`: `await mailbox.recv()`. Also an async iterator that ends when the actor is told to stop.

    Example:
        >>> import iris
        >>> async def double(mailbox):
        ...     async for message in mailbox:
        ...         mailbox.reply(message, message * 2)
        >>> with iris.Runtime() as rt:
        ...     rt.ask_blocking(rt.spawn_with_mailbox(double), b"ab")
        b'abab'
    """

    @property
    def pid(self) -> int:
        """The actor's pid."""

    def recv(self, timeout: float | None = None) -> Awaitable[_Message | None]:
        """Take the oldest message, waiting for one.

        Args:
            timeout: seconds to wait; `None` waits for ever.

        Returns:
            An awaitable of `bytes`, a `PySystemMessage`, or `None` on time-out and when the actor was told to stop.
        """

    def recv_many(self, max: int, timeout: float | None = None) -> Awaitable[list[_Message]]:
        """Take what is there, up to `max` messages, waiting for the first one.

        Args:
            max: most messages to take, at least 1.
            timeout: seconds to wait for the first message; `None` waits for ever.

        Returns:
            An awaitable of a list, oldest first; empty on time-out and when the actor was told to stop.
        """

    def selective_recv(self, matcher: _Matcher, timeout: float | None = None) -> Awaitable[_Message | None]:
        """Take the first message for which `matcher(message)` is true, waiting for one. The others keep their order.

        Args:
            matcher: called with each message, oldest first; what it raises is raised here, and nothing is taken.
            timeout: seconds to wait; `None` waits for ever.

        Returns:
            An awaitable of the message, or of `None` on time-out and when the actor was told to stop.
        """

    def reply(self, message: _Message, data: Buffer) -> bool:
        """Answer the ask that `message` came with; see `Mailbox.reply`."""

    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Awaitable[_Message]: ...

@final
class ActorRef(Generic[_M]):
    """A handle of one actor: sends without looking the pid up. Generic in the type of message, for type checkers.

    Good for as long as it is kept; a send after the actor's end returns False.

    Example:
        >>> import iris
        >>> with iris.Runtime() as rt:
        ...     upper = rt.ref(rt.spawn(bytes.upper))
        ...     upper.send(b"a"), upper.ask_blocking(b"b"), upper.is_alive()
        (True, b'B', True)
    """

    @property
    def pid(self) -> int:
        """The actor's pid."""

    def send(self, data: _M) -> bool:
        """Send a message. As `Runtime.send`."""

    def ask(self, data: _M, timeout: float | None = 5.0) -> Awaitable[bytes]:
        """Ask, and await the answer. As `Runtime.ask`."""

    def ask_blocking(self, data: _M, timeout: float | None = 5.0) -> bytes:
        """Ask, and block this thread until the answer is there. As `Runtime.ask_blocking`."""

    def stop(self) -> bool:
        """Tell the actor to stop. As `Runtime.stop`."""

    def is_alive(self) -> bool:
        """Whether the actor takes messages. As `Runtime.is_alive`."""

    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __class_getitem__(cls, key: Any) -> GenericAlias: ...

@disjoint_base
class Runtime:
    """The native methods of `iris.Runtime`."""

    def __new__(cls, *, contextvars: bool = False, actors_max: int | None = None) -> Self: ...
    def spawn(self, handler: _Handler, budget: int = 100, release_gil: bool = False) -> int:
        """Spawn a push actor: `handler(message)` is called once per message. Returns at once.

        A plain handler runs on the event loop that runs here, if one does, else on the runtime's own Python thread (see
        `ask_blocking` for an exception). An
        `async def` handler runs on the event loop that runs here, else on the runtime's own loop thread; its actor
        handles the next message when it is done. What a handler raises ends its actor with reason `"Crash"`.

        Args:
            handler: called with `bytes`. What it returns answers an `ask`.
            budget: messages it may handle in one turn before other actors run, at least 1.
            release_gil: give it a thread of its own, for handlers that block (see `set_release_gil_limits`).

        Returns:
            The actor's pid.

        Example:
            >>> import iris
            >>> with iris.Runtime() as rt:
            ...     rt.ask_blocking(rt.spawn(lambda message: message[::-1]), b"abc")
            b'cba'
        """

    def spawn_with_mailbox(self, handler: _PullFunction, budget: int = 100) -> int:
        """Spawn a pull actor: `handler(mailbox)` runs on a thread of its own, an `async def` handler as a task on the event
        loop that runs here or on the runtime's own loop thread. The actor ends when it returns.

        A thread costs about 40 kB and a process has room for some 30,000; `async def` handlers cost about 3 kB.

        Args:
            handler: called with a `Mailbox`, an `async def` one with an `AsyncMailbox`.
            budget: kept for inspection; a pull actor takes messages at its own pace.

        Returns:
            The actor's pid.
        """

    def spawn_child(
        self, parent: int, handler: _Handler, budget: int = 100, release_gil: bool = False
    ) -> int:
        """Spawn a push actor that ends when its parent ends, before it. As `spawn`.

        Raises:
            NoProcessError: no such parent.
        """

    def spawn_child_with_mailbox(self, parent: int, handler: _PullFunction, budget: int = 100) -> int:
        """Spawn a pull actor that ends when its parent ends, before it. As `spawn_with_mailbox`.

        Raises:
            NoProcessError: no such parent.
        """

    def spawn_child_pool(
        self, parent: int, handler: _Handler, workers: int, budget: int = 100, release_gil: bool = False
    ) -> list[int]:
        """Spawn several push actors with one handler that end when their parent ends.

        Args:
            workers: how many, at least 1.

        Returns:
            Their pids.
        """

    def spawn_py_handler_bounded(
        self, handler: _Handler, budget: int, capacity: int, release_gil: bool = False
    ) -> int:
        """Spawn a push actor with a bounded mailbox. Beyond `capacity` messages a send returns False, until
        `set_overflow_policy` says otherwise.

        Args:
            capacity: most messages that wait, at least 1.
        """

    def spawn_virtual(self, handler: _Handler, budget: int = 100, idle_timeout_ms: int | None = None) -> int:
        """Spawn a virtual push actor: its pid is there now, it comes to life with its first message, and it ends with reason
        `"Normal"` when no message came for a while.

        Args:
            idle_timeout_ms: milliseconds without a message after which it ends, at least 1; `None`: it stays.
        """

    def spawn_observed_handler(self, budget: int = 100) -> int:
        """Spawn an observed actor: it has no handler and keeps what it gets for `get_messages`."""

    def spawn_with_path_observed(self, budget: int, path: str) -> int:
        """Spawn an observed actor and register it under a path.

        Raises:
            NameTakenError: a live actor has the path.
        """

    def set_release_gil_limits(self, max_threads: int, gil_pool_size: int) -> None:
        """Limit the threads of `release_gil` actors.

        Args:
            max_threads: actors that get a thread of their own, 0 to 30,000. Default 256, or what the environment variable
                `IRIS_MAX_RELEASE_GIL_THREADS` says.
            gil_pool_size: threads that all further ones share, 1 to 30,000. Default 8, or `IRIS_GIL_POOL_SIZE`.
        """

    def set_release_gil_strict(self, strict: bool) -> None:
        """Refuse a `release_gil` actor beyond the limit with `LimitReachedError`, instead of using the pool."""

    def hot_swap(self, pid: int, new_handler: _Handler | _PullFunction) -> int:
        """Change an actor's code while it lives. The message in progress ends under the old handler; every later message,
        queued or new, meets the new one; none is lost or reordered.

        A pull actor is told `HOT_SWAP`; when its function returns, the new one is called with the same messages. An actor
        that was spawned with `release_gil=True` keeps its thread.

        Args:
            pid: a push or pull actor.
            new_handler: as for `spawn` or `spawn_with_mailbox`, whichever the actor was made by.

        Returns:
            The version now in force.
        """

    def behavior_version(self, pid: int) -> int:
        """The version of an actor's code: 1 at its spawn, one more with each swap."""

    def rollback_behavior(self, pid: int, steps: int = 1) -> int:
        """Go back to an earlier version of an actor's code.

        Args:
            steps: versions to go back, at least 1. A bounded number of versions is kept.

        Returns:
            The version now in force.
        """

    def send(self, pid: int, data: Buffer) -> bool:
        """Send a message.

        Args:
            pid: the receiver.
            data: any bytes-like object. `bytes` is kept as it is; anything else is copied once.

        Returns:
            True if the mailbox took it. False: no such actor, or its mailbox refused it. Waits only where the mailbox is
            full under the policy `"block"`, and not in a handler, where it returns False instead.

        Example:
            >>> import iris
            >>> with iris.Runtime() as rt:
            ...     rt.send(rt.spawn_observed_handler(), b"hello"), rt.send(12345, b"hello")
            (True, False)
        """

    def send_many(self, pid: int, messages: Iterable[Buffer]) -> int:
        """Send several messages to one actor, in order.

        Args:
            pid: the receiver.
            messages: an iterable of bytes-like objects.

        Returns:
            How many were accepted. The first refused one ends the call.

        Example:
            >>> import iris
            >>> with iris.Runtime() as rt:
            ...     rt.send_many(rt.spawn_observed_handler(), [b"a", b"b", b"c"])
            3
        """

    def send_named(self, name: str, data: Buffer) -> bool:
        """Send a message to the actor that has a name.

        Returns:
            True if the mailbox took it. False: nobody has the name, or the mailbox refused it.

        Example:
            >>> import iris
            >>> with iris.Runtime() as rt:
            ...     rt.register("mail", rt.spawn_observed_handler())
            ...     rt.send_named("mail", b"letter"), rt.send_named("nobody", b"letter")
            (True, False)
        """

    def send_buffer(self, pid: int, buffer_id: int) -> bool:
        """Hand a buffer over as a message without copying it. Its `memoryview` is released; where views that were made from
        it are still in use, the message is a copy.

        Args:
            pid: the receiver.
            buffer_id: from `iris.allocate_buffer`.

        Returns:
            True if the mailbox took it. False: no such actor, or its mailbox refused it; the buffer stays yours.

        Raises:
            NoSuchBufferError: the id is unknown, or the buffer was handed over.
        """

    def ref(self, pid: int) -> ActorRef[Buffer]:
        """A handle of a live actor.

        Raises:
            NoProcessError: no such actor.
        """

    def ask(self, pid: int, data: Buffer, timeout: float | None = 5.0) -> Awaitable[bytes]:
        """Ask an actor and await its answer.

        A push handler answers with what it returns (bytes-like; `None` is `b""`), a pull actor with `mailbox.reply`.
        The answer is there at the event loop's next round where the actor runs on this loop.

        Args:
            pid: the actor.
            data: any bytes-like object.
            timeout: seconds; `None` waits for ever. An ask that timed out is not executed if it still waits.

        Returns:
            A future of the running event loop, with `bytes`.

        Raises:
            AskTimeoutError: no answer in time.
            AskFailedError: the actor crashed, ended, or answered with something that is not bytes.
            NoProcessError: no such actor.
            MailboxFullError: its mailbox refused the message.

        Example:
            >>> import asyncio, iris
            >>> async def main():
            ...     async with iris.Runtime() as rt:
            ...         return await rt.ask(rt.spawn(bytes.upper), b"hello")
            >>> asyncio.run(main())
            b'HELLO'
        """

    def ask_blocking(self, pid: int, data: Buffer, timeout: float | None = 5.0) -> bytes:
        """Ask an actor and block this thread until it answers. As `ask`; lets other Python threads run, Ctrl-C works.

        A plain handler that has answered this thread's last asks within 0.5 ms each may be run on this thread: the time-out
        then waits for the handler to return.

        Raises:
            WouldDeadlockError: an actor asks itself.

        Example:
            >>> import iris
            >>> with iris.Runtime() as rt:
            ...     rt.ask_blocking(rt.spawn(bytes.upper), b"hello", timeout=2.0)
            b'HELLO'
        """

    def mailbox_size(self, pid: int) -> int | None:
        """How many messages of users wait in an actor's mailbox.

        Returns:
            The number, without notices of the runtime; `None` for a pid that no live actor has.
        """

    def set_overflow_policy(self, pid: int, policy: str, target: int | None = None) -> None:
        """Choose what happens to messages that a bounded mailbox has no room for.

        Args:
            pid: an actor with a bounded mailbox.
            policy: `"dropnew"` (the send returns False), `"dropold"` (the oldest one is dropped), `"block"` (the sender
                waits), `"redirect"` (it goes to `target`), `"spill"` (it goes to a temporary file and comes back in
                order, or to `target` where one is given).
            target: a pid, for `"redirect"` and `"spill"`.

        Raises:
            InvalidArgumentError: an unknown policy, a missing target, or a mailbox without bounds.
        """

    def get_messages(self, pid: int) -> list[_Message]:
        """Take what an observed actor keeps, oldest first.

        Returns:
            A list of `bytes` and `PySystemMessage`.

        Raises:
            NoProcessError: no such actor.
            WrongActorKindError: the actor has a handler.
        """

    def selective_recv_blocking(
        self, pid: int, matcher: _Matcher, timeout: float | None = None
    ) -> _Message | None:
        """Take the first message of an observed actor for which `matcher(message)` is true, waiting for one. The others keep
        their order. Blocks this thread and lets other Python threads run; Ctrl-C works.

        Args:
            timeout: seconds; `None` waits for ever.

        Returns:
            The message, or `None` on time-out.
        """

    def _select_observed(self, pid: int, matcher: _Matcher) -> _Message | None:
        """Take the first message that matches, without waiting."""

    def _notify_observed(self, pid: int, future: Awaitable[None]) -> None:
        """Resolve a future of the running loop when an observed actor gets something."""

    def send_after(self, pid: int, delay_ms: int, data: Buffer) -> int:
        """Send a message after a delay. The timer ends with its actor.

        Args:
            delay_ms: milliseconds.

        Returns:
            The timer's id, for `cancel_timer`.

        Example:
            >>> import iris
            >>> with iris.Runtime() as rt:
            ...     pid = rt.spawn_observed_handler()
            ...     timer = rt.send_after(pid, 5, b"tick")
            ...     rt.selective_recv_blocking(pid, lambda message: True, timeout=2.0)
            b'tick'
        """

    def send_interval(self, pid: int, interval_ms: int, data: Buffer) -> int:
        """Send a message every `interval_ms` milliseconds, first after one interval. The timer ends with its actor.

        Args:
            interval_ms: milliseconds, at least 1.

        Returns:
            The timer's id, for `cancel_timer`.
        """

    def cancel_timer(self, id: int) -> bool:
        """Take a timer back.

        Returns:
            True only if it was still pending.
        """

    def register(self, name: str, pid: int, *, global_: bool = False) -> None:
        """Give a live actor a name. The name goes when the actor exits.

        Args:
            global_: whether all members of the mesh find the actor by this name, with `whereis` and whatever takes a name. Of
                several that claim a name at once, who was first keeps it, and the others exit with `NameConflict`. A name that
                an actor of a node has for itself hides the global one there.

        Raises:
            NameTakenError: another live actor has the name.
            NoProcessError: no such actor.
            InvalidArgumentError: a global name, and the node has not joined a mesh.
        """

    def unregister(self, name: str) -> bool:
        """Take a name away.

        Returns:
            True if an actor had it.
        """

    def whereis(self, name: str) -> int | None:
        """The pid of the actor that has a name, or `None`.

        Example:
            >>> import iris
            >>> with iris.Runtime() as rt:
            ...     pid = rt.spawn_observed_handler()
            ...     rt.register("mail", pid)
            ...     rt.whereis("mail") == pid, rt.whereis("nobody")
            (True, None)
        """

    def resolve(self, name: str) -> int | None:
        """The same as `whereis`."""

    def register_path(self, path: str, pid: int) -> None:
        """Give a live actor a path such as `/services/mail`. The path goes when the actor exits.

        Raises:
            NameTakenError: another live actor has the path.
            InvalidArgumentError: the path is not well formed.
        """

    def unregister_path(self, path: str) -> bool:
        """Take a path away.

        Returns:
            True if an actor had it.
        """

    def whereis_path(self, path: str) -> int | None:
        """The pid of the actor that has a path, or `None`."""

    def list_children(self, prefix: str) -> list[tuple[str, int]]:
        """All actors below a path, sorted by path.

        Returns:
            `[(path, pid), ...]`

        Example:
            >>> import iris
            >>> with iris.Runtime() as rt:
            ...     for path in ["/a/b", "/a/b/c", "/ab"]:
            ...         _ = rt.spawn_with_path_observed(100, path)
            ...     [path for path, pid in rt.list_children("/a")]
            ['/a/b', '/a/b/c']
        """

    def list_children_direct(self, prefix: str) -> list[tuple[str, int]]:
        """The actors one level below a path, sorted by path."""

    def link(self, a: int, b: int) -> None:
        """Link two live actors: when one exits, the other is told `EXIT`. A link informs, it does not end anybody.

        Raises:
            NoProcessError: one of them is not alive.
        """

    def unlink(self, a: int, b: int) -> bool:
        """Take a link away.

        Returns:
            True if they were linked.
        """

    def monitor(self, pid: int, watcher: int | None = None) -> int:
        """Have `watcher` told `DOWN`, once, when an actor exits.

        Args:
            pid: the actor to watch, which must be alive.
            watcher: a pull or observed actor; without it, the actor whose code calls this.

        Returns:
            The monitor, for `demonitor`; it is in the `metadata` of the DOWN message.
        """

    def demonitor(self, monitor: int) -> bool:
        """Take a monitor away.

        Returns:
            True if it was there; its DOWN message does not come any more.
        """

    def watch(self, pid: int, strategy: str = "RestartOne") -> None:
        """List an actor under the runtime's supervisor until it exits.

        It is not restarted, as nothing says how; with `"RestartAll"` its failure restarts the siblings that have a
        factory.
        """

    def watch_path(self, prefix: str) -> None:
        """List the actors one level below a path under the runtime's supervisor."""

    def supervise_with_factory(self, pid: int, factory: Callable[[], int], strategy: str) -> None:
        """Replace an actor whenever it exits for another reason than `"Normal"`: `factory()` makes the new one.

        Args:
            pid: the actor.
            factory: called without arguments, on a thread of its own, at each exit; gives a pid. It may block. Where it
                raises, it is called again after a pause, within the supervisor's intensity.
            strategy: `"RestartOne"`; or `"RestartAll"`: the siblings are stopped first, then all are made anew.

        Example:
            >>> import iris, threading
            >>> healed = threading.Event()
            >>> def worker(message): raise ValueError(message)
            >>> def factory():
            ...     healed.set()
            ...     return rt.spawn(bytes.upper)
            >>> with iris.Runtime() as rt:
            ...     pid = rt.spawn_observed_handler()
            ...     rt.supervise_with_factory(pid, factory, "RestartOne")
            ...     rt.stop(pid), healed.wait(5)
            (True, True)
        """

    def unsupervise(self, pid: int) -> bool:
        """Take an actor from its supervisor: the next exit is final.

        Returns:
            True if it was supervised.
        """

    def child_pids(self, supervisor: int | None = None) -> list[int]:
        """The actors under a supervisor, by default the runtime's own."""

    def children_count(self, supervisor: int | None = None) -> int:
        """How many actors are under a supervisor, by default the runtime's own."""

    def create_path_supervisor(self, path: str) -> bool:
        """Make a supervisor for a path, beside the runtime's own.

        Returns:
            True if it was made, False if the path had one.
        """

    def remove_path_supervisor(self, path: str) -> bool:
        """Remove a path's supervisor. Its actors live on without one.

        Returns:
            True if the path had one.
        """

    def path_supervisor_watch(self, path: str, pid: int) -> None:
        """List an actor under a path's supervisor until it exits.

        Raises:
            NoSupervisorError: the path has none.
        """

    def path_supervisor_children(self, path: str) -> list[int]:
        """The actors under a path's supervisor.

        Raises:
            NoSupervisorError: the path has none.
        """

    def path_supervise_with_factory(
        self, path: str, pid: int, factory: Callable[[], int], strategy: str
    ) -> None:
        """As `supervise_with_factory`, under a path's supervisor.

        Raises:
            NoSupervisorError: the path has none.
        """

    def spawn_supervisor(
        self,
        strategy: str = "one_for_one",
        intensity: int = 3,
        period: float = 5.0,
        backoff: tuple[float, float] = ...,
        supervisor: int | None = None,
    ) -> int:
        """Start a supervisor as OTP has them.

        Args:
            strategy: `"one_for_one"`, `"one_for_all"` or `"rest_for_one"`: whom a child's failure concerns.
            intensity: restarts allowed within `period`; one more and the supervisor gives up and ends.
            period: seconds, more than 0.
            backoff: shortest and longest pause before a repeated restart, in seconds.
            supervisor: the supervisor this one is a child of.

        Returns:
            Its pid, for `start_child` and `child_pids`; `stop` ends it and its children.
        """

    def start_child(
        self,
        supervisor: int,
        make_handler: Callable[[], _Handler | _PullFunction],
        *,
        restart: str = "permanent",
        budget: int = 100,
        name: str | None = None,
        path: str | None = None,
        kind: str = "push",
    ) -> int:
        """Start an actor that a supervisor restarts in place: pid, name, path and waiting messages stay.

        Args:
            supervisor: a pid from `spawn_supervisor`.
            make_handler: called without arguments now and at each restart; gives a fresh handler.
            restart: `"permanent"` (always), `"transient"` (after a failure), `"temporary"` (never).
            budget: as for `spawn`.
            name: a name to register.
            path: a path to register.
            kind: `"push"` or `"pull"`.

        Returns:
            The actor's pid, which stays.
        """

    def stop(self, pid: int) -> bool:
        """Tell an actor to stop: it ends with reason `"Killed"`, before any message that waits, children first.

        From then on `is_alive` is False and sends are refused. A pull actor's `recv` returns `None`.

        Returns:
            True if the actor was alive.
        """

    def join(self, pid: int, timeout: float | None = None) -> bool:
        """Wait until an actor has ended.

        Blocks this thread and lets other Python threads run; Ctrl-C works.

        Args:
            pid: the actor. One that has ended, or never was, counts as ended.
            timeout: seconds; `None` waits for ever.

        Returns:
            True if it has ended, False if the time was over first.

        Raises:
            WouldDeadlockError: an actor waits for itself.
        """

    def is_alive(self, pid: int) -> bool:
        """Whether an actor takes messages: from its spawn until it ends or is told to stop."""

    def current_pid(self) -> int | None:
        """The pid of the actor whose code runs on this thread, or `None` outside of actors."""

    def shutdown(self, timeout: float = 5.0) -> dict[str, Any]:
        """Stop everything in order: no new work is taken, actors get time to finish what waits for them, children end
        before their parents, and what is left is killed.

        An actor that calls this is not waited for: it ends when its handler returns, and counts as finished. An `async def`
        handler would hold up its own event loop: let it have a thread do it.

        Args:
            timeout: seconds that actors get to finish.

        Returns:
            `{"finished": int, "killed": int, "unfinished": [pid, ...]}`; the unfinished ones are stuck in their own code.

        Example:
            >>> import iris
            >>> rt = iris.Runtime()
            >>> pid = rt.spawn(lambda message: None)
            >>> rt.send(pid, b"the last word")
            True
            >>> rt.shutdown(timeout=2.0)["unfinished"]
            []
        """

    def close(self) -> None:
        """Stop everything now. Closing a closed runtime does nothing."""

    @property
    def closed(self) -> bool:
        """Whether the runtime was closed."""

    def stats(self) -> dict[str, Any]:
        """Counts over the whole runtime. At rest, sent = handled + queued + the dropped ones. Walks all actors.

        Returns:
            A dict with `actors`, `spawned`, `exited`, `crashed`, `restarted`, `sent`, `handled`, `queued`, `dropped`
            (a dict by reason), `timers`, `names` and `paths`.
        """

    def actor_info(self, pid: int) -> dict[str, Any] | None:
        """A look at one actor.

        Returns:
            A dict with `pid`, `kind`, `state`, `mailbox_size`, `budget`, `version`, `restarts`, `names`, `paths`, `links`,
            `monitored_by`, `parent`, `children` and `supervisor`; `None` for a pid that no live actor has.
        """

    def tree(self) -> list[dict[str, Any]]:
        """Looks at all live actors, as `actor_info`, in no order; parents and children name each other."""

    def dead_letters(self) -> dict[str, int]:
        """How many messages could not be delivered, by reason."""

    def listen_dead_letters(self, pid: int | None) -> None:
        """Have an actor told `DEAD_LETTER` for each message that cannot be delivered from now on.

        Args:
            pid: a pull or observed actor; `None` ends it.
        """

    def listen(
        self,
        addr: str,
        *,
        name: str | None = None,
        timeout: float | None = None,
        heartbeat_ms: int | None = None,
        payload_max: int | None = None,
        window: int | None = None,
        certificates: str | PathLike[str] | None = None,
        allow: dict[str, list[str]] | None = None,
        insecure: bool | None = None,
        v1_hosts: Sequence[str] | None = None,
    ) -> str:
        """Listen for other nodes.

        Args:
            addr: `"host:port"`; port 0 takes a free one.
            name: the node's name, by which others know it again; without one it has a new name with every start.
            timeout: seconds that a connection, a look-up or a sign of life may take (5).
            heartbeat_ms: how often this node says that it lives (1000). One that is silent for three is gone.
            payload_max: the longest message that this node takes, in bytes (1 MiB).
            window: bytes of messages from one node that may be under way or wait here (16 MiB); beyond, its sends are refused.
            certificates: a directory with `ca.pem`, `NAME.pem` and `NAME.key`, as `dev_certs` makes them: every connection is
                TLS, and both sides prove their names.
            allow: which peers may reach which names, as `{"web-*": ["mail", "stats-*"]}`; without it each may reach all.
            insecure: use addresses that others can reach without TLS.
            v1_hosts: IP addresses and host names of others that speak version 1 of the protocol, which proves nobody's identity;
                without them it is spoken on loopback alone.

        Returns:
            The address really bound.

        Raises:
            ListenFailedError: the address is in use, or not of this machine.
            NotPermittedError: others can reach the address, and there is no TLS.
            InvalidArgumentError: no such address, or options other than the node was made with.

        Example:
            >>> import iris
            >>> with iris.Runtime() as there, iris.Runtime() as here:
            ...     there.register("shout", there.spawn(bytes.upper))
            ...     address = there.listen("127.0.0.1:0")
            ...     here.ask_blocking(here.resolve_remote(address, "shout"), b"hello")
            b'HELLO'
        """

    def start_mesh(
        self,
        *,
        name: str | None = None,
        timeout: float | None = None,
        heartbeat_ms: int | None = None,
        payload_max: int | None = None,
        window: int | None = None,
        certificates: str | PathLike[str] | None = None,
        allow: dict[str, list[str]] | None = None,
        insecure: bool | None = None,
        v1_hosts: Sequence[str] | None = None,
    ) -> None:
        """Make this runtime a node without listening; the options are those of `listen`. Needed only for other options than
        the defaults: every call to another node makes it one.

        Raises:
            InvalidArgumentError: it is a node with other options already.
        """

    def resolve_remote(self, addr: str, name: str) -> int | None:
        """Look for the actor that has a name at another node. Blocks for the node's time-out at most; lets other Python
        threads run, Ctrl-C works. `resolve_remote_py` is for event loops.

        Returns:
            A pid of this runtime that stands for it, the same for the same actor: a proxy. Everything that takes a pid takes
            it. `None`: nobody has the name there, or the node cannot be reached.
        """

    def send_remote(self, addr: str, pid: int, data: Buffer) -> bool:
        """Send to an actor of another node, by its proxy or by the pid it has there.

        What is sent before the node answers waits for it. What the node does not get, or take, is a dead letter.

        Returns:
            True if it is on its way. False: the proxy's actor ended, or the node takes no more now.
        """

    def monitor_remote(self, addr: str, pid: int) -> int:
        """Watch an actor of another node, known by its proxy or by the pid it has there. The proxy exits when that actor or
        its node is gone, at the latest three heartbeats later: links, monitors and supervisors are told.

        Returns:
            The proxy.

        Raises:
            NodeDownError: the node cannot be reached.
            NoProcessError: the proxy's actor ended.
        """

    def is_node_up(self, addr: str) -> bool:
        """Whether a node answers at this address, within the time-out. Blocks as `resolve_remote` does."""

    def mesh_info(self) -> dict[str, Any] | None:
        """A look at this node: `name`, `addresses`, `nodes` (the names of those it is connected with) and `refused`
        (connections that were refused so far). `None` where the runtime is no node.
        """

    def join_mesh(self, addresses: Sequence[str]) -> None:
        """Join other nodes, and all nodes that those have joined: each member is connected with each, also with those that come
        later. This node must listen, at an address that the others can dial.

        Args:
            addresses: `"host:port"` of some members, tried time and again, so that nodes may start in any order; a host may be a
                DNS name of many nodes. An empty list waits for others to come.

        Raises:
            InvalidArgumentError: no such address, or a node that does not listen or has joined.
            NotPermittedError: others can reach an address, and there is no TLS.

        Example:
            >>> import iris
            >>> with iris.Runtime() as rt:
            ...     address = rt.listen("127.0.0.1:0")
            ...     rt.join_mesh(["localhost:9000", "localhost:9001"])
        """

    def monitor_nodes(self, pid: int) -> None:
        """Tell an actor which other nodes are up, and of each that comes and goes from now on.

        Args:
            pid: a pull or observed actor. It gets `NODE_UP` and `NODE_DOWN`; `metadata["node"]` is the node's name.

        Example:
            >>> import iris
            >>> with iris.Runtime() as there, iris.Runtime() as here:
            ...     watcher = here.spawn_observed_handler()
            ...     here.monitor_nodes(watcher)
            ...     here.is_node_up(there.listen("127.0.0.1:0", name="there"))
            ...     notice = here.selective_recv_blocking(watcher, lambda m: m.type_name == "NODE_UP")
            ...     notice.metadata["node"]
            True
            'there'
        """

    def demonitor_nodes(self, pid: int) -> bool:
        """End what `monitor_nodes` began.

        Returns:
            False: the actor was not told of nodes.
        """
