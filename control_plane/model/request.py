"""Requests: what a department asks for, the states of its way to a live service, and what may be done in each.

Pure data and rules. A request's content is typed by the offering's own form; who may do what is decided in `workflow`
with the tables here. Must not be compared by sentence: compare states and events.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from control_plane.model.run import Actor
from control_plane.model.tenant import Tier
from control_plane.model.text import Text, t

Action = Literal["new", "change", "end"]
ACTIONS: Mapping[Action, Text] = {"new": t("new service"), "change": t("change"), "end": t("end of service")}


class RequestState(StrEnum):
    """Where a request is. Each state has one sentence (see `SENTENCES`)."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    REVIEW = "review"
    RETURNED = "returned"
    APPROVED = "approved"
    APPLYING = "applying"
    LIVE = "live"
    FAILED = "failed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


#: Nothing more happens.
FINAL = frozenset({RequestState.LIVE, RequestState.REFUSED, RequestState.WITHDRAWN})
#: Somebody decides.
DECIDING = frozenset({RequestState.SUBMITTED, RequestState.REVIEW})
#: Submitted and not over: there is one such request a service at a time.
OPEN = frozenset(RequestState) - FINAL - {RequestState.DRAFT}
#: The worker has something to do.
MOVING = frozenset({RequestState.APPROVED, RequestState.APPLYING})
#: The content may be changed.
EDITABLE = frozenset({RequestState.DRAFT, RequestState.RETURNED})

#: So many are listed at once, when those that are over are among them.
MOST_LISTED = 1000

TITLES: Mapping[RequestState, Text] = {
    RequestState.DRAFT: t("draft"),
    RequestState.SUBMITTED: t("submitted"),
    RequestState.REVIEW: t("under review"),
    RequestState.RETURNED: t("needs your answer"),
    RequestState.APPROVED: t("approved"),
    RequestState.APPLYING: t("being set up"),
    RequestState.LIVE: t("set up"),
    RequestState.FAILED: t("failed"),
    RequestState.REFUSED: t("not approved"),
    RequestState.WITHDRAWN: t("withdrawn"),
}
SENTENCES: Mapping[RequestState, Text] = {
    RequestState.DRAFT: t("It is saved and not submitted; nobody else acts on it."),
    RequestState.SUBMITTED: t("It was submitted and waits for the first signoff."),
    RequestState.REVIEW: t("Some have signed; it waits for the others."),
    RequestState.RETURNED: t("It came back with a question; the due date waits until it is answered."),
    RequestState.APPROVED: t("Everybody has signed; it is made real within seconds."),
    RequestState.APPLYING: t("It is being made real and measured."),
    RequestState.LIVE: t("It is real, and every promise was measured as kept."),
    RequestState.FAILED: t("It was approved and could not be made real; a person has to act."),
    RequestState.REFUSED: t("It was not approved; nothing was changed."),
    RequestState.WITHDRAWN: t("It was taken back; nothing was changed."),
}
AGREED = t("It is agreed on beforehand and needs no signature; it is made real within seconds.")


class RequestEvent(StrEnum):
    """Everything that can happen to a request. Fault tests kill after each; mail and audit read these."""

    DRAFTED = "request.drafted"
    SAVED = "request.saved"
    SUBMITTED = "request.submitted"
    COMMENTED = "request.commented"
    SIGNED = "request.signed"
    LETTER = "request.letter"
    RETURNED = "request.returned"
    ANSWERED = "request.answered"
    REFUSED = "request.refused"
    WITHDRAWN = "request.withdrawn"
    APPROVED = "request.approved"
    REPLANNED = "request.replanned"
    VOIDED = "request.voided"
    EMERGENCY = "request.emergency"
    GOES_BACK = "request.goes_back"
    WENT_BACK = "request.went_back"
    REVIEWED = "request.reviewed"
    RECLASSIFIED = "request.reclassified"
    WAITING = "request.waiting"
    STARTED = "request.started"
    APPLIED = "request.applied"
    LIVE = "request.live"
    FAILED = "request.failed"
    RETRIED = "request.retried"


