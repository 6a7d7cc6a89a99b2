"""The bench house: its plan names what exists, a run goes on where it was, the gate sees what is worse, the report draws."""

from pathlib import Path

import gate
import pytest
from figures import GOALS, Figures
from measure_all import read, same, todo
from plan import HERE, SUBJECTS, WORKLOADS, Subject

ROOT = Path(__file__).resolve().parent.parent


def sample(workload: str, subject: str, value: float, number: int = 0) -> dict[str, object]:
    """A line of the results, with one figure for all that the workload gives."""
    figures = {figure.name: value for figure in WORKLOADS[workload].figures}
    return {"round": number, "workload": workload, "subject": subject, "count": 1_000, "figures": figures}


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_the_plan_names_programs_and_workloads_that_exist(subject: Subject) -> None:
    assert (set(subject.counts) | set(subject.left_out)) <= set(WORKLOADS)
    assert not set(subject.counts) & set(subject.left_out), "a count of what is left out"
    programs = [part for part in subject.command if str(HERE) in part]
    assert all(Path(program).is_file() for program in programs)
    for workload in WORKLOADS.values():
        for quick in (False, True):
            count = subject.count(workload, quick)
            assert count >= 1_000
            assert count % 1_000 == 0


def test_every_peer_is_described_where_it_is_said_how_it_is_used() -> None:
    readme = (ROOT / "benches" / "README.md").read_text()
    assert [
        workload for workload in WORKLOADS if f"**{workload}" not in readme and f"{workload}**" not in readme
    ] == []
    used = readme.split("## How the peers are used")[1]
    names = {subject.name.removesuffix(" loop") for subject in SUBJECTS if subject.role != "iris"}
    assert {name for name in names if name not in used} == set()


def test_a_run_goes_on_where_it_was() -> None:
    everything = todo(set(), True, {}, [])
    assert {(workload.name, subject.name) for _, workload, subject, _ in everything} == {
        (workload, subject.name)
        for workload in WORKLOADS
        for subject in SUBJECTS
        if workload not in subject.left_out
    }
    number, workload, subject, count = everything[5]
    line = {"round": number, "workload": workload.name, "subject": subject.name, "count": count}
    assert todo(set(), True, {}, [line | {"figures": {}}]) == everything[:5] + everything[6:]
    assert todo(set(), True, {}, [line | {"error": "it failed"}]) == everything
    chosen = todo({"W3", "kameo"}, False, {}, [])
    assert [(number, subject.name) for number, _, subject, _ in chosen] == [
        (number, "kameo") for number in range(5)
    ]
    assert todo({"W3"}, True, {"node": "npm failed"}, []) == [
        entry for entry in everything if entry[1].name == "W3" and entry[2].language != "node"
    ]


def test_results_are_kept_for_one_commit_and_machine(tmp_path: Path) -> None:
    kept = tmp_path / "peers.jsonl"
    assert read(kept) == ({}, [])
    kept.write_text('{"environment": {"commit": "a", "load_before": 1}}\n{"round": 0}\n{"round": 1, "cut o')
    head, lines = read(kept)
    assert lines == [{"round": 0}]
    assert same(head, {"commit": "a", "load_before": 2})
    assert not same(head, {"commit": "b", "load_before": 1})
    assert not same({}, head)


def test_figures_are_medians_with_ratios_to_the_bare_and_to_the_best_peer() -> None:
    lines = [sample("W3", "iris-python", value, number) for number, value in enumerate((3.0, 9.0, 6.0))]
    lines += [sample("W3", "bare Python loop", 12.0), sample("W3", "pykka", 1.0), sample("W3", "ray", 0.1)]
    lines += [sample("W10", "iris-python", 2.0), sample("W10", "pykka", 8.0)]
    lines.append({"round": 1, "workload": "W3", "subject": "nact", "count": 1, "error": "it failed"})
    figures = Figures(lines)
    rate = WORKLOADS["W3"].figures[0]
    iris = figures.measured["W3", "iris-python", "rate"]
    assert (iris.median, iris.range, figures.rounds) == (6.0, (3.0, 9.0), 3)
    assert figures.ratio(iris, figures.bare("W3", "python", rate)) == 0.5
    assert figures.ratio(iris, figures.best_peer("W3", "python", rate)) == 6.0
    delay = WORKLOADS["W10"].figures[0]
    late = figures.measured["W10", "iris-python", "p99_ms"]
    assert figures.ratio(late, figures.best_peer("W10", "python", delay)) == 4.0, (
        "for delays, too, more is better"
    )
    assert figures.value("W3", "nact") is None
    known = {goal.text: goal.ratio(figures) for goal in GOALS}
    assert known["Python W3 of the bare loop"] == 0.5
    assert known["Python W10 of the best Python peer"] == 4.0
    assert known["Rust W3 of the BEAM"] is None


def test_the_gate_fails_on_what_is_worse_and_on_what_nobody_knows() -> None:
    baseline = {"path": 100.0, "ratio": 0.5}
    fine = {"path": (gate.INSTRUCTIONS, 105.0), "ratio": (gate.RATE_RATIO, 0.3)}
    assert gate.judge(fine, baseline) == []
    assert len(gate.judge(fine | {"path": (gate.INSTRUCTIONS, 130.0)}, baseline)) == 1
    assert len(gate.judge(fine | {"ratio": (gate.RATE_RATIO, 0.2)}, baseline)) == 1
    assert len(gate.judge(fine | {"new": (gate.INSTRUCTIONS, 1.0)}, baseline)) == 1
    assert len(gate.judge(fine, baseline | {"gone": 1.0})) == 1
    assert gate.judge({"path": (gate.INSTRUCTIONS, 50.0)}, {"path": 100.0}) == [], "better is never wrong"
