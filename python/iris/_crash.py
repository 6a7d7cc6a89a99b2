"""What the runtime says to the `iris` logger: of exceptions that ended actors, of supervisors, of the mesh."""

from __future__ import annotations


def texts(error: BaseException) -> tuple[str, str]:
    """Give the exception's message and traceback, as far as its own code lets them be made."""
    import traceback

    try:
        message = str(error).encode(errors="backslashreplace").decode()
    except BaseException:
        message = ""
    try:
        trace = "".join(traceback.format_exception(error)).encode(errors="backslashreplace").decode()
    except BaseException:
        trace = ""
    return message, trace


def report(pid: int | None, error: BaseException) -> None:
    """Tell the `iris` logger of an actor that crashed, or, without a pid, of a factory that failed."""
    import logging

    logger = logging.getLogger("iris")
    if pid is None:
        logger.error("the factory of a supervised actor failed", exc_info=error)
    else:
        logger.error("actor %d crashed", pid, exc_info=error)


def report_give_up(supervisor: int, message: str) -> None:
    """Tell the `iris` logger of a supervisor that gave up."""
    import logging

    logging.getLogger("iris").error("supervisor %d gave up: %s", supervisor, message)


def report_lines(lines: list[tuple[int, str]]) -> None:
    """Tell the `iris.mesh` logger what the runtime's node has to say, each line with its level."""
    import logging

    logger = logging.getLogger("iris.mesh")
    for level, text in lines:
        logger.log(level, "%s", text)
