"""Machines at work: measuring, mending, scans. Who is enrolled stands in `machine_register`.

What was measured is kept with its time; what was not is unknown. Must not touch a machine that is not enrolled.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.by_itself import SCAN_PATHS
from control_plane.model.client_machines import Json, OnProgress
from control_plane.model.errors import (
    CouldNotMeasureError,
    Invalid,
    Problem,
    Rejected,
)
from control_plane.model.freeze import Freeze, Frozen, covering
from control_plane.model.machine import (
    Fault,
    Found,
    Installed,
    Machine,
    MachineLook,
    MachineState,
    Scanned,
    Seen,
)
from control_plane.model.machine_rules import FAULTS
from control_plane.model.resource import CouldNotMeasure
from control_plane.model.targets import check_paths, parse_target, remedy, target_words
from control_plane.model.text import t
from control_plane.workflow.audit import outside
from control_plane.workflow.machine_register import MachineRegister
from control_plane.workflow.machine_rows import finding_json


class Machines(MachineRegister):
    """See `model.client_machines.MachinesClient`."""

    # measuring ------------------------------------------------------------------------------------
    def chosen(self, target: str, field: str = "scope") -> list[Machine]:
        """Managed machines that a target means. Raises Invalid, NotFound, Rejected when that is none."""
        terms = parse_target(target, field)
        for term in terms:
            if term.kind == "host":
                self._managed(term.value)
            if term.kind == "tenant":
                self.store.estate.known(term.value)
        machines = [m for m in self.store.machines.all() if m.managed]
        found = [m for m in machines if any(term.means(m) for term in terms)]
        if not found and all(term.kind != "estate" for term in terms):
            raise Rejected(t("No machine of {scope} is enrolled.", scope=target_words(target)), remedy())
        return found

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
        known = {m.name for m in self.store.machines.all()}
        host = next((h for h in self._hosts() if h["name"] == name and name not in known), None)
        if host is not None:
            raise Rejected(
                t("{name} is not enrolled; only enrolled machines are measured, scanned and mended.", name=name),
                t("Enrol it first: gasp hosts enrol {name} --tenant {tenant}", name=name, tenant=host["tenant"])
                if host.get("tenant")
                else t("The centre's own hosts are looked after by its operators: gasp hosts show {name}.", name=name),
            )
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
        check_paths(paths)
        machines = self.chosen(target, "target")
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
