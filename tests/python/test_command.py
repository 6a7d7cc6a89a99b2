"""The command `iris`: what it makes, says and refuses, started as `python -m iris` and as the script of the wheel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import iris
import pytest

COMMANDS = {"module": [sys.executable, "-m", "iris"], "script": [str(Path(sys.executable).with_name("iris"))]}


def run(*command: object) -> tuple[int, str, str]:
    """Run it; the result is its status and what it said."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_certificates_are_made_for_nodes_that_then_speak(
    rt: iris.Runtime, command: list[str], tmp_path: Path
) -> None:
    certificates = tmp_path / "certs"
    status, said, complaints = run(*command, "certs", "init", certificates, "one", "other")
    assert (status, complaints) == (0, "")
    made = ["ca.pem", "ca.key", "one.pem", "one.key", "other.pem", "other.key"]
    assert said.splitlines() == [str(certificates / name) for name in made]
    assert {file.name for file in certificates.iterdir()} == set(made)
    assert {file.stat().st_mode & 0o777 for file in certificates.glob("*.key")} == {0o600}
    with iris.Runtime() as there:
        address = there.listen("127.0.0.1:0", name="one", certificates=certificates)
        rt.start_mesh(name="other", certificates=certificates)
        assert rt.is_node_up(address)


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    assert run(*COMMANDS["module"], "certs", "init", tmp_path)[0] == 0
    assert run(*COMMANDS["module"], "certs", "init", tmp_path, "one")[0] == 0
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    status, said, complaints = run(*COMMANDS["module"], "certs", "init", tmp_path, "two", "one")
    assert (status, said) == (1, "")
    assert complaints.startswith("iris: certificates in ")
    assert "one.key exists already; remove it to make another" in complaints
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--help"], 0, "certs"),
        (["certs", "init", "--help"], 0, "NAME.key"),
        (["--version"], 0, f"iris {iris.version()}"),
        ([], 2, "usage: iris"),
        (["certs"], 2, "usage: iris certs"),
        (["keys"], 2, "usage: iris"),
        (["certs", "init", "nowhere", "../one"], 1, "must be a DNS name"),
    ],
)
def test_what_it_says(arguments: list[str], status: int, says: str) -> None:
    got, said, complaints = run(*COMMANDS["module"], *arguments)
    assert got == status
    assert says in (complaints if status else said)
    assert not Path("nowhere").exists()
