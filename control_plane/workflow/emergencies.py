"""Emergencies: one operator makes a submitted request real at once; without its signatures it goes back by itself.

Level-triggered like every apply: nothing is remembered but in the database, so the command or the worker may be killed
anywhere and the next turn goes on. Needs neither the web, the worker nor the directory: the command does it itself.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from control_plane.model import audit
from control_plane.model.change_class import CLASSES
from control_plane.model.content_check import CheckState, sentence_of
from control_plane.model.due import due
from control_plane.model.emergency import REVIEW_DAYS, SENTENCES, STANDS, Emergency, EmergencyState
from control_plane.model.errors import (
    ControlPlaneError,
    Invalid,
    NotFound,
    Problem,
    Rejected,
    StalePlan,
    TemporaryError,
)
from control_plane.model.people import ROLES, Act
from control_plane.model.plan import Plan
from control_plane.model.request import DECIDING, FINAL, TITLES, Request, RequestEvent, RequestState, parse_reference
from control_plane.model.run import Actor, Event, EventType, RunState
from control_plane.model.scope import parse_scope
from control_plane.model.text import Text, t
from control_plane.store.audit import Behalf
from control_plane.store.emergencies import fresh, no_such_emergency
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.store.repository import Store
from control_plane.store.requests import no_such_request
from control_plane.workflow.applying import Applier, Order
from control_plane.workflow.process import myself, process_alive
from control_plane.workflow.request_duties import Duties
from control_plane.workflow.request_plans import agreed
from control_plane.workflow.requests import Requests

Json = dict[str, Any]
LEASE = "emergencies"
#: How long what could not be taken back waits until it is tried again.
PAUSE = timedelta(seconds=60)
MOST_WORDS = 2000
GOOD = (RunState.DONE, RunState.DONE_WITH_CONFLICTS)
#: The request is decided, so it stays.
DECIDED = frozenset({RequestState.APPROVED, RequestState.APPLYING, RequestState.FAILED})
#: Everybody has signed: nothing of it is taken back any more.
SETTLED = DECIDED | {RequestState.LIVE}
EXPIRED = t("It was not signed within 24 hours.")
NOT_APPROVED = t("It was not approved, or was withdrawn.")


class Emergencies:
    """Implements `model.client_emergencies.EmergenciesClient`; `tick` is the worker's."""

    def __init__(
        self, store: Store, requests: Requests, applier: Applier, clock: Callable[[], datetime],
        actor: Callable[[], Actor],
    ) -> None:  # fmt: skip
        self.store = store
        self.requests = requests
        self.applier = applier
        self.clock = clock
        self.actor = actor

    # looking ----------------------------------------------------------------------------------------------------
    def list(self, *, everything: bool = False) -> builtins.list[Json]:
        """See `EmergenciesClient.list`."""
        found = self.store.emergencies.list(everything)
        if not found:
            return []
        duties = Duties(self.store, self.actor())
        seen = [(one, request) for one in found if duties.sees(request := self.store.requests.get(one.request))]
        return [self._row(one, request, duties) for one, request in seen]

    # doing ------------------------------------------------------------------------------------------------------
    def apply(self, request: int | str, *, digest: str, reason: str) -> Json:
        """See `EmergenciesClient.apply`."""
        actor, duties = self.actor(), Duties(self.store, self.actor())
        found = self._request(request, duties)
        if not reason.strip():
            raise Invalid(
                [Problem("no-reason", t("A reason is needed."), t("Say why in one sentence."), field="reason")]
            )
        right = duties.right("operator", found.content.tenant) if not duties.local else None
        if right is None and not duties.local:
            raise Rejected(t("Only an operator makes something real ahead of its signatures."))
        lease = self.store.leases.acquire(LEASE, myself(), process_alive)
        if lease is None:
            text = t("Another emergency is being carried out.")
            raise TemporaryError(text, t("Try again in a moment: gasp emergencies list"), delay=5)
        try:
            with self.store.transaction():
                found = self.store.requests.get(found.id)
                begun = self._begun(found, actor)
                if begun is None:
                    other = right.stands_for.key if right is not None and right.stands_for is not None else None
                    begun = self._begin(found, (actor, other), digest, reason.strip()[:MOST_WORDS])
            if begun.state is EmergencyState.APPLYING:
                begun = self._carry_out(begun)
        finally:
            self.store.leases.release(lease)
        return self._row(begun, self.store.requests.get(begun.request), duties)

    def _request(self, request: int | str, duties: Duties) -> Request:
        number = request if isinstance(request, int) else parse_reference(request)
        try:
            found = self.store.requests.get(number or 0)
        except NotFound:
            raise no_such_request(str(request)) from None
        if not duties.sees(found):
            raise no_such_request(str(request))
        return found

    def _begun(self, found: Request, actor: Actor) -> Emergency | None:
        """The emergency that stands for this request, if who acts began it. Raises Rejected when another did."""
        standing = [one for one in self.store.emergencies.moving() if one.request == found.id]
        if standing and standing[0].actor.key != actor.key:
            raise Rejected(
                t("{request} was made real as an emergency before.", request=found.reference),
                t("See gasp emergencies list."),
            )
        return standing[0] if standing else None

    def _begin(self, found: Request, who: tuple[Actor, str | None], digest: str, reason: str) -> Emergency:
        """A new one, by `who` (and the key of whom they substitute). Raises Rejected or StalePlan."""
        actor, other = who
        if found.state not in DECIDING or not found.digest:
            raise Rejected(
                t("{request} is {state}; only what was submitted and waits for signatures is made real at once.",
                  request=found.reference, state=TITLES[found.state]),
                t("Submit it first: gasp requests submit {request}", request=found.reference),
            )  # fmt: skip
        if found.agreed.get("lost"):
            raise Rejected(
                t(
                    "It deletes data for good, which could not go back: {names}.",
                    names=", ".join(found.agreed["lost"][:5]),
                ),
                t("Have it signed: gasp requests show {request}", request=found.reference),
            )
        if len(digest) < 8 or not found.digest.startswith(digest):
            raise StalePlan(
                t("{request} is not what you looked at any more.", request=found.reference), t("Look at it again.")
            )
        if any({actor.key, other} & signoff.keys for signoff in found.holding):
            raise Rejected(
                t("Who has signed {request} does not make it real ahead of the others.", request=found.reference),
                t("Ask another operator."),
            )
        if any(one.generation is not None for one in self.store.emergencies.of_request(found.id)):
            raise Rejected(
                t("{request} was made real as an emergency before, and was taken back.", request=found.reference),
                t("Have it signed: gasp requests show {request}", request=found.reference),
            )
        for check in self.requests.new_contents(found):
            if check.state is not CheckState.CLEAN:
                raise Rejected(sentence_of(check, check.name), t("Content that was not checked is never published."))
        begun = self.store.emergencies.begin(found.id, actor, reason, STANDS, other)
        data = {"text": reason, "expires": begun.expires_at.isoformat()}
        same = {"note": found.note}  # a new version: who acts on what they read before is told so
        self.requests.journal.step(found, RequestEvent.EMERGENCY, actor, data, values=same)
        return begun

    def review(self, emergency: int, *, text: str) -> Json:
        """See `EmergenciesClient.review`."""
        said = text.strip()[:MOST_WORDS]
        if not said:
            raise Invalid([Problem("no-text", t("Say what you found."), t("Write a sentence."), field="text")])
        with self.store.transaction():
            duties = Duties(self.store, self.actor())
            found = self.store.emergencies.get(emergency)
            request = self.store.requests.get(found.request)
            if not duties.sees(request):
                raise no_such_emergency(emergency)
            if found.reviewed_at is not None:
                raise Rejected(t("It was reviewed before."), t("See gasp emergencies list --all."))
            if not self._reviews(found, duties):
                raise Rejected(
                    t("Another person than who did it reviews it: an operator, a security officer or the director."),
                    t("Ask one of them."),
                )
            found = self.store.emergencies.review(emergency, self.actor(), said)
            self.requests.journal.step(request, RequestEvent.REVIEWED, self.actor(), {"text": said})
        return self._row(found, request, duties)

    def _reviews(self, found: Emergency, duties: Duties) -> bool:
        """Who did it, or for whom, does not review it, nor does a substitute of theirs by that right."""
        if duties.actor.key in found.keys:
            return False
        return duties.local or any(
            grant.role in ROLES
            and Act.REVIEW in ROLES[grant.role].acts
            and (grant.stands_for is None or grant.stands_for.key not in found.keys)
            for grant in (duties.person.grants if duties.person else ())
        )

    # the worker -------------------------------------------------------------------------------------------------
    def tick(self) -> builtins.list[int]:
        """Finish what a killed process began, keep what was signed, take back what expired; returns what moved."""
        if not self.store.emergencies.moving():
            return []
        lease = self.store.leases.acquire(LEASE, myself(), process_alive)
        if lease is None:
            return []
        try:
            return [one.id for one in self.store.emergencies.moving() if self._moved(one)]
        finally:
            self.store.leases.release(lease)

    def _moved(self, one: Emergency) -> bool:
        if one.state is EmergencyState.APPLYING:
            try:
                return self._carry_out(one).state is not EmergencyState.APPLYING
            except ControlPlaneError:  # it is noted as failed
                return True
        request = self.store.requests.get(one.request)
        if one.state is EmergencyState.GOING_BACK and request.state in SETTLED:
            self.store.emergencies.move(one.id, EmergencyState.STANDS)  # everybody signed before it was taken back
            return True
        if one.state is EmergencyState.GOING_BACK:
            return not fresh(one.tried_at, self.clock(), PAUSE) and self._go_back(one, request)
        if request.state is RequestState.LIVE:
            self.store.emergencies.move(one.id, EmergencyState.KEPT)
            return True
        why = NOT_APPROVED if request.state in FINAL else EXPIRED
        if request.state in DECIDED or (request.state not in FINAL and self.clock() < one.expires_at):
            return False
        with self.store.transaction():  # a kill between them would say it twice
            self.requests.journal.step(request, RequestEvent.GOES_BACK, None, {"why": why.as_json()})
            one = self.store.emergencies.move(one.id, EmergencyState.GOING_BACK, why=why)
        return self._go_back(one, request)

    # applying ---------------------------------------------------------------------------------------------------
    def _carry_out(self, one: Emergency) -> Emergency:
        """Write the wish and make it real. What was written stands, whatever of it could not be made real yet."""
        request, runs = self.store.requests.get(one.request), list[int]()
        forms = self.requests.forms
        try:
            if request.tenant_ended:
                raise Rejected(t("The department {code} was ended.", code=request.content.tenant))
            if one.generation is None:
                self._still_wanted(one, request)
            wish = forms.wish(request)
            if wish.clash:
                raise Rejected(t("Somebody else changed the same fields since; nothing was changed."))
            change = wish.change

            def commit() -> None:
                if change is not None:
                    self._still_wanted(one, self.store.requests.get(request.id))
                    _, before = forms.current(request.content)
                    forms.write([(one.actor, f"emergency {one.id}", change, self._behalf(one, request))])
                    self.store.emergencies.wrote(one.id, before, forms.current(request.content)[0])

            order = Order(
                self._scope(request, wish.spec), kind="emergency", spare="everything",
                commit=commit if change is not None else None, accept=lambda plan: self._accept(request, plan),
            )  # fmt: skip
            run = self._apply(order, one, request, runs)
        except ControlPlaneError as error:
            written = self.store.emergencies.get(one.id).generation is not None
            state = EmergencyState.STANDS if written else EmergencyState.FAILED
            why = error.problems[0].text if error.problems else error.text
            moved = self.store.emergencies.move(one.id, state, why=why, run_id=next(iter(runs), None))
            if not written:
                raise
            return moved
        said = None if run.state in GOOD else run.sentence or t("Not all of it could be made real yet.")
        return self.store.emergencies.move(one.id, EmergencyState.STANDS, why=said, run_id=run.id)

    def _still_wanted(self, one: Emergency, request: Request) -> None:
        """What nobody has written yet is written only while the request waits for signatures, and in time. Raises
        Rejected: a killed process is not finished days later."""
        if request.state not in DECIDING or self.clock() >= one.expires_at:
            raise Rejected(
                t("{request} is {state} now; nothing was changed.", request=request.reference,
                  state=TITLES[request.state]),
                t("See gasp requests show {request}", request=request.reference),
            )  # fmt: skip

    def _go_back(self, one: Emergency, request: Request) -> bool:
        """Write what was there before, unless somebody has changed the service since, and make that real."""
        forms, runs = self.requests.forms, list[int]()
        if one.generation is None or request.tenant_ended:  # nothing of it is there; the code may be another's
            self._back(one, request, EmergencyState.GONE_BACK, None)
            return True
        generation, now = forms.current(request.content)
        back = now == one.before and generation > one.generation
        if generation != one.generation and not back:
            self._back(one, request, EmergencyState.OVERTAKEN, None)
            return True
        before, tier = one.before, (one.before or {}).get("tier", request.content.tier)
        spec = before["spec"] if before is not None else None
        content = request.content
        change = SubscriptionChange(content.tenant, content.offering, tier, spec, generation)

        def commit() -> None:
            if self.store.requests.get(request.id).state in SETTLED:
                raise StalePlan(t("Everybody has signed since; it stays."))
            forms.write([(one.actor, f"end of emergency {one.id}", change, self._behalf(one, request))])

        scope = self._scope(request, spec)
        order = Order(
            scope, kind="emergency", spare="everything", commit=None if back else commit, accept=lambda plan: None
        )
        try:
            run = self._apply(order, one, request, runs)
        except ControlPlaneError as error:
            self.store.emergencies.move(one.id, EmergencyState.GOING_BACK, why=error.text)
            return False
        if run.state not in GOOD:
            self.store.emergencies.move(one.id, EmergencyState.GOING_BACK, why=run.sentence, back_run=run.id)
            return False
        self._back(one, request, EmergencyState.GONE_BACK, run.id)
        return True

    def _back(self, one: Emergency, request: Request, state: EmergencyState, run: int | None) -> None:
        with self.store.transaction():
            self.store.emergencies.move(one.id, state, back_run=run)
            said = SENTENCES[state]
            self.requests.journal.step(request, RequestEvent.WENT_BACK, None, {"why": said.as_json()})

    def _apply(self, order: Order, one: Emergency, request: Request, runs: builtins.list[int]) -> Any:
        def follow(event: Event) -> None:
            if event.type is EventType.CREATED:
                runs.append(event.run)

        with self.store.audit.under(self._behalf(one, request)):
            return self.store.runs.get(self.applier.apply(order, one.actor, follow))

    def _accept(self, request: Request, plan: Plan) -> None:
        """What an emergency does can always go back: nothing is lost for good. Raises StalePlan."""
        lost = agreed(plan.changes, self.requests.planner.personal).lost
        if lost:
            raise StalePlan(
                t("It would delete data for good now: {names}.", names=", ".join(lost[:5])),
                t("Have it signed: gasp requests show {request}", request=request.reference),
            )

    @staticmethod
    def _behalf(one: Emergency, request: Request) -> Behalf:
        return Behalf((request.reference,), (audit.Signoff(one.actor.key, "operator", False),))

    def _scope(self, request: Request, spec: Any) -> str:
        names = self.requests.forms.scope(request, spec)
        return str(parse_scope(",".join(f"subscription:{name}" for name in names)))

    # words ------------------------------------------------------------------------------------------------------
    def _row(self, one: Emergency, request: Request, duties: Duties) -> Json:
        view = self.requests.view(duties)
        offering = view.offerings.get(request.content.offering)
        until = due(one.at, REVIEW_DAYS, view.calendar).at
        waits = one.reviewed_at is None and one.state is not EmergencyState.FAILED
        why: Text | None = one.why
        return {
            "id": one.id,
            "request": request.reference,
            "tenant": request.content.tenant,
            "tenant_name": view.tenants.get(request.content.tenant, request.content.tenant),
            "offering": request.content.offering,
            "title": str(offering.title) if offering else request.content.offering,
            "class_title": str(CLASSES["emergency"].title),
            "state": one.state.value,
            "sentence": str(SENTENCES[one.state]),
            "by": one.actor.name,
            "by_name": view.display(one.actor.name),
            "at": one.at.isoformat(),
            "reason": one.reason,
            "expires_at": one.expires_at.isoformat(),
            "run": one.run,
            "back_run": one.back_run,
            "why": str(why) if why else None,
            "request_state": request.state.value,
            "review_due": until.isoformat(),
            "overdue": waits and until < self.clock(),
            "reviewed_at": one.reviewed_at.isoformat() if one.reviewed_at else None,
            "reviewed_by": one.reviewed_by.name if one.reviewed_by else None,
            "review": one.review,
            "acts": ["review"] if waits and self._reviews(one, duties) else [],
        }
