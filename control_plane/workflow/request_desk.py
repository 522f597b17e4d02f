"""Requests as whoever acts may see them, and what every act with one begins and ends with."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Sequence
from typing import Any

from control_plane.model.attachment import AttachmentState, infected_problems
from control_plane.model.content_check import REMEDY, CheckState, ContentCheck, infected_release, releases_in
from control_plane.model.errors import Invalid, NotFound, Problem, Rejected
from control_plane.model.nearest import no_tenant
from control_plane.model.request import (
    ACT_TITLES,
    ACTS,
    MOST_LISTED,
    OPEN,
    TITLES,
    Request,
    RequestAct,
    RequestEvent,
    RequestState,
    parse_reference,
)
from control_plane.model.run import Actor
from control_plane.model.text import Text, language, t
from control_plane.model.windows import Calendar
from control_plane.store.repository import Store
from control_plane.store.requests import no_such_request
from control_plane.workflow.planning import Planner
from control_plane.workflow.request_blocks import RequestBlocks
from control_plane.workflow.request_duties import Duties
from control_plane.workflow.request_forms import RequestForms
from control_plane.workflow.request_journal import RequestJournal
from control_plane.workflow.request_offers import offered
from control_plane.workflow.request_plans import RequestPlans
from control_plane.workflow.request_view import RequestView

Json = dict[str, Any]
#: Acts for which a request waits for somebody.
TURNS: Sequence[RequestAct] = ("sign", "answer", "retry")


class Desk:
    """`forms` knows the faults of drafts, whoever looks at them."""

    def __init__(
        self, store: Store, planner: Planner, calendar: Callable[[], Calendar], actor: Callable[[], Actor],
        fault: str | None = None, forms: RequestForms | None = None,
    ) -> None:  # fmt: skip
        self.store = store
        self.planner = planner
        self.forms = forms or RequestForms(store, planner.catalogue)
        self.plans = RequestPlans(self.forms, planner)
        self.journal = RequestJournal(store, fault)
        self.parts = RequestBlocks(store)
        self.calendar = calendar
        self.actor = actor

    # looking ----------------------------------------------------------------------------------------------------
    def catalogue(self, tenant: str) -> builtins.list[Json]:
        """See `RequestsClient.catalogue`."""
        duties = self._duties()
        self._in_sight(duties, tenant)
        return offered(self.store, self.planner.catalogue.offerings, tenant)

    def list(
        self, *, tenant: str | None = None, states: builtins.list[str] | None = None, waiting_for_me: bool = False,
        before: int | str | None = None,
    ) -> builtins.list[Json]:  # fmt: skip
        """See `RequestsClient.list`."""
        duties = self._duties()
        if tenant is not None:
            self._in_sight(duties, tenant)
        sight = frozenset({tenant}) if tenant is not None else duties.sight
        wanted = [_state(name) for name in states] if states is not None else None
        if waiting_for_me:  # however many came after it: what waits is in one of these states, one for a service
            waits = frozenset[RequestState]().union(*(ACTS[act] for act in TURNS))
            wanted = [state for state in (wanted if wanted is not None else RequestState) if state in waits]
        below = before if before is None or isinstance(before, int) else parse_reference(before)
        if before is not None and below is None:
            raise no_such_request(str(before))
        # one is open for a service at a time, so all of those are listed; of all that ever were, page by page
        most = None if wanted is not None and set(wanted) <= OPEN else MOST_LISTED
        found: builtins.list[Request] = []
        while most is None or len(found) < most:
            rows = self.store.requests.list(tenants_=sight, states=wanted, below=below, limit=most)
            found += [r for r in rows if duties.sees(r)]
            if most is None or len(rows) < most:
                break
            below = rows[-1].id
        found = found[:most]
        if waiting_for_me:
            found = [r for r in found if set(TURNS) & set(duties.acts(r))]
        view = self.view(duties, {request.content.tenant for request in found})
        return [view.row(request) for request in found]

    def show(self, request: int | str) -> Json:
        """See `RequestsClient.show`."""
        duties = self._duties()
        return self._shown(self._find(request, duties), duties)

    def events(self, request: int | str, after: int = 0) -> builtins.list[Json]:
        """See `RequestsClient.events`."""
        return [
            {
                "seq": r.seq,
                "request": r.request,
                "number": r.number,
                "at": r.at.isoformat(),
                "type": r.type.value,
                "actor": r.actor.name if r.actor else None,
                "data": dict(r.data),
            }
            for r in self.store.requests.events(self._find(request).id, after)
        ]

    def blocks(self, request: int | str) -> builtins.list[Json]:
        """See `RequestsClient.blocks`."""
        duties = self._duties()
        return self.parts.shown(self._find(request, duties), duties.sight, duties.actor.key)

    # parts ------------------------------------------------------------------------------------------------------
    def _moved(self, found: Request, event: RequestEvent, text: str, **values: Any) -> Json:
        return self._spoken(found, event, text, {}, **values)

    def _spoken(self, found: Request, event: RequestEvent, text: str, about: Json, **values: Any) -> Json:
        return self._shown(self.journal.step(found, event, self.actor(), {"text": text, **about}, values=values))

    def asked(
        self, found: Request, event: RequestEvent, data: Json, values: Json, *, void: Text | None = None
    ) -> Request:
        """A step of whoever asks: somebody who may take it over asks for it from this step on."""
        actor = self.actor()
        if found.asker.key != actor.key:
            data, values = {**data, "took_over": found.asker.key}, {**values, "asker_key": actor.key}
        return self.journal.step(found, event, actor, data, void=void, values=values)

    def _sound(self, found: Request) -> builtins.list[Problem]:
        """Warnings. Raises Invalid with every problem."""
        problems = self._problems(found)
        if any(problem.severity == "error" for problem in problems):
            raise Invalid(problems)
        return problems

    def _find(self, request: int | str, duties: Duties | None = None) -> Request:
        number = request if isinstance(request, int) else parse_reference(request)
        if number is None:
            raise no_such_request(str(request))
        try:
            found = self.store.requests.get(number)
        except NotFound:
            raise no_such_request(str(request)) from None
        if not (duties or self._duties()).sees(found):
            raise no_such_request(str(request))
        return found

    def _may(self, act: RequestAct, request: int | str) -> Request:
        duties = self._duties()
        found = self._find(request, duties)
        self._allowed(act, found, duties)
        return found

    def _allowed(self, act: RequestAct, found: Request, duties: Duties) -> None:
        if act not in duties.acts(found):
            if act in ("save", "answer", "return") and duties.locked(found):
                raise Rejected(
                    t(
                        "{request} was made real as an emergency, so it stays as it is meanwhile.",
                        request=found.reference,
                    ),
                    t("It is signed, refused or withdrawn; when it was taken back it can be changed again."),
                )
            acts = ", ".join(str(ACT_TITLES[one]) for one in duties.acts(found)) or "–"
            raise Rejected(
                t("{request} is {state}; you cannot do this now.", request=found.reference, state=TITLES[found.state]),
                t("What you can do with it now: {acts}", acts=acts),
            )

    # files that go with requests (`workflow/attachments.py`) -----------------------------------------------------
    def find(self, request: int | str) -> Request:
        """A request in sight. Raises the NotFound of one that is not there."""
        return self._find(request)

    def may(self, act: RequestAct, request: int | str) -> Request:
        """A request in sight with which who acts may do this now. Raises Rejected."""
        return self._may(act, request)

    def acts(self, found: Request) -> Sequence[str]:
        """What who acts may do with it now."""
        return self._duties().acts(found)

    def _problems(self, found: Request, *, told: bool = False) -> builtins.list[Problem]:
        """Of its form, and of its files; `told`: for a page that shows it, never to judge by."""
        of_form = self.forms.told(found) if told else self.forms.problems(found)
        return [*of_form, *infected_problems(self.store.attachments.of(found.id)), *self._infected(found)]

    def new_contents(self, found: Request) -> Collection[ContentCheck]:
        """What the antivirus engine has said of releases that it would show and that are not shown now."""
        new = releases_in(found.content.spec) - releases_in((found.base or {}).get("spec"))
        return self.store.content_checks.of(new).values()

    def _infected(self, found: Request) -> builtins.list[Problem]:
        return [
            Problem("release-infected", infected_release(check.name, check), REMEDY, field="sites")
            for check in self.new_contents(found)
            if check.state is CheckState.INFECTED
        ]

    def _readable(self, found: Request) -> None:
        """Nobody signs what cannot be opened. Raises Rejected."""
        shut = [one.name for one in self.store.attachments.of(found.id) if one.state is not AttachmentState.CLEAN]
        if shut:
            raise Rejected(
                t("Files of this request cannot be opened: {names}.", names=", ".join(shut)),
                t("Wait until they are checked, or send the request back."),
            )

    def _in_sight(self, duties: Duties, tenant: str) -> None:
        known = self.store.estate.tenant(tenant)
        if known is None or not (duties.sight is None or tenant in duties.sight):
            living = [row.code for row in self.store.estate.tenants()]
            raise no_tenant(tenant, living if duties.sight is None else duties.sight)

    def _duties(self) -> Duties:
        return Duties(self.store, self.actor())

    def view(self, duties: Duties | None = None, tenants_: Collection[str] = ()) -> RequestView:
        """How requests look to who acts; these tenants are called by their names."""
        rows = self.store.estate.tenants(codes=tenants_) if tenants_ else ()
        english = language() == "en"
        tenants = {row.code: (row.names.en if english else "") or row.names.zh for row in rows}
        return RequestView(
            duties or self._duties(), tenants, self.planner.catalogue.offerings, self.calendar(), self.planner.clock()
        )

    def _shown(self, found: Request, duties: Duties | None = None) -> Json:
        problems = (
            self._problems(found, told=True) if found.state in (RequestState.DRAFT, RequestState.RETURNED) else []
        )
        records = self.store.requests.events(found.id)
        spoken = any("block" in record.data for record in records)
        now = {(one.id, one.content) for one in self.parts.of(found, None)} if spoken else set()
        return self.view(duties, {found.content.tenant}).full(found, records, problems, now)


def _state(name: str) -> RequestState:
    try:
        return RequestState(name)
    except ValueError:
        names = ", ".join(state.value for state in RequestState)
        raise Rejected(
            t("“{name}” is no state of a request.", name=name), t("Use one of {names}.", names=names)
        ) from None
