"""Every scenario of scenarios.txt is played in Rust, Python and Node, or says why it means nothing there."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = "tests/scenarios.txt"
# A scenario's line: `word` or `word  -node: why it means nothing there`.
LINE = re.compile(r"(?P<word>[a-z][a-z0-9_]*)(?:\s+-(?P<suite>rust|python|node): (?P<reason>\S.{9,}))?")
# Suite -> where its files are, and how a scenario's first line looks in them.
SUITES = {
    "rust": ("crates/core/tests", "*.rs", re.compile(r"^\s*(?:async )?fn (\w+)\s*\(", re.MULTILINE)),
    "python": ("tests/python", "test_*.py", re.compile(r"^(?:async )?def test_(\w+)\s*\(", re.MULTILINE)),
    "node": ("tests/node", "*.test.js", re.compile(r"^\s*test\(\s*['\"](\w+)['\"]", re.MULTILINE)),
}


@cache
def scenario_lines() -> tuple[str, ...]:
    """The list without its comments."""
    lines = (ROOT / SCENARIOS).read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def scenarios_of(suite: str) -> set[str]:
    """The words that a suite has to play."""
    found = [LINE.fullmatch(line) for line in scenario_lines()]
    return {match["word"] for match in found if match and match["suite"] != suite}


@cache
def played(suite: str) -> frozenset[str]:
    """The tests that a suite has."""
    folder, pattern, head = SUITES[suite]
    files = sorted((ROOT / folder).rglob(pattern))
    return frozenset(name for file in files for name in head.findall(file.read_text(encoding="utf-8")))


def test_the_list_is_well_formed() -> None:
    wrong = [line for line in scenario_lines() if not LINE.fullmatch(line)]
    assert wrong == [], "a line is `word` or `word  -suite: reason`"
    words = [line.split()[0] for line in scenario_lines()]
    assert sorted(words) == sorted(set(words)), "each word is listed once"


def test_rust_plays_every_scenario() -> None:
    assert scenarios_of("rust") - played("rust") == set()


def test_python_plays_every_scenario() -> None:
    assert scenarios_of("python") - played("python") == set()


def test_node_plays_every_scenario() -> None:
    assert scenarios_of("node") - played("node") == set()
