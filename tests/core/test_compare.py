"""Two runs side by side, from run directories as the engine writes them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from panther_core.cli.blocks import Plain
from panther_core.cli.comparison import comparison_blocks
from panther_core.cli.main import main
from panther_core.compare import Change, Comparison, Outcome, Rules, as_data, compare, conclusion
from panther_core.results import DirectoryView
from panther_hookspecs import ConfigurationException

Make = Callable[..., DirectoryView]
QUICK = (1.00, 1.01, 0.99, 1.02, 0.98, 1.00, 1.03, 0.97, 1.01, 0.99)
SLOW = tuple(each * 1.5 for each in QUICK)


def record(name: str = "ping", number: int = 1, verdict: str = "pass", **more: Any) -> dict[str, Any]:
    expected = more.get("expected", ["pass"])
    return {
        "v": 1,
        "case": f"{name}-{number}",
        "name": name,
        "cell": {},
        "repetition": number,
        "attempt": 1,
        "final": True,
        "verdict": verdict,
        "expected": expected,
        "as_expected": verdict in expected,
        "why": f"why {name}",
        "seconds": 0.5,
        "instruments": [],
        "measurements": [],
        "findings": [],
        "artifacts": [],
        "problems": [],
        "folder": f"cases/{name}-{number}/1",
        **more,
    }


def measured(values: Iterable[float], metric: str = "cpu_seconds", **more: Any) -> list[dict[str, Any]]:
    """Return one repetition for each value."""
    return [
        record(
            number=number,
            measurements=[{"name": metric, "value": value, "unit": "s", "service": "server", **more.get("extra", {})}],
            **{key: each for key, each in more.items() if key != "extra"},
        )
        for number, value in enumerate(values, 1)
    ]


def finding(fingerprint: str, **more: Any) -> dict[str, Any]:
    return {"source": "memcheck", "kind": "leak", "message": "leaked", "fingerprint": fingerprint, "count": 1, **more}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def run(name: str, records: Sequence[Mapping[str, Any]], lock: Mapping[str, Any] | None = None) -> DirectoryView:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "resolved.yaml").write_text("name: trial\n")
        (folder / "panther.lock.json").write_text(json.dumps({"machine": {"cpu": "one"}, "seed": 1} | dict(lock or {})))
        (folder / "results.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
        return DirectoryView(folder)

    return run


def the(found: Comparison, metric: str) -> Change:
    (change,) = [each for each in found.changes if str(each.metric) == metric]
    return change


def text(found: Comparison) -> str:
    return Plain().render(*comparison_blocks(found, Path("runs/a"), Path("runs/b"))).rstrip("\n")


def test_a_slower_program_is_worse_and_a_quicker_one_better(make: Make) -> None:
    a, b = make("a", measured(QUICK)), make("b", measured(SLOW))
    assert the(compare(a, b), "server.cpu_seconds").outcome is Outcome.WORSE
    back = compare(b, a)
    assert the(back, "server.cpu_seconds").outcome is Outcome.BETTER
    assert list(back.regressions()) == []
    assert "! worse  server.cpu_seconds  1 -> 1.5 s  +50 % (+47 % to +53 %)" in text(compare(a, b))


def test_more_throughput_is_better(make: Make) -> None:
    found = compare(make("a", measured(QUICK, "transfer.goodput")), make("b", measured(SLOW, "transfer.goodput")))
    assert the(found, "server.transfer.goodput").outcome is Outcome.BETTER


@pytest.mark.parametrize(("better", "outcome"), [("higher", "better"), ("lower", "worse"), ("neither", "changed")])
def test_who_measures_can_say_which_way_is_better(make: Make, better: str, outcome: str) -> None:
    extra = {"labels": {"better": better}}
    a, b = make("a", measured(QUICK, "x", extra=extra)), make("b", measured(SLOW, "x", extra=extra))
    found = compare(a, b, Rules(metrics=("x",)))
    assert the(found, "server.x").outcome.value == outcome


def test_the_user_can_say_which_way_is_better(make: Make) -> None:
    a, b = make("a", measured(QUICK)), make("b", measured(SLOW))
    assert the(compare(a, b, Rules(higher=("*cpu*",))), "server.cpu_seconds").outcome is Outcome.BETTER


def test_shares_are_neither_better_nor_worse_and_compared_only_if_named(make: Make) -> None:
    a, b = make("a", measured(QUICK, "x.top1.share")), make("b", measured(SLOW, "x.top1.share"))
    found = compare(a, b, Rules(metrics=("*.share",)))
    assert the(found, "server.x.top1.share").outcome is Outcome.CHANGED
    assert list(found.regressions()) == []
    assert "server.x.top1.share" not in {str(each.metric) for each in compare(a, b).changes}


def test_the_same_again_is_the_same(make: Make) -> None:
    found = compare(make("a", measured(QUICK)), make("b", measured(QUICK[::-1])))
    assert the(found, "server.cpu_seconds").outcome is Outcome.SAME
    assert conclusion(found) == "nothing got worse"


def test_a_difference_below_the_limit_does_not_matter_however_certain_it_is(make: Make) -> None:
    a, b = make("a", measured(QUICK)), make("b", measured([each * 1.06 for each in QUICK]))
    assert the(compare(a, b), "server.cpu_seconds").outcome is Outcome.WORSE
    wide = Rules(limits=(("*", 0.01), ("server.cpu*", 0.10)))
    assert the(compare(a, b, wide), "server.cpu_seconds").outcome is Outcome.SAME


def test_one_outlier_moves_the_mean_and_no_verdict(make: Make) -> None:
    found = compare(make("a", measured(QUICK)), make("b", measured([*QUICK[:-1], 1000.0])))
    assert the(found, "server.cpu_seconds").outcome is not Outcome.WORSE


@pytest.mark.parametrize("count", [1, 2, 3])
def test_too_few_repetitions_are_inconclusive_and_it_is_said_how_many_are_needed(make: Make, count: int) -> None:
    found = compare(make("a", measured(QUICK[:count])), make("b", measured(SLOW[:count])))
    change = the(found, "server.cpu_seconds")
    assert change.outcome is Outcome.INCONCLUSIVE
    assert change.needed is not None
    assert change.needed >= 4
    assert f"cannot be decided with {count} and {count} repetitions; at least 4 of each" in text(found)
    enough = compare(make("c", measured(QUICK[: change.needed])), make("d", measured(SLOW[: change.needed])))
    assert the(enough, "server.cpu_seconds").outcome is Outcome.WORSE


def test_many_metrics_are_no_lottery(make: Make) -> None:
    chance = random.Random(4)

    def noise() -> list[dict[str, Any]]:
        return [
            record(
                number=number,
                measurements=[{"name": f"m{index}", "value": chance.lognormvariate(0, 1)} for index in range(300)],
            )
            for number in range(1, 11)
        ]

    found = compare(make("a", noise()), make("b", noise()))
    assert sum(each.p <= 0.05 for each in found.changes) > 5
    assert list(found.regressions()) == []
    assert found.tested == 300


def test_what_never_varies_costs_no_certainty(make: Make) -> None:
    fixed = [{"name": f"m{index}", "value": 7} for index in range(10_000)]

    def run(values: Sequence[float]) -> list[dict[str, Any]]:
        return [{**each, "measurements": each["measurements"] + fixed} for each in measured(values)]

    found = compare(make("a", run(QUICK[:5])), make("b", run(SLOW[:5])))
    assert (found.tested, len(found.changes)) == (1, 10_002)
    assert the(found, "server.cpu_seconds").outcome is Outcome.WORSE


def test_values_that_are_no_numbers_are_left_out(make: Make) -> None:
    found = compare(make("a", measured([*QUICK, float("nan")])), make("b", measured([*SLOW, float("inf")])))
    assert len(the(found, "server.cpu_seconds").a) == len(the(found, "server.cpu_seconds").b) == 10


def test_only_repetitions_that_ended_alike_are_compared(make: Make) -> None:
    failing = [{**each, "verdict": "fail", "as_expected": False} for each in measured([50.0] * 3)]
    for number, each in enumerate(failing, 11):
        each["repetition"], each["case"] = number, f"ping-{number}"
    found = compare(make("a", measured(QUICK)), make("b", [*measured(QUICK), *failing]))
    assert len(the(found, "server.cpu_seconds").b) == 10
    assert found.verdicts[0].change == "newly flaky"
    only = compare(make("c", measured(QUICK)), make("d", failing))
    assert only.changes == ()
    assert any("no repetition ended alike" in each for each in only.notes)


def test_instrumented_numbers_are_never_compared_with_others(make: Make) -> None:
    found = compare(make("a", measured(QUICK)), make("b", measured(SLOW, instruments=["strace"])))
    assert found.changes == ()
    assert "numbers not compared: ping was watched by nothing in A, by strace in B" in text(found)


def test_metrics_can_be_chosen_and_a_pattern_without_a_metric_is_refused(make: Make) -> None:
    a, b = make("a", measured(QUICK)), make("b", measured(SLOW))
    assert [str(each.metric) for each in compare(a, b, Rules(metrics=("server.*",))).changes] == ["server.cpu_seconds"]
    for rules in (
        Rules(metrics=("server.cpu_second",)),
        Rules(limits=(("cpu_secs", 0.1),)),
        Rules(higher=("cpu_secs",)),
    ):
        with pytest.raises(ConfigurationException, match=r"matches '.*'\n  did you mean .*cpu_seconds"):
            compare(a, b, rules)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (["pass", "pass"], ["fail", "fail"], "new failure"),
        (["pass", "pass"], ["pass", "error"], "newly flaky"),
        (["pass"], ["flaky"], "newly flaky"),
        (["pass", "fail"], ["fail", "fail"], "new failure"),
        (["fail", "fail"], ["pass", "fail"], "less flaky"),
        (["fail"], ["pass"], "fixed"),
        (["pass", "fail"], ["pass", "pass"], "fixed"),
        (["fail"], ["error"], "changed"),
        (["pass", "fail"], ["fail", "pass"], ""),
    ],
)
def test_verdicts_are_compared_over_repetitions(make: Make, before: list[str], after: list[str], change: str) -> None:
    sides = [[record(number=n, verdict=each) for n, each in enumerate(side, 1)] for side in (before, after)]
    found = compare(make("a", sides[0]), make("b", sides[1]))
    assert [each.change for each in found.verdicts] == ([change] if change else [])
    assert any(each in found.regressions() for each in found.verdicts) is change.startswith("new")


def test_a_new_failure_says_why_and_where(make: Make) -> None:
    shown = text(compare(make("a", [record()]), make("b", [record(verdict="fail")])))
    assert re.search(r"! new failure  1 pass -> 1 fail  ping\n +why ping\n +runs/b/cases/ping-1/1\n", shown)
    assert shown.endswith("B is worse than A: 1 new failure")


def test_findings_are_compared_by_fingerprint(make: Make) -> None:
    before = [finding("kept", message="at 0x1"), finding("old"), finding("rare", count=2)]
    after = [finding("kept", message="at 0x2"), finding("fresh", artifact="profiles/x.xml"), finding("rare", count=9)]
    found = compare(make("a", [record(findings=before)]), make("b", [record(findings=after)]))
    assert [(each.change, each.fingerprint) for each in found.findings] == [
        ("new", "fresh"),
        ("more", "rare"),
        ("gone", "old"),
    ]
    assert [each.fingerprint for each in found.regressions() if not isinstance(each, Change)] == ["fresh"]  # type: ignore[union-attr]
    assert "runs/b/cases/ping-1/1/profiles/x.xml" in text(found)


def test_a_finding_in_some_repetitions_says_in_how_many(make: Make) -> None:
    runs = [
        [record(number=n) for n in (1, 2, 3)],
        [record(number=n, findings=[finding("x")] * (n > 1)) for n in (1, 2, 3)],
    ]
    found = compare(make("a", runs[0]), make("b", runs[1]))
    assert found.findings[0].b == (2, 3, 2)
    assert "in 2 of 3" in text(found)


def test_a_new_finding_that_only_informs_is_no_regression(make: Make) -> None:
    after = [record(findings=[finding("x", severity="info")])]
    assert list(compare(make("a", [record()]), make("b", after)).regressions()) == []


def profiled(run: Path, weights: Sequence[Mapping[str, int]], instrument: str = "gperf_cpu") -> list[dict[str, Any]]:
    """Return a repetition for each profile, with its file of folded stacks."""
    records = []
    for number, profile in enumerate(weights, 1):
        path = f"profiles/server/{instrument}/{instrument}.folded"
        file = run / f"cases/ping-{number}/1" / path
        file.parent.mkdir(parents=True)
        file.write_text("".join(f"main;{function} {weight}\n" for function, weight in profile.items()) + "torn;lin")
        artifact = {"path": path, "kind": "folded", "service": "server", "title": "processor time, samples"}
        records.append(record(number=number, instruments=[instrument], artifacts=[artifact]))
    return records


def test_functions_that_got_worse_are_named_first(make: Make, tmp_path: Path) -> None:
    chance = random.Random(1)

    def profiles(hash_weight: int) -> list[dict[str, int]]:
        return [
            {
                "hash bytes": hash_weight + chance.randrange(9),
                "parse": 100 + chance.randrange(9),
                "rare": chance.randrange(1, 3),
            }
            for _ in range(8)
        ]

    a, b = make("a", []), make("b", [])
    for view, weight in ((a, 50), (b, 200)):
        rows = profiled(view.folder, profiles(weight))
        for row, seconds in zip(rows, QUICK if view is a else SLOW, strict=False):
            row["measurements"] = [{"name": "cpu_seconds", "value": seconds, "service": "server"}]
        (view.folder / "results.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    found = compare(a, b)
    worse = found.of(Outcome.WORSE)
    assert [each.metric.symbol for each in worse] == ["hash bytes", ""]
    assert worse[0].metric.unit == "samples"
    assert "rare" not in {each.metric.symbol for each in found.changes}
    lines = text(found).splitlines()
    first = lines.index("  functions and system calls")
    assert lines[first + 1].startswith("! worse  server.gperf_cpu.hash bytes.self")
    assert lines[first + 2] == "  other metrics"


def test_where_repetitions_are_too_few_the_functions_that_are_farthest_apart_are_named_all_the_same(make: Make) -> None:
    def traced(counts: dict[str, int]) -> list[dict[str, Any]]:
        numbers = [{"name": f"strace.{call}.count", "value": each} for call, each in counts.items()]
        return [record(instruments=["strace"], measurements=numbers)]

    found = compare(make("a", traced({"fsync": 1, "read": 100})), make("b", traced({"fsync": 90, "read": 101})))
    assert not list(found.regressions())
    lines = text(found).splitlines()
    at = lines.index("  functions and system calls that are farthest apart, which proves nothing")
    assert lines[at + 1].split() == ["strace.fsync.count", "+8900", "%", "1", "->", "90"]
    assert not lines[at + 2]


def test_a_run_is_not_compared_with_itself(make: Make) -> None:
    one = make("a", [record()])
    with pytest.raises(ConfigurationException, match="a is compared with itself"):
        compare(one, one)


def test_a_call_that_was_not_made_counts_as_none(make: Make) -> None:
    def traced(counts: Iterable[int]) -> list[dict[str, Any]]:
        return [
            record(
                number=n,
                instruments=["strace"],
                measurements=[{"name": "strace.fsync.count", "value": each}] if each else [],
            )
            for n, each in enumerate(counts, 1)
        ]

    found = compare(make("a", traced([0] * 9 + [1])), make("b", traced([12] * 10)))
    change = the(found, "strace.fsync.count")
    assert (change.outcome, change.metric.symbol, change.relative) == (Outcome.WORSE, "fsync", None)
    assert "0 -> 12  from 0" in text(found)


def test_the_tiny_cost_of_a_call_is_not_judged(make: Make) -> None:
    def traced(bind: float) -> list[dict[str, Any]]:
        names = {"strace.bind.seconds": bind, "strace.sendto.seconds": 1.0}
        return [
            record(
                number=n,
                instruments=["strace"],
                measurements=[{"name": name, "value": value + n / 1e9} for name, value in names.items()],
            )
            for n in range(1, 11)
        ]

    found = compare(make("a", traced(1e-6)), make("b", traced(2e-6)))
    assert {str(each.metric) for each in found.changes} == {"seconds", "strace.sendto.seconds"}


def test_another_machine_is_said_loudly_and_first(make: Make) -> None:
    lock = {"machine": {"cpu": "two"}, "seed": 2, "programs": {"/bin/x": "f00"}}
    found = compare(make("a", measured(QUICK)), make("b", measured(QUICK), lock))
    shown = text(found).splitlines()
    assert shown[2] == "! A and B ran on different machines; numbers may differ for that reason alone"
    assert shown[3] == "    machine.cpu: 'one' in A, 'two' in B"
    assert found.others == ("seed: 1 in A, 2 in B", "programs./bin/x: None in A, 'f00' in B")


def test_a_run_without_its_lock_is_said(make: Make) -> None:
    a, b = make("a", measured(QUICK)), make("b", measured(QUICK))
    (b.folder / "panther.lock.json").unlink()
    assert "panther.lock.json" in compare(a, b).machine[0]


def test_what_cannot_be_paired_is_said(make: Make) -> None:
    a = make("a", [record(), record("old"), record("open", final=False), record("changed")])
    b = make("b", [record(), record("new", cell={"server": "x"}), {**record("changed"), "case": "other"}])
    shown = text(compare(a, b))
    for note in (
        "1 of the cases of A did not finish",
        "only in A: old",
        "only in B: new[server=x]",
        "defined differently in A and B: changed",
    ):
        assert note in shown


def test_runs_without_a_case_in_common_are_refused(make: Make) -> None:
    with pytest.raises(ConfigurationException, match="no finished case in common"):
        compare(make("a", [record("one")]), make("b", [record("two")]))


def test_two_parts_of_one_run_can_be_compared(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    old = [
        {**each, "case": f"old {each['case']}", "cell": {"server": "old", "client": "c"}} for each in measured(QUICK)
    ]
    new = [{**each, "case": f"new {each['case']}", "cell": {"server": "new", "client": "c"}} for each in measured(SLOW)]
    run = str(make("a", [*old, *new]).folder)
    assert main(["compare", f"{run}@server=old", f"{run}@server=new", "--fail-on", "regression"]) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"A  {run} @ server=old\nB  {run} @ server=new\n\nverdicts: 1 case compared, 1 unchanged\n")
    assert "! worse  server.cpu_seconds" in out
    for wrong, said in (
        ("@server=none", "there are: client=c, server=new, server=old"),
        ("@nonsense", "RUN@AXIS=VALUE"),
    ):
        assert main(["compare", run + wrong, run]) == 2
        assert said in capsys.readouterr().err


def test_hostile_names_stay_harmless_on_a_terminal(make: Make) -> None:
    evil = "\x1b[2J\r\nworse"
    sides = [[record(evil, number=n, findings=[finding("f", message=evil)] * seen) for n in (1, 2)] for seen in (0, 1)]
    shown = text(compare(make("a", sides[0]), make("b", sides[1])))
    assert "\x1b" not in shown
    assert "\r" not in shown


def test_the_data_holds_all_values_and_is_plain_json(make: Make) -> None:
    a, b = make("a", measured(QUICK)), make("b", [{**each, "findings": [finding("x")]} for each in measured(SLOW)])
    data = json.loads(json.dumps(as_data(compare(a, b), a.folder, b.folder)))
    assert (data["format"], data["v"], data["worse"], data["tested"]) == ("panther-compare", 1, 2, 1)
    metric = next(each for each in data["metrics"] if each["metric"] == "server.cpu_seconds")
    assert metric["a"]["values"] == list(QUICK)
    low, high = metric["a"]["median_interval"]
    assert 0.98 <= low < 1.0 < high <= 1.02
    assert metric["outcome"] == "worse"
    assert data["findings"][0]["b"] == {"with": 10, "repetitions": 10, "count": 10}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 0, ""),
        (["--fail-on", "regression"], 1, "panther: B is worse than A: 1 metric\n"),
        (["--fail-on", "regression", "--limit", "server.cpu_seconds=80%"], 0, ""),
        (["--fail-on", "regression", "--metric", "seconds"], 0, ""),
        (["--metric", "nothing"], 2, "no metric that both runs have matches 'nothing'"),
        (["--limit", "cpu_seconds"], 2, "expected"),
        (["--limit", "cpu_seconds=-1%"], 2, "METRIC=SHARE"),
        (["--fail-on", "sun"], 2, "invalid choice"),
    ],
    ids=["plain", "gate", "wide", "other", "nothing", "limit", "negative", "choice"],
)
def test_the_command_ends_with_the_documented_code(
    make: Make, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    a, b = make("a", measured(QUICK)), make("b", measured(SLOW))
    assert main(["compare", str(a.folder), str(b.folder), *arguments]) == code
    error = capsys.readouterr().err
    assert said in error
    assert bool(error) is bool(said)


def test_the_command_prints_json(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = make("a", measured(QUICK)), make("b", measured(SLOW))
    assert main(["compare", str(a.folder), str(b.folder), "--json", "--fail-on", "regression"]) == 1
    assert json.loads(capsys.readouterr().out)["conclusion"] == "B is worse than A: 1 metric"
    assert main(["compare", str(a.folder), "nowhere"]) != 0


def test_simulated_numbers_are_not_compared_with_real_ones(make: Make) -> None:
    a = make("a", measured(QUICK))
    b = make("b", measured(SLOW, clock="simulated"))
    found = compare(a, b)
    assert (found.numbered, found.changes) == (0, ())
    assert any("lived by a real clock in A, by a simulated one in B" in each for each in found.notes), found.notes
