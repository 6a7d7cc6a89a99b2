"""The end of a child process that an actor's code forked, and returned in."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn


def end(error: BaseException | None) -> NoReturn:
    """End the process as a forked child of `multiprocessing` ends: nothing but what it wrote is left to be done."""
    code: object = 0
    if isinstance(error, SystemExit):
        code = error.code
    elif error is not None:
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit((code or 0) & 0xFF)
