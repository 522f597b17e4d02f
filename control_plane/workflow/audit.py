"""The audit trail as people ask for it, and how acts outside the database are recorded.

Must not change anything: entries are made by `store.audit.record`, in the transaction of the act.
"""

from __future__ import annotations

import builtins
import difflib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from control_plane.model.audit import SENTENCES, AuditAct, AuditEntry, AuditQuery, Subject
from control_plane.model.client_audit import ExportForm, Filters, Json
from control_plane.model.errors import ControlPlaneError, Invalid, NotFound, Problem
from control_plane.model.nearest import nearest_tenant
from control_plane.model.request import parse_reference
from control_plane.model.run import Actor
from control_plane.model.spreadsheet import as_csv
from control_plane.model.text import Text, t
from control_plane.store.repository import Store
from control_plane.workflow.access_times import read_moment

KINDS = (
    *("tenant", "service", "resource", "machine", "host", "site", "release", "person", "run", "rollout"),
    *("freeze", "request", "snapshot", "finding", "mail", "entry"),
)
FIELDS = (
    *("number", "at", "act", "sentence", "actor.name", "actor.key", "roles", "agreed", "tenants", "about", "digest"),
    *("outcome", "reason", "requests", "detail", "hash"),
)
FAULTS: Mapping[str, Text] = {
    "changed": t("Entry {number} is not as it was written."),
    "missing": t("Before entry {number} one or more are missing."),
    "unchained": t("Entry {number} does not follow the one before."),
    "subjects": t("Entry {number} is found under other subjects than it names."),
}


