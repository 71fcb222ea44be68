"""Whether the discovery of fmf tests finds the very tests that tmt lists, in trees that others wrote.

    python benchmarks/fmf_against_tmt.py TREE... [--tmt PROGRAM] [--many 5000]

TREE is a folder, for example a checkout of tmt or of ATEX; every metadata tree in it is compared, with and without
filters, names and contexts. Nothing of the trees is run. Trees that tmt itself refuses are counted apart.
With --many, a tree of so many tests is made, and what `panther plan` and `tmt tests ls` take for it is compared.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
from panther_discover_fmf.discover import grown, tests_of
from panther_discover_fmf.options import DiscoverOptions

from panther_hookspecs import ConfigurationException


@attrs.frozen
class Question:
    """The same question to both."""

    options: DiscoverOptions
    arguments: tuple[str, ...] = ()
    """Of `tmt tests ls`."""
    context: tuple[str, ...] = ()
    """Of `tmt`."""


def _filtered(text: str) -> Question:
    return Question(DiscoverOptions(disabled=True, filter=(text,)), ("--filter", text))


def _in_context(dimension: str, value: str) -> Question:
    chosen = DiscoverOptions(disabled=False, context={dimension: value})
    return Question(chosen, ("--enabled",), ("--context", f"{dimension}={value}"))


QUESTIONS = (
    Question(DiscoverOptions(disabled=True)),
    Question(DiscoverOptions(), ("--enabled",)),
    Question(DiscoverOptions(disabled=True, names=("basic|core",)), ("basic|core",)),
    Question(DiscoverOptions(disabled=True, exclude=("a$",)), ("--exclude", "a$")),
    _filtered("tag:provision-container"),
    _filtered("tier:1,2 & framework:shell"),
    _filtered("duration: 5m & tag:-slow"),
    _filtered("enabled:true & summary:.*test.*"),
    Question(DiscoverOptions(disabled=True, condition=("order == 50",)), ("--condition", "order == 50")),
    _in_context("distro", "fedora-41"),
    _in_context("distro", "rhel-8.6"),
    _in_context("provision_method", "local"),
)


def listed(tmt: str, root: Path, question: Question) -> set[str] | None:
    """Return the names that tmt lists, or None if it refuses; conditions it evaluates only if told that it is safe."""
    command = [tmt, "--feeling-safe", "--root", str(root), *question.context, "tests", "ls", *question.arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return {line.strip() for line in done.stdout.splitlines() if line.strip()} if done.returncode == 0 else None


def found(root: Path, question: Question) -> set[str] | None:
    """Return the names that the discovery finds, or None if it refuses the tree."""
    try:
        return {node.name for node in tests_of(grown(root, question.options.context), question.options)}
    except ConfigurationException as error:
        print(f"    refused: {error}")
        return None


def roots_in(trees: Sequence[Path]) -> Iterator[Path]:
    """Yield the roots of all metadata trees."""
    for tree in trees:
        yield from sorted(path.parent for path in tree.rglob(".fmf") if path.is_dir())


def planned_and_listed(count: int, tmt: str) -> None:
    """Print the processor time that planning very many tests takes, and what tmt takes to list them."""
    with tempfile.TemporaryDirectory(prefix="panther-fmf-") as name:
        folder = Path(name)
        (folder / ".fmf").mkdir()
        (folder / ".fmf/version").write_text("1\n")
        (folder / "e.yaml").write_text("name: many\nnetwork_environment: localhost\ndiscover: [fmf]\n")
        rule = "    adjust: [{when: distro == rhel-9, enabled: false}]\n"
        for first in range(0, count, 100):
            tests = (
                f'/t{number}:\n    summary: number {number}\n    test: "true"\n    tag: [core]\n{rule}'
                for number in range(first, min(count, first + 100))
            )
            (folder / f"part{first}.fmf").write_text("duration: 1m\n" + "".join(tests))
        took: dict[str, float] = {}
        panther = (sys.executable, "-m", "panther_core", "plan", "e.yaml")
        for who, command in (("panther plan", panther), ("tmt tests ls", (tmt, "tests", "ls"))):
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
            took[who] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
            print(f"{who}: {done.stdout.count(chr(10))} lines, {took[who]:.1f} s of processor time")
        print(f"{took['panther plan'] / took['tmt tests ls']:.2f} times what tmt takes")


def compare() -> int:
    """Compare everything; the exit code says whether there was a difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trees", nargs="*", type=Path, metavar="TREE")
    parser.add_argument("--tmt", default=shutil.which("tmt") or "", metavar="PROGRAM")
    parser.add_argument("--many", type=int, default=0, help="tests of a tree that is made")
    parser.add_argument("--only", action="store_true", help="not the trees below each TREE")
    parser.add_argument("--quick", action="store_true", help="only the first two questions")
    args = parser.parse_args()
    if not args.tmt:
        parser.error("tmt is not installed: pip install tmt, or --tmt PROGRAM")
    if args.many:
        planned_and_listed(args.many, args.tmt)
    if not args.trees:
        return 0
    equal = different = refused = tests = 0
    began = time.monotonic()
    for root in args.trees if args.only else roots_in(args.trees):
        for number, question in enumerate(QUESTIONS[:2] if args.quick else QUESTIONS):
            theirs, ours = listed(args.tmt, root, question), found(root, question)
            if theirs is None and not number:
                refused += 1
                break
            tests += len(theirs or ()) if not number else 0
            if theirs == ours:
                equal += 1
                continue
            different += 1
            asked = " ".join([*question.context, *question.arguments])
            if theirs is None or ours is None:
                print(f"{root} {asked}: refused by {'tmt' if theirs is None else 'us'} alone")
                continue
            print(f"{root} {asked}: only tmt {sorted(theirs - ours)[:3]}, only here {sorted(ours - theirs)[:3]}")
    print(
        f"{tests} tests; {equal} listings equal, {different} different; tmt refuses {refused} trees "
        f"({time.monotonic() - began:.0f} s)"
    )
    return bool(different or not equal)


if __name__ == "__main__":
    sys.exit(compare())
