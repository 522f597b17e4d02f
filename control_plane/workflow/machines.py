"""The inventory of machines at work: enrolment, retirement, measuring, mending, scans.

What was measured is kept with its time; what was not is unknown. Must not touch a machine that is not enrolled.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.by_itself import SCAN_PATHS, ByItself
from control_plane.model.client_machines import Json, OnProgress
from control_plane.model.errors import (
    CouldNotMeasureError,
    Invalid,
    NotFound,
    Problem,
    Rejected,
)
from control_plane.model.freeze import Freeze, Frozen, covering
from control_plane.model.machine import (
    Fault,
    Found,
    Hands,
    Installed,
    Machine,
    MachineLook,
    MachineState,
    Ring,
    Scanned,
    Seen,
    baseline_id,
    shared,
)
from control_plane.model.machine_rules import FAULTS
from control_plane.model.nearest import nearest, no_tenant
from control_plane.model.resource import CouldNotMeasure
from control_plane.model.run import Actor
from control_plane.model.scope import Scope, parse_scope
from control_plane.model.text import t
from control_plane.store.repository import Store
from control_plane.workflow.applying import Applier, Order
from control_plane.workflow.audit import outside
from control_plane.workflow.machine_import import Export, read_export
from control_plane.workflow.machine_rows import Rows, finding_json

OFFERING = "security"


class Machines:
    """See `model.client_machines.MachinesClient`. `hosts` gives the lab's hosts with their state."""

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
        return {s.code for s in self.store.estate.subscriptions(offering=OFFERING)}

    def enrol(self, name: str, tenant: str, ring: int, *, host: str | None = None) -> Json:
        """See `MachinesClient.enrol`."""
        fingerprint = self._met(name, tenant, ring, host or name)
        self._enter(name, tenant, Ring(ring), host or name, fingerprint)
        return self.show(name)

    def preview_enrol(self, name: str, tenant: str, ring: int) -> None:
        """See `MachinesClient.preview_enrol`."""
        fingerprint = self._met(name, tenant, ring, name)
        with self.store.rehearsal():
            self._enter(name, tenant, Ring(ring), name, fingerprint)

    def _met(self, name: str, tenant: str, ring: int, host: str) -> str:
        """Who answers at `host`, if it may be enrolled as asked."""
        self._may_enrol(name, tenant, ring, host)
        found = self.hands.fingerprints([host])[host]
        if isinstance(found, CouldNotMeasure):
            raise CouldNotMeasureError(
                t("{name} could not be asked who it is: {reason}", name=name, reason=found.reason),
                t("Switch it on and enrol it again; nobody is enrolled unseen."),
            )
        return found.text

    def _may_enrol(self, name: str, tenant: str, ring: int, host: str) -> None:
        problems = []
        codes = [row.code for row in self.store.estate.tenants()]
        if tenant not in codes:
            unknown = no_tenant(tenant, codes)
            problems.append(Problem("no-tenant", unknown.text, unknown.hint, field="tenant"))
        elif tenant not in self.subscribed():
            text = t("{code} does not subscribe to antivirus and patching.", code=tenant)
            remedy = t("Put the offering security into its document and import it; then enrol.")
            problems.append(Problem("not-subscribed", text, remedy, field="tenant"))
        if ring not in set(Ring):
            text = t("There is no ring {ring}.", ring=ring)
            remedy = t("Rings are 0 to 4; workstations are in 1, 2 or 3.")
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
        for row in self.store.estate.subscriptions(offering=OFFERING):
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
            f"subscription:{machine.tenant}/{OFFERING}", only=frozenset({baseline_id(machine.id)}), spare="nothing"
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
            self.store.freezes.check(machine.tenant, machine.ring, OFFERING)
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
        if machine.managed and tenant not in self.subscribed():
            raise Rejected(
                t("{code} does not subscribe to antivirus and patching.", code=tenant),
                t("Put the offering security into its document and import it; then enrol."),
            )
        return machine

    # another console's list -----------------------------------------------------------------------
    def _export(self, path: Path, columns: Mapping[str, str], tenant: str | None) -> tuple[Export, list[str]]:
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

    # measuring ------------------------------------------------------------------------------------
    def chosen(self, scope: str) -> list[Machine]:
        """Managed machines in a scope: `estate`, tenants, subscriptions, and hosts by their names."""
        terms = parse_scope(scope)
        machines = [m for m in self.store.machines.all() if m.managed]
        names = {m.name for m in machines}
        for kind, value in terms.terms:
            if kind == "host" and value not in names:
                raise NotFound(t("There is no enrolled machine “{name}”.", name=value), t("See gasp hosts list."))
            if kind in ("tenant", "subscription"):
                self.store.estate.known(value.partition("/")[0])
        return [m for m in machines if _in(terms, m)]

    def measure(self, scope: str = "estate") -> Json:
        """See `MachinesClient.measure`."""
        with self._outside(AuditAct.MACHINE_MEASURED, self.chosen(scope)) as became:
            found = self.survey(scope)
            became |= {name: found[name] for name in ("scope", "measured", "silent")}
        return found

    def survey(self, scope: str = "estate") -> Json:
        """What `measure` does, when nobody asked for it: the worker's own turn leaves no entry in the audit trail."""
        machines = self.chosen(scope)
        started = time.monotonic()
        looks = self.look(machines)
        seconds = time.monotonic() - started
        rows = self._rows()
        names = {m.id for m in machines}
        mine = [r for r in rows.all() if r["machine"] in names]
        silent = sum(1 for look in looks.values() if isinstance(look, CouldNotMeasure))
        return {
            "scope": scope,
            "seconds": round(seconds, 2),
            "measured": len(looks) - silent,
            "silent": silent,
            "patches": str(rows.summary(names).text),
            "tenants": rows.tenants({m.tenant for m in machines}),
            "machines": mine,
        }

    def look(self, machines: Sequence[Machine]) -> Mapping[str, MachineLook]:
        """Measure machines now and keep what was found. For chores and rollouts."""
        looks = {i: self._dated(look) for i, look in self.hands.measure(machines).items()}
        with self.store.transaction():
            for machine_id, look in looks.items():
                self.store.machines.save_look(machine_id, look)
        return looks

    def _dated(self, look: MachineLook) -> MachineLook:
        """The look with the times at which the centre first saw what is missing and what is held."""
        if isinstance(look, CouldNotMeasure):
            return look
        keys = [f"pending/{p.package}/{p.candidate}" for p in look.pending]
        keys += [f"held/{p.package}" for p in look.pending if p.held]
        first = self.store.machines.first_seen(look.machine, keys)
        pending = [
            replace(
                p,
                since=first[f"pending/{p.package}/{p.candidate}"],
                held_since=first.get(f"held/{p.package}"),
            )
            for p in look.pending
        ]
        return replace(look, pending=pending)

    # mending --------------------------------------------------------------------------------------
    def _state(self, machine: Machine) -> MachineState:
        look = self.look([machine])[machine.id]
        if isinstance(look, CouldNotMeasure):
            raise CouldNotMeasureError(
                look.reason, t("Switch it on; it cannot be mended from afar while it is silent.")
            )
        return look

    def preview_mend(self, name: str) -> Json:
        """See `MachinesClient.preview_mend`."""
        machine = self._managed(name)
        self.store.freezes.check(machine.tenant, machine.ring)
        state = self._state(machine)
        facts = {"name": machine.name, "tenant": machine.tenant}
        acts, left, freeze = [], [], None
        for fault in state.faults:
            words = FAULTS[fault]
            if words.mend is None:
                remedy = str(replace(words.remedy, params=facts))
                left.append({"fault": fault, "text": str(words.text), "remedy": remedy})
            elif (stands := self._freeze(machine, *words.systems)) is not None:
                freeze = stands
                left.append({"fault": fault, "text": str(stands.text), "remedy": str(stands.hint)})
            else:
                acts.append({"fault": fault, "text": str(words.mend)})
        if freeze is not None and not acts:
            raise Frozen(freeze)
        return {"machine": machine.name, "acts": acts, "left": left}

    def mend(self, name: str) -> Json:
        """See `MachinesClient.mend`."""
        machine = self._managed(name)
        faults: list[Fault] = [act["fault"] for act in self.preview_mend(name)["acts"]]
        with self._outside(AuditAct.MACHINE_MENDED, [machine]) as became:
            done = self.hands.mend(machine, faults) if faults else ()
            became |= {m.fault: m.done for m in done}
        self.look([machine])
        acts = [{"fault": m.fault, "done": m.done, "text": str(m.text)} for m in done]
        return {"machine": machine.name, "acts": acts, "row": self.show(machine.name)}

    def _managed(self, name: str) -> Machine:
        machine = self.store.machines.get(name)
        if not machine.managed:
            raise Rejected(
                t("{name} is only observed; nothing is done on it from here.", name=name),
                t("Enrol it first: gasp hosts enrol {name} --tenant {tenant}", name=name, tenant=machine.tenant),
            )
        return machine

    def _outside(self, act: AuditAct, machines: Sequence[Machine]) -> AbstractContextManager[dict[str, Any]]:
        about = [Subject(kind, value) for m in machines for kind, value in (("machine", m.id), ("host", m.name))]
        return outside(self.store, act, self.actor(), about, tenants={m.tenant for m in machines})

    # antivirus ------------------------------------------------------------------------------------
    def security(self, tenant: str | None = None) -> list[Json]:
        """See `MachinesClient.security`."""
        if tenant is not None:
            self.store.estate.known(tenant)
        rows = self._rows()
        return rows.tenants({tenant} if tenant else rows.subscribed)

    def scan(self, target: str, paths: Sequence[str], on_progress: OnProgress | None = None) -> Json:
        """See `MachinesClient.scan`. One machine after the other, so that a scan never fills the centre's links."""
        machines = self.chosen(target) if target == "estate" or ":" in target else [self._managed(target)]
        answer: Json = {"target": target, "files": 0, "machines": [], "findings": []}
        with self._outside(AuditAct.MACHINE_SCANNED, machines) as became:
            for machine in machines:
                ended = self._scan_one(machine, paths, answer["findings"], on_progress)
                answer["files"] += ended.files
                answer["machines"].append(
                    {
                        "machine": machine.name,
                        "tenant": machine.tenant,
                        "files": ended.files,
                        "found": [{"path": f.path, "signature": f.signature} for f in ended.found],
                        "error": str(ended.error) if ended.error else None,
                        "scanned_at": ended.at.isoformat() if ended.at and not paths else None,
                    }
                )
            became |= {"files": answer["files"], "findings": len(set(answer["findings"]))}
        answer["findings"] = list(dict.fromkeys(answer["findings"]))
        return answer

    def _scan_one(
        self, machine: Machine, paths: Sequence[str], ids: list[str], on_progress: OnProgress | None
    ) -> Scanned:
        files, found = 0, 0
        ended = Scanned(machine.id, 0, (), None)
        for news in self.hands.scan(machine, paths or SCAN_PATHS):
            match news:
                case Found():
                    found += 1
                    ids.extend(self.store.machines.report(machine, [news], self.clock()))
                case Scanned():
                    ended = news
                case Seen():
                    files = news.files
            if on_progress is not None and not isinstance(news, Scanned):
                on_progress({"machine": machine.name, "files": files, "found": found})
        if ended.at is not None and not paths:  # only a scan of all that is usually scanned says that it is clean
            self.store.scans.ended(machine.id, ended.at, ended.files, found)
        return ended

    def refresh_signatures(self, scope: str = "estate") -> Json:
        """See `MachinesClient.refresh_signatures`."""
        machines = self.chosen(scope)
        stopped = {m.id: freeze for m in machines if (freeze := self._freeze(m))}
        if machines and len(stopped) == len(machines):
            raise Frozen(next(iter(stopped.values())))
        free = {m.id: m for m in machines if m.id not in stopped}

        def proceed(machine_id: str) -> bool:
            freeze = self._freeze(free[machine_id])
            if freeze is not None:
                stopped[machine_id] = freeze
            return freeze is None

        with self._outside(AuditAct.SIGNATURES_REFRESHED, list(free.values())) as became:
            done = {r.machine: r for r in self.hands.refresh_signatures(list(free.values()), proceed)}
            became |= Counter(r.state for r in done.values())
        self.look(machines)
        why = str(next(iter(stopped.values())).text) if stopped else ""
        for m in machines:
            if m.id not in done or done[m.id].state == "untouched":
                done[m.id] = Installed(m.id, "untouched", str(stopped[m.id].text) if m.id in stopped else why)
        states = ("changed", "already", "failed", "unreachable", "untouched")
        return {
            **{state: sum(1 for r in done.values() if r.state == state) for state in states},
            "machines": [
                {"machine": m.name, "tenant": m.tenant, "state": done[m.id].state, "text": done[m.id].text}
                for m in sorted(machines, key=lambda m: m.name)
            ],
        }

    def _freeze(self, machine: Machine, *systems: str) -> Freeze | None:
        freezes = self.store.freezes.list()
        found = (covering(freezes, machine.tenant, machine.ring, system) for system in systems or ("signatures",))
        return next((freeze for freeze in found if freeze is not None), None)

    def findings(self, tenant: str | None = None, *, only_open: bool = False) -> list[Json]:
        """See `MachinesClient.findings`."""
        found = self.store.machines.findings(tenant=tenant, only_open=only_open)
        if tenant is not None and not found:  # what an ended one left is still told
            self.store.estate.known(tenant)
        return [finding_json(f) for f in found]

    def clear_findings(self, ids: Sequence[str], reason: str) -> list[Json]:
        """See `MachinesClient.clear_findings`."""
        if not reason.strip():
            problem = Problem("no-reason", t("A reason is needed."), t("Say why in one sentence."), field="reason")
            raise Invalid([problem])
        self.store.machines.clear(self.actor(), ids, reason)
        return [f for f in self.findings() if f["id"] in ids]


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


def _in(scope: Scope, machine: Machine) -> bool:
    if not scope.terms:
        return True
    hosts = {value for kind, value in scope.terms if kind == "host"}
    return machine.name in hosts or scope.covers(machine.tenant, OFFERING, "security:machines")
