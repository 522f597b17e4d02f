"""Whether there are enough people to sign: each role's least number, each line of the table of classes, and what nobody
would hold any more once somebody goes.

Pure: people, departments and lines in, what is short out. Must not look anything up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from control_plane.model.change_class import Condition
from control_plane.model.errors import Rejected
from control_plane.model.people import ROLES, Person
from control_plane.model.text import Text, t, tn

#: The service whose wish says who works in a department.
PEOPLE = "directory"
MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Shortage:
    """One thing that is short. `role` None: every role has people, but not enough different ones; `tenants`: the
    departments concerned; `have` and `need` count people."""

    role: str | None
    tenants: tuple[str, ...]
    have: int
    need: int
    state: Literal["failed", "warning"]
    text: Text


def shortages(
    people: Iterable[Person], departments: Collection[str], lines: Sequence[Condition], titles: Mapping[str, Text]
) -> list[Shortage]:
    """What is short, the worst first. `departments`: codes of those that ask for things; `titles`: a line's name →
    its words."""
    holders: dict[str, set[str]] = {role: set() for role in ROLES}
    approved: set[str | None] = set()
    for person in people:
        for grant in person.grants:
            if grant.role in ROLES:
                holders[grant.role].add(person.key)
                if grant.role == "approver":
                    approved.add(grant.tenant)
    signing = {role for line in lines for role in line.signs}
    found = [s for role in ROLES if role in signing for s in _of_role(role, holders[role])]
    alone = sorted(code for code in departments if code not in approved)
    if alone and "approver" in signing:
        text = tn(
            "No approver in {count} department: {codes}.",
            "No approver in {count} departments: {codes}.",
            count=len(alone),
            codes=_few(alone),
        )
        found.append(Shortage("approver", tuple(alone), 0, ROLES["approver"].least, "failed", text))
    for line in lines:
        sets = [holders[role] for role in line.signs]
        able = _different(sets)
        if all(sets) and able < len(sets):
            text = t(
                "{need} people must sign {what}; only {have} can.", need=len(sets), what=titles[line.name], have=able
            )
            found.append(Shortage(None, (), able, len(sets), "failed", text))
    return sorted(found, key=lambda s: s.state != "failed")


def keep_somebody(people: Iterable[Person], going: Mapping[str, Collection[str]]) -> None:
    """Raise Rejected when the centre would be without one of the roles that it needs people of. `going`: the roles that
    people lose, by their keys. Substitutes hold nothing of their own; local accounts count like anybody: they come in
    with the directory away."""
    needed = {role.name for role in ROLES.values() if role.reach == "estate" and role.least}
    held: dict[str, set[str]] = {}
    for person in people:
        for grant in person.grants:
            if grant.role in needed and grant.stands_for is None:
                held.setdefault(grant.role, set()).add(person.key)
    for role, keys in held.items():
        if all(role in going.get(key, ()) for key in keys):
            raise Rejected(
                t("Nobody else holds the role {role}; the centre would be without it.", role=ROLES[role].title),
                t("Give it to somebody else first: gasp users grant PERSON {role} --reason …", role=role),
            )


def _of_role(role: str, keys: Collection[str]) -> list[Shortage]:
    """A role of the whole centre that lacks people."""
    known = ROLES[role]
    if known.reach == "tenant" or len(keys) >= known.least:
        return []
    if not keys:
        text = t("Nobody holds the role {role}; what it must sign waits.", role=known.title)
        return [Shortage(role, (), 0, known.least, "failed", text)]
    text = t("{have} of {need} people hold the role {role}.", have=len(keys), need=known.least, role=known.title)
    return [Shortage(role, (), len(keys), known.least, "warning", text)]


def _different(sets: Sequence[Collection[str]]) -> int:
    """How many of these roles can be signed by as many different people."""
    taken: dict[str, int] = {}

    def place(number: int, tried: set[str]) -> bool:
        for key in sets[number]:
            if key not in tried:
                tried.add(key)
                if key not in taken or place(taken[key], tried):
                    taken[key] = number
                    return True
        return False

    return sum(place(number, set()) for number in range(len(sets)))


def _few(codes: Sequence[str]) -> str:
    more = f" (+{len(codes) - MOST_NAMES})" if len(codes) > MOST_NAMES else ""
    return ", ".join(codes[:MOST_NAMES]) + more
