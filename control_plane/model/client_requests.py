"""What the command line and the pages may ask of requests. Every answer is JSON-able.

Who acts is the client's actor (`client.acting_as(NAME).requests`); duties are enforced behind this door, so a page
offers what `acts` of an answer names and need not know any rule.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any, Protocol

Json = dict[str, Any]


class RequestsClient(Protocol):
    """`gasp requests`. `request` is a number or a reference (`R-2026-0147`).

    Of a tenant out of sight everything raises the very NotFound of one that is not there.
    """

    # looking ------------------------------------------------------------------------------------------
    def catalogue(self, tenant: str) -> builtins.list[Json]:
        """What this tenant may ask for: [{offering, title, subscribed, tier, tiers: {S: {name: limit}}, actions: [new |
        change | end], lead: {action: working days}, open: reference | None, example}]."""
        ...

    def list(
        self, *, tenant: str | None = None, states: builtins.list[str] | None = None, waiting_for_me: bool = False,
        before: int | str | None = None,
    ) -> builtins.list[Json]:  # fmt: skip
        """Newest first, of tenants in sight; drafts only of the person who acts. Of open states all; otherwise
        `MOST_LISTED`: so many mean that there may be older ones, `before` the last of them. Each:
        {id, reference, tenant, tenant_name, offering, title, action, action_title, tier, note, state, state_title,
        sentence, steps: [{title, state: done|now|next|stopped}], has_it: {names: [...], roles: [...], text}, next,
        due, due_provisional, due_paused, overdue, lead_days, class, class_title, needs: [{role, title, by, by_name,
        at, note, for_name, letter}], asker, asker_name, created_at, submitted_at, changed_at,
        finished_at, run, why, mine, acts: [...]}.
        `has_it.text`, `next` and `sentence` are for people; `acts` is what the person who acts may do now."""
        ...

    def show(self, request: int | str) -> Json:
        """As in `list`, with {spec, base: {tier, spec} | None, version, problems: [...], digest, plan_digest, words:
        [sentence], summary: {create, update, delete}, affected: [tenant], lost: [label], reasons: [sentence],
        signoffs: [{role, title, by, by_name, at, digest, note, stands_for, for, for_name, letter:
        {number, date, brought_by} | None, holds, void_at, void_reason}],
        conversation: [{number, at, type, title, by, by_name, text, system: bool, about: {block, title, now: bool} |
        None}]}; `about`: the part of the plan that somebody wrote about, and whether it still says the same."""
        ...

    def events(self, request: int | str, after: int = 0) -> builtins.list[Json]:
        """Numbered events with number > `after`: [{seq, request, number, at, type, actor, data}]."""
        ...

    def blocks(self, request: int | str) -> builtins.list[Json]:
        """The parts of its plan for reading, what is deleted first, of tenants in sight: [{block, title, tenant, part,
        kind, content, counts: {delete, conflict, update, create}, changes: [place in the plan], viewed, viewed_at,
        changed_since}]. `viewed`: the person who acts marked this very content as looked at; `changed_since`: they
        marked it, and it says something else now."""
        ...

    # writing ------------------------------------------------------------------------------------------
    def draft(self, tenant: str, offering: str, action: str = "new") -> Json:
        """The draft of the person who acts for this service and action, begun unless there is one (a form sent twice
        makes one draft). A change begins with what is desired now. As `show`."""
        ...

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
        """Keep a draft, right or wrong; what is None stays as it is. As `show`, with its `problems`. `version`: the one
        that was read; raises StalePlan when somebody saved in between. `computed`: its content follows whole from
        something else, such as a list, and may be replaced by what follows from the next one."""
        ...

    def check(
        self, tenant: str, offering: str, action: str, spec: Mapping[str, Any] | None, tier: str | None = None
    ) -> builtins.list[Json]:
        """All problems of a form that is not saved, as an import would name them: [{code, pointer, detail, remedy,
        severity}]; for checks while somebody types. Changes nothing."""
        ...

    def check_rows(self, tenant: str, offering: str, part: str | None, content: bytes) -> Json:
        """What a table (CSV or XLSX) would do to a list of a form (`part`; None: the only one that can come from a
        file), on top of the own draft or of what is desired: {request: reference of the draft | None, action, list,
        added, changed, same}. Changes nothing. Raises Invalid with every problem of every row, NotFound."""
        ...

    def take_rows(self, request: int | str, part: str | None, content: bytes, *, version: int | None = None) -> Json:
        """Put the rows of a table into a saved form, all or none; answer and errors as `check_rows`, and StalePlan as
        `save`."""
        ...

    def validate(self, request: int | str) -> builtins.list[Json]:
        """All problems of a saved one."""
        ...

    def preview(self, request: int | str) -> Json:
        """A real plan of exactly this change: {plan: (as `Client.plan`), words: [sentence], summary, affected, lost,
        digest, class, class_title, class_sentence, reasons, needs: [{role, title, names}], due, due_provisional,
        lead_days, warnings: [problem]}. Raises Invalid with all problems, CouldNotMeasureError."""
        ...

    def submit(self, request: int | str, *, digest: str | None = None) -> Json:
        """Hand a draft in; `digest`: that of the preview which was seen (StalePlan when it is another now). Submitting
        what is submitted already answers as `show`. Raises Invalid, Rejected (another request for it is open)."""
        ...

    def withdraw(self, request: int | str, *, reason: str = "") -> Json:
        """Take it back."""
        ...

    def answer(self, request: int | str, *, text: str, digest: str | None = None) -> Json:
        """Answer a question and hand it in again; signoffs hold if the content is the same."""
        ...

    def comment(self, request: int | str, *, text: str, block: str | None = None, content: str | None = None) -> Json:
        """Add to the conversation; `block`: about this part of the plan, `content`: as it was looked at. Raises
        NotFound (no such part), StalePlan (it says something else now)."""
        ...

    def mark(
        self, request: int | str, *, block: str, content: str | None = None, viewed: bool = True
    ) -> builtins.list[Json]:
        """Mark a part of its plan as looked at, or take the mark away; for the person who acts alone. As `blocks`.
        Raises as `comment`, and Rejected for who neither asks nor signs."""
        ...

    # deciding -----------------------------------------------------------------------------------------
    def sign(
        self, request: int | str, *, digest: str, role: str | None = None, note: str = "", reason: str = ""
    ) -> Json:
        """Sign for what `digest` says (the request's, as it was shown). `role`: which of the missing ones, where the
        person could sign as several. A local operator may stand in for a role with a `reason`. Raises Rejected (asked
        for it, signed before, no such role, decided already), StalePlan (the content is another now)."""
        ...

    def letter(
        self, request: int | str, *, digest: str, number: str, date: str, brought_by: str, note: str = ""
    ) -> Json:
        """Record the department's stamped letter as its signature (an operator who did not ask and has not signed;
        they sign nothing else of it). `date`: the letter's, ISO. Raises Invalid, Rejected, StalePlan as `sign`."""
        ...

    def send_back(
        self, request: int | str, *, reason: str, block: str | None = None, content: str | None = None
    ) -> Json:
        """Ask the department back, about a part of the plan (see `comment`) or all of it; the clock stops."""
        ...

    def refuse(self, request: int | str, *, reason: str) -> Json:
        """Do not approve it."""
        ...

    def retry(self, request: int | str) -> Json:
        """Try again what failed."""
        ...
