"""The contract between PANTHER and its plugins: hooks, frozen values and interfaces.

A plugin imports nothing else of PANTHER. Each name is imported when it is first used, so that a plugin pays for what
it needs: the console asks every installed plugin what it brings before it can print its help.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from panther_hookspecs._markers import (
        API_VERSION,
        PROJECT,
        hookimpl,
        hookspec,
    )
    from panther_hookspecs.attaching import (
        AttachedTool,
        is_running,
        process_names,
        processes_to_attach,
    )
    from panther_hookspecs.commands import (
        CommandProcessor,
        CommandResult,
        Launcher,
        Layer,
        LayerRole,
        Process,
        ServiceCommand,
        ShellCommand,
    )
    from panther_hookspecs.discovery import (
        DiscoveryDescriptor,
    )
    from panther_hookspecs.doors import (
        Doors,
        Proxy,
        door_problems,
        doors_of,
        loopback_recordings,
        streams_can,
    )
    from panther_hookspecs.environments import (
        Context,
        EnvironmentInterface,
        EnvironmentOptions,
        MetricsRecorder,
    )
    from panther_hookspecs.errors import (
        ConfigurationException,
        DockerComposeException,
        EnvironmentUnavailableError,
        ExperimentInitializationError,
        PantherExperimentError,
        PluginValidationError,
        ResourceExhaustionException,
        SystemLostError,
        TestCaseInitializationError,
        TestExecutionError,
        TimeoutCascadeException,
        UnsupportedError,
    )
    from panther_hookspecs.events import (
        BaseEvent,
        BuildEvent,
        CommandExecutionEvent,
        EntityEventEmitterBase,
        EnvironmentProgressEvent,
        EnvironmentSetupEvent,
        EnvironmentTeardownEvent,
        Event,
        ExperimentEvent,
        LinkChangedEvent,
        MetricsCollectionEvent,
        MonitoringStartEvent,
        MonitoringStopEvent,
        ServiceDeploymentEvent,
        ServiceEvent,
        ServiceReadyEvent,
        TestEvent,
        building,
        create_content_based_uuid,
        emitting_to,
    )
    from panther_hookspecs.folded import FoldedProfile, folded_profiles, read_folded
    from panther_hookspecs.groups import (
        ControlGroup,
        abandoned_groups,
        child_below,
        why_not,
    )
    from panther_hookspecs.hosts import (
        CaseExecutor,
        CaseTask,
        Host,
        Job,
        JobEnd,
        Reach,
    )
    from panther_hookspecs.hotspots import (
        HotFunction,
        function_key,
        function_shares,
        function_table,
    )
    from panther_hookspecs.impairments import (
        EVERY_LINK,
        IMPAIRMENTS,
        LINK_ACTIONS,
        Blackhole,
        LinkChange,
        LinkSpec,
        LinkState,
        LinkStep,
        Rebind,
        described_change,
        described_state,
        directions_changed,
        directions_of,
        drop_ranges,
        link_between,
        plain_state,
    )
    from panther_hookspecs.instruments import (
        ExecutionEnvironmentDescriptor,
        ExecutionEnvironmentInterface,
        ExecutionEnvironmentOptions,
        InstrumentTarget,
        MonitoringData,
    )
    from panther_hookspecs.links import (
        LinkDescriptor,
        LinkDoor,
        LinkFlow,
        LinkPort,
        LinkSetup,
        LinkTask,
        chosen_link,
        described_flows,
        report_links,
        tell_switch,
    )
    from panther_hookspecs.loads import (
        LOAD_REPORT,
        LOAD_REQUESTS,
        LoadReport,
        LoadRequest,
        check_load,
        load_measurements,
        read_load,
        read_requests,
    )
    from panther_hookspecs.local import (
        LocalNetworkEnvironment,
    )
    from panther_hookspecs.medians import (
        Interval,
        median,
        median_interval,
        percentile,
        values_needed_for_interval,
    )
    from panther_hookspecs.networks import (
        BaseNetworkEnvironment,
        Endpoint,
        Leftover,
        NetworkEnvironmentDescriptor,
        NetworkEnvironmentInterface,
        NetworkEnvironmentOptions,
        NetworkPlan,
        Observations,
        ResourceLimits,
        ServiceLaunch,
        ServiceNotReadyError,
        ServiceSpec,
    )
    from panther_hookspecs.outputs import (
        CommandContext,
        CommandDescriptor,
        Figure,
        IObserver,
        Observer,
        ObserverContext,
        ObserverDescriptor,
        ReportDescriptor,
        RunView,
    )
    from panther_hookspecs.plugins import (
        AUTO,
        Descriptor,
        IPlugin,
        NoOptions,
        Provider,
        option,
        summary_of,
    )
    from panther_hookspecs.pool import (
        Provisioner,
        ProvisionerDescriptor,
        System,
        TestCandidate,
    )
    from panther_hookspecs.protocols import (
        IProtocolPlugin,
        ProtocolDescriptor,
        Role,
        ScenarioEvidence,
        TestScenario,
    )
    from panther_hookspecs.readiness import (
        ReadinessWatch,
    )
    from panther_hookspecs.recordings import RecordedPlace, Recording
    from panther_hookspecs.replays import (
        REPLAY_REPORT,
        check_replay,
    )
    from panther_hookspecs.services import (
        ImageRecipe,
        IServicePlugin,
        Output,
        Readiness,
        ServiceContext,
        ServiceDescriptor,
        ServiceManager,
        ServicePlan,
    )
    from panther_hookspecs.specs import (
        SPECIFICATIONS,
        CaseInfo,
        CaseSpecs,
        ChooseSpecs,
        EnvironmentSpecs,
        EventSpecs,
        PhaseSpecs,
        RegisterSpecs,
        RunInfo,
    )
    from panther_hookspecs.states import (
        StateManager,
    )
    from panther_hookspecs.testtypes import (
        EARLIER_RUN,
        MOMENTS,
        CaseControl,
        CaseOutline,
        Stage,
        StageResult,
        TestTypeDescriptor,
        last_run_began,
    )
    from panther_hookspecs.units import (
        Age,
        BitRate,
        Bytes,
        Lapse,
        Quantity,
        Seconds,
        Share,
    )
    from panther_hookspecs.values import (
        Artifact,
        CheckResult,
        Evidence,
        ExitStatus,
        ExperimentPhase,
        Finding,
        Measurement,
        Message,
        Need,
        Problem,
        Usage,
        Verdict,
    )

_NAMES_OF_MODULE = {
    "_markers": "API_VERSION PROJECT hookimpl hookspec",
    "attaching": "AttachedTool is_running process_names processes_to_attach",
    "commands": "CommandProcessor CommandResult Launcher Layer LayerRole Process ServiceCommand ShellCommand",
    "doors": "Doors Proxy door_problems doors_of loopback_recordings streams_can",
    "environments": "Context EnvironmentInterface EnvironmentOptions MetricsRecorder",
    "errors": (
        "ConfigurationException DockerComposeException EnvironmentUnavailableError "
        "ExperimentInitializationError PantherExperimentError PluginValidationError "
        "ResourceExhaustionException SystemLostError TestCaseInitializationError TestExecutionError "
        "TimeoutCascadeException UnsupportedError"
    ),
    "events": (
        "BaseEvent BuildEvent CommandExecutionEvent EntityEventEmitterBase EnvironmentProgressEvent "
        "EnvironmentSetupEvent EnvironmentTeardownEvent Event ExperimentEvent LinkChangedEvent MetricsCollectionEvent "
        "MonitoringStartEvent MonitoringStopEvent ServiceDeploymentEvent ServiceEvent ServiceReadyEvent "
        "TestEvent building create_content_based_uuid emitting_to"
    ),
    "groups": "ControlGroup abandoned_groups child_below why_not",
    "folded": "FoldedProfile folded_profiles read_folded",
    "hotspots": "HotFunction function_key function_shares function_table",
    "hosts": "CaseExecutor CaseTask Host Job JobEnd Reach",
    "impairments": (
        "EVERY_LINK IMPAIRMENTS LINK_ACTIONS Blackhole LinkChange LinkSpec LinkState LinkStep Rebind "
        "described_change described_state directions_changed directions_of drop_ranges link_between "
        "plain_state"
    ),
    "instruments": (
        "ExecutionEnvironmentDescriptor ExecutionEnvironmentInterface ExecutionEnvironmentOptions "
        "InstrumentTarget MonitoringData"
    ),
    "links": (
        "LinkDescriptor LinkDoor LinkFlow LinkPort LinkSetup LinkTask chosen_link described_flows "
        "report_links tell_switch"
    ),
    "local": "LocalNetworkEnvironment",
    "loads": ("LOAD_REPORT LOAD_REQUESTS LoadReport LoadRequest check_load load_measurements read_load read_requests"),
    "medians": "Interval median median_interval percentile values_needed_for_interval",
    "networks": (
        "BaseNetworkEnvironment Endpoint Leftover NetworkEnvironmentDescriptor NetworkEnvironmentInterface "
        "NetworkEnvironmentOptions NetworkPlan Observations ResourceLimits ServiceLaunch ServiceNotReadyError "
        "ServiceSpec"
    ),
    "discovery": "DiscoveryDescriptor",
    "outputs": (
        "CommandContext CommandDescriptor Figure IObserver Observer ObserverContext ObserverDescriptor "
        "ReportDescriptor RunView"
    ),
    "plugins": "AUTO Descriptor IPlugin NoOptions Provider option summary_of",
    "pool": "Provisioner ProvisionerDescriptor System TestCandidate",
    "protocols": "IProtocolPlugin ProtocolDescriptor Role ScenarioEvidence TestScenario",
    "readiness": "ReadinessWatch",
    "recordings": "RecordedPlace Recording",
    "replays": "REPLAY_REPORT check_replay",
    "services": (
        "IServicePlugin ImageRecipe Output Readiness ServiceContext ServiceDescriptor ServiceManager ServicePlan"
    ),
    "specs": (
        "CaseInfo CaseSpecs ChooseSpecs EnvironmentSpecs EventSpecs PhaseSpecs RegisterSpecs RunInfo SPECIFICATIONS"
    ),
    "states": "StateManager",
    "testtypes": "EARLIER_RUN last_run_began MOMENTS CaseControl CaseOutline Stage StageResult TestTypeDescriptor",
    "units": "Age BitRate Bytes Lapse Quantity Seconds Share",
    "values": (
        "Artifact CheckResult Evidence ExitStatus ExperimentPhase Finding Measurement Message Need Problem "
        "Usage Verdict"
    ),
}
_HOME = {name: module for module, names in _NAMES_OF_MODULE.items() for name in names.split()}

__all__ = [
    "API_VERSION",
    "AUTO",
    "EARLIER_RUN",
    "EVERY_LINK",
    "IMPAIRMENTS",
    "LINK_ACTIONS",
    "LOAD_REPORT",
    "LOAD_REQUESTS",
    "MOMENTS",
    "PROJECT",
    "REPLAY_REPORT",
    "SPECIFICATIONS",
    "Age",
    "Artifact",
    "AttachedTool",
    "BaseEvent",
    "BaseNetworkEnvironment",
    "BitRate",
    "Blackhole",
    "BuildEvent",
    "Bytes",
    "CaseControl",
    "CaseExecutor",
    "CaseInfo",
    "CaseOutline",
    "CaseSpecs",
    "CaseTask",
    "CheckResult",
    "ChooseSpecs",
    "CommandContext",
    "CommandDescriptor",
    "CommandExecutionEvent",
    "CommandProcessor",
    "CommandResult",
    "ConfigurationException",
    "Context",
    "ControlGroup",
    "Descriptor",
    "DiscoveryDescriptor",
    "DockerComposeException",
    "Doors",
    "Endpoint",
    "EntityEventEmitterBase",
    "EnvironmentInterface",
    "EnvironmentOptions",
    "EnvironmentProgressEvent",
    "EnvironmentSetupEvent",
    "EnvironmentSpecs",
    "EnvironmentTeardownEvent",
    "EnvironmentUnavailableError",
    "Event",
    "EventSpecs",
    "Evidence",
    "ExecutionEnvironmentDescriptor",
    "ExecutionEnvironmentInterface",
    "ExecutionEnvironmentOptions",
    "ExitStatus",
    "ExperimentEvent",
    "ExperimentInitializationError",
    "ExperimentPhase",
    "Figure",
    "Finding",
    "FoldedProfile",
    "Host",
    "HotFunction",
    "IObserver",
    "IPlugin",
    "IProtocolPlugin",
    "IServicePlugin",
    "ImageRecipe",
    "InstrumentTarget",
    "Interval",
    "Job",
    "JobEnd",
    "Lapse",
    "Launcher",
    "Layer",
    "LayerRole",
    "Leftover",
    "LinkChange",
    "LinkChangedEvent",
    "LinkDescriptor",
    "LinkDoor",
    "LinkFlow",
    "LinkPort",
    "LinkSetup",
    "LinkSpec",
    "LinkState",
    "LinkStep",
    "LinkTask",
    "LoadReport",
    "LoadRequest",
    "LocalNetworkEnvironment",
    "Measurement",
    "Message",
    "MetricsCollectionEvent",
    "MetricsRecorder",
    "MonitoringData",
    "MonitoringStartEvent",
    "MonitoringStopEvent",
    "Need",
    "NetworkEnvironmentDescriptor",
    "NetworkEnvironmentInterface",
    "NetworkEnvironmentOptions",
    "NetworkPlan",
    "NoOptions",
    "Observations",
    "Observer",
    "ObserverContext",
    "ObserverDescriptor",
    "Output",
    "PantherExperimentError",
    "PhaseSpecs",
    "PluginValidationError",
    "Problem",
    "Process",
    "ProtocolDescriptor",
    "Provider",
    "Provisioner",
    "ProvisionerDescriptor",
    "Proxy",
    "Quantity",
    "Reach",
    "Readiness",
    "ReadinessWatch",
    "Rebind",
    "RecordedPlace",
    "Recording",
    "RegisterSpecs",
    "ReportDescriptor",
    "ResourceExhaustionException",
    "ResourceLimits",
    "Role",
    "RunInfo",
    "RunView",
    "ScenarioEvidence",
    "Seconds",
    "ServiceCommand",
    "ServiceContext",
    "ServiceDeploymentEvent",
    "ServiceDescriptor",
    "ServiceEvent",
    "ServiceLaunch",
    "ServiceManager",
    "ServiceNotReadyError",
    "ServicePlan",
    "ServiceReadyEvent",
    "ServiceSpec",
    "Share",
    "ShellCommand",
    "Stage",
    "StageResult",
    "StateManager",
    "System",
    "SystemLostError",
    "TestCandidate",
    "TestCaseInitializationError",
    "TestEvent",
    "TestExecutionError",
    "TestScenario",
    "TestTypeDescriptor",
    "TimeoutCascadeException",
    "UnsupportedError",
    "Usage",
    "Verdict",
    "abandoned_groups",
    "building",
    "check_load",
    "check_replay",
    "child_below",
    "chosen_link",
    "create_content_based_uuid",
    "described_change",
    "described_flows",
    "described_state",
    "directions_changed",
    "directions_of",
    "door_problems",
    "doors_of",
    "drop_ranges",
    "emitting_to",
    "folded_profiles",
    "function_key",
    "function_shares",
    "function_table",
    "hookimpl",
    "hookspec",
    "is_running",
    "last_run_began",
    "link_between",
    "load_measurements",
    "loopback_recordings",
    "median",
    "median_interval",
    "option",
    "percentile",
    "plain_state",
    "process_names",
    "processes_to_attach",
    "read_folded",
    "read_load",
    "read_requests",
    "report_links",
    "streams_can",
    "summary_of",
    "tell_switch",
    "values_needed_for_interval",
    "why_not",
]


def __getattr__(name: str) -> Any:
    """Import a name of the contract when it is used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
