"""The screens of a run, fed with events as the engine emits them."""

from __future__ import annotations

import errno
import io
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from panther_core.cli.attempts import fitting_label
from panther_core.cli.live import LiveScreen
from panther_core.cli.paper import Paper
from panther_core.cli.progress import Progress
from panther_core.cli.screen import JsonScreen, LineScreen, QuietScreen, Screen
from panther_core.cli.text import width
from panther_hookspecs import (
    BaseEvent,
    BuildEvent,
    CommandExecutionEvent,
    EnvironmentProgressEvent,
    ExperimentEvent,
    TestEvent,
)

COLOUR = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;[^\x1b]*\x1b\\\\")
CONTROL = re.compile(r"(\x1b\[1A|\x1b\[2K|\x1b\[\?25[lh]|\r|\n)")


def begun(total: int = 4, jobs: int = 2, run: str = "runs/r-1", **more: Any) -> ExperimentEvent:
    facts = {"total": total, "jobs": jobs, "run": run, **more}
    return ExperimentEvent(experiment_id="r", phase="test_execution", status="started", metadata=facts)


def started(case: str, name: str = "", **more: Any) -> TestEvent:
    facts = {"name": name or case, "cell": {}, "repetition": 1, "attempt": 1, **more}
    return TestEvent(test_case_id=case, action="started", metadata=facts)


def ended(case: str, verdict: str = "pass", action: str = "completed", **more: Any) -> TestEvent:
    facts = {
        "verdict": verdict,
        "name": case,
        "cell": {},
        "repetition": 1,
        "attempt": 1,
        "final": action == "completed",
        "expected": ["pass"],
        "as_expected": verdict == "pass",
        "why": f"because of {case}",
        "seconds": 1.5,
        "folder": f"cases/{case}/1",
    }
    return TestEvent(test_case_id=case, action=action, status=verdict, metadata={**facts, **more})


def feed(screen: Screen, *events: BaseEvent) -> None:
    for event in events:
        assert screen.is_interested(event.name)
        screen.handle_event(event)


def test_screens_are_not_interested_in_events_that_change_nothing_on_them() -> None:
    assert not QuietScreen(io.StringIO()).is_interested(CommandExecutionEvent(command="ls", exit_code=0).name)
    assert not QuietScreen(io.StringIO()).is_interested("test.created")


def test_progress_counts_cases_not_attempts() -> None:
    progress = Progress()
    for event in (
        begun(),
        started("a"),
        ended("a", "fail", action="retried"),
        started("a"),
        ended("a", "flaky", attempt=2, as_expected=False),
        started("b"),
        ended("b"),
        started("c"),
    ):
        progress.take(event)
    assert (progress.done, progress.total, progress.unexpected) == (2, 4, 1)
    assert progress.counted() == "1 pass, 1 flaky"
    assert list(progress.running) == ["c"]


def test_progress_guesses_the_remaining_time_only_when_it_has_something_to_go_by() -> None:
    now = [0.0]
    progress = Progress(clock=lambda: now[0])
    progress.take(begun(total=10))
    now[0] = 4.0
    progress.take(ended("a"))
    assert progress.left is None
    progress.take(ended("b"))
    progress.take(ended("c"))
    progress.take(ended("d"))
    assert progress.left == pytest.approx(6.0)


def test_progress_says_what_is_built_and_does_not_count_it_as_the_pace_of_cases() -> None:
    now = [0.0]
    progress = Progress(clock=lambda: now[0])
    progress.take(begun(total=12))
    progress.take(BuildEvent(what="building quinn", status="started"))
    progress.take(BuildEvent(what="building kwik", status="started"))
    now[0] = 130.0
    assert progress.now == "0 running, building quinn for 2:10, building kwik for 2:10"
    progress.take(BuildEvent(what="building kwik", status="finished"))
    progress.take(ended("early"))
    now[0] = 600.0
    progress.take(BuildEvent(what="building quinn", status="finished"))
    for case in "ab":
        progress.take(ended(case, "unsupported"))
    now[0] = 605.0
    assert progress.left is None, "nothing that was tried has ended since"
    for case in "cde":
        progress.take(ended(case))
    assert progress.left == pytest.approx(6.0), "1 s a case that ended in the 5 s"


