"""Measure Iris and its peers side by side: every workload, every system, one after another, in rounds.

Each sample is a process of its own and one line in benches/results/peers.jsonl. A run that was ended goes on where it was, as
long as the commit, the machine and the plan are the same. `--quick` is a smoke run of small counts and one round, into
peers-quick.jsonl; `--fresh` begins anew; names of workloads (`W3`) and systems (`kameo`) limit the run to those.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from install import install_all
from plan import HERE, ROOT, ROUNDS, SAMPLE_SECONDS_MAX, SUBJECTS, WORKLOADS, Subject, Workload

sys.path.insert(0, str(HERE.parent))
from run import environment  # the table's own

RESULTS = HERE.parent / "results"
Line = dict[str, object]
Todo = tuple[int, Workload, Subject, int]


def results_of(quick: bool) -> Path:
    """Where the lines are kept."""
    return RESULTS / ("peers-quick.jsonl" if quick else "peers.jsonl")


def about() -> Line:
    """What is measured, and on what; a run goes on only where this is the same."""
    known = environment()
    erlang = subprocess.run(
        ["erl", "-noshell", "-eval", "io:put_chars(erlang:system_info(otp_release)), halt()."],
        capture_output=True,
        text=True,
    )
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=no"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    return known | {"erlang": f"OTP {erlang.stdout}", "changed": bool(changed.strip())}


def same(one: Line, other: Line) -> bool:
    """Whether two runs may be one."""
    return all(one.get(key) == other.get(key) for key in {*one, *other} - {"load_before"})


def read(path: Path) -> tuple[Line, list[Line]]:
    """The head and the samples of a file; none where there is no file. A line that was cut off is dropped."""
    lines = []
    for text in path.read_text().splitlines() if path.is_file() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return (lines[0]["environment"], lines[1:]) if lines else ({}, [])


def take(subject: Subject, workload: Workload, count: int) -> Line:
    """Take one sample in a fresh process: its figures, or what went wrong."""
    started = time.monotonic()
    try:
        done = subprocess.run(
            [*subject.command, workload.name, str(count)],
            capture_output=True,
            text=True,
            timeout=SAMPLE_SECONDS_MAX,
            stdin=subprocess.DEVNULL,
        )
        last = (done.stdout.strip().splitlines() or [""])[-1]
        if done.returncode == 0 and last.startswith("{"):
            outcome: Line = {"figures": json.loads(last)}
        else:
            said = (done.stderr or done.stdout).strip()
            outcome = {"error": f"status {done.returncode}: {said[-500:]}"}
    except subprocess.TimeoutExpired:
        outcome = {"error": f"took more than {SAMPLE_SECONDS_MAX:.0f} s"}
    return outcome | {"seconds": round(time.monotonic() - started, 2)}


def todo(names: set[str], quick: bool, absent: dict[str, str], done: list[Line]) -> list[Todo]:
    """What is still to be measured, in order: the systems stand side by side within each workload of each round."""
    have = {
        (line["round"], line["workload"], line["subject"], line["count"])
        for line in done
        if "figures" in line
    }
    workloads = [
        workload for workload in WORKLOADS.values() if not names & set(WORKLOADS) or workload.name in names
    ]
    known = {subject.name for subject in SUBJECTS}
    subjects = [subject for subject in SUBJECTS if not names & known or subject.name in names]
    return [
        (number, workload, subject, subject.count(workload, quick))
        for number in range(1 if quick else ROUNDS)
        for workload in workloads
        for subject in subjects
        if subject.language not in absent
        and workload.name not in subject.left_out
        and (number, workload.name, subject.name, subject.count(workload, quick)) not in have
    ]


def shown(workload: Workload, sample: Line) -> str:
    """A sample in words."""
    if "error" in sample:
        lines = str(sample["error"]).splitlines()
        return next((line for line in lines if "rror" in line or "panic" in line), lines[-1])[:90]
    figures = sample["figures"]
    assert isinstance(figures, dict)
    return "  ".join(
        f"{figures[figure.name]:,.4g} {figure.unit}" for figure in workload.figures if figure.name in figures
    )


def main(arguments: list[str]) -> int:
    """Install, measure, keep; 1 where a sample failed."""
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0
    unknown = {argument for argument in arguments if argument.startswith("-")} - {"--quick", "--fresh"}
    if unknown:
        raise SystemExit(f"no option is called {', '.join(sorted(unknown))}; --help says which there are")
    quick = "--quick" in arguments
    names = {argument for argument in arguments if not argument.startswith("--")}
    unknown = names - set(WORKLOADS) - {subject.name for subject in SUBJECTS}
    if unknown:
        raise SystemExit(f"no workload or system is called {', '.join(sorted(unknown))}")
    absent = install_all({subject.language for subject in SUBJECTS})
    head, path = about(), results_of(quick)
    before, done = read(path)
    path.parent.mkdir(exist_ok=True)
    if "--fresh" in arguments or not same(before, head):
        if done and not quick:
            path.rename(path.with_name(f"peers-{before.get('commit')}-{int(time.time())}.jsonl"))
        done = []
        path.write_text(json.dumps({"environment": head}) + "\n")
    remaining = todo(names, quick, absent, done)
    print(
        f"{len(remaining)} samples to take, {len(done)} are there; kept in {path.relative_to(ROOT)}",
        flush=True,
    )
    failed, started = 0, time.monotonic()
    with path.open("a") as kept:
        for place, (number, workload, subject, count) in enumerate(remaining, 1):
            sample = take(subject, workload, count)
            failed += "error" in sample
            line = {
                "round": number,
                "workload": workload.name,
                "subject": subject.name,
                "count": count,
            } | sample
            kept.write(json.dumps(line) + "\n")
            kept.flush()
            spent = time.monotonic() - started
            left = spent / place * (len(remaining) - place)
            print(
                f"{spent:5.0f} s, {left:5.0f} s to go  {number + 1}/{ROUNDS}  {workload.name:<6} {subject.name:<17} "
                f"{shown(workload, sample)}",
                flush=True,
            )
    print(f"{len(remaining) - failed} samples taken, {failed} failed; `make bench-report` draws them")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
