"""Imports tenant documents: everything is checked before anything changes, and it changes in one transaction.

A preview is the same work, rolled back. Knows offerings by what they declare, never by name. An import says all
about the tenants it brings and nothing about others: who is absent from a folder is reported and kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from control_plane.model.errors import Invalid, Problem, StalePlan
from control_plane.model.network import AddressPlan
from control_plane.model.offering import Claim, EstateView, Offering, SubscriptionView, TenantView
from control_plane.model.run import Actor
from control_plane.model.tenant import EstateDocument, TenantDocument, TenantNames, TenantStatus
from control_plane.model.text import t
from control_plane.store.estate_rows import SubscriptionChange, SubscriptionRow, TenantRow
from control_plane.store.repository import Store
from control_plane.workflow import import_yaml
from control_plane.workflow.documents import ESTATE_FILE, Documents, TenantFile, read_documents
from control_plane.workflow.import_checks import Candidate, check_together
from control_plane.workflow.import_diff import Difference, differences
from control_plane.workflow.import_problems import problems_of

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
#: Changing these would rename everything on every system.
_FIXED = ("name", "domain", "base_dn")


@dataclass
class Preview:
    """What an import does: `differences` field by field, `warnings` that stop nothing, `digest` over all of it."""

    digest: str
    encoding: str
    encodings: Mapping[str, str]
    create: list[str] = field(default_factory=list)
    update: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    end: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    estate: dict[str, Any] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Nothing would change."""
        return not (self.create or self.update or self.end or self.estate)

    def seal(self) -> None:
        """Make `digest` cover, besides the files, what they change."""
        effect = [self.create, self.update, self.end, self.estate, [d.as_json() for d in self.differences]]
        content = orjson.dumps([self.digest, effect], option=orjson.OPT_SORT_KEYS)
        self.digest = hashlib.sha256(content).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """See `Client.preview_import`."""
        fields: dict[str, list[str]] = {code: [] for code in self.update}
        for item in self.differences:
            if item.code in fields and item.summary not in fields[item.code]:
                fields[item.code].append(item.summary)
        return {
            "digest": self.digest,
            "encoding": self.encoding,
            "encodings": {name: kind for name, kind in self.encodings.items() if kind != "UTF-8"},
            "create": self.create,
            "update": [{"code": code, "fields": names} for code, names in fields.items()],
            "unchanged": self.unchanged,
            "end": self.end,
            "absent": self.absent,
            "estate": self.estate,
            "warnings": [problem.as_json() for problem in self.warnings],
        }


class _RolledBack(Exception):
    pass


class Importer:
    """Imports into `store`. `estate` gives the centre as offerings see it, read from the store."""

    def __init__(self, store: Store, offerings: Mapping[str, Offering], estate: Callable[[], EstateView]) -> None:
        self.store = store
        self.offerings = offerings
        self._estate = estate

    def preview(self, path: Path) -> Preview:
        """Check a file or folder whole. Raises Invalid with every problem of every file."""
        documents = read_documents(path)
        preview = Preview(documents.digest, documents.encoding, documents.encodings)
        try:
            with self.store.transaction():
                _Work(self, documents, preview, self.store.actors.get("preview"), "preview").run()
                raise _RolledBack
        except _RolledBack:
            return preview

    def commit(self, path: Path, actor: Actor, *, digest: str | None = None) -> dict[str, Any]:
        """Import; `digest` (of a preview) guards against files or a state of the centre that changed since.

        Returns the preview and `import`, the number of this import (None when nothing changed).
        """
        documents = read_documents(path)
        preview = Preview(documents.digest, documents.encoding, documents.encodings)
        number = None
        try:
            with self.store.transaction():
                number = self.store.estate.record_import(actor, documents.digest, {"path": path.name})
                _Work(self, documents, preview, actor, f"import {number}").run()
                if digest not in (None, preview.digest):
                    raise StalePlan(
                        t("The files, or what they would change, are not what the preview showed."),
                        t("Look at a new preview before importing."),
                    )
                if preview.empty:
                    raise _RolledBack
        except _RolledBack:
            number = None
        return {**preview.as_json(), "import": number}

    def diff(self, path: Path) -> dict[str, Any]:
        """What an import would change, field by field: [{code, field, before, after}]."""
        preview = self.preview(path)
        return {**preview.as_json(), "differences": [item.as_json() for item in preview.differences]}


