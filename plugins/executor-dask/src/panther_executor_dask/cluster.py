"""The workers of a cluster as systems: every thread of a worker runs one case at a time."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import tarfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_executor_dask import far
from panther_hookspecs import (
    CaseExecutor,
    CaseTask,
    EnvironmentUnavailableError,
    Provisioner,
    System,
    SystemLostError,
    TestExecutionError,
    option,
)

_LOOK = 1.0
"""Seconds between two looks at whether the worker of a running case is still there."""


@attrs.frozen(kw_only=True)
class DaskOptions:
    """Which cluster, and how much of each worker."""

    address: str = option("", help="Address of the scheduler, tcp://host:8786; what Dask is configured with if empty.")
    workers: int = option(0, validator=attrs.validators.ge(0), help="Cases at a time on each worker; 0: its threads.")
    wait: float = option(30.0, validator=attrs.validators.gt(0), help="Seconds to wait for the first worker.")


@attrs.define(eq=False)
class DaskCases(CaseExecutor):
    """Carries out cases on one worker, and on no other."""

    client: Any
    address: str
    pid: int
    _numbers: Iterator[int] = attrs.field(factory=itertools.count)
    _running: set[str] = attrs.field(factory=set)
    _cancelled: bool = False

    def carry_out(self, task: CaseTask, folder: Path) -> Mapping[str, Any]:
        """Run one attempt there; the loss of the worker is told, and nothing is tried again."""
        key = f"panther-{task.run_id}-{task.case_id}-{task.attempt}-{id(self)}-{next(self._numbers)}"
        future = self.client.submit(
            far.run_case,
            key,
            self.pid,
            attrs.asdict(task),
            key=key,
            workers=[self.address],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )
        self._running.add(key)
        try:
            if self._cancelled:
                self.cancel()
            answer = self._answer(future)
        finally:
            self._running.discard(key)
            with contextlib.suppress(Exception):  # the cluster may be gone; there is nothing left to be freed then
                future.release()
        if "lost" in answer:
            raise SystemLostError(str(answer["lost"]))
        if "refused" in answer:
            raise TestExecutionError(str(answer["refused"]))
        with tarfile.open(fileobj=io.BytesIO(answer["evidence"])) as archive:
            archive.extractall(folder, filter="data")
        return {**answer["record"], "error": answer.get("error"), "events": answer.get("events", ())}

    def cancel(self) -> None:
        """End what runs: Dask would let it run to its end."""
        self._cancelled = True
        for key in tuple(self._running):
            with contextlib.suppress(Exception):  # a worker that is gone runs nothing
                self.client.run(far.cancel_case, key, workers=[self.address])

    def _answer(self, future: Any) -> Mapping[str, Any]:
        """Wait for the answer, as long as the worker is there."""
        while True:
            try:
                answer: Mapping[str, Any] = future.result(timeout=_LOOK)
            except TimeoutError:
                if not is_there(self.client, self.address):
                    with contextlib.suppress(Exception):  # the scheduler may be gone as well
                        future.cancel(force=True)
                    raise SystemLostError(f"the worker {self.address} is gone") from None
                continue
            except Exception as error:
                raise SystemLostError(f"the worker {self.address} gave no answer: {error}") from error
            return answer


@attrs.define(eq=False)
class DaskWorkers(Provisioner):
    """Gives out the slots of the workers that are there."""

    options: DaskOptions
    _client: Any = None
    _refusal: EnvironmentUnavailableError | None = None
    _taken: set[tuple[str, int]] = attrs.field(factory=set)
    _changed: threading.Condition = attrs.field(factory=threading.Condition)

    def reserve(self) -> System:
        """Return a slot of a worker, waiting until one is free; who has joined the cluster meanwhile counts."""
        with self._changed:
            client = self._connected()
            while True:
                workers = _workers(client)
                if not workers:
                    raise EnvironmentUnavailableError("the Dask cluster has no worker\n  try: dask worker ADDRESS")
                slot = next((each for each in self._slots(workers) if each not in self._taken), None)
                if slot is not None:
                    self._taken.add(slot)
                    break
                self._changed.wait(_LOOK)
        try:
            return _system(client, slot, workers[slot[0]])
        except BaseException:
            self._give_back(slot)
            raise

    def release(self, system: System) -> None:
        """Let the next one have the slot."""
        self._give_back((system.host, int(system.name.rpartition("/")[2])))

    def is_alive(self, system: System) -> bool:
        """Return whether the worker is still the one that it was."""
        executor = system.executor
        return isinstance(executor, DaskCases) and is_there(self._client, executor.address)

    def close(self) -> None:
        """Leave the cluster as it was."""
        if self._client is not None:
            self._client.close()

    def _give_back(self, slot: tuple[str, int]) -> None:
        with self._changed:
            self._taken.discard(slot)
            self._changed.notify_all()

    def _slots(self, workers: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
        """Yield the slots, the first of every worker before the second of any."""
        counts = {address: self.options.workers or int(each["nthreads"]) for address, each in sorted(workers.items())}
        for number in range(max(counts.values(), default=0)):
            yield from ((address, number) for address, count in counts.items() if number < count)

    def _connected(self) -> Any:
        """Return the connection; when waiting for the cluster was in vain once, nobody else waits again."""
        if self._refusal is not None:
            raise self._refusal
        if self._client is None:
            try:
                self._client = _connect(self.options)
            except EnvironmentUnavailableError as error:
                self._refusal = error
                raise
        return self._client


def _connect(options: DaskOptions) -> Any:
    try:
        import distributed  # noqa: PLC0415 - costs seconds, and is only there where it is used
    except ImportError as error:
        raise EnvironmentUnavailableError(
            "Dask is not installed\n  try: pip install 'panther-executor-dask[dask]'", lasting=True
        ) from error
    make: Any = distributed.Client
    with contextlib.ExitStack() as stack:
        try:
            client = stack.enter_context(make(options.address or None, set_as_default=False, timeout=options.wait))
            client.wait_for_workers(1, timeout=options.wait)
        except (OSError, TimeoutError, ValueError) as error:
            where = options.address or "the address that Dask is configured with"
            raise EnvironmentUnavailableError(
                f"no Dask cluster at {where} has answered within {options.wait:g} s with a worker: {error}\n"
                "  try: dask scheduler, dask worker ADDRESS, or another `address`",
                lasting=True,
            ) from error
        stack.pop_all()
    return client


def is_there(client: Any, address: str) -> bool:
    """Return whether a worker belongs to the cluster."""
    return address in _workers(client)


def _workers(client: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    return found


def _system(client: Any, slot: tuple[str, int], worker: Mapping[str, Any]) -> System:
    """Return a slot as a system: what the worker has in Dask's terms are labels and amounts here."""
    address, number = slot
    resources = {str(name): float(amount) for name, amount in worker.get("resources", {}).items()}
    pid = client.run(os.getpid, workers=[address])[address]
    return System(
        name=f"{worker.get('name', address)}/{number}",
        labels=frozenset({"dask", *resources}),
        facts={"address": address},
        host=address,
        capacity={"cpus": float(worker["nthreads"]), "memory": float(worker.get("memory_limit") or 0), **resources},
        executor=DaskCases(client, address, pid),
    )
