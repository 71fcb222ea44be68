"""The observers of the engine: stored lines survive anything, counts are right, log lines stay lines."""

from __future__ import annotations

import io
import json
import logging
import signal
import subprocess
import sys
import tracemalloc
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import attrs
import pytest

from panther_core.events import EventManager, LoggingObserver, MetricsObserver, StorageObserver
from panther_core.events.builtin import descriptors
from panther_core.metrics import MetricsCollector
from panther_hookspecs import BaseEvent, CommandExecutionEvent, ObserverContext, ResourceExhaustionException, TestEvent


@dataclass(frozen=True)
class Odd(BaseEvent):
    value: Any = None
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Timed(BaseEvent):
    duration: Any = None


def stored(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_bytes().splitlines(keepends=True)]


def completed(number: int = 1) -> TestEvent:
    return TestEvent(test_case_id=f"case-{number}", action="completed", status="pass", duration_ms=12)


def test_each_event_is_one_line_with_everything_in_it_at_once(tmp_path: Path) -> None:
    observer, event = StorageObserver(tmp_path / "run"), completed()
    observer.handle_event(event)
    assert stored(tmp_path / "run") == [
        {
            "seq": 1,
            "name": "test.completed",
            "entity_type": "test",
            "entity_id": "case-1",
            "class": "TestEvent",
            "uuid": str(event.uuid),
            "timestamp": event.timestamp.isoformat(),
            "content": {
                "test_case_id": "case-1",
                "action": "completed",
                "status": "pass",
                "duration_ms": 12,
                "metadata": {},
            },
        }
    ]
    observer.close()


@pytest.mark.parametrize(
    "value", ["a\nb\r\u2028\u2029\x85", "\ud800", "é\x00", float("nan"), {1: {2}}, b"\xff", object]
)
def test_no_content_breaks_a_line(tmp_path: Path, value: Any) -> None:
    observer = StorageObserver(tmp_path)
    for entity in ("plain", "new\nline\ud800"):
        observer.handle_event(Odd(value=value, entity_id=entity, event_type="odd\n"))
    observer.close()
    assert [line["entity_id"] for line in stored(tmp_path)] == ["plain", "new\nline\ud800"]
    assert (tmp_path / "events.jsonl").read_bytes().count(b"\n") == 2


def test_the_uuid_can_be_computed_again_from_the_stored_line(tmp_path: Path) -> None:
    observer = StorageObserver(tmp_path)
    observer.handle_event(Odd(value=[1.5, None, "é", {"b": 1, "a": True}], entity_id="x", event_type="odd"))
    observer.close()
    line = stored(tmp_path)[0]
    content = [line[key] for key in ("class", "entity_type", "entity_id", "name", "content")]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert str(uuid.uuid5(uuid.NAMESPACE_OID, text)) == line["uuid"]


def test_a_run_taken_up_again_goes_on_after_the_last_whole_line(tmp_path: Path) -> None:
    first = StorageObserver(tmp_path)
    for number in range(3):
        first.handle_event(completed(number))
    first.close()
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'{"seq":4,"name":"to')
    second = StorageObserver(tmp_path)
    second.handle_event(completed(3))
    second.close()
    assert [(line["seq"], line["entity_id"]) for line in stored(tmp_path)] == [
        (1, "case-0"),
        (2, "case-1"),
        (3, "case-2"),
        (4, "case-3"),
    ]


def test_an_event_after_close_is_stored_too(tmp_path: Path) -> None:
    observer = StorageObserver(tmp_path)
    observer.handle_event(completed(1))
    observer.close()
    observer.close()
    observer.handle_event(completed(2))
    observer.close()
    assert [line["seq"] for line in stored(tmp_path)] == [1, 2]


KILLED = """
import sys
from pathlib import Path
from panther_core.events import EventManager, StorageObserver
from panther_hookspecs import TestEvent
manager = EventManager()
manager.add_observer(StorageObserver(Path(sys.argv[1])))
number = 0
while True:
    manager.emit(TestEvent(test_case_id=str(number), action="step", metadata={"filler": "x" * 500}))
    print(number, flush=True)
    number += 1
"""


def test_a_killed_run_has_every_event_that_was_handled_in_whole_lines(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(200)]
    process.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().splitlines()]
    process.wait(10)
    process.stdout.close()
    lines = stored(tmp_path)
    assert [int(line["entity_id"]) for line in lines] == list(range(len(lines)))
    assert len(lines) >= len(acknowledged)


FULL = """
import json, resource, signal, sys
from pathlib import Path
from panther_core.events import EventManager, StorageObserver
from panther_hookspecs import TestEvent
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
manager, storage, seen = EventManager(), StorageObserver(Path(sys.argv[1])), []
manager.add_observer(storage)
manager.subscribe("*", seen.append)
for number in range(20):
    if number == 18:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
    if number == 15:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    manager.emit(TestEvent(test_case_id=str(number), action="step"))
manager.close()
print(json.dumps({"seen": len(seen), "lost": storage.lost, "errors": [[e.count, e.message] for e in manager.errors]}))
"""


def test_a_full_disk_is_told_once_each_time_stops_nobody_and_spoils_no_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    told = json.loads(done.stdout)
    lines = stored(tmp_path)
    assert told["seen"] == 20
    assert told["lost"] == 20 - len(lines) > 0
    assert [count for count, _ in told["errors"]] == [2]
    assert "File too large" in told["errors"][0][1]
    stored_numbers = [line["seq"] for line in lines]
    assert stored_numbers == [*range(1, len(lines) - 2), 16, 17, 18]


