"""Who may do what with a request. Whoever asked never signs it; one person signs once; a role is signed once. What was
handed in by somebody who may not ask there any more is taken over by whoever of the department goes on with it.

Who substitutes somebody signs as the two of them: neither may have asked, or signed in another role.

A local operator on the machine (`local:NAME`) may ask for any department and stand in for any role, with a reason that
is recorded; who asked stays apart from who signs for them as well. Must not look at anything but people and requests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property

from control_plane.model.emergency import Early
from control_plane.model.people import Act, Grant, Person
from control_plane.model.request import ACTS, Request, RequestAct, RequestState, Signoff
from control_plane.model.run import Actor
from control_plane.store.repository import Store
from control_plane.workflow.access import allows, held, holds, tenants_in_sight


def is_local(actor: Actor) -> bool:
    """Whether somebody acts on the machine itself, without a sign-in."""
    return actor.name.startswith("local:")


class Duties:
    """Judges for one actor, with people as they are now."""

    def __init__(self, store: Store, actor: Actor) -> None:
        self._store = store
        self.actor = actor
        self.local = is_local(actor)

    @cached_property
    def person(self) -> Person | None:
        """Who acts, if they are known by name."""
        return self._store.people.find(self.actor.name)

    @cached_property
    def people(self) -> Sequence[Person]:
        """Everybody who is known."""
        return self._store.people.all()

    @cached_property
    def by_key(self) -> Mapping[str, Person]:
        """Key of an actor → the person."""
        return {person.key: person for person in self.people}

    @cached_property
    def displays(self) -> Mapping[str, str]:
        """Actor's name → name for people, with the login name where several are called the same."""
        called = Counter(person.display for person in self.people)
        return {p.name: p.display if called[p.display] == 1 else f"{p.display} ({p.login})" for p in self.people}

    @cached_property
    def emergencies(self) -> Mapping[int, Early]:
        """Request → who made it real as an emergency, and whether that stands."""
        return self._store.emergencies.early()

    # sight ------------------------------------------------------------------------------------------------------
    @property
    def sight(self) -> frozenset[str] | None:
        """Tenants whose requests may be seen; None for all."""
        if self.local:
            return None
        return tenants_in_sight(self.person) if self.person is not None else frozenset()

    def sees(self, request: Request) -> bool:
        """Whether a request may be seen: of a tenant in sight, and what was never handed in only by who wrote it. What
        belonged to an ended tenant is for who sees all of them."""
        if request.submitted_at is None and request.asker.key != self.actor.key:
            return False
        return self.sight is None or (request.content.tenant in self.sight and not request.tenant_ended)

    def may_ask(self, tenant: str) -> bool:
        """Whether they may ask for something for this tenant."""
        return self.local or (self.person is not None and allows(self.person, Act.ASK, tenant))

    # signing ----------------------------------------------------------------------------------------------------
    def signs_as(self, request: Request) -> tuple[str, ...]:
        """Missing roles that they could sign as now."""
        taken = self.taken(request)
        if self.actor.key in taken:
            return ()
        tenant = request.content.tenant
        return tuple(role for role in request.missing if self.local or self.right(role, tenant, taken) is not None)

    def right(self, role: str, tenant: str, taken: frozenset[str] = frozenset()) -> Grant | None:
        """The grant by which they sign as a role, their own if they have one. A substitute signs nothing for who asked
        for it or signed it: for them it is one signature."""
        grants = held(self.person, role, tenant) if self.person is not None else []
        return next((g for g in grants if g.stands_for is None or g.stands_for.key not in taken), None)

    def signs_for(self, request: Request, role: str) -> Actor | None:
        """For whom they sign as a substitute; None when it is their own role, or a stand-in on the machine."""
        right = None if self.local else self.right(role, request.content.tenant, self.taken(request))
        return right.stands_for if right is not None else None

    def may_record(self, request: Request) -> bool:
        """Whether they may record the department's stamped letter: an operator who neither asked for it nor signed it.
        It counts as one signoff of theirs, so that they do not sign for the centre as well."""
        tends = self.local or self.right("operator", request.content.tenant, self.taken(request)) is not None
        return "approver" in request.missing and tends and self.actor.key not in self.taken(request)

    def still(self, signoff: Signoff, tenant: str) -> bool:
        """Whether the right to a signature of theirs is still there. What a substitute signed in their days holds when
        the days are over, unless somebody ended it or the role is not held any more; a letter is the department's."""
        other = signoff.substitutes
        if signoff.letter is not None:
            return True
        if other is None:
            return self.holds(signoff.role, tenant)
        return self._store.substitutes.stood_in(self.actor.key, signoff.role, other.key, signoff.at)

    def holds(self, role: str, tenant: str) -> bool:
        """Whether they hold a role there, or stand in for it."""
        return self.local or (self.person is not None and holds(self.person, role, tenant))

    def judges(self, request: Request) -> bool:
        """Whether they may ask back or refuse: they hold one of the roles that sign it, and did not ask for it."""
        return request.asker.key != self.actor.key and any(
            self.holds(role, request.content.tenant) for role in request.needs
        )

    def reads(self, request: Request) -> bool:
        """Whether its plan is theirs to read through: they ask or sign in its department, or tend it for the centre."""
        roles = (*request.needs, "operator")
        return self.may_ask(request.content.tenant) or any(self.holds(r, request.content.tenant) for r in roles)

    def locked(self, request: Request) -> bool:
        """Whether its content is what an emergency made real and stands for: it is signed as it is, refused or taken
        back, and not changed meanwhile."""
        return self.emergencies.get(request.id, Early()).stands

    def left_behind(self, request: Request) -> bool:
        """Whether who handed it in may ask for nothing there any more, so that somebody else has to go on with it."""
        if request.submitted_at is None or is_local(request.asker):
            return False
        asker = self.by_key.get(request.asker.key)
        return asker is not None and not allows(asker, Act.ASK, request.content.tenant)

    def takes_over(self, request: Request) -> bool:
        """Whether they may go on with what somebody left behind, and so ask for it: not who signed it."""
        able = self.may_ask(request.content.tenant) and self.actor.key not in self.taken(request)
        return able and self.left_behind(request)

    def acts(self, request: Request) -> list[RequestAct]:
        """What they may do with it now."""
        own = request.asker.key == self.actor.key and self.may_ask(request.content.tenant)
        mine = own or self.takes_over(request)
        tends = self.holds("operator", request.content.tenant)
        may: dict[RequestAct, bool] = {
            "save": mine and not self.locked(request),
            "submit": mine,
            "answer": mine and not self.locked(request),
            "withdraw": mine,
            "comment": mine or self.may_ask(request.content.tenant) or self.judges(request) or tends,
            "sign": bool(self.signs_as(request)),
            "letter": self.may_record(request),
            "return": (tends if request.state is RequestState.FAILED else self.judges(request))
            and not self.locked(request),
            "refuse": self.judges(request),
            "retry": tends,
        }
        return [act for act, states in ACTS.items() if request.state in states and may[act]]

    def taken(self, request: Request) -> frozenset[str]:
        """Who may not sign it any more: who asked, who made it real ahead of its signatures, who signed, and for whom
        somebody signed."""
        early = self.emergencies.get(request.id, Early())
        return early.keys.union({request.asker.key}, *(signoff.keys for signoff in request.holding))

    # whom it waits for ------------------------------------------------------------------------------------------
    def holders(self, role: str, tenant: str, *, without: frozenset[str] = frozenset()) -> list[Person]:
        """Who holds a role there, without these actors (keys)."""
        return [
            person
            for person in self.people
            if person.key not in without
            and any(g.stands_for is None or g.stands_for.key not in without for g in held(person, role, tenant))
        ]
