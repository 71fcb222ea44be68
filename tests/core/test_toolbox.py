"""The toolbox: tests of any kind on a pool, stored as they end, continued where they stopped."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from panther_core.toolbox import LocalSlots, PinnedSlots, Test, Toolbox


def toolbox(folder: Path, workers: int = 2) -> Toolbox:
    made = Toolbox(folder)
    made.add_provisioner(LocalSlots, max_workers=workers)
    return made


def stored(folder: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_a_result_counts_more_than_an_exit_code_and_every_try_is_stored(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "flaky.sh").write_text("mkdir $1 && exit 1; cat flaky.sh >/dev/null\n")
    tests = [
        Test(name="good", argv=["true"]),
        Test(name="bad", argv=["false"]),
        Test(name="sub", argv=["sh", "-c", """echo '{"name": "x", "status": "fail"}' >&3"""]),
        Test(name="slow", argv=["sleep", "600"], timeout=0.1),
        Test(name="flaky", argv=["sh", "flaky.sh", str(tmp_path / "once")], tree=tree, reruns=2),
        Test(name="nowhere", argv=["true"], labels=frozenset({"gpu"})),
    ]
    results = {each["name"]: each for each in toolbox(tmp_path / "out").run(tests)}
    assert {name: each["status"] for name, each in results.items()} == {
        "good": "pass",
        "bad": "fail",
        "sub": "fail",
        "slow": "error",
        "flaky": "pass",
        "nowhere": "error",
    }
    assert [each["status"] for each in stored(tmp_path / "out") if each["name"] == "flaky"] == ["fail", "pass"]
    assert "it needs the labels gpu" in results["nowhere"]["why"]
    assert (tmp_path / "out/tests/bad/1/output.txt").exists()


def test_what_has_a_result_is_not_run_again(tmp_path: Path) -> None:
    tests = [Test(name=str(number), argv=["sh", "-c", f"echo >> {tmp_path}/ran"]) for number in range(4)]
    toolbox(tmp_path / "out").run(tests[:3])
    with (tmp_path / "out/results.jsonl").open("a") as torn:
        torn.write('{"name": "3", "sta')
    assert len(toolbox(tmp_path / "out").run(tests)) == 4
    assert len((tmp_path / "ran").read_text().splitlines()) == 4


def test_cancelling_from_another_thread_ends_what_runs(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    box = toolbox(tmp_path / "out", workers=1)
    tests = [Test(name=name, argv=["sh", "-c", f"mkfifo {gate}; cat {gate}; sleep 600"]) for name in "abc"]

    def cancel() -> None:
        while not gate.exists():
            pass
        gate.write_text("begun\n")
        box.cancel()

    threading.Thread(target=cancel, daemon=True).start()
    assert box.run(tests) == []


def test_slots_with_processors_of_their_own_keep_to_them(tmp_path: Path) -> None:
    pool = PinnedSlots(1)
    box = Toolbox(tmp_path / "out")
    box.add_provisioner(pool, max_workers=pool.most())
    results = box.run(Test(name=str(number), argv=["nproc"], labels=frozenset({"pinned"})) for number in range(3))
    assert [each["status"] for each in results] == ["pass"] * 3
    assert {path.read_text() for path in (tmp_path / "out").rglob("output.txt")} == {"1\n"}
