"""The stages: break it, mend it, and say what the break has cost."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from panther_hookspecs import (
    CaseControl,
    LinkChange,
    Measurement,
    StageResult,
    TestExecutionError,
    Verdict,
    read_requests,
)
from panther_test_recovery.disks import empty, fill
from panther_test_recovery.options import LASTING, Fault, RecoveryOptions
from panther_test_recovery.outages import Break, Recovery, recoveries

FAULTS = "recovery/faults.json"
"""Where the moments of all faults stand in the folder of an attempt, in seconds since the epoch."""
PERIOD = 0.05
"""Seconds of one turn of running and standing still while a service is squeezed."""


def inflict(case: CaseControl) -> StageResult:
    """Do one fault after the other at its time, and wait for the clients to end."""
    began, breaks = time.monotonic(), []
    try:
        for fault in case.options.faults:
            _sleep_until(case, began + fault.at, str(fault))
            breaks.append(_FAULTS[fault.do](case, fault))
        case.wait()
    except TestExecutionError as error:
        return StageResult(status=Verdict.ERROR, error=str(error))
    zero = time.time() - time.monotonic()
    moved = [each.shifted(zero) for each in breaks]
    path = case.folder / FAULTS
    path.parent.mkdir(exist_ok=True)
    told = [{"what": each.what, "begin": each.begin, "over": each.over} for each in moved]
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return StageResult(values={"breaks": moved})


def _sleep_until(case: CaseControl, moment: float, what: str) -> None:
    """Wait for the moment of a fault; if a client ends before it, there is nobody left to see the fault."""
    while (left := moment - time.monotonic()) > 0:
        if case.remaining() < left:
            raise TimeoutError(f"the time of the case was over before {what}")
        for name in case.ending:
            if case.process(name).wait(left) is not None:
                raise TestExecutionError(f"{name} had ended before {what}: let it run longer, or break it earlier")
            left = moment - time.monotonic()
        if not case.ending:
            time.sleep(max(0.0, left))


def _kill(case: CaseControl, fault: Fault) -> Break:
    process = case.process(fault.service)
    process.signal(signal.SIGKILL)
    begin = time.monotonic()
    process.wait(case.remaining())
    process.kill()
    return _started_again(case, fault, begin)


def _restart(case: CaseControl, fault: Fault) -> Break:
    begin = time.monotonic()
    status = case.process(fault.service).stop(signal=signal.SIGTERM, grace=case.remaining())
    if not status.ok:
        raise TestExecutionError(f"{fault.service} was asked to end and did not end well: {status}")
    return _started_again(case, fault, begin)


def _started_again(case: CaseControl, fault: Fault, begin: float) -> Break:
    _sleep_until(case, begin + fault.lasts, f"{fault.service} was started again")
    over = time.monotonic()
    case.restart(fault.service)
    return Break(str(fault), begin, over, ready=time.monotonic())


def _stop(case: CaseControl, fault: Fault) -> Break:
    process = case.process(fault.service)
    process.signal(signal.SIGSTOP)
    begin = time.monotonic()
    try:
        _sleep_until(case, begin + fault.lasts, f"{fault.service} went on")
    finally:
        process.signal(signal.SIGCONT)
    return Break(str(fault), begin, time.monotonic())


def _squeeze(case: CaseControl, fault: Fault) -> Break:
    process, begin = case.process(fault.service), time.monotonic()
    try:
        while time.monotonic() < begin + fault.lasts and process.exit is None:
            _signal_all(process.pids(), signal.SIGSTOP)
            _sleep_until(case, time.monotonic() + PERIOD * (1 - fault.share), f"{fault.service} could run again")
            _signal_all(process.pids(), signal.SIGCONT)
            _sleep_until(case, time.monotonic() + PERIOD * fault.share, f"{fault.service} was held again")
    finally:
        _signal_all(process.pids(), signal.SIGCONT)
    return Break(str(fault), begin, time.monotonic())


def _signal_all(pids: tuple[int, ...], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _full_disk(case: CaseControl, fault: Fault) -> Break:
    folder = case.folder_of(fault.service)
    fill(folder)
    begin = time.monotonic()
    try:
        _sleep_until(case, begin + fault.lasts, "there was space again")
    finally:
        empty(folder)
    return Break(str(fault), begin, time.monotonic())


def _link(case: CaseControl, fault: Fault) -> Break:
    begin = case.change_link(fault.link, LinkChange(do=fault.do, packets=fault.packets))
    if fault.do not in LASTING:
        return Break(str(fault), begin, begin)
    try:
        _sleep_until(case, begin + fault.lasts, f"{fault.link} was healed")
    finally:
        over = case.change_link(fault.link, LinkChange(do="heal"))
    return Break(str(fault), begin, over)


_FAULTS: Mapping[str, Callable[[CaseControl, Fault], Break]] = {
    "kill": _kill,
    "restart": _restart,
    "stop": _stop,
    "squeeze": _squeeze,
    "full_disk": _full_disk,
    "blackhole": _link,
    "partition": _link,
    "lose": _link,
    "rebind": _link,
}


def mend(case: CaseControl) -> StageResult:
    """Let every process go on, whatever happened: one that stands still cannot be asked to end."""
    for name in case.services:
        process = case.process(name)
        if process.exit is None:
            process.signal(signal.SIGCONT)
    return StageResult()


def judge(case: CaseControl) -> StageResult:
    """Measure what each fault has cost, as the loads of the case saw it, and hold it against the criteria."""
    options: RecoveryOptions = case.options
    breaks: list[Break] = case.values["faults"]["breaks"]
    wrong: list[str] = []
    for name in case.ending:
        requests = list(read_requests(case.folder_of(name)))
        found = recoveries(requests, breaks) if requests else []
        for number, each in enumerate(found, 1):
            _measure(case, name, each, {"fault": str(number), "what": each.fault.what})
            wrong += _broken_promises(options, each)
        lost = sum(each.answered is None for each in requests)
        if requests and options.lost >= 0 and lost > options.lost:
            wrong.append(f"{lost} requests were lost, {options.lost} may be")
    alive = [name for name in case.services if name not in case.ending and case.process(name).exit is None]
    case.measure(Measurement(name="recovery.alive", value=float(len(alive))))
    values: dict[str, Any] = {"alive": alive}
    return StageResult(status=Verdict.FAIL if wrong else Verdict.PASS, error="; ".join(wrong), values=values)


def _measure(case: CaseControl, service: str, seen: Recovery, labels: Mapping[str, str]) -> None:
    for name, value, unit in (
        ("recovery.seconds", seen.seconds, "s"),
        ("recovery.after_fault", seen.after_fault, "s"),
        ("recovery.outage", seen.outage, "s"),
        ("recovery.restart", seen.fault.restart, "s"),
        ("recovery.lost", float(seen.lost), ""),
        ("recovery.late", float(seen.late), ""),
        ("recovery.slower", seen.slower, ""),
    ):
        if value is not None:
            case.measure(Measurement(name=name, value=value, unit=unit, service=service, labels=labels))


def _broken_promises(options: RecoveryOptions, seen: Recovery) -> list[str]:
    if seen.seconds is None:
        return [f"there was no service any more after {seen.fault.what}"]
    if options.within and seen.seconds > options.within:
        return [
            f"service was back {seen.seconds:.3g} s after {seen.fault.what} began, it had {float(options.within):g} s"
        ]
    return []
