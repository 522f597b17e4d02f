"""The table of classes: one person proposes, another one signs, and what is on its way is asked of the right people.

When a table comes into force, a signature of an open request holds where its role still signs; one whose role does not
sign any more counts no longer, and further roles are asked. What was approved goes on as it was decided.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from control_plane.model import class_table
from control_plane.model.change_class import CLASSES, CONDITION_TITLES
from control_plane.model.errors import ControlPlaneError, Invalid, Problem, Rejected, StalePlan
from control_plane.model.people import ROLES, Act
from control_plane.model.request import DECIDING, Request, RequestEvent, RequestState
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.store.classes import TableRow
from control_plane.store.repository import Store
from control_plane.workflow.access import Forbidden
from control_plane.workflow.request_duties import is_local
from control_plane.workflow.request_plans import agreed_before
from control_plane.workflow.requests import Requests

Json = dict[str, Any]
MOST_WORDS = 500
WHY = t("The table of classes was changed; other people sign now.")


class Classes:
    """Implements `model.client_classes.ClassesClient`."""

    def __init__(self, store: Store, requests: Requests, actor: Callable[[], Actor]) -> None:
        self.store = store
        self.requests = requests
        self.actor = actor

    # looking ----------------------------------------------------------------------------------------------------
    def show(self) -> Json:
        """See `ClassesClient.show`."""
        table, row = self.store.classes.current(), self.store.classes.in_state("in_force")
        proposal = self.store.classes.in_state("proposed")
        return {
            "number": row.number if row else 0,
            "table": class_table.as_json(table),
            "lines": [
                {
                    "name": line.name,
                    "title": str(CONDITION_TITLES[line.name]),
                    "class": line.change_class,
                    "class_title": str(CLASSES[line.change_class].title),
                    "signs": [*line.signs],
                    "sign_titles": [str(ROLES[role].title) for role in line.signs],
                }
                for line in table.lines
            ],
            "since": row.signed_at.isoformat() if row and row.signed_at else None,
            "by": row.by.name if row else None,
            "signed_by": row.signed_by if row else None,
            "reason": row.reason if row else None,
            "proposal": self._full(proposal) if proposal else None,
        }

    def history(self) -> builtins.list[Json]:
        """See `ClassesClient.history`."""
        return [_row(row) for row in self.store.classes.list()]

    # changing ---------------------------------------------------------------------------------------------------
    def propose(self, table: Any, *, reason: str) -> Json:
        """See `ClassesClient.propose`."""
        actor = self.actor()
        if not self._may(actor, Act.PROPOSE_CLASSES):
            raise Forbidden(t("Your roles do not allow this."), t("Ask an operator or the security officer."))
        _need(reason)
        body = class_table.as_json(class_table.read(table, self.requests.planner.catalogue.offerings))
        if body == class_table.as_json(self.store.classes.current()):
            raise Rejected(t("This table is in force already."), t("See gasp classes show."))
        return self._full(self.store.classes.propose(body, reason.strip()[:MOST_WORDS], actor))

    def sign(self, number: int, *, digest: str, reason: str = "") -> Json:
        """See `ClassesClient.sign`."""
        with self.store.transaction():
            row, actor = self.store.classes.get(number), self.actor()
            if row.by.key == actor.key or not self._may(actor, Act.SIGN_CLASSES):
                raise Rejected(
                    t("Another person than who proposed it signs: a security officer or the deputy director."),
                    t("Ask one of them."),
                )
            stands_for = None
            if is_local(actor):
                _need(reason)
                stands_for = reason.strip()[:MOST_WORDS]
            if len(digest) < 8 or not row.digest.startswith(digest):
                raise StalePlan(t("It is not the table that you looked at."), t("Look at it again, then sign."))
            signed = self.store.classes.sign(number, actor, self._role(actor), stands_for)
            return {**self._full(signed), "requests": self._reclassify()}

    def refuse(self, number: int, *, reason: str) -> Json:
        """See `ClassesClient.refuse`."""
        _need(reason)
        with self.store.transaction():
            row, actor = self.store.classes.get(number), self.actor()
            mine = row.by.key == actor.key
            if not mine and not self._may(actor, Act.SIGN_CLASSES):
                raise Rejected(t("Only who may sign it refuses it, and who proposed it withdraws it."))
            state = "withdrawn" if mine else "refused"
            return self._full(self.store.classes.end(number, actor, state, reason.strip()[:MOST_WORDS]))

    # requests on their way --------------------------------------------------------------------------------------
    def _reclassify(self) -> int:
        """Ask the right people about every request that is not decided; returns how many have others now."""
        open_ = self.store.requests.list(states=DECIDING | {RequestState.RETURNED}, limit=None)
        return sum(self._asked_anew(request) for request in reversed(open_) if not request.tenant_ended)

    def _asked_anew(self, request: Request) -> bool:
        try:
            wish = self.requests.forms.wish(request)
            classified = self.requests.plans.classified(request, wish.spec, agreed_before(request))
        except ControlPlaneError:  # it cannot be judged now: it stays with those who were asked
            return False
        needs = classified.needs or request.needs
        if (needs, classified.change_class) == (request.needs, request.change_class) or not classified.needs:
            return False
        gone = frozenset(s.actor.key for s in request.holding if s.role not in needs)
        signed = {s.role for s in request.holding if s.role in needs}
        values: Json = {
            "needs": needs, "change_class": classified.change_class, "reasons": classified.reasons,
        }  # fmt: skip
        if request.state in DECIDING:
            values["state"] = RequestState.REVIEW if signed else RequestState.SUBMITTED
        moved = self.requests.journal.step(
            request, RequestEvent.RECLASSIFIED, None, {"why": WHY.as_json()}, void=WHY if gone else None,
            void_of=gone, values=values,
        )  # fmt: skip
        if moved.state in DECIDING and not moved.missing:
            self.requests.approved(moved)
        return True

    # parts ------------------------------------------------------------------------------------------------------
    def _may(self, actor: Actor, act: Act) -> bool:
        """Whether they may, by a role of their own: two people change the table, and a substitute with whom they stand
        in for is one."""
        person = self.store.people.find(actor.name)
        return is_local(actor) or any(
            grant.role in ROLES and act in ROLES[grant.role].acts and grant.stands_for is None
            for grant in (person.grants if person else ())
        )

    def _role(self, actor: Actor) -> str:
        person = self.store.people.find(actor.name)
        roles = [g.role for g in (person.grants if person else ()) if Act.SIGN_CLASSES in ROLES[g.role].acts]
        return roles[0] if roles else "security_officer"

    def _full(self, row: TableRow) -> Json:
        actor = self.actor()
        mine, acts = row.by.key == actor.key, list[str]()
        if row.state == "proposed":
            signs = not mine and self._may(actor, Act.SIGN_CLASSES)
            acts = ["withdraw"] if mine else ["sign", "refuse"] if signs else []
        return {**_row(row), "table": row.body, "acts": acts}


def _row(row: TableRow) -> Json:
    return {
        "number": row.number,
        "state": row.state,
        "at": row.at.isoformat(),
        "by": row.by.name,
        "reason": row.reason,
        "signed_at": row.signed_at.isoformat() if row.signed_at else None,
        "signed_by": row.signed_by,
        "stands_for": row.stands_for,
        "ended_at": row.ended_at.isoformat() if row.ended_at else None,
        "ended_by": row.ended_by,
        "ended_reason": row.ended_reason,
        "digest": row.digest,
        "differences": class_table.differences(row.former, row.body),
    }


def _need(reason: str) -> None:
    if not reason.strip():
        raise Invalid([Problem("no-reason", t("A reason is needed."), t("Say why in one sentence."), field="reason")])
