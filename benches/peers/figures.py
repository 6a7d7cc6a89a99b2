"""Figures: medians, spreads and ratios of what was measured, and the goals they are held against."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from plan import SUBJECTS, WORKLOADS, Figure, Subject

LANGUAGES = {"rust": "Rust", "erlang": "BEAM", "python": "Python", "node": "Node"}


@dataclass(frozen=True)
class Measured:
    """One figure of one system: the median of its samples, and their range."""

    subject: Subject
    figure: Figure
    count: int
    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        """The value that is reported."""
        return statistics.median(self.samples)

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest."""
        return min(self.samples), max(self.samples)


class Figures:
    """Everything that a run measured."""

    def __init__(self, lines: list[dict[str, object]]) -> None:
        self.measured: dict[tuple[str, str, str], Measured] = {}
        self.rounds = 0
        samples: dict[tuple[str, str, str], list[float]] = {}
        counts: dict[tuple[str, str], int] = {}
        for line in lines:
            if not isinstance(figures := line.get("figures"), dict):
                continue
            self.rounds = max(self.rounds, int(str(line["round"])) + 1)
            workload, subject = str(line["workload"]), str(line["subject"])
            counts[workload, subject] = int(str(line["count"]))
            for name, value in figures.items():
                samples.setdefault((workload, subject, name), []).append(float(value))
        for workload in WORKLOADS.values():
            for subject in SUBJECTS:
                for figure in workload.figures:
                    if values := samples.get((workload.name, subject.name, figure.name)):
                        count = counts[workload.name, subject.name]
                        key = (workload.name, subject.name, figure.name)
                        self.measured[key] = Measured(subject, figure, count, tuple(values))

    def of(self, workload: str, figure: Figure) -> list[Measured]:
        """One figure of all systems, the best first."""
        found = [self.measured.get((workload, subject.name, figure.name)) for subject in SUBJECTS]
        known = [measured for measured in found if measured]
        return sorted(known, key=lambda measured: measured.median, reverse=figure.more_is_better)

    def value(self, workload: str, subject: str, figure: str = "rate") -> float | None:
        """The median of one figure of one system."""
        measured = self.measured.get((workload, subject, figure))
        return measured.median if measured else None

    def best_peer(self, workload: str, language: str, figure: Figure) -> Measured | None:
        """The best of a language that is neither Iris nor bare."""
        peers = [
            measured
            for measured in self.of(workload, figure)
            if measured.subject.language == language and measured.subject.role == "peer"
        ]
        return peers[0] if peers else None

    def bare(self, workload: str, language: str, figure: Figure) -> Measured | None:
        """The bare limit of a language."""
        bare = [
            measured
            for measured in self.of(workload, figure)
            if measured.subject.language == language and measured.subject.role == "bare"
        ]
        return bare[0] if bare else None

    def ratio(self, measured: Measured, other: Measured | None) -> float | None:
        """How much better one is than the other: above 1 is better, whichever way is up."""
        if other is None or not other.median or not measured.median:
            return None
        ratio = measured.median / other.median
        return ratio if measured.figure.more_is_better else 1 / ratio


@dataclass(frozen=True)
class Goal:
    """What a ratio must reach."""

    text: str
    floor: float
    ratio: Callable[[Figures], float | None]


def over(workload: str, one: str, other: str, figure: str = "rate") -> Callable[[Figures], float | None]:
    """One system's figure divided by another's."""

    def ratio(figures: Figures) -> float | None:
        top, bottom = figures.value(workload, one, figure), figures.value(workload, other, figure)
        return top / bottom if top is not None and bottom else None

    return ratio


def ahead(
    workload: str, iris: str, languages: set[str], but: str = "", name: str = ""
) -> Callable[[Figures], float | None]:
    """Iris against the best of the peers of some languages."""

    def ratio(figures: Figures) -> float | None:
        figure = next(figure for figure in WORKLOADS[workload].figures if name in ("", figure.name))
        measured = figures.measured.get((workload, iris, figure.name))
        peers = [
            peer
            for peer in figures.of(workload, figure)
            if peer.subject.role == "peer" and peer.subject.language in languages and peer.subject.name != but
        ]
        return figures.ratio(measured, peers[0]) if measured and peers else None

    return ratio


GOALS = (
    Goal("Python W3 of the bare loop", 0.33, over("W3", "iris-python", "bare Python loop")),
    Goal("Python W2x10 of the bare loop", 0.27, over("W2x10", "iris-python", "bare Python loop")),
    Goal("Node W3 of the bare loop", 0.30, over("W3", "iris-node", "bare JS loop")),
    Goal("Rust W3 of the BEAM", 1.5, over("W3", "iris-rust", "BEAM")),
    Goal("Rust W5 of the BEAM", 1.5, over("W5", "iris-rust", "BEAM")),
    Goal("Rust W3 of bare tokio", 1.0, over("W3", "iris-rust", "bare tokio")),
    Goal("Rust W5 of bare tokio", 1.0, over("W5", "iris-rust", "bare tokio")),
    Goal("Rust W1b spawn rate of the BEAM", 10.0, over("W1b", "iris-rust", "BEAM")),
    Goal("The BEAM's W1b bytes of Iris in Rust", 20.0, over("W1b", "BEAM", "iris-rust", "bytes")),
    Goal("Rust W6 of the best Rust peer and the BEAM", 1.0, ahead("W6", "iris-rust", {"rust", "erlang"})),
    Goal("Rust W7 of the best Rust peer and the BEAM", 1.0, ahead("W7", "iris-rust", {"rust", "erlang"})),
    Goal("Python W8a, on asyncio, of the best Python peer", 5.0, ahead("W8a", "iris-python", {"python"})),
    Goal("Python W8b, on asyncio, of the best Python peer", 5.0, ahead("W8b", "iris-python", {"python"})),
    Goal("Rust W10 of the best Rust peer", 1.0, ahead("W10", "iris-rust", {"rust"})),
    Goal("Python W10 of the best Python peer", 1.0, ahead("W10", "iris-python", {"python"})),
    Goal("Node W10 of the best Node peer", 1.0, ahead("W10", "iris-node", {"node"})),
    Goal("Rust W10 of the BEAM", 0.5, ahead("W10", "iris-rust", {"erlang"})),
)
