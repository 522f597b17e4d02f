"""What may be asked of rollouts, freezes and the worker. Every answer is JSON-able."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

Json = dict[str, Any]


class RolloutsClient(Protocol):
    """`gasp rollouts`."""

    def preview(self, **order: Any) -> Json:
        """What `create` would make: {kind, title, thresholds, waves: [{number, title, ring, items: [{…}]}], replaced:
        [{tenant, field, items}]}; `replaced` is what departments would lose from lists of their own. `order` as in
        `create`. Raises Invalid with every fault."""
        ...

    def ready(self, **order: Any) -> Callable[[], Json]:
        """The same checks as `create`, with all that must be looked at; what comes back makes the rollout and looks at
        nothing, so it may be part of a transaction. In this process only."""
        ...

    def create(
        self,
        *,
        kind: str,
        reason: str,
        snapshot: str | None = None,
        offering: str | None = None,
        patch: Mapping[str, Any] | None = None,
        tier: str | None = None,
        policy: int | None = None,
        tenants: Sequence[str] = (),
        groups: Sequence[Sequence[str]] = (),
        thresholds: Mapping[str, str] | None = None,
        ignore_windows: str | None = None,
        not_before: str | None = None,
        replace_lists: bool = False,
    ) -> Json:
        """Make a draft; returns it as `show`. A `patch` is as `model.patching` has it; `policy` is a revision of the
        centre's. Raises Invalid when departments
        would lose entries of lists of their own, unless `replace_lists` agrees to that."""
        ...

    def list(self) -> list[Json]:
        """Newest first: [{id, kind, title, state, sentence, wave, waves, counts, actor, created_at, finished_at}]."""
        ...

    def show(self, rollout_id: int) -> Json:
        """One with its thresholds, waves and items."""
        ...

    def events(self, rollout_id: int, after: int = 0) -> Sequence[Json]:
        """Numbered events with number > `after`: [{rollout, number, at, type, actor, data}]."""
        ...

    def release(self, rollout_id: int, *, reason: str = "", go_on: bool = False, confirm: str | None = None) -> Json:
        """Begin a draft; or, of one that waits or stopped: do again what failed and judge again, or, with `go_on`,
        go on although it was judged as it was. `confirm`: the word that a plan's guard asks for."""
        ...

    def rehearse(self, act: str, rollout_id: int, **given: Any) -> None:
        """Raise what `release`, `pause`, `resume`, `abort` or `rollback` (`act`) would raise, as far as it is known
        here; do nothing."""
        ...

    def pause(self, rollout_id: int, *, reason: str) -> Json:
        """Touch nothing more until `resume`."""
        ...

    def resume(self, rollout_id: int) -> Json:
        """Go on where it was paused."""
        ...

    def abort(self, rollout_id: int, *, reason: str) -> Json:
        """End it; what is installed stays."""
        ...

    def rollback(self, rollout_id: int, *, reason: str) -> Json:
        """Give back to rings and machines what they had before."""
        ...


class FreezesClient(Protocol):
    """`gasp freezes`."""

    def list(self, *, lifted: bool = False) -> list[Json]:
        """[{id, scope, reason, by, at, lifted_at, lifted_by, second, second_verified, lift_reason, sentence, hint}]."""
        ...

    def set(self, scope: str, *, reason: str) -> Json:
        """Freeze a scope; as in `list`."""
        ...

    def lift(self, freeze_id: int, *, reason: str, second: str | None = None) -> Json:
        """Lift one. `second` names who agrees, without proof; None: the actor is the second person, signed in and
        another one than who set it. Raises Rejected when it is not two people."""
        ...


class WorkerClient(Protocol):
    """`gasp worker`."""

    def status(self) -> Json:
        """{running, pid, signals, chores: [{name, every, state, started_at, ended_at, succeeded_at, error,
        failures}]}."""
        ...
