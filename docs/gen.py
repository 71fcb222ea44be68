"""Makes the reference pages from the installed code, so that they cannot be out of date.

MkDocs calls :func:`on_files` while it builds the site. ``python docs/gen.py FOLDER`` writes the pages as files.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import inspect
import io
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

import panther_hookspecs as contract
from panther_core.capabilities import matrix
from panther_core.plugin_manager import PluginManager
from panther_core.results.schemas import RECORDS, record_schema

ROOT = Path(__file__).parents[1]
MADE = "<!-- made by docs/gen.py from the installed code -->\n\n"
LISTED = {
    "protocol": "Protocols",
    "service": "Implementations",
    "network_environment": "Network environments",
    "execution_environment": "Execution environments",
    "test_type": "Test types",
    "provisioner": "Provisioners",
    "observer": "Observers",
    "report": "Reports",
}


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines) + "\n"


def _type(annotation: object) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return re.sub(r"\b(?:typing|collections\.abc|panther_hookspecs\.\w+)\.", "", text)


def signature(function: Callable[..., Any]) -> str:
    """Return the signature of a hook exactly as a plugin has to write it, without ``self``."""
    found = inspect.signature(function)
    arguments = [each.replace(annotation=_type(each.annotation)) for each in list(found.parameters.values())[1:]]
    told = ", ".join(f"{each.name}: {each.annotation}" for each in arguments)
    return f"def {getattr(function, '__name__', '')}({told}) -> {_type(found.return_annotation)}"


def _hook(function: Callable[..., Any]) -> str:
    text, _, example = (inspect.getdoc(function) or "").partition("Example::")
    told = re.sub(r"^(When|Who|Arguments|Returns|On exception): ", r"- **\1**: ", text, flags=re.MULTILINE)
    told = re.sub(r"\n- ", "\n\n- ", told, count=1)
    name = getattr(function, "__name__", "")
    code = textwrap.dedent(example).strip("\n")
    return f"### {name}\n\n```python\n{signature(function)}\n```\n\n{told.strip()}\n\n```python\n{code}\n```\n"


def hooks_page() -> str:
    """Return the page with every hook: its exact signature, its documentation and its example."""
    parts = ["# Hooks\n\nEvery hook of the contract. Each example is executed by the tests of this project.\n"]
    for specification in contract.SPECIFICATIONS:
        title = re.sub(r"Specs$", "", specification.__name__)
        parts.append(f"## {title}\n\n{inspect.getdoc(specification)}\n")
        parts += [_hook(function) for name, function in vars(specification).items() if name.startswith("panther_")]
    return "\n".join(parts)


def _events() -> Iterator[type[contract.BaseEvent]]:
    for name in contract.__all__:
        value = getattr(contract, name)
        if inspect.isclass(value) and issubclass(value, contract.BaseEvent) and name == value.__name__:
            yield value


def events_page() -> str:
    """Return the catalogue of events: the fields of each and the name it gives itself."""
    parts = ["# Events\n\nEvery event class of the contract. A plugin may define more; see the events tutorial.\n"]
    inherited = {field.name for field in dataclasses.fields(contract.BaseEvent)}
    for event in _events():
        own = [each for each in dataclasses.fields(event) if event is contract.BaseEvent or each.name not in inherited]
        rows = [(f"`{each.name}`", f"`{_type(each.type)}`", "" if _required(each) else "optional") for each in own]
        named = re.search(r"``(.+?)``", inspect.getdoc(event.__post_init__) or "")
        parts.append(f"## {event.__name__}\n\n{inspect.getdoc(event)}\n")
        parts.append(f"Event type: `{named.group(1)}`.\n" if named else "")
        parts.append(_table(("field", "type", ""), rows))
    return "\n".join(parts)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _default(field: attrs.Attribute[Any]) -> str:
    if field.default is attrs.NOTHING:
        return "required"
    if isinstance(field.default, attrs.Factory):  # type: ignore[arg-type] # the class hides behind a function in stubs
        factory: Callable[[], object] = field.default.factory  # type: ignore[union-attr]
        return f"`{factory()!r}`" if not getattr(field.default, "takes_self", False) else "computed"
    if isinstance(field.default, contract.Quantity):
        return f"`{_written(field.default)}`"
    return f"`{field.default!r}`" if field.default != "" else ""


def _written(number: contract.Quantity) -> str:
    """Return a quantity as a person writes it: in the largest unit in which it is a whole number."""
    whole = [unit for unit, size in number.UNITS.items() if number >= size and (number / size).is_integer()]
    unit = max(whole, key=lambda each: (number.UNITS[each], bool(each)), default="")
    return f"{number / number.UNITS[unit]:g}{unit}"


def _options(options: type[Any]) -> str:
    rows = [
        (f"`{each.name}`", f"`{_type(each.type)}`", _default(each), each.metadata.get("help", ""))
        for each in attrs.fields(options)
        if each.init and not each.name.startswith("_")
    ]
    return _table(("key", "type", "default", "meaning"), rows) if rows else "It has no options.\n"


def _descriptor(descriptor: contract.Descriptor) -> str:
    parts = [f"### {descriptor.name}\n\n{descriptor.summary.rstrip('.')}. From `{descriptor.provider.distribution}`.\n"]
    if descriptor.needs:
        needed = "\n".join(
            f"- {each.kind} `{each.name}`" + (f": {each.why}" if each.why else "") for each in descriptor.needs
        )
        parts.append(f"Needs:\n\n{needed}\n")
    parts.append(_options(descriptor.options))
    if isinstance(descriptor, contract.ProtocolDescriptor):
        parts += [
            f"Scenario `{each.name}`: {each.summary}\n\n{_options(each.parameters)}" for each in descriptor.scenarios
        ]
    return "\n".join(parts)


def plugins_page() -> str:
    """Return what is installed with every option, in the words of the plugins themselves."""
    installed = list(PluginManager.load().registry)
    told = "What the packages of this repository bring. `panther plugins` lists what is installed on your machine."
    parts = [f"# Plugins and their options\n\n{told}\n"]
    for kind, title in LISTED.items():
        found = [descriptor for descriptor in installed if kind == descriptor.KIND]
        parts += [f"## {title}\n", *map(_descriptor, found)] if found else []
    return "\n".join(parts)


def errors_page() -> str:
    """Return the errors of the contract with the exit code that each ends the console with."""
    errors = [getattr(contract, name) for name in contract.__all__ if _is_error(getattr(contract, name))]
    rows = [(f"`{each.__name__}`", each.exit_code, (inspect.getdoc(each) or "").splitlines()[0]) for each in errors]
    told = (
        "What PANTHER raises on purpose. All derive from `PantherExperimentError`; the console prints the message, "
        "never a traceback, and ends with the exit code."
    )
    return f"# Errors\n\n{told}\n\n{_table(('error', 'exit code', 'meaning'), rows)}"


def _is_error(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, contract.PantherExperimentError)


@contextlib.contextmanager
def _width(columns: int) -> Iterator[None]:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(columns)
    try:
        yield
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before


def _help(descriptor: contract.CommandDescriptor) -> str:
    parser = argparse.ArgumentParser(prog=f"panther {descriptor.name}", description=descriptor.summary)
    descriptor.configure(parser)
    out = io.StringIO()
    parser.print_help(out)
    return f"## panther {descriptor.name}\n\n{descriptor.summary}\n\n```text\n{out.getvalue().strip()}\n```\n"


def commands_page() -> str:
    """Return the help of every command of the console."""
    found = PluginManager.load().registry.all(contract.CommandDescriptor)
    with _width(100):
        return "\n".join(["# Commands\n\nWhat `panther COMMAND --help` prints.\n", *map(_help, found)])


def networks_page() -> str:
    """Return what every network environment can do."""
    head, *rows = matrix(PluginManager.load().registry)
    told = (
        "Where a link mechanism does it, its name stands there; which one works is found out before a run. "
        "A case that asks for more than its environment can do is refused. `panther doctor` shows the same table."
    )
    return f"# What networks can do\n\n{told}\n\n{_table(head, rows)}"


def implementations_page() -> str:
    """Return what every implementation of every protocol claims, and what it needs, from its own data."""
    registry = PluginManager.load().registry
    services = [each for each in registry.all(contract.ServiceDescriptor) if each.protocol]
    told = (
        "What the implementations of this repository claim and need, from their own data. What is not claimed is "
        "`unsupported`. `panther doctor NAME` says what your machine lacks."
    )
    parts = [f"# Implementations and what they claim\n\n{told}\n"]
    for protocol in registry.all(contract.ProtocolDescriptor):
        own = [each for each in services if each.protocol == protocol.name]
        parts += [f"## {protocol.name}\n", _claimed(protocol, own)] if own else []
    return "\n".join(parts)


def _claimed(protocol: contract.ProtocolDescriptor, services: list[contract.ServiceDescriptor]) -> str:
    rows = [
        (f"`{each.name}`", each.summary, ", ".join(each.roles), _needed(each), _not_claimed(protocol, each))
        for each in services
    ]
    return _table(("implementation", "what it is", "roles", "needs", "does not claim"), rows)


def _needed(service: contract.ServiceDescriptor) -> str:
    return ", ".join(dict.fromkeys(f"`{each.package or each.name}`" for each in service.needs if "/" not in each.name))


def _not_claimed(protocol: contract.ProtocolDescriptor, service: contract.ServiceDescriptor) -> str:
    if service.scenarios is None:
        return ""
    every = [each.name for each in protocol.scenarios]
    lacking = {role: [name for name in every if name not in service.scenarios.get(role, ())] for role in service.roles}
    common = [name for name in every if all(name in each for each in lacking.values())]
    texts = [", ".join(common)] if common else []
    for role, names in lacking.items():
        alone = [name for name in names if name not in common]
        texts += [f"as {role}: {', '.join(alone)}"] if alone else []
    return "; ".join(texts)


def records_page() -> str:
    """Return the formats of the lines of a run's files, from their schemas."""
    told = (
        "What the lines of a run's files hold. Fields may be added within a version, never removed or changed. "
        "`panther schema --of result` prints the first of these as a JSON schema, and so on; a test holds real runs "
        "against them."
    )
    parts = [f"# Records\n\n{told}\n"]
    for name in RECORDS:
        parts += _record(record_schema(name), record_schema(name)["title"], 2)
    return "\n".join(parts)


