"""How evidence becomes a verdict. Nothing is believed that only one side says."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator

from panther_hookspecs import CheckResult, ScenarioEvidence, Verdict
from panther_protocol_minip.dialogues import Dialogue, dialogues
from panther_protocol_minip.digests import file_sha256, proof, stream, stream_sha256
from panther_protocol_minip.measuring import SHARE, percentile, round_trips, transfer_seconds
from panther_protocol_minip.transcripts import Entry

Judge = Callable[[Dialogue, ScenarioEvidence], Iterable[CheckResult]]
TIMING_TOLERANCE = 0.9


def _failed(name: str, evidence: str) -> CheckResult:
    return CheckResult(name=name, verdict=Verdict.FAIL, evidence=evidence)


def _passed(name: str, evidence: str, *, proves: bool = False) -> CheckResult:
    return CheckResult(name=name, verdict=Verdict.PASS, evidence=evidence, proves_exchange=proves)


def _scenario(judge: Judge) -> Callable[[ScenarioEvidence], Iterator[CheckResult]]:
    """Return a scenario's check: the judge's words on every client's dialogue, then how the programs ended."""

    def check(seen: ScenarioEvidence) -> Iterator[CheckResult]:
        clients = seen.named("client")
        if not clients or not seen.named("server"):
            yield _failed("roles", "minip needs at least one server and one client")
            return
        for dialogue in dialogues(seen):
            suffix = f" of {dialogue.client}" if len(clients) > 1 else ""
            for result in (*_readable(dialogue), *judge(dialogue, seen)):
                yield CheckResult(
                    name=result.name + suffix,
                    verdict=result.verdict,
                    evidence=result.evidence,
                    proves_exchange=result.proves_exchange,
                )
        yield _endings(seen)

    check.__doc__ = judge.__doc__
    return check


def _readable(dialogue: Dialogue) -> Iterator[CheckResult]:
    for name, transcript in ((dialogue.client, dialogue.near), (dialogue.server, dialogue.far)):
        if transcript.flaw:
            yield _failed("transcript", f"{name}: {transcript.flaw}")


def _endings(seen: ScenarioEvidence) -> CheckResult:
    """A client must say by its exit code that it is content; a server must have lived until it was stopped."""
    exits = seen.evidence.exits
    bad = [
        f"{name} ended with {exits[name]}" if name in exits else f"nobody knows how {name} ended"
        for name in seen.roles
        if not (name in exits and exits[name].ok)
    ]
    return _failed("ends", "; ".join(bad)) if bad else _passed("ends", "every program ended well")


def _welcome(dialogue: Dialogue) -> CheckResult:
    exchange = dialogue.exchange("HELLO", "WELCOME")
    if exchange.reply is None:
        return _failed("greeting", exchange.doubt)
    fields = exchange.reply.fields
    right = proof(dialogue.session, fields.get("server", ""))
    if fields.get("digest") != right:
        return _failed("greeting", f"the WELCOME carries digest {fields.get('digest')}, right is {right}")
    return _passed("greeting", f"version {exchange.reply.version}, both sides recorded {fields['server']}", proves=True)


def _goodbye(dialogue: Dialogue) -> CheckResult:
    exchange = dialogue.exchange("BYE", "BYE")
    return _failed("goodbye", exchange.doubt) if exchange.doubt else _passed("goodbye", "both sides recorded it")


def _wrong_pong(request: Entry, reply: Entry, session: str, size: int) -> str:
    """Return what is wrong with a PONG, or an empty text."""
    seq, nonce = request.fields.get("seq", ""), request.fields.get("nonce", "")
    right = proof(session, seq, nonce, body=stream(nonce, size))
    if reply.fields.get("nonce") != nonce:
        return f"PONG {seq} carries nonce {reply.fields.get('nonce')}, PING had {nonce}"
    if reply.fields.get("digest") != right:
        return f"PONG {seq} carries digest {reply.fields.get('digest')}, right is {right}"
    if request.version == "2" and (
        not request.fields.get("time") or reply.fields.get("time") != request.fields["time"]
    ):
        return f"PONG {seq} carries time {reply.fields.get('time')}, PING had {request.fields.get('time')}"
    return ""


def _pongs(dialogue: Dialogue, count: int, size: int) -> CheckResult:
    wrong: list[str] = []
    for number in range(1, count + 1):
        exchange = dialogue.exchange("PING", "PONG", str(number))
        if exchange.request is None or exchange.reply is None:
            wrong.append(exchange.doubt)
        elif fault := _wrong_pong(exchange.request, exchange.reply, dialogue.session, size):
            wrong.append(fault)
    if wrong:
        return _failed("pings", f"{wrong[0]}; {count - len(wrong)} of {count} pings were answered rightly")
    return _passed(
        "pings", f"{count} of {count} answered rightly, as both sides recorded{_timing(dialogue)}", proves=True
    )


