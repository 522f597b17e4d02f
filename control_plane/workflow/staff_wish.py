"""From a list of people to what would change: who joins, moves, comes back, changes, leaves; and every fault of it.

Knows the form of a person by the offering that declares `people`. Must not change anything: `staff.py` does.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ValidationError

from control_plane.model.errors import Problem, Rejected
from control_plane.model.offering import Offering
from control_plane.model.text import Text, t
from control_plane.store.allocations import Move
from control_plane.store.estate_rows import SubscriptionChange, SubscriptionRow
from control_plane.workflow.catalogue import Catalogue
from control_plane.workflow.form_shape import model_of
from control_plane.workflow.import_problems import faults_of
from control_plane.workflow.staff_list import NO_FIELDS, Line, PeopleList, full_name, groups_of, split_name, wrong
from control_plane.workflow.wishes import Claimed, examined

What = Literal["joins", "moves", "returns", "changes", "leaves", "same"]
KINDS: tuple[What, ...] = ("joins", "moves", "returns", "changes", "leaves", "same")
_EMPTY, _FILL_IN = t("This cell is empty, and the person is not here yet."), t("Fill it in.")
_PLACE = re.compile(r"people\[(\d+)\](?:\.(\w+))?")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody as they are wished now: where, and what the form says."""

    code: str
    person: Mapping[str, Any]

    @property
    def left(self) -> bool:
        """Whether they left and are not removed yet."""
        return bool(self.person.get("left_on"))


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one person. `row`: in the file, None for somebody who is missing in it; `came_from`: the
    department they leave; `columns`: fields that change."""

    row: int | None
    uid: str
    name: str
    tenant: str
    what: What
    came_from: str | None = None
    columns: tuple[str, ...] = ()

    def as_json(self) -> Json:
        """See `StaffClient.check`."""
        return {
            "row": self.row, "uid": self.uid, "name": self.name, "tenant": self.tenant, "from": self.came_from,
            "what": self.what, "columns": list(self.columns),
        }  # fmt: skip


@dataclass
class Wish:
    """What a list comes to. `problems`: what is wrong with it; with any, nothing of it is done."""

    encoding: str
    rows: int
    steps: list[Step]
    changes: list[SubscriptionChange]
    claims: Claimed
    moves: list[Move]
    problems: list[Problem]
    warnings: list[Problem]

    @property
    def digest(self) -> str:
        """Of everything that would change, and of what it starts from."""
        effect = [[c.tenant_code, c.offering, c.expected_generation, c.spec] for c in self.changes]
        return hashlib.sha256(orjson.dumps(effect, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def counts(self) -> dict[str, int]:
        """How many of each kind."""
        return {kind: sum(1 for step in self.steps if step.what == kind) for kind in KINDS}

    @property
    def touched(self) -> int:
        """People who are there and would be touched."""
        counts = self.counts
        return counts["moves"] + counts["returns"] + counts["changes"] + counts["leaves"]

    @property
    def tenants(self) -> list[str]:
        """Codes of departments that change."""
        return sorted(change.tenant_code for change in self.changes)

    def sentence(self) -> Text:
        """The whole in plain words."""
        return t(
            "{joins} join, {moves} move, {returns} come back, {changes} change, {leaves} leave, {same} stay as is.",
            **self.counts,
        )


def _folded(said: str) -> str:
    return unicodedata.normalize("NFKC", said).casefold()


class Census:
    """Everybody of every department, from the subscriptions of the offering that declares people."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.offering = people_offering(catalogue)
        assert self.offering.spec is not None
        self.model: type[BaseModel] = model_of(self.offering.spec.model_fields["people"].annotation)
        rows = catalogue.store.estate.subscriptions(offering=self.offering.id)
        self.rows: dict[str, SubscriptionRow] = {row.code: row for row in rows}
        self.specs: dict[str, dict[str, Any]] = {row.code: row.spec for row in rows}
        self.known: dict[str, Entry] = {
            person["uid"]: Entry(code, person) for code, spec in self.specs.items() for person in spec.get("people", ())
        }
        self.codes: dict[str, str] = {_folded(code): code for code in self.specs}  # a code is nobody else's name
        for tenant in catalogue.store.estate.tenants():
            if tenant.code in self.specs:
                names = tenant.names
                for word in (names.zh, names.short_zh, names.en):
                    if word:
                        self.codes.setdefault(_folded(word), tenant.code)

    def code_of(self, said: str) -> str | None:
        """The department that a code or a name in a list means: wide letters and capitals are as good as small ones."""
        return self.codes.get(_folded(said))

    @property
    def left(self) -> frozenset[str]:
        """Who left and is not removed yet."""
        return frozenset(uid for uid, entry in self.known.items() if entry.left)


