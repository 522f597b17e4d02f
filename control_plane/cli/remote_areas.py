"""The parts of a control plane elsewhere: rollouts, freezes, requests, the audit trail.

Each is the part of `model.client.Client` with its name, as far as the interface for programs has it.
"""

from __future__ import annotations

import base64
import builtins
from collections.abc import Mapping, Sequence
from typing import Any

from control_plane.cli.remote_link import Area, Json, at
from control_plane.model.errors import Rejected
from control_plane.model.rollout import RolloutState, refuse_by_state
from control_plane.model.text import t


class Rollouts(Area):
    """See `RolloutsClient`."""

    def list(self) -> builtins.list[Json]:
        """See `RolloutsClient.list`."""
        return self._at.rows("/rollouts")

    def show(self, rollout_id: int) -> Json:
        """See `RolloutsClient.show`."""
        return self._at.get(at("/rollouts/{}", rollout_id))

    def events(self, rollout_id: int, after: int = 0) -> builtins.list[Json]:
        """See `RolloutsClient.events`."""
        return self._at.rows(at("/rollouts/{}/events", rollout_id), after=after or None)

    def preview(self, **order: Any) -> Json:
        """See `RolloutsClient.preview`."""
        return self._at.rehearse("/rollouts", order)

    def create(self, **order: Any) -> Json:
        """See `RolloutsClient.create`."""
        return self._at.act("/rollouts", order)

    def release(self, rollout_id: int, *, reason: str = "", go_on: bool = False, confirm: str | None = None) -> Json:
        """See `RolloutsClient.release`."""
        given = {"reason": reason, "go_on": go_on, "confirm": confirm}
        return self._at.act(at("/rollouts/{}/releases", rollout_id), given)

    def rehearse(self, act: str, rollout_id: int, **given: Any) -> None:
        """See `RolloutsClient.rehearse`: by its state; what else stands in the way is known at the centre."""
        refuse_by_state(act, rollout_id, RolloutState(self.show(rollout_id)["state"]))

    def pause(self, rollout_id: int, *, reason: str) -> Json:
        """See `RolloutsClient.pause`."""
        return self._at.act(at("/rollouts/{}/pauses", rollout_id), {"reason": reason})

    def resume(self, rollout_id: int) -> Json:
        """See `RolloutsClient.resume`."""
        return self._at.act(at("/rollouts/{}/resumptions", rollout_id))

    def abort(self, rollout_id: int, *, reason: str) -> Json:
        """See `RolloutsClient.abort`."""
        return self._at.act(at("/rollouts/{}/aborts", rollout_id), {"reason": reason})

    def rollback(self, rollout_id: int, *, reason: str) -> Json:
        """See `RolloutsClient.rollback`."""
        return self._at.act(at("/rollouts/{}/rollbacks", rollout_id), {"reason": reason})


class Freezes(Area):
    """See `FreezesClient`."""

    def list(self, *, lifted: bool = False) -> builtins.list[Json]:
        """See `FreezesClient.list`."""
        return self._at.rows("/freezes", lifted="true" if lifted else None)

    def set(self, scope: str, *, reason: str) -> Json:
        """See `FreezesClient.set`."""
        return self._at.act("/freezes", {"scope": scope, "reason": reason})

    def lift(self, freeze_id: int, *, reason: str, second: str | None = None) -> Json:
        """See `FreezesClient.lift`: the token's owner is the second person, and verified."""
        _alone(second)
        return self._at.act(at("/freezes/{}/lifts", freeze_id), {"reason": reason})


def _alone(second: str | None) -> None:
    if second is not None:
        raise Rejected(
            t("From elsewhere you are the second person yourself, and known as such."), t("Leave out --second.")
        )


