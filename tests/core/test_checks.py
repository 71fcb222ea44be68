"""Checks look at evidence only, and no evidence is never a pass."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from panther_core.checks import ExitCodeCheck, FileCheck, LogCheck, ThatCheck, expression, judge
from panther_core.checks.judge import NOTHING_CHECKED, NOTHING_EXCHANGED, over_attempts
from panther_hookspecs import CheckResult, Evidence, ExitStatus, Measurement, ScenarioEvidence, Verdict

PASS, FAIL, ERROR = Verdict.PASS, Verdict.FAIL, Verdict.ERROR


def seen(folder: Path, *, measurements: tuple[Measurement, ...] = (), **exits: ExitStatus) -> ScenarioEvidence:
    evidence = Evidence(
        folder=folder, exits=exits, folders={name: folder / name for name in exits}, measurements=measurements
    )
    return ScenarioEvidence(evidence=evidence, roles=dict.fromkeys(exits, ""), parameters=None)


def result(verdict: Verdict, *, proves: bool = False) -> CheckResult:
    return CheckResult(name="check", verdict=verdict, evidence="seen", proves_exchange=proves)


@pytest.mark.parametrize(
    ("equals", "status", "verdict"),
    [
        (0, ExitStatus(code=0), PASS),
        (0, ExitStatus(code=1), FAIL),
        (3, ExitStatus(code=3), PASS),
        (-11, ExitStatus(signal=11, reason="signal"), PASS),
        (0, ExitStatus(signal=15, reason="stopped"), PASS),
        (0, ExitStatus(signal=9, reason="stopped"), FAIL),
    ],
)
def test_exit_code_compares_code_signal_and_asked_for_stop(
    tmp_path: Path, equals: int, status: ExitStatus, verdict: Verdict
) -> None:
    assert ExitCodeCheck(service="client", equals=equals).run(seen(tmp_path, client=status)).verdict is verdict


def test_exit_code_of_a_service_that_never_started_fails(tmp_path: Path) -> None:
    assert ExitCodeCheck(service="client").run(seen(tmp_path)).verdict is FAIL


def test_log_finds_a_line_in_either_stream_and_survives_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "client").mkdir()
    (tmp_path / "client" / "stderr").write_bytes(b"\xff\xfe\nPONG 7\n")
    view = seen(tmp_path, client=ExitStatus(code=0))
    assert LogCheck(service="client", matches=r"^PONG \d$").run(view).verdict is PASS
    assert LogCheck(service="client", matches="PONG", absent=True).run(view).verdict is FAIL
    assert LogCheck(service="client", matches="PONG", stream="stdout").run(view).verdict is FAIL


def test_log_counts_how_often_a_line_is_there(tmp_path: Path) -> None:
    (tmp_path / "client").mkdir()
    (tmp_path / "client" / "stdout").write_text("PONG 1\nPONG 2\n")
    view = seen(tmp_path, client=ExitStatus(code=0))
    assert LogCheck(service="client", matches="PONG", at_least=2).run(view).verdict is PASS
    outcome = LogCheck(service="client", matches="PONG", at_least=3).run(view)
    assert outcome.verdict is FAIL
    assert "2 times" in outcome.evidence


def test_absence_of_a_line_proves_no_exchange(tmp_path: Path) -> None:
    (tmp_path / "client").mkdir()
    outcome = LogCheck(service="client", matches="error", absent=True).run(seen(tmp_path, client=ExitStatus(code=0)))
    assert outcome.verdict is PASS
    assert not outcome.proves_exchange


def test_file_wants_content_hash_and_equality(tmp_path: Path) -> None:
    for name, content in (("client", b"data"), ("server", b"data"), ("other", b"date")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_bytes(content)
    view = seen(tmp_path, client=ExitStatus(code=0), server=ExitStatus(code=0), other=ExitStatus(code=0))
    digest = hashlib.sha256(b"data").hexdigest()
    assert FileCheck(service="client", path="f", sha256=digest).run(view).proves_exchange
    assert FileCheck(service="client", path="f", same_as="server/f").run(view).verdict is PASS
    assert FileCheck(service="client", path="f", same_as="other/f").run(view).verdict is FAIL
    assert FileCheck(service="client", path="f", sha256="0" * 64).run(view).verdict is FAIL
    assert FileCheck(service="client", path="missing").run(view).verdict is FAIL


def test_an_empty_file_is_no_evidence(tmp_path: Path) -> None:
    (tmp_path / "client").mkdir()
    (tmp_path / "client" / "f").touch()
    assert FileCheck(service="client", path="f").run(seen(tmp_path, client=ExitStatus(code=0))).verdict is FAIL


@pytest.mark.parametrize("path", ["/etc/passwd", "../server/f", "a/../../b"])
def test_file_refuses_a_path_outside_of_the_service(path: str) -> None:
    with pytest.raises(ValueError, match="inside"):
        FileCheck(service="client", path=path)


def test_expression_compares_measurements_with_units(tmp_path: Path) -> None:
    measured = (
        Measurement(name="cpu_seconds", value=0.5, service="server"),
        Measurement(name="gperf_cpu.top1.share", value=0.39, service="server"),
    )
    view = seen(tmp_path, measurements=measured)
    assert ThatCheck(that="server.cpu_seconds < 600ms and gperf_cpu.top1.share < 40%").run(view).verdict is PASS
    assert ThatCheck(that="cpu_seconds * 2 < 1 or not cpu_seconds > 0.1").run(view).verdict is FAIL


def test_an_unknown_measurement_is_an_error_that_names_those_that_exist(tmp_path: Path) -> None:
    view = seen(tmp_path, measurements=(Measurement(name="cpu_seconds", value=1, service="server"),))
    outcome = ThatCheck(that="server.cpu < 1").run(view)
    assert outcome.verdict is ERROR
    assert "server.cpu_seconds" in outcome.evidence


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "a.b()",
        "[1]",
        "x if y else z",
        "'a' < b",
        "lambda: 1",
        "1 +",
        "",
        "a < 3 parsecs",
        "(" * 500,
    ],
)
def test_expression_refuses_everything_but_arithmetic(text: str) -> None:
    with pytest.raises(expression.ExpressionError):
        expression.parse(text)


def test_dividing_by_zero_is_an_error_not_a_crash(tmp_path: Path) -> None:
    view = seen(tmp_path, measurements=(Measurement(name="n", value=0),))
    assert ThatCheck(that="1 / n > 0").run(view).verdict is ERROR


def test_nothing_checked_and_nothing_exchanged_are_inconclusive() -> None:
    assert judge([]) == (Verdict.INCONCLUSIVE, NOTHING_CHECKED)
    assert judge([result(PASS)]) == (Verdict.INCONCLUSIVE, NOTHING_EXCHANGED)


def test_that_time_was_over_is_told_with_what_was_found_besides() -> None:
    late, found, more = (
        CheckResult(name=name, verdict=FAIL, evidence=evidence)
        for name, evidence in (("stage exchange", "time was over"), ("files", "none arrived"), ("ends", "badly"))
    )
    assert judge([late]) == (FAIL, "stage exchange: time was over")
    assert judge([late, found, more]) == (FAIL, "stage exchange: time was over; files: none arrived (and 1 more)")


def test_the_worst_result_decides() -> None:
    assert judge([result(PASS, proves=True), result(FAIL), result(ERROR)])[0] is ERROR
    assert judge([result(PASS, proves=True), result(FAIL)])[0] is FAIL
    assert judge([result(PASS, proves=True), result(PASS)])[0] is PASS


def test_a_pass_after_anything_else_is_flaky_and_never_a_plain_pass() -> None:
    assert over_attempts([FAIL, PASS]) is Verdict.FLAKY
    assert over_attempts([ERROR, FAIL]) is FAIL
    assert over_attempts([PASS]) is PASS


def test_a_cancelled_attempt_makes_nothing_flaky() -> None:
    assert over_attempts([Verdict.CANCELLED, PASS]) is PASS
    assert over_attempts([FAIL, Verdict.CANCELLED]) is FAIL
    assert over_attempts([Verdict.CANCELLED]) is Verdict.CANCELLED


def test_a_measurement_that_is_not_there_names_those_that_could_be_meant_and_not_hundreds() -> None:
    values = {f"server.strace.{call}.count": 1.0 for call in ("sendto", *map("call{}".format, range(300)))}
    with pytest.raises(expression.ExpressionError) as few:
        expression.evaluate(expression.parse("server.strace.sendto.seconds < 1"), values)
    assert str(few.value).endswith("there are: server.strace.sendto.count and 300 more")
    with pytest.raises(expression.ExpressionError, match=r"there are: (\S+, ){9}\S+ and 291 more$"):
        expression.evaluate(expression.parse("client.rtt < 1"), values)
    with pytest.raises(expression.ExpressionError, match="there are: none"):
        expression.evaluate(expression.parse("client.rtt < 1"), {})