def test_a_folder_that_cannot_be_made_is_an_error_that_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    observer = StorageObserver(tmp_path / "file" / "run")
    with pytest.raises(ResourceExhaustionException, match=r"events.jsonl: Not a directory") as caught:
        observer.handle_event(completed())
    assert len(str(caught.value).splitlines()) <= 4
    observer.handle_event(completed())
    assert observer.lost == 2
    observer.close()


def test_storing_needs_no_memory_for_old_events(tmp_path: Path) -> None:
    observer = StorageObserver(tmp_path)
    observer.handle_event(completed())
    tracemalloc.start()
    for number in range(500):
        observer.handle_event(Odd(value="x" * 10_000, entity_id=str(number)))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    observer.close()
    assert kept < 500_000  # the events were ten times as much
    assert (tmp_path / "events.jsonl").stat().st_size > 5_000_000


def test_metrics_count_events_by_name_and_time_those_that_tell_a_duration(tmp_path: Path) -> None:
    collector = MetricsCollector()
    observer = MetricsObserver(collector, write_to=tmp_path / "metrics.json")
    for event in (
        completed(),
        completed(),
        CommandExecutionEvent(command="true", exit_code=0, duration_ms=4),
        Timed(event_type="timed", duration=0.5),
        Timed(event_type="timed", duration="long"),
        Odd(),
    ):
        observer.handle_event(event)
    observer.close()
    seen = json.loads((tmp_path / "metrics.json").read_text())
    assert seen == collector.get_metrics()
    assert seen["counters"] == {
        'events{event="test.completed"}': 2,
        'events{event="command.execution"}': 1,
        'events{event="timed"}': 2,
        'events{event=""}': 1,
    }
    times = {series: (timing["count"], timing["sum"]) for series, timing in seen["timings"].items()}
    assert times == {
        'event_duration{event="test.completed"}': (2, 24),
        'event_duration{event="timed"}': (1, 500),
        'event_duration{event="command.execution"}': (1, 4),
    }


def test_a_log_line_is_key_value_pairs_that_keep_to_one_ascii_line() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    observer = LoggingObserver(stream)
    event = Odd(event_type="odd.thing", entity_id="a b", value="é\n\u2028", config={"x": [1, None], "e": ""})
    observer.handle_event(event)
    stream.flush()
    line = stream.buffer.getvalue().decode()
    time_, rest = line.split(" ", 1)
    assert time_ == f"time={event.timestamp.isoformat(timespec='milliseconds')}"
    assert rest == (
        'event=odd.thing entity_id="a b" config="{\\"e\\":\\"\\",\\"x\\":[1,null]}" value="\\u00e9\\n\\u2028"\n'
    )


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("", '""'),
        (1, "1"),
        (None, "null"),
        (True, "true"),
        ("a=b", '"a=b"'),
        ("plain-word_1.5", "plain-word_1.5"),
        ("tail\n", '"tail\\n"'),
    ],
)
def test_only_plain_words_stand_bare_in_a_log_line(value: Any, word: str) -> None:
    stream = io.StringIO()
    LoggingObserver(stream).handle_event(Odd(value=value))
    assert stream.getvalue().endswith(f" value={word}\n")


def test_the_log_can_be_json_and_go_to_a_logger_or_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    event = Odd(event_type="odd", value="100% é\n")
    with caplog.at_level(logging.INFO):
        LoggingObserver(logging.getLogger("here"), style="json").handle_event(event)
    LoggingObserver(tmp_path / "log", style="json").handle_event(event)
    for line in (caplog.messages[0], (tmp_path / "log").read_text()):
        assert json.loads(line)["content"] == {"value": "100% é\n", "config": {}}
        assert len(line.splitlines()) == 1


def test_the_builtin_observers_can_be_made_from_their_descriptors(tmp_path: Path) -> None:
    found = {each.name: each for each in descriptors()}
    assert {name: each.default for name, each in found.items()} == {"storage": True, "metrics": True, "log": False}
    collector, options = MetricsCollector(), {"log": {"to": "file", "only": ("test",)}}
    with EventManager() as manager:
        for name, each in found.items():
            chosen = each.options(**options.get(name, {}))
            context = ObserverContext(run_folder=tmp_path, options=chosen, metrics=collector)
            manager.add_observer(each.factory(context))
        manager.emit(completed())
        manager.emit(Odd(event_type="odd"))
    assert manager.errors == ()
    assert [line["name"] for line in stored(tmp_path)] == ["test.completed", "odd"]
    assert "event=test.completed" in (tmp_path / "events.log").read_text()
    assert "event=odd" not in (tmp_path / "events.log").read_text()
    assert json.loads((tmp_path / "metrics.json").read_text())["counters"]['events{event="odd"}'] == 1


def test_every_option_of_a_builtin_observer_is_explained_and_a_wrong_one_refused() -> None:
    for each in descriptors():
        assert all(option.metadata["help"] for option in attrs.fields(each.options))
    log = next(each for each in descriptors() if each.name == "log")
    assert log.validate_configuration({"style": "json"})
    assert not log.validate_configuration({"style": "xml"})
    assert not log.validate_configuration({"to": "printer"})


def test_the_log_goes_to_standard_error_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = next(each for each in descriptors() if each.name == "log")
    log.factory(ObserverContext(run_folder=tmp_path, options=log.options(), metrics=MetricsCollector())).handle_event(
        completed()
    )
    assert "event=test.completed" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