class _Work:
    """One import inside an open transaction."""

    def __init__(self, importer: Importer, documents: Documents, preview: Preview, actor: Actor, cause: str) -> None:
        self.store = importer.store
        self.offerings = importer.offerings
        self.view = importer._estate
        self.documents = documents
        self.preview = preview
        self.actor = actor
        self.cause = cause
        self.problems = list(documents.problems)
        self.places: dict[str, tuple[Candidate, int]] = {}

    def run(self) -> None:
        """Do it; raises Invalid after everything was looked at."""
        before = {row.code: row for row in self.store.estate.tenants()}
        active = {row.id: row for row in self.store.estate.subscriptions()}
        estate = self._estate_document(bool(before))
        candidates = [c for file in self.documents.tenants if (c := self._candidate(file)) is not None]
        codes = {c.code for c in candidates}
        others = {code: row.document for code, row in before.items() if code not in codes}
        if estate is not None:
            self.store.estate.set_document(estate)
            plan = self.view().plan
            problems, good = check_together(
                candidates,
                others,
                estate,
                partial(_has_subnet, plan),
                lambda offering: self._declares(offering, "sites"),
            )
            self.problems += problems
            self.store.estate.put_tenants(self.actor, self.cause, [c.document for c in good])
            changes, claims = self._subscriptions(good, active)
            try:
                self.store.estate.change(self.actor, self.cause, changes, claims)
            except Invalid as error:
                self.problems += [self._placed(problem) for problem in error.problems]
            self._report(good, before, active, changes)
        errors = [p for p in self.problems if p.severity == "error"]
        if errors:
            raise Invalid(sorted(errors, key=lambda p: (p.where or "", p.line or 0, p.field or "")))
        self.preview.warnings = [p for p in self.problems if p.severity == "warning"]
        self.preview.absent = sorted(others) if self.documents.whole else []
        self.preview.seal()

    def _estate_document(self, inhabited: bool) -> EstateDocument | None:
        known = self.store.estate.document()
        tree = self.documents.estate
        if tree is None:
            if known is None and not any(p.where == ESTATE_FILE for p in self.problems):
                text = t("There is no {file}, and no estate has been imported yet.", file=ESTATE_FILE)
                remedy = t("Import a folder that has one.")
                self.problems.append(Problem("no-estate", text, remedy, ESTATE_FILE))
            return known
        try:
            document = EstateDocument.model_validate(tree.data)
        except ValidationError as error:
            for path, problem in problems_of(error):
                self.problems.append(replace(problem, where=tree.where, line=tree.line(path)))
            return known
        old = known.model_dump(mode="json") if known else {}
        new = document.model_dump(mode="json")
        self.preview.estate = {
            name: {"before": old.get(name), "after": value} for name, value in new.items() if old.get(name) != value
        }
        for name in _FIXED:
            if known is not None and inhabited and name in self.preview.estate:
                text = t("“{value}” cannot be changed while there are tenants.", value=old[name])
                remedy = t("Keep it, or start with an empty database.")
                self.problems.append(Problem("fixed", text, remedy, tree.where, tree.line((name,)), name))
        return document

    def _candidate(self, file: TenantFile) -> Candidate | None:
        try:
            return Candidate(file, TenantDocument.model_validate(file.tree.data))
        except ValidationError as error:
            for path, problem in problems_of(error):
                self.problems.append(replace(problem, where=file.tree.where, line=file.tree.line(path)))
            code = file.tree.data.get("code")
            self.documents.broken.add(code if isinstance(code, str) else file.tree.where)
            return None

    def _subscriptions(
        self, good: Sequence[Candidate], active: Mapping[str, SubscriptionRow]
    ) -> tuple[list[SubscriptionChange], dict[tuple[str, str], Sequence[Claim]]]:
        estate = self.view()
        stubs = {
            code: TenantView("?", code, TenantNames(zh=code, en=code), TenantStatus.SERVED, 1)
            for code in self.documents.broken - estate.tenants.keys()
        }
        specs = {f"{c.code}/{s.offering}": s.spec for c in good for s in c.document.subscriptions}
        estate = replace(estate, tenants={**estate.tenants, **stubs}, specs={**estate.specs, **specs})
        changes: list[SubscriptionChange] = []
        claims: dict[tuple[str, str], Sequence[Claim]] = {}
        for candidate in good:
            tenant = estate.tenants[candidate.code]
            wanted = set()
            self._unused_people(candidate)
            for number, subscription in enumerate(candidate.document.subscriptions):
                name = f"{candidate.code}/{subscription.offering}"
                if name in wanted:
                    continue  # reported as doubled
                wanted.add(name)
                self.places[name] = candidate, number
                spec = self._spec(candidate, number, active.get(name))
                if spec is None:
                    continue
                offering = self.offerings[subscription.offering]
                row = active.get(name)
                if row is not None and row.tier == subscription.tier and row.spec == spec[0]:
                    continue
                changes.append(SubscriptionChange(candidate.code, offering.id, subscription.tier, spec[0]))
                view = SubscriptionView(tenant, offering.id, subscription.tier, spec[1])
                if offering.check is not None:
                    self.problems += [self._placed(replace(p, where=name)) for p in offering.check(view, estate)]
                if offering.claims is not None:
                    claims[candidate.code, offering.id] = offering.claims(view, estate)
            for name, row in active.items():
                if row.code == candidate.code and name not in wanted:
                    changes.append(SubscriptionChange(row.code, row.offering, row.tier, None))
        return changes, claims

    def _spec(
        self, candidate: Candidate, number: int, row: SubscriptionRow | None
    ) -> tuple[dict[str, Any], Any] | None:
        """The spec as it is stored and as the offering's form; None with problems noted."""
        subscription = candidate.document.subscriptions[number]
        path: import_yaml.Path = ("subscriptions", number)
        offering = self.offerings.get(subscription.offering)
        if offering is None:
            text = t("There is no offering “{name}”.", name=subscription.offering)
            remedy = t("Use one of {names}.", names=", ".join(sorted(self.offerings)))
            self.problems.append(candidate.problem("unknown-offering", (*path, "offering"), text, remedy))
            return None
        if offering.spec is None:
            if not subscription.spec:
                return {}, None
            text = t("“{name}” is not operated here and takes no settings.", name=offering.id)
            self.problems.append(candidate.problem("no-settings", (*path, "spec"), text, t("Write “spec: {}”.")))
            return None
        spec = dict(subscription.spec)
        if self._declares(offering.id, "people") and "people" not in spec:
            if candidate.file.people is not None:
                spec["people"] = candidate.file.people.rows
            elif row is not None and "people" in row.spec:
                spec["people"] = row.spec["people"]
        try:
            form = offering.spec.model_validate(spec)
        except ValidationError as error:
            for where, problem in problems_of(error):
                self.problems.append(self._at(candidate, number, where, problem))
            return None
        return form.model_dump(mode="json", exclude_unset=True), form

    def _unused_people(self, candidate: Candidate) -> None:
        people = candidate.file.people
        takers = [s for s in candidate.document.subscriptions if self._declares(s.offering, "people")]
        if people is None or (takers and "people" not in takers[0].spec):
            return
        if takers:
            text = t("{file} lists people too.", file=candidate.file.tree.where)
        else:
            text = t("{code} has no subscription that could take people.", code=candidate.code)
        remedy = t("Keep people in one place, and the subscription that takes them.")
        self.problems.append(Problem("unused-people", text, remedy, people.where, 1))

    def _declares(self, offering: str, name: str) -> bool:
        found = self.offerings.get(offering)
        return found is not None and found.spec is not None and name in found.spec.model_fields

    def _placed(self, problem: Problem) -> Problem:
        """A problem of a subscription (`where` is its id, `field` lies in its spec), with file and line."""
        candidate, number = self.places[problem.where or ""]
        steps = _STEP.findall(problem.field or "")
        return self._at(candidate, number, tuple(int(digits) if digits else word for word, digits in steps), problem)

    def _at(self, candidate: Candidate, number: int, inner: import_yaml.Path, problem: Problem) -> Problem:
        people, tree = candidate.file.people, candidate.file.tree
        if people is not None and len(inner) > 1 and inner[0] == "people" and isinstance(inner[1], int):
            line = people.lines[inner[1]] if inner[1] < len(people.lines) else 1
            column = import_yaml.field_text(inner[2:]) or None
            return replace(problem, where=people.where, line=line, field=column)
        path = ("subscriptions", number, "spec", *inner)
        return replace(problem, where=tree.where, line=tree.line(path), field=import_yaml.field_text(path))

    def _report(
        self,
        good: Sequence[Candidate],
        before: Mapping[str, TenantRow],
        active: Mapping[str, SubscriptionRow],
        changes: Sequence[SubscriptionChange],
    ) -> None:
        changed: dict[str, list[SubscriptionChange]] = {}
        for change in changes:
            changed.setdefault(change.tenant_code, []).append(change)
        for candidate in sorted(good, key=lambda c: c.code):
            row = before.get(candidate.code)
            if row is None:
                self.preview.create.append(candidate.code)
                continue
            found = differences(candidate.code, _plain(row.document), _plain(candidate.document))
            for change in changed.get(candidate.code, ()):
                old = active.get(f"{change.tenant_code}/{change.offering}")
                if change.spec is None:
                    self.preview.end.append(f"{change.tenant_code}/{change.offering}")
                found += differences(
                    candidate.code,
                    {change.offering: {"tier": old.tier, "spec": old.spec}} if old else {},
                    {change.offering: {"tier": change.tier, "spec": change.spec}} if change.spec is not None else {},
                    "subscriptions",
                )
            (self.preview.update if found else self.preview.unchanged).append(candidate.code)
            self.preview.differences += found


def _has_subnet(plan: AddressPlan, index: int) -> bool:
    try:
        plan.tenant(index)
    except ValueError:
        return False
    return True


def _plain(document: TenantDocument) -> dict[str, Any]:
    return document.model_dump(mode="json", exclude={"subscriptions"}, exclude_none=True)
