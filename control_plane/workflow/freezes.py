"""Freezes as people ask for them: set, list, lift with a second person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from control_plane.model.errors import Invalid, Problem, Rejected
from control_plane.model.freeze import Freeze, check_scope
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.store.repository import Store

Json = dict[str, Any]


class Freezes:
    """Implements `model.client_rollouts.FreezesClient`."""

    def __init__(self, store: Store, actor: Callable[[], Actor]) -> None:
        self.store = store
        self.actor = actor

    def list(self, *, lifted: bool = False) -> list[Json]:
        """See `FreezesClient.list`."""
        return [freeze_json(f) for f in self.store.freezes.list(lifted)]

    def set(self, scope: str, *, reason: str) -> Json:
        """See `FreezesClient.set`."""
        _need(reason, "reason")
        checked = check_scope(scope)
        kind, _, code = checked.partition(":")
        if kind == "tenant":
            self.store.estate.known(code)
        return freeze_json(self.store.freezes.set(checked, reason.strip(), self.actor()))

    def lift(self, freeze_id: int, *, reason: str, second: str | None = None) -> Json:
        """See `FreezesClient.lift`. A second person who is named only is recorded as not verified."""
        _need(reason, "reason")
        if second is None:
            actor = self.actor()
            if self.store.people.find(actor.name) is None:
                raise Rejected(
                    t("{name} did not sign in, so nobody knows who it is.", name=actor.name),
                    t("Name a colleague who agrees: --second NAME"),
                )
            return freeze_json(self.store.freezes.lift(freeze_id, actor, actor, True, reason.strip()))
        _need(second, "second")
        name = second.strip()
        other = self.store.actors.get(name if ":" in name else f"local:{name}")
        return freeze_json(self.store.freezes.lift(freeze_id, self.actor(), other, False, reason.strip()))


def freeze_json(freeze: Freeze) -> Json:
    """The stable JSON form of a freeze."""
    return {
        "id": freeze.id,
        "scope": freeze.scope,
        "reason": freeze.reason,
        "by": freeze.actor.name,
        "at": freeze.at.isoformat(),
        "lifted_at": freeze.lifted_at.isoformat() if freeze.lifted_at else None,
        "lifted_by": freeze.lifted_by,
        "second": freeze.second,
        "second_verified": freeze.second_verified,
        "lift_reason": freeze.lift_reason,
        "sentence": str(freeze.text),
        "hint": str(freeze.hint) if freeze.lifted_at is None else None,
    }


def _need(text: str, field: str) -> None:
    if not text.strip():
        remedy = t("Say why in one sentence.") if field == "reason" else t("Name a colleague who agrees: --second NAME")
        raise Invalid([Problem("lacking", t("{field} is needed.", field=field), remedy, field=field)])