@contextmanager
def outside(
    store: Store,
    act: AuditAct,
    actor: Actor,
    subjects: Iterable[Subject] = (),
    *,
    tenants: Collection[str] = (),
    detail: Mapping[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """Record an act on something outside the database: before it begins, and what became of it. What the block puts
    into the yielded dict stands in the second entry. A killed act has the first entry alone."""
    about, said = tuple(subjects), dict(detail or {})
    store.audit.record(act, actor, about, tenants=tenants, outcome="begun", detail=said)
    became: dict[str, Any] = {}
    outcome = "done"
    try:
        yield became
    except BaseException as error:  # also an interrupted one is told
        outcome, became = "failed", {"error": getattr(error, "code", type(error).__name__)}
        if not isinstance(error, ControlPlaneError | Exception):
            outcome = "interrupted"
        raise
    finally:
        store.audit.record(act, actor, about, tenants=tenants, outcome=outcome, detail={**said, **became})


class Audit:
    """Implements `model.client_audit.AuditClient`."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def list(
        self, filters: Filters | None = None, *, limit: int | None = 200, before: int | None = None
    ) -> builtins.list[Json]:
        """See `AuditClient.list`."""
        return self._rows(replace(self._asked(**(filters or {})), limit=limit, before=before))

    def _rows(self, asked: AuditQuery) -> builtins.list[Json]:
        with self.store.look():
            entries = self.store.audit.find(asked)
            people = {e.actor for e in entries} | {s.key for e in entries for s in e.signoffs}
            people |= {s.value for e in entries for s in e.subjects if s.kind == "person"}
            names, codes = self.store.audit.names(people), self.store.audit.codes()
        return [_row(entry, names, codes) for entry in entries]

    def trail(
        self, tenant: str, filters: Filters | None = None, *, limit: int | None = 200, before: int | None = None
    ) -> builtins.list[Json]:
        """See `AuditClient.trail`."""
        row = self.store.estate.tenant(tenant)
        if row is None:
            raise NotFound(t("There is no tenant “{code}”.", code=tenant))
        own = row.id
        asked = replace(self._asked(**(filters or {})), tenants=frozenset({own}), limit=limit, before=before)
        people = {p.key: p.name for p in self.store.people.all() if p.tenant == tenant}
        entries = self.store.audit.find(asked)
        mine = self.store.audit.asked_by(own, (_number(r) for entry in entries for r in entry.requests))
        return [_own(entry, own, people, mine) for entry in entries]

    def export(self, form: ExportForm, filters: Filters | None = None) -> str:
        """See `AuditClient.export`."""
        rows = self._rows(replace(self._asked(**(filters or {})), limit=None))[::-1]
        if form == "json":
            return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"
        for row in rows:
            row["agreed"] = [f"{s['name']} ({s['role']})" for s in row["signoffs"]]
            row["about"] = [f"{s['kind']}:{s['name']}" for s in row["subjects"]]
        return as_csv(FIELDS, rows)

    def verify(self) -> Json:
        """See `AuditClient.verify`."""
        entries, head, faults = self.store.audit.faults()
        problems = [
            {"number": number, "fault": fault, "sentence": str(Text(FAULTS[fault].msgid, {"number": number}))}
            for number, fault in faults
        ]
        return {"ok": not problems, "entries": entries, "head": head, "problems": problems}

    def _asked(
        self,
        tenant: str | None = None,
        subject: str | None = None,
        actor: str | None = None,
        act: str | None = None,
        begin: str | None = None,
        end: str | None = None,
    ) -> AuditQuery:
        problems: builtins.list[Problem] = []
        since = until = None
        if begin:
            since, found = read_moment(begin, "from")
            problems += found
        if end:
            until, found = read_moment(end, "to", end=True)
            problems += found
        families = {a.value for a in AuditAct} | {a.value.partition(".")[0] for a in AuditAct}
        if act and act not in families:
            near = difflib.get_close_matches(act, families, 1, 0.5)
            remedy = t("Did you mean {near}?", near=near[0]) if near else t("Families: {names}", names=_families())
            problems.append(Problem("bad-act", t("No act is called “{act}”.", act=act), remedy, field="act"))
        ids = self._tenants(tenant) if tenant else None
        if tenant and not ids:
            no_such = t("There was never a tenant “{code}”.", code=tenant)
            codes = {code for code, _ in self.store.audit.codes().values()}
            problems.append(Problem("no-tenant", no_such, nearest_tenant(tenant, codes), field="tenant"))
        if problems:
            raise Invalid(problems)
        kind, values = self._subjects(subject) if subject else (None, None)
        actors = self.store.audit.keys(actor) if actor else None
        return AuditQuery(ids, values, kind, actors, act or None, since, until)

    def _tenants(self, name: str) -> frozenset[str]:
        codes = self.store.audit.codes()
        named = {i: ended for i, (code, ended) in codes.items() if name in (code, i)}
        return frozenset(i for i, ended in named.items() if not ended) or frozenset(named)

    def _subjects(self, name: str) -> tuple[str | None, frozenset[str]]:
        kind, _, value = name.partition(":")
        if kind not in KINDS or not value:
            kind, value = "", name
        values = {value}
        code, slash, offering = value.partition("/")
        owners = self._tenants(code) if kind in ("", "tenant", "service") else frozenset()
        values |= {f"{owner}/{offering}" if slash else owner for owner in owners}
        if kind in ("", "person"):
            values |= self.store.audit.keys(value)
        return kind or None, frozenset(values)


def _row(entry: AuditEntry, names: Mapping[str, str], codes: Mapping[str, tuple[str, bool]]) -> Json:
    def person(key: str) -> str:
        return names.get(key, key)

    def named(subject: Subject) -> str:
        owner, slash, offering = subject.value.partition("/")
        match subject.kind:
            case "tenant" | "service":
                return codes.get(owner, (owner, False))[0] + slash + offering
            case "person":
                return person(subject.value)
            case _:
                return subject.value

    return {
        "number": entry.number,
        "at": entry.at.isoformat(),
        "act": entry.act,
        "sentence": _sentence(entry.act),
        "actor": {"key": entry.actor, "name": person(entry.actor)},
        "roles": [_role(role, codes) for role in entry.roles],
        "signoffs": [
            {"key": s.key, "name": person(s.key), "role": s.role, "verified": s.verified} for s in entry.signoffs
        ],
        "tenants": [named(s) for s in entry.subjects if s.kind == "tenant"],
        "subjects": [{"kind": s.kind, "value": s.value, "name": named(s)} for s in entry.subjects],
        "digest": entry.digest,
        "outcome": entry.outcome,
        "reason": entry.reason,
        "requests": list(entry.requests),
        "detail": dict(entry.detail),
        "hash": entry.hash,
    }


def _own(entry: AuditEntry, tenant: str, people: Mapping[str, str], mine: Collection[int]) -> Json:
    own = entry.actor in people
    services = [s.value.partition("/")[2] for s in entry.subjects if s.kind == "service" and s.value.startswith(tenant)]
    return {
        "number": entry.number,
        "at": entry.at.isoformat(),
        "act": entry.act,
        "sentence": _sentence(entry.act),
        "actor": people.get(entry.actor),
        "services": services,
        "requests": [reference for reference in entry.requests if _number(reference) in mine],
        "outcome": entry.outcome,
        "reason": entry.reason if own else "",
    }


def _number(reference: str) -> int:
    return parse_reference(reference) or 0


def _sentence(act: str) -> str:
    return str(SENTENCES[AuditAct(act)]) if act in set(AuditAct) else act


def _role(role: str, codes: Mapping[str, tuple[str, bool]]) -> str:
    name, slash, tenant = role.partition("/")
    return f"{name} ({codes.get(tenant, (tenant, False))[0]})" if slash else name


def _families() -> str:
    return ", ".join(sorted({act.value.partition(".")[0] for act in AuditAct}))
