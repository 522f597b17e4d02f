"""People of the centre: what each role may do, which roles exclude each other, and who somebody is.

Roles are data: a new act or role is a line here. Must not look anything up: `workflow/access.py` decides with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from control_plane.model.run import Actor
from control_plane.model.text import Text, t


class Act(StrEnum):
    """What somebody may do. The tables below say where: in one tenant, or in the whole estate."""

    SIGNED_IN = "signed_in"
    SEE_TENANT = "see_tenant"
    SEE_ESTATE = "see_estate"
    PLAN = "plan"
    APPLY = "apply"
    DRIFT = "drift"
    FREEZE = "freeze"
    LIFT = "lift"
    ROLLOUTS = "rollouts"
    HOSTS = "hosts"
    SECURITY = "security"
    SEE_PEOPLE = "see_people"
    PEOPLE = "people"
    SEE_AUDIT = "see_audit"
    ASK = "ask"
    SIGN = "sign"
    EMERGENCY = "emergency"
    REVIEW = "review"
    PROPOSE_CLASSES = "propose_classes"
    SIGN_CLASSES = "sign_classes"
    WEBHOOKS = "webhooks"
    STAFF = "staff"


Reach = Literal["tenant", "estate"]
FactorOf = Literal["centre", "signers", "everybody"]
"""Of whom a second factor is asked: of roles that say so, of all who sign too, of all who hold a role."""


@dataclass(frozen=True, slots=True)
class Role:
    """One role: its name for people, whether it is held in one tenant or in the estate, what it may do, whether a
    password alone is enough for it, and of how many people the centre (or each department) needs at `least`."""

    name: str
    title: Text
    reach: Reach
    acts: frozenset[Act]
    second_factor: bool = False
    least: int = 0


#: `STAFF`: who leaves, and first passwords; who joins or has other groups is asked for.
_DEPARTMENT = frozenset({Act.SEE_TENANT, Act.ASK, Act.STAFF})
_LOOK = frozenset({Act.SEE_TENANT, Act.SEE_ESTATE})
#: To stop is quick and undoes nothing: a freeze, a run's stop, a rollout's pause. To lift is a second person's.
_STOP = frozenset({Act.FREEZE, Act.LIFT})
#: Who changes what must be signed by whom: never operators alone, whom it binds.
_TABLE = frozenset({Act.PROPOSE_CLASSES, Act.SIGN_CLASSES, Act.REVIEW})
_CARRY_OUT = frozenset({Act.APPLY, Act.DRIFT, Act.ROLLOUTS, Act.HOSTS, Act.SECURITY, Act.WEBHOOKS, Act.STAFF})
#: What leaves the centre, and what gets in, is a security officer's concern too.
_GUARD = frozenset({Act.SECURITY, Act.WEBHOOKS})
ROLES: Mapping[str, Role] = {
    role.name: role
    for role in (
        Role("clerk", t("clerk"), "tenant", _DEPARTMENT),
        Role("approver", t("department approver"), "tenant", _DEPARTMENT | {Act.SIGN}, least=1),
        Role(
            "operator",
            t("operator"),
            "estate",
            _LOOK | _STOP | _CARRY_OUT | {Act.PLAN, Act.SIGN, Act.PROPOSE_CLASSES, Act.EMERGENCY, Act.REVIEW},
            second_factor=True,
            least=2,
        ),
        Role(
            "security_officer",
            t("security officer"),
            "estate",
            _LOOK | _STOP | _TABLE | _GUARD | {Act.PLAN, Act.SEE_PEOPLE, Act.PEOPLE, Act.SEE_AUDIT, Act.SIGN},
            second_factor=True,
            least=1,
        ),
        Role("finance", t("finance"), "estate", _LOOK),
        Role("auditor", t("auditor"), "estate", _LOOK | {Act.SEE_PEOPLE, Act.SEE_AUDIT}),
        Role(
            "deputy_director",
            t("deputy director"),
            "estate",
            _LOOK | _STOP | _TABLE | {Act.PLAN, Act.SIGN},
            second_factor=True,
            least=1,
        ),
    )
}

#: Whoever holds one role of a set may hold no other of it: an administrator, a security officer and an auditor watch
#: each other, an auditor changes nothing, and who applies is never the only one who signs.
EXCLUSIVE: tuple[frozenset[str], ...] = (
    frozenset({"operator", "security_officer", "auditor"}),
    frozenset({"operator", "approver"}),
    frozenset({"operator", "finance"}),
    frozenset({"operator", "deputy_director"}),
    *(frozenset({"auditor", other}) for other in ("clerk", "approver", "finance", "deputy_director")),
)


#: Why a substitution ends by itself.
LEFT = t("One of the two does not work here any more.")


@dataclass(frozen=True, slots=True)
class Grant:
    """A role that somebody holds, `tenant` None for the whole estate. `until` None: no end was set. `stands_for`: whose
    role it is that a substitute holds for a while; None for one's own."""

    id: int
    role: str
    tenant: str | None
    since: datetime
    until: datetime | None
    by: str
    reason: str
    stands_for: Actor | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as the centre knows them. `name` is that of the actor (`directory:wang`, `account:first`), `tenant`
    the department of their directory entry, `grants` what is in force now."""

    key: str
    name: str
    display: str
    tenant: str | None
    grants: tuple[Grant, ...]
    language: str | None = None
    theme: str = "auto"
    enrolled: bool = False

    @property
    def kind(self) -> str:
        """`directory` or `account`."""
        return self.name.partition(":")[0]

    @property
    def login(self) -> str:
        """What they type to sign in."""
        return self.name.partition(":")[2]

    def needs_second_factor(self, of: FactorOf = "centre") -> bool:
        """Whether a role of theirs wants more than a password, where the centre asks it `of` these."""
        roles = [ROLES[grant.role] for grant in self.grants]
        signs = of == "signers" and any(Act.SIGN in role.acts for role in roles)
        return any(role.second_factor for role in roles) or signs or (of == "everybody" and bool(roles))


class Stage(StrEnum):
    """How far a sign-in has come. Each stage has one page; only `OPEN` sees anything else."""

    PASSWORD = "password"
    CODE = "code"
    ENROL = "enrol"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in of one browser. `id` is the hash that the database knows; the cookie's value is never kept."""

    id: str
    person: Person
    stage: Stage
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    agent: str
