"""The errors that the contract knows; the engine turns each into a message and an exit code."""

from __future__ import annotations


class PantherExperimentError(Exception):
    """Root of everything PANTHER raises on purpose. ``exit_code`` is what the console ends with."""

    exit_code = 1


class ExperimentInitializationError(PantherExperimentError):
    """The experiment could not be made ready: its configuration or run directory is unusable."""

    exit_code = 2


class TestCaseInitializationError(PantherExperimentError):
    """A test case could not be made from its configuration."""

    __test__ = False
    exit_code = 2


class TestExecutionError(PantherExperimentError):
    """A test case could not be carried out, for a reason outside the programs under test."""

    __test__ = False


class PluginValidationError(PantherExperimentError):
    """A plugin is missing, broken, or does not keep the contract."""

    exit_code = 2


class ConfigurationException(PantherExperimentError):  # noqa: N818 - the name is the users' own
    """The configuration is wrong; the message lists every problem of the file."""

    exit_code = 2


class EnvironmentUnavailableError(PantherExperimentError):
    """This machine cannot run what was asked: a tool, a right or a kernel feature is missing.

    With ``lasting=True``, nothing will change by itself: whoever tries again what may mend need not.
    """

    exit_code = 3

    def __init__(self, why: str = "", *, lasting: bool = False) -> None:
        """Say what is missing and how to get it, and whether there is any use in waiting for it."""
        super().__init__(why)
        self.lasting = lasting


class SystemLostError(PantherExperimentError):
    """A system went away while something ran on it: the host, its disk, or the way to it. No word on the test.

    With ``begun=False``, it was gone before the test had begun there: that test cannot be the cause.
    """

    def __init__(self, why: str, *, begun: bool = True) -> None:
        """Say why it is gone, and whether the test had, or may have, begun."""
        super().__init__(why)
        self.begun = begun


class DockerComposeException(EnvironmentUnavailableError):  # noqa: N818 - the name is the users' own
    """Docker or Compose refused an operation."""


class ResourceExhaustionException(PantherExperimentError):  # noqa: N818 - the name is the users' own
    """Disk, memory, addresses or file descriptors ran out."""

    exit_code = 3


class TimeoutCascadeException(PantherExperimentError):  # noqa: N818 - the name is the users' own
    """So many cases in a row ran into their time limit that going on would only waste time."""


class UnsupportedError(PantherExperimentError):
    """A plugin declares that it cannot do what a case asks for; the case becomes ``unsupported``, not an error."""
