"""What an experiment may say about where its fmf tests come from."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from panther_hookspecs import option

REQUIRES = ("check", "install", "ignore")


@attrs.frozen(kw_only=True)
class DiscoverOptions:
    """Which tests of which tree, under which context."""

    path: str = option(".", help="Folder with the metadata tree, or below it; counts from the experiment.")
    names: tuple[str, ...] = option((), help="Regular expressions; a test is taken if its name has a match of one.")
    exclude: tuple[str, ...] = option((), help="The same for tests that are not taken.")
    filter: tuple[str, ...] = option((), help="fmf filters that must all hold: `tag: core & tier: 1`.")
    condition: tuple[str, ...] = option((), help="Python expressions over the metadata that must all hold.")
    link: tuple[str, ...] = option((), help="Links, RELATION:TARGET or TARGET, as expressions; one must be there.")
    context: Mapping[str, str | tuple[str, ...]] = option(
        factory=dict, help="What `adjust` rules are decided by: {distro: fedora-41, arch: x86_64}."
    )
    environment: Mapping[str, str] = option(factory=dict, help="Environment variables of all tests.")
    disabled: bool = option(False, help="Whether tests that are not enabled are taken, too.")
    requires: str = option(
        "check",
        validator=attrs.validators.in_(REQUIRES),
        help="What to do about required packages that are not installed: without them a test is unsupported (check), "
        "they are installed first where the system is root's and has apt or dnf, or it runs nevertheless.",
    )
