"""What every provisioner must keep."""

from __future__ import annotations

import queue
import threading
from typing import ClassVar

import pytest

from panther_core.testing.conformance.base import PluginConformance
from panther_hookspecs import Provisioner, ProvisionerDescriptor, System

_SOON = 60.0


class ProvisionerConformance(PluginConformance):
    """Subclass this, name the plugin, and say how many systems it supplies at once with the given options."""

    descriptor_class = ProvisionerDescriptor
    systems: ClassVar[int] = 1
    """How many systems can be reserved at the same time."""

    @pytest.fixture
    def provisioner(self) -> Provisioner:
        """Give the provisioner under test; what the test has reserved and not released is its own business."""
        descriptor = self.found(ProvisionerDescriptor)
        self.require(descriptor)
        return descriptor.factory(self.made_options())

    def reserve(self, provisioner: Provisioner) -> System:
        """Reserve a system, which must be there soon."""
        got: queue.SimpleQueue[System | None] = queue.SimpleQueue()
        threading.Thread(target=lambda: got.put(provisioner.reserve()), daemon=True).start()
        try:
            system = got.get(timeout=_SOON)
        except queue.Empty:
            pytest.fail(f"no system was supplied within {_SOON:g} s")
        assert system is not None, f"the provisioner says that there will be no more, although it has {self.systems}"
        return system

    def test_systems_are_distinct(self, provisioner: Provisioner) -> None:
        """Systems reserved at the same time have different names and are alive."""
        systems = [self.reserve(provisioner) for _ in range(self.systems)]
        try:
            names = [system.name for system in systems]
            assert len(set(names)) == self.systems, f"a system was handed out twice: {names}"
            assert all(name.strip() for name in names), f"a system has no name: {names}"
            assert all(provisioner.is_alive(system) for system in systems), "a system just reserved is not alive"
        finally:
            for system in systems:
                provisioner.release(system)

    def test_a_released_system_can_be_reserved_again(self, provisioner: Provisioner) -> None:
        """Reserving and releasing can go on for as long as a run takes."""
        for _ in range(2 * self.systems + 1):
            provisioner.release(self.reserve(provisioner))

    def test_reserving_one_too_many_waits_or_says_no(self, provisioner: Provisioner) -> None:
        """When all are taken, reserving waits for a release or answers None; it hands out nothing twice."""
        systems = [self.reserve(provisioner) for _ in range(self.systems)]
        got: queue.SimpleQueue[System | None] = queue.SimpleQueue()
        waiting = threading.Thread(target=lambda: got.put(provisioner.reserve()), daemon=True)
        waiting.start()
        waiting.join(0.2)
        if got.empty():
            provisioner.release(systems[0])
            held = systems[1:]
        else:
            held = systems
        answer = got.get(timeout=_SOON)
        taken = [system.name for system in held]
        assert answer is None or answer.name not in taken, f"{answer} was handed out although it is taken: {taken}"
        for system in (*held, *([answer] if answer else [])):
            provisioner.release(system)

    def test_several_threads_reserve_at_once(self, provisioner: Provisioner) -> None:
        """Threads that reserve and release at the same time never hold the same system."""
        held: set[str] = set()
        clashes: list[str] = []
        lock = threading.Lock()

        def work() -> None:
            for _ in range(10):
                system = provisioner.reserve()
                if system is None:
                    return
                with lock:
                    clashes.extend([system.name] if system.name in held else [])
                    held.add(system.name)
                with lock:
                    held.discard(system.name)
                provisioner.release(system)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(self.systems + 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_SOON)
        assert not any(thread.is_alive() for thread in threads), "reserving and releasing in several threads got stuck"
        assert not clashes, f"two threads held the same system: {clashes}"