def _record(schema: Mapping[str, Any], title: str, depth: int) -> Iterator[str]:
    rows, inner = [], []
    for name, field in schema["properties"].items():
        shape = next(
            (field[key] for key in ("items", "additionalProperties") if isinstance(field.get(key), dict)), field
        )
        if "properties" in shape:
            inner.append((name, shape))
        optional = "" if name in schema["required"] else "optional"
        rows.append((f"`{name}`", _json_type(field), optional, field["description"]))
    yield f"{'#' * depth} {title}\n\n{schema['description']}\n"
    yield _table(("field", "type", "", "what"), rows)
    for name, shape in inner:
        yield from _record(shape, f"{title}: {name}", min(depth + 1, 3))


def _json_type(field: Mapping[str, Any]) -> str:
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " ".join(f"`{each}`" for each in field["enum"])
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    of = f" of {_json_type(field['items'])}" if "items" in field else ""
    return " or ".join(kinds) + of


PAGES: dict[str, Callable[[], str]] = {
    "reference/hooks.md": hooks_page,
    "reference/events.md": events_page,
    "reference/plugins.md": plugins_page,
    "reference/commands.md": commands_page,
    "reference/errors.md": errors_page,
    "reference/networks.md": networks_page,
    "reference/implementations.md": implementations_page,
    "reference/records.md": records_page,
}


