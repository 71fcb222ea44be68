"""The hook specifications: three grammars, few hooks, and a documentation that is true because it is executed."""

from __future__ import annotations

import ast
import functools
import inspect
import io
import re
import textwrap
import typing
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
import pytest

import panther_hookspecs as contract

ROOT = Path(__file__).parents[2]
MOST_HOOKS, MOST_HOOKS_OF_A_CLASS = 25, 11
GRAMMAR = re.compile(
    r"panther_(register_[a-z_]+|before_[a-z_]+|after_[a-z_]+|on_[a-z_]+_error|on_event|choose_[a-z_]+)"
)
PARTS = ("When", "Who", "Arguments", "Returns", "On exception", "Example:")

NAMESPACE = {name: getattr(contract, name) for name in contract.__all__} | {"Iterable": Iterable, "Sequence": Sequence}

HOOKS: dict[str, Callable[..., Any]] = {
    name: function
    for specification in contract.SPECIFICATIONS
    for name, function in vars(specification).items()
    if name.startswith("panther_")
}
every_hook = pytest.mark.parametrize("name", HOOKS)


def _doc(name: str) -> str:
    return inspect.getdoc(HOOKS[name]) or ""


def _arguments(name: str) -> list[str]:
    return list(inspect.signature(HOOKS[name]).parameters)[1:]


def _grammar(name: str) -> str:
    word = name.split("_")[1]
    return word if word in ("register", "choose") else "notify"


def _is_first_result(name: str) -> bool:
    return bool(vars(HOOKS[name])["panther_spec"]["firstresult"])


def test_there_are_few_hooks() -> None:
    assert 0 < len(HOOKS) <= MOST_HOOKS


@pytest.mark.parametrize("specification", contract.SPECIFICATIONS, ids=lambda each: str(each.__name__))
def test_a_class_of_hooks_is_one_subject(specification: type) -> None:
    assert 0 < sum(name.startswith("panther_") for name in vars(specification)) <= MOST_HOOKS_OF_A_CLASS
    assert specification.__doc__


@every_hook
def test_a_hooks_name_follows_the_grammar(name: str) -> None:
    assert GRAMMAR.fullmatch(name)


@every_hook
def test_a_hooks_documentation_has_all_parts_in_order(name: str) -> None:
    wanted = [part for part in PARTS if part != "Arguments" or _arguments(name)]
    found = re.findall(r"^(When|Who|Arguments|Returns|On exception|Example:):", _doc(name), re.MULTILINE)
    assert found == wanted


@every_hook
def test_a_hooks_documentation_explains_every_argument(name: str) -> None:
    told = re.search(r"^Arguments: (.*(?:\n  .*)*)", _doc(name), re.MULTILINE)
    explained = re.findall(r"(?:^|; )([a-z_]+): ", told.group(1)) if told else []
    assert explained == _arguments(name)


@every_hook
def test_a_hook_is_typed_as_its_grammar_asks(name: str) -> None:
    hints = typing.get_type_hints(HOOKS[name], NAMESPACE)
    answer = hints.pop("return")
    assert list(hints) == _arguments(name)
    if _grammar(name) == "register":
        assert typing.get_origin(answer) is Iterable
        assert issubclass(typing.get_args(answer)[0], contract.Descriptor)
    elif _grammar(name) == "choose":
        assert type(None) in typing.get_args(answer)
    else:
        assert answer is type(None)
    assert _is_first_result(name) is (_grammar(name) == "choose")


def _sample(name: str, argument: str, folder: Path) -> object:
    """Return a value for an argument of a hook, by its name."""
    test = contract.TestCandidate(case_id="c1", name="ping")
    values: dict[str, object] = {
        "run": contract.RunInfo(run_id="r1", name="quickstart", folder=folder),
        "phase": contract.ExperimentPhase.CLEANUP if "_after_" in name else contract.ExperimentPhase.TEST_EXECUTION,
        "error": contract.PantherExperimentError("the server did not start"),
        "case": contract.CaseInfo(
            case_id="c1",
            name="ping",
            attempt=1,
            folder=folder,
            protocol="minip",
            scenario="ping",
            network_environment="localhost",
            services=("server", "client"),
        ),
        "verdict": contract.Verdict.PASS,
        "environment": "localhost",
        "leftovers": (),
        "event": contract.ServiceReadyEvent(service_name="server", environment_name="localhost"),
        "waiting": (test, contract.TestCandidate(case_id="c2", name="abort")),
        "test": test,
        "system": contract.System(name="broken-host", labels=frozenset({"snapshot"})),
    }
    assert argument in values, f"{name} has the new argument {argument}: give it a sample value here"
    return values[argument]


def _example(name: str) -> ModuleType:
    """Return a module made from the example in a hook's documentation, with the contract's names in it."""
    code = textwrap.dedent(_doc(name).split("Example::", 1)[1])
    module = ModuleType(f"example_of_{name}")
    vars(module).update({each: getattr(contract, each) for each in contract.__all__})
    exec(compile(code, module.__name__, "exec"), vars(module))
    return module


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("panther")
    for specification in contract.SPECIFICATIONS:
        manager.add_hookspecs(specification())
    return manager


def _call(name: str, folder: Path) -> object:
    manager = _manager()
    manager.register(_example(name))
    manager.check_pending()
    return getattr(manager.hook, name)(**{each: _sample(name, each, folder) for each in _arguments(name)})


@every_hook
def test_a_hooks_example_runs_and_answers_what_the_hook_asks_for(name: str, tmp_path: Path) -> None:
    with redirect_stdout(io.StringIO()) as said:
        answer = _call(name, tmp_path)
    expected = typing.get_type_hints(HOOKS[name], NAMESPACE)["return"]
    if _grammar(name) == "register":
        assert isinstance(answer, list)
        descriptors = [each for answers in answer for each in answers]
        assert descriptors
        assert all(isinstance(each, typing.get_args(expected)[0]) for each in descriptors)
    elif _grammar(name) == "choose":
        kinds = tuple(typing.get_origin(each) or each for each in typing.get_args(expected))
        assert isinstance(answer, kinds)
        assert answer is not None
    else:
        effects = said.getvalue() or list(tmp_path.iterdir()) or "assert" in _doc(name).split("Example::")[1]
        assert effects, "the example shows nothing"


@every_hook
def test_a_hook_is_in_the_table_of_the_contracts_readme(name: str) -> None:
    signature = f"`{name}({', '.join(_arguments(name))})`"
    assert signature in (ROOT / "hookspecs" / "README.md").read_text()


def test_the_contracts_readme_names_no_hook_that_does_not_exist() -> None:
    text = (ROOT / "hookspecs" / "README.md").read_text()
    assert set(re.findall(r"\bpanther_(?:register|before|after|on|choose)_[a-z_]+", text)) == set(HOOKS)


@functools.cache
def _tests_of_the_repository() -> set[str]:
    paths = [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("plugins/*/tests/test_*.py")]
    return {
        node.name
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_panther_")
    }


@every_hook
def test_a_hook_has_a_test_that_bears_its_name(name: str) -> None:
    assert any(each.startswith(f"test_{name}") for each in _tests_of_the_repository())
