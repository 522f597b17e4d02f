"""Everything that is known of one person, given out or erased: directory, database, files, access record.

The audit trail knows people by key. An erasure takes the names from the keys, so that the trail verifies as before and
names nobody; whatever stays is named with its reason. Must not touch what is wished now or under way.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.errors import CouldNotMeasureError, Invalid, NotFound, Problem, Rejected, StalePlan
from control_plane.model.run import Actor
from control_plane.model.text import Text, t, tn
from control_plane.store.database import MOVED
from control_plane.store.repository import Store
from control_plane.workflow.planning import CONFIRM_LENGTH
from control_plane.workflow.staff import MOST_REASON

if TYPE_CHECKING:
    from control_plane.store.persons import Identity, Trace
    from control_plane.workflow.access_record import AccessRecord
    from control_plane.workflow.staff import Staff

Json = dict[str, Any]
KINDS = ("directory", "account")
#: Of the access record: days that are searched at once, and lines of each.
WINDOW, MOST_LINES = timedelta(days=31), 10_000
#: Files of the state folder that are looked through: notes, logs, copies of the database. Content of sites is not.
LOOKED_AT = ("*.json", "*.log", "*.log.*", "*.csv", "*.db.before-*")
#: The database as it was before it was moved to a server (`gasp db move`), beside the note that says so.
OLD_DATABASE = ("gasp.db", "gasp.db-wal")
FIRST_PASSWORDS = Path("secrets") / "first-passwords.csv"
WHY_FILE = t("A log or note: it goes with its time; delete it by hand if it must go now.")
WHY_OLD = t("The database from before it was moved: delete it once nobody goes back to it.")
WHY_COPY = t("A copy of the database from before an upgrade: delete it once nobody goes back to that version.")


class Entries(Protocol):
    """The directory, as far as one person's own entry is concerned."""

    def entry(self, uid: str) -> dict[str, list[str]] | None:
        """Every attribute of the entry but its proofs. Raises TemporaryError without an answer."""
        ...


