"""What every plugin has in common: the IPlugin interface and the frozen descriptor that announces a capability."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from panther_hookspecs.values import Need


class IPlugin(abc.ABC):
    """Anything that a plugin brings: it has a name, a version, and knows whether a configuration is acceptable."""

    @abc.abstractmethod
    def get_name(self) -> str:
        """Return the name used in YAML."""

    @abc.abstractmethod
    def get_version(self) -> str:
        """Return the version of the distribution that brought it."""

    @abc.abstractmethod
    def validate_configuration(self, config: dict[str, Any]) -> bool:
        """Return whether ``config`` is a complete and correct set of options."""


@attrs.frozen
class Provider:
    """The installed distribution that brought a descriptor; filled in by the engine."""

    plugin: str = ""
    distribution: str = ""
    version: str = ""


@attrs.frozen
class NoOptions:
    """The options of a plugin that has none."""


@attrs.frozen(kw_only=True)
class Descriptor(IPlugin):
    """Announces one capability: its YAML name, its options, and what it needs from the machine.

    Register hooks yield descriptors. From them alone come `panther plugins`, `panther schema`, `panther doctor`
    and the message that says what is missing.
    """

    KIND: ClassVar[str] = ""

    name: str = attrs.field(validator=attrs.validators.matches_re(r"[a-z0-9][a-z0-9_.-]*"))
    summary: str
    options: type[Any] = NoOptions
    """An attrs class; its fields are the keys a user may write, their metadata ``help`` the documentation."""
    needs: tuple[Need, ...] = ()
    provider: Provider = Provider()

    def get_name(self) -> str:
        """Return the name used in YAML."""
        return self.name

    def get_version(self) -> str:
        """Return the version of the distribution that brought it."""
        return self.provider.version

    def validate_configuration(self, config: dict[str, Any]) -> bool:
        """Return whether the options class accepts ``config``."""
        try:
            self.options(**config)
        except (TypeError, ValueError):
            return False
        return True


AUTO = "auto"
"""The value of a parameter that is left to what the services of a case have in common."""


def option(
    default: Any = attrs.NOTHING,
    *,
    help: str,  # noqa: A002 - reads best at the call
    prefer: tuple[str, ...] = (),
    **more: Any,
) -> Any:
    """Declare one option of a plugin: an attrs field whose ``help`` reaches the schema, the docs and the messages.

    A mutable default is given as ``factory=list``; ``validator`` and ``kw_only`` are passed on. ``prefer`` is for a
    scenario's parameter of which services claim values: all values, the most welcome one first; ``auto`` takes it.
    """
    metadata: dict[str, Any] = {"help": help}
    if prefer:
        metadata["prefer"] = prefer
        more.setdefault("validator", attrs.validators.in_((AUTO, *prefer)))
    if "factory" in more:
        return attrs.field(metadata=metadata, **more)
    return attrs.field(default=default, metadata=metadata, **more)


def summary_of(descriptor: Descriptor) -> Mapping[str, str]:
    """Return kind, name and summary, as `panther plugins --json` prints them."""
    return {"kind": descriptor.KIND, "name": descriptor.name, "summary": descriptor.summary}