#: Events that are somebody's words, for the conversation.
SPOKEN = frozenset(
    {
        RequestEvent.COMMENTED,
        RequestEvent.SIGNED,
        RequestEvent.LETTER,
        RequestEvent.RETURNED,
        RequestEvent.ANSWERED,
        RequestEvent.REFUSED,
        RequestEvent.WITHDRAWN,
    }
)
EVENT_TITLES: Mapping[RequestEvent, Text] = {
    RequestEvent.DRAFTED: t("began a draft"),
    RequestEvent.SAVED: t("saved the draft"),
    RequestEvent.SUBMITTED: t("submitted it"),
    RequestEvent.COMMENTED: t("wrote"),
    RequestEvent.SIGNED: t("signed"),
    RequestEvent.LETTER: t("recorded the department's stamped letter"),
    RequestEvent.RETURNED: t("asked back"),
    RequestEvent.ANSWERED: t("answered"),
    RequestEvent.REFUSED: t("did not approve it"),
    RequestEvent.WITHDRAWN: t("took it back"),
    RequestEvent.APPROVED: t("it is approved"),
    RequestEvent.REPLANNED: t("the world moved; it was planned again"),
    RequestEvent.VOIDED: t("signoffs no longer hold"),
    RequestEvent.EMERGENCY: t("made it real as an emergency, ahead of its signatures"),
    RequestEvent.GOES_BACK: t("the emergency is being taken back"),
    RequestEvent.WENT_BACK: t("the emergency has ended"),
    RequestEvent.REVIEWED: t("reviewed the emergency"),
    RequestEvent.RECLASSIFIED: t("other people sign it now"),
    RequestEvent.WAITING: t("it waits"),
    RequestEvent.STARTED: t("it is being made real"),
    RequestEvent.APPLIED: t("the systems were changed"),
    RequestEvent.LIVE: t("it is set up"),
    RequestEvent.FAILED: t("it failed"),
    RequestEvent.RETRIED: t("asked to try again"),
}

RequestAct = Literal[
    "save", "submit", "withdraw", "answer", "comment", "sign", "letter", "return", "refuse", "retry"
]  # fmt: skip
#: What may be done in which state, whoever does it; `workflow/request_duties.py` adds who.
ACTS: Mapping[RequestAct, frozenset[RequestState]] = {
    "save": EDITABLE,
    "submit": frozenset({RequestState.DRAFT}),
    "answer": frozenset({RequestState.RETURNED}),
    "withdraw": EDITABLE | DECIDING,
    "comment": OPEN,
    "sign": DECIDING,
    "letter": DECIDING,
    "return": DECIDING | {RequestState.FAILED},
    "refuse": DECIDING | {RequestState.RETURNED},
    "retry": frozenset({RequestState.FAILED}),
}
#: What each is called in a sentence.
ACT_TITLES: Mapping[RequestAct, Text] = {
    "save": t("change it"),
    "submit": t("hand it in"),
    "withdraw": t("take it back"),
    "answer": t("answer"),
    "comment": t("write"),
    "sign": t("sign it"),
    "letter": t("record a letter"),
    "return": t("ask back"),
    "refuse": t("not approve it"),
    "retry": t("try again"),
}

#: The tracker of four steps.
STEPS: Sequence[Text] = (t("submitted"), t("reviewed"), t("approved"), t("set up"))
_REACHED: Mapping[RequestState, int] = {
    RequestState.DRAFT: 0,
    RequestState.SUBMITTED: 1,
    RequestState.REVIEW: 1,
    RequestState.RETURNED: 1,
    RequestState.REFUSED: 1,
    RequestState.WITHDRAWN: 1,
    RequestState.APPROVED: 3,
    RequestState.APPLYING: 3,
    RequestState.FAILED: 3,
    RequestState.LIVE: 4,
}
StepState = Literal["done", "now", "next", "stopped"]


def tracker(state: RequestState) -> list[tuple[Text, StepState]]:
    """The four steps, each done, going on now, still to come, or stopped where the request ended or failed."""
    reached = _REACHED[state]
    here: StepState = "stopped" if state in (FINAL | {RequestState.FAILED}) - {RequestState.LIVE} else "now"
    return [
        (title, "done" if number < reached else here if number == reached else "next")
        for number, title in enumerate(STEPS)
    ]


_REFERENCE = re.compile(r"(?:R-\d{4}-)?0*(\d{1,9})\Z", re.IGNORECASE)


