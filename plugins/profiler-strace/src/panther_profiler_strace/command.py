"""From options to strace's command line."""

from __future__ import annotations

from pathlib import Path

from panther_profiler_strace.options import Fault, StraceOptions, as_strace_names

LOG = "strace.log"
_WHOLE_BATCHES = "abbrev=!sendmmsg,recvmmsg"
"""Without it only as many messages of a batch are shown as a text may have characters."""


def expressions(options: StraceOptions) -> tuple[str, ...]:
    """Return what is given with ``-e``: which calls are recorded and which go wrong."""
    return (*_filter(options), *(_injection(fault) for fault in options.inject), _WHOLE_BATCHES)


def _filter(options: StraceOptions) -> tuple[str, ...]:
    if options.exclude:
        return (f"trace=!{as_strace_names(options.exclude)}",)
    if options.calls:
        faulty = (name for fault in options.inject for name in fault.calls)
        return (f"trace={as_strace_names(dict.fromkeys((*options.calls, *faulty)))}",)
    return ()


def _injection(fault: Fault) -> str:
    parts = [f"inject={as_strace_names(fault.calls)}"]
    parts += [f"error={fault.error}"] if fault.error else []
    parts += [f"retval={fault.result}"] if fault.result is not None else []
    parts += [f"signal=SIG{fault.signal.removeprefix('SIG')}"] if fault.signal else []
    parts += [f"delay_enter={round(fault.delay * 1e6)}"] if fault.delay else []
    if fault.last == fault.first:
        when = f"{fault.first}"
    else:
        when = f"{fault.first}{f'..{fault.last}' if fault.last else ''}+{fault.every}"
    return ":".join((*parts, f"when={when}"))


def arguments(options: StraceOptions, log: Path) -> tuple[str, ...]:
    """Return strace's arguments without what is to be traced.

    ``-C -w`` adds strace's own table at the end, which shows that the log is complete and what the numbers must be;
    ``-A`` writes at the end of the file, whatever size it has been cut to.
    """
    chosen = tuple(text for each in expressions(options) for text in ("-e", each))
    limit = ("-s", str(options.string_limit))
    return ("-f", "-C", "-w", "-ttt", "--syscall-times=ns", "-yy", *limit, *chosen, "-A", "-o", str(log))


def wrapping(options: StraceOptions, log: Path) -> tuple[str, ...]:
    """Return the whole prefix of a program that is started under strace.

    Where strace is to leave before the program ends it runs beside the program, not as its parent, and can be
    interrupted. It then leaves no filter in the kernel, which would make the recorded calls fail from then on.
    """
    beside = ("-D", "-I", "2") if options.monitoring_duration else ()
    filtered = options.seccomp_bpf and (options.calls or options.exclude)
    fast = ("--seccomp-bpf",) if filtered and not beside else ()
    return ("strace", *beside, *fast, *arguments(options, log), "--")


def attaching(options: StraceOptions, log: Path, pids: tuple[int, ...]) -> tuple[str, ...]:
    """Return strace's arguments to attach to running processes with all their threads."""
    return (*arguments(options, log), *(text for pid in pids for text in ("-p", str(pid))))
