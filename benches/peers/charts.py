"""Charts: one SVG for each workload, and one for the README, drawn by matplotlib from the same figures as the tables."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from figures import LANGUAGES, Figures, Measured
from matplotlib.axes import Axes
from plan import WORKLOADS

COLOURS = {"iris": "#2563eb", "bare": "#9ca3af", "peer": "#d4a373"}
SUMMARY = ("W1b", "W2x10", "W3", "W5", "W7", "W8b")
# Text stays text, and the same figures give the same file.
plt.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "iris", "font.size": 9, "font.family": "sans-serif"}


def short(number: float) -> str:
    """Three significant digits with a unit's letter."""
    for size, letter in ((1e6, " M"), (1e3, " k")):
        if abs(number) >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"


def draw(axes: Axes, title: str, bars: list[Measured]) -> None:
    """Bars with the spread of their samples, the best on top, on a logarithmic scale."""
    figure = bars[0].figure
    names = [f"{bar.subject.name} ({LANGUAGES[bar.subject.language]})" for bar in bars]
    medians = [bar.median for bar in bars]
    spread = [
        [bar.median - bar.range[0] for bar in bars],
        [bar.range[1] - bar.median for bar in bars],
    ]
    axes.barh(
        names, medians, xerr=spread, color=[COLOURS[bar.subject.role] for bar in bars], ecolor="#374151"
    )
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_title(title, loc="left", fontweight="bold")
    better = "more is better" if figure.more_is_better else "less is better"
    axes.set_xlabel(f"{figure.unit}, {better}")
    axes.set_xlim(min(medians) / 3, max(medians) * 6)
    axes.spines[["top", "right"]].set_visible(False)
    for place, bar in enumerate(bars):
        axes.text(bar.range[1] * 1.15, place, short(bar.median), va="center", fontsize=8)


def save(path: Path) -> None:
    """Write what is drawn, without the date."""
    plt.tight_layout()
    plt.savefig(path, metadata={"Date": None})
    plt.close()


def draw_all(figures: Figures, folder: Path) -> None:
    """A chart for each workload, and the summary."""
    folder.mkdir(parents=True, exist_ok=True)
    for workload in WORKLOADS.values():
        bars = figures.of(workload.name, workload.figures[0])
        if bars:
            _, axes = plt.subplots(figsize=(8, 0.8 + 0.28 * len(bars)))
            draw(axes, f"{workload.name}: {workload.title}", bars)
            save(folder / f"{workload.name}.svg")
    drawn = [name for name in SUMMARY if figures.of(name, WORKLOADS[name].figures[0])]
    if drawn:
        _, panels = plt.subplots(
            (len(drawn) + 1) // 2, 2, figsize=(13, 4.2 * ((len(drawn) + 1) // 2)), squeeze=False
        )
        for axes in panels.flat[len(drawn) :]:
            axes.set_visible(False)
        for axes, name in zip(panels.flat, drawn, strict=False):
            workload = WORKLOADS[name]
            draw(axes, f"{name}: {workload.title}", figures.of(name, workload.figures[0]))
        save(folder / "summary.svg")
