"""Every public thing is documented, and every example in a docstring runs."""

from __future__ import annotations

import doctest
import inspect

import iris
import pytest
from iris import _iris, errors


def public() -> dict[str, object]:
    """Everything a user can reach, by name."""
    found: dict[str, object] = {"iris": iris}
    for name in iris.__all__:
        thing = getattr(iris, name)
        found[name] = thing
        if not inspect.isclass(thing) or issubclass(thing, errors.IrisError):
            continue
        for base in thing.__mro__:
            if base.__module__.startswith("iris"):
                members = {n: m for n, m in vars(base).items() if not n.startswith("_")}
                found.update({f"{name}.{n}": getattr(thing, n) for n in members})
    return found


@pytest.mark.parametrize("name", sorted(public()))
def test_docstring_is_there_and_its_example_runs(name: str) -> None:
    text = inspect.getdoc(public()[name])
    assert text, f"{name} has no docstring"
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    report: list[str] = []
    runner.run(example, out=report.append)
    assert runner.failures == 0, "".join(report)


def test_native_module_holds_nothing_undocumented() -> None:
    for name, thing in vars(_iris.Runtime).items():
        if not name.startswith("_"):
            assert thing.__doc__, name
