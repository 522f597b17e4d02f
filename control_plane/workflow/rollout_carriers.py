"""What a rollout carries to machines: packages and signatures, by the repository host, an installer and a measurer.

A carrier does and looks; it judges nothing and keeps nothing. Configuration has a carrier of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from control_plane.model.errors import Rejected
from control_plane.model.machine import (
    Depot,
    Fault,
    Installed,
    Installer,
    Machine,
    MachineLook,
    MachineState,
    Proceed,
    Repository,
    Ring,
)
from control_plane.model.machine_rules import BLINDING, STRANGER, deferred, outcome_for_wave
from control_plane.model.ports import ProbeResult
from control_plane.model.resource import CouldNotMeasure
from control_plane.model.rollout import ItemState, ring_words
from control_plane.model.text import t
from control_plane.store.rollouts import ItemRow, RolloutRow, WaveRow
from control_plane.workflow.rollout_promises import OF_ONE_MACHINE, Found, judged

#: Faults of a machine that mean that what was brought there is not good there.
FATAL: Mapping[Depot, frozenset[Fault]] = {
    "patches": frozenset({"dpkg-interrupted", "disk-full", "clock-wrong", "release-expired", "source-missing"}),
    "signatures": frozenset({"engine-dead", "signatures-missing", "disk-full"}),
}
#: Faults under which a look says nothing about what was brought: such a machine is not measured.
BLIND: Mapping[Depot, frozenset[Fault]] = {
    "patches": BLINDING - FATAL["patches"] | {"dpkg-locked"},
    "signatures": frozenset(),
}


When = Literal["going", "over", "back"]
"""When something joins: while waves go; at the end, the last chance; on the way back, what came with the change."""


class Carrier(Protocol):
    """Brings one kind of change to the items of a wave, and looks whether it is there."""

    def present(self, row: RolloutRow) -> frozenset[str]:
        """Ids of the items that still exist."""
        ...

    def systems(self, items: Sequence[ItemRow]) -> Collection[str]:
        """Systems of which each, when it is frozen, holds what is done to these items."""
        ...

    def opening(self, row: RolloutRow, known: Collection[str], when: When) -> Collection[Ring]:
        """Rings without a wave that get one, because of what came since. `known` as in `joining`. Raises
        CouldNotMeasureError."""
        ...

    def joining(self, row: RolloutRow, known: Collection[str], when: When) -> Sequence[ItemRow]:
        """What came since the rollout was made and must not be left behind: items in the wave of their ring. `known`:
        ids of its items that have not left."""
        ...

    def before(self, row: RolloutRow, wave: WaveRow) -> str:
        """What the wave's ring has now; empty when it has nothing. Raises CouldNotMeasureError."""
        ...

    def publish(self, row: RolloutRow, wave: WaveRow) -> None:
        """Let the wave's ring have what is rolled out. The same twice is harmless."""
        ...

    def unpublish(self, row: RolloutRow, wave: WaveRow) -> bool:
        """Let the ring have again what it had before; returns whether there was something to do. Raises Rejected
        when it cannot be."""
        ...

    def ready(self, items: Sequence[ItemRow]) -> AbstractContextManager[None]:
        """Within, `carry` of these items begins sooner; touches nothing."""
        ...

    def carry(
        self, row: RolloutRow, wave: int, items: Sequence[ItemRow], proceed: Proceed, back: bool
    ) -> Iterator[Installed]:
        """One result an item; `back`: to what was before."""
        ...

    def measure(self, row: RolloutRow, items: Sequence[ItemRow], back: bool) -> Mapping[str, Found]:
        """Look at items: one answer each."""
        ...


