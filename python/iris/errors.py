"""Errors: one class per kind, below `IrisError` and below the builtin a Python user would catch."""

from __future__ import annotations

__all__ = [
    "AskFailedError",
    "AskTimeoutError",
    "ForkedRuntimeError",
    "InvalidArgumentError",
    "IrisError",
    "LimitReachedError",
    "ListenFailedError",
    "MailboxFullError",
    "NameTakenError",
    "NoProcessError",
    "NoSuchBufferError",
    "NoSuchNameError",
    "NoSupervisorError",
    "NodeDownError",
    "NotPermittedError",
    "RuntimeClosedError",
    "WouldDeadlockError",
    "WrongActorKindError",
]


class IrisError(Exception):
    """What every error of the runtime is. `kind` is the same word in Rust, Python and Node.

    Example:
        >>> import iris
        >>> with iris.Runtime() as rt:
        ...     try:
        ...         rt.link(1, 2)
        ...     except iris.IrisError as error:
        ...         print(error.kind)
        NoProcess
    """

    kind: str = ""


class NoProcessError(IrisError, LookupError):
    """No live actor has this pid."""

    kind = "NoProcess"


class MailboxFullError(IrisError, RuntimeError):
    """The mailbox is at its bound and its policy refuses."""

    kind = "MailboxFull"


class NameTakenError(IrisError, ValueError):
    """The name or path belongs to another live actor."""

    kind = "NameTaken"


class NoSuchNameError(IrisError, LookupError):
    """No actor has this name."""

    kind = "NoSuchName"


class InvalidArgumentError(IrisError, ValueError):
    """An argument is outside its range; the message says which and what is allowed."""

    kind = "InvalidArgument"


class LimitReachedError(IrisError, RuntimeError):
    """A limit of the runtime is reached; the message names the limit."""

    kind = "LimitReached"


class AskTimeoutError(IrisError, TimeoutError):
    """The ask was not answered in time."""

    kind = "AskTimeout"


class AskFailedError(IrisError, RuntimeError):
    """The target ended, or refused, before it answered."""

    kind = "AskFailed"


class WouldDeadlockError(IrisError, RuntimeError):
    """The call would wait for itself."""

    kind = "WouldDeadlock"


class RuntimeClosedError(IrisError, RuntimeError):
    """The runtime was closed."""

    kind = "RuntimeClosed"


class ForkedRuntimeError(IrisError, RuntimeError):
    """The process was forked after the runtime was made."""

    kind = "ForkedRuntime"


class NoSupervisorError(IrisError, LookupError):
    """No supervisor has this pid or path."""

    kind = "NoSupervisor"


class NoSuchBufferError(IrisError, LookupError):
    """The buffer id is unknown or was handed over."""

    kind = "NoSuchBuffer"


class WrongActorKindError(IrisError, TypeError):
    """The actor cannot do this: it is of another kind."""

    kind = "WrongActorKind"


class NodeDownError(IrisError, ConnectionError):
    """Another node cannot be reached, or the connection with it was lost."""

    kind = "NodeDown"


class ListenFailedError(IrisError, OSError):
    """An address cannot be listened on; the message says what the system says."""

    kind = "ListenFailed"


class NotPermittedError(IrisError, PermissionError):
    """It is not allowed here; the message says what to configure."""

    kind = "NotPermitted"
