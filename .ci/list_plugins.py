"""Lists the plugins of this repository wherever plugins are listed: run it when one was added or removed.

The lists are in pyproject.toml (extra, workspace, import contracts), plugins/requirements.txt and README.md. A new row
of the README gets the description of the plugin's own pyproject.toml; a row that is there keeps its text. The tests in
tests/repository fail where a list is out of date.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection
from pathlib import Path

ROOT = Path(__file__).parents[1]


def descriptions() -> dict[str, str]:
    """Return the description of every plugin by its folder's name, sorted."""
    found = {}
    for path in sorted(ROOT.glob("plugins/*/pyproject.toml")):
        text = tomllib.loads(path.read_text())["project"]["description"].rstrip(".")
        found[path.parent.name] = text.replace("|", "\\|")
    return found


def package(name: str) -> str:
    """Return the import package of a plugin."""
    return f"panther_{name.replace('-', '_')}"


def listed(key: str, values: list[str]) -> str:
    """Return a TOML list with one value a line."""
    return f"{key} = [\n" + "".join(f'    "{value}",\n' for value in values) + "]"


def replaced(text: str, pattern: str, new: str) -> str:
    """Replace the one place that matches; a list that cannot be found is an error."""
    result, times = re.subn(pattern, lambda _: new, text, flags=re.MULTILINE | re.DOTALL)
    if times != 1:
        raise SystemExit(f"{times} places look like {pattern}")
    return result


def settings(text: str, names: Collection[str]) -> str:
    """Return pyproject.toml with the plugins in its extra, its workspace and its import contracts."""
    packages = [package(name) for name in names]
    shared = [each for each in packages if each.startswith(("panther_lib_", "panther_protocol_"))]
    others = [each for each in packages if each not in shared]
    sources = sorted([*(f"panther-{name}" for name in names), "panther-pluggy"])
    layers = [" | ".join(each) for each in (others, shared) if each] + ["panther_core", "panther_hookspecs"]
    text = replaced(text, r"^all = \[.*?\]", listed("all", [f"panther-{name}" for name in names]))
    text = replaced(
        text,
        r"(?:^panther-[\w-]+ = \{ workspace = true \}\n)+",
        "".join(f"{source} = {{ workspace = true }}\n" for source in sources),
    )
    text = replaced(
        text, r"^root_packages = \[.*?\]", listed("root_packages", ["panther_core", "panther_hookspecs", *packages])
    )
    text = replaced(text, r"^layers = \[[^]]*\"panther_hookspecs\",\n\]", listed("layers", layers))
    return replaced(text, r"^source_modules = \[.*?\]", listed("source_modules", packages))


def table(text: str, plugins: dict[str, str]) -> str:
    """Return README.md with one row for each plugin."""
    told = dict(re.findall(r"^\| \[`([\w-]+)`\]\(plugins/[\w-]+\) \| (.*) \|$", text, re.MULTILINE))
    rows = "".join(f"| [`{name}`](plugins/{name}) | {told.get(name, new)} |\n" for name, new in plugins.items())
    head = "| plugin | brings |\n|---|---|\n"
    return replaced(text, re.escape(head) + r"(?:\| \[[^\n]*\n)*", head + rows)


def main() -> None:
    """Rewrite the lists."""
    plugins = descriptions()
    required = ROOT / "plugins" / "requirements.txt"
    comment = required.read_text().splitlines()[0]
    required.write_text("\n".join([comment, "-e .", *(f"-e ./plugins/{name}" for name in plugins)]) + "\n")
    for name, changed in (("pyproject.toml", settings), ("README.md", table)):
        path = ROOT / name
        path.write_text(changed(path.read_text(), plugins))


if __name__ == "__main__":
    main()
