"""One's own tokens, and programs elsewhere that are told. What would answer with a secret is none of these: a first
answer is kept for a day, and a secret is shown once.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from control_plane.api.operation import Answer, Body, Call, Nothing, Query, operation
from control_plane.model.client import Json
from control_plane.model.errors import NotFound
from control_plane.model.people import Act
from control_plane.model.text import t

ENDED = Query("ended", "Also those that ended.", {"type": "boolean"})
HOOKS: Json = {"act": Act.WEBHOOKS, "estate": True}
ACTS: Json = {**HOOKS, "scope": "webhooks:write", "status": 201, "starts": True, "refuses": ("rejected", "not-found")}


class Reason(Body):
    """Why, if there is something to say."""

    reason: str = Field(default="", max_length=500)


# tokens ----------------------------------------------------------------------------------------------------------
@operation("GET", "/tokens", form="tokens", rows="id", filters=("state", "scopes", "tenant"), query=(ENDED,),
           scope="tokens:write", act=Act.SEE_TENANT)  # fmt: skip
def tokens(call: Call) -> Any:
    """Tokens of the token's owner; no value is in any answer."""
    return _own(call, call.query.get("ended", False))


@operation("POST", "/tokens/{token}/ends", form="token", body=Reason, scope="tokens:write", act=Act.SEE_TENANT,
           status=201, starts=True, refuses=("rejected", "not-found"))  # fmt: skip
def end_token(call: Call, token: int) -> Any:
    """End a token of the token's owner, at once; a new one is made by somebody who has signed in."""
    if token not in {row["id"] for row in _own(call, True)}:
        raise NotFound(t("There is no token {id}.", id=token))
    return Answer(call.client.tokens.revoke(token, reason=call.body.reason))


def _own(call: Call, ended: bool) -> list[Json]:
    """Those of the owner; a token bound to a department knows of others bound to it only."""
    rows = call.client.tokens.list(person=None, ended=ended)
    return [row for row in rows if call.token.tenant in (None, row["tenant"])]


# webhooks --------------------------------------------------------------------------------------------------------
@operation("GET", "/webhooks", form="webhooks", rows="id", filters=("state", "tenant", "families"), query=(ENDED,),
           scope="webhooks:write", **HOOKS)  # fmt: skip
def webhooks(call: Call) -> Any:
    """Programs elsewhere that are told, newest first; no secret is in any answer."""
    return call.client.webhooks.list(ended=call.query.get("ended", False))


@operation("POST", "/webhooks/{number}/ends", form="webhook", body=Nothing, **ACTS)
def end_webhook(call: Call, number: int) -> Any:
    """Tell one nothing any more."""
    return Answer(call.client.webhooks.end(number))


@operation("GET", "/webhook-deliveries", form="deliveries", rows="id", filters=("state", "webhook", "type"),
           scope="webhooks:write", **HOOKS)  # fmt: skip
def deliveries(call: Call) -> Any:
    """The newest messages, with what became of each."""
    return call.client.webhooks.deliveries(limit=5000)


@operation("POST", "/webhook-deliveries/{number}/resends", form="delivery", body=Nothing, **ACTS)
def resend_delivery(call: Call, number: int) -> Any:
    """Tell it again at once, as the same message."""
    return Answer(call.client.webhooks.resend(number))
