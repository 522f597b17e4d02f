"""The one door of authorisation: whatever a person wants to see or do, here it is decided.

Pages, exports, streams and the interface for programs all ask it. Must not look at anything but the person's grants.
"""

from __future__ import annotations

from typing import NoReturn

from control_plane.model.errors import NotFound, Rejected
from control_plane.model.people import ROLES, Act, Grant, Person
from control_plane.model.text import t


class Forbidden(Rejected):
    """No role of this person allows it anywhere."""

    code = "forbidden"


def allows(person: Person, act: Act, tenant: str | None = None) -> bool:
    """Whether somebody may do it: in this tenant, or, without one, anywhere."""
    if act is Act.SIGNED_IN:
        return True
    return any(
        act in ROLES[grant.role].acts and (tenant is None or grant.tenant in (None, tenant))
        for grant in person.grants
        if grant.role in ROLES
    )


def holds(person: Person, role: str, tenant: str | None) -> bool:
    """Whether somebody holds a role where it counts: one of departments in this tenant, another in the estate."""
    return bool(held(person, role, tenant))


def held(person: Person, role: str, tenant: str | None) -> list[Grant]:
    """The grants by which somebody holds a role there; their own before those of a substitute."""
    where = tenant if ROLES[role].reach == "tenant" else None
    found = [grant for grant in person.grants if grant.role == role and grant.tenant == where]
    return sorted(found, key=lambda grant: grant.stands_for is not None)


def tenants_in_sight(person: Person) -> frozenset[str] | None:
    """Tenants that somebody may see; None for all of them."""
    seeing = [grant for grant in person.grants if grant.role in ROLES and Act.SEE_TENANT in ROLES[grant.role].acts]
    if any(grant.tenant is None for grant in seeing):
        return None
    return frozenset(grant.tenant for grant in seeing if grant.tenant is not None)


def in_sight(person: Person, tenant: str | None) -> bool:
    """Whether something that belongs to this tenant (None: to the centre) may be shown to somebody."""
    seen = tenants_in_sight(person)
    return seen is None or tenant in seen


def require(person: Person, act: Act, tenant: str | None = None) -> None:
    """Raise Forbidden when nothing allows it, and for a tenant of others the very NotFound of one that is not there."""
    if not allows(person, act):
        raise Forbidden(t("Your roles do not allow this."), t("Ask the centre for the role that does."))
    if not allows(person, act, tenant):
        no_such_tenant(tenant or "")


def no_such_tenant(code: str) -> NoReturn:
    """What is said of a tenant that is not there, or not for this person."""
    raise NotFound(t("There is no tenant “{code}”.", code=code))
