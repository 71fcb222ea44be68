"""Tests of an app from a Python program: kinds of tests, how each is carried out, and one object that runs them all.

Apps are experiment files, tests are what stages do while the services of the experiment run.
"""

from panther_core.apps.facade import AppTestFacade, TestOutcome
from panther_core.apps.kinds import App, SequentialTest, Test, TestExecutionFactory, TestExecutionStrategy, TestFactory
from panther_core.apps.stages import calculate_metrics_stage, connect_stage

__all__ = [
    "App",
    "AppTestFacade",
    "SequentialTest",
    "Test",
    "TestExecutionFactory",
    "TestExecutionStrategy",
    "TestFactory",
    "TestOutcome",
    "calculate_metrics_stage",
    "connect_stage",
]
