"""Everything that one attempt asks of its network, put together before it is built, and what came of it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import attrs

from panther_env_netns.layout import Layout
from panther_env_netns.links import flows_of, port_of
from panther_env_netns.options import NetnsOptions
from panther_env_netns.plan import Helper, Plan, plan_of
from panther_hookspecs import (
    Artifact,
    Context,
    LinkFlow,
    LinkSetup,
    LinkTask,
    NetworkPlan,
    Recording,
    chosen_link,
    described_flows,
    report_links,
)

CAPTURE = "capture"
Question = tuple[str, tuple[str, ...]]
"""A node and a command that tells what was counted there."""


@attrs.frozen(kw_only=True)
class Preparation:
    """What is going to be built, and what will be worth keeping of it."""

    plan: Plan
    folder: Path
    flows: Mapping[int, tuple[LinkFlow, ...]] = attrs.field(factory=dict)
    """Directions of links, by the segment on which they begin."""
    mechanism: str = ""
    setups: Mapping[int, LinkSetup] = attrs.field(factory=dict)
    """What the mechanism asked for, by segment."""
    recordings: Mapping[str, str] = attrs.field(factory=dict)
    """File, relative to the folder, by service."""

    def told(self) -> str:
        """Return the links as one line for the log of the case."""
        return f"links by {self.mechanism}: {described_flows(chain.from_iterable(self.flows.values()))}"

    def controls(self, flows: Iterable[str]) -> dict[Path, list[str]]:
        """Return where each of these directions can be changed."""
        found: dict[Path, list[str]] = {}
        for segment, own in self.flows.items():
            control, names = self.setups[segment].control, [flow.name for flow in own if flow.name in flows]
            if control is not None and names:
                found[control] = names
        return found

    def questions(self) -> Iterator[Question]:
        """Yield what has to be asked while the network still exists."""
        for setup in self.setups.values():
            yield from setup.questions

    def artifacts(self, answers: Mapping[Question, str]) -> Iterator[Artifact]:
        """Write down what the links did, and yield that with the recordings."""
        if self.flows:
            flows = chain.from_iterable(self.flows.values())
            yield report_links(self.folder, self.mechanism, flows, self.setups.values(), _read_back(answers))
        for service, path in self.recordings.items():
            yield Artifact(path=path, kind="capture", service=service, title=f"Packets of {service}")


def _read_back(answers: Mapping[Question, str]) -> list[dict[str, Any]]:
    return [
        {"node": node, "command": " ".join(command), "said": text.splitlines()}
        for (node, command), text in answers.items()
    ]


def prepare(
    layout: Layout,
    asked: NetworkPlan,
    options: NetnsOptions,
    context: Context,
    *,
    ipv6: bool,
    hosts: str,
    works: Callable[[tuple[str, ...]], bool],
) -> Preparation:
    """Return what has to be built for ``asked``; the files that helpers read are written."""
    flows = flows_of(asked.links, layout, ipv6=ipv6, changes=asked.changes_links)
    setups: dict[int, LinkSetup] = {}
    mechanism = ""
    if flows:
        wanted = {each for own in flows.values() for flow in own for each in flow.spec.used()}
        wanted |= {"steps"} if asked.changes_links else set()
        link = chosen_link(context.links, wanted, options.link_mechanism, works)
        mechanism = link.name
        for number, own in flows.items():
            ports = tuple(map(port_of, layout.segments[number]))
            task = LinkTask(
                name=str(number),
                ports=ports,
                flows=own,
                seed=context.seed,
                folder=context.folder,
                changes=asked.changes_links,
            )
            setups[number] = link.factory(task)
    relayed = frozenset(number for number, each in setups.items() if each.switch)
    recordings = {name: f"{CAPTURE}/{name}.pcapng" for name in layout.services} if asked.capture else {}
    helpers = [Helper(name=f"{mechanism} {number}", node="", argv=setups[number].switch) for number in sorted(relayed)]
    helpers += _recorders(layout, recordings, options, context)
    shaping = _merged([each.tc for each in setups.values()])
    bare = _bare(layout, frozenset(shaping), relayed, frozenset(recordings))
    whole = plan_of(layout, ipv6=ipv6, hosts=hosts, relayed=relayed, bare=bare)
    plan = attrs.evolve(
        whole,
        lines=_merged([whole.lines, *(each.ip for each in setups.values())]),
        helpers=tuple(helpers),
        shaping=shaping,
        bare=bare,
    )
    return Preparation(
        plan=plan,
        folder=context.folder,
        flows=flows,
        mechanism=mechanism,
        setups=setups,
        recordings=recordings,
    )


def _merged(parts: Iterable[Mapping[str, Sequence[str]]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for part in parts:
        for node, lines in part.items():
            found[node] = (*found.get(node, ()), *lines)
    return found


def _recorders(
    layout: Layout, recordings: Mapping[str, str], options: NetnsOptions, context: Context
) -> Iterator[Helper]:
    """Yield a recorder for each service; where one has several interfaces they share its file."""
    for name, path in recordings.items():
        (context.folder / CAPTURE).mkdir(exist_ok=True)
        recording = Recording(
            file=context.folder / path,
            interfaces=tuple(each.name for each in layout.nodes[name].interfaces),
            limit=int(options.capture_limit),
            length=options.capture_length,
        )
        yield Helper(name=f"recorder of {name}", node=name, argv=context.recorder(recording))


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