@dataclass(frozen=True)
class Persons:
    """Implements `model.client_persons.PersonsClient`. `keep`: how long logs of the network stay."""

    store: Store
    staff: Callable[[], Staff]
    record: Callable[[], AccessRecord]
    directory: Callable[[], Entries]
    write: Callable[[Path, bytes], None]
    state: Path
    keep: timedelta
    clock: Callable[[], datetime]
    actor: Callable[[], Actor]

    def find(self, name: str) -> Json:
        """See `PersonsClient.find`."""
        person, me = _full(name), self.actor()
        with self.store.look():
            who, traces = self.store.persons.called(person), self.store.persons.traces(person, self.keep)
            status = self._status(who)
            return self._json(who, status, traces, self._files(who), self._blocked(who, status, me))

    def export(self, name: str, *, reason: str, case: str | None = None) -> Json:
        """See `PersonsClient.export`."""
        person = _full(name)
        who = self.store.persons.called(person)
        _need(reason, None)
        entry = self.directory().entry(who.login) if who.uids else None
        traces = self.store.persons.traces(person, self.keep)
        if not traces and entry is None:
            raise _unknown(person)
        remarks: list[Text] = []
        record = self._record(who, traces, case, reason, remarks) if case else None
        tables: dict[str, list[Json]] = {}
        for trace in traces:
            tables.setdefault(trace.table, []).append({k: _plain(v) for k, v in trace.row.items()})
        rows = {table: len(found) for table, found in tables.items()}
        self._note(AuditAct.PERSON_EXPORTED, who, reason, {"rows": sum(rows.values()), "record": record is not None})
        return {
            "person": person,
            "at": self.clock().isoformat(),
            "by": self.actor().name,
            "reason": reason.strip(),
            "account": self._account(who),
            "directory": entry,
            "tables": tables,
            "record": record,
            "files": [file for file, _ in self._files(who)],
            "remarks": [str(remark) for remark in (*remarks, *REMARKS)],
        }

    def erase(self, name: str, *, reason: str, digest: str) -> Json:
        """See `PersonsClient.erase`."""
        person = _full(name)
        before = self.find(person)
        who = self.store.persons.called(person)
        _need(reason, who)
        if before["digest"] != digest:
            raise StalePlan(
                t("What is known of the person is not what the preview showed."), t("Look once more first.")
            )
        if before["blocked"]:
            raise Rejected(t("{why}", why=" ".join(before["blocked"])), t("gasp people find {name}", name=name))
        run = self.staff().remove(who.login) if before["status"] == "left" else None
        self._out_of_files(who)
        with self.store.transaction():
            found = self.store.persons.erase(person, self.keep)
            counts = Counter(trace.fate for trace in found)
            detail = {"erased": counts["erased"], "kept": counts["kept"]}
            entry = self._note(AuditAct.PERSON_ERASED, who, reason, detail) if counts["erased"] or run else None
        return {**before, "run": run, "entry": entry, "left": self.find(person)}

    # parts ----------------------------------------------------------------------------------------
    def _status(self, who: Identity) -> str:
        account = self._account(who)
        if account is not None:
            return str(account["status"])
        return "gone" if who.uids else "account"

    def _account(self, who: Identity) -> Json | None:
        if not who.uids:
            return None
        try:
            return self.staff().show(who.login)
        except NotFound:
            return None

    def _blocked(self, who: Identity, status: str, me: Actor) -> list[Text]:
        blocked = []
        if status == "active":
            blocked.append(t("They work here: gasp accounts leave {uid} --reason …", uid=who.login))
        found = self.store.people.find(who.name)
        if found is not None and found.grants:
            blocked.append(t("They hold a role: gasp users leave {name} --reason …", name=who.name))
        if me.key in who.actors:
            blocked.append(t("Nobody erases themselves."))
        return blocked

    def _json(
        self, who: Identity, status: str, traces: Sequence[Trace], files: Sequence[tuple[str, Text | None]],
        blocked: Sequence[Text],
    ) -> Json:  # fmt: skip
        erased = Counter(trace.table for trace in traces if trace.fate == "erased")
        kept: dict[tuple[str, str], list[Trace]] = {}
        for trace in traces:
            if trace.fate == "kept":
                kept.setdefault((trace.table, str(trace.why)), []).append(trace)
        rows = [[trace.table, _plain(dict(trace.key)), trace.fate] for trace in traces if trace.fate != "key"]
        effect = [who.name, status, rows, [file for file, why in files if why is None]]
        digest = hashlib.sha256(orjson.dumps(effect, default=str)).hexdigest()
        anything = bool(erased) or status == "left" or any(why is None for _, why in files)
        count, known = sum(erased.values()), bool(traces) or status in ("active", "left")
        if anything:
            sentence = tn("{count} row of {person} would be erased.", "{count} rows of {person} would be erased.",
                          count=count, person=who.name)  # fmt: skip
        elif known:
            sentence = t("Nothing of {person} is left to erase.", person=who.name)
        else:
            sentence = t("Nothing is known of {person} here.", person=who.name)
        return {
            "person": who.name,
            "known": known,
            "status": status,
            "digest": digest,
            "confirm": digest[:CONFIRM_LENGTH] if anything else None,
            "erased": [{"table": table, "rows": count} for table, count in sorted(erased.items())],
            "kept": [
                {"table": table, "rows": len(found), "why": why, "until": _last(found)}
                for (table, why), found in sorted(kept.items())
            ],
            "keys": sum(1 for trace in traces if trace.fate == "key"),
            "files": [
                {"file": file, "fate": "kept" if why else "changed", "why": str(why) if why else None}
                for file, why in files
            ],
            "blocked": [str(text) for text in blocked],
            "sentence": str(sentence),
        }

    def _files(self, who: Identity) -> list[tuple[str, Text | None]]:
        """Files that name them; None: it is changed, otherwise why it stays."""
        words = [word.encode() for word in (*who.uids, who.name) if word]
        found: list[tuple[str, Text | None]] = []
        if any(row["uid"] in who.uids for row in self._first_passwords()):
            found.append((str(FIRST_PASSWORDS), None))
        old = {self.state / name for name in OLD_DATABASE} if (self.state / MOVED).exists() else set()
        looked_at = {path for pattern in LOOKED_AT for path in self.state.glob(pattern)} | _below(self.state) | old
        for path in sorted(looked_at):
            try:
                content = path.read_bytes()
            except OSError:
                continue  # it was tidied away meanwhile
            if any(_stands_in(word, content) for word in words):
                why = WHY_OLD if path in old else WHY_COPY if ".before-" in path.name else WHY_FILE
                found.append((str(path.relative_to(self.state)), why))
        return found

    def _first_passwords(self) -> list[dict[str, str]]:
        file = self.state / FIRST_PASSWORDS
        return list(csv.DictReader(io.StringIO(file.read_text("utf-8")))) if file.exists() else []

    def _out_of_files(self, who: Identity) -> None:
        rows = self._first_passwords()
        kept = [row for row in rows if row["uid"] not in who.uids]
        if len(kept) != len(rows):
            out = io.StringIO()
            writer = csv.DictWriter(out, [*rows[0]], lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)
            self.write(self.state / FIRST_PASSWORDS, out.getvalue().encode())

    def _record(
        self, who: Identity, traces: Sequence[Trace], case: str, reason: str, remarks: list[Text]
    ) -> list[Json]:  # fmt: skip
        """Lines that are the person's own, window by window, each once. Who else used the same machine is not named;
        what somebody began who had the address before is theirs."""
        names, now = {who.login, who.name}, self.clock()
        lines: dict[bytes, Json] = {}
        entries = [trace.row for trace in traces if trace.table == "access_register" and trace.row["person"] in names]
        for begin, end in _windows([(e["first_at"], e["last_at"] or now) for e in entries], now - self.keep, now):
            for person in sorted({str(e["person"]) for e in entries}):
                window = {"begin": begin.isoformat(), "end": end.isoformat()}
                try:
                    found = self.record().log(
                        case=case, reason=reason, **window, asked={"person": person}, limit=MOST_LINES
                    )
                except CouldNotMeasureError as error:
                    remarks.append(error.text)
                    continue
                own = [line for line in found["lines"] if names & {*(line["person"] or "").split(", ")}]
                lines |= {orjson.dumps(line): {**line, "person": who.login} for line in own}
                remarks += [t("{reason}", reason=remark) for remark in found["remarks"]]
        return [*lines.values()]

    def _note(self, act: AuditAct, who: Identity, reason: str, detail: Mapping[str, Any]) -> int:
        keys = sorted(who.actors) or ([who.entry] if who.entry else [])
        about = [Subject("person", key) for key in keys]
        return self.store.audit.record(act, self.actor(), about, reason=reason.strip()[:MOST_REASON], detail=detail)


