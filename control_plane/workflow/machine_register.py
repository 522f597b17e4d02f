"""The inventory of machines: who is enrolled, retired, given up, moved; and what another console's list says.

Nobody is enrolled unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from control_plane.model.by_itself import ByItself
from control_plane.model.client_machines import Json
from control_plane.model.errors import (
    CouldNotMeasureError,
    Invalid,
    NotFound,
    Problem,
    Rejected,
)
from control_plane.model.machine import (
    SERVICE,
    Fingerprint,
    Hands,
    Machine,
    Ring,
    baseline_id,
    shared,
    stated_rings,
)
from control_plane.model.nearest import nearest, no_tenant
from control_plane.model.resource import CouldNotMeasure
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.store.repository import Store
from control_plane.workflow.applying import Applier, Order
from control_plane.workflow.machine_import import Export, read_export
from control_plane.workflow.machine_rows import Rows


class MachineRegister:
    """Rows of machines and where they belong. `hosts` gives the lab's hosts with their state."""

    def __init__(
        self,
        store: Store,
        hands: Hands,
        applier: Applier,
        hosts: Callable[[], list[dict[str, Any]]],
        actor: Callable[[], Actor],
        clock: Callable[[], datetime],
        rules: ByItself = ByItself(),  # noqa: B008 frozen
    ) -> None:
        self.store, self.hands, self.applier, self.actor, self.clock = store, hands, applier, actor, clock
        self._hosts, self.rules = hosts, rules

    # inventory ------------------------------------------------------------------------------------
    def _rows(self) -> Rows:
        return Rows(self.store, self._hosts(), self.clock(), self.rules)

    def rows(self) -> list[Json]:
        """See `MachinesClient.rows`."""
        return self._rows().all()

    def show(self, name: str) -> Json:
        """See `MachinesClient.show`."""
        rows = self._rows()
        known = rows.all()
        row = next((r for r in known if name in (r["name"], r["machine"])), None)
        if row is None:
            text = t("There is no host “{name}”.", name=name)
            raise NotFound(text, nearest(name, [r["name"] for r in known], t("See gasp hosts list.")))
        return {**row, **rows.details(row["machine"])}

    def subscribed(self) -> set[str]:
        """Codes of tenants that have the service."""
        return {s.code for s in self.store.estate.subscriptions(offering=SERVICE)}

    def enrol(self, name: str, tenant: str, ring: int, *, host: str | None = None) -> Json:
        """See `MachinesClient.enrol`."""
        fingerprint = self._met(name, tenant, ring, host or name)
        with self.store.transaction():
            self._enter(name, tenant, Ring(ring), host or name, fingerprint)
            self._write(name, tenant, Ring(ring))
        return self.show(name)

    def enrol_named(self, tenant: str, spec: Mapping[str, Any]) -> None:
        """Enrol what a tenant's form names and the inventory lacks, before the form is wished. Raises as `enrol`."""
        known = {m.name for m in self.store.machines.all() if m.managed}
        listed = {item["name"]: Ring(item.get("ring", Ring.ALL)) for item in spec.get("machines", ())}
        new = {name: ring for name, ring in listed.items() if name not in known}
        for name, ring in new.items():
            self._may_enrol(name, tenant, ring, name, subscribes=True)
        met = {name: _answered(name, found) for name, found in self.hands.fingerprints([*new]).items()}
        with self.store.transaction():
            for name, ring in new.items():
                self._enter(name, tenant, ring, name, met[name])

    def _write(self, name: str, tenant: str, ring: Ring) -> None:
        """The ring stands in the tenant's document too, if that names this machine with another one."""
        row = self.store.estate.subscription(f"{tenant}/{SERVICE}")
        if row is None or stated_rings(row.spec).get(name, ring) == ring:
            return
        listed = [{**item, "ring": int(ring)} if item["name"] == name else item for item in row.spec["machines"]]
        change = SubscriptionChange(tenant, SERVICE, row.tier, {**row.spec, "machines": listed}, row.generation)
        self.store.estate.change(self.actor(), f"enrol {name}", [change], claims={})

    def preview_enrol(self, name: str, tenant: str, ring: int) -> None:
        """See `MachinesClient.preview_enrol`."""
        fingerprint = self._met(name, tenant, ring, name)
        with self.store.rehearsal():
            self._enter(name, tenant, Ring(ring), name, fingerprint)

    def _met(self, name: str, tenant: str, ring: int, host: str) -> str:
        """Who answers at `host`, if it may be enrolled as asked."""
        self._may_enrol(name, tenant, ring, host)
        return _answered(name, self.hands.fingerprints([host])[host])

    def _may_enrol(self, name: str, tenant: str, ring: int, host: str, *, subscribes: bool = False) -> None:
        """Raises Invalid with every problem. `subscribes`: the tenant is about to."""
        problems = []
        codes = [row.code for row in self.store.estate.tenants()]
        if tenant not in codes:
            unknown = no_tenant(tenant, codes)
            problems.append(Problem("no-tenant", unknown.text, unknown.hint, field="tenant"))
        elif not subscribes and tenant not in self.subscribed():
            text = t("{code} does not subscribe to antivirus and patching.", code=tenant)
            remedy = t("Put the offering security into its document and import it; then enrol.")
            problems.append(Problem("not-subscribed", text, remedy, field="tenant"))
        if ring not in set(Ring) - {Ring.CENTRE}:
            text = t("Ring {ring} is none for machines of departments.", ring=ring)
            remedy = t("Write 1, 2 or 3 for workstations, 4 for servers.")
            problems.append(Problem("no-ring", text, remedy, field="ring"))
        problems += _misplaced(name, tenant, host, self._hosts())
        if problems:
            raise Invalid(problems)

    def _enter(self, name: str, tenant: str, ring: Ring, host: str, fingerprint: str) -> Machine:
        others = (m for m in self.store.machines.all() if m.name != name)
        twin = next((m for m in others if shared(m.fingerprint, fingerprint)), None)
        if twin is not None:
            raise Rejected(
                t("{name} is {twin} (of {tenant}) by machine-id or host key: a clone, or the same machine twice.",
                  name=name, twin=twin.name, tenant=twin.tenant),
                t("Give the clone an identity of its own (machine-id and SSH host keys), or retire {twin}.",
                  twin=twin.name),
            )  # fmt: skip
        return self.store.machines.add(
            self.actor(), name, tenant, ring, host=host, managed=True, source="enrolled", fingerprint=fingerprint
        )

    def enrol_wanted(self, workstation: Callable[[str], str | None]) -> tuple[int, list[str]]:
        """Enrol what the documents of subscribed tenants ask for and the inventory lacks: how many there are now, and
        sentences about those that could not be. `workstation` gives a tenant's own machine, if it has one."""
        known = {m.name for m in self.store.machines.all() if m.managed}
        retired = {m.name for m in self.store.machines.all(retired=True) if m.retired_at is not None}
        wanted: dict[str, tuple[str, Ring]] = {}
        for row in self.store.estate.subscriptions(offering=SERVICE):
            listed = row.spec.get("machines") or [{"name": workstation(row.code)}]
            for item in listed:
                if item["name"] and item["name"] not in known | retired:
                    wanted[item["name"]] = (row.code, Ring(item.get("ring", Ring.ALL)))
        complaints, hosts = [], self._hosts()
        for name, (tenant, _) in sorted(wanted.items()):
            for problem in _misplaced(name, tenant, name, hosts):
                complaints.append(str(problem.text))
                del wanted[name]
        for name, found in self.hands.fingerprints(sorted(wanted)).items():
            tenant, ring = wanted[name]
            if isinstance(found, CouldNotMeasure):
                complaints.append(str(t("{name}: {reason}", name=name, reason=found.reason)))
                continue
            try:
                self._enter(name, tenant, ring, name, found.text)
            except Rejected as error:
                complaints.append(str(error.text))
        return sum(1 for m in self.store.machines.all() if m.managed), complaints

    def retire(self, name: str) -> Json:
        """See `MachinesClient.retire`."""
        machine = self._retirable(name)
        self.store.machines.retire(self.actor(), [machine])
        if not machine.managed:
            return {"machine": machine.name, "run": None, "waiting": False, "left": []}
        order = Order(
            f"subscription:{machine.tenant}/{SERVICE}", only=frozenset({baseline_id(machine.id)}), spare="nothing"
        )
        run = self.applier.apply(order, self.actor())
        left = any(m.id == machine.id for m in self.store.machines.touched())
        return {"machine": machine.name, "run": run, "waiting": left, "left": []}

    def preview_retire(self, name: str) -> None:
        """See `MachinesClient.preview_retire`."""
        self._retirable(name)

    def _retirable(self, name: str) -> Machine:
        machine = self.store.machines.get(name)
        if machine.managed:
            self.store.freezes.check(machine.tenant, machine.ring, SERVICE)
        return machine

    def give_up(self, name: str, reason: str) -> Json:
        """See `MachinesClient.give_up`."""
        machine = self._lost(name, reason)
        self.store.machines.give_up(self.actor(), machine, reason.strip())
        left = [baseline_id(m.id) for m, _ in self.store.machines.lost() if m.id == machine.id]
        return {"machine": machine.name, "run": None, "waiting": False, "left": left}

    def preview_give_up(self, name: str, reason: str) -> None:
        """See `MachinesClient.preview_give_up`."""
        self._lost(name, reason)

    def _lost(self, name: str, reason: str) -> Machine:
        if not reason.strip():
            problem = Problem("no-reason", t("A reason is needed."), t("Say why in one sentence."), field="reason")
            raise Invalid([problem])
        leaving = (m for m in self.store.machines.touched() if m.retired_at is not None and name in (m.name, m.id))
        living = (m for m in self.store.machines.all() if name in (m.name, m.id))
        machine = next(living, None) or next(leaving, None) or self.store.machines.get(name)
        if machine.host:
            found = self.hands.fingerprints([machine.host])[machine.host]
            if not isinstance(found, CouldNotMeasure) and found.text == machine.fingerprint:
                raise Rejected(
                    t("{name} answers: it is not lost.", name=machine.name),
                    t("Take it out without --lost; what is ours is removed from it then."),
                )
        return machine

    def retire_all(self, tenant: str) -> None:
        """Take a tenant's machines out of the inventory (offboarding)."""
        self.store.machines.retire(self.actor(), [m for m in self.store.machines.all() if m.tenant == tenant])

    def transfer(self, name: str, tenant: str) -> Json:
        """See `MachinesClient.transfer`."""
        machine = self._transferable(name, tenant)
        self.store.machines.transfer(self.actor(), machine, tenant)
        return self.show(machine.name)

    def preview_transfer(self, name: str, tenant: str) -> None:
        """See `MachinesClient.preview_transfer`."""
        self._transferable(name, tenant)

    def _transferable(self, name: str, tenant: str) -> Machine:
        machine = self.store.machines.get(name)
        self.store.estate.known(tenant)
        if machine.tenant == tenant:
            raise Rejected(t("{name} belongs to {tenant} already.", name=machine.name, tenant=tenant))
        if machine.managed and tenant not in self.subscribed():
            raise Rejected(
                t("{code} does not subscribe to antivirus and patching.", code=tenant),
                t("Put the offering security into its document and import it; then enrol."),
            )
        return machine

    # another console's list -----------------------------------------------------------------------
    def _export(self, path: Path, columns: Mapping[str, str], tenant: str | None) -> tuple[Export, list[str]]:
        if tenant is not None:
            self.store.estate.known(tenant)
        export = read_export(path, columns, tenant, {row.code: row.names for row in self.store.estate.tenants()})
        known = {m.name: m for m in self.store.machines.all()}
        hosts = {h["name"] for h in self._hosts()}
        problems = list(export.problems)
        for item in export.machines:
            other = known.get(item.name)
            if item.name in hosts or (other is not None and other.managed):
                text = t(
                    "{name} is a machine that this centre knows itself; a list cannot say what it is.", name=item.name
                )
                problems.append(Problem("known-better", text, t("Take the line out."), path.name, item.line, "name"))
            elif other is not None and other.tenant != item.tenant:
                text = t("The inventory has {name} at {tenant}.", name=item.name, tenant=other.tenant)
                remedy = t(
                    "Transfer it first: gasp hosts transfer {name} --tenant {to}", name=item.name, to=item.tenant
                )
                problems.append(Problem("other-tenant", text, remedy, path.name, item.line, "tenant"))
        if problems:
            raise Invalid(sorted(problems, key=lambda p: (p.line or 0, p.field or "")))
        return export, [m.name for m in export.machines if m.name in known]

    def preview_import(self, path: Path, columns: Mapping[str, str], tenant: str | None) -> Json:
        """See `MachinesClient.preview_import`."""
        export, known = self._export(path, columns, tenant)
        return {
            "file": str(path),
            "encoding": export.encoding,
            "columns": dict(export.columns),
            "rows": len(export.machines),
            "create": len(export.machines) - len(known),
            "update": len(known),
            "machines": [{"name": m.name, "tenant": m.tenant, "facts": dict(m.facts)} for m in export.machines],
        }

    def import_machines(self, path: Path, columns: Mapping[str, str], tenant: str | None) -> Json:
        """See `MachinesClient.import_machines`."""
        answer = self.preview_import(path, columns, tenant)
        with self.store.transaction():
            for item in answer["machines"]:
                self.store.machines.add(
                    self.actor(), item["name"], item["tenant"], Ring.ALL, host=None, managed=False,
                    source=f"list {path.name}", fingerprint=None, facts=item["facts"],
                )  # fmt: skip
        return answer


def _misplaced(name: str, tenant: str, host: str, hosts: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """Why a machine cannot be this tenant's, by where it stands; at most one."""
    lab = next((h for h in hosts if h["name"] == host), None)
    if lab is None or lab["tenant"] == tenant:
        return []
    if lab["tenant"] is None:
        text = t("{name} is no machine of a department: it is a {role} host of the centre or of the outside.",
                 name=host, role=lab["role"])  # fmt: skip
        return [Problem("machine-of-centre", text, t("Give the name of a department's machine."), field="name")]
    text = t("{name} stands in the network of {tenant}.", name=host, tenant=lab["tenant"])
    remedy = t("Enrol it there; then: gasp hosts transfer {name}", name=name)
    return [Problem("machine-of-others", text, remedy, field="name")]


def _answered(name: str, found: Fingerprint | CouldNotMeasure) -> str:
    """Who a machine is. Raises CouldNotMeasureError when it did not say."""
    if isinstance(found, CouldNotMeasure):
        raise CouldNotMeasureError(
            t("{name} could not be asked who it is: {reason}", name=name, reason=found.reason),
            t("Switch it on and enrol it again; nobody is enrolled unseen."),
        )
    return found.text