def test_progress_knows_from_earlier_runs_how_long_it_takes_before_anything_is_over() -> None:
    now = [0.0]
    progress = Progress(clock=lambda: now[0])
    now[0] = 50.0  # until everything is loaded and built
    progress.take(begun(total=4, jobs=2, foreseen=40.0))
    assert progress.left == pytest.approx(20.0)
    for case in "ab":
        progress.take(started(case, foreseen=10.0))
    now[0] = 55.0
    assert progress.left == pytest.approx(15.0)
    now[0] = 70.0  # twice as slow as before
    for case in "ab":
        progress.take(ended(case))
    assert progress.left is not None
    assert 15.0 < progress.left < 20.0


def test_progress_waits_for_the_longest_case_that_runs() -> None:
    now = [0.0]
    progress = Progress(clock=lambda: now[0])
    progress.take(begun(total=2, jobs=2, foreseen=32.0))
    progress.take(started("long", foreseen=30.0))
    progress.take(started("short", foreseen=2.0))
    now[0] = 2.0
    progress.take(ended("short"))
    assert progress.left == pytest.approx(28.0)
    now[0] = 31.0
    assert progress.left is None, "it runs longer than ever before"


def test_lines_say_at_the_beginning_how_long_it_takes_if_that_is_long() -> None:
    stream, short = io.StringIO(), io.StringIO()
    feed(LineScreen(stream), begun(total=48, foreseen=400.0), started("a", foreseen=8.0))
    assert stream.getvalue() == "... 48 cases, 2 at a time: about 3:20, as long as earlier runs took\n"
    feed(LineScreen(short), begun(total=48, foreseen=40.0), started("a", foreseen=1.0))
    assert short.getvalue() == ""


def test_a_narrow_terminal_drops_the_names_of_axes_before_it_shortens_anything() -> None:
    label = "handshake[server=aioquic, client=quic-go] #2"
    assert fitting_label(label, 50) == label
    assert fitting_label(label, 40) == "handshake[aioquic, quic-go] #2"
    assert fitting_label(label, 20) == "handshake[aio…go] #2"


def test_lines_say_one_line_for_a_pass_and_reason_and_folder_for_anything_unexpected() -> None:
    stream = io.StringIO()
    feed(LineScreen(stream), begun(), ended("good"), ended("bad", "fail", why="exit code 3"))
    good, bad, why, folder = stream.getvalue().splitlines()
    assert good.split() == ["pass", "1.50", "s", "good"]
    assert bad.split() == ["!", "fail", "1.50", "s", "bad"]
    assert why.strip() == "exit code 3"
    assert folder.strip() == str(Path("runs/r-1/cases/bad/1"))


def test_lines_have_no_escape_codes_even_if_a_program_under_test_chose_the_reason() -> None:
    stream = io.StringIO()
    feed(LineScreen(stream), ended("bad", "fail", why="\x1b]0;title\x07\x1b[2J", name="n\x1b[31m"))
    assert "\x1b" not in stream.getvalue()
    assert "\x07" not in stream.getvalue()


def test_lines_name_cell_and_repetition_and_mark_an_attempt_that_is_tried_again() -> None:
    stream = io.StringIO()
    feed(LineScreen(stream), ended("a", "fail", action="retried", name="talk", cell={"server": "x"}, repetition=3))
    assert "talk[server=x] #3" in stream.getvalue()
    assert "attempt 1, is tried again: because of a" in stream.getvalue()


def test_an_unexpected_pass_says_what_was_expected() -> None:
    stream = io.StringIO()
    feed(LineScreen(stream), ended("a", "pass", expected=["fail"], as_expected=False))
    assert "! pass" in stream.getvalue()
    assert "(expected fail)" in stream.getvalue()


