"""One-time passwords for people of departments: set in the directory, sealed on a sheet, given out once, expiring.

A password is in memory while it is set and while its sheet is opened; the database has it sealed, and not at all once
the sheet was opened. Must not log, record or mail one.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import orjson

from control_plane.model.errors import Invalid, NotFound, Problem, Rejected
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.store.repository import Store
from control_plane.store.staff import Sheet
from control_plane.workflow.catalogue import Catalogue
from control_plane.workflow.staff_cut import may_not_enter
from control_plane.workflow.staff_wish import Census

Json = dict[str, Any]
MOST_REASON = 500


class Account(Protocol):
    """Somebody's account as far as its password is concerned."""

    @property
    def must_change(self) -> bool:
        """Whether its password is good for taking one's own only."""


class Issuing(Protocol):
    """The directory. All raise TemporaryError without an answer."""

    def with_password(self) -> frozenset[str]:
        """Uids of all who have a password."""
        ...

    def find(self, uid: str) -> Account | None:
        """The account with this uid."""
        ...

    def issue(self, passwords: Mapping[str, str]) -> None:
        """Set passwords, by uid, that are good for taking one's own only. Raises NotFound, Rejected."""
        ...

    def lock(self, uids: Collection[str]) -> frozenset[str]:
        """Refuse every bind from now on; those that are there."""
        ...


class Seal(Protocol):
    """Encrypts with a key among the secrets (`drivers/vault.py`)."""

    def seal(self, secret: str) -> str:
        """A form for the database."""
        ...

    def unseal(self, sealed: str) -> str:
        """Inverse of `seal`."""
        ...


@dataclass(frozen=True)
class Sheets:
    """Implements `model.client_staff.SheetsClient`. `life`: how long a one-time password is good."""

    store: Store
    catalogue: Catalogue
    directory: Callable[[], Issuing]
    seal: Callable[[], Seal]
    random: Callable[[], str]
    life: timedelta
    clock: Callable[[], Any]
    actor: Callable[[], Actor]

    def issue(self, tenant: str, *, uids: Sequence[str] = (), reason: str) -> Json:
        """See `SheetsClient.issue`."""
        names, directory = self._people(tenant, uids, reason), self.directory()
        if not uids:
            have = directory.with_password() - self._lost(tenant, directory)
            names = {uid: name for uid, name in names.items() if uid not in have}
        if not names:
            raise Rejected(
                t("Everybody of {tenant} has a password.", tenant=tenant),
                t("For somebody who forgot it: gasp accounts reset UID --reason …"),
            )
        rows = [{"uid": uid, "name": name, "password": self.random()} for uid, name in names.items()]
        sealed = self.seal().seal(orjson.dumps(rows).decode())
        with self.store.transaction():
            made = self.store.sheets.add(
                tenant, [*names], reason.strip()[:MOST_REASON], sealed, self.clock() + self.life, self.actor()
            )
            for uid in names:  # whoever is signed in with the old password is out
                person = self.store.people.find(f"directory:{uid}")
                if person is not None:
                    self.store.people.end_sessions(person.key)
        directory.issue({row["uid"]: row["password"] for row in rows})
        if gone := names.keys() - self._here(tenant).keys():  # a new password takes a leaver's lock away
            directory.lock(gone)
        self.store.sheets.ready(made.id)
        return self._row(self.store.sheets.get(made.id))

    def list(self, tenant: str | None = None) -> builtins.list[Json]:
        """See `SheetsClient.list`."""
        return [self._row(sheet) for sheet in self.store.sheets.list(tenant)]

    def open(self, sheet: int, *, tenant: str | None = None) -> Json:
        """See `SheetsClient.open`."""
        found = self.store.sheets.get(sheet, tenant)
        rows = orjson.loads(self.seal().unseal(self.store.sheets.open(found.id, self.actor())))
        here = self._here(found.tenant)  # nobody hands out what belongs to who moved or left since
        rows = [row for row in rows if row["uid"] in here]
        return {"id": found.id, "tenant": found.tenant, "expires_at": found.expires_at.isoformat(), "rows": rows}

    def expire(self) -> builtins.list[int]:
        """See `SheetsClient.expire`."""
        ended = []
        for sheet in self.store.sheets.due():
            newer = {uid for other in self.store.sheets.list() if other.id > sheet.id for uid in other.uids}
            directory, left = self.directory(), Census(self.catalogue).left
            found = [(uid, directory.find(uid)) for uid in sheet.uids if uid not in newer]
            unused = [uid for uid, account in found if account is not None and account.must_change]
            for uid in unused:
                directory.issue({uid: self.random()})
            if gone := left.intersection(unused):
                directory.lock(gone)
            self.store.sheets.expire(sheet.id)
            ended.append(sheet.id)
        return ended

    def _people(self, tenant: str, uids: Sequence[str], reason: str) -> dict[str, str]:
        """Name of each who is meant, by uid. Raises NotFound, Invalid with every problem."""
        census = Census(self.catalogue)
        if tenant not in census.specs:
            raise NotFound(t("“{name}” is no department that has people here.", name=tenant), t("gasp tenants list"))
        here = _here(census, tenant)
        problems = []
        for uid in uids:
            if uid not in here:
                text = t("Nobody of {tenant} has the account “{uid}”.", tenant=tenant, uid=uid)
                problems.append(Problem("unknown-person", text, t("See gasp accounts list."), field="uid"))
        if not reason.strip():
            text = t("A reason is needed.")
            problems.append(Problem("no-reason", text, t("Say why in one sentence."), field="reason"))
        if problems:
            raise Invalid(problems)
        beyond = may_not_enter(self.store, [*(uids or here)], self.actor())
        if named := sorted(beyond.intersection(uids)):
            raise Rejected(
                t("{person} holds roles that you do not; whoever has their password could act in their name.",
                  person=", ".join(named)),
                t("Ask the centre: gasp accounts reset {person} --reason …", person=named[0]),
            )  # fmt: skip
        return {uid: here[uid] for uid in uids} if uids else {u: name for u, name in here.items() if u not in beyond}

    def _here(self, tenant: str) -> dict[str, str]:
        return _here(Census(self.catalogue), tenant)

    def _lost(self, tenant: str, directory: Issuing) -> set[str]:
        """Whose one-time password nobody can hand out: their newest sheet was never finished, or has expired."""
        newest: dict[str, Sheet] = {}
        for sheet in self.store.sheets.list(tenant):
            for uid in sheet.uids:
                newest.setdefault(uid, sheet)
        over = [uid for uid, sheet in newest.items() if sheet.state in ("unfinished", "expired")]
        return {uid for uid in over if (account := directory.find(uid)) is not None and account.must_change}

    def _row(self, sheet: Sheet) -> Json:
        return {
            "id": sheet.id,
            "tenant": sheet.tenant,
            "people": len(sheet.uids),
            "uids": [*sheet.uids],
            "reason": sheet.reason,
            "state": sheet.state,
            "made_at": sheet.made_at.isoformat(),
            "made_by": sheet.made_by,
            "expires_at": sheet.expires_at.isoformat(),
            "opened_at": sheet.opened_at.isoformat() if sheet.opened_at else None,
            "opened_by": sheet.opened_by,
        }


def _here(census: Census, tenant: str) -> dict[str, str]:
    """Name of each who is in a department now, by uid."""
    return {
        uid: str(entry.person["display_name"])
        for uid, entry in census.known.items()
        if entry.code == tenant and not entry.left
    }
