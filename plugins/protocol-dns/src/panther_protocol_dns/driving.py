"""What a client does in each scenario, whatever library or program asks for it."""

from __future__ import annotations

import abc
import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from panther_protocol_dns.questions import Question, questions_of
from panther_protocol_dns.replies import NAME, Recorder, Reply

_OK, _FAILED = 0, 1


@attrs.frozen(kw_only=True)
class Server:
    """Whom to ask."""

    host: str
    port: int
    secure_port: int
    """For TLS and QUIC."""
    certificate: Path
    name: str
    """The name in its certificate."""


class Driver(abc.ABC):
    """One implementation's way to ask. Whatever goes wrong is raised."""

    @abc.abstractmethod
    def ask(self, server: Server, questions: Sequence[Question]) -> Sequence[Reply]:
        """Ask one question after the other, all alike but for name and type; return the replies in order."""


def main(driver: Driver) -> int:
    """Play what the command line says; return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--secure-port", type=int, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--server-name", required=True)
    parser.add_argument("--scenario", required=True)
    parser.add_argument("--parameters", type=json.loads, required=True)
    told = parser.parse_args()
    server = Server(
        host=told.host,
        port=told.port,
        secure_port=told.secure_port,
        certificate=told.certificate,
        name=told.server_name,
    )
    with (told.dir / NAME).open("a", encoding="utf-8") as file:
        recorder = Recorder(file)
        try:
            for group in grouped(questions_of(told.scenario, told.parameters)):
                for question, reply in zip(group, driver.ask(server, group), strict=True):
                    recorder.note("answered", question=attrs.asdict(question), reply=attrs.asdict(reply))
        except (OSError, RuntimeError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
            recorder.note("gave up", why=why)
            sys.stderr.write(f"{why}\n")
            return _FAILED
        recorder.note("done")
    return _OK


_MOST = 50


def grouped(questions: Sequence[Question]) -> list[list[Question]]:
    """Return the questions in groups that differ in name and type only, small enough for one command line."""
    groups: list[list[Question]] = []
    alike: Callable[[Question], Question] = lambda each: attrs.evolve(each, name="", type="")  # noqa: E731 - a key
    for each in questions:
        if groups and alike(groups[-1][0]) == alike(each) and len(groups[-1]) < _MOST and each.type != "AXFR":
            groups[-1].append(each)
        else:
            groups.append([each])
    return groups
