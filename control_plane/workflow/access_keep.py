"""How long the access record is kept: purging whole days, legal holds, and the proof that both left the rest whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from control_plane.model.errors import Invalid, NotFound, Problem, Rejected, TemporaryError
from control_plane.model.naming import same_person
from control_plane.model.record import FIRST, Archive, Seal
from control_plane.model.run import Actor
from control_plane.model.text import t, tn
from control_plane.store.repository import Store
from control_plane.workflow.access_collect import LEASE, day_seal
from control_plane.workflow.access_search import need_case, never_known
from control_plane.workflow.access_times import end_of, read_window
from control_plane.workflow.process import myself, process_alive


class Keeper:
    """Purges, holds and verifies. `days` is how long a day is kept after its end."""

    def __init__(
        self, store: Store, archive: Archive, seal: Seal, days: int, clock: Callable[[], datetime]
    ) -> None:  # fmt: skip
        self.store, self.archive, self.seal, self.days, self.clock = store, archive, seal, days, clock

    # purging --------------------------------------------------------------------------------------
    def preview(self) -> dict[str, Any]:
        """See `RecordClient.preview_purge`."""
        before = self.clock() - timedelta(days=self.days)
        holds = self.store.access.holds()
        days: dict[date, dict[str, Any]] = {}
        files = self.store.access.files()
        for file in files:
            if end_of(file.day) > before:
                continue
            day = days.setdefault(file.day, {"day": str(file.day), "lines": 0, "files": 0, "octets": 0})
            day["lines"] += file.lines
            day["files"] += 1
            day["octets"] += file.octets
        for day_, row in list(days.items()):
            came = self.store.access.collected_until(day_)
            if came is not None and came > before:  # the gateway's clock was wrong: these lines are young
                del days[day_]
                continue
            begin, end = end_of(day_ - timedelta(days=1)), end_of(day_)
            over = [h.last_at for h in holds if h.last_at <= begin]
            since = begin
            if over:  # sessions of a held time that are noted on this day, after it
                names = [f.name for f in files if f.day == day_]
                since = self.archive.earliest(names, max(over)) or begin
            row["held_by"] = [h.id for h in holds if h.first_at < end and h.last_at > since]
        rows = [days[day] for day in sorted(days)]
        due = [row for row in rows if not row["held_by"]]
        return {
            "before": before.isoformat(),
            "retention_days": self.days,
            "days": rows,
            "lines": sum(row["lines"] for row in due),
            "number": None,
        }

    def purge(self, actor: Actor) -> dict[str, Any]:
        """See `RecordClient.purge`. The entry of the ledger comes first: a killed purge is finished by the next act."""
        lease = self.store.leases.acquire(LEASE, myself(), process_alive)
        if lease is None:
            raise TemporaryError(t("The access record is being collected just now."), t("Try again in a minute."))
        try:
            with self.store.transaction():
                shown = self.preview()
                due = [date.fromisoformat(row["day"]) for row in shown["days"] if not row["held_by"]]
                if not due:
                    return shown
                seals = [
                    {"day": str(day), **day_seal(self.store, day, self.store.access.files(day, day))} for day in due
                ]
                body = {
                    "before": shown["before"],
                    "allowed": f"older than {self.days} days, no legal hold",
                    "days": seals,
                    "lines": shown["lines"],
                    "held": [{"day": r["day"], "holds": r["held_by"]} for r in shown["days"] if r["held_by"]],
                }
                entry = self.store.access.enter("purge", body, actor, self.seal)
                self.store.access.mark_purged(due)
            self.archive.discard([f.name for f in self.store.access.files(state="purged")])
        finally:
            self.store.leases.release(lease)
        return {**shown, "number": entry.number}

    def purge_by_itself(self, actor: Actor, most_days: int) -> int:
        """Purge what is due; returns how many days went. Raises Rejected, and deletes nothing, when that would be more
        than `most_days` at once: either nobody purged for long, or the clock is wrong."""
        if not most_days:
            return 0
        due = [row for row in self.preview()["days"] if not row["held_by"]]
        if len(due) > most_days:
            raise Rejected(
                tn(
                    "{count} day of the access record is due to be purged at once; that is left to a person.",
                    "{count} days of the access record are due to be purged at once; that is left to a person.",
                    count=len(due),
                ),
                t("Look at the clock; then: gasp record purge"),
            )
        return len(due) if due and self.purge(actor)["number"] is not None else 0

    # proof ----------------------------------------------------------------------------------------
    def verify(self) -> dict[str, Any]:
        """See `RecordClient.verify`."""
        problems = [*self._ledger(), *self._segments()]
        entries = self.store.access.ledger()
        files = self.store.access.files()
        for file in files:
            fault = self.archive.fault(file)
            if fault is not None:
                problems.append({"what": "file", "name": file.name, "fault": fault, "detail": self._span(file.name)})
        bad = {p["name"] for p in problems if p["what"] == "file"}
        days = {f.day for f in files}
        for day in sorted(days):
            names = [f.name for f in files if f.day == day]
            if not bad.intersection(names):
                problems += self._counts(day, names)
        closed = {e.body["day"]: e.body for e in entries if e.act == "close"}
        for day in sorted(days):
            seal, own = closed.get(str(day)), [f for f in files if f.day == day]
            if seal is not None and {f["name"] for f in seal["files"]} == {f.name for f in own}:
                found = day_seal(self.store, day, own)
                if any(found[key] != seal[key] for key in ("files", "lines", "digest")):
                    detail = str(t("It is not the one that was closed."))
                    problems.append({"what": "day", "name": str(day), "fault": "changed", "detail": detail})
        known = {f.name for state in ("live", "merged", "purged") for f in self.store.access.files(state=state)}
        for name in self.archive.names():
            if name not in known:
                detail = str(t("Nobody here wrote this file."))
                problems.append({"what": "file", "name": name, "fault": "foreign", "detail": detail})
        return {
            "ok": not problems,
            "segments": len(self.store.access.chain()),
            "files": len(files),
            "entries": len(entries),
            "head": entries[-1].hash if entries else FIRST,
            "problems": problems,
        }

    def _ledger(self) -> list[dict[str, Any]]:
        problems, former, number = [], FIRST, 1
        for entry in self.store.access.ledger():
            good = entry.number == number and entry.former == former and entry.digest() == entry.hash
            if not good or not self.seal.holds(entry.hash, entry.signature):
                fault = "changed" if entry.number == number else "missing"
                problems.append({"what": "entry", "name": str(number), "fault": fault, "detail": entry.act})
            former, number = entry.hash, entry.number + 1
        return problems

    def _segments(self) -> list[dict[str, Any]]:
        problems = []
        last: Any = None
        for row in self.store.access.chain():
            name = f"{row.host} {row.chain}"
            joins = last is not None and (last.host, last.chain) == (row.host, row.chain)
            expected = last.sequence + 1 if joins else 1
            if row.sequence != expected:
                lost = f"{name} {expected}–{row.sequence - 1}"
                problems.append({"what": "segment", "name": lost, "fault": "missing", "detail": ""})
            broken = joins and row.sequence == expected and row.former != last.hash and last.state != "damaged"
            if row.state == "damaged" or broken:
                why = t("It does not follow the one before.") if broken else t("It came damaged; its octets are kept.")
                lost = f"{name} {row.sequence}"
                problems.append({"what": "segment", "name": lost, "fault": "changed", "detail": str(why)})
            last = row
        return problems

    def _counts(self, day: date, names: Sequence[str]) -> list[dict[str, Any]]:
        wanted, found = self.store.access.counts(day), self.archive.counts(names)
        return [
            {
                "what": "segment",
                "name": str(number),
                "fault": "changed" if found.get(number) else "missing",
                "detail": f"{day}: {found.get(number, 0)}/{wanted.get(number, 0)}",
            }
            for number in sorted({*wanted, *found})
            if wanted.get(number) != found.get(number)
        ]

    def _span(self, name: str) -> str:
        first, last = name.split("-")[3:5]
        return str(t("It holds segments {first} to {last}.", first=int(first), last=int(last)))

    # holds ----------------------------------------------------------------------------------------
    def hold(
        self, case: str, reason: str, begin: str, end: str, tenant: str | None, actor: Actor
    ) -> dict[str, Any]:  # fmt: skip
        """See `RecordClient.hold`."""
        problems = need_case(case, reason)
        first, last, more = read_window(begin, end)
        problems += more
        problems += never_known(self.store, tenant)
        if problems:
            raise Invalid(problems)
        body = {"case": case.strip(), "reason": reason.strip(), "from": first.isoformat(), "to": last.isoformat()}
        with self.store.transaction():
            number = self.store.access.hold(case.strip(), reason.strip(), first, last, tenant, actor)
            self.store.access.enter("hold", {"hold": number, "tenant": tenant, **body}, actor, self.seal)
        return next(row for row in self.holds(False) if row["number"] == number)

    def lift(self, number: int, second: str, reason: str, actor: Actor) -> dict[str, Any]:
        """See `RecordClient.lift`."""
        row = next((row for row in self.store.access.holds(False) if row.id == number), None)
        if row is None:
            raise NotFound(t("There is no hold {number}.", number=number), t("See gasp record holds."))
        if row.lifted_at is not None:
            raise Rejected(t("Hold {number} was lifted already.", number=number), t("See gasp record holds --all."))
        problems = []
        if not reason.strip():
            problems.append(
                Problem("no-reason", t("A reason is needed."), t("Say why in one sentence."), field="reason")
            )
        remedy = t("Name the other person who agreed: --second NAME.")
        if same_person(second, "") or same_person(second, actor.name):
            problems.append(Problem("no-second", t("A second person is needed."), remedy, field="second"))
        elif same_person(second, row.name):
            fault = t("The second person must be another one than who set it and than who lifts it.")
            problems.append(Problem("no-second", fault, remedy, field="second"))
        if problems:
            raise Invalid(problems)
        with self.store.transaction():
            self.store.access.lift(number, second.strip(), reason.strip(), actor)
            body = {"hold": number, "second": second.strip(), "verified": False, "reason": reason.strip()}
            self.store.access.enter("lift", body, actor, self.seal)
        return next(row for row in self.holds(False) if row["number"] == number)

    def holds(self, active: bool) -> list[dict[str, Any]]:
        """See `RecordClient.holds`."""
        return [
            {
                "number": row.id,
                "case": row.case_number,
                "reason": row.reason,
                "from": row.first_at.isoformat(),
                "to": row.last_at.isoformat(),
                "tenant": row.tenant,
                "set_by": row.name,
                "set_at": row.set_at.isoformat(),
                "state": "lifted" if row.lifted_at else "active",
                "lifted_second": row.lifted_second,
                "lifted_reason": row.lifted_reason,
                "lifted_at": row.lifted_at.isoformat() if row.lifted_at else None,
            }
            for row in self.store.access.holds(active)
        ]
