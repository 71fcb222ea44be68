"""Discovery: test cases that are written down elsewhere, in a form of their own, and join an experiment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import attrs

from panther_hookspecs.plugins import Descriptor


@attrs.frozen(kw_only=True)
class DiscoveryDescriptor(Descriptor):
    """Announces a source of test cases, which the key ``discover`` of an experiment names."""

    KIND: ClassVar[str] = "discovery"

    find: Callable[[Any, Path], Iterable[Mapping[str, Any]]]
    """Takes the options value and the folder of the experiment, yields test cases as a file would say them.

    The defaults of the experiment hold for them as for any other. ConfigurationException is told at the place where the
    experiment names the source.
    """
