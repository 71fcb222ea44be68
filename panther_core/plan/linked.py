"""The links of a test case: which of them make sense, and whether they change while services talk."""

from __future__ import annotations

from collections.abc import Mapping

from panther_core.config.diagnostics import Findings, one_of
from panther_core.config.tree import Node
from panther_core.plan.resolve import TestTypeSection
from panther_hookspecs import EVERY_LINK, LinkSpec, directions_of


def check_links(
    links: Mapping[str, LinkSpec], services: tuple[str, ...], node: Node | None, findings: Findings
) -> None:
    """Report every link whose name means nothing among these services, or the same as another one."""
    if node is None:
        return
    seen: dict[tuple[tuple[str, str], ...], str] = {}
    for link, spec in links.items():
        directions = directions_of(link, services)
        same = seen.setdefault(tuple(sorted(directions)), link)
        if not directions and link != EVERY_LINK:
            ends = [(one, other) for one in services for other in services if one != other]
            known = [arrow.join(pair) for arrow in ("-", "->") for pair in ends]
            what = f"does not join two services{one_of(link, [*known, EVERY_LINK], 'links')}"
            findings.add(node, f"the link {link!r} {what}", link)
        elif same != link and EVERY_LINK not in (same, link):
            findings.add(node, f"the links {same!r} and {link!r} are the same: one of them has to go", link)
        elif link == EVERY_LINK and (spec.rebind or any(each.do == "rebind" for each in spec.steps)):
            findings.add(node, "rebind needs a link with two names: its NAT is in front of the first", link)


def changes_links(test_type: TestTypeSection | None, links: Mapping[str, LinkSpec]) -> bool:
    """Return whether links change while services talk over them, by steps of their own or by the test type."""
    if any(each.steps for each in links.values()):
        return True
    return test_type is not None and test_type.descriptor.changes_links(test_type.options)
