"""Report: writes benches/REPORT.md, its charts, and the README's table from what `make bench-peers` measured.

`--quick` reports the smoke run into target/peers/report instead, to see that everything is drawn; nothing of it is a figure.
"""

from __future__ import annotations

import shutil
import sys

from charts import draw_all, short
from figures import GOALS, LANGUAGES, Figures, Measured
from measure_all import read, results_of
from plan import BUILT, HERE, ROOT, SUBJECTS, WORKLOADS, Figure, Workload

BENCHES = HERE.parent
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
IN_README = ("W1b", "W2x10", "W3", "W4", "W5", "W6", "W7", "W8a", "W8b", "W10", "W12")


def times(ratio: float | None) -> str:
    """A ratio in words."""
    if ratio is None:
        return ""
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"


def value(measured: Measured | None) -> str:
    """A median with its unit."""
    if measured is None:
        return "-"
    unit = "/s" if measured.figure.unit == "1/s" else f" {measured.figure.unit}"
    return f"{short(measured.median)}{unit}"


def head(environment: dict[str, object], figures: Figures) -> list[str]:
    """What was measured, on what, and how to repeat it."""
    known = ("cpu", "cores", "system", "rust", "python", "node", "erlang", "load_before")
    machine = "; ".join(f"{key.replace('_', ' ')}: {environment.get(key)}" for key in known)
    changed = " with uncommitted changes" if environment.get("changed") else ""
    return [
        "# Iris beside its peers",
        "",
        f"Commit `{environment.get('commit')}`{changed}. {machine}.",
        "",
        "```sh",
        "make bench-peers    # installs the peers and measures",
        "make bench-report   # writes this page and its charts",
        "```",
        "",
        f"Each figure is the median of {figures.rounds} samples, each in a process of its own, the systems side by side",
        "in each round; behind it the smallest and the largest. *Of bare* divides by the bare limit of the same language,",
        "*of the best peer* by the best peer of the same language; above 1 is better, for delays too. What each workload is,",
        "and how each peer is used, stands in [README.md](README.md).",
        "",
    ]


def goals(figures: Figures) -> list[str]:
    """The goals, and whether they are met."""
    rows = ["## Goals", "", "| ratio | goal | measured | met |", "| --- | ---: | ---: | --- |"]
    for goal in GOALS:
        ratio = goal.ratio(figures)
        met = "" if ratio is None else "yes" if ratio >= goal.floor else "**no**"
        rows.append(f"| {goal.text} | {goal.floor:g} | {times(ratio)} | {met} |")
    why = "Why some are not met, with the profiles that show it, stands in [README.md](README.md#goals-that-are-not-met-and-why)."
    return [*rows, "", why, ""]


def row(figures: Figures, workload: Workload, figure: Figure, measured: Measured) -> str:
    """One system in the table of a workload."""
    subject = measured.subject
    low, high = measured.range
    bare = figures.bare(workload.name, subject.language, figure) if subject.role != "bare" else None
    best = figures.best_peer(workload.name, subject.language, figure) if subject.role == "iris" else None
    name = f"**{subject.name}**" if subject.role == "iris" else subject.name
    count = "" if measured.count == workload.count else f"{measured.count:,}"
    cells = (
        name,
        LANGUAGES[subject.language],
        value(measured),
        f"{short(low)} .. {short(high)}",
        times(figures.ratio(measured, bare)),
        times(figures.ratio(measured, best)),
        count,
    )
    return f"| {' | '.join(cells)} |"


def workload_part(figures: Figures, workload: Workload) -> list[str]:
    """A workload's chart and tables."""
    lines = [
        f"## {workload.name}: {workload.title}",
        "",
        f"![{workload.name}](charts/{workload.name}.svg)",
        "",
    ]
    for figure in workload.figures:
        measured = figures.of(workload.name, figure)
        if not measured:
            continue
        lines += [
            f"| {figure.name} | | median | smallest .. largest | of bare | of the best peer | count, if not {workload.count:,} |",
            "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
            *(row(figures, workload, figure, one) for one in measured),
            "",
        ]
    out: dict[str, list[str]] = {}
    for subject in SUBJECTS:
        if why := subject.left_out.get(workload.name):
            out.setdefault(why, []).append(subject.name)
    if out:
        lines += [
            "Left out: " + "; ".join(f"{', '.join(names)} ({why})" for why, names in out.items()) + ".",
            "",
        ]
    return lines


def errors(lines: list[dict[str, object]]) -> list[str]:
    """What failed, so that nothing is missing without a word."""
    taken = {(line["round"], line["workload"], line["subject"]) for line in lines if "figures" in line}
    failed = [
        line
        for line in lines
        if "error" in line and (line["round"], line["workload"], line["subject"]) not in taken
    ]
    if not failed:
        return []
    rows = [
        f"- {line['workload']} {line['subject']}: {str(line['error']).splitlines()[0][:200]}"
        for line in failed
    ]
    return ["## Samples that failed", "", *sorted(set(rows)), ""]


def readme_part(environment: dict[str, object], figures: Figures) -> str:
    """The chart and the table of README.md."""
    top = "| | Iris, Rust | best Rust peer | BEAM | Iris, Python | best Python peer | Iris, Node | best Node peer |"
    lines = [
        BEGIN,
        "![Iris beside its peers](benches/charts/summary.svg)",
        "",
        top,
        f"| --- |{' ---: |' * 7}",
    ]
    for name in IN_README:
        workload = WORKLOADS[name]
        figure = workload.figures[0]
        cells = [f"{name}: {workload.title}"]
        for language in ("rust", "erlang", "python", "node"):
            if language != "erlang":
                cells.append(value(figures.measured.get((name, f"iris-{language}", figure.name))))
            best = figures.best_peer(name, language, figure)
            named = best is not None and language != "erlang"
            cells.append(f"{value(best)} {best.subject.name}" if named and best else value(best))
        lines.append(f"| {' | '.join(cells)} |")
    machine = (
        f"{environment.get('cores')} cores of {environment.get('cpu')}, commit `{environment.get('commit')}`"
    )
    lines += [
        "",
        f"Medians of {figures.rounds} runs on {machine}; all of it in [benches/REPORT.md](benches/REPORT.md).",
        END,
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Read, draw, write."""
    quick = "--quick" in arguments
    source = results_of(quick)
    kept = BENCHES / "results" / "report.jsonl"
    if not quick and not source.is_file() and kept.is_file():
        source = kept  # the report can be drawn again from what it was drawn from
    environment, lines = read(source)
    if not lines:
        raise SystemExit(
            f"nothing was measured: {source.relative_to(ROOT)} is not there; run `make bench-peers` first"
        )
    figures = Figures(lines)
    folder = BUILT / "report" if quick else BENCHES
    folder.mkdir(parents=True, exist_ok=True)
    draw_all(figures, folder / "charts")
    page = head(environment, figures) + goals(figures)
    for workload in WORKLOADS.values():
        page += workload_part(figures, workload)
    page += errors(lines)
    (folder / "REPORT.md").write_text("\n".join(page).rstrip() + "\n")
    readme = ROOT / "README.md"
    text = readme.read_text()
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    target = folder / "README.md" if quick else readme
    target.write_text(before + readme_part(environment, figures) + after)
    if source != kept and not quick:
        shutil.copyfile(source, kept)
    print(
        f"{folder.relative_to(ROOT) / 'REPORT.md'}: {len(figures.measured)} figures of {figures.rounds} rounds"
    )
    for goal in GOALS:
        print(f"  {goal.text}: {times(goal.ratio(figures)) or '-'} (goal {goal.floor:g})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
