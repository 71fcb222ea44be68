"""The scenarios of MQTT and their parameters."""

from __future__ import annotations

import attrs

from panther_hookspecs import Bytes, Seconds, TestScenario, option
from panther_protocol_mqtt.judging import check_of, measure, silence, survival, wills

VERSIONS = ("3.1.1", "5")
_QOS = (0, 1, 2)
_LARGEST = Bytes(1 << 26)
_VERSION_HELP = "Version of the protocol that the clients speak: 3.1.1 or 5."
_in_versions = attrs.validators.in_(VERSIONS)
_in_qos = attrs.validators.in_(_QOS)


@attrs.frozen(kw_only=True)
class Parameters:
    """What all scenarios have."""

    version: str = option("3.1.1", validator=_in_versions, help=_VERSION_HELP)
    qos: int = option(1, validator=_in_qos, help="Quality of service, of publisher and subscriber.")


@attrs.frozen(kw_only=True)
class CountParameters(Parameters):
    """How many messages."""

    count: int = option(20, validator=attrs.validators.ge(1), help="Number of messages.")


@attrs.frozen(kw_only=True)
class PublishParameters(CountParameters):
    """How many messages of which size."""

    size: int = option(32, validator=attrs.validators.ge(16), help="Bytes in every message, at least 16.")


@attrs.frozen(kw_only=True)
class RetainedParameters(CountParameters):
    """How many topics."""

    count: int = option(5, validator=attrs.validators.ge(1), help="Number of topics.")


@attrs.frozen(kw_only=True)
class SessionParameters(CountParameters):
    """How many messages are waiting."""

    qos: int = option(1, validator=attrs.validators.in_((1, 2)), help="Quality of service; nothing waits with 0.")


@attrs.frozen(kw_only=True)
class LargeParameters(Parameters):
    """How large the messages are."""

    count: int = option(2, validator=attrs.validators.ge(1), help="Number of messages.")
    size: Bytes = option(
        Bytes(1 << 20),
        validator=[attrs.validators.ge(16), attrs.validators.le(_LARGEST)],
        help="Size of every message, at most 64MiB.",
    )


@attrs.frozen(kw_only=True)
class KeepaliveParameters(Parameters):
    """How long nothing is said."""

    keepalive: int = option(5, validator=attrs.validators.ge(5), help="Keepalive of the publisher in seconds.")
    silence: Seconds = option(
        Seconds(8), validator=attrs.validators.ge(0), help="Pause between its two messages; longer than 1.5 keepalives."
    )


SCENARIOS = (
    TestScenario(
        name="publish",
        summary="All messages arrive unchanged and in order, as often as their quality of service says",
        check=check_of("publish"),
        parameters=PublishParameters,
        measure=measure,
    ),
    TestScenario(
        name="connect",
        summary="Clients connect in the version asked for; one message shows that it works",
        check=check_of("connect"),
        parameters=Parameters,
    ),
    TestScenario(
        name="retained",
        summary="Who subscribes late gets the newest retained message of every topic, and none that was cleared",
        check=check_of("retained"),
        parameters=RetainedParameters,
    ),
    TestScenario(
        name="will",
        summary="The last will of a client that dies is published, that of one that leaves is not",
        check=check_of("will", wills),
        parameters=Parameters,
    ),
    TestScenario(
        name="session",
        summary="Messages wait for a subscriber with a persistent session until it is back",
        check=check_of("session"),
        parameters=SessionParameters,
    ),
    TestScenario(
        name="wildcards",
        summary="Filters with + and # select what they should, and nothing else",
        check=check_of("wildcards"),
        parameters=Parameters,
    ),
    TestScenario(
        name="keepalive",
        summary="A connection survives a silence longer than its keepalive",
        check=check_of("keepalive", silence),
        parameters=KeepaliveParameters,
    ),
    TestScenario(
        name="malformed",
        summary="The broker closes connections with malformed packets and serves everybody else",
        check=check_of("malformed", survival),
        parameters=Parameters,
    ),
    TestScenario(
        name="large",
        summary="Messages of megabytes arrive unchanged",
        check=check_of("large"),
        parameters=LargeParameters,
        measure=measure,
    ),
)
"""The first is the default."""
