"""The run directory keeps every acknowledged result, whatever happens to the process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from panther_core.results import DirectoryView, RunDirectory, RunDirectoryError, find_run
from panther_core.results.directory import RESOLVED, RESULTS, slug
from panther_hookspecs import RunView


def record(case: str, verdict: str = "pass", *, attempt: int = 1, final: bool = True) -> dict[str, object]:
    return {
        "case": case,
        "verdict": verdict,
        "attempt": attempt,
        "final": final,
        "expected": ["pass"],
        "as_expected": verdict == "pass",
    }


def made(base: Path, name: str = "x") -> RunDirectory:
    run = RunDirectory.create(base, name)
    run.write(RESOLVED, "name: x\n")
    return run


def test_two_runs_of_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    folders = set()
    for _ in range(5):
        run = RunDirectory.create(tmp_path, "Quick start / ünïcode")
        folders.add(run.folder)
        run.close()
    assert len(folders) == 5
    assert all(folder.name.startswith("quick-start-n-code-") for folder in folders)


def test_slug_never_leaves_the_folder() -> None:
    assert slug("../../etc") == "etc"
    assert slug("///") == "run"
    assert len(slug("a" * 500)) <= 40


def test_a_folder_that_holds_something_is_never_used(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(RunDirectoryError, match="not empty"):
        RunDirectory.create(tmp_path, "x", at=tmp_path)
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match="cannot make the run directory"):
        RunDirectory.create(tmp_path / "file", "x")


def test_an_unfinished_last_line_is_cut_off_and_nothing_else(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.record(record("a"))
    run.close()
    journal = run.folder / RESULTS
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"case": "b", "verd')
    assert [each["case"] for each in DirectoryView(run.folder).attempts()] == ["a"]
    again = RunDirectory.open(run.folder)
    assert journal.read_bytes() == whole
    again.record(record("b"))
    again.close()
    assert [each["case"] for each in DirectoryView(run.folder).cases()] == ["a", "b"]


def test_a_journal_with_one_torn_line_only_becomes_empty(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.close()
    (run.folder / RESULTS).write_bytes(b"x" * 200_000)
    RunDirectory.open(run.folder).close()
    assert (run.folder / RESULTS).read_bytes() == b""


def test_a_second_panther_cannot_open_a_run_that_is_in_use(tmp_path: Path) -> None:
    run = made(tmp_path)
    with pytest.raises(RunDirectoryError, match="another panther"):
        RunDirectory.open(run.folder)
    run.close()
    RunDirectory.open(run.folder).close()


def test_results_written_before_kill_minus_9_are_there_afterwards(tmp_path: Path) -> None:
    program = (
        "import os, sys, signal\n"
        "from pathlib import Path\n"
        "from panther_core.results import RunDirectory\n"
        "run = RunDirectory.create(Path(sys.argv[1]), 'x')\n"
        "run.write('resolved.yaml', 'name: x')\n"
        "for n in range(50): run.record({'case': str(n), 'final': True, 'attempt': 1, 'verdict': 'pass'})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    run = RunDirectory.open(find_run("last", tmp_path))
    assert list(run.history()) == [str(number) for number in range(50)]
    run.close()


def test_the_folder_of_an_interrupted_attempt_is_set_aside(tmp_path: Path) -> None:
    run = made(tmp_path)
    (run.case_folder("c", 1) / "half").touch()
    fresh = run.case_folder("c", 1)
    assert not list(fresh.iterdir())
    assert (fresh.with_name("1.interrupted-1") / "half").exists()
    run.close()


def test_the_verdict_of_a_case_is_taken_over_its_attempts(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.record(record("a", "fail", final=False))
    run.record(record("b"))
    run.record(record("a", "pass", attempt=2))
    run.record(record("c", "fail", final=False))
    run.close()
    cases = {each["case"]: each for each in DirectoryView(run.folder).cases()}
    assert cases["a"]["verdict"] == "flaky"
    assert cases["a"]["as_expected"] is False
    assert cases["a"]["verdicts"] == ["fail", "pass"]
    assert cases["b"]["verdict"] == "pass"
    assert cases["c"]["final"] is False


def test_a_case_that_was_run_again_later_counts_with_its_last_round(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.record(record("a", "fail"))
    run.record(record("a", "pass", attempt=2))
    run.close()
    (only,) = DirectoryView(run.folder).cases()
    assert (only["verdict"], only["attempts"]) == ("pass", 1)


def test_what_else_a_record_says_is_final_changes_nothing(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.record({"v": 1, **record("a", "fail", final=False), "cell": {"final": True}, "why": '"final":true'})
    run.record({"v": 1, **record("a", attempt=2), "cell": {"final": False}})
    run.record({"v": 1, **record("b")})
    run.record({"v": 1, **record("b", "fail", attempt=2), "why": '"final":false'})
    run.close()
    found = {each["case"]: (each["verdict"], each["attempts"]) for each in DirectoryView(run.folder).cases()}
    assert found == {"a": ("flaky", 2), "b": ("fail", 1)}


def test_the_events_about_some_cases_are_all_of_theirs_and_no_others(tmp_path: Path) -> None:
    run = made(tmp_path)
    entities = ["a", "a-1", 'quo"ted', "back\\slash", "ünï", "b"]
    given = [
        {
            "seq": number,
            "entity_id": entity,
            "content": {**({"entity_id": other} if number % 2 else {}), "text": f'"entity_id":"{other}"'},
        }
        for number, entity in enumerate(entities)
        for other in ("a", "b")
    ]
    given.append({"seq": 99, "content": "about nobody"})
    lines = [json.dumps(each, ensure_ascii=bool(number % 2)) + "\n" for number, each in enumerate(given)]
    (run.folder / "events.jsonl").write_text("".join(lines), encoding="utf-8")
    run.close()
    view = DirectoryView(run.folder)
    assert list(view.events()) == given
    for wanted in ([], ["a"], ["b", 'quo"ted'], ["back\\slash", "ünï"], entities):
        expected = [each for each in given if each.get("entity_id") in wanted]
        assert list(view.events_about(wanted)) == list(RunView.events_about(view, wanted)) == expected


def test_the_history_of_a_case_begins_anew_when_it_is_taken_up_again(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.record(record("a", "fail", final=False))
    run.record(record("a", "fail", attempt=2))
    run.record(record("a", "fail", attempt=3, final=False))
    run.record(record("b", "error", final=False))
    history = run.history()
    run.close()
    assert (history["a"].attempts, [each.value for each in history["a"].verdicts]) == (3, ["fail"])
    assert history["a"].final is None
    assert [each.value for each in history["b"].verdicts] == ["error"]


def test_a_run_is_found_by_path_by_name_and_as_the_last_one(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.close()
    assert find_run(str(run.folder), tmp_path) == find_run(run.folder.name, tmp_path) == find_run("last", tmp_path)
    with pytest.raises(RunDirectoryError, match=r"no run 'nonsense'.*\n  try: panther runs"):
        find_run("nonsense", tmp_path)


def test_who_names_something_else_than_a_run_is_told_what_it_is_and_which_runs_could_be_meant(tmp_path: Path) -> None:
    for name in ("ping-20260101T000000Z", "ping-20260102T000000Z"):
        (tmp_path / name).mkdir()
        (tmp_path / name / RESOLVED).touch()
    (tmp_path / "new.yaml").touch()
    RunDirectory.create(tmp_path, "killed", at=tmp_path / "killed").close()
    for name, hint in (
        ("ping", rf"the newest run of that experiment: {tmp_path}/ping-20260102T000000Z$"),
        ("some/ping.yaml", "the newest run of that experiment: .*ping-20260102T000000Z$"),
        (f"{tmp_path}/new.yaml", "it is an experiment; to run it: panther run .*new.yaml$"),
        ("killed", "was ended before it had begun; try: remove the folder"),
        ("pong-20260101T000000Z", "did you mean 'ping-20260101T000000Z'"),
    ):
        with pytest.raises(RunDirectoryError, match=hint):
            find_run(name, tmp_path)
    with pytest.raises(RunDirectoryError, match="try: panther run, which makes one"):
        find_run("ping", tmp_path / "nothing")


def test_records_are_json_lines_that_any_tool_reads(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.record({"case": "a", "why": "line\nbreak \u2028 and ünïcode", "folder": Path("x")})
    run.close()
    (line,) = (run.folder / RESULTS).read_bytes().splitlines()
    assert json.loads(line)["why"] == "line\nbreak \u2028 and ünïcode"
