"""Machines as people and programs see them: one row each, and the counts of a tenant.

Joins the inventory with the lab's hosts and the last looks; must not look at anything itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from control_plane.model.by_itself import ByItself, ScanRecord, counts, goes_on, scan_due
from control_plane.model.machine import Machine, MachineState, Pending, Ring, baseline_id
from control_plane.model.machine_rules import (
    FAULTS,
    LOST_AFTER,
    SIGNATURES_WARN,
    PatchState,
    Protection,
    Summary,
    deferred,
    overdue,
    patch_state,
    protection,
    signature_age,
    summary,
)
from control_plane.model.text import Text, t, tn
from control_plane.model.windows import chinese_calendar, moment_words
from control_plane.store.machines import Contact, Finding
from control_plane.store.repository import Store

#: What the lab says of a host; null for machines that are not in it.
PLACE = ("role", "zone", "ipv4", "ipv6", "mgmt", "state", "restarts")
_NOTHING: Mapping[str, Any] = {
    "machine": None, "ring": None, "managed": False, "source": None, "patch_state": None, "pending": None,
    "overdue": None, "held": None, "kept_back": None, "waiting": None, "reboot_required": None, "protection": None,
    "signature_set": None, "signature_age_seconds": None, "scanned_at": None, "findings": None, "faults": [],
    "lists_at": None, "last_contact": None, "measured_at": None, "silent_because": None, "notes": [],
}  # fmt: skip


class Rows:
    """One picture of all machines, of one moment."""

    def __init__(
        self,
        store: Store,
        hosts: Sequence[Mapping[str, Any]],
        now: datetime,
        rules: ByItself = ByItself(),  # noqa: B008
    ) -> None:
        self.store, self.now, self.rules = store, now, rules
        self.hosts = {h["name"]: h for h in hosts}
        with store.look():
            every = store.machines.all(retired=True)
            self.machines = [m for m in every if m.retired_at is None]
            living = {m.id for m in self.machines}
            self.contacts = {i: c for i, c in store.machines.contacts().items() if i in living}
            self.open = Counter(f.machine for f in store.machines.findings(only_open=True))
            self.scans = store.scans.all()
            self.leaving = [m for m in store.machines.touched(every) if m.retired_at is not None]
            self.subscribed = {s.code for s in store.estate.subscriptions(offering="security")}
        looks = (c.look for c in self.contacts.values())
        self.answered = Counter(part for look in looks if isinstance(look, MachineState) for part in _who(look))
        self.enrolled = Counter(part for m in self.machines for part in set((m.fingerprint or "").split()))

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
        scan = self.scans.get(machine.id)
        pending = state.pending if state else ()
        word = self.patch_state(machine)
        known = state is not None and word != "unknown"  # what was seen through old lists is no number
        return {
            "name": machine.name,
            "machine": machine.id,
            "tenant": machine.tenant,
            "ring": int(machine.ring) if machine.managed else None,  # a ring is what a machine may have from us
            "managed": machine.managed,
            "source": machine.source,
            "patch_state": word,
            "pending": sum(1 for p in pending if not p.held and not deferred(p)) if known else None,
            "overdue": overdue(pending, self.now) if known else None,
            "held": len({*state.facts.get("held", ()), *(p.package for p in pending if p.held)})
            if known and state
            else None,
            "kept_back": sum(1 for p in pending if p.kept_back and not p.phased) if known else None,
            "waiting": sum(1 for p in pending if deferred(p)) if known else None,
            "reboot_required": state.reboot_required if state else None,
            "protection": self._protection(machine) if machine.managed else "unmanaged",
            "signature_set": state.signature_set if state else None,
            "signature_age_seconds": signature_age(look, self.now),
            "scanned_at": scan.scanned_at.isoformat() if scan and scan.scanned_at else None,
            "findings": self.open[machine.name] if machine.managed else None,
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

    def _protection(self, machine: Machine) -> Protection:
        contact, scan = self.contacts.get(machine.id), self.scans.get(machine.id)
        scanned = counts(scan.scanned_at if scan else None, self.now, self.rules.scan_counts)
        return protection(contact.look if contact else None, self.now, self.open[machine.name], scanned=scanned)

    def _notes(self, machine: Machine, contact: Contact | None, state: MachineState | None) -> list[str]:
        """`observed`, `clone`, `exchanged`, `lost`, `no-host`, `signatures-getting-old`."""
        notes = []
        if not machine.managed:
            return ["observed"]
        known, seen = set((machine.fingerprint or "").split()), _who(state)
        if any(self.enrolled[part] > 1 for part in known) or any(self.answered[part] > 1 for part in seen):
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
        """Counts by tenant. Clean, old signatures, not scanned and silent are apart, and never added up."""
        rows = []
        for code in sorted(codes):
            mine = [m for m in self.machines if m.tenant == code and m.managed]
            looks = {m.id: self.contacts[m.id].look if m.id in self.contacts else None for m in mine}
            words = Counter(self._protection(m) for m in mine)
            counted = self.summary({m.id for m in mine})
            late = sum(overdue(look.pending, self.now) for look in looks.values() if isinstance(look, MachineState))
            rows.append(
                {
                    "tenant": code,
                    "machines": len(mine),
                    "clean": words["clean"],
                    "old_signatures": words["old"],
                    "not_scanned": words["unscanned"],
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
            none: dict[str, Any] = {
                "silent_remedy": None, "history": [], "facts": {}, "fingerprint": None, "scan": None
            }  # fmt: skip
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
            "scan": self._scan(machine) if machine.managed else None,
            "silent_remedy": str(again) if contact and state is None else None,
            "history": [
                {"at": e.at.isoformat(), "what": e.what, "actor": self.store.actors.name(e.actor_key), **e.detail}
                for e in self.store.machines.history(machine.id)
            ],
            "facts": dict(state.facts) if state else dict(self.store.machines.facts().get(machine.id, {})),
            "fingerprint": machine.fingerprint,
            "baseline": baseline_id(machine.id) if machine.managed else None,
        }

    def _scan(self, machine: Machine) -> dict[str, Any]:
        """How the machine's scans stand; the remedy is one only when nothing recent says that it is clean."""
        record = self.scans.get(machine.id) or ScanRecord(machine.id)
        due = scan_due(machine, record, self.now, chinese_calendar(), self.rules)
        fine = counts(record.scanned_at, self.now, self.rules.scan_counts)
        going = goes_on(record, self.now)
        if going:
            said = tn(
                "A scan is under way: {files} file so far.",
                "A scan is under way: {files} files so far.",
                count=record.files,
                files=record.files,
            )
        elif record.scanned_at is None:
            said = t("It was never scanned whole, so nobody can say that it is clean.")
        elif fine:
            said = tn(
                "All that is usually scanned was looked into: {files} file.",
                "All that is usually scanned was looked into: {files} files.",
                count=record.files,
                files=record.files,
            )
        else:
            said = t("Its last scan is too long ago to say that it is clean now.")
        waits = {
            "now": t("It goes on by itself within seconds."),
            "later": t("It is scanned again from {until} on.", until=moment_words(due.at)),
            "window": t("It goes on in its window, which opens at {until}.", until=moment_words(due.at))
            if going
            else t("It is scanned by itself in its window, which opens at {until}.", until=moment_words(due.at)),
            "again": t("The last attempt broke off; it is tried again at {until}.", until=moment_words(due.at)),
            "off": t("It is not scanned by itself: GASP_SCAN_HOURS is 0."),
        }
        remedy = t("Or now: gasp security scan {name}", name=machine.name)
        return {
            "scanned_at": record.scanned_at.isoformat() if record.scanned_at else None,
            "counts": fine,
            "under_way": going,
            "files": record.files,
            "found": record.found,
            "error": str(record.error) if record.error else None,
            "next": due.word,
            "next_at": due.at.isoformat() if due.at else None,
            "sentence": str(said),
            "waits": str(waits[due.word]),
            "remedy": None if fine else str(remedy),
        }


def held_by(item: Pending) -> Text | None:
    """How a package is kept at its version, as far as that is known."""
    if not item.held:
        return None
    if item.held_by is not None and item.held_by.startswith("pin"):
        file = item.held_by.removeprefix("pin").strip()
        if file:
            return t("a pin in {file} on the machine, not by the centre", file=file)
        return t("apt's preferences on the machine, not by the centre")
    return t("apt-mark hold on the machine, not by the centre; who did it is not recorded there")


def _who(state: MachineState | None) -> set[str]:
    """Machine-id and host key that a machine answered with."""
    who = state.facts.get("fingerprint") if state else None
    return {part for part in (who["machine_id"], who["host_key"]) if part} if who else set()


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
        "held_by": str(how) if (how := held_by(item)) else None,
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
