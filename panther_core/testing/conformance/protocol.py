"""What every protocol must keep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from panther_core.testing.conformance.base import PluginConformance, assert_documented
from panther_hookspecs import (
    CheckResult,
    Evidence,
    ExitStatus,
    ProtocolDescriptor,
    ScenarioEvidence,
    TestScenario,
    Verdict,
)

_GARBAGE = bytes(range(256)) * 16 + b"\xff\xfe\x00" + b"A" * 70000


class ProtocolConformance(PluginConformance):
    """Subclass this, name the plugin, and say in `plant_success` what a good exchange leaves behind."""

    descriptor_class = ProtocolDescriptor
    scenarios: ClassVar[tuple[str, ...]] = ()
    """Scenarios to test with planted evidence; all if empty."""

    def plant_success(self, scenario: TestScenario, folders: Mapping[str, Path]) -> None:
        """Write into the services' folders what they leave after ``scenario`` went well with its default parameters.

        There is one service for each role, called like the role. Their exit codes are 0.
        """
        pytest.fail(f"{type(self).__name__} must define plant_success, or nothing shows that {scenario.name} can pass")

    def plant_measurements(self, scenario: TestScenario) -> Evidence | None:
        """Return evidence whose measurements, findings and artifacts belong to success too; None if files are all."""
        return None

    def _seen(self, scenario: TestScenario, folder: Path, exit_status: ExitStatus) -> ScenarioEvidence:
        roles = [role.name for role in self.found(ProtocolDescriptor).roles]
        folders = {name: folder / "services" / name for name in roles}
        for each in folders.values():
            each.mkdir(parents=True, exist_ok=True)
        evidence = Evidence(folder=folder, exits=dict.fromkeys(roles, exit_status), folders=folders)
        return ScenarioEvidence(
            evidence=evidence, roles={name: name for name in roles}, parameters=scenario.parameters(), seed=1
        )

    def _judged(self, scenario: TestScenario, seen: ScenarioEvidence) -> list[CheckResult]:
        results = list(scenario.check(seen))
        for each in results:
            assert isinstance(each, CheckResult), f"the check of {scenario.name} gave {each!r}, which is no CheckResult"
            assert each.name.strip(), f"a check of {scenario.name} has no name"
            assert each.evidence.strip(), f"{scenario.name}: {each.name} gives no evidence"
            assert "\n" not in each.evidence, f"{scenario.name}: the evidence of {each.name} is more than one line"
        return results

    def _tested(self) -> list[TestScenario]:
        every = self.found(ProtocolDescriptor).scenarios
        return [each for each in every if not self.scenarios or each.name in self.scenarios]

    def test_roles_are_well_formed(self) -> None:
        """Roles have distinct names, usable ports, and talk to roles that exist."""
        roles = self.found(ProtocolDescriptor).roles
        names = [role.name for role in roles]
        assert names, "a protocol has at least one role"
        assert len(set(names)) == len(names), f"a role is named twice: {names}"
        for role in roles:
            assert role.transport in ("udp", "tcp"), f"role {role.name}: unknown transport {role.transport!r}"
            assert role.target in ("", *names), f"role {role.name} talks to {role.target!r}, which is no role"
            assert all(0 <= port < 65536 for port in role.ports.values()), (
                f"role {role.name}: no such port: {role.ports}"
            )

    def test_scenarios_are_well_formed(self) -> None:
        """Scenarios have distinct names, a summary, and documented parameters that all have defaults."""
        scenarios = self.found(ProtocolDescriptor).scenarios
        names = [each.name for each in scenarios]
        assert names, "a protocol has at least one scenario"
        assert len(set(names)) == len(names), f"a scenario is named twice: {names}"
        for each in scenarios:
            assert each.summary.strip(), f"scenario {each.name} has no summary"
            assert_documented(each.parameters, f"the parameters of {each.name}")
            each.parameters()

    def test_scenarios_are_found_by_name(self) -> None:
        """The first scenario is the default; an unknown one is an error that lists what exists."""
        protocol = self.found(ProtocolDescriptor)
        default = protocol.create_test_scenario({})
        assert default is protocol.scenarios[0], f"the default scenario is {default.name}, not the first"
        for each in protocol.scenarios:
            found = protocol.create_test_scenario({"scenario": each.name})
            assert found is each, f"asked for {each.name}, got {found.name}"
        with pytest.raises(KeyError, match=protocol.scenarios[0].name):
            protocol.create_test_scenario({"scenario": "no such scenario"})

    def test_nothing_exchanged_is_never_a_pass(self, tmp_path: Path) -> None:
        """Services that end well and leave no evidence do not pass any scenario."""
        for scenario in self.found(ProtocolDescriptor).scenarios:
            seen = self._seen(scenario, tmp_path / scenario.name, ExitStatus(code=0))
            results = self._judged(scenario, seen)
            proofs = [each.name for each in results if each.verdict is Verdict.PASS and each.proves_exchange]
            failed = [each for each in results if each.verdict is not Verdict.PASS]
            assert failed or not proofs, f"scenario {scenario.name} passes without any evidence, by {proofs}"

    @pytest.mark.parametrize("planted", ["crashed", "garbage", "no services"])
    def test_odd_evidence_is_judged_without_raising(self, tmp_path: Path, planted: str) -> None:
        """Crashed services, binary output and missing services are judged, and not as a pass."""
        for scenario in self.found(ProtocolDescriptor).scenarios:
            seen = self._seen(scenario, tmp_path / scenario.name, ExitStatus(signal=11, reason="signal"))
            if planted == "garbage":
                for folder in seen.evidence.folders.values():
                    (folder / "stdout").write_bytes(_GARBAGE)
                    (folder / "stderr").write_bytes(_GARBAGE)
            if planted == "no services":
                empty = Evidence(folder=tmp_path, exits={}, folders={})
                seen = ScenarioEvidence(evidence=empty, roles={}, parameters=scenario.parameters(), seed=1)
            results = self._judged(scenario, seen)
            proofs = [each for each in results if each.proves_exchange]
            good = bool(proofs) and all(each.verdict is Verdict.PASS for each in results)
            assert not good, f"scenario {scenario.name} passes although what is there is: {planted}"

    def test_planted_success_passes(self, tmp_path: Path) -> None:
        """A good exchange passes, twice the same, and a check says that something was exchanged."""
        for scenario in self._tested():
            seen = self._seen(scenario, tmp_path / scenario.name, ExitStatus(code=0))
            self.plant_success(scenario, seen.evidence.folders)
            seen = self._with_measurements(scenario, seen)
            results = self._judged(scenario, seen)
            bad = [f"{each.name}: {each.evidence}" for each in results if each.verdict is not Verdict.PASS]
            assert not bad, f"scenario {scenario.name} does not pass with planted success: {bad}"
            assert any(each.proves_exchange for each in results), f"no check of {scenario.name} proves an exchange"
            assert self._judged(scenario, seen) == results, (
                f"the checks of {scenario.name} judge the same evidence differently"
            )

    def _with_measurements(self, scenario: TestScenario, seen: ScenarioEvidence) -> ScenarioEvidence:
        more = self.plant_measurements(scenario)
        if more is None:
            return seen
        evidence = Evidence(
            folder=seen.evidence.folder,
            exits=seen.evidence.exits,
            folders=seen.evidence.folders,
            measurements=more.measurements,
            findings=more.findings,
            artifacts=more.artifacts,
        )
        return ScenarioEvidence(evidence=evidence, roles=seen.roles, parameters=seen.parameters, seed=seen.seed)
