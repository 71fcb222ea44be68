"""What is installed, by kind and name: descriptors, each with the distribution that brought it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import TypeVar

import attrs

from panther_hookspecs import Descriptor, PluginValidationError

DescriptorT = TypeVar("DescriptorT", bound=Descriptor)


class UnknownNameError(PluginValidationError):
    """No plugin brings that name; the message lists what exists and what is nearest."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        """Say that there is no ``kind`` called ``name`` among ``known``."""
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        self.nearest = tuple(difflib.get_close_matches(name, self.known, n=1))
        hint = f" - did you mean {self.nearest[0]!r}?" if self.nearest else ""
        listed = ", ".join(self.known) or "none is installed"
        super().__init__(f"no {kind.replace('_', ' ')} {name!r}{hint} (installed: {listed})")


@attrs.define
class Registry:
    """All descriptors of one PANTHER, found by their class and their name."""

    _by_kind: dict[str, dict[str, Descriptor]] = attrs.field(factory=dict)

    def add(self, descriptor: Descriptor) -> None:
        """Add a descriptor; a second one of the same kind and name is refused, naming both distributions."""
        same_kind = self._by_kind.setdefault(descriptor.KIND, {})
        other = same_kind.get(descriptor.name)
        if other is not None:
            raise PluginValidationError(
                f"two plugins bring the {descriptor.KIND.replace('_', ' ')} {descriptor.name!r}: "
                f"{_origin(other)} and {_origin(descriptor)}\n  try: uninstall or block one of them (-p no:NAME)"
            )
        same_kind[descriptor.name] = descriptor

    def get(self, kind: type[DescriptorT], name: str) -> DescriptorT:
        """Return the descriptor of that kind and name; UnknownNameError lists what exists."""
        found = self._by_kind.get(kind.KIND, {}).get(name)
        if not isinstance(found, kind):
            raise UnknownNameError(kind.KIND, name, self.names(kind))
        return found

    def names(self, kind: type[Descriptor]) -> tuple[str, ...]:
        """Return the sorted names of one kind."""
        return tuple(sorted(self._by_kind.get(kind.KIND, {})))

    def all(self, kind: type[DescriptorT]) -> tuple[DescriptorT, ...]:
        """Return the descriptors of one kind, sorted by name."""
        return tuple(self.get(kind, name) for name in self.names(kind))

    def __iter__(self) -> Iterator[Descriptor]:
        """Iterate over everything, by kind and name."""
        for kind in sorted(self._by_kind):
            for name in sorted(self._by_kind[kind]):
                yield self._by_kind[kind][name]


def _origin(descriptor: Descriptor) -> str:
    provider = descriptor.provider
    return f"{provider.distribution} {provider.version}".strip() or provider.plugin or "an unnamed plugin"
