"""Requests of departments: draft, preview, submit, converse, sign, ask back, refuse, withdraw, try again.

Each act reads the request, judges duties and state, and moves it in one step; of two acts at once one finds that it
was moved. What is approved is made real by `request_tick`.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from control_plane.model.due import used
from control_plane.model.errors import Invalid, Problem, Rejected, StalePlan
from control_plane.model.notice import one_line
from control_plane.model.request import (
    Letter,
    Request,
    RequestEvent,
    RequestState,
    Signoff,
)
from control_plane.model.text import Text, t
from control_plane.model.windows import ZONE
from control_plane.workflow.request_writing import Writing, needed, words

Json = dict[str, Any]
#: How long the number of a letter, and the name of who brought it, may be.
MOST_LETTER = 100


class Requests(Writing):
    """Implements `model.client_requests.RequestsClient`: looking (`Desk`), asking (`Writing`), and deciding."""

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
        stands_for = words(reason) if duties.local else None
        other = duties.signs_for(found, chosen)
        signoff = Signoff(chosen, actor, self.planner.clock(), agreed, words(note), stands_for, substitutes=other)
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
            "approver", actor, self.planner.clock(), agreed, words(note), letter=letter, substitutes=other
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
        found, text = self._may("return", request), needed(reason)
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
        found, text = self._may("refuse", request), needed(reason)
        values = {"state": RequestState.REFUSED, "finished_at": self.planner.clock(), "why": Text(text)}
        return self._moved(found, RequestEvent.REFUSED, text, **values)

    def retry(self, request: int | str) -> Json:
        """See `RequestsClient.retry`."""
        found = self._may("retry", request)
        values = {"state": RequestState.APPROVED, "why": None, "applied_at": None}
        return self._moved(found, RequestEvent.RETRIED, "", **values)


def _letter(number: str, day: str, brought_by: str, now: datetime) -> Letter:
    """A letter as it is recorded. Raises Invalid with every problem."""
    problems = []
    given = {"number": one_line(number)[:MOST_LETTER], "brought_by": one_line(brought_by)[:MOST_LETTER]}
    missing = {"number": t("The letter's number is missing."), "brought_by": t("Who brought it is missing.")}
    for field, text in missing.items():
        if not given[field]:
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
    return Letter(given["number"], day.strip(), given["brought_by"])
