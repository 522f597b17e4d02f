"""What the command line may ask about machines: inventory, measuring, antivirus. Answers are JSON-able."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

Json = dict[str, Any]
OnProgress = Callable[[Json], None]
"""Hears {machine, files, found} of a scan as it goes."""


class MachinesClient(Protocol):
    """The inventory of machines, one method a verb."""

    def rows(self) -> list[Json]:
        """Hosts of the centre and machines of tenants: the lab's {name, role, zone, tenant, ipv4, ipv6, state} and
        {machine, ring, managed, source, patch_state, pending, overdue, held, waiting, reboot_required, protection,
        signature_set, signature_age_seconds, scanned_at, findings, faults, lists_at, last_contact, measured_at,
        notes}."""
        ...

    def show(self, name: str) -> Json:
        """One row with {packages, missing: [...], fault_details: [{fault, text, found, remedy}], silent_remedy,
        scan: {scanned_at, counts, under_way, files, found, error, next, next_at, sentence, waits, remedy},
        history, facts}."""
        ...

    def enrol(self, name: str, tenant: str, ring: int, *, host: str | None = None) -> Json:
        """Read who the machine really is and enter it. Raises Rejected for a clone or a machine of others,
        CouldNotMeasureError when it does not answer. Returns its row; its baseline comes with the next apply."""
        ...

    def preview_enrol(self, name: str, tenant: str, ring: int) -> None:
        """Raise what `enrol` would raise; the machine is asked who it is, and nothing is entered."""
        ...

    def retire(self, name: str) -> Json:
        """Take a machine out and remove what is ours from it: {machine, run, waiting, left}."""
        ...

    def preview_retire(self, name: str) -> None:
        """Raise what `retire` would raise before it begins; nothing is taken out."""
        ...

    def give_up(self, name: str, reason: str) -> Json:
        """Take a machine out as lost: it is not asked any more, and `left` names what stays on it. Takes one that was
        retired and still waits, too. Raises Rejected when the very machine answers. {machine, run, waiting, left}."""
        ...

    def preview_give_up(self, name: str, reason: str) -> None:
        """Raise what `give_up` would raise; the machine is asked whether it is lost, and nothing is taken out."""
        ...

    def transfer(self, name: str, tenant: str) -> Json:
        """Give a machine to another tenant; returns its row."""
        ...

    def preview_transfer(self, name: str, tenant: str) -> None:
        """Raise what `transfer` would raise."""
        ...

    def preview_import(self, path: Path, columns: Mapping[str, str], tenant: str | None) -> Json:
        """Check another console's list whole: {file, encoding, columns, rows, create, update, machines: [...]}.
        Raises Invalid with every problem of every line."""
        ...

    def import_machines(self, path: Path, columns: Mapping[str, str], tenant: str | None) -> Json:
        """Import what `preview_import` shows, as observed only."""
        ...

    def measure(self, scope: str = "estate") -> Json:
        """Look at the machines in scope now: {scope, seconds, measured, silent, sentence, patches, tenants: [...],
        machines: [rows]}."""
        ...

    def preview_mend(self, name: str) -> Json:
        """{machine, acts: [{fault, text}], left: [{fault, text, remedy}]}: what mending would do."""
        ...

    def mend(self, name: str) -> Json:
        """Mend and look again: {machine, acts: [{fault, done, text}], row}."""
        ...

    def security(self, tenant: str | None = None) -> list[Json]:
        """By tenant: {tenant, machines, clean, old_signatures, not_scanned, silent, unprotected, with_findings,
        findings, patched, pending, held, waiting, restart, unknown, overdue, sentence}."""
        ...

    def scan(self, target: str, paths: Sequence[str], on_progress: OnProgress | None = None) -> Json:
        """Scan a machine or a scope: {target, files, machines: [{machine, tenant, files, found, error, scanned_at}],
        findings: [ids]}. Findings are kept as they come. `scanned_at` only without paths, and when all was seen."""
        ...

    def refresh_signatures(self, scope: str = "estate") -> Json:
        """Let machines fetch their ring's set now: {changed, already, failed, unreachable, untouched, machines: [...]}.
        Untouched are those that a freeze covers; raises Frozen when it covers all."""
        ...

    def findings(self, tenant: str | None = None, *, only_open: bool = False) -> list[Json]:
        """[{id, state, tenant, machine, host, path, signature, found_at, reported_at, last_seen, cleared_at,
        reason}], newest first."""
        ...

    def clear_findings(self, ids: Sequence[str], reason: str) -> list[Json]:
        """Settle findings with a reason."""
        ...
