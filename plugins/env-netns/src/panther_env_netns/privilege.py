"""What this process may do to namespaces, and what to try where it may not."""

from __future__ import annotations

from pathlib import Path

_NET_ADMIN, _SYS_ADMIN = 12, 21
_SWITCHES = {
    "kernel/apparmor_restrict_unprivileged_userns": ("1", "0"),
    "kernel/unprivileged_userns_clone": ("0", "1"),
    "user/max_user_namespaces": ("0", "10000"),
    "user/max_net_namespaces": ("0", "10000"),
}
"""Settings with the value that forbids namespaces and one that allows them."""


def has_privileges() -> bool:
    """Return whether namespaces can be made without a user namespace around them."""
    status = Path("/proc/self/status").read_text()
    effective = int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), 16)
    wanted = 1 << _NET_ADMIN | 1 << _SYS_ADMIN
    return effective & wanted == wanted


def why_refused(environment: str, said: str) -> str:
    """Return the message for a network that could not be made, of which ``said`` is what the tools wrote."""
    reason = " | ".join(said.strip().splitlines()[-3:]) or "its keeper ended without a word"
    lines = [f"{environment} could not make the network", f"  because {reason}"]
    advice = [
        f"sysctl {name.replace('/', '.')}={good}" for name, (bad, good) in _SWITCHES.items() if _setting(name) == bad
    ]
    if advice:
        lines.append(f"  try: as root {' and '.join(advice)}")
    elif "not permitted" in said:
        lines.append("  try: as root, or where a sandbox or container forbids namespaces, outside of it")
    return "\n".join(lines)


def _setting(name: str) -> str:
    path = Path("/proc/sys") / name
    return path.read_text().strip() if path.exists() else ""
