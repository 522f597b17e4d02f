"""Who may sign in and with which role: `gasp users`, and the first account that bring-up makes.

Separation of duties is enforced here: roles that exclude each other are never held by one person, and nobody gives
a role to themselves.
"""

from __future__ import annotations

import builtins
import difflib
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.errors import Invalid, NotFound, Problem, Rejected
from control_plane.model.people import EXCLUSIVE, LEFT, ROLES, Act, Grant, Person
from control_plane.model.request import Request, RequestState
from control_plane.model.run import Actor
from control_plane.model.staffing import keep_somebody
from control_plane.model.text import Text, t, tn
from control_plane.model.windows import ZONE
from control_plane.store.repository import Store
from control_plane.workflow.access import allows
from control_plane.workflow.sign_in import Proofs

ACCOUNT = re.compile(r"^[a-z][a-z0-9._-]{1,30}$")
FIRST = "first"
#: Requests that somebody has to go on with.
UNDER_WAY = frozenset(RequestState) - {
    RequestState.DRAFT, RequestState.LIVE, RequestState.REFUSED, RequestState.WITHDRAWN,
}  # fmt: skip


class People:
    """Implements `model.client_people.PeopleClient`."""

    def __init__(
        self,
        store: Store,
        proofs: Proofs,
        clock: Callable[[], datetime],
        accounts: Callable[[], list[dict[str, Any]]],
        actor: Callable[[], Actor],
        secrets: Path,
        write: Callable[[Path, bytes], None],
        password: Callable[[], str],
    ) -> None:
        self.store = store
        self.proofs = proofs
        self.clock = clock
        self._accounts = accounts
        self.actor = actor
        self._secrets = secrets
        self._write = write
        self._password = password

    def list(self) -> list[dict[str, Any]]:
        """See `PeopleClient.list`."""
        last = self.store.people.last_sign_ins()
        return [_row(person, last.get(person.key)) for person in self.store.people.all()]

    def show(self, person: str) -> dict[str, Any]:
        """See `PeopleClient.show`."""
        found = self._known(person)
        last = self.store.people.last_sign_ins().get(found.key)
        return {
            **_row(found, last),
            "sessions": [
                {
                    "since": s.created_at.isoformat(),
                    "seen": s.seen_at.isoformat(),
                    "expires": s.expires_at.isoformat(),
                    "address": s.address,
                    "agent": s.agent,
                }
                for s in self.store.people.sessions(found)
            ],
            "history": [
                {
                    **_grant(record.grant),
                    "revoked_at": record.revoked_at.isoformat() if record.revoked_at else None,
                    "revoked_by": record.revoked_by,
                    "revoked_reason": record.revoked_reason,
                }
                for record in self.store.people.history(found.key)
            ],
        }

    def grant(
        self, person: str, role: str, *, tenant: str | None = None, until: str | None = None, reason: str
    ) -> dict[str, Any]:
        """See `PeopleClient.grant`."""
        end = self._check(role, tenant, until, reason)
        with self.store.transaction():
            found = self._person(person)
            by = self.actor()
            if by.name == found.name:
                raise Rejected(t("Nobody gives a role to themselves."), t("Ask another person of the centre."))
            held = {grant.role for grant in self.store.people.coming(found.key, last=end)}
            clash = sorted({other for group in EXCLUSIVE if role in group for other in group & held} - {role})
            if clash:
                raise Rejected(
                    t(
                        "{person} holds {held}; that and {role} exclude each other.",
                        person=found.login,
                        held=", ".join(clash),
                        role=role,
                    ),
                    t("Take the other role away first: gasp users revoke"),
                )
            if any((g.role, g.tenant, g.stands_for) == (role, tenant, None) for g in found.grants):
                raise Rejected(t("{person} holds {role} already.", person=found.login, role=role))
            self.store.people.grant(found, role, tenant, end, reason.strip(), by)
            return self.show(found.name)

    def revoke(self, person: str, role: str, *, tenant: str | None = None, reason: str) -> dict[str, Any]:
        """See `PeopleClient.revoke`."""
        if not reason.strip():
            raise Invalid([_no_reason()])
        with self.store.transaction():
            found = self._known(person)
            gone = [g for g in found.grants if (g.role, g.tenant, g.stands_for) == (role, tenant, None)]
            if not gone:
                raise NotFound(
                    t("{person} does not hold {role}.", person=found.login, role=role),
                    t("See gasp users show {person}.", person=found.name),
                )
            keep_somebody(self.store.people.all(), {found.key: {role}})
            for grant in gone:
                self.store.people.revoke(grant.id, reason.strip(), self.actor())
            self.store.tokens.end_of(found.key, t("A role of its owner was taken away."), self.actor())
            return self.show(found.name)

    def add(self, name: str, *, display: str = "") -> dict[str, Any]:
        """See `PeopleClient.add`."""
        if not ACCOUNT.match(name):
            raise Invalid(
                [
                    Problem(
                        "bad-name",
                        t("“{name}” is no name of an account.", name=name),
                        t("Take 2 to 31 of a-z, 0-9, dot, hyphen; begin with a letter."),
                        field="name",
                    )
                ]
            )
        if self.store.people.find(f"account:{name}") is not None:
            raise Rejected(
                t("There is an account “{name}” already.", name=name), t("New password: gasp users reset account:NAME")
            )
        with self.store.transaction():
            person = self.store.people.ensure(f"account:{name}", display.strip() or name)
            self.store.audit.record(AuditAct.ACCOUNT_ADDED, self.actor(), [Subject("person", person.key)])
            return {"person": person.name, "password_file": str(self._first_password(person))}

    def reset(self, person: str) -> dict[str, Any]:
        """See `PeopleClient.reset`."""
        found = self._known(person)
        with self.store.transaction():
            ended = self.store.people.end_sessions(found.key)
            self.store.people.set_factor(found.key, None, enrolled=False)
            self.store.tokens.end_of(found.key, t("The sign-in of its owner was reset."), self.actor())
            file = self._first_password(found) if found.kind == "account" else None
            about, detail = [Subject("person", found.key)], {"sessions_ended": ended, "new_password": file is not None}
            self.store.audit.record(AuditAct.ACCOUNT_RESET, self.actor(), about, detail=detail)
        return {"person": found.name, "sessions_ended": ended, "password_file": str(file) if file else None}

    def leave(self, person: str, *, to: str | None = None, reason: str) -> dict[str, Any]:
        """See `PeopleClient.leave`."""
        with self.store.transaction():  # alone among writers: no request begins, and nobody signs one, beside it
            return self._leave(person, to, reason)

    def _leave(self, person: str, to: str | None, reason: str) -> dict[str, Any]:
        found, by = self._known(person), self.actor()
        if found.name == by.name:
            raise Rejected(t("Nobody cuts themselves off."), t("Ask another person of the centre."))
        mine = self.store.requests.list(asker=found.key)
        open_ = [one for one in mine if one.state in UNDER_WAY]
        problems = [] if reason.strip() else [_no_reason()]
        if open_ and not to:
            names = ", ".join(one.reference for one in open_[:5])
            text = tn("{count} request of {person} is under way: {names}.",
                      "{count} requests of {person} are under way: {names}.",
                     count=len(open_), person=found.login, names=names)  # fmt: skip
            problems.append(_bad("to", text, t("Say who takes them over: --to PERSON")))
        if problems:
            raise Invalid(problems)
        own = [grant for grant in found.grants if grant.stands_for is None]
        keep_somebody(self.store.people.all(), {found.key: {grant.role for grant in own}})
        heir = self._known(to) if to else None
        if heir is not None:
            self._may_inherit(found, heir, open_)
        proofs = self.store.people.credentials(found.key)
        sessions = self.store.people.end_sessions(found.key)
        tokens = self.store.tokens.end_of(found.key, t("Its owner left."), by)
        ended = [self.store.substitutes.end(one, str(LEFT), by).id for one in self.store.substitutes.of(found.key)]
        for grant in own:
            self.store.people.revoke(grant.id, reason.strip(), by)
        self.store.people.close(found.key)
        if heir is not None:
            for one in open_:
                self.store.requests.hand_over(one, Actor(heir.key, heir.name))
        about = [Subject("person", found.key), *([Subject("person", heir.key)] if heir else [])]
        about += [Subject("request", one.reference) for one in open_]
        detail = {"sessions": sessions, "tokens": tokens, "roles": len(own), "requests": len(open_)}
        entry = self.store.audit.record(
            AuditAct.COLLEAGUE_LEFT,
            by,
            about,
            reason=reason.strip(),
            detail={**detail, "substitutions": len(ended)},
        )
        return {
            "person": found.name,
            "name": found.display,
            "at": self.clock().isoformat(),
            "by": by.name,
            "reason": reason.strip(),
            "to": heir.name if heir else None,
            "roles": [{"role": grant.role, "tenant": grant.tenant} for grant in own],
            "sessions": sessions,
            "tokens": tokens,
            "second_factor": proofs.second_factor is not None,
            "password": proofs.verifier is not None,
            "substitutions": len(ended),
            "requests": [one.reference for one in open_],
            "drafts": sum(1 for one in mine if one.state is RequestState.DRAFT),
            "entry": entry,
            "next": f"gasp accounts leave {found.login} --reason …" if found.kind == "directory" else None,
        }

    def _may_inherit(self, found: Person, heir: Person, open_: Sequence[Request]) -> None:
        """Raises Rejected when somebody cannot take over these requests: whoever asks never signs."""
        if heir.key == found.key:
            raise Rejected(t("Work is handed over to somebody else."), t("Name another person: --to PERSON"))
        signed = [one.reference for one in open_ if any(heir.key in signoff.keys for signoff in one.holding)]
        if signed:
            text = t("{person} signed {names}, and whoever asks never signs.",
                     person=heir.login, names=", ".join(signed))  # fmt: skip
            raise Rejected(text, t("Name another person: --to PERSON"))
        closed = sorted({one.content.tenant for one in open_ if not allows(heir, Act.ASK, one.content.tenant)})
        if closed:
            raise Rejected(
                t("{person} may not ask for services of {tenants}.", person=heir.login, tenants=", ".join(closed)),
                t("Give a role first: gasp users grant {person} clerk --tenant {tenant} --reason …",
                  person=heir.login, tenant=closed[0]),
            )  # fmt: skip

    def sign_ins(self, limit: int = 200) -> builtins.list[dict[str, Any]]:
        """See `PeopleClient.sign_ins`."""
        return [
            {
                "at": a.at.isoformat(),
                "typed": a.typed,
                "person": a.person,
                "address": a.address,
                "outcome": a.outcome,
            }
            for a in self.store.people.attempts(limit)
        ]

    def first(self) -> Path | None:
        """The first operator, for bring-up: made once; returns the file of the one-time password while nobody has
        changed it."""
        person = self.store.people.find(f"account:{FIRST}")
        if person is None:
            self.add(FIRST, display=str(t("first operator")))
            person = self._known(f"account:{FIRST}")
        if not person.grants and not self.store.people.history(person.key):
            self.grant(person.name, "operator", reason=str(t("made at bring-up")))
        if not self.store.people.credentials(person.key).must_change:
            return None
        return self._file(person)

    def _first_password(self, person: Person) -> Path:
        password = self._password()
        file = self._file(person)
        self._write(file, f"{password}\n".encode())  # first written, then set: none is lost by a kill
        self.store.people.set_verifier(person.key, self.proofs.hash(password), must_change=True)
        return file

    def _file(self, person: Person) -> Path:
        return self._secrets / f"sign-in-{person.login}"

    def _known(self, name: str) -> Person:
        for full in (name, f"directory:{name}", f"account:{name}"):
            found = self.store.people.find(full)
            if found is not None:
                return found
        known = [person.name for person in self.store.people.all()]
        raise _nobody(name, known)

    def _person(self, name: str) -> Person:
        """A person who is known, or stands in a department's list of people."""
        try:
            return self._known(name)
        except NotFound:
            uid = name.removeprefix("directory:")
            accounts = {row["uid"]: row for row in self._accounts()}
            if uid not in accounts:
                raise _nobody(uid, [*accounts]) from None
            row = accounts[uid]
            return self.store.people.ensure(f"directory:{uid}", row["name"], row["tenant"])

    def _check(self, role: str, tenant: str | None, until: str | None, reason: str) -> datetime | None:
        problems, end = [], None
        if role not in ROLES:
            problems.append(_bad("role", t("“{role}” is no role.", role=role), t("Roles: {roles}", roles=_names())))
        elif ROLES[role].reach == "tenant" and tenant is None:
            problems.append(_bad("tenant", t("This role is held in a department."), t("Say which one: --tenant CODE")))
        elif ROLES[role].reach == "estate" and tenant is not None:
            problems.append(_bad("tenant", t("This role is held in the whole estate."), t("Leave --tenant out.")))
        if until is not None:
            try:
                end = datetime.combine(date.fromisoformat(until), time(23, 59, 59), ZONE)
            except ValueError:
                end = self.clock()
            if end <= self.clock():
                wrong = t("“{text}” is no date in the future.", text=until)
                problems.append(_bad("until", wrong, t("Write a date such as 2027-01-31.")))
        if not reason.strip():
            problems.append(_no_reason())
        if problems:
            raise Invalid(problems)
        return end


def _row(person: Person, last: datetime | None) -> dict[str, Any]:
    return {
        "person": person.name,
        "name": person.display,
        "tenant": person.tenant,
        "roles": [_grant(grant) for grant in person.grants],
        "second_factor": person.enrolled,
        "last_sign_in": last.isoformat() if last else None,
    }


def _grant(grant: Grant) -> dict[str, Any]:
    return {
        "role": grant.role,
        "tenant": grant.tenant,
        "since": grant.since.isoformat(),
        "until": grant.until.isoformat() if grant.until else None,
        "by": grant.by,
        "reason": grant.reason,
        "stands_for": grant.stands_for.name if grant.stands_for else None,
    }


def _names() -> str:
    return ", ".join(ROLES)


def _bad(field: str, text: Text, remedy: Text) -> Problem:
    return Problem(f"bad-{field}", text, remedy, field=field)


def _no_reason() -> Problem:
    return Problem("no-reason", t("A reason is needed."), t("Say why in one sentence."), field="reason")


def _nobody(name: str, known: list[str]) -> NotFound:
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = t("Did you mean {near}?", near=near[0]) if near else t("See gasp accounts list and gasp users list.")
    return NotFound(t("Nobody here is called “{name}”.", name=name), hint)
