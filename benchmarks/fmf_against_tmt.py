"""Whether the discovery of fmf tests finds the tests that tmt lists, in the same order, in trees that others wrote.

    python benchmarks/fmf_against_tmt.py TREE... [--tmt PROGRAM] [--many 5000]

TREE is a folder, for example a checkout of tmt or of ATEX; every metadata tree in it is compared, with and without
filters, names and contexts. Nothing of the trees is run. Trees that tmt itself refuses are counted apart. tmt is loaded
once, and forked for each listing; PROGRAM is its script, whose first line names the Python that has it.
With --many, a tree of so many tests is made, and what `panther plan` and `tmt tests ls` take for it is compared.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
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
    _filtered("tier:0 | tag:-core"),
    _filtered("require:beakerlib | component:.*a.*"),
    Question(DiscoverOptions(disabled=True, link=("verifies:.*",)), ("--link", "verifies:.*")),
    Question(DiscoverOptions(disabled=True, names=("^/.*/.*e", "smoke")), ("^/.*/.*e", "smoke")),
)


LISTER = """
import json, os, sys
from tmt.__main__ import import_cli_commands, run_cli
import_cli_commands()
for line in sys.stdin:
    child = os.fork()
    if not child:
        os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        sys.argv = ["tmt", *json.loads(line)]
        run_cli()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@attrs.define
class Tmt:
    """tmt, ready to list."""

    process: subprocess.Popen[str]
    output: Path

    @classmethod
    def loaded(cls, program: str, output: Path) -> Tmt:
        """Return it when it was loaded with the interpreter that its script names."""
        python = Path(program).read_text().splitlines()[0].removeprefix("#!").split()
        argv = (*python, "-c", LISTER, str(output))
        pipe = subprocess.PIPE
        return cls(subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True), output)

    def listed(self, root: Path, question: Question) -> list[str] | None:
        """Return the names that it lists, or None if it refuses; told that all is safe, it evaluates conditions."""
        command = ["--feeling-safe", "--root", str(root), *question.context, "tests", "ls", *question.arguments]
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(command), file=self.process.stdin, flush=True)
        code = self.process.stdout.readline()
        if not code:
            raise SystemExit("tmt cannot be loaded: is PROGRAM the script of an installation?")
        return None if int(code) else [line.strip() for line in self.output.read_text().splitlines() if line.strip()]


def found(root: Path, question: Question) -> list[str] | None:
    """Return the names that the discovery finds, or None if it refuses the tree."""
    try:
        return [node.name for node in tests_of(grown(root, question.options.context), question.options)]
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
    with tempfile.TemporaryDirectory(prefix="panther-tmt-") as folder:
        tmt = Tmt.loaded(args.tmt, Path(folder) / "listed")
        roots = args.trees if args.only else roots_in(args.trees)
        return compared(tmt, roots, QUESTIONS[:2] if args.quick else QUESTIONS)


def compared(tmt: Tmt, roots: Iterable[Path], questions: Sequence[Question]) -> int:
    """Print every difference between the listings, and how many there were; return whether there was one."""
    equal = different = refused = tests = trees = 0
    began = time.monotonic()
    for root in roots:
        trees += 1
        for number, question in enumerate(questions):
            theirs, ours = tmt.listed(root, question), found(root, question)
            if theirs is None and not number:
                refused += 1
                break
            tests += len(theirs or ()) if not number else 0
            if theirs == ours:
                equal += 1
                continue
            different += 1
            print(
                f"{root} {' '.join([*question.context, *question.arguments])}: {_difference(theirs, ours)}", flush=True
            )
    print(
        f"{tests} tests in {trees} trees; {equal} listings equal, {different} different; tmt refuses {refused} trees "
        f"({time.monotonic() - began:.0f} s)"
    )
    return bool(different or not equal)


def _difference(theirs: Sequence[str] | None, ours: Sequence[str] | None) -> str:
    if theirs is None or ours is None:
        return f"refused by {'tmt' if theirs is None else 'us'} alone"
    if sorted(theirs) == sorted(ours):
        first = next(number for number, pair in enumerate(zip(theirs, ours, strict=True)) if len(set(pair)) > 1)
        return f"another order, from {theirs[first]} here {ours[first]}"
    return f"only tmt {sorted(set(theirs) - set(ours))[:3]}, only here {sorted(set(ours) - set(theirs))[:3]}"


if __name__ == "__main__":
    sys.exit(compare())
