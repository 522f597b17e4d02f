"""People: passwords, proofs, roles, signing in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from control_plane.wiring.centre import actor, address_plan, estate_document, now, settings, store
from control_plane.wiring.doctor import status
from control_plane.wiring.hosts import authority, hosts_of_centre, topology

if TYPE_CHECKING:
    from collections.abc import Callable

    from control_plane.drivers.directory_accounts import DirectoryAccounts
    from control_plane.model.run import Actor
    from control_plane.workflow.access_record import AccessRecord
    from control_plane.workflow.people import People
    from control_plane.workflow.persons import Persons
    from control_plane.workflow.sign_in import SignIn
    from control_plane.workflow.site_gate import SiteGate
    from control_plane.workflow.staff import Staff
    from control_plane.workflow.staff_sheets import Sheets
    from control_plane.workflow.trial import Trial


def directory_accounts() -> DirectoryAccounts:
    """Passwords and sign-in, as the service account."""
    from control_plane.drivers.directory_accounts import DirectoryAccounts
    from control_plane.drivers.directory_session import Endpoint

    document = estate_document()
    return DirectoryAccounts(
        Endpoint(
            str(topology().role_hosts("directory")[0].ipv4),
            636,
            f"directory.core.{document.domain}",
            authority().ca_path,
        ),
        document.base_dn,
        f"cn=control-plane,ou=system,{document.base_dn}",
        settings().secrets / "ldap-control-plane",
    )


@cache
def vault() -> Any:
    """Proofs of people."""
    from control_plane.drivers.secrets import SecretFolder
    from control_plane.drivers.vault import Vault

    return Vault(SecretFolder(settings().secrets))


def people(who: Callable[[], Actor] = actor) -> People:
    """People of the centre and their roles."""
    from control_plane.drivers.secrets import random_password, write_private
    from control_plane.workflow.people import People

    return People(
        store(),
        vault(),
        now,
        lambda: status().accounts(None),
        who,
        settings().secrets,
        write_private,
        random_password,
    )


def staff(who: Callable[[], Actor]) -> Staff:
    """People of departments."""
    from datetime import timedelta

    from control_plane.wiring.planning import applier
    from control_plane.workflow.staff import Staff, StaffRules

    rules = StaffRules(timedelta(days=settings().leaver_days), settings().touch_limit)
    return Staff(store(), applier(), directory_accounts, rules, who)


def sheets(who: Callable[[], Actor]) -> Sheets:
    """Sheets of their one-time passwords."""
    from datetime import timedelta

    from control_plane.drivers.secrets import one_time_password
    from control_plane.wiring.planning import planner
    from control_plane.workflow.staff_sheets import Sheets

    life = timedelta(days=settings().first_password_days)
    return Sheets(store(), planner().catalogue, directory_accounts, vault, one_time_password, life, now, who)


def persons(
    who: Callable[[], Actor], staff_: Callable[[], Staff], record: Callable[[], AccessRecord]
) -> Persons:  # fmt: skip
    """Everything that is known of one person."""
    from datetime import timedelta

    from control_plane.drivers.secrets import write_private
    from control_plane.workflow.persons import Persons

    keep = timedelta(days=settings().record_days)
    return Persons(store(), staff_, record, directory_accounts, write_private, settings().state, keep, now, who)


@cache
def sign_in() -> SignIn:
    """Signing in to the console."""
    from control_plane.workflow.sign_in import SignIn

    return SignIn(store(), directory_accounts, vault(), now, factor_of=settings().second_factor)


def gate_secret() -> str:
    """What nginx on intranet hosts shows to the gate."""
    from control_plane.drivers.secrets import SecretFolder, random_password
    from control_plane.model.site_sign_in import SECRET

    return SecretFolder(settings().secrets).ensure(SECRET, random_password)


@cache
def site_gate() -> SiteGate:
    """Who comes in at intranet sites."""
    from time import monotonic

    from control_plane.wiring.planning import catalogue
    from control_plane.workflow.site_gate import SiteGate

    return SiteGate(store(), directory_accounts, lambda: catalogue().entrances(), gate_secret(), now, monotonic)


def trial() -> Trial | None:
    """Accounts to try everything with; None unless the inventory is the lab's own."""
    from control_plane.workflow.trial import Trial, is_lab

    domain = (store().estate.document() or estate_document()).domain
    if not is_lab(hosts_of_centre(), address_plan(), domain):
        return None
    return Trial(store(), settings().secrets)
