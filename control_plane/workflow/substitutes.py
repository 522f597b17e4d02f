"""Substitutes: for some days somebody holds exactly one role of somebody else, in that scope and no other.

Who holds a role names one, or an operator does for people of departments and for operators; nobody names themselves,
and roles that exclude each other stay apart. When either of the two leaves, it ends.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any

from control_plane.model.change_class import CONDITION_TITLES
from control_plane.model.errors import Invalid, NotFound, Problem, Rejected
from control_plane.model.people import EXCLUSIVE, LEFT, ROLES, Act, Grant, Person
from control_plane.model.run import Actor
from control_plane.model.staffing import shortages
from control_plane.model.tenant import TenantStatus
from control_plane.model.text import t
from control_plane.model.windows import ZONE
from control_plane.store.repository import Store
from control_plane.store.substitutes import Substitution, no_such_substitution
from control_plane.workflow.access import allows, held, tenants_in_sight
from control_plane.workflow.request_duties import is_local

Json = dict[str, Any]
#: Roles for which an operator may name a substitute of somebody else; others name their own.
NAMED_BY_OPERATORS = frozenset({"clerk", "approver", "operator"})
#: How long a reason may be.
MOST_WORDS = 500


class Substitutes:
    """Implements `model.client_substitutes.SubstitutesClient`. `accounts` gives everybody of the directory."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], accounts: Callable[[], list[Json]],
        actor: Callable[[], Actor],
    ) -> None:  # fmt: skip
        self.store = store
        self.clock = clock
        self._accounts = accounts
        self.actor = actor

    # looking ----------------------------------------------------------------------------------------------------
    def list(self, *, ended: bool = False) -> builtins.list[Json]:
        """See `SubstitutesClient.list`."""
        names = {person.name: person.display for person in self.store.people.all()}
        return [self._row(found, names) for found in self.store.substitutes.list(ended) if self._sees(found)]

    def mine(self) -> builtins.list[Json]:
        """See `SubstitutesClient.mine`."""
        person = self.store.people.find(self.actor().name)
        return [
            {"role": g.role, "title": str(ROLES[g.role].title), "tenant": g.tenant}
            for g in (person.grants if person else ())
            if g.stands_for is None and g.role in ROLES
        ]

    def staffing(self) -> builtins.list[Json]:
        """See `SubstitutesClient.staffing`."""
        served = [row.code for row in self.store.estate.tenants() if row.status is TenantStatus.SERVED]
        found = shortages(self.store.people.all(), served, self.store.classes.current().lines, CONDITION_TITLES)
        return [
            {
                "role": one.role,
                "title": str(ROLES[one.role].title) if one.role else None,
                "tenants": [*one.tenants],
                "have": one.have,
                "need": one.need,
                "state": one.state,
                "sentence": str(one.text),
            }
            for one in found
        ]

    # naming -----------------------------------------------------------------------------------------------------
    def name(
        self, person: str, role: str, *, until: str, reason: str, since: str | None = None, tenant: str | None = None,
        stands_for: str | None = None,
    ) -> Json:  # fmt: skip
        """See `SubstitutesClient.name`."""
        first, last = self._checked(role, since, until, reason)
        with self.store.transaction():
            actor = self.actor()
            holder = self._holder(actor, role, stands_for, tenant)
            own = next((g for g in held(holder, role, tenant) if g.stands_for is None), None)
            if own is None:
                raise Rejected(
                    t("{person} does not hold {role} there.", person=holder.login, role=role),
                    t("Name a substitute for a role that is held now."),
                )
            substitute = self._substitute(actor, person, own)
            if substitute.name == actor.name:
                raise Rejected(t("Nobody names themselves as a substitute."), t("Ask a colleague to name you."))
            self._check_apart(substitute, holder, own, first, last)
            made = self.store.substitutes.name(substitute, own, holder, first, last, reason.strip()[:MOST_WORDS], actor)
            return self._row(made, {p.name: p.display for p in (substitute, holder)})

    def end(self, substitution: int, *, reason: str) -> Json:
        """See `SubstitutesClient.end`."""
        if not reason.strip():
            raise Invalid([_bad("reason", t("A reason is needed."), t("Say why in one sentence."))])
        with self.store.transaction():
            found = self.store.substitutes.get(substitution)
            if not self._sees(found):
                raise no_such_substitution(substitution)
            if found.ended_at is not None or found.until <= self.clock():
                raise Rejected(t("It is over already."), t("See gasp substitutes list --all."))
            if not self._may_end(found):
                raise Rejected(
                    t("Only who is substituted, who substitutes, who named them or an operator ends it."),
                    t("Ask one of them."),
                )
            ended = self.store.substitutes.end(found, reason.strip()[:MOST_WORDS], self.actor())
            return self._row(ended, {p.name: p.display for p in self.store.people.all()})

    def tidy(self) -> builtins.list[int]:
        """End those of people who are not in the directory any more; returns their numbers."""
        living = self.store.substitutes.list()
        if not living:
            return []
        here = {f"directory:{row['uid']}" for row in self._accounts()}
        gone = [
            found
            for found in living
            if any(one.name.startswith("directory:") and one.name not in here
                   for one in (found.substitute, found.stands_for))
        ]  # fmt: skip
        return [self.store.substitutes.end(found, str(LEFT), None).id for found in gone]

    # parts ------------------------------------------------------------------------------------------------------
    def _checked(self, role: str, since: str | None, until: str, reason: str) -> tuple[datetime, datetime]:
        """First and last moment. Raises Invalid with every problem."""
        problems, today = [], self.clock().astimezone(ZONE).date()
        days: dict[str, date] = {"since": today, "until": today}
        if role not in ROLES:
            names = ", ".join(ROLES)
            problems.append(_bad("role", t("“{role}” is no role.", role=role), t("Roles: {roles}", roles=names)))
        for field, given in (("since", since), ("until", until)):
            try:
                days[field] = date.fromisoformat(given) if given else today
            except ValueError:
                problems.append(
                    _bad(field, t("“{text}” is no date.", text=given or ""), t("Write a date such as 2027-01-31."))
                )
        if not until:
            problems.append(_bad("until", t("The last day is missing."), t("Write a date such as 2027-01-31.")))
        if days["since"] < today:
            problems.append(_bad("since", t("The first day is over."), t("Begin today or later.")))
        elif days["until"] < days["since"]:
            problems.append(_bad("until", t("The last day is before the first."), t("Write a later date.")))
        if not reason.strip():
            problems.append(_bad("reason", t("A reason is needed."), t("Say why in one sentence.")))
        if problems:
            raise Invalid(problems)
        first = max(self.clock(), datetime.combine(days["since"], time(), ZONE))
        return first, datetime.combine(days["until"], time(23, 59, 59), ZONE)

    def _holder(self, actor: Actor, role: str, stands_for: str | None, tenant: str | None) -> Person:
        """Whose role it is. Raises Rejected and NotFound."""
        me = self.store.people.find(actor.name)
        if not stands_for or (me is not None and stands_for in (me.name, me.login)):
            if me is None:
                text = t("{name} holds no role of their own.", name=actor.name)
                raise Rejected(text, t("Say for whom: --for PERSON"))
            return me
        if not self._names_for_others(actor, me, role):
            raise Rejected(
                t("You name a substitute for your own roles only."), t("Ask them, or an operator, to name one.")
            )
        return self._known(stands_for)

    def _names_for_others(self, actor: Actor, me: Person | None, role: str) -> bool:
        return is_local(actor) or (me is not None and bool(held(me, "operator", None)) and role in NAMED_BY_OPERATORS)

    def _substitute(self, actor: Actor, typed: str, own: Grant) -> Person:
        """Who substitutes; a department names its own people and learns of no others."""
        me = self.store.people.find(actor.name)
        of_centre = is_local(actor) or (me is not None and allows(me, Act.SEE_ESTATE))
        name, accounts = typed.strip(), {row["uid"]: row for row in self._accounts()}
        try:
            found = self._known(name)
        except NotFound:
            row = accounts.get(name.removeprefix("directory:"))
            if row is None or not (of_centre or row["tenant"] == own.tenant):
                raise
            return self.store.people.ensure(f"directory:{row['uid']}", row["name"], row["tenant"])
        if not of_centre and found.tenant != own.tenant:
            raise _nobody(name)
        return found

    def _known(self, name: str) -> Person:
        for full in (name, f"directory:{name}", f"account:{name}"):
            found = self.store.people.find(full)
            if found is not None:
                return found
        raise _nobody(name)

    def _check_apart(self, substitute: Person, holder: Person, own: Grant, first: datetime, last: datetime) -> None:
        """Raises Rejected when it would bring together what must be apart, or when somebody is named already."""
        if substitute.key == holder.key:
            raise Rejected(t("Nobody substitutes themselves."), t("Name somebody else."))
        coming = self.store.people.coming(substitute.key, first, last)  # in those days, not before or after
        roles = {grant.role for grant in coming}
        clash = sorted({o for group in EXCLUSIVE if own.role in group for o in group & roles} - {own.role})
        if clash:
            raise Rejected(
                t("{person} holds {held}; that and {role} exclude each other.",
                  person=substitute.login, held=", ".join(clash), role=own.role),
                t("Name somebody else."),
            )  # fmt: skip
        if any((g.role, g.tenant, g.stands_for) == (own.role, own.tenant, None) for g in coming):
            raise Rejected(t("{person} holds {role} already.", person=substitute.login, role=own.role))
        for other in self.store.substitutes.of(holder.key):
            same = (other.stands_for.key, other.role, other.tenant) == (holder.key, own.role, own.tenant)
            if same and other.since <= last and first <= other.until:
                raise Rejected(
                    t("{other} is named for these days already.", other=other.substitute.name.partition(":")[2]),
                    t("End that first: gasp substitutes end {id}", id=other.id),
                )

    def _sees(self, found: Substitution) -> bool:
        actor = self.actor()
        if is_local(actor) or actor.key in (found.substitute.key, found.stands_for.key):
            return True
        me = self.store.people.find(actor.name)
        sight = tenants_in_sight(me) if me is not None else frozenset()
        return sight is None or found.tenant in sight

    def _may_end(self, found: Substitution) -> bool:
        actor = self.actor()
        me = self.store.people.find(actor.name)
        theirs = {found.substitute.key, found.stands_for.key, found.by.key}
        return actor.key in theirs or self._names_for_others(actor, me, found.role)

    def _row(self, found: Substitution, names: dict[str, str]) -> Json:
        now = self.clock()
        ended = found.ended_at is not None or not found.counts
        over = "ended" if ended else "over" if found.until <= now else None
        state = over or ("coming" if found.since > now else "in_force")
        return {
            "id": found.id,
            "role": found.role,
            "title": str(ROLES[found.role].title),
            "tenant": found.tenant,
            "person": found.substitute.name,
            "name": names.get(found.substitute.name, found.substitute.name),
            "stands_for": found.stands_for.name,
            "stands_for_name": names.get(found.stands_for.name, found.stands_for.name),
            "since": found.since.isoformat(),
            "until": found.until.isoformat(),
            "state": state,
            "by": found.by.name,
            "reason": found.reason,
            "ended_at": found.ended_at.isoformat() if found.ended_at else None,
            "ended_by": found.ended_by,
            "ended_reason": found.ended_reason,
            "may_end": over is None and self._may_end(found),
        }


def _bad(field: str, text: Any, remedy: Any) -> Problem:
    return Problem(f"bad-{field}", text, remedy, field=field)


def _nobody(name: str) -> NotFound:
    return NotFound(t("Nobody here is called “{name}”.", name=name), t("Write a login name, such as wangwei."))
