"""The older name of `iris`: importing it gives the same module."""

import sys as _sys

import iris as _iris

_sys.modules[__name__] = _iris
