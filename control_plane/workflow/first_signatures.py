"""The first signatures of a machine: protection that begins between two rollouts would else wait for the next one.

Gives a machine what its ring has, never more; a freeze holds it as it holds every other way of signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from control_plane.model.freeze import covering
from control_plane.model.machine import Hands, Machine, MachineLook, MachineState, Ring
from control_plane.store.repository import Store

AGAIN = timedelta(minutes=10)
"""After a look that found none: they were tried then, or the machine has just come back."""


class FirstSignatures:
    """The chore. `look` measures machines and keeps what was found; `published` is what each ring has."""

    def __init__(
        self,
        store: Store,
        hands: Hands,
        look: Callable[[Sequence[Machine]], Mapping[str, MachineLook]],
        published: Callable[[], Mapping[Ring, str | None]],
        clock: Callable[[], datetime],
    ) -> None:
        self.store, self.hands, self.look, self.published, self.clock = store, hands, look, published, clock

    def turn(self) -> str | None:
        """Let machines without signatures fetch them; what became of each is seen by the look that follows."""
        lacking = self._lacking()
        if lacking:
            offered = self.published()
            lacking = [machine for machine in lacking if offered.get(machine.ring)]
        if not lacking:
            return None
        by_id = {machine.id: machine for machine in lacking}
        done = [*self.hands.refresh_signatures(lacking, lambda id_: not self._frozen(by_id[id_]))]
        self.look([by_id[one.machine] for one in done if one.state != "untouched"])
        return "first signatures: " + ", ".join(f"{by_id[one.machine].name} {one.state}" for one in done)

    def _lacking(self) -> list[Machine]:
        """Those whose baseline is there, whose last look found none or that nobody looked at yet."""
        with self.store.look():
            contacts, prepared = self.store.machines.contacts(), self.store.machines.prepared()
            machines = [m for m in self.store.machines.all() if m.managed and m.id in prepared]
        now, found = self.clock(), []
        for machine in machines:
            look = contacts[machine.id].look if machine.id in contacts else None
            if isinstance(look, MachineState):
                if "signatures-missing" not in look.faults or now - look.at < AGAIN:
                    continue
            elif look is not None:
                continue  # it is silent; it is asked again when it is measured
            if not self._frozen(machine):
                found.append(machine)
        return found

    def _frozen(self, machine: Machine) -> bool:
        return covering(self.store.freezes.list(), machine.tenant, machine.ring, "signatures") is not None
