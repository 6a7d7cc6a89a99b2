"""Runs the fenced Python, JavaScript and Rust blocks of Markdown files; a block may be followed by what it must print."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(python|js|mjs)\n(.*?)^```\n(?:<!-- prints: (.*?) -->)?", re.M | re.S)
BLOCK_SECONDS_MAX = 60


def run_block(language: str, code: str, folder: Path) -> str:
    """Runs one block as a program of its own and returns what it printed."""
    name = {"python": "block.py", "js": "block.cjs", "mjs": "block.mjs"}[language]
    (folder / name).write_text(code)
    program = [sys.executable, name] if language == "python" else ["node", name]
    done = subprocess.run(
        program,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=BLOCK_SECONDS_MAX,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise AssertionError(f"it ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def check_file(path: Path) -> tuple[int, list[str]]:
    """Runs the blocks of one file: how many there are, and what went wrong."""
    text, wrong = path.read_text(), []
    blocks = list(BLOCK.finditer(text))
    for match in blocks:
        language, code, prints = match.groups()
        where = f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}"
        with tempfile.TemporaryDirectory() as folder:
            modules = Path(folder, "node_modules")
            modules.mkdir()
            os.symlink(ROOT, modules / "iris-actors")
            try:
                printed = run_block(language, code, Path(folder))
            except (AssertionError, subprocess.TimeoutExpired) as error:
                wrong.append(f"{where}: {error}")
                continue
        if prints is not None and printed.split() != prints.split():
            wrong.append(f"{where}: it printed {printed.split()}, not {prints.split()}")
    return len(blocks), wrong


def core_library() -> Path:
    """The dev build of iris-core that `cargo test` uses too."""
    command = [
        "cargo",
        "build",
        "--locked",
        "--quiet",
        "-p",
        "iris-core",
        "--message-format=json-render-diagnostics",
    ]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in output.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message["target"]["name"] == "iris_core":
            return next(Path(name) for name in message["filenames"] if name.endswith(".rlib"))
    raise AssertionError("cargo built no iris_core library")


def check_rust(paths: list[Path]) -> int:
    """Lets rustdoc run the Rust blocks; returns how many files had some."""
    with_rust = [path for path in paths if "```rust" in path.read_text()]
    if not with_rust:
        return 0
    library = core_library()
    for path in with_rust:
        command = ["rustdoc", "--test", "--edition", "2024", "--extern", f"iris_core={library}"]
        command += [
            "-L",
            f"dependency={library.parent / 'deps'}",
            "-L",
            f"dependency={library.parent}",
            str(path),
        ]
        subprocess.run(command, cwd=ROOT, check=True)
    return len(with_rust)


def main() -> int:
    """Checks the files named, and the Markdown files in the folders named."""
    named = [ROOT / name for name in sys.argv[1:]]
    paths = [path for one in named for path in (sorted(one.rglob("*.md")) if one.is_dir() else [one])]
    total, failures = 0, []
    for path in paths:
        count, wrong = check_file(path)
        total += count
        failures += wrong
    print("\n\n".join(failures))
    check_rust(paths)
    print(f"{total - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
