"""Every example runs, says what it should, and stays short."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SLOW_CALLBACK

EXAMPLES = Path(__file__).parents[2] / "examples"
LINES_MAX = 60
# `make demo`: its first act runs for long, its second is played below.
DEMO = {"demo.py", "demo_mesh.py"}
SAYS = {
    "hello.py": "hello, world\n",
    "supervision.py": (
        "a fresh worker\nworked on first\na fresh worker\nworked on last\nthe same pid: True\n"
    ),
    "hot_swap.py": "HELLO\nversion 2 olleH\nversion 1 HELLO\n",
    "asyncio_service.py": "[0, 1, 4, 9, 16]\ncounted 3\n",
    "pull_actor.py": "urgent: b'!fire'\nurgent: b'!flood'\nthen: b'sweep'\nthen: b'dust'\n",
    "names_and_timers.py": (
        "['/house/door/bell', '/house/kitchen']\n['/house/kitchen']\nrang: True\nafter its end: None\n"
    ),
}


@pytest.mark.parametrize("name", sorted(SAYS))
def test_example_runs(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        capture_output=True,
        text=True,
        timeout=60,
        env=dict(os.environ),
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (SAYS[name], "", 0)


def test_examples_are_short_and_all_of_them_run() -> None:
    ours = {path.name for path in EXAMPLES.glob("*.py")} - DEMO
    assert ours == set(SAYS)
    for name in SAYS:
        assert len((EXAMPLES / name).read_text().splitlines()) < LINES_MAX, name


def play(path: str) -> subprocess.CompletedProcess[str]:
    """The second act of the demo, with what the search path of programs holds."""
    command = [sys.executable, str(EXAMPLES / "demo_mesh.py")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=os.environ | {"PATH": path}, check=False
    )
    done.stderr = SLOW_CALLBACK.sub("", done.stderr)
    return done


def test_the_demo_of_two_nodes_runs_to_its_end() -> None:
    done = play(os.environ["PATH"])
    assert (done.stderr, done.returncode) == ("", 0)
    steps = [line.split()[0] for line in done.stdout.splitlines()[1:]]
    assert " ".join(steps) == "nodes find find send send ask ask kill down look back heal sum"


def test_the_demo_says_what_it_lacks(tmp_path: Path) -> None:
    done = play(str(tmp_path))
    assert "the demo failed: the second node needs the program node" in done.stderr
    assert done.returncode == 1
    silent = tmp_path / "node"
    silent.write_text("#!/bin/sh\n")
    silent.chmod(0o755)
    done = play(str(tmp_path))
    assert "the demo failed: the Node node did not start to listen" in done.stderr
    assert done.returncode == 1
