"""Every mistake in an experiment file is named where it stands, all of them at once, and never as a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from panther_core.config import (
    Diagnostic,
    InvalidConfigurationError,
    load_experiment,
)
from panther_core.registry import Registry
from panther_hookspecs import (
    ExecutionEnvironmentDescriptor,
    ExecutionEnvironmentOptions,
    NetworkEnvironmentDescriptor,
    ObserverDescriptor,
    ProtocolDescriptor,
    Role,
    Seconds,
    ServiceDescriptor,
    TestScenario,
    TestTypeDescriptor,
    option,
)


@attrs.frozen(kw_only=True)
class Options:
    variant: str = option("plain", help="Variant.", validator=attrs.validators.in_(("plain", "random")))
    count: int = option(1, help="How many.", validator=attrs.validators.ge(1))
    pause: Seconds = option(Seconds(0), help="Pause.")
    args: tuple[str, ...] = option((), help="Arguments.")


@attrs.frozen(kw_only=True)
class Parameters:
    count: int = option(1, help="How many.")


@attrs.frozen
class Broken:
    value: "Nowhere" = None  # type: ignore[name-defined]  # noqa: F821, UP037 - a plugin's mistake


@attrs.frozen
class Refusing:
    value: int = option(1, help="A value.")

    def __attrs_post_init__(self) -> None:
        raise KeyError("surprise")


def never(*_: object) -> Any:
    raise AssertionError("planning makes nothing")


@pytest.fixture(scope="module")
def registry() -> Registry:
    found = Registry()
    scenarios = (
        TestScenario(name="ping", summary="Ping", check=lambda _: (), parameters=Parameters),
        TestScenario(name="fuzz", summary="Fuzz", check=lambda _: ()),
    )
    roles = (Role(name="server"), Role(name="client", target="server"))
    for descriptor in (
        ProtocolDescriptor(name="minip", summary="Toy", roles=roles, scenarios=scenarios),
        ProtocolDescriptor(
            name="chat", summary="Other", roles=(Role(name="peer", target="peer"),), scenarios=scenarios
        ),
        ServiceDescriptor(
            name="pong",
            summary="Does all",
            protocol="minip",
            roles=("server", "client"),
            versions=("1", "2"),
            options=Options,
            factory=never,
        ),
        ServiceDescriptor(name="talker", summary="Chats", protocol="chat", factory=never),
        ServiceDescriptor(name="any", summary="Anything", factory=never),
        ServiceDescriptor(name="broken", summary="Broken", protocol="minip", options=Broken, factory=never),
        ServiceDescriptor(name="refusing", summary="Refuses", protocol="minip", options=Refusing, factory=never),
        NetworkEnvironmentDescriptor(name="localhost", summary="Here", factory=never),
        NetworkEnvironmentDescriptor(
            name="netns",
            summary="Namespaces",
            factory=never,
            capabilities=frozenset({"delay", "loss", "capture", "ipv6", "limits"}),
        ),
        ExecutionEnvironmentDescriptor(name="strace", summary="Calls", factory=never),
        ExecutionEnvironmentDescriptor(
            name="helgrind",
            summary="Races",
            factory=never,
            excludes={"strace": "both need ptrace"},
            options=ExecutionEnvironmentOptions,
        ),
        TestTypeDescriptor(name="functional", summary="Runs", stages=()),
        ObserverDescriptor(name="storage", summary="Stores", factory=never, default=True),
        ObserverDescriptor(name="trace", summary="Traces", factory=never),
    ):
        found.add(descriptor)
    return found


HEAD = "name: x\nprotocol: minip\nnetwork_environment: localhost\n"
CASE = "test_cases:\n- name: a\n  services:\n    server: pong\n    client: pong\n"


def found_at(diagnostic: Diagnostic) -> str:
    """Return what stands at the place of a diagnostic, up to the end of its line."""
    return diagnostic.mark.source.lines[diagnostic.line - 1][diagnostic.column - 1 :]


def errors(folder: Path, registry: Registry, text: str, sets: tuple[str, ...] = ()) -> tuple[Diagnostic, ...]:
    path = folder / "x.yaml"
    path.write_text(text)
    try:
        load_experiment(path, registry, sets=sets, environ={})
    except InvalidConfigurationError as error:
        return error.diagnostics
    return ()


@pytest.mark.parametrize(
    ("lines", "where", "message"),
    [
        ("  scenario: pang", "pang", "minip has no scenario 'pang' - did you mean 'ping'? (it has: ping, fuzz)"),
        ("  scenario: 3", "3", "minip has no scenario 3 (it has: ping, fuzz)"),
        ("  parameters: {cuont: 3}", "cuont", "unknown key 'cuont' - did you mean 'count'? (allowed: count)"),
        ("  parameters: {count: 1.0}", "1.0", "expected a whole number, got 1.0"),
        ("  scenario: fuzz\n  parameters: {count: 1}", "count", "unknown key 'count' (allowed: none)"),
        (
            "  network_environment: locahost",
            "locahost",
            "no network environment 'locahost' - did you mean 'localhost'? (installed: localhost, netns)",
        ),
        (
            "  network_environment: shadow",
            "shadow",
            (
                "no network environment 'shadow' (installed: localhost, netns)"
                " - plugins are packages such as panther-env-shadow: pip install one that brings it"
            ),
        ),
        ("  execution_environments: [{cleanup_on_exit: true}]", "{cleanup_on_exit", "the key 'type' is missing"),
        (
            "  network_environment: {type: netns, tpye: 1}",
            "tpye",
            "unknown key 'tpye' of netns - did you mean 'type'?",
        ),
        ("  network_environment: {type: netns, cleanup_on_exit: no}", "no", "expected true or false, got 'no'"),
        (
            "  network_environment: {type: netns, logging_level: loud}",
            "loud",
            "expected one of debug, info, warning, error, got 'loud'",
        ),
        ("  network_environment: [netns]", "[netns", "expected a mapping, got a list"),
        (
            "  execution_environments: [strace, {type: helgrind}]",
            "{type",
            "helgrind and strace cannot both watch server, client: both need ptrace",
        ),
        (
            "  execution_environments: [strace, strace]",
            "strace",
            "strace and strace cannot both watch server, client: it is the same instrument twice",
        ),
        (
            "  execution_environments: [{type: strace, services: [serer]}]",
            "[serer",
            "no service 'serer' - did you mean 'server'? (there are: server, client)",
        ),
        (
            "  execution_environments: [{type: strace, output_directory: ../../else}]",
            "../../else",
            "expected a folder below the attempt's folder, a relative path without .., got '../../else'",
        ),
        (
            "  execution_environment: gdb",
            "gdb",
            (
                "no execution environment 'gdb' (installed: helgrind, strace)"
                " - plugins are packages such as panther-profiler-gdb: pip install one that brings it"
            ),
        ),
        (
            "  type: perfomance",
            "perfomance",
            (
                "no test type 'perfomance' (installed: functional)"
                " - plugins are packages such as panther-test-perfomance: pip install one that brings it"
            ),
        ),
        (
            "  links: {client-srver: {}}",
            "client-srver",
            (
                "the link 'client-srver' does not join two services - did you mean 'client-server'? "
                "(links: server-client, client-server, server->client, client->server, *)"
            ),
        ),
        ("  links: {client-server: {delay: 1ms}}", "1ms", "localhost cannot do delay (environments that can: netns)"),
        (
            "  links: {client-server: {}, server-client: {}}",
            "server-client",
            "the links 'client-server' and 'server-client' are the same: one of them has to go",
        ),
        (
            "  links: {client-server: {queue: 25}}",
            "{queue",
            "queue needs a rate: without one no packet has to wait for others",
        ),
        (
            "  links: {client->server: {drop: [3, 7-2]}}",
            "[3",
            "drop lists packets by number, the first is 1: [3] or [2-7, 12], not '7-2'",
        ),
        (
            "  links: {client-server: {steps: [{at: 2s, do: explode}]}}",
            "explode",
            "expected one of set, blackhole, partition, heal, lose, rebind, got 'explode'",
        ),
        (
            "  links: {client-server: {blackhole: {on: 5s}}}",
            "{on",
            "the key 'off' is missing (How long they vanish after that)",
        ),
        ("  links: {'*': {loss: 120%}}", "120", "expected a share between 0 and 1 (0% and 100%), got '120%'"),
        (
            "  network_environment: netns\n  links: {'*': {rate: 1Mbit}}",
            "1Mbit",
            "netns cannot do rate (environments that can: none installed)",
        ),
        ("  capture: true", "true", "localhost cannot do capture (environments that can: netns)"),
        (
            "  network_environment: {type: localhost, resource_limits: {server: {cpu: 1}}}",
            "{server",
            "localhost cannot do limits (environments that can: netns)",
        ),
        (
            "  checks: [{exit_code: {service: clent}}]",
            "clent",
            "no service 'clent' - did you mean 'client'? (there are: server, client)",
        ),
        (
            "  checks: [{exitcode: 0}]",
            "exitcode",
            "no kind of check 'exitcode' - did you mean 'exit_code'? (allowed: exit_code, log, file, that)",
        ),
        (
            "  checks: [{log: {service: client, matches: '['}}]",
            "'['",
            "matches is no regular expression: unterminated character set at position 0",
        ),
        ("  checks: [that]", "that", "a check is a mapping with one key, its kind (exit_code, log, file, that)"),
        ("  checks: {that: x}", "{that", "expected a list of checks, got a mapping"),
        (
            "  expect: passed",
            "passed",
            "expected a verdict, got 'passed' - did you mean 'pass'?",
        ),
        (
            "  expect: [{when: {clent: pong}, verdict: fail}]",
            "clent",
            "no axis 'clent' - did you mean 'client'?",
        ),
        ("  expect: [{when: {client: pong}}]", "{client", "a rule is {when: {axis: value}, verdict: ..., reason: ...}"),
        ("  timeout: 0", "0", "must be more than 0, got 0"),
        ("  repeat: 0", "0", "must be >= 1: 0"),
        ("  retry_count: -1", "-1", "must be >= 0: -1"),
        ("  labels: root", "root", "expected a list, got 'root' - write [root]"),
        ("  tiemout: 3s", "tiemout", "unknown key 'tiemout' of a test case - did you mean 'timeout'?"),
        (
            "  matrix: {clnt: [pong]}",
            "clnt",
            "no axis 'clnt': an axis is a service or a key path - did you mean 'client'?",
        ),
        ("  matrix: {name: [a]}", "name", "no axis 'name': an axis is a service or a key path"),
        ("  matrix: {client: []}", "[", "an axis is a list of at least one value"),
        ("  matrix: {client: pong}", "pong", "an axis is a list of at least one value"),
        ("  matrix: {client: [pong, pong]}", "pong", "the value pong is already on this axis"),
        (
            "  matrix: {client: [pong, pung]}",
            "pung",
            (
                "no service 'pung' - did you mean 'pong'? (installed: any, broken, pong, "
                "refusing, talker) (with client=pung)"
            ),
        ),
        (
            "  matrix: {client: [pong], services.client: [any]}",
            "services.client",
            "changes the same as the axis 'client'",
        ),
        ("  matrix: {client.count: [1, x]}", "x", "expected a whole number, got 'x' (with client.count=x)"),
        (
            "  matrix: {client: [pong], exclude: [{clint: pong}]}",
            "clint",
            "no axis 'clint' - did you mean 'client'? (axes: client)",
        ),
        (
            "  matrix: {client: [pong], exclude: [{client: any}]}",
            "any",
            "the axis 'client' has no value any (it has: pong)",
        ),
        ("  matrix: {client: [pong], include: [{client: pong}]}", "{client", "this cell is already in the matrix"),
        ("  matrix: {client: [pong], include: pong}", "pong", "include is a list of mappings from axes to values"),
        (
            "  matrix: {timeout: '*'}",
            "'*'",
            "'*' stands for the implementations of a service or the scenarios of a protocol",
        ),
        ("  services: [pong]", "[pong", "services are a mapping from their names to implementations"),
    ],
)
def test_a_mistake_in_a_test_case_is_named_where_it_stands(
    tmp_path: Path, registry: Registry, lines: str, where: str, message: str
) -> None:
    text = HEAD + CASE + lines + "\n"
    if lines.startswith("  services"):
        text = text.replace("  services:\n    server: pong\n    client: pong\n", "")
    found = errors(tmp_path, registry, text)
    assert [found_at(each).startswith(where) for each in found] == [True]
    assert found[0].message.startswith(message)


@pytest.mark.parametrize(
    ("services", "where", "message"),
    [
        ("{server: pong, client: {implementation: pung}}", "pung", "no service 'pung' - did you mean 'pong'?"),
        (
            "{server: pong, client: {implementation: aioquic}}",
            "aioquic",
            (
                "no service 'aioquic' (installed: any, broken, pong, refusing, "
                "talker) - plugins are packages such as panther-service-aioquic: pip install one that brings it"
            ),
        ),
        ("{server: pong, client: {variant: plain}}", "{variant", "the key 'implementation' is missing (its name)"),
        (
            "{server: pong, client: {implementation: pong, vraiant: plain}}",
            "vraiant",
            "unknown key 'vraiant' of pong - did you mean 'variant'?",
        ),
        (
            "{server: pong, client: {implementation: pong, variant: plian}}",
            "plian",
            "expected one of plain, random, got 'plian' - did you mean 'plain'?",
        ),
        ("{server: pong, client: {implementation: pong, pause: 3 bananas}}", "3", "expected a number with a unit"),
        (
            "{server: pong, client: {implementation: pong, version: '3'}}",
            "'3'",
            "pong has no version '3' (it has: 1, 2)",
        ),
        (
            "{server: pong, client: {implementation: pong, version: 1.10}}",
            "1.10",
            "expected a text, got 1.1 - quote it: '1.1'",
        ),
        (
            "{server: pong, client: {implementation: pong, role: clinet}}",
            "clinet",
            "minip has no role 'clinet' - did you mean 'client'? (it has: server, client)",
        ),
        ("{server: pong, me: pong}", "pong", "the role of 'me' is not clear: add role (server, client)"),
        (
            "{server: pong, client: {implementation: pong, target: sever}}",
            "sever",
            "no service 'sever' - did you mean 'server'? (there are: server, client)",
        ),
        (
            "{server: pong, client: {implementation: pong, target: client}}",
            "client",
            "'client' is no server but a client (server: server)",
        ),
        ("{client: pong}", "pong", "a client talks to a server, and there is none: add a service with role server"),
        (
            "{server: pong, s2: {implementation: pong, role: server}, client: pong}",
            "pong",
            "a client talks to a server, and there are server, s2: add target",
        ),
        (
            "{server: {implementation: pong, depends_on: [clent]}, client: pong}",
            "[clent",
            "'server' waits for 'clent', and there is no such service - did you mean 'client'?",
        ),
        (
            (
                "{server: {implementation: pong, depends_on: [client]}, client: {implementation: pong, "
                "depends_on: [server]}}"
            ),
            "[client",
            "'server' waits for itself: server -> client -> server",
        ),
        (
            "{server: {implementation: pong, depends_on: [server]}, client: pong}",
            "[server",
            "'server' waits for itself: server -> server",
        ),
        (
            "{server: talker, client: pong}",
            "talker",
            "talker speaks chat, not minip (implementations of minip: broken, pong, refusing)",
        ),
        (
            "{server: pong, client: {implementation: any, target: server, environment: {A: 1}}}",
            "1",
            "expected a text, got 1",
        ),
        (
            "{server: {implementation: pong, args: ['[{self.ip6}]']}, client: pong}",
            "{implementation",
            "localhost cannot do ipv6",
        ),
        (
            "{server: pong, client: broken}",
            "broken",
            "the plugin that brings 'broken' cannot read its options: NameError",
        ),
        (
            "{server: pong, client: refusing}",
            "refusing",
            "the plugin that brings 'refusing' cannot read its options: KeyError: 'surprise'",
        ),
        (
            "{server: pong, client: pong, '1st': {implementation: pong, role: client}}",
            "'1st'",
            "'1st' is no name for a service: letters, digits, - and _, a letter first",
        ),
        (
            "{server: pong, client: pong, '../x': {implementation: pong, role: client}}",
            "'../x'",
            "'../x' is no name for a service",
        ),
        ("{}", "{name", "there is nobody to run: add services, or implementation"),
    ],
)
def test_a_mistake_in_the_services_is_named_where_it_stands(
    tmp_path: Path, registry: Registry, services: str, where: str, message: str
) -> None:
    found = errors(tmp_path, registry, f"{HEAD}test_cases:\n- {{name: a, services: {services}}}\n")
    assert found[0].message.startswith(message)
    assert found_at(found[0]).startswith(where)
    assert len(found) == 1 + ("waits for itself: server -> client" in message)


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("[1]\n", ["1:1 an experiment is a mapping of keys such as name, protocol, test_cases"]),
        ("name: x\n", ["1:1 the key 'test_cases' must be a list of at least one test case"]),
        ("name: x\ntest_case: []\n", ["2:1 unknown key 'test_case' - did you mean 'test_cases'?"]),
        (HEAD + "test_cases: []\n", ["4:13 the key 'test_cases' must be a list of at least one test case"]),
        (HEAD + "test_cases: [x]\n", ["4:14 a test case is a mapping of keys such as name, scenario, services"]),
        (HEAD.replace("name: x\n", "") + CASE, ["1:1 the key 'name' is missing (Name of the experiment)"]),
        (
            HEAD.replace("name: x\n", "name: ''\n") + CASE,
            ["1:7 a name is one line of at most 200 printable characters, got ''"],
        ),
        (HEAD + "seed: -1\n" + CASE, ["4:7 must be >= 0: -1"]),
        (HEAD + "seed: yes\n" + CASE, ["4:7 expected a whole number, got 'yes'"]),
        (
            HEAD.replace("protocol: minip\n", "") + CASE,
            ["6:13 pong speaks minip: add protocol: minip", "7:13 pong speaks minip: add protocol: minip"],
        ),
        (
            HEAD.replace("minip", "minpi") + CASE,
            ["2:11 no protocol 'minpi' - did you mean 'minip'? (installed: chat, minip)"],
        ),
        (
            HEAD.replace("network_environment: localhost\n", "") + CASE,
            ["4:3 the key 'network_environment' is missing (installed: localhost, netns)"],
        ),
        (
            HEAD + "execution_environment: strace\nexecution_environments: [strace]\n" + CASE,
            ["4:1 the same as 'execution_environments', which is given as well"],
        ),
        (
            HEAD + "observers: [tracer]\n" + CASE,
            ["4:13 no observer 'tracer' - did you mean 'trace'? (installed: storage, trace)"],
        ),
        (HEAD + "observers: trace\n" + CASE, ["4:12 expected a list, got 'trace' - write [trace]"]),
        (
            HEAD + "provisioners: [{type: ssh}]\n" + CASE,
            [
                (
                    "4:23 no provisioner 'ssh' (installed: none is installed) - plugins are packages "
                    "such as panther-provisioner-ssh: pip install one that brings it"
                )
            ],
        ),
    ],
)
def test_a_mistake_outside_the_test_cases_is_named_where_it_stands(
    tmp_path: Path, registry: Registry, text: str, messages: list[str]
) -> None:
    found = [f"{each.line}:{each.column} {each.message}" for each in errors(tmp_path, registry, text)]
    assert found == messages


def test_all_mistakes_of_a_file_are_told_at_once_in_its_order(tmp_path: Path, registry: Registry) -> None:
    found = errors(
        tmp_path,
        registry,
        (
            "name: x\nprotocl: minip\nprotocol: minip\nnetwork_environment: {type: localhost, timeout: "
            "x}\ntest_cases:\n"
            "- name: a\n  scenario: pig\n  repeat: '1'\n  services:\n    server: {implementation: pong, "
            "count: 0, role: sever}\n"
            "    client: {implementation: pung}\n  checks: [{log: {}}, {that: '1 +'}]\n- name: a\n  "
            "services: {server: pong}\n  capture: 1\n"
        ),
    )
    assert [each.line for each in found] == [2, 4, 7, 8, 10, 10, 11, 12, 12, 12, 13, 15]


def test_a_mistake_in_a_default_is_told_once_for_all_test_cases(tmp_path: Path, registry: Registry) -> None:
    text = HEAD + "timeout: x\n" + CASE + "- {name: b, services: {server: pong, client: pong}}\n"
    assert [each.line for each in errors(tmp_path, registry, text)] == [4]


def test_a_mistake_on_the_command_line_names_the_option(tmp_path: Path, registry: Registry) -> None:
    found = errors(tmp_path, registry, HEAD + CASE, ("test_cases.a.timeot=5s", "seed=x"))
    assert [str(each).split(" (")[0] for each in found] == [
        "--set seed=x: error: seed: expected a whole number, got 'x'",
        (
            "--set test_cases.a.timeot=5s: error: test_cases[0].timeot: unknown key 'timeot' of a test case "
            "- did you mean 'timeout'?"
        ),
    ]
