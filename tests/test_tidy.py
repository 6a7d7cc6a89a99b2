"""The rules of the house that a machine can check: first lines, lengths, arrows, error names, waiting, absences."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINES_MAX = 500
SOURCE_SUFFIXES = {".rs", ".py", ".pyi", ".js", ".mjs", ".cjs", ".ts", ".mts", ".sh", ".yml", ".toml"}
TEXT_SUFFIXES = SOURCE_SUFFIXES | {".md", ".txt", ".json"}
GENERATED = {
    "python/iris/_iris.pyi",
    "package-lock.json",
    "Cargo.lock",
    "benches/peers/node/package-lock.json",
}

# lib.rs names each part of core in a comment above its modules. A part uses itself and what has a lower rank.
PARTS = {
    "Values": 0,
    "Pure decisions": 1,
    "Shared structures": 2,
    "An actor": 3,
    "Running": 3,
    "Front": 4,
    "Mesh": 5,
}
# The handles that user code holds are given out by what runs: these arrows point up, and no others may.
ARROWS_UP = {"runtime": "the handle of the runtime, which contexts and supervisors hand to user code"}
# (user, used): why.
ARROWS_UP_ALONE = {
    ("ask", "shared"): "an ask that was answered takes its deadline's timer back",
    ("details", "future"): "the pending task of an async actor lies with its rare parts",
}

CRATE_MAY_NOT_USE = {
    "core": {
        "pyo3",
        "napi",
        "napi-derive",
        "hyper",
        "axum",
        "reqwest",
        "rusqlite",
        "sqlx",
        "iris-py",
        "iris-node",
    },
    "py": {"napi", "napi-derive", "iris-node", "hyper", "axum", "rusqlite", "sqlx"},
    "node": {"pyo3", "iris-py", "hyper", "axum", "rusqlite", "sqlx"},
}


@cache
def tracked() -> tuple[str, ...]:
    """Every text file of the tree that is or will be committed, as paths from the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    wanted = (name for name in listed if Path(name).suffix in TEXT_SUFFIXES or Path(name).name == "Makefile")
    return tuple(name for name in wanted if (ROOT / name).is_file())


@cache
def text(name: str) -> str:
    """The text of one file of the tree."""
    return (ROOT / name).read_text(encoding="utf-8")


def sources() -> list[str]:
    """The files that people write by hand."""
    return [name for name in tracked() if Path(name).suffix in SOURCE_SUFFIXES and name not in GENERATED]


def first_line_says(name: str, head: str) -> bool:
    """Whether a file begins with a comment or docstring of at least three words."""
    first = head.lstrip("\ufeff").split("\n", 1)[0]
    if first.startswith("#!"):
        first = head.split("\n", 2)[1]
    marks = {".rs": "//", ".js": "//", ".mjs": "//", ".cjs": "//", ".ts": "//", ".mts": "//"}
    mark = marks.get(Path(name).suffix, "#")
    said = first.removeprefix('r"""').removeprefix('"""') if name.endswith((".py", ".pyi")) else first
    if said == first and not first.startswith(mark):
        return False
    return len(re.findall(r"\w+", said)) >= 2


def test_the_first_line_says_what_the_file_is_for() -> None:
    silent = [
        name
        for name in sources()
        if not name.endswith(".toml") and text(name).strip() and not first_line_says(name, text(name))
    ]
    assert silent == []


def test_no_file_is_longer_than_a_noun() -> None:
    lengths = {name: text(name).count("\n") for name in sources()}
    long = {name: length for name, length in lengths.items() if length > LINES_MAX}
    assert long == {}


def dependencies(manifest: str) -> set[str]:
    """The crates that a Cargo.toml names, with their `package = ` names, of every kind and target."""
    import tomllib

    found: set[str] = set()

    def walk(table: dict[str, object]) -> None:
        for key, value in table.items():
            if key.endswith("dependencies") and isinstance(value, dict):
                for crate, spec in value.items():
                    found.add(spec.get("package", crate) if isinstance(spec, dict) else crate)
            elif isinstance(value, dict):
                walk(value)

    walk(tomllib.loads(text(manifest)))
    return found


@pytest.mark.parametrize("crate", sorted(CRATE_MAY_NOT_USE))
def test_crate_arrows(crate: str) -> None:
    used = dependencies(f"crates/{crate}/Cargo.toml")
    assert used & CRATE_MAY_NOT_USE[crate] == set()
    if crate != "core":
        assert {name for name in used if name.startswith("iris")} == {"iris-core"}


def core_parts() -> dict[str, str]:
    """Module of core -> the part of the house that lib.rs puts it in."""
    part, parts = "Values", {}
    for line in text("crates/core/src/lib.rs").splitlines():
        if heading := re.fullmatch(r"// ([A-Z].*)", line):
            part = heading[1]
        elif (module := re.match(r"(?:pub(?:\(crate\))? )?mod (\w+)", line)) and not line.endswith("{"):
            parts[module[1]] = part
    return parts


