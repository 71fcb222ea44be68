"""`panther clean`: find and remove what killed runs have left on the machine."""

from __future__ import annotations

import argparse

from panther_core.cli.console import Console
from panther_core.cli.text import plural
from panther_hookspecs import Leftover, NetworkEnvironmentDescriptor, ProvisionerDescriptor


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what decides how much is removed."""
    parser.add_argument("--dry-run", action="store_true", help="only list what would be removed")
    parser.add_argument(
        "--caches", action="store_true", help="remove also what makes later runs faster, such as images that were built"
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Remove what is left over, or only list it."""
    found, failed = _find(console, caches=args.caches)
    for leftover in found:
        problem = "" if args.dry_run else _remove(leftover)
        console.show(f"{leftover.run_id or '-'}  {leftover.what}" + (f": {problem}" if problem else ""))
        failed += [problem] if problem else []
    done = "would be removed" if args.dry_run else "removed"
    console.say(f"{plural(len(found), 'thing')} {done}" if found else "nothing is left over")
    if failed:
        console.complain(f"could not clean everything: {failed[-1]}")
    return 1 if failed else 0


def _find(console: Console, *, caches: bool) -> tuple[list[Leftover], list[str]]:
    """Return what no living run owns: processes first, then what plugins find, each asked by itself.

    Which runs live is asked last: a run that begins in between would lose what it has just made.
    """
    from panther_core.process.clean import alive_runs, leftovers  # noqa: PLC0415 - looks at every process of the machine

    found: list[Leftover] = list(leftovers())
    failed: list[str] = []
    registry = console.plugins.registry
    sources: tuple[NetworkEnvironmentDescriptor | ProvisionerDescriptor, ...] = (
        *registry.all(NetworkEnvironmentDescriptor),
        *registry.all(ProvisionerDescriptor),
    )
    for descriptor in sources:
        if descriptor.leftovers is None:
            continue
        try:
            left = (each for each in descriptor.leftovers() if caches or not each.cache)
            known = {(each.run_id, each.what) for each in found}  # several environments may find the same thing
            found += [each for each in left if (each.run_id, each.what) not in known]
        except Exception as error:  # noqa: BLE001 - a plugin's failure is reported, and the others are still asked
            failed.append(f"{descriptor.name} cannot look for leftovers: {error}")
    alive = alive_runs()
    return [each for each in found if each.run_id not in alive], failed


def _remove(leftover: Leftover) -> str:
    """Remove one thing; return what went wrong, or nothing."""
    try:
        leftover.remove()
    except Exception as error:  # noqa: BLE001 - reported, and the rest is still removed
        return f"{leftover.what} could not be removed: {error}"
    return ""
