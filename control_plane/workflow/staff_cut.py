"""Cutting off people who left: sessions, tokens, roles and substitutions end in one transaction.

The lock in the directory is the caller's. Must not decide who left: `staff.py` does, and what others signed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from control_plane.model.audit import AuditAct
from control_plane.model.errors import Rejected
from control_plane.model.people import LEFT, Act, Person
from control_plane.model.run import Actor
from control_plane.model.staffing import keep_somebody
from control_plane.model.text import in_language, t
from control_plane.store.repository import Store
from control_plane.workflow.access import allows
from control_plane.workflow.request_duties import is_local

LEFT_WORK = t("The person left.")


def may_cut(store: Store, codes: Mapping[str, str], actor: Actor) -> list[Person]:
    """Those of these people (uid → department) of whom something can be ended. Raises Rejected when that are roles
    which who acts may not take, or which nobody else holds: a department lets its own people go, and roles of the
    centre and of other departments are not its to end."""
    going, me = _known_here(store, codes), store.people.find(actor.name)
    of_centre = is_local(actor) or (me is not None and (allows(me, Act.APPLY) or allows(me, Act.PEOPLE)))
    for person in going:
        if not of_centre and any(grant.tenant != codes[person.login] for grant in person.grants):
            raise Rejected(
                t("{person} also holds roles outside this department; those are not the department's to end.",
                  person=person.login),
                t("Ask an operator of the centre to let them leave: gasp accounts leave {person}", person=person.login),
            )  # fmt: skip
    keep_somebody(store.people.all(), {person.key: {grant.role for grant in person.grants} for person in going})
    return going


def may_not_enter(store: Store, uids: Collection[str], actor: Actor) -> frozenset[str]:
    """Those of these people whose password who acts may not replace: whoever opens the sheet could sign in as them and
    do what is not theirs to do. A department replaces those of people with no more roles than one has oneself; the
    centre those of departments' people; whoever works on the machine itself everybody's."""
    me = store.people.find(actor.name)
    if is_local(actor):
        return frozenset()
    mine = {(grant.role, grant.tenant) for grant in me.grants} if me is not None else set()
    of_centre = me is not None and (allows(me, Act.APPLY) or allows(me, Act.PEOPLE))
    return frozenset(
        person.login
        for person in _known_here(store, uids)
        if any((g.role, g.tenant) not in mine and not (of_centre and g.tenant is not None) for g in person.grants)
    )


def cut_off(
    store: Store, going: Sequence[Person], codes: Mapping[str, str], reason: str, actor: Actor
) -> dict[str, int]:
    """End what these people can do here, in the caller's transaction: {people, sessions, tokens, grants}. `codes`: all
    who leave, also those who never signed in."""
    counts = {"people": len(codes), "sessions": 0, "tokens": 0, "grants": 0}
    with in_language("en"):
        why = str(LEFT_WORK)
    for person in going:
        counts["sessions"] += store.people.end_sessions(person.key)
        counts["tokens"] += store.tokens.end_of(person.key, LEFT_WORK, actor)
        for grant in person.grants:
            counts["grants"] += 1
            if grant.stands_for is None:
                store.people.revoke(grant.id, reason or why, actor)
        for substitution in store.substitutes.of(person.key):
            store.substitutes.end(substitution, str(LEFT), None)
    store.audit.record(AuditAct.PERSON_LEFT, actor, tenants={*codes.values()}, reason=reason, detail=counts)
    return counts


def cut_who_left(store: Store, codes: Mapping[str, str], actor: Actor) -> None:
    """Cut those of these people who left by a request, an import or a former day and can still do something: others
    have signed that, so it is not asked once more whether they may."""
    going = [person for person in _known_here(store, codes) if _can_do_something(store, person)]
    if going:
        with store.transaction():
            cut_off(store, going, {person.login: codes[person.login] for person in going}, "", actor)


def _known_here(store: Store, uids: Collection[str]) -> list[Person]:
    """Those who ever signed in, or were given a role."""
    return [person for person in store.people.all() if person.kind == "directory" and person.login in uids]


def _can_do_something(store: Store, person: Person) -> bool:
    return bool(person.grants or store.people.sessions(person) or store.tokens.list(person.key, ended=False))