def test_modules_of_core_use_only_what_is_below_them() -> None:
    parts = core_parts()
    assert set(parts.values()) <= set(PARTS), "lib.rs names a part that the table does not know"
    wrong = []
    for name in tracked():
        if not (found := re.match(r"crates/core/src/(\w+)(?:\.rs|/)", name)) or found[1] == "lib":
            continue
        module = re.sub(r"_(tests|model)$", "", found[1])
        assert module in parts, f"{name} stands in no part of lib.rs"
        if module != found[1]:
            continue
        body = text(name).split("#[cfg(test)]")[0]
        for used in set(re.findall(r"\bcrate::(\w+)", re.sub(r"(?m)^\s*//.*$", "", body))) & set(parts):
            allowed = PARTS[parts[module]] >= PARTS[parts[used]] or used in ARROWS_UP
            if not allowed and (module, used) not in ARROWS_UP_ALONE:
                wrong.append(f"{module} ({parts[module]}) uses {used} ({parts[used]})")
    assert wrong == []


def test_the_map_shows_every_module_of_core_in_its_part() -> None:
    rows = re.findall(r"^\| ([a-z][a-z ]+) \| ((?:`\w+` ?)+) \|", text("ARCHITECTURE.md"), re.M)
    shown = {module: part.capitalize() for part, modules in rows for module in re.findall(r"\w+", modules)}
    assert shown == {module: part for module, part in core_parts().items() if module != "sync"}


def test_error_names_are_equal_in_three_languages() -> None:
    rust = set(re.findall(r'Self::(\w+) => "\1"', text("crates/core/src/error.rs")))
    python = set(re.findall(r'^    kind = "(\w+)"', text("python/iris/errors.py"), re.M))
    node = set(re.findall(r"^  (\w+): '\1'", text("js/errors.js"), re.M))
    assert len(rust) >= 14
    assert rust == python
    assert rust == node
    types = text("types/errors.d.ts")
    assert {kind for kind in rust if not re.search(rf"\b{kind}\b", types)} == set()


def is_test(name: str) -> bool:
    """Whether a file holds tests."""
    return name.startswith("tests/") or "/tests/" in name or name.endswith(("_tests.rs", "_model.rs"))


def offences(pattern: str, names: list[str]) -> list[str]:
    """Each line of the files that matches, as `path:number: line`."""
    wanted = re.compile(pattern)
    return [
        f"{name}:{number}: {line.strip()}"
        for name in names
        if wanted.search(text(name))
        for number, line in enumerate(text(name).splitlines(), 1)
        if wanted.search(line)
    ]


def test_tests_wait_for_things_and_not_for_time() -> None:
    # asyncio.sleep(0) only yields, and a handler that sleeps on purpose is a thing under test: it says so.
    waits = r"\bsleep\((?!0\))|\bsetTimeout\((?!.*\bdeadline\b)"
    names = [name for name in sources() if is_test(name) and Path(name).name != "test_tidy.py"]
    assert [line for line in offences(waits, names) if "busy on purpose" not in line] == []


def test_nothing_is_stubbed_or_skipped() -> None:
    rust = offences(r"todo!|unimplemented!|#\[ignore", [name for name in sources() if name.endswith(".rs")])
    python = offences(
        r"pytest\.(?:mark\.)?(?:skip|xfail)|unittest\.skip|importorskip",
        [name for name in sources() if name.endswith(".py") and Path(name).name != "test_tidy.py"],
    )
    node = offences(
        r"\.(?:skip|todo|failing|only)(?:\.each)?\(|[^.\w]x(?:it|describe|test)\(",
        [name for name in sources() if re.search(r"\.[mc]?[jt]s$", name)],
    )
    assert rust + python + node == []


def test_locks_survive_a_fork() -> None:
    # Its waiting threads share one table of the process; see crates/core/src/sync.rs.
    code = [name for name in tracked() if name.startswith("crates/") and name != "crates/core/src/sync.rs"]
    assert offences(r"parking_lot", code) == []


def test_no_path_or_host_of_one_machine_is_in_the_tree() -> None:
    names = [name for name in tracked() if name != "tests/test_tidy.py"]
    machine = r"/root/|/home/|/Users/|/work/|/tmp/iris|\"resolved\": "
    assert offences(machine, names) == []


def test_versions_agree() -> None:
    import tomllib

    rust = tomllib.loads(text("Cargo.toml"))["workspace"]["package"]["version"]
    assert json.loads(text("package.json"))["version"] == rust
    assert json.loads(text("package-lock.json"))["version"] == rust
    assert f"## {rust}" in text("CHANGELOG.md")


def test_every_command_has_one_line_of_help() -> None:
    makefile = text("Makefile")
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split())
    assert phony == set(re.findall(r"^([\w-]+):.*## \S", makefile, re.M))