def test_lines_on_a_terminal_wrap_within_its_width_and_leave_nothing_out() -> None:
    stream = io.StringIO()
    feed(
        LineScreen(stream, writer=Paper(stream, columns=79)),
        ended("a", "inconclusive", name="測試" * 40, why="long reason " * 20, folder="c/a/1", repetition=42),
    )
    shown = stream.getvalue()
    assert max(width(line) for line in shown.splitlines()) <= 79
    assert shown.count("測試") == 40
    assert shown.count("reason") == 20
    assert "#42" in shown
    assert "\x1b" not in shown


def test_a_heartbeat_comes_only_where_nothing_else_was_printed() -> None:
    stream = io.StringIO()
    screen = LineScreen(stream)
    feed(screen, begun(), started("a", "slow case"), ended("b"))
    screen.tick()
    assert len(stream.getvalue().splitlines()) == 1
    screen.tick()
    last = stream.getvalue().splitlines()[-1]
    assert last.startswith("... 1/4 done")
    assert "longest: slow case" in last


def test_json_prints_one_object_a_line_with_the_record_of_every_attempt() -> None:
    stream = io.StringIO()
    screen = JsonScreen(stream)
    feed(screen, begun(), started("a"), ended("a", "fail", action="retried"), ended("a"))
    screen.emit("summary", {"verdict": "pass"})
    objects = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [each["event"] for each in objects] == ["phase", "started", "attempt", "attempt", "summary"]
    assert [each["again"] for each in objects[2:4]] == [True, False]
    assert objects[3]["case"] == "a"
    assert objects[0]["total"] == 4


def frame_of(stream: io.StringIO) -> list[str]:
    """Return what stands on the terminal after everything that was written, by carrying out its few controls."""
    screen = [""]
    row = 0
    for piece in CONTROL.split(COLOUR.sub("", stream.getvalue())):
        if piece == "\x1b[1A":
            row -= 1
        elif piece == "\x1b[2K":
            screen[row] = ""
        elif piece == "\n":
            row += 1
            screen += [""] * (row == len(screen))
        elif piece and not CONTROL.fullmatch(piece):
            assert "\x1b" not in piece
            screen[row] += piece
    assert row >= 0
    return screen[: row + 1]


def live(stream: io.StringIO, columns: int = 80, **more: Any) -> LiveScreen:
    screen = LiveScreen(stream, size=(columns, 24), **more)
    screen.interval = 0
    return screen


def test_live_shows_counts_and_the_longest_running_cases_and_caps_them() -> None:
    stream = io.StringIO()
    with live(stream) as screen:
        feed(screen, begun(total=300), *(started(f"case-{number:03}") for number in range(200)))
        screen.tick()
        frame = frame_of(stream)
    assert frame[0].startswith("0/300 done ")
    assert frame[1] == "200 running"
    assert "case-000" in frame[2]
    assert frame[-2].strip() == "and 191 others"
    assert len(frame) == 13
    assert frame[-1] == ""  # where the terminal shows what is typed


def test_live_repaints_in_place_and_keeps_only_what_is_not_as_expected_above() -> None:
    stream = io.StringIO()
    with live(stream) as screen:
        feed(screen, begun(), started("a"), started("b"))
        screen.tick()
        feed(screen, ended("a"), ended("b", "fail", why="no answer"))
        screen.tick()
        screen.tick()
        frame = frame_of(stream)
    assert [line.split()[:3] for line in frame[:2]] == [["!", "fail", "1.50"], ["no", "answer"]]
    assert frame[3].startswith("2/4 done ")
    assert frame[4].split("  ") == ["1 pass", "1 fail", "0 running"]
    assert frame[5:] == [""]
    assert [line for line in frame_of(stream) if line] == frame[:3]
    assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")


