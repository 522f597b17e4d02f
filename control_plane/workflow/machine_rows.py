"""Machines as people and programs see them: one row each, and the counts of a tenant.

Joins the inventory with the lab's hosts and the last looks; must not look at anything itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from control_plane.model.machine import Machine, MachineState, Pending, Ring, baseline_id
from control_plane.model.machine_rules import (
    FAULTS,
    LOST_AFTER,
    SIGNATURES_WARN,
    PatchState,
    Summary,
    deferred,
    overdue,
    patch_state,
    protection,
    signature_age,
    summary,
)
from control_plane.model.text import t
from control_plane.store.repository import Contact, Finding, Store

#: What the lab says of a host; null for machines that are not in it.
PLACE = ("role", "zone", "ipv4", "ipv6", "mgmt", "state", "restarts")
_NOTHING: Mapping[str, Any] = {
    "machine": None, "ring": None, "managed": False, "source": None, "patch_state": None, "pending": None,
    "overdue": None, "held": None, "waiting": None, "reboot_required": None, "protection": None, "signature_set": None,
    "signature_age_seconds": None, "findings": None, "faults": [], "lists_at": None, "last_contact": None,
    "measured_at": None, "silent_because": None, "notes": [],
}  # fmt: skip


class Rows:
    """One picture of all machines, of one moment."""

    def __init__(self, store: Store, hosts: Sequence[Mapping[str, Any]], now: datetime) -> None:
        self.store, self.now = store, now
        self.hosts = {h["name"]: h for h in hosts}
        with store.look():
            self.machines = store.machines.all()
            living = {m.id for m in self.machines}
            self.contacts = {i: c for i, c in store.machines.contacts().items() if i in living}
            self.open = Counter(f.machine for f in store.machines.findings(only_open=True))
            self.leaving = [m for m in store.machines.touched() if m.retired_at is not None]
            self.subscribed = {s.code for s in store.estate.subscriptions(offering="security")}
        looks = (c.look for c in self.contacts.values())
        self.answered = Counter(_who(look) for look in looks if isinstance(look, MachineState))
        self.enrolled = Counter(m.fingerprint for m in self.machines)

    def all(self) -> list[dict[str, Any]]:
        """The centre's hosts as the lab lists them, then machines by name."""
        by_host = {m.host: m for m in self.machines if m.host}
        rows = [
            {**host, **self._facts(by_host[name])} if name in by_host else self._bare(host)
            for name, host in self.hosts.items()
        ]
        for machine in self.machines:
            if machine.host not in self.hosts:
                rows.append({"name": machine.name, **dict.fromkeys(PLACE), **self._facts(machine)})
        return rows

    def _bare(self, host: Mapping[str, Any]) -> dict[str, Any]:
        """A host that is not enrolled: the centre's own (ring 0), one of the outside, or a workstation only listed."""
        row = {**host, **_NOTHING, "patch_state": "unmanaged", "faults": [], "notes": []}
        if host["zone"] == "core":
            row["ring"] = int(Ring.CENTRE)
        if any(m.host == host["name"] for m in self.leaving):
            row["notes"] = ["leaving"]
        return row

    def _facts(self, machine: Machine) -> dict[str, Any]:
        contact = self.contacts.get(machine.id)
        look = contact.look if contact else None
        state = look if isinstance(look, MachineState) else None
        pending = state.pending if state else ()
        word = self.patch_state(machine)
        known = state is not None and word != "unknown"  # what was seen through old lists is no number
        return {
            "name": machine.name,
            "machine": machine.id,
            "tenant": machine.tenant,
            "ring": int(machine.ring),
            "managed": machine.managed,
            "source": machine.source,
            "patch_state": word,
            "pending": sum(1 for p in pending if not p.held and not deferred(p)) if known else None,
            "overdue": overdue(pending, self.now) if known else None,
            "held": sum(1 for p in pending if p.held) if known else None,
            "waiting": sum(1 for p in pending if deferred(p)) if known else None,
            "reboot_required": state.reboot_required if state else None,
            "protection": protection(look, self.now, self.open[machine.name]) if machine.managed else "unmanaged",
            "signature_set": state.signature_set if state else None,
            "signature_age_seconds": signature_age(look, self.now),
            "findings": self.open[machine.name],
            "faults": sorted(state.faults) if state else [],
            "lists_at": state.lists_at.isoformat() if state and state.lists_at else None,
            "last_contact": contact.last_contact.isoformat() if contact and contact.last_contact else None,
            "measured_at": look.at.isoformat() if look else None,
            "silent_because": str(look.reason) if contact and look and not isinstance(look, MachineState) else None,
            "notes": self._notes(machine, contact, state),
        }

    def patch_state(self, machine: Machine) -> PatchState:
        """One word."""
        contact = self.contacts.get(machine.id)
        return patch_state(contact.look if contact else None, self.now) if machine.managed else "observed"

    def _notes(self, machine: Machine, contact: Contact | None, state: MachineState | None) -> list[str]:
        """`observed`, `clone`, `exchanged`, `lost`, `no-host`, `signatures-getting-old`."""
        notes = []
        if not machine.managed:
            return ["observed"]
        known, seen = machine.fingerprint, _who(state)
        if (known and self.enrolled[known] > 1) or (seen and self.answered[seen] > 1):
            notes.append("clone")
        if state is not None and "not-enrolled-here" in state.faults:
            notes.append("exchanged")
        last = (contact.last_contact if contact else None) or machine.enrolled_at
        if self.now - last > LOST_AFTER:
            notes.append("lost")
        if machine.host not in self.hosts:
            notes.append("no-host")
        if state is not None and state.signature_at and self.now - state.signature_at > SIGNATURES_WARN:
            notes.append("signatures-getting-old")
        if machine.tenant not in self.subscribed:
            notes.append("no-subscription")
        return notes

    def summary(self, ids: Collection[str]) -> Summary:
        """Patch states of some machines, counted."""
        return summary([self.patch_state(m) for m in self.machines if m.id in ids])

    def tenants(self, codes: Collection[str]) -> list[dict[str, Any]]:
        """Counts by tenant. Clean, old signatures and silent are apart, and never added up."""
        rows = []
        for code in sorted(codes):
            mine = [m for m in self.machines if m.tenant == code and m.managed]
            looks = {m.id: self.contacts[m.id].look if m.id in self.contacts else None for m in mine}
            words = Counter(protection(looks[m.id], self.now, self.open[m.name]) for m in mine)
            counted = self.summary({m.id for m in mine})
            late = sum(overdue(look.pending, self.now) for look in looks.values() if isinstance(look, MachineState))
            rows.append(
                {
                    "tenant": code,
                    "machines": len(mine),
                    "clean": words["clean"],
                    "old_signatures": words["old"],
                    "silent": words["silent"],
                    "unprotected": words["unprotected"],
                    "with_findings": words["found"],
                    "findings": sum(self.open[m.name] for m in mine),
                    "patched": counted.patched,
                    **{k: counted.states.get(k, 0) for k in ("pending", "held", "waiting", "restart", "unknown")},
                    "overdue": late,
                    "sentence": str(counted.text),
                }
            )
        return rows

    def details(self, machine_id: str | None) -> dict[str, Any]:
        """What only a single machine shows."""
        machine = next((m for m in self.machines if m.id == machine_id), None)
        if machine is None:
            none: dict[str, Any] = {"silent_remedy": None, "history": [], "facts": {}, "fingerprint": None}
            return {"packages": {}, "missing": [], "fault_details": [], **none}
        contact = self.contacts.get(machine.id)
        state = contact.look if contact and isinstance(contact.look, MachineState) else None
        again = t(
            "Switch the machine on, or look on the spot why it does not answer; then: gasp hosts measure host:{name}",
            name=machine.name,
        )
        facts = {"name": machine.name, "tenant": machine.tenant}
        return {
            "packages": dict(state.packages) if state else {},
            "missing": [_pending_json(p) for p in state.pending] if state else [],
            "fault_details": [
                {
                    "fault": fault,
                    "text": str(FAULTS[fault].text),
                    "found": words,
                    "remedy": str(replace(FAULTS[fault].remedy, params=facts)),
                    "mends": str(FAULTS[fault].mend) if FAULTS[fault].mend else None,
                }
                for fault, words in (state.faults.items() if state else ())
            ],
            "silent_remedy": str(again) if contact and state is None else None,
            "history": [
                {"at": e.at.isoformat(), "what": e.what, "actor": self.store.actors.name(e.actor_key), **e.detail}
                for e in self.store.machines.history(machine.id)
            ],
            "facts": dict(state.facts) if state else dict(self.store.machines.facts().get(machine.id, {})),
            "fingerprint": machine.fingerprint,
            "baseline": baseline_id(machine.id) if machine.managed else None,
        }


def _who(state: MachineState | None) -> str | None:
    who = state.facts.get("fingerprint") if state else None
    return f"{who['machine_id']} {who['host_key']}" if who else None


def _pending_json(item: Pending) -> dict[str, Any]:
    def time(value: datetime | None) -> str | None:
        return value.isoformat() if value else None

    return {
        "package": item.package,
        "installed": item.installed,
        "candidate": item.candidate,
        "severity": item.severity,
        "security": item.security,
        "since": time(item.since),
        "deadline": time(item.deadline),
        "held": item.held,
        "held_by": item.held_by,
        "held_since": time(item.held_since),
        "kept_back": item.kept_back,
        "waiting": deferred(item),
    }


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding for people and programs."""
    return {
        "id": finding.id,
        "state": finding.state,
        "tenant": finding.tenant,
        "machine": finding.machine,
        "host": finding.host,
        "path": finding.path,
        "signature": finding.signature,
        "found_at": finding.found_at.isoformat(),
        "reported_at": finding.reported_at.isoformat(),
        "last_seen": finding.last_seen.isoformat(),
        "cleared_at": finding.cleared_at.isoformat() if finding.cleared_at else None,
        "reason": finding.reason,
    }