class Requests(Area):
    """See `RequestsClient`."""

    # looking ------------------------------------------------------------------------------------------
    def list(
        self,
        *,
        tenant: str | None = None,
        states: Sequence[str] | None = None,
        waiting_for_me: bool = False,
        before: int | str | None = None,
    ) -> builtins.list[Json]:
        """See `RequestsClient.list`."""
        if tenant is not None:
            self._at.get(at("/tenants/{}", tenant))
        waiting = "true" if waiting_for_me else None
        state = ",".join(states) if states is not None else None
        older = str(before) if before is not None else None
        return self._at.rows("/requests", tenant=tenant, state=state, waiting_for_me=waiting, before=older)

    def show(self, request: int | str) -> Json:
        """See `RequestsClient.show`."""
        return self._at.get(at("/requests/{}", request))

    def blocks(self, request: int | str) -> builtins.list[Json]:
        """See `RequestsClient.blocks`."""
        return self._at.rows(at("/requests/{}/parts", request))

    def check(
        self, tenant: str, offering: str, action: str, spec: Mapping[str, Any] | None, tier: str | None = None
    ) -> builtins.list[Json]:
        """See `RequestsClient.check`."""
        asked = {"tenant": tenant, "offering": offering, "action": action, "spec": spec, "tier": tier}
        return list(self._at.rehearse("/requests", asked)["problems"])

    def preview(self, request: int | str) -> Json:
        """See `RequestsClient.preview`."""
        return self._at.rehearse(at("/requests/{}/submissions", request))

    def check_rows(self, tenant: str, offering: str, part: str | None, content: bytes) -> Json:
        """See `RequestsClient.check_rows`."""
        table = {"tenant": tenant, "offering": offering, "list": part, "content": sent(content)}
        return self._at.act("/table-checks", table)

    # asking -------------------------------------------------------------------------------------------
    def draft(self, tenant: str, offering: str, action: str = "new") -> Json:
        """See `RequestsClient.draft`."""
        return self._at.act("/requests", {"tenant": tenant, "offering": offering, "action": action})

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
        """See `RequestsClient.save`; what comes from another machine is somebody's own, never `computed`."""
        row, tag = self._at.tagged(at("/requests/{}", request))
        given: Json = {name: value for name, value in (("tier", tier), ("note", note)) if value is not None}
        if spec is not None:
            given["spec"] = _patch(row["spec"] or {}, spec)
        return self._at.change(at("/requests/{}", request), given, tag)

    def take_rows(self, request: int | str, part: str | None, content: bytes, *, version: int | None = None) -> Json:
        """See `RequestsClient.take_rows`."""
        return self._at.act(at("/requests/{}/tables", request), {"list": part, "content": sent(content)})

    def submit(self, request: int | str, *, digest: str | None = None) -> Json:
        """See `RequestsClient.submit`."""
        return self._at.act(at("/requests/{}/submissions", request), {"digest": digest})

    def withdraw(self, request: int | str, *, reason: str = "") -> Json:
        """See `RequestsClient.withdraw`."""
        return self._at.act(at("/requests/{}/withdrawals", request), {"reason": reason})

    def answer(self, request: int | str, *, text: str, digest: str | None = None) -> Json:
        """See `RequestsClient.answer`."""
        return self._at.act(at("/requests/{}/answers", request), {"text": text})

    def comment(self, request: int | str, *, text: str, block: str | None = None, content: str | None = None) -> Json:
        """See `RequestsClient.comment`."""
        return self._at.act(at("/requests/{}/comments", request), {"text": text, "part": block, "content": content})

    def mark(
        self, request: int | str, *, block: str, content: str | None = None, viewed: bool = True
    ) -> builtins.list[Json]:
        """See `RequestsClient.mark`."""
        given = {"part": block, "content": content, "viewed": viewed}
        return list(self._at.act(at("/requests/{}/marks", request), given)["items"])

    # deciding -----------------------------------------------------------------------------------------
    def sign(
        self, request: int | str, *, digest: str, role: str | None = None, note: str = "", reason: str = ""
    ) -> Json:
        """See `RequestsClient.sign`; whoever has a token stands in for nobody, so `reason` is not asked for."""
        return self._at.act(
            at("/requests/{}/signoffs", request), {"digest": digest, "role": role, "note": note or reason}
        )

    def letter(
        self, request: int | str, *, digest: str, number: str, date: str, brought_by: str, note: str = ""
    ) -> Json:
        """See `RequestsClient.letter`."""
        given = {"digest": digest, "number": number, "date": date, "brought_by": brought_by, "note": note}
        return self._at.act(at("/requests/{}/letters", request), given)

    def send_back(
        self, request: int | str, *, reason: str, block: str | None = None, content: str | None = None
    ) -> Json:
        """See `RequestsClient.send_back`."""
        return self._at.act(at("/requests/{}/returns", request), {"reason": reason, "part": block, "content": content})

    def refuse(self, request: int | str, *, reason: str) -> Json:
        """See `RequestsClient.refuse`."""
        return self._at.act(at("/requests/{}/refusals", request), {"reason": reason})

    def retry(self, request: int | str) -> Json:
        """See `RequestsClient.retry`."""
        return self._at.act(at("/requests/{}/retries", request))


class Audit(Area):
    """See `AuditClient`."""

    def list(
        self, filters: Mapping[str, str | None] | None = None, *, limit: int | None = 200, before: int | None = None
    ) -> list[Json]:
        """See `AuditClient.list`."""
        return self._at.rows("/audit", limit, **(filters or {}))


def sent(content: bytes) -> str:
    """A file as it is sent."""
    return base64.b64encode(content).decode("ascii")


def _patch(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> Json:
    """The merge patch (RFC 7396) that makes `wanted` of `before`; an empty value is as a missing one."""
    made: Json = {name: None for name in before if wanted.get(name) is None}
    for name, value in wanted.items():
        held = before.get(name)
        if isinstance(value, Mapping) and isinstance(held, Mapping):
            if inner := _patch(held, value):
                made[name] = inner
        elif value is not None and value != held:
            made[name] = value
    return made