def test_live_shows_the_last_failure_even_if_the_run_ends_before_the_next_frame() -> None:
    stream = io.StringIO()
    with live(stream) as screen:
        feed(screen, begun(), started("a"), ended("a", "fail"))
    assert frame_of(stream)[0].split()[:2] == ["!", "fail"]


def test_live_takes_away_the_rows_that_a_narrower_terminal_made_of_its_lines() -> None:
    stream = io.StringIO()
    with live(stream, 120) as screen:
        feed(screen, begun(), started("a", "x" * 100))
        screen.tick()
        stream.truncate(0)
        screen.rich.width = 50
        screen.tick()
        assert frame_height(stream) == 4 + 2 + 2 - 1  # four lines; the bar and the name take three rows each now


def frame_height(stream: io.StringIO) -> int:
    """Return how many lines the last frame went up before it was painted."""
    return stream.getvalue().count("\x1b[1A")


def test_live_lines_never_reach_the_last_column() -> None:
    stream = io.StringIO()
    with live(stream, 40, colours=True) as screen:
        feed(screen, begun(total=1000000), started("a", "測試" * 40))
        feed(screen, *(ended(each, each) for each in ("pass", "fail", "error", "flaky", "inconclusive")))
        screen._above.clear()
        screen.tick()
        assert max(width(line) for line in frame_of(stream)) < 40


def test_live_shows_names_as_they_are_and_no_markup_or_control_character_works() -> None:
    stream = io.StringIO()
    with live(stream, colours=True) as screen:
        feed(screen, begun(), started("a", "[red]x[/] [/] \\[b]"), ended("b", "fail", why="[bold]\x1b[2J", name="[/x]"))
        screen.tick()
        frame = frame_of(stream)
    assert frame[0].endswith("[/x]")
    assert frame[1].strip() == "[bold]\\x1b[2J"
    assert "[red]x[/] [/] \\[b]" in frame[-2]


def test_live_starts_at_what_was_finished_when_the_run_was_taken_up_again() -> None:
    now = [0.0]
    progress = Progress(clock=lambda: now[0])
    progress.take(begun(total=10, done=4))
    now[0] = 6.0
    for case in "abc":
        progress.take(ended(case))
    assert (progress.done, progress.share) == (7, "7/10 done")
    assert progress.left == pytest.approx(6.0)
    facts = {"total": 10, "done": 4}
    progress.take(ExperimentEvent(experiment_id="r", phase="test_execution", status="finished", metadata=facts))
    assert progress.done == 7


def test_live_paints_by_itself_while_nothing_happens() -> None:
    stream = io.StringIO()
    with LiveScreen(stream, size=(80, 24)) as screen:
        feed(screen, begun(), started("slow"))
        deadline = time.monotonic() + 10
        while stream.getvalue().count("slow") < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert stream.getvalue().count("slow") >= 2


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(errno.EIO, "the terminal is gone"), ValueError("closed")])
@pytest.mark.parametrize("kind", [LineScreen, LiveScreen])
def test_a_reader_who_goes_away_does_not_disturb_the_run(kind: type[Screen], error: Exception) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise error

    with kind(Gone()) as screen:
        feed(screen, ended("a", "fail"), ended("b"))
    assert screen.lost
    assert screen.progress.done == 2


def test_how_far_a_simulation_is_stands_beside_its_case() -> None:
    progress = Progress(clock=lambda: 5.0)
    progress.take(TestEvent(test_case_id="c1", action="started", metadata={"name": "ping"}))
    assert [name for name, _ in progress.shown()] == ["ping"]
    moment = EnvironmentProgressEvent(
        environment_name="sim", done=12.0, total=60.0, real_seconds=1.0, entity_id="c1", entity_type="environment"
    )
    progress.take(moment)
    assert [name for name, _ in progress.shown()] == ["ping  simulated 12 of 60 s"]
    progress.take(TestEvent(test_case_id="c1", action="completed", metadata={"verdict": "pass", "as_expected": True}))
    assert not progress.simulated
