"""What the documents name exists: the tests of semantics.md and security.md, the constants and values of operating.md."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SEMANTICS = "docs/semantics.md"
SECURITY = "docs/security.md"
OPERATING = "docs/operating.md"
GUARANTEES = 7
FOLDERS = (
    "tests",
    "tests/python",
    "tests/node",
    "crates/core/tests",
    "crates/core/src",
    "crates/core/src/mesh",
)
# `file::test`; names of tests in Node are sentences.
REFERENCE = re.compile(r"`([\w.]+\.(?:rs|py|test\.js|txt))::([^`]+)`")


@cache
def text(path: Path) -> str:
    """The text of one file."""
    return path.read_text(encoding="utf-8")


@cache
def statements() -> tuple[tuple[str, str], ...]:
    """The lines of the document that promise something, each with its mark: a guarantee's number or `-`."""
    found: list[tuple[str, str]] = []
    for line in text(ROOT / SEMANTICS).splitlines():
        if start := re.match(r"(-|\d+\.) (.*)", line):
            found.append((start[1], start[2]))
        elif found and re.match(r" {2,3}\S", line):
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
    return tuple(found)


def has_test(path: Path, name: str) -> bool:
    """Whether the file has a test, or the list a scenario, of this name."""
    quoted = re.escape(name)
    forms = {
        ".rs": rf"fn {quoted}\s*\(",
        ".py": rf"^(?:async )?def {quoted}\s*\(",
        ".js": rf"(?:test|\))\(\s*['\"]{quoted}['\"]",
        ".txt": rf"^{quoted}(?:\s|$)",
    }
    return re.search(forms[path.suffix], text(path), re.MULTILINE) is not None


def test_every_test_that_is_named_exists() -> None:
    missing = []
    for file, name in REFERENCE.findall(text(ROOT / SEMANTICS) + text(ROOT / SECURITY)):
        paths = [path for folder in FOLDERS if (path := ROOT / folder / file).is_file()]
        if sum(has_test(path, name) for path in paths) != 1:
            missing.append(f"{file}::{name}")
    assert missing == []


def test_every_line_names_a_test() -> None:
    assert [said for _, said in statements() if not REFERENCE.search(said)] == []


def test_nothing_that_looks_like_a_reference_is_passed_over() -> None:
    marks = re.findall(r"`[^`]*::[^`]*`", text(ROOT / SEMANTICS))
    assert [mark for mark in marks if not REFERENCE.fullmatch(mark)] == ["`file::test`"]


def test_all_guarantees_are_proved() -> None:
    numbers = [mark for mark, _ in statements() if mark != "-"]
    assert numbers == [f"{number}." for number in range(1, GUARANTEES + 1)]


def test_every_limit_is_what_the_code_says() -> None:
    said = re.findall(r"^\| `([A-Z_]+(?:: \w+)? = [^`]+)` \|", text(ROOT / OPERATING), re.MULTILINE)
    files = [
        *(ROOT / "crates").glob("*/src/*.rs"),
        *(ROOT / "crates/core/src/mesh").glob("*.rs"),
        *(ROOT / "js").glob("*.js"),
    ]
    code = "\n".join(text(file) for file in files)
    constants = {
        f"{name}{kind} = {value}"
        for name, kind, value in re.findall(
            r"const ([A-Z_]+)(?:(: Duration)|: \w+)? = ([^;\n]+);?$", code, re.MULTILINE
        )
    }
    assert len(said) > 30, "the tables of limits are there"
    assert [line for line in said if line not in constants] == []


def test_every_log_line_of_the_mesh_is_explained() -> None:
    rows = re.findall(r"^\| (\w+) \| `([^`]+)` \| ([^|]+) \| \S", text(ROOT / OPERATING), re.MULTILINE)
    said = {(level, line, tuple(re.findall(r"`(\w+)`", fields))) for level, line, fields in rows}
    files = [text(file) for file in (ROOT / "crates/core/src/mesh").glob("*.rs") if file.name != "tell.rs"]
    assert not any("tracing::" in file for file in files), (
        "each line goes by tell!, which tells the faces as well"
    )
    calls = [
        call
        for file in files
        for call in re.findall(r'\btell!\(\s*[\w.]+,\s*([A-Z]+),\s*"([^"]+)",(.*?)\);', file, re.DOTALL)
    ]
    assert len(calls) == sum(file.count("tell!(") for file in files)
    logged = set()
    for level, line, arguments in calls:
        names = re.findall(r"(?:^|,)\s*(\w+) = ", arguments)
        assert names[0] == "node"
        logged.add((level.lower(), line, tuple(names[1:])))
    assert len(logged) >= 10
    assert logged == said
