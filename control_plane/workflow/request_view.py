"""A request as JSON: for whom it waits, what happens next, when it is due, and what the reader may do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from control_plane.model.change_class import CLASSES
from control_plane.model.due import Due, due
from control_plane.model.errors import Problem
from control_plane.model.offering import Offering
from control_plane.model.people import ROLES, Person
from control_plane.model.request import (
    ACTIONS,
    DECIDING,
    EVENT_TITLES,
    FINAL,
    MOVING,
    TITLES,
    Request,
    RequestEvent,
    RequestRecord,
    RequestState,
    standing,
    tracker,
)
from control_plane.model.text import Text, t
from control_plane.model.windows import Calendar
from control_plane.workflow.request_blocks import title_of
from control_plane.workflow.request_duties import Duties
from control_plane.workflow.request_plans import sentences

Json = dict[str, Any]
MOST_NAMES = 3


class RequestView:
    """Draws requests for one reader."""

    def __init__(
        self,
        duties: Duties,
        tenants: Mapping[str, str],
        offerings: Mapping[str, Offering],
        calendar: Calendar,
        now: datetime,
    ) -> None:
        self.duties = duties
        self.tenants = tenants
        self.offerings = offerings
        self.calendar = calendar
        self.now = now

    def row(self, request: Request) -> Json:
        """One line of a list."""
        content, until = request.content, self.due(request)
        offering = self.offerings.get(content.offering)
        kind = CLASSES.get(request.change_class or "")
        return {
            "id": request.id,
            "reference": request.reference,
            "tenant": content.tenant,
            "tenant_name": self.tenants.get(content.tenant, content.tenant),
            "offering": content.offering,
            "title": str(offering.title) if offering else content.offering,
            "action": content.action,
            "action_title": str(ACTIONS[content.action]),
            "tier": content.tier,
            "note": request.note,
            "state": request.state.value,
            "state_title": str(TITLES[request.state]),
            "sentence": str(standing(request)),
            "steps": [{"title": str(title), "state": state} for title, state in tracker(request.state)],
            "has_it": self.has_it(request),
            "next": str(self.next(request)),
            "due": _iso(until.at if until else None),
            "due_provisional": bool(until and until.provisional),
            "due_paused": request.state is RequestState.RETURNED,
            "overdue": bool(until and request.state not in FINAL and until.at < self.now),
            "lead_days": request.lead_days,
            "class": request.change_class,
            "class_title": str(kind.title) if kind else None,
            "needs": [self._need(request, role) for role in request.needs],
            "asker": request.asker.name,
            "asker_name": self.display(request.asker.name),
            "created_at": request.created_at.isoformat(),
            "submitted_at": _iso(request.submitted_at),
            "changed_at": request.changed_at.isoformat(),
            "finished_at": _iso(request.finished_at),
            "run": request.run_id,
            "why": str(request.why) if request.why else None,
            "mine": request.asker.key == self.duties.actor.key,
            "acts": self.duties.acts(request),
        }

    def full(
        self,
        request: Request,
        records: Sequence[RequestRecord],
        problems: Sequence[Problem],
        blocks: Collection[tuple[str, str]] = (),
    ) -> Json:
        """Everything about one. `blocks`: id and content of those of its plan, where somebody wrote about one."""
        short = request.agreed
        return {
            **self.row(request),
            "spec": request.content.spec,
            "base": request.base,
            "version": request.version,
            "problems": [problem.as_json() for problem in problems],
            "digest": request.digest,
            "plan_digest": request.plan_digest,
            "words": [str(text) for text in sentences(short.get("words", ()))],
            "summary": short.get("summary", {}),
            "affected": short.get("affected", []),
            "lost": short.get("lost", []),
            "reasons": [str(text) for text in request.reasons],
            "sign_as": list(self.duties.signs_as(request)) if "sign" in self.duties.acts(request) else [],
            "signoffs": [
                {
                    "role": s.role,
                    "title": str(ROLES[s.role].title),
                    "by": s.actor.name,
                    "by_name": self.display(s.actor.name),
                    "at": s.at.isoformat(),
                    "digest": s.digest,
                    "note": s.note,
                    "stands_for": s.stands_for,
                    "for": s.substitutes.name if s.substitutes else None,
                    "for_name": self.display(s.substitutes.name) if s.substitutes else None,
                    "letter": asdict(s.letter) if s.letter else None,
                    "holds": s.void_at is None,
                    "void_at": _iso(s.void_at),
                    "void_reason": str(s.void_reason) if s.void_reason else None,
                }
                for s in request.signoffs
            ],
            "conversation": [
                self._said(r, blocks) for r in records if r.type is not RequestEvent.SAVED or "took_over" in r.data
            ],
        }

    def display(self, name: str) -> str:
        """What people call who acts."""
        return self.duties.displays.get(name, name)

    def _names(self, people: Iterable[Person]) -> str:
        names = [self.display(person.name) for person in people]
        if not names:
            return str(t("nobody holds this role"))
        more = f" (+{len(names) - MOST_NAMES})" if len(names) > MOST_NAMES else ""
        return ", ".join(names[:MOST_NAMES]) + more

    def due(self, request: Request) -> Due | None:
        """When it is due; None while the clock does not run."""
        if request.clock_from is None or request.state is RequestState.RETURNED:
            return None
        return due(request.clock_from, request.clock_days, self.calendar)

    # whose turn it is -------------------------------------------------------------------------------------------
    def holders(self, request: Request) -> tuple[list[str], list[Person], Text]:
        """Roles and people whose turn it is, and the sentence that says so."""
        tenant = request.content.tenant
        if request.state in DECIDING:
            used = self.duties.taken(request)
            by_role = [(role, self.duties.holders(role, tenant, without=used)) for role in request.missing]
            found = [person for _, people in by_role for person in people]
            said = "; ".join(f"{ROLES[role].title}: {self._names(people)}" for role, people in by_role)
            return list(request.missing), found, t("{people}", people=said)
        if request.state is RequestState.FAILED:
            signed = {s.actor.key for s in request.holding if s.role == "operator"}
            people = self.duties.holders("operator", tenant)
            named = [person for person in people if person.key in signed] or people
            return ["operator"], named, t("{people}", people=f"{ROLES['operator'].title}: {self._names(named)}")
        if request.state is RequestState.RETURNED and self.duties.left_behind(request):
            used = self.duties.taken(request)
            by_role = [(role, self.duties.holders(role, tenant, without=used)) for role in ("clerk", "approver")]
            role, found = next((one for one in by_role if one[1]), by_role[0])
            return [role], found, t("{people}", people=f"{ROLES[role].title}: {self._names(found)}")
        if request.state in (RequestState.DRAFT, RequestState.RETURNED):
            return ["clerk"], [], t("{people}", people=self.display(request.asker.name))
        if request.state in MOVING:
            return [], [], t("the centre's worker")
        return [], [], t("nobody")

    def has_it(self, request: Request) -> Json:
        """Whose turn it is: {names, roles, text}."""
        roles, people, text = self.holders(request)
        names = [person.name for person in people]
        if request.state in (RequestState.DRAFT, RequestState.RETURNED) and not self.duties.left_behind(request):
            names = [request.asker.name]
        return {"names": names, "roles": roles, "text": str(text)}

    def next(self, request: Request) -> Text:
        """What happens next."""
        match request.state:
            case RequestState.DRAFT:
                return t("Fill it in, look at the preview, submit it.")
            case RequestState.SUBMITTED | RequestState.REVIEW:
                roles = ", ".join(str(ROLES[role].title) for role in request.missing)
                if self.duties.locked(request):
                    return t("It is real already, and goes back unless these sign in time: {roles}.", roles=roles)
                return t("It is made real once these have signed: {roles}.", roles=roles)
            case RequestState.RETURNED:
                return t("Answer the question; then it goes on where it was.")
            case RequestState.APPROVED if request.why is not None:
                return t("It waits: {why} It is tried again by itself.", why=request.why)
            case RequestState.APPROVED:
                return t("Nothing is left to do for you; it is live within seconds.")
            case RequestState.APPLYING:
                return t("Systems are changed and every promise is measured; then it is reported.")
            case RequestState.FAILED:
                return t("Somebody of the centre clears what is in the way and lets it try again.")
            case _:
                return t("Nothing more happens.")

    def _need(self, request: Request, role: str) -> Json:
        signed = next((s for s in request.holding if s.role == role), None)
        return {
            "role": role,
            "title": str(ROLES[role].title),
            "by": signed.actor.name if signed else None,
            "by_name": self.display(signed.actor.name) if signed else None,
            "at": signed.at.isoformat() if signed else None,
            "note": signed.note if signed else None,
            "for_name": self.display(signed.substitutes.name) if signed and signed.substitutes else None,
            "letter": str(signed.letter.text) if signed and signed.letter else None,
        }

    def _said(self, record: RequestRecord, blocks: Collection[tuple[str, str]]) -> Json:
        about = record.data.get("block")
        name = record.actor.name if record.actor else None
        return {
            "number": record.number,
            "at": record.at.isoformat(),
            "type": record.type.value,
            "title": str(EVENT_TITLES[record.type]),
            "by": name,
            "by_name": self.display(name) if name else None,
            "text": self._text(record.data),
            "system": record.actor is None,
            "about": {
                "block": about["id"],
                "title": str(title_of(about)),
                "now": (about["id"], about["content"]) in blocks,
            }
            if about
            else None,
        }

    def _text(self, data: Mapping[str, Any]) -> str:
        """What was said, and from whom it was taken over."""
        if "took_over" not in data:
            return _text(data)
        before = self.duties.by_key.get(data["took_over"])
        who = self.display(before.name) if before is not None else "–"
        return f"{t('It was taken over from {who}.', who=who)} {_text(data)}".strip()


def _text(data: Mapping[str, Any]) -> str:
    """Somebody's own words, or what the control plane said."""
    if "why" in data:
        return str(Text.from_json(data["why"]))
    if "letter" in data:
        said = str(t("Letter {number} of {date}.", **data["letter"]))
        return f"{said} {data['text']}".strip()
    return str(data.get("text", ""))


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
