"""What the two sides sent to each other, for the sequence diagram of a case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from panther_hookspecs import Message, ScenarioEvidence
from panther_protocol_minip.dialogues import dialogues
from panther_protocol_minip.transcripts import Entry, Transcript

_TOLD = ("seq", "reason", "supported", "digest", "sha256")


def messages(seen: ScenarioEvidence) -> Iterator[Message]:
    """Yield the messages of all dialogues in order of time; of a transfer's bulk there is only the count."""
    found: list[Message] = []
    for each in dialogues(seen):
        found += _one_way(each.client, each.near, each.server, each.far, each.session)
        found += _one_way(each.server, each.far, each.client, each.near, each.session)
    yield from sorted(found, key=lambda each: each.time)


def _one_way(source: str, sender: Transcript, target: str, receiver: Transcript, session: str) -> Iterator[Message]:
    """Yield what one side sent, each with the moment at which the other side recorded the same message."""
    waiting = [each for each in receiver.entries if each.event == "received" and each.fields.get("id") == session]
    for sent in sender.entries:
        if sent.event != "sent" or sent.fields.get("id") != session:
            continue
        got = next((each for each in waiting if each.same_message(sent)), None)
        if got is not None:
            waiting.remove(got)
        yield Message(
            time=sent.time,
            source=source,
            target=target,
            label=" ".join(filter(None, (sent.type, sent.fields.get("seq")))),
            detail=_detail(sent),
            arrived=got.time if got else None,
        )


def _detail(sent: Entry) -> str:
    fields: Mapping[str, str] = {name: sent.fields[name] for name in _TOLD if name in sent.fields}
    return ", ".join([*(f"{name} {value}" for name, value in fields.items()), f"{sent.size} bytes"])