def reference(request_id: int, created_at: datetime) -> str:
    """How people call it: `R-2026-0147`."""
    return f"R-{created_at.year}-{request_id:04d}"


def parse_reference(text: str) -> int | None:
    """The number in `R-2026-0147` or `147`; None for anything else."""
    found = _REFERENCE.match(text.strip())
    return int(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class Content:
    """What is asked for. `spec` is the offering's form as it will be desired (`end`: None)."""

    tenant: str
    offering: str
    action: Action
    tier: Tier
    spec: Mapping[str, Any] | None

    @property
    def subscription(self) -> str:
        """`fgw/public_site`."""
        return f"{self.tenant}/{self.offering}"


@dataclass(frozen=True, slots=True)
class Letter:
    """A department's stamped letter that stands for its approver: its number, its date (ISO) and who brought it."""

    number: str
    date: str
    brought_by: str

    @property
    def text(self) -> Text:
        """For people."""
        return t(
            "Stamped letter {number} of {date}, brought by {who}.",
            number=self.number, date=self.date, who=self.brought_by,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Signoff:
    """One signature, bound to what it was given for: `digest` of content and plan (see `Request.digest`). It is void
    once the content changes, or the plan does so that more is lost or others must sign.

    `stands_for`: why a local operator signed in place of somebody with the role; None otherwise. `substitutes`: for
    whom a substitute signed. `letter`: what stands for the department's approver; the actor then only recorded it.
    """

    role: str
    actor: Actor
    at: datetime
    digest: str
    note: str
    stands_for: str | None = None
    void_at: datetime | None = None
    void_reason: Text | None = None
    substitutes: Actor | None = None
    letter: Letter | None = None

    @property
    def keys(self) -> frozenset[str]:
        """Everybody whose signature it is: who signed, and for whom. One person signs once, themselves or through a
        substitute."""
        return frozenset({self.actor.key} | ({self.substitutes.key} if self.substitutes else set()))


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it is stored.

    `version` grows with every step (two decisions at once: one wins). `base_generation` and `base`: generation and
    `{tier, spec}` of the service when the content was begun (0 and None: there was none). `digest`: what signoffs are
    bound to; None before the first submission. `agreed`: the plan in short, as it was last shown to who signs.
    `needs`: roles that must sign. `clock_from`: since when the `clock_days` working days that are left run; None while
    the clock does not run. `tried_at`: when what waits was tried again. `tenant_ended`: the tenant is gone, and its
    code may be somebody else's. `files`: hashes of the files that go with it, sorted.
    """

    id: int
    content: Content
    note: str
    state: RequestState
    version: int
    asker: Actor
    created_at: datetime
    changed_at: datetime
    base_generation: int
    base: Mapping[str, Any] | None = None
    submitted_at: datetime | None = None
    finished_at: datetime | None = None
    change_class: str | None = None
    reasons: tuple[Text, ...] = ()
    needs: tuple[str, ...] = ()
    lead_days: int = 0
    clock_from: datetime | None = None
    clock_days: int = 0
    digest: str | None = None
    plan_digest: str | None = None
    agreed: Mapping[str, Any] = field(default_factory=dict)
    why: Text | None = None
    run_id: int | None = None
    applied_at: datetime | None = None
    tried_at: datetime | None = None
    signoffs: tuple[Signoff, ...] = ()
    tenant_ended: bool = False
    files: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """`R-2026-0147`."""
        return reference(self.id, self.created_at)

    @property
    def holding(self) -> tuple[Signoff, ...]:
        """Signoffs that count."""
        return tuple(s for s in self.signoffs if s.void_at is None)

    @property
    def missing(self) -> tuple[str, ...]:
        """Roles that have still to sign."""
        signed = {s.role for s in self.holding}
        return tuple(role for role in self.needs if role not in signed)


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One event of a request. `seq` counts over all requests, for readers that follow; `number` within this one."""

    seq: int
    request: int
    number: int
    at: datetime
    type: RequestEvent
    actor: Actor | None
    data: Mapping[str, Any]


def standing(request: Request) -> Text:
    """How a request stands, in a sentence."""
    agreed = request.state is RequestState.APPROVED and not request.needs
    return AGREED if agreed else SENTENCES[request.state]
