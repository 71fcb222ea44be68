"""One client's session as both sides saw it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs

from panther_hookspecs import ScenarioEvidence
from panther_protocol_minip.transcripts import Entry, Transcript, read


@attrs.frozen(kw_only=True)
class Exchange:
    """A request with its reply, or what keeps us from believing in them."""

    request: Entry | None = None
    reply: Entry | None = None
    doubt: str = ""


@attrs.frozen(kw_only=True)
class Dialogue:
    """The transcript of a client beside that of the server it talked to."""

    client: str
    server: str
    session: str
    near: Transcript
    far: Transcript
    folder: Path
    """The server's folder."""

    def exchange(self, request: str, reply: str, seq: str | None = None) -> Exchange:
        """Return what both sides recorded alike about a request and its reply."""
        what = request if seq is None else f"{request} {seq}"
        asked = self.near.find("sent", request, self.session, seq)
        got = self.near.find("received", reply, self.session, seq)
        heard = self.far.find("received", request, self.session, seq)
        said = self.far.find("sent", reply, self.session, seq)
        if not asked:
            return Exchange(doubt=f"{self.client} never sent {what}")
        if not heard:
            return Exchange(doubt=f"{self.server} never received the {what} that {self.client} says it sent")
        if not any(one.same_message(other) for one in asked for other in heard):
            return Exchange(doubt=f"{self.server} received another {what} than {self.client} sent")
        refused = self.near.find("received", "REFUSE", self.session)
        if not got and refused:
            return Exchange(
                doubt=f"{self.server} refused the {what}: {refused[0].fields.get('reason', 'no reason given')}"
            )
        if not got:
            return Exchange(doubt=f"{self.client} got no {reply} for {what}")
        if not any(got[0].same_message(each) for each in said):
            return Exchange(doubt=f"{self.server} never sent the {reply} that {self.client} says it got for {what}")
        return Exchange(request=asked[0], reply=got[0])


def dialogues(seen: ScenarioEvidence) -> Iterator[Dialogue]:
    """Yield the dialogue of every client; one that met no server gets the first server."""
    folders = seen.evidence.folders
    servers = {name: read(folders[name]) for name in seen.named("server")}
    for client in seen.named("client"):
        near = read(folders[client])
        session = next(
            (entry.fields.get("id", "") for entry in near.entries if (entry.event, entry.type) == ("sent", "HELLO")), ""
        )
        met = [name for name, far in servers.items() if far.find("received", "HELLO", session)]
        server = (met or list(servers))[0]
        yield Dialogue(
            client=client, server=server, session=session, near=near, far=servers[server], folder=folders[server]
        )