def _timing(dialogue: Dialogue) -> str:
    trips, again = round_trips(dialogue), dialogue.near.repeated
    tail = f"; {again} sent again" if again else ""
    if not trips:
        return tail
    median, late = 1e3 * statistics.median(trips), 1e3 * percentile(trips, SHARE)
    return f"; round trip {median:.3g} ms, 95 % within {late:.3g} ms{tail}"


def _ping(dialogue: Dialogue, seen: ScenarioEvidence) -> Iterable[CheckResult]:
    """Every ping must have been received, and answered with a digest that only its reader can know."""
    yield _welcome(dialogue)
    yield _pongs(dialogue, seen.parameters.count, seen.parameters.size)
    yield _goodbye(dialogue)


def _greet(dialogue: Dialogue, _: ScenarioEvidence) -> Iterable[CheckResult]:
    """Both sides must have recorded the same greeting and goodbye."""
    yield _welcome(dialogue)
    yield _goodbye(dialogue)


def _transfer(dialogue: Dialogue, seen: ScenarioEvidence) -> Iterable[CheckResult]:
    """The server's file must be the one that the seed gives, and the server must have said so itself."""
    yield _welcome(dialogue)
    size = int(seen.parameters.size)
    right = stream_sha256(f"file {seen.seed}", size)
    exchange = dialogue.exchange("DONE", "STORED")
    stored = dialogue.folder / f"received-{dialogue.session}.bin"
    found = file_sha256(stored) or (right if size == 0 else "")
    if found != right:
        yield _failed(
            "file",
            f"{stored.name} has sha256 {found}, right is {right}"
            if found
            else f"{dialogue.server} has no {stored.name}",
        )
    elif exchange.reply is None:
        yield _failed("file", exchange.doubt)
    elif exchange.reply.fields.get("sha256") != right:
        yield _failed("file", f"the STORED carries sha256 {exchange.reply.fields.get('sha256')}, right is {right}")
    else:
        seconds = transfer_seconds(dialogue)
        rate = f"; {8e-6 * size / seconds:.3g} Mbit/s" if seconds > 0 else ""
        yield _passed(
            "file", f"{size} bytes arrived unchanged{rate}; {dialogue.near.repeated} sent again", proves=size > 0
        )
    yield _goodbye(dialogue)


def _refuse(dialogue: Dialogue, _: ScenarioEvidence) -> Iterable[CheckResult]:
    """The server must have refused the unknown version, with the reason, and welcomed nobody."""
    exchange = dialogue.exchange("HELLO", "REFUSE")
    if dialogue.far.find("sent", "WELCOME", dialogue.session):
        yield _failed("refusal", f"{dialogue.server} welcomed a version that nobody knows")
    elif exchange.reply is None:
        yield _failed("refusal", exchange.doubt)
    elif exchange.reply.fields.get("reason") != "version":
        yield _failed("refusal", f"refused for the reason {exchange.reply.fields.get('reason')!r} instead of 'version'")
    else:
        spoken = exchange.reply.fields.get("supported", "nothing")
        yield _passed(
            "refusal", f"version {exchange.reply.version} was refused; the server speaks {spoken}", proves=True
        )


def _idle(dialogue: Dialogue, seen: ScenarioEvidence) -> Iterable[CheckResult]:
    """After the silence, which the server's own clock must show, a ping must be answered."""
    yield _welcome(dialogue)
    greeted = dialogue.far.find("sent", "WELCOME", dialogue.session)
    pinged = dialogue.far.find("received", "PING", dialogue.session, "1")
    silence = pinged[0].time - greeted[-1].time if greeted and pinged else 0.0
    wanted = float(seen.parameters.duration)
    name, said = "silence", f"{silence:.3g} s by the server's clock, {wanted:.3g} s were asked for"
    yield _passed(name, said) if silence >= TIMING_TOLERANCE * wanted else _failed(name, said)
    yield _pongs(dialogue, 1, 0)
    yield _goodbye(dialogue)


def _probe(dialogue: Dialogue, seen: ScenarioEvidence) -> Iterable[CheckResult]:
    """The overlong message must have arrived, and the server must have lived on and answered."""
    status = seen.evidence.exits.get(dialogue.server)
    probes = dialogue.near.find("sent", "PING", dialogue.session, "0")
    size = probes[0].size if probes else 0
    met = [entry for entry in dialogue.far.entries if entry.event in ("dropped", "received") and entry.size == size]
    if size <= seen.parameters.length:
        yield _failed("survival", f"{dialogue.client} never sent the overlong message")
    elif status is None or not status.ok:
        yield _failed("survival", f"{dialogue.server} ended with {status} after a message of {size} bytes")
    elif not met:
        yield CheckResult(
            name="survival",
            verdict=Verdict.INCONCLUSIVE,
            evidence=f"the message of {size} bytes never reached {dialogue.server}",
        )
    else:
        yield _passed("survival", f"{dialogue.server} lived on after a message of {size} bytes")
    yield _pongs(dialogue, 1, 0)


ping, transfer, greet = _scenario(_ping), _scenario(_transfer), _scenario(_greet)
refuse, idle, probe = _scenario(_refuse), _scenario(_idle), _scenario(_probe)
