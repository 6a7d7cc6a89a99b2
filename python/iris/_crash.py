"""What the runtime says to the `iris` logger: of exceptions that ended actors, of supervisors, of the mesh."""

from __future__ import annotations

import functools
import logging
import opcode
import signal
import threading
import traceback


def message(error: BaseException) -> str:
    """Give the exception's message."""
    return str(error).encode(errors="backslashreplace").decode()


def trace(error: BaseException) -> str:
    """Give the exception's traceback."""
    return "".join(traceback.format_exception(error)).encode(errors="backslashreplace").decode()


def is_from_signal(error: BaseException) -> bool:
    """Say whether a signal handler of the program raised it, on the main thread in the midst of an actor's handler."""
    if threading.current_thread() is not threading.main_thread():
        return False
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    codes = {_code(handler) for handler in handlers} - {None}
    trace, raised = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code in codes:
            return True
        raised, trace = trace, trace.tb_next
    if type(error) is not KeyboardInterrupt or all(it is not signal.default_int_handler for it in handlers):
        return False
    # Python's own handler of Ctrl-C leaves no frame: what no `raise` of the actor's handler raised is its.
    return raised is None or raised.tb_frame.f_code.co_code[raised.tb_lasti] != opcode.opmap["RAISE_VARARGS"]


def _code(handler: object) -> object:
    """Give the code object of a signal handler, where it has one."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    handler = getattr(handler, "__func__", handler)
    if callable(handler) and not hasattr(handler, "__code__"):
        handler = type(handler).__call__
    return getattr(handler, "__code__", None)


def report(pid: int | None, error: BaseException) -> None:
    """Tell the `iris` logger of an actor that crashed, or, without a pid, of a factory that failed."""
    logger = logging.getLogger("iris")
    if pid is None:
        logger.error("the factory of a supervised actor failed", exc_info=error)
    else:
        logger.error("actor %d crashed", pid, exc_info=error)


def report_give_up(supervisor: int, message: str) -> None:
    """Tell the `iris` logger of a supervisor that gave up."""
    logging.getLogger("iris").error("supervisor %d gave up: %s", supervisor, message)


def report_lines(lines: list[tuple[int, str]]) -> None:
    """Tell the `iris.mesh` logger what the runtime's node has to say, each line with its level."""
    logger = logging.getLogger("iris.mesh")
    for level, text in lines:
        logger.log(level, "%s", text)
