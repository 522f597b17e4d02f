"""Revisions of the centre's policy: made here, brought to departments by rollouts, ring by ring.

Nobody is touched by a new revision. Knows the offering by `PolicyRules` only.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
from pydantic import ValidationError

from control_plane.model.client_policies import PolicyRules
from control_plane.model.errors import Invalid, NotFound, Problem, Rejected, StalePlan
from control_plane.model.internet import SERVICE, CentrePolicy
from control_plane.model.rollout import RolloutState
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.store.policies import revision_in
from control_plane.store.repository import Store
from control_plane.workflow.import_problems import problems_of
from control_plane.workflow.import_yaml import field_text

Json = dict[str, Any]
#: States of a rollout in which it may still bring its revision to somebody.
_OPEN = frozenset(RolloutState) - {
    *(RolloutState.DRAFT, RolloutState.DONE, RolloutState.CATCHING_UP),
    *(RolloutState.ABORTED, RolloutState.ROLLING_BACK, RolloutState.ROLLED_BACK),
}


class Policies:
    """Implements `model.client_policies.PoliciesClient`."""

    def __init__(self, store: Store, rules: PolicyRules, actor: Callable[[], Actor]) -> None:
        self.store = store
        self.rules = rules
        self.actor = actor

    def list(self) -> builtins.list[Json]:
        """See `PoliciesClient.list`."""
        with self.store.look():
            had: dict[int, list[str]] = {}
            for row in self.store.estate.subscriptions(offering=SERVICE):
                had.setdefault(row.policy, []).append(row.code)
            going: dict[int, builtins.list[Any]] = {}
            for rollout in self.store.rollouts.list():
                number = revision_in(rollout.title) if rollout.kind == "configuration" else None
                if number is not None and rollout.state is not RolloutState.DRAFT:
                    going.setdefault(number, []).append(rollout)
            rows, finished = self.store.policies.list(), self.store.policies.finished()
        newest = rows[0].number if rows else 0

        def row_of(number: int, **known: Any) -> Json:
            own = going.get(number, [])
            tenants = had.get(number, [])
            if any(rollout.state in _OPEN for rollout in own):
                state = "going_out"
            elif number == finished or not number:
                state = "finished" if number else "shipped"
            else:
                state = "partly" if tenants else "new" if number == newest and not own else "former"
            return {"number": number, "state": state, **known, "tenants": tenants, "count": len(tenants),
                    "rollouts": [rollout.id for rollout in own]}  # fmt: skip

        made = [
            row_of(r.number, at=r.at.isoformat(), by=r.by, reason=r.reason, digest=r.digest) for r in rows
        ]  # fmt: skip
        return [*made, row_of(0, at=None, by=None, reason=None, digest=None)]

    def show(self, number: int | None = None) -> Json:
        """See `PoliciesClient.show`."""
        rows = self.list()
        numbers = [row["number"] for row in rows]
        if number is not None and number not in numbers:
            raise NotFound(
                t("There is no revision {number} of the policy.", number=number),
                t("“gasp internet policy list” shows all of them."),
            )
        place = 0 if number is None else numbers.index(number)
        policy = self._get(numbers[place])
        before = self._get(numbers[min(place + 1, len(numbers) - 1)])
        return {**rows[place], "policy": orjson.loads(policy.text), "changes": self._changes(before, policy)}

    def preview(self, policy: Any, *, based_on: int | None = None) -> Json:
        """See `PoliciesClient.preview`."""
        newest, text = self._next(policy, based_on)
        return {
            "based_on": newest.number,
            "changes": self._changes(newest, CentrePolicy(newest.number + 1, text)),
            "tenants": [row.code for row in self.store.estate.subscriptions(offering=SERVICE)],
        }

    def add(self, policy: Any, *, reason: str, based_on: int | None = None) -> Json:
        """See `PoliciesClient.add`."""
        if not reason.strip():
            problem = Problem("no-reason", t("A reason is needed."), t("Say why in one sentence."), field="reason")
            raise Invalid([problem])
        with self.store.transaction():
            _, text = self._next(policy, based_on)
            return self.show(self.store.policies.add(text, reason.strip(), self.actor()))

    def _next(self, policy: Any, based_on: int | None) -> tuple[CentrePolicy, str]:
        """The newest revision, and the text of the one that is to follow it."""
        try:
            form = self.rules.policy_form.model_validate(policy)
        except ValidationError as error:
            raise Invalid([replace(p, field=field_text(path)) for path, p in problems_of(error)]) from None
        text, newest = form.model_dump_json(exclude_unset=True), self._get(None)
        if based_on not in (None, newest.number):
            raise StalePlan(
                t("Revision {number} of the policy was made meanwhile; this one would undo its changes.",
                  number=newest.number),
                t("Look at it, and make yours of it."),
            )  # fmt: skip
        if not self.rules.policy_changes(newest, CentrePolicy(newest.number + 1, text)):
            raise Rejected(
                t("Revision {number} of the policy says that already.", number=newest.number),
                t("See gasp internet policy show."),
            )
        return newest, text

    def _get(self, number: int | None) -> CentrePolicy:
        if number is None:
            number = next((row.number for row in self.store.policies.list()), 0)
        return self.store.policies.get(number) if number else self.rules.shipped()

    def _changes(self, before: CentrePolicy, after: CentrePolicy) -> builtins.list[Json]:
        return [{"field": field, "sentence": str(said)} for field, said in self.rules.policy_changes(before, after)]