class MachineCarrier:
    """Packages or signatures. `machines` gives the inventory as it is now, `prepared` the ids of those whose package
    source is ours, `measure` looks at machines, `promises` measures those of tenants."""

    def __init__(
        self,
        what: Depot,
        machines: Callable[[], Sequence[Machine]],
        prepared: Callable[[], Collection[str]],
        repository: Repository,
        installer: Installer,
        measure: Callable[[Sequence[Machine]], Mapping[str, MachineLook]],
        promises: Callable[[Collection[str]], Sequence[ProbeResult]],
    ) -> None:
        self.what = what
        self.machines = machines
        self.prepared = prepared
        self.repository = repository
        self.installer = installer
        self.look = measure
        self.promises = promises

    def _known(self) -> dict[str, Machine]:
        return {m.id: m for m in self.machines() if m.managed and m.retired_at is None}

    def present(self, row: RolloutRow) -> frozenset[str]:
        """See `Carrier`."""
        return frozenset(self._known())

    def systems(self, items: Sequence[ItemRow]) -> Collection[str]:
        """See `Carrier`."""
        return (self.what,)

    def opening(self, row: RolloutRow, known: Collection[str], when: When) -> Collection[Ring]:
        """See `Carrier`. Ids of snapshots follow their time: what somebody gave a ring since is not taken back."""
        waves = {wave.ring for wave in row.waves}
        rings = {m.ring for m in self._new(known) if m.ring not in waves} if when != "back" else set()
        offered = self.repository.published(self.what) if rings else {}
        return {ring for ring in rings if (offered.get(ring) or "") < (row.snapshot or "")}

    def joining(self, row: RolloutRow, known: Collection[str], when: When) -> Sequence[ItemRow]:
        """See `Carrier`."""
        waves = {wave.ring: wave.number for wave in row.waves}
        new = [m for m in self._new(known) if m.ring in waves]
        return [ItemRow(m.id, waves[m.ring], m.name, m.tenant, m.ring) for m in new]

    def _new(self, known: Collection[str]) -> list[Machine]:
        """A machine that has no baseline yet installs nothing of ours, and would only fail."""
        new = [m for m in self._known().values() if m.id not in known]
        prepared = self.prepared() if new else ()
        return [m for m in new if m.id in prepared]

    def before(self, row: RolloutRow, wave: WaveRow) -> str:
        """See `Carrier`."""
        return self.repository.published(self.what).get(wave.ring) or "" if wave.ring is not None else ""

    def publish(self, row: RolloutRow, wave: WaveRow) -> None:
        """See `Carrier`."""
        if wave.ring is not None and row.snapshot:
            self.repository.publish(self.what, wave.ring, row.snapshot)

    def unpublish(self, row: RolloutRow, wave: WaveRow) -> bool:
        """See `Carrier`. Somebody who published something else since is not overruled."""
        now = self.before(row, wave)
        if wave.ring is None or now == wave.before:
            return False
        if not wave.before:
            raise Rejected(
                t("Ring {ring} had nothing before, so there is nothing to go back to.", ring=ring_words(wave.ring)),
                t("Publish an older snapshot to it: gasp snapshots list shows them."),
            )
        if now != row.snapshot:
            raise Rejected(
                t("Ring {ring} was given {now} since; it is left alone.", ring=ring_words(wave.ring), now=now or "–"),
                t("See what it should have: gasp snapshots list."),
            )
        self.repository.publish(self.what, wave.ring, wave.before)
        return True

    def carry(
        self, row: RolloutRow, wave: int, items: Sequence[ItemRow], proceed: Proceed, back: bool
    ) -> Iterator[Installed]:
        """See `Carrier`. Whether it goes on or back is decided by what the ring offers."""
        yield from self.installer.install(self._machines(items), self.what, proceed)

    def ready(self, items: Sequence[ItemRow]) -> AbstractContextManager[None]:
        """See `Carrier`."""
        return self.installer.ready(self._machines(items), self.what)

    def _machines(self, items: Sequence[ItemRow]) -> list[Machine]:
        known = self._known()
        return [known[i.item] for i in items if i.item in known]

    def measure(self, row: RolloutRow, items: Sequence[ItemRow], back: bool) -> Mapping[str, Found]:
        """See `Carrier`. On the way there the promises of the machines' tenants are measured too."""
        known = self._known()
        machines = [known[i.item] for i in items if i.item in known]
        looks = self.look(machines) if machines else {}
        wanted = {w.number: w.before if back else row.snapshot for w in row.waves}
        silent = CouldNotMeasure("", row.created_at, t("It gave no answer."))
        found = {i.item: self._found(looks.get(i.item, silent), wanted.get(i.wave)) for i in items if i.item in known}
        good = [] if back else [m for m in machines if found[m.id].state is ItemState.OK]
        results = self.promises({m.tenant for m in good}) if good else []
        for m in good:
            found[m.id] = judged(r for r in results if _concerns(r, m)) or found[m.id]
        return found

    def _found(self, look: MachineLook, wanted: str | None) -> Found:
        if not isinstance(look, MachineState):
            return Found(ItemState.UNMEASURED, look.reason)
        meanings = (
            (STRANGER, ItemState.UNMEASURED),
            (FATAL[self.what], ItemState.FAILED),
            (BLIND[self.what], ItemState.UNMEASURED),
        )
        for faults, state in meanings:
            for fault, said in look.faults.items():
                if fault in faults:
                    return Found(state, t("{said}", said=said), fault)
        return self._patches(look) if self.what == "patches" else self._signatures(look, wanted)

    @staticmethod
    def _patches(look: MachineState) -> Found:
        match outcome_for_wave(look, look.at):
            case "success":
                return Found(ItemState.OK)
            case "unknown":
                return Found(ItemState.UNMEASURED, t("Its lists of packages are too old to say what it lacks."))
            case "failure":
                lacking = [p.package for p in look.pending if not p.held and not deferred(p)]
                packages = ", ".join((lacking or [p.package for p in look.pending])[:5])
                if lacking:
                    return Found(ItemState.FAILED, t("It still lacks {packages}.", packages=packages))
                return Found(ItemState.FAILED, t("It lacks {packages}: held there, or waiting.", packages=packages))

    @staticmethod
    def _signatures(look: MachineState, wanted: str | None) -> Found:
        if look.engine_running is False:
            return Found(ItemState.FAILED, t("The engine does not run."), "engine-dead")
        if look.engine_running is None or look.signature_set is None:
            return Found(ItemState.UNMEASURED, t("Nobody could tell which signatures its engine uses."))
        if wanted and look.signature_set != wanted:
            text = t("Its engine uses {found}, not {wanted}.", found=look.signature_set, wanted=wanted)
            return Found(ItemState.FAILED, text)
        return Found(ItemState.OK)


def _concerns(result: ProbeResult, machine: Machine) -> bool:
    probe = result.probe
    own = probe.kind != OF_ONE_MACHINE or probe.vantage == (machine.host or machine.name)
    return probe.tenant == machine.tenant and own
