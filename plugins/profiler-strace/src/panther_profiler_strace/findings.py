"""Which failures are worth a look: those that a correct program does not provoke as a matter of course."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from panther_hookspecs import Finding
from panther_profiler_strace.trace import Death, Failure, Trace

ALWAYS_ORDINARY: Mapping[str, str] = {
    "EAGAIN": "there is nothing to read or no room to write yet",
    "EINPROGRESS": "a connection is being made",
    "EINTR": "a signal came first",
    "ENOENT": "programs look in several places for a file",
    "ENOTTY": "programs ask whether something is a terminal",
    "ENOTCONN": "programs ask whether a socket is connected",
    "ENOSYS": "libraries try a newer call before an older one",
    "ENODATA": "programs ask for attributes that few files have",
}
"""Errors that are no finding, whatever call they come from, with the reason."""

ORDINARY: Mapping[str, frozenset[str]] = {
    "EBADF": frozenset({"fcntl"}),
    "ECHILD": frozenset({"wait4", "waitid", "waitpid"}),
    "EEXIST": frozenset({"mkdir", "mkdirat"}),
    "EINVAL": frozenset({"arch_prctl", "ioctl", "lseek", "prctl", "readlink", "readlinkat", "rseq"}),
    "ENOTDIR": frozenset({"access", "newfstatat", "open", "openat", "readlink", "stat", "statx"}),
    "ENXIO": frozenset({"open", "openat"}),
    "EOPNOTSUPP": frozenset({"getxattr", "lgetxattr", "fgetxattr", "statx"}),
    "ERANGE": frozenset({"getcwd", "getxattr"}),
    "ESPIPE": frozenset({"lseek"}),
    "ETIMEDOUT": frozenset({"futex", "futex_waitv", "rt_sigtimedwait", "mq_timedreceive"}),
}
"""Errors that are no finding from these calls: the way to ask a question, or the end of a wait."""

_NEVER_FAIL = frozenset({"rt_sigreturn", "sigreturn"})
"""Calls whose result is that of what a signal has interrupted, which strace shows as theirs."""

_GRAVE = frozenset(
    {"EACCES", "EADDRINUSE", "EADDRNOTAVAIL", "EBADF", "EDQUOT", "EFAULT", "EFBIG", "EINVAL", "EIO", "EMFILE", "ENFILE"}
    | {"ENOBUFS", "ENOMEM", "ENOSPC", "ENOTSOCK", "EPERM", "EROFS"}
)
"""Errors that speak of a defect or of a machine that lacks something; others may be the network's doing."""


def is_ordinary(call: str, error: str) -> bool:
    """Return whether a failure is a normal part of how programs work."""
    if call in _NEVER_FAIL:
        return True
    return error.startswith("ERESTART") or error in ALWAYS_ORDINARY or call in ORDINARY.get(error, ())


def is_ignored(call: str, error: str, ignore: tuple[str, ...]) -> bool:
    """Return whether the user has said that this failure is no finding."""
    return not {error, f"{call}:{error}", f"{call}:*"}.isdisjoint(ignore)


def findings_of(trace: Trace, *, service: str, artifact: str, ignore: tuple[str, ...]) -> Iterator[Finding]:
    """Yield a finding for each sort of failure worth a look, and for each way in which tasks were killed.

    What was injected is no finding; what fails because of it is.
    """
    for failure in sorted(trace.failures.values(), key=lambda each: -each.count):
        by_itself = failure.count - failure.injected
        accepted = is_ordinary(failure.call, failure.error) or is_ignored(failure.call, failure.error, ignore)
        if by_itself and not accepted:
            yield _failed(failure, by_itself, service, artifact)
    groups: dict[tuple[str, str], list[Death]] = {}
    for death in trace.deaths:
        groups.setdefault((death.program, death.signal), []).append(death)
    for deaths in groups.values():
        yield _killed(deaths, service, artifact)


def _failed(failure: Failure, count: int, service: str, artifact: str) -> Finding:
    where = ", ".join(name for name in failure.targets if name)
    times = "once" if count == 1 else f"{count} times"
    meaning = f" ({failure.text})" if failure.text else ""
    return Finding(
        source="strace",
        kind=f"{failure.call}.{failure.error}",
        message=f"{failure.call} failed {times} with {failure.error}{meaning}" + (f": {where}" if where else ""),
        service=service,
        severity="error" if failure.error in _GRAVE else "warning",
        count=count,
        stack=(failure.example,),
        fingerprint=f"strace:{failure.call}:{failure.error}:{failure.place}",
        artifact=artifact,
    )


def _killed(deaths: list[Death], service: str, artifact: str) -> Finding:
    first = deaths[0]
    times = "" if len(deaths) == 1 else f", {len(deaths)} times"
    return Finding(
        source="strace",
        kind=f"killed.{first.signal}",
        message=f"{first.program or 'a program'} was killed by {first.signal}{times}",
        service=service,
        count=len(deaths),
        stack=(first.detail,),
        fingerprint=f"strace:killed:{first.signal}:{first.program}",
        artifact=artifact,
    )