def people_offering(catalogue: Catalogue) -> Offering:
    """The offering whose form lists people. Raises Rejected without one."""
    for offering in catalogue.offerings.values():
        if offering.spec is not None and "people" in offering.spec.model_fields:
            return offering
    raise Rejected(t("No service of this centre has people."))


def wish_of(
    census: Census, listed: PeopleList, today: date, *, tenant: str | None = None, complete: bool = False,
    fixed: bool = False,
) -> Wish:  # fmt: skip
    """What a list comes to, with every fault of every row."""
    work = _Work(census, listed, today, tenant, fixed)
    for line in listed.lines:
        work.take(line)
    if complete:
        work.missing()
    return work.finish()


class _Work:
    def __init__(self, census: Census, listed: PeopleList, today: date, tenant: str | None, fixed: bool) -> None:
        self.census = census
        self.listed = listed
        self.today = today
        self.tenant = tenant
        self.fixed = fixed
        self.problems = list(listed.problems)
        self.warnings: list[Problem] = []
        self.steps: list[Step] = []
        self.first: dict[str, int] = {}
        self.named: set[str] = set()
        self.row_of: dict[str, int] = {}
        self.put: dict[str, dict[str, dict[str, Any]]] = {}  # tenant → uid → person as wished
        self.gone: dict[str, set[str]] = {}  # tenant → uids that move out

    def take(self, line: Line) -> None:
        """One row."""
        uid = line.cells["uid"]
        if not uid:
            return
        if uid in self.first:
            text = t("“{name}” is in row {row} already.", name=uid[:40], row=self.first[uid])
            self.problems.append(wrong(line.number, "uid", text, t("Keep one of the two rows.")))
            return
        self.first[uid] = line.number
        known = self.census.known.get(uid)
        code = self._code(line, known)
        if code is None:
            if not line.left:  # what else is wrong with it is said at once
                own = known is not None and (not self.fixed or known.code == self.tenant)
                self._fits(line, self._person(line, uid, known if own else None, moved=False))
            return
        self.named.add(code)
        if known is not None and self.fixed and known.code != code:
            text = t("“{uid}” is taken.", uid=uid)
            self.problems.append(
                wrong(line.number, "uid", text, t("Take another name; the centre moves people between departments."))
            )
            return
        if line.left:
            self._leaves(line, uid, code, known)
        else:
            self._here(line, uid, code, known)

    def _code(self, line: Line, known: Entry | None) -> str | None:
        """The department of a row; None with a problem noted."""
        said = line.cells.get("tenant", "")
        if not said and line.left and known is not None and not self.fixed:
            return known.code
        code = self.census.code_of(said) if said else self.tenant
        name, remedy = (said or self.tenant or "")[:40], t("Write its code or its full name.")
        if self.fixed and code != self.tenant:
            text = t("“{name}” is not this department.", name=name)
            remedy = t("Leave the cell empty; for people of several departments ask the centre.")
        elif code is None or code not in self.census.specs:
            text = t("“{name}” is no department that has people here.", name=name)
            text = text if name else t("The row names no department.")
        else:
            return code
        self.problems.append(wrong(line.number, "tenant", text, remedy))
        return None

    def _leaves(self, line: Line, uid: str, code: str, known: Entry | None) -> None:
        if known is None:
            text = t("There is no “{uid}”; nothing is done for this row.", uid=uid[:40])
            self.warnings.append(replace(wrong(line.number, "uid", text, None, "unknown-leaver"), severity="warning"))
            return
        if code != known.code:
            text = t("“{uid}” is of {there}, not of {code}.", uid=uid[:40], there=known.code, code=code)
            remedy = t("Write their department, or leave the cell empty.")
            self.problems.append(wrong(line.number, "tenant", text, remedy))
            return
        self._leave(line.number, uid, known, line.left_on)

    def _leave(self, row: int | None, uid: str, known: Entry, day: date | None) -> None:
        what: What = "same" if known.left else "leaves"
        self.steps.append(Step(row, uid, known.person["display_name"], known.code, what))
        if not known.left:
            person = {**known.person, "left_on": (day or self.today).isoformat()}
            self.put.setdefault(known.code, {})[uid] = person

    def _here(self, line: Line, uid: str, code: str, known: Entry | None) -> None:
        moved = known is not None and known.code != code
        before = dict(known.person) if known is not None else {}
        person = self._person(line, uid, known, moved)
        if known is not None and not moved and _plain(person) == _plain(before):
            self.steps.append(Step(line.number, uid, before["display_name"], code, "same"))
            return
        fit = self._fits(line, person)
        if fit is None:
            return
        person = fit
        what: What = "joins" if known is None else "moves" if moved else "returns" if known.left else "changes"
        changed = tuple(sorted(n for n in person.keys() | before.keys() if person.get(n) != before.get(n)))
        self.steps.append(
            Step(line.number, uid, person["display_name"], code, what, known.code if moved and known else None,
                 changed if known is not None else ())
        )  # fmt: skip
        self.put.setdefault(code, {})[uid] = person
        if moved and known is not None:
            self.gone.setdefault(known.code, set()).add(uid)

    def _person(self, line: Line, uid: str, known: Entry | None, moved: bool) -> dict[str, Any]:
        """Somebody as the row has them, over what is known of them."""
        person = {name: value for name, value in (known.person if known else {}).items() if name != "left_on"}
        person["uid"] = uid
        if moved:
            person.pop("groups", None)
        for name, text in line.cells.items():
            if name in NO_FIELDS or name == "uid":
                continue
            if name == "groups":
                person["groups"] = groups_of(text)
            elif text:
                person[name] = text
            elif name not in ("display_name", "family_name"):
                person.pop(name, None)
        before, parts = known.person if known else {}, ("family_name", "given_name")
        other = before and person["display_name"] != before["display_name"] == _whole(before)
        if other and not any(part in line.cells for part in parts):
            for name in {*parts, "pinyin"} - line.cells.keys():
                person.pop(name, None)
        renamed = any(person.get(part) != before.get(part) for part in parts) and "display_name" not in line.cells
        if renamed and person.get("family_name"):
            person["display_name"] = _whole(person)
        if "family_name" not in person and person.get("display_name"):
            family, given = split_name(person["display_name"])
            person["family_name"] = family
            if given and "given_name" not in line.cells:
                person["given_name"] = given
        return person

    def _fits(self, line: Line, person: dict[str, Any]) -> dict[str, Any] | None:
        """The person without what is wrong: that is noted, and the rest examined too. None: too little left."""
        error = self._error(person)
        if error is None:
            return person
        bad = set()
        for path, code, text, remedy in faults_of(error):
            column = str(path[0]) if path else None
            bad.add(column)
            if column == "family_name" and column not in line.cells:
                continue  # it comes from the full name, which is missed itself
            if code == "missing-field":
                text, remedy = _EMPTY, _FILL_IN
            self.problems.append(wrong(line.number, column, text, remedy, code))
        rest = {name: value for name, value in person.items() if name not in bad}
        return rest if self._error(rest) is None else None

    def _error(self, person: Mapping[str, Any]) -> ValidationError | None:
        try:
            self.census.model.model_validate(person)
        except ValidationError as error:
            return error
        return None

    def missing(self) -> None:
        """Whoever is not in the list leaves the departments that are."""
        for uid, known in self.census.known.items():
            if known.code in self.named and uid not in self.first and not known.left:
                self._leave(None, uid, known, None)

    def finish(self) -> Wish:
        """Check it as a whole; rows that are wrong in themselves are left out of that."""
        changes = self._changes()
        claims, found = examined(self.census.catalogue, changes)
        self.problems += [self._placed(problem) for problem in found if problem.severity == "error"]
        return Wish(
            self.listed.encoding, len(self.listed.lines), self.steps, changes, claims, self._moves(changes, claims),
            _sorted(self.problems), _sorted(self.warnings),
        )  # fmt: skip

    def _changes(self) -> list[SubscriptionChange]:
        changes = []
        for code in sorted(self.put.keys() | self.gone.keys()):
            spec, row = self.census.specs[code], self.census.rows[code]
            put, gone = dict(self.put.get(code, {})), self.gone.get(code, set())
            people = [put.pop(p["uid"], p) for p in spec.get("people", ()) if p["uid"] not in gone]
            people += put.values()
            for place, person in enumerate(people):
                if person["uid"] in self.first:
                    self.row_of[f"{row.id}/{place}"] = self.first[person["uid"]]
            wanted = {**spec, "people": people}
            changes.append(SubscriptionChange(code, row.offering, row.tier, wanted, row.generation))
        return changes

    def _moves(self, changes: Sequence[SubscriptionChange], claims: Claimed) -> list[Move]:
        """What each mover holds, by what the new department claims for their place in its list."""
        going = {step.uid: step.came_from for step in self.steps if step.what == "moves"}
        ids = {code: row.tenant_id for code, row in self.census.rows.items()}
        found = []
        for change in changes if going else ():
            held: dict[str, list[tuple[str, str]]] = {}
            for claim in claims.get((change.tenant_code, change.offering), ()):
                held.setdefault(claim.field, []).append((claim.pool, claim.subject))
            for place, person in enumerate((change.spec or {}).get("people", ())):
                if came_from := going.get(person["uid"]):
                    mine = held.get(f"people[{place}].uid", [])
                    found.append(Move(ids[came_from], ids[change.tenant_code], mine))
        return found

    def _placed(self, problem: Problem) -> Problem:
        """A problem of a form, by row and column of the file where it is about one of its rows."""
        match = _PLACE.match(problem.field or "")
        row = self.row_of.get(f"{problem.where}/{match[1]}") if match else None
        if row is None or match is None:
            return problem
        return wrong(row, match[2], problem.text, problem.remedy, problem.code)


def in_rows(wish: Wish, problems: Sequence[Problem]) -> list[Problem]:
    """Problems that the store found (a name that is taken or reserved), by row and column of the file."""
    rows = {step.uid: step.row for step in wish.steps}
    specs = {f"{c.tenant_code}/{c.offering}": c.spec or {} for c in wish.changes}
    found = []
    for problem in problems:
        match = _PLACE.match(problem.field or "")
        people = specs.get(problem.where or "", {}).get("people", ())
        row = rows.get(people[int(match[1])]["uid"]) if match else None
        found.append(wrong(row, "uid", problem.text, problem.remedy, problem.code) if row is not None else problem)
    return _sorted(found)


def _whole(person: Mapping[str, Any]) -> str | None:
    """The full name that the parts make; None without them."""
    family = person.get("family_name")
    return full_name(family, person.get("given_name")) if family else None


def _plain(person: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in person.items() if value not in (None, "", [])}


def _sorted(problems: Sequence[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.field or ""))
