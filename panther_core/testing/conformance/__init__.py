"""What each kind of plugin must keep, as pytest classes: subclass the one of your kind and name your plugin module.

class TestMyThing(ServiceConformance):
plugin = "panther_service_my_thing.plugin"
name = "my-thing"
"""

from __future__ import annotations

from panther_core.testing.conformance.base import PluginConformance
from panther_core.testing.conformance.instrument import ExecutionEnvironmentConformance, Planted
from panther_core.testing.conformance.network import NetworkEnvironmentConformance
from panther_core.testing.conformance.outputs import CommandConformance, ObserverConformance, ReportConformance
from panther_core.testing.conformance.pool import ProvisionerConformance
from panther_core.testing.conformance.protocol import ProtocolConformance
from panther_core.testing.conformance.sample import sample_run
from panther_core.testing.conformance.service import ServiceConformance
from panther_core.testing.conformance.testtype import TestTypeConformance

__all__ = [
    "CommandConformance",
    "ExecutionEnvironmentConformance",
    "NetworkEnvironmentConformance",
    "ObserverConformance",
    "Planted",
    "PluginConformance",
    "ProtocolConformance",
    "ProvisionerConformance",
    "ReportConformance",
    "ServiceConformance",
    "TestTypeConformance",
    "sample_run",
]
