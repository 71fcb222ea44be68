"""The events tutorial does what it says, with the import paths that it shows."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from panther_hookspecs import BaseEvent, emitting_to

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "events.md"


@pytest.fixture
def tutorial(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Give an importable module, as the reader's file would be one; time does not have to pass in it."""
    module = ModuleType("tutorial_of_events")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return module


def run(module: ModuleType, *, head: str = "") -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 8
    exec(compile(head + "\n".join(blocks), str(PAGE), "exec", dont_inherit=True), module.__dict__)


@pytest.mark.parametrize("head", ["", "from __future__ import annotations\n"])
@pytest.mark.parametrize("completed", [True, False])
def test_the_tutorial_prints_what_its_comments_say(
    tutorial: ModuleType,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    head: str,
    completed: bool,
) -> None:
    monkeypatch.setattr("random.choice", lambda options: completed)
    run(tutorial, head=head)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Created event: MyTestEventType.TEST_STARTED"
    outcome = "COMPLETED" if completed else "FAILED"
    one, two, three = (line.split(": ")[1] for line in lines if re.match(r"Event \d UUID", line))
    assert one == two != three
    assert [line for line in lines if not re.match(r"Event (\d )?UUID", line)][1:] == [
        "Initial state: MyTestState.CREATED",
        "Transition to RUNNING: True",
        "Invalid transition back: False",
        "Transition to COMPLETED: True",
        "UUIDs match: True",
        "Event 1 vs 3 match: False",
        "Heard: my_test.started",
        "=== Starting Test Lifecycle ===",
        "Observed: QuickTestEventType.TEST_CREATED for tutorial-test-001",
        "✓ Test created",
        "Observed: QuickTestEventType.TEST_STARTED for tutorial-test-001",
        "✓ Test started",
        f"Observed: QuickTestEventType.TEST_{outcome} for tutorial-test-001",
        "✓ Test completed successfully" if completed else "✗ Test failed",
        "Observed: QuickTestEventType.TEST_STARTED for test-123",
        "Observed: QuickTestEventType.TEST_STARTED for test-123",
        "Emitted 2 times",
    ]


def test_the_tutorials_events_carry_what_was_given(tutorial: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    run(tutorial)
    seen: list[BaseEvent] = []
    emitter = tutorial.QuickTestEmitter("mine")
    with emitting_to(seen.append):
        emitter.emit_created("first", {"timeout": 30})
        emitter.emit_started("first")
        emitter.emit_completed("first", {"packets_sent": 100})
        emitter.emit_failed("first", "no answer")
    endings = ("created", "started", "completed", "failed")
    assert [each.name for each in seen] == [f"quick_test.{ending}" for ending in endings]
    assert {(each.entity_type, each.entity_id) for each in seen} == {("quick_test", "mine")}
    content = [each.content() for each in seen]
    assert content[0]["config"] == {"timeout": 30}
    assert content[2]["duration"] >= 0
    assert content[2]["results"] == {"packets_sent": 100}
    assert (content[3]["error_message"], content[3]["error_type"]) == ("no answer", "unknown")