def _readmes() -> dict[str, Path]:
    """Return the pages of the site that are read-me files of the repository, by their place in the site."""
    plugins = {f"plugins/{path.parent.name}.md": path for path in sorted(ROOT.glob("plugins/*/README.md"))}
    return {"reference/contract.md": ROOT / "hookspecs" / "README.md", **plugins}


def on_config(config: Any) -> Any:
    """Let the navigation of the site list the plugins of this repository."""
    pages = [{Path(page).stem: page} for page in _readmes() if page.startswith("plugins/")]
    config.nav.insert(-1, {"Plugins": pages})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages, the read-me files and the colours of code to a site that MkDocs builds."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - needed only while MkDocs runs
    from pygments.formatters import HtmlFormatter  # noqa: PLC0415

    for name, make in PAGES.items():
        files.append(File.generated(config, name, content=MADE + make()))
    for name, path in _readmes().items():
        files.append(File.generated(config, name, content=path.read_text(encoding="utf-8")))
    styles = HtmlFormatter(style="default").get_style_defs(".codehilite")
    files.append(File.generated(config, "code.css", content=styles))
    return files


def on_page_markdown(markdown: str, page: Any, **_rest: Any) -> str:
    """Turn links that are right in the repository into links that are right in the site."""
    up = "../" * page.file.src_uri.count("/")
    text = re.sub(r"\]\((?:\.\./)*(plugins/[\w-]+)(?:/README\.md)?(#[\w-]+)?\)", rf"]({up}\1.md\2)", markdown)
    text = re.sub(r"\]\(\.\./([\w-]+)/README\.md(#[\w-]+)?\)", r"](\1.md\2)", text)
    text = re.sub(r"\]\((?:\.\./)*hookspecs/README\.md(#[\w-]+)?\)", rf"]({up}reference/contract.md\1)", text)
    return re.sub(r"\]\((?:\.\./)+docs/", f"]({up}", text)


def main(folder: Path) -> None:
    """Write the pages below ``folder``."""
    for name, make in PAGES.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(MADE + make(), encoding="utf-8")
        print(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
