"""From an experiment to its cases: matrix, repetitions, identities, seeds, conflicts; pure, lazy and deterministic."""

from __future__ import annotations

from panther_core.plan.cases import PlannedCase, PlannedInstrument, PlannedService
from panther_core.plan.chosen import chosen_observers, chosen_provisioners
from panther_core.plan.experiment import check_experiment, count_cases, left_out, plan_cases, written_networks
from panther_core.plan.resolved import resolved_experiment
from panther_core.plan.select import Selection, parse_selection

__all__ = [
    "PlannedCase",
    "PlannedInstrument",
    "PlannedService",
    "Selection",
    "check_experiment",
    "chosen_observers",
    "chosen_provisioners",
    "count_cases",
    "left_out",
    "parse_selection",
    "plan_cases",
    "resolved_experiment",
    "written_networks",
]
