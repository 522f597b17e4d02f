"""What who asks does with a request: draft, preview, submit, answer, withdraw; and what both sides say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from control_plane.model.change_class import CLASSES
from control_plane.model.due import due
from control_plane.model.errors import Invalid, Problem, Rejected, StalePlan
from control_plane.model.people import ROLES
from control_plane.model.questions import Several
from control_plane.model.request import (
    ACTIONS,
    DECIDING,
    EDITABLE,
    OPEN,
    TITLES,
    Action,
    Content,
    Request,
    RequestEvent,
    RequestState,
)
from control_plane.model.scope import part_words
from control_plane.model.tenant import Tier
from control_plane.model.text import t
from control_plane.model.windows import ZONE
from control_plane.workflow.request_desk import Desk
from control_plane.workflow.request_forms import storable
from control_plane.workflow.request_offers import by_hand, previewed
from control_plane.workflow.request_plans import Preview
from control_plane.workflow.request_tables import Read, part_of, read_file

Json = dict[str, Any]
MOST_WORDS = 5000


class Writing(Desk):
    """The asking half of `model.client_requests.RequestsClient`."""

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
        computed: bool = False,
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
        values = {"spec": content.spec, "tier": chosen, "note": words(note) if note is not None else found.note}
        if values == {"spec": found.content.spec, "tier": found.content.tier, "note": found.note}:
            return self._shown(found)
        data = {"computed": True} if computed else {}
        return self._shown(self.asked(found, RequestEvent.SAVED, data, values))

    def check(
        self, tenant: str, offering: str, action: str, spec: Mapping[str, Any] | None, tier: str | None = None
    ) -> list[Json]:
        """See `RequestsClient.check`."""
        duties = self._duties()
        self._in_sight(duties, tenant)
        content = self._begun(tenant, offering, action)
        chosen: Any = tier if tier is not None else content.tier
        tried = replace(content, spec=None if action == "end" else storable(spec or {}), tier=chosen)
        return [problem.as_json() for problem in self._tried(tried)]

    def _tried(self, content: Content) -> list[Problem]:
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

        def judge(spec: Mapping[str, Any]) -> list[Problem]:
            return self._tried(replace(content, spec=storable(spec)))

        spec, read = read_file(offering, several, before, file, today, judge)
        return spec, several, read

    def validate(self, request: int | str) -> list[Json]:
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
        if found.state in DECIDING and found.clock_from is not None:
            until = due(found.clock_from, found.clock_days, self.calendar())
        else:
            until = due(self.planner.clock(), _days_left(found, lead), self.calendar())
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
        return self._hand_in(self._may("answer", request), RequestEvent.ANSWERED, digest, needed(text))

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
            "clock_days": _days_left(found, lead),
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
            moved = self.asked(found, event, data, values, void=void)
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
        return self._shown(self.asked(found, RequestEvent.WITHDRAWN, {"text": words(reason)}, values))

    def comment(self, request: int | str, *, text: str, block: str | None = None, content: str | None = None) -> Json:
        """See `RequestsClient.comment`."""
        said = needed(text)
        with self.store.transaction():  # beside others who speak or sign at the same moment
            found = self._may("comment", request)
            about = {"text": said, **self._about(found, block, content)}
            moved = self.journal.step(found, RequestEvent.COMMENTED, self.actor(), about)
            return self._shown(moved)  # no look after it that could fail

    def mark(self, request: int | str, *, block: str, content: str | None = None, viewed: bool = True) -> list[Json]:
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


def _days_left(found: Request, lead: int) -> int:
    """Working days of the clock that begins when it is handed in now: all of `lead`, or what an answer has left of it.
    Another content may need another lead; what is used up of the former one stays used."""
    return lead if found.submitted_at is None else max(found.clock_days + lead - found.lead_days, 0)


def words(text: str) -> str:
    """What somebody wrote, as it is kept."""
    return text.strip()[:MOST_WORDS]


def needed(text: str) -> str:
    """The same of something that must be said. Raises Invalid."""
    if not text.strip():
        raise Invalid([Problem("no-reason", t("A reason is needed."), t("Say why in one sentence."), field="reason")])
    return words(text)
