"""Everything that one attempt asks of its network, put together before it is built, and what came of it afterwards."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_env_netns.layout import Layout
from panther_env_netns.links import Flow, flows_of, mechanism_for, relay_spec, relayed_segments, tc_lines
from panther_env_netns.options import NetnsOptions
from panther_env_netns.plan import Helper, Plan, plan_of
from panther_hookspecs import Artifact, LinkSpec, NetworkPlan

_PROGRAMS = Path(__file__).parent
_INTERPRETER = (sys.executable, "-I", "-S")
_RELAY_REPORT = "relay-{}-report.json"
LINKS, CAPTURE = "links.json", "capture"
Question = tuple[str, tuple[str, ...]]
"""A node and the arguments of `tc` that ask what it has counted there."""


@attrs.frozen(kw_only=True)
class Preparation:
    """What is going to be built, and what will be worth keeping of it."""

    plan: Plan
    folder: Path
    flows: tuple[Flow, ...] = ()
    mechanism: str = ""
    segments: tuple[int, ...] = ()
    """Those with a relay."""
    recordings: Mapping[str, str] = attrs.field(factory=dict)
    """Service by file, which is relative to the folder."""

    def told(self) -> str:
        """Return the links as one line for the log of the case."""
        links = {flow.link: flow.spec for flow in self.flows}
        texts = [
            f"{name} " + " ".join(f"{each}={_plain(spec, each)}" for each in spec.used())
            for name, spec in links.items()
        ]
        return f"links by {self.mechanism}: " + "; ".join(texts)

    def questions(self) -> Iterator[Question]:
        """Yield what has to be asked of `tc` while the network still exists."""
        if self.mechanism in ("htb", "netem"):
            for node, device in sorted({(each.node, each.name) for flow in self.flows for each in flow.interfaces}):
                for kind in ("qdisc", "class"):
                    yield node, ("-s", kind, "show", "dev", device)

    def artifacts(self, answers: Mapping[Question, str]) -> Iterator[Artifact]:
        """Write down what the links did, and yield that with the recordings."""
        if self.flows:
            self._write(answers)
            yield Artifact(path=LINKS, kind="links", title=f"What the links did, by {self.mechanism}")
        for path, service in self.recordings.items():
            yield Artifact(path=path, kind="capture", service=service, title=f"Packets of {service}")

    def _write(self, answers: Mapping[Question, str]) -> None:
        reports: list[dict[str, Any]] = [
            each
            for number in self.segments
            for each in json.loads((self.folder / _RELAY_REPORT.format(number)).read_text(encoding="utf-8"))
        ]
        flows = []
        for flow in self.flows:
            # A service with several interfaces sends over one of them.
            own = max(
                (each for each in reports if each["direction"] == flow.name),
                key=lambda each: each["packets"],
                default={},
            )
            asked = {each: float(getattr(flow.spec, each)) for each in flow.spec.used()}
            flows.append({"link": flow.link, "direction": flow.name, "asked": asked, "seen": own})
        said = [
            {"node": node, "tc": " ".join(args), "said": text.splitlines()} for (node, args), text in answers.items()
        ]
        content = {"mechanism": self.mechanism, "flows": flows, "read_back": said}
        (self.folder / LINKS).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def prepare(
    layout: Layout,
    asked: NetworkPlan,
    options: NetnsOptions,
    *,
    folder: Path,
    seed: int,
    ipv6: bool,
    hosts: str,
    has_netem: Callable[[], bool],
) -> Preparation:
    """Return what has to be built for ``asked``; the files that helpers read are written."""
    flows = flows_of(asked.links, layout, layout.services, ipv6=ipv6)
    mechanism = mechanism_for(flows, options.link_mechanism, has_netem) if flows else ""
    relayed = relayed_segments(flows) if mechanism == "relay" else frozenset()
    recordings = {name: f"{CAPTURE}/{name}.pcapng" for name in layout.services} if asked.capture else {}
    helpers = [_relay(layout, number, flows, folder, seed) for number in sorted(relayed)]
    helpers += _recorders(layout, recordings, options, folder)
    plan = plan_of(layout, ipv6=ipv6, hosts=hosts, relayed=relayed)
    kernel = tc_lines(flows, netem=mechanism == "netem") if mechanism in ("htb", "netem") else {}
    plan = attrs.evolve(
        plan,
        helpers=tuple(helpers),
        shaping=kernel,
        bare=_bare(layout, frozenset(kernel), relayed, frozenset(recordings)),
    )
    files = {path: name for name, path in recordings.items()}
    return Preparation(
        plan=plan, folder=folder, flows=flows, mechanism=mechanism, segments=tuple(sorted(relayed)), recordings=files
    )


def _relay(layout: Layout, number: int, flows: tuple[Flow, ...], folder: Path, seed: int) -> Helper:
    members, spec = layout.segments[number], folder / f"relay-{number}.json"
    report = str(folder / _RELAY_REPORT.format(number))
    spec.write_text(json.dumps(relay_spec(members, flows, seed=seed, report=report), indent=1), encoding="utf-8")
    return Helper(name=f"relay {number}", node="", argv=(*_INTERPRETER, str(_PROGRAMS / "relay.py"), str(spec)))


def _recorders(layout: Layout, recordings: Mapping[str, str], options: NetnsOptions, folder: Path) -> Iterator[Helper]:
    """Yield a recorder for each service; where one has several interfaces they share its file."""
    for name, path in recordings.items():
        (folder / CAPTURE).mkdir(exist_ok=True)
        limits = (str(int(options.capture_limit)), str(options.capture_length))
        interfaces = tuple(each.name for each in layout.nodes[name].interfaces)
        argv = (*_INTERPRETER, str(_PROGRAMS / "recorder.py"), *limits, str(folder / path), *interfaces)
        yield Helper(name=f"recorder of {name}", node=name, argv=argv)


def _bare(
    layout: Layout, shaped: frozenset[str], relayed: frozenset[int], recorded: frozenset[str]
) -> dict[str, tuple[str, ...]]:
    """Return the interfaces whose packets have to be as a network would carry them."""
    found = {
        name: tuple(
            each.name for each in node.interfaces if name in shaped or name in recorded or each.segment in relayed
        )
        for name, node in layout.nodes.items()
    }
    return {name: interfaces for name, interfaces in found.items() if interfaces}


def _plain(spec: LinkSpec, name: str) -> str:
    """Return a value the way people write it."""
    value = float(getattr(spec, name))
    if name in ("delay", "jitter"):
        return f"{value * 1e3:g}ms"
    return f"{value / 1e6:g}Mbit" if name == "rate" else f"{value * 100:g}%"
