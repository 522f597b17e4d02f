"""Accounts to try everything with, one a role, in the lab and nowhere else: there is none of this where an inventory
has a host or a domain that could be real.

Their passwords are random, in files of the lab's own state, and shown only to who may change everything there anyway.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from control_plane.model.client_people import PeopleClient
from control_plane.model.network import AddressPlan
from control_plane.model.offering import HostView
from control_plane.model.people import ROLES, Role
from control_plane.model.text import t
from control_plane.store.repository import Store

#: Names below this one are reserved: no real centre has them (RFC 6761).
RESERVED = ".test"


def is_lab(hosts: Iterable[HostView], plan: AddressPlan, domain: str) -> bool:
    """Whether every host of an inventory is one of the lab's, those of its own internet too, and so is its domain."""
    ours = (plan.v4, plan.v6, plan.internet.v4, plan.internet.v6)
    inside = all(any(ip_address(text) in one for one in ours) for host in hosts for text in (host.ipv4, host.ipv6))
    return inside and f".{domain}".endswith(RESERVED)


@dataclass(frozen=True, slots=True)
class Account:
    """One of them. `password` None: it was not made yet, or its file is gone."""

    role: Role
    login: str
    tenant: str | None
    made: bool
    password: str | None


class Trial:
    """Makes and lists them. `secrets` is the folder in which first passwords are kept."""

    def __init__(self, store: Store, secrets: Path) -> None:
        self._store = store
        self._secrets = secrets

    def tenant(self) -> str | None:
        """The department that clerk and approver are of: the first with a public website."""
        codes = {row.code for row in self._store.estate.subscriptions(offering="public_site")}
        return next((row.code for row in self._store.estate.tenants() if row.code in codes), None)

    def accounts(self) -> list[Account]:
        """One a role, in the order of roles."""
        home = self.tenant()
        found = []
        for role in ROLES.values():
            login = _login(role)
            person = self._store.people.find(f"account:{login}")
            file = self._secrets / f"sign-in-{login}"
            password = file.read_text().strip() if person is not None and file.is_file() else None
            tenant = home if role.reach == "tenant" else None
            found.append(Account(role, login, tenant, person is not None and bool(person.grants), password))
        return found

    def make(self, people: PeopleClient) -> None:
        """Make those that are missing, as who `people` acts; their passwords stay as they are."""
        for account in self.accounts():
            if account.made or (account.role.reach == "tenant" and account.tenant is None):
                continue
            with self._store.transaction():
                person = self._store.people.find(f"account:{account.login}")
                if person is None:
                    people.add(account.login, display=str(account.role.title))
                    person = self._store.people.find(f"account:{account.login}")
                assert person is not None
                verifier = self._store.people.credentials(person.key).verifier
                assert verifier is not None
                self._store.people.set_verifier(person.key, verifier, must_change=False)
                reason = str(t("to try everything out in the lab"))
                people.grant(person.name, account.role.name, tenant=account.tenant, reason=reason)


def _login(role: Role) -> str:
    return f"try-{role.name}".replace("_", "-")
