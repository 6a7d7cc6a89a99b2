"""Run the three benches one after another, print the speed table, and keep it in results/latest.jsonl.

`--quick` is a smoke run; `--strict` fails where a figure misses its limit; `rust`, `python`, `node` limit the run to those.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LATEST = HERE / "results" / "latest.jsonl"
LANGUAGES = ("rust", "python", "node")

Line = dict[str, object]


def build_rust() -> str:
    """Build iris-bench, and tell where it lies."""
    command = ["cargo", "build", "--release", "--locked", "-p", "iris-benches", "--bin", "iris-bench"]
    command.append("--message-format=json-render-diagnostics")
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        raise SystemExit("iris-bench does not build")
    programs = (
        json.loads(line).get("executable") for line in built.stdout.splitlines() if line.startswith("{")
    )
    return str(next(program for program in programs if program))


def command_of(language: str) -> list[str]:
    """The bench of a language."""
    match language:
        case "rust":
            return [build_rust()]
        case "python":
            return [sys.executable, str(HERE / "bench.py")]
        case _:
            return ["node", str(HERE / "bench.mjs")]


def lines_of(language: str, options: list[str]) -> Iterator[Line]:
    """Run the bench of a language and give its figures as they come."""
    with subprocess.Popen(
        [*command_of(language), *options], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as bench:
        assert bench.stdout is not None
        for line in bench.stdout:
            yield json.loads(line)
    if bench.returncode != 0:
        raise SystemExit(f"the {language} bench failed with status {bench.returncode}")


def environment() -> Line:
    """What was measured, and on what."""

    def said(*command: str) -> str:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()

    cpu = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return {
        "commit": said("git", "rev-parse", "--short", "HEAD"),
        "cpu": cpu[0] if cpu else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "rust": said("rustc", "--version"),
        "python": platform.python_version(),
        "node": said("node", "--version"),
        "load_before": round(os.getloadavg()[0], 2),
    }


def short(number: object) -> str:
    """Three significant digits, and whole numbers from a thousand on."""
    assert isinstance(number, int | float)
    return f"{number:,.0f}" if abs(number) >= 1_000 else f"{number:.3g}"


def must(line: Line) -> str:
    """The limit of a figure in words."""
    if "floor" in line:
        return f">= {short(line['floor'])} {line['unit']}"
    return f"<= {short(line['ceiling'])} {line['unit']}" if "ceiling" in line else ""


def row(line: Line) -> str:
    """One line of the printed table."""
    measured = f"{short(line['value'])} {line['unit']}"
    spread = f"[{short(line['min'])}..{short(line['max'])}]"
    verdict = {True: "yes", False: "NO"}.get(line.get("met"), "")  # type: ignore[call-overload]
    return f"{line['lang']:<7} {line['figure']:<26} {must(line):<22} {measured:>24} {spread:<20} {verdict}"


def print_table(lines: list[Line]) -> None:
    """The figures that have a limit, then those to compare with."""
    judged = [line for line in lines if must(line)]
    others = [line for line in lines if not must(line)]
    head = f"{'':<7} {'figure':<26} {'must':<22} {'median':>24} {'[min..max]':<20} met"
    for title, part in (("The table", judged), ("To compare with", others)):
        if part:
            print(f"\n{title}\n{head}\n{'-' * len(head)}")
            print("\n".join(row(line) for line in part))


def main(arguments: list[str]) -> int:
    """Run, print, keep; 1 only where `--strict` was asked for and a figure misses its limit."""
    options = ["--quick"] if "--quick" in arguments else []
    languages = [language for language in LANGUAGES if language in arguments] or list(LANGUAGES)
    about, started = environment(), time.monotonic()
    lines: list[Line] = []
    for language in languages:
        print(f"{language}: measuring ...", flush=True)
        for line in lines_of(language, options):
            lines.append(line)
            print(f"{time.monotonic() - started:5.0f} s  {row(line).rstrip()}", flush=True)
    print_table(lines)
    LATEST.parent.mkdir(exist_ok=True)
    LATEST.write_text("".join(json.dumps(line) + "\n" for line in [{"environment": about}, *lines]))
    missed = [line for line in lines if line.get("met") is False]
    judged = sum("met" in line for line in lines)
    verdict = f"{judged - len(missed)} of {judged} limits met" if judged else "a smoke run: nothing is judged"
    print(f"\n{verdict}, in {time.monotonic() - started:.0f} s", end="; ")
    print(
        f"on {about['cpu']}, {about['cores']} cores, load {about['load_before']}; kept in {LATEST.relative_to(ROOT)}"
    )
    return 1 if missed and "--strict" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
