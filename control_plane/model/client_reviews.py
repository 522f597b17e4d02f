"""What may be asked of the quarterly reviews of departments' people. Every answer is JSON-able."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from typing import Any, Protocol

Json = dict[str, Any]
OnEvent = Callable[[Json], None]


class ReviewsClient(Protocol):
    """`gasp accounts review`: whether everybody is still there, once a quarter."""

    def list(self, *, everything: bool = False) -> builtins.list[Json]:
        """Those that are to be done or have movers that nobody moved yet, the most urgent first; `everything`: all.
        [{id, tenant, quarter, state: due|overdue|done, opened_at, due_at, decided_at, decided_by, counts, moves}].
        `moves`: {uid: where to, in the department's words} of those who are still where they were."""
        ...

    def show(self, tenant: str) -> Json:
        """The review that a department is to do now: a row of `list` and {people: [{uid, name, title, groups}]}. Raises
        NotFound when there is none."""
        ...

    def decide(
        self, tenant: str, said: Mapping[str, Mapping[str, str]], *, rest: bool = False, ask: bool = False
    ) -> Json:
        """Say of everybody what became of them: {uid: {what: stays|left|moved|groups, more}}. `rest`: all others stay.
        Whoever left is cut at once. Other groups are wished at once, or, with `ask`, become a draft of a request.
        {tenant, quarter, counts, moves, locked, request}: `request` is that draft, `locked` False when the directory
        is away and the worker locks as soon as it answers. Raises Invalid with every fault, NotFound."""
        ...

    def move(self, review: int, *, on_event: OnEvent | None = None) -> Json:
        """Move those to the departments that a review names by code or name: {id, moved: [uid], left: [uid], run}.
        `left`: whose new department nobody knows. Raises NotFound, Rejected."""
        ...

    def tick(self) -> builtins.list[str]:
        """Begin reviews that are due and remind of those that are late; codes of departments that were told."""
        ...