REMARKS = (
    t("What somebody wrote is searched for the person's address only, not for a name or a bare account name."),
    t("Content of websites and of attached files is not searched."),
)


def _full(name: str) -> str:
    said = name.strip()
    kind, _, login = said.partition(":")
    if not login:
        kind, login = "directory", said
    if kind not in KINDS or not login:
        text = t("“{name}” names nobody.", name=name[:60])
        raise Invalid([Problem("no-person", text, t("Write an account name, or account:NAME."), field="name")])
    return f"{kind}:{login.lower()}"


def _need(reason: str, who: Identity | None) -> None:
    """A reason; for an erasure one that names nobody, as the trail keeps it for good."""
    if not reason.strip():
        raise Invalid([Problem("no-reason", t("A reason is needed."), t("Say why in one sentence."), field="reason")])
    if who is not None and any(word in reason for word in (who.login, *who.called)):
        text = t("The reason names the person, and the audit trail keeps it for good.")
        raise Invalid([Problem("names-person", text, t("Say it without their name."), field="reason")])


def _unknown(person: str) -> NotFound:
    return NotFound(t("Nothing is known of “{person}”.", person=person), t("See gasp accounts list, gasp users list."))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, str) and value[:1] in "{[":
        try:
            return orjson.loads(value)
        except ValueError:
            return value
    return value if value is None or isinstance(value, int | float | str) else str(value)


def _last(found: Sequence[Trace]) -> str | None:
    """From when on all of it may go; None: nobody knows."""
    days = [trace.until for trace in found]
    return max(day.date().isoformat() for day in days if day) if days and all(days) else None


def _below(state: Path) -> set[Path]:
    folders = (state / name for name in ("log", "looks"))
    return {path for folder in folders if folder.is_dir() for path in folder.rglob("*") if path.is_file()}


def _stands_in(word: bytes, content: bytes) -> bool:
    """Whether an account name stands there as a word of its own."""
    start = content.find(word)
    while start >= 0:
        around = content[max(0, start - 1) : start] + content[start + len(word) : start + len(word) + 1]
        if not any(chr(octet).isalnum() or octet in b"_-" for octet in around):
            return True
        start = content.find(word, start + 1)
    return False


def _windows(
    spans: Sequence[tuple[datetime, datetime]], first: datetime, last: datetime
) -> Iterator[tuple[datetime, datetime]]:  # fmt: skip
    """From the first to the last moment of these spans that the record still has, in parts that may be asked."""
    inside = [(max(begin, first), min(end, last)) for begin, end in spans if end > first and begin < last]
    if not inside:
        return
    at, end = min(begin for begin, _ in inside), max(end for _, end in inside)
    while at < end:
        yield at, min(at + WINDOW, end)
        at += WINDOW
