"""The older name of `iris`: importing it gives the same module."""

import sys as _sys

import iris as _iris
from iris import *  # noqa: F403

_sys.modules[__name__] = _iris
