"""The typed face: what must pass passes, and what must fail fails at the line that says so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import iris
import pytest

HERE = Path(__file__).parent / "typing"
FACE = Path(__file__).parents[2] / "python"


def mypy(path: Path, cache: Path) -> dict[int, str]:
    """The errors mypy finds in a file, by line."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={cache}", str(path)],
        capture_output=True,
        text=True,
        env={"MYPYPATH": str(FACE), "PATH": ""},
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(rf"{re.escape(path.name)}:(\d+): error: (.*)", done.stdout)
    return {int(line): text for line, text in found}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the calls of this module share."""
    return tmp_path_factory.mktemp("mypy")


@pytest.mark.parametrize("path", sorted(HERE.glob("ok_*.py")), ids=lambda path: path.name)
def test_right_uses_pass(path: Path, cache: Path) -> None:
    assert mypy(path, cache) == {}


@pytest.mark.parametrize("path", sorted(HERE.glob("bad_*.py")), ids=lambda path: path.name)
def test_wrong_uses_fail(path: Path, cache: Path) -> None:
    lines = path.read_text().splitlines()
    expected = {n: text.split("# error: ")[1] for n, text in enumerate(lines, 1) if "# error: " in text}
    found = mypy(path, cache)
    assert found.keys() == expected.keys()
    for line, word in expected.items():
        assert f"[{word}]" in found[line]


def test_stub_matches_the_native_module(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "--concise", "iris._iris"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"MYPYPATH": str(FACE), "PATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_face_is_marked_as_typed() -> None:
    assert (Path(iris.__file__).parent / "py.typed").exists()
