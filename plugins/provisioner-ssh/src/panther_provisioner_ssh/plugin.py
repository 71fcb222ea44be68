"""What PANTHER loads: the provisioner ``ssh``."""

from __future__ import annotations

from collections.abc import Iterable

from panther_hookspecs import Need, ProvisionerDescriptor, hookimpl
from panther_provisioner_ssh.hosts import SshHosts, SshOptions
from panther_provisioner_ssh.sockets import leftovers


@hookimpl
def panther_register_provisioners() -> Iterable[ProvisionerDescriptor]:
    """Announce ``ssh``."""
    yield ProvisionerDescriptor(
        name="ssh",
        summary="Hosts that the OpenSSH client reaches; they need Python and nothing of PANTHER",
        options=SshOptions,
        factory=SshHosts,
        leftovers=leftovers,
        needs=(Need("tool", "ssh", package="openssh-client", why="it is the way to the hosts"),),
    )
