"""Requests of departments: draft, preview, submit, converse, sign, ask back, refuse, withdraw, try again.

Each act reads the request, judges duties and state, and moves it in one step; of two acts at once one finds that it
was moved. What is approved is made real by `request_tick`.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, get_args

from control_plane.model.attachment import AttachmentState, infected_problems
from control_plane.model.change_class import CLASSES
from control_plane.model.content_check import REMEDY, CheckState, ContentCheck, infected_release, releases_in
from control_plane.model.due import due, used
from control_plane.model.errors import Invalid, NotFound, Problem, Rejected, StalePlan
from control_plane.model.nearest import no_tenant
from control_plane.model.notice import one_line
from control_plane.model.people import ROLES
from control_plane.model.questions import Several
from control_plane.model.request import (
    ACTIONS,
    ACTS,
    DECIDING,
    EDITABLE,
    MOST_LISTED,
    OPEN,
    TITLES,
    Action,
    Content,
    Letter,
    Request,
    RequestAct,
    RequestEvent,
    RequestState,
    Signoff,
    parse_reference,
)
from control_plane.model.run import Actor
from control_plane.model.scope import part_words
from control_plane.model.tenant import Tier
from control_plane.model.text import Text, language, t
from control_plane.model.windows import Calendar
from control_plane.store.repository import Store
from control_plane.store.requests import no_such_request
from control_plane.workflow.access_times import ZONE
from control_plane.workflow.planning import Planner
from control_plane.workflow.request_blocks import RequestBlocks
from control_plane.workflow.request_duties import Duties
from control_plane.workflow.request_forms import RequestForms, storable
from control_plane.workflow.request_journal import RequestJournal
from control_plane.workflow.request_offers import by_hand, offered, previewed
from control_plane.workflow.request_plans import Preview, RequestPlans
from control_plane.workflow.request_tables import Read, part_of, read_file
from control_plane.workflow.request_view import RequestView

Json = dict[str, Any]
MOST_WORDS = 5000
#: How long the number of a letter, and the name of who brought it, may be.
MOST_LETTER = 100
#: Acts for which a request waits for somebody.
TURNS: Sequence[RequestAct] = ("sign", "answer", "retry")


class Requests:
    """Implements `model.client_requests.RequestsClient`. `forms` knows the faults of drafts, whoever looks at them."""

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

    # writing ----------------------------------------------------------------------------------------------------
    def draft(self, tenant: str, offering: str, action: str = "new") -> Json:
        """See `RequestsClient.draft`."""
        duties, actor = self._duties(), self.actor()
        self._in_sight(duties, tenant)
        if not duties.may_ask(tenant):
            raise Rejected(t("Only a clerk or approver of the department asks for something."))
        content = self._begun(tenant, offering, action)
        with self.store.transaction():
            found = self.store.requests.draft_of(content, actor)
            if found is None:
                generation, base = self.forms.current(content)
                number = self.store.requests.create(content, actor, generation, base)
                found = self.journal.step(self.store.requests.get(number), RequestEvent.DRAFTED, actor)
            newer = self.forms.rebased(found)
            if newer is not None:
                found = self.journal.step(found, RequestEvent.SAVED, actor, {"rebased": True}, values=newer)
        return self._shown(found)

    def _begun(self, tenant: str, offering: str, action: str) -> Content:
        found = self.forms.offering(offering)
        if action not in ACTIONS:
            names = ", ".join(ACTIONS)
            raise Rejected(t("“{action}” is nothing to ask for.", action=action), t("Use one of {names}.", names=names))
        kind: Action = action  # type: ignore[assignment]
        tier: Tier = next(iter(found.tiers or {"S": {}}))
        empty = Content(tenant, offering, kind, tier, None if kind == "end" else {})
        _, now = self.forms.current(empty)
        if kind == "new":
            if now is not None:
                raise Rejected(t("{tenant} has this service already.", tenant=tenant), t("Ask for a change of it."))
            return empty
        if now is None:
            raise Rejected(t("{tenant} does not have this service.", tenant=tenant), t("Ask for it as a new one."))
        return replace(empty, tier=now["tier"], spec=now["spec"] if kind == "change" else None)

    def save(
        self,
        request: int | str,
        *,
        spec: Mapping[str, Any] | None = None,
        tier: str | None = None,
        note: str | None = None,
        version: int | None = None,
    ) -> Json:
        """See `RequestsClient.save`."""
        found = self._may("save", request)
        if version not in (None, found.version):
            raise StalePlan(
                t("{request} was saved in another window since you opened it.", request=found.reference),
                t("Open it again; what was saved there is kept."),
            )
        content = found.content
        if content.action != "end" and spec is not None:
            content = replace(content, spec=storable(spec))
            content = replace(content, spec=self.forms.normal(content))
        chosen: Any = tier if tier in get_args(Tier) else content.tier
        values = {"spec": content.spec, "tier": chosen, "note": _line(note) if note is not None else found.note}
        if values == {"spec": found.content.spec, "tier": found.content.tier, "note": found.note}:
            return self._shown(found)
        return self._shown(self.journal.step(found, RequestEvent.SAVED, self.actor(), values=values))

    def check(
        self, tenant: str, offering: str, action: str, spec: Mapping[str, Any] | None, tier: str | None = None
    ) -> builtins.list[Json]:
        """See `RequestsClient.check`."""
        duties = self._duties()
        self._in_sight(duties, tenant)
        content = self._begun(tenant, offering, action)
        chosen: Any = tier if tier is not None else content.tier
        tried = replace(content, spec=None if action == "end" else storable(spec or {}), tier=chosen)
        return [problem.as_json() for problem in self._tried(tried)]

    def _tried(self, content: Content) -> builtins.list[Problem]:
        """What is wrong with content that is not kept."""
        generation, base = self.forms.current(content)
        now = self.planner.clock()
        return self.forms.problems(
            Request(0, content, "", RequestState.DRAFT, 0, self.actor(), now, now, generation, base)
        )

    def check_rows(self, tenant: str, offering: str, part: str | None, content: bytes) -> Json:
        """See `RequestsClient.check_rows`."""
        duties, actor = self._duties(), self.actor()
        self._in_sight(duties, tenant)
        _, now = self.forms.current(Content(tenant, offering, "new", "S", {}))
        begun = self._begun(tenant, offering, "change" if now is not None else "new")
        mine = self.store.requests.draft_of(begun, actor)
        _, several, read = self._rows(mine.content if mine else begun, part, content)
        where = {"request": mine.reference if mine else None, "action": begun.action}
        return {**where, "list": several.name, **read.counts()}

    def take_rows(self, request: int | str, part: str | None, content: bytes, *, version: int | None = None) -> Json:
        """See `RequestsClient.take_rows`."""
        found = self._may("save", request)
        spec, several, read = self._rows(found.content, part, content)
        saved = self.save(found.id, spec=spec, version=found.version if version is None else version)
        where = {"request": saved["reference"], "action": found.content.action}
        return {**where, "list": several.name, **read.counts()}

    def _rows(self, content: Content, part: str | None, file: bytes) -> tuple[Json, Several, Read]:
        if content.action == "end":
            raise Rejected(t("The end of a service has no form to fill."))
        offering, today = self.forms.offering(content.offering), self.planner.clock().astimezone(ZONE).date()
        several = part_of(offering, part)
        before = content.spec or (offering.questions.first if offering.questions else {})

        def judge(spec: Mapping[str, Any]) -> builtins.list[Problem]:
            return self._tried(replace(content, spec=storable(spec)))

        spec, read = read_file(offering, several, before, file, today, judge)
        return spec, several, read

    def validate(self, request: int | str) -> builtins.list[Json]:
        """See `RequestsClient.validate`."""
        return [problem.as_json() for problem in self._problems(self._find(request))]

    def preview(self, request: int | str) -> Json:
        """See `RequestsClient.preview`."""
        found = self._find(request)
        if found.state not in EDITABLE | DECIDING:
            raise Rejected(
                t("{request} is {state}; there is nothing to preview.", request=found.reference,
                  state=TITLES[found.state]),
                t("See gasp requests show {request}.", request=found.reference),
            )  # fmt: skip
        warnings = self._sound(found)
        made = self.plans.preview(found)
        kind, duties = CLASSES[made.classified.change_class], self._duties()
        lead = self._lead(found, made)
        until = due(self.planner.clock(), lead, self.calendar())
        tenant, without = found.content.tenant, frozenset({found.asker.key})
        answer = previewed(made, [*warnings, *by_hand(made)], kind)
        return answer | {
            "needs": [
                {
                    "role": role,
                    "title": str(ROLES[role].title),
                    "names": [p.display for p in duties.holders(role, tenant, without=without)],
                }
                for role in self._needs(made)
            ],
            "due": until.at.isoformat(),
            "due_provisional": until.provisional,
            "lead_days": lead,
        }

    def submit(self, request: int | str, *, digest: str | None = None) -> Json:
        """See `RequestsClient.submit`."""
        if (there := self._handed_in(request, digest)) is not None:
            return self._shown(there)
        try:
            return self._hand_in(self._may("submit", request), RequestEvent.SUBMITTED, digest, "")
        except (StalePlan, Rejected):  # perhaps the same form came twice in one moment, and the other one was faster
            if (there := self._handed_in(request, digest)) is None:
                raise
            return self._shown(there)

    def _handed_in(self, request: int | str, digest: str | None) -> Request | None:
        """The request, when this person has handed in just this already."""
        found = self._find(request)
        again = found.state in OPEN | {RequestState.LIVE} and found.asker.key == self.actor().key
        return found if again and digest in (None, found.digest) else None

    def answer(self, request: int | str, *, text: str, digest: str | None = None) -> Json:
        """See `RequestsClient.answer`."""
        return self._hand_in(self._may("answer", request), RequestEvent.ANSWERED, digest, _needed(text))

    def _hand_in(self, found: Request, event: RequestEvent, digest: str | None, text: str) -> Json:
        self._sound(found)
        made = self.plans.preview(found)
        if digest not in (None, made.digest):
            raise StalePlan(
                t("What would happen is not what the preview showed any more."), t("Look at a new preview first.")
            )
        if made.plan.unmeasured and not made.agreed.rows:
            raise Rejected(
                t("Could not measure {part}: {reason}", part=part_words(made.plan.unmeasured[0].part),
                  reason=made.plan.unmeasured[0].reason),
                t("It is saved; submit it when the system answers again."),
            )  # fmt: skip
        now, kept = self.planner.clock(), self._still_hold(found, made)
        signed = {s.role for s in found.holding} if kept else set()
        needs = self._needs(made)
        state = RequestState.SUBMITTED if not signed else RequestState.REVIEW
        lead = self._lead(found, made)
        values = {
            "change_class": made.classified.change_class,
            "reasons": made.classified.reasons,
            "needs": needs,
            "lead_days": lead,
            "clock_from": now,
            "clock_days": found.clock_days if found.submitted_at is not None else lead,
            "submitted_at": found.submitted_at or now,
            "digest": made.digest,
            "plan_digest": made.plan.digest,
            "agreed": made.agreed.as_json(made.content),
            "why": None,
            "state": state,
            "applied_at": None,
        }
        void = None if kept or not found.holding else t("The content was changed.")
        with self.store.transaction():
            other = self.store.requests.busy_with(found)
            if other is not None:
                raise Rejected(
                    t("{other} for the same service is {state}.", other=other.reference, state=TITLES[other.state]),
                    t("Let it end, or take it back: gasp requests withdraw {other}", other=other.reference),
                )
            self._nothing_stands(found)
            self.store.plans.save(made.plan, self.actor(), self.planner.personal)
            data = {"text": text, "digest": made.digest, "plan": made.plan.digest}
            moved = self.journal.step(found, event, self.actor(), data, void=void, values=values)
            if not set(needs) - signed:
                moved = self.approved(moved)
        return self._shown(moved)

    def _nothing_stands(self, found: Request) -> None:
        """While an emergency of the service stands, nothing else is asked for it: what is there could not be told from
        what goes back. Raises Rejected."""
        for one in self.store.emergencies.moving():
            other = self.store.requests.get(one.request)
            if other.id != found.id and other.content.subscription == found.content.subscription:
                raise Rejected(
                    t("An emergency of {request} stands for the same service.", request=other.reference),
                    t("Wait until it was signed or taken back; your draft is kept."),
                )

    @staticmethod
    def _still_hold(found: Request, made: Preview) -> bool:
        """Whether signoffs that were given are still good: same content, nothing more lost, nobody else to ask."""
        return (
            bool(found.holding)
            and found.agreed.get("content") == made.content
            and set(made.agreed.lost) <= set(found.agreed.get("lost", ()))
            and set(made.classified.needs) <= set(found.needs)
        )

    def _needs(self, made: Preview) -> tuple[str, ...]:
        """Who must sign. One person of the department stands behind every request, whoever typed it in."""
        return made.classified.needs or (("approver",) if self._duties().local else ())

    def _lead(self, found: Request, made: Preview) -> int:
        rules = self.forms.offering(found.content.offering).asking
        return rules.lead[found.content.action] if rules and made.classified.change_class != "standard" else 0

    def approved(self, found: Request) -> Request:
        """Everybody has signed: the worker makes it real."""
        signed = [{"role": s.role, "by": s.actor.name, "digest": s.digest} for s in found.holding]
        values = {"state": RequestState.APPROVED, "why": None}
        return self.journal.step(found, RequestEvent.APPROVED, None, {"signoffs": signed}, values=values)

    def withdraw(self, request: int | str, *, reason: str = "") -> Json:
        """See `RequestsClient.withdraw`."""
        found = self._may("withdraw", request)
        values = {"state": RequestState.WITHDRAWN, "finished_at": self.planner.clock(), "why": None}
        return self._moved(found, RequestEvent.WITHDRAWN, _line(reason), **values)

    def comment(self, request: int | str, *, text: str, block: str | None = None, content: str | None = None) -> Json:
        """See `RequestsClient.comment`."""
        words = _needed(text)
        with self.store.transaction():  # beside others who speak or sign at the same moment
            found = self._may("comment", request)
            about = {"text": words, **self._about(found, block, content)}
            moved = self.journal.step(found, RequestEvent.COMMENTED, self.actor(), about)
            return self._shown(moved)  # no look after it that could fail

    def mark(
        self, request: int | str, *, block: str, content: str | None = None, viewed: bool = True
    ) -> builtins.list[Json]:
        """See `RequestsClient.mark`."""
        duties = self._duties()
        found = self._find(request, duties)
        if not duties.reads(found):
            raise Rejected(t("Only who asks or signs marks parts of a plan as looked at."))
        one = self.parts.one(found, duties.sight, block, content if viewed else None)
        self.store.requests.mark(found, duties.actor, one.id, one.content if viewed else None)
        return self.parts.shown(found, duties.sight, duties.actor.key)

    def _about(self, found: Request, block: str | None, content: str | None) -> Json:
        """What an event says of the part that somebody writes about; nothing of none."""
        if block is None:
            return {}
        return {"block": self.parts.one(found, self._duties().sight, block, content).said()}

    # deciding ---------------------------------------------------------------------------------------------------
    def sign(
        self, request: int | str, *, digest: str, role: str | None = None, note: str = "", reason: str = ""
    ) -> Json:
        """See `RequestsClient.sign`."""
        with self.store.transaction():  # alone among writers: who signs or speaks beside it moves nothing under it
            moved = self._sign(request, digest, role, note, reason)
            return self._shown(moved)  # no look after it that could fail

    def _sign(self, request: int | str, digest: str, role: str | None, note: str, reason: str) -> Request:
        duties, actor = self._duties(), self.actor()
        found = self._find(request, duties)
        self._readable(found)
        if found.asker.key == actor.key:
            raise Rejected(t("Whoever asked for it never signs it."))
        if any(actor.key in s.keys for s in found.holding):
            raise Rejected(t("You have signed it already; one person signs once."))
        self._allowed("sign", found, duties)
        mine = duties.signs_as(found)
        chosen = role if role is not None else mine[0]
        if chosen not in mine:
            roles = ", ".join(mine)
            raise Rejected(
                t("You cannot sign as {role}.", role=role or "–"), t("Roles you can sign as: {roles}", roles=roles)
            )
        if duties.local and not reason.strip():
            text = t("Standing in for a role on the machine itself needs a reason.")
            raise Invalid([Problem("no-reason", text, t("Say why in one sentence."), field="reason")])
        agreed = self._same(found, digest)
        stands_for = _line(reason) if duties.local else None
        other = duties.signs_for(found, chosen)
        signoff = Signoff(chosen, actor, self.planner.clock(), agreed, _line(note), stands_for, substitutes=other)
        data = {"role": chosen, "digest": found.digest, "text": signoff.note, "stands_for": stands_for}
        if other is not None:
            data["for"] = other.key
        return self._signed(found, RequestEvent.SIGNED, data, signoff)

    def letter(
        self, request: int | str, *, digest: str, number: str, date: str, brought_by: str, note: str = ""
    ) -> Json:
        """See `RequestsClient.letter`."""
        with self.store.transaction():
            moved = self._letter(request, digest, _letter(number, date, brought_by, self.planner.clock()), note)
            return self._shown(moved)  # no look after it that could fail

    def _letter(self, request: int | str, digest: str, letter: Letter, note: str) -> Request:
        found, actor = self._may("letter", request), self.actor()
        self._readable(found)
        agreed = self._same(found, digest)
        other = self._duties().signs_for(found, "operator")
        signoff = Signoff(
            "approver", actor, self.planner.clock(), agreed, _line(note), letter=letter, substitutes=other
        )
        shown = {"number": letter.number, "date": letter.date}  # who brought it is in the signoff, not in the trail
        data = {"role": "approver", "digest": found.digest, "text": signoff.note, "letter": shown}
        return self._signed(found, RequestEvent.LETTER, data, signoff)

    @staticmethod
    def _same(found: Request, digest: str) -> str:
        """The digest to sign. Raises StalePlan unless it is what was looked at."""
        if not found.digest or len(digest) < 8 or not found.digest.startswith(digest):
            raise StalePlan(
                t("{request} is not what you looked at any more.", request=found.reference),
                t("Look at it again, then sign."),
            )
        return found.digest

    def _signed(self, found: Request, event: RequestEvent, data: Json, signoff: Signoff) -> Request:
        moved = self.journal.step(
            found, event, self.actor(), data, signoff=signoff, values={"state": RequestState.REVIEW}
        )
        return moved if moved.missing else self.approved(moved)

    def send_back(
        self, request: int | str, *, reason: str, block: str | None = None, content: str | None = None
    ) -> Json:
        """See `RequestsClient.send_back`."""
        found, text = self._may("return", request), _needed(reason)
        about = self._about(found, block, content)
        if found.state is RequestState.FAILED and self.forms.wish(found).change is None:
            raise Rejected(
                t("What it asks for is the desired state already; it can only be tried again."),
                t("Try again, or go back first: gasp runs undo {run}", run=found.run_id or "RUN"),
            )
        return self._spoken(found, RequestEvent.RETURNED, text, about, **self.paused(found), why=Text(text))

    def paused(self, found: Request) -> dict[str, Any]:
        """The values of a request whose clock stops because it waits for the department. Whatever is asked for then
        has still to be made real."""
        gone = used(found.clock_from, self.planner.clock(), self.calendar()) if found.clock_from is not None else 0
        left = max(found.clock_days - gone, 0)
        return {"state": RequestState.RETURNED, "clock_from": None, "clock_days": left, "applied_at": None}

    def refuse(self, request: int | str, *, reason: str) -> Json:
        """See `RequestsClient.refuse`."""
        found, text = self._may("refuse", request), _needed(reason)
        values = {"state": RequestState.REFUSED, "finished_at": self.planner.clock(), "why": Text(text)}
        return self._moved(found, RequestEvent.REFUSED, text, **values)

    def retry(self, request: int | str) -> Json:
        """See `RequestsClient.retry`."""
        found = self._may("retry", request)
        values = {"state": RequestState.APPROVED, "why": None, "applied_at": None}
        return self._moved(found, RequestEvent.RETRIED, "", **values)

    # parts ------------------------------------------------------------------------------------------------------
    def _moved(self, found: Request, event: RequestEvent, text: str, **values: Any) -> Json:
        return self._spoken(found, event, text, {}, **values)

    def _spoken(self, found: Request, event: RequestEvent, text: str, about: Json, **values: Any) -> Json:
        return self._shown(self.journal.step(found, event, self.actor(), {"text": text, **about}, values=values))

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
            acts = ", ".join(duties.acts(found)) or "–"
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


def _line(text: str) -> str:
    return text.strip()[:MOST_WORDS]


def _letter(number: str, day: str, brought_by: str, now: datetime) -> Letter:
    """A letter as it is recorded. Raises Invalid with every problem."""
    problems = []
    words = {"number": one_line(number)[:MOST_LETTER], "brought_by": one_line(brought_by)[:MOST_LETTER]}
    missing = {"number": t("The letter's number is missing."), "brought_by": t("Who brought it is missing.")}
    for field, text in missing.items():
        if not words[field]:
            problems.append(Problem(f"no-{field}", text, t("Write it as it stands on the letter."), field=field))
    try:
        good = date.fromisoformat(day.strip()) <= now.astimezone(ZONE).date()
    except ValueError:
        good = False
    if not good:
        text = t("“{text}” is no date of a letter that is here.", text=day)
        problems.append(Problem("bad-date", text, t("Write its date, such as 2026-11-24."), field="date"))
    if problems:
        raise Invalid(problems)
    return Letter(words["number"], day.strip(), words["brought_by"])


def _needed(text: str) -> str:
    if not text.strip():
        raise Invalid([Problem("no-reason", t("A reason is needed."), t("Say why in one sentence."), field="reason")])
    return _line(text)
