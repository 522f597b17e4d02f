"""Webhooks: what happened, told to a program elsewhere, signed (Standard Webhooks 1.0). Kinds of events are data.

An event is an entry of the audit trail without people, reasons and details: who is told looks up the rest with a token.
Must not send anything.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

from control_plane.model.audit import AuditEntry
from control_plane.model.text import Text, t

#: Families of acts that may be told.
FAMILIES: Mapping[str, Text] = {
    "run": t("runs: began, ended, asked to stop"),
    "rollout": t("rollouts: made, released, waiting, stopped, ended"),
    "freeze": t("freezes: set, lifted"),
    "request": t("requests: every step from submitted to live"),
}
#: Of what an act was about, that which may be told.
TOLD = ("run", "rollout", "freeze", "request")
#: Seconds until the next try, by number of tries; the last one again and again, until a day is over.
PAUSES = (5, 30, 120, 600, 1800, 3600, 7200)
GIVEN_UP = timedelta(hours=24)
#: So long one receiver is sent to in a turn, before the next one's turn comes.
SHARE = timedelta(seconds=10)
#: So long the former secret is used beside a new one; so long what was delivered is shown.
ROTATION, SHOWN = timedelta(hours=24), timedelta(days=30)
PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class Webhook:
    """One receiver. `families`: of which acts it hears; `tenant` the only department it hears of, `tenant_id` its
    opaque id; `secrets` are sealed, the newest first; `seen`: the entry of the trail up to which it was told."""

    id: int
    name: str
    url: str
    tenant: str | None
    tenant_id: str | None
    families: tuple[str, ...]
    secrets: tuple[str, ...]
    rotated_until: datetime | None
    made_at: datetime
    made_by: str
    ended_at: datetime | None
    seen: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one receiver. `entry` is its number in the audit trail, `status` the last answer's."""

    id: int
    webhook: int
    entry: int
    type: str
    body: str
    state: str
    tries: int
    made_at: datetime
    next_at: datetime
    sent_at: datetime | None
    status: int | None
    error: str | None

    @property
    def message(self) -> str:
        """Its `webhook-id`: the same however often it is sent."""
        return f"msg_{self.id}"


class Poster(Protocol):
    """Sends to a receiver."""

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status that was answered; redirections are not followed. Raises TemporaryError without an answer."""
        ...


def new_secret() -> str:
    """A fresh secret of a receiver: 256 bits."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(keys: Sequence[str], message: str, at: int, body: str) -> str:
    """The header `webhook-signature`: one signature for each secret."""
    signed = f"{message}.{at}.{body}".encode()
    made = [hmac.new(base64.b64decode(key.removeprefix(PREFIX)), signed, hashlib.sha256).digest() for key in keys]
    return " ".join(f"v1,{base64.b64encode(one).decode()}" for one in made)


def pause(tries: int) -> timedelta:
    """How long to wait after so many tries."""
    return timedelta(seconds=PAUSES[min(tries, len(PAUSES)) - 1])


def hears(hook: Webhook, entry: AuditEntry) -> bool:
    """Whether a receiver is told of an entry."""
    if entry.act.partition(".")[0] not in hook.families:
        return False
    return hook.tenant_id is None or hook.tenant_id in _tenants(entry)


def event(hook: Webhook, entry: AuditEntry, codes: Mapping[str, str]) -> dict[str, Any]:
    """What is told: nobody's name, nothing that somebody wrote. `codes`: those of tenants by opaque id."""
    about = {subject.kind: subject.value for subject in entry.subjects if subject.kind in TOLD}
    if entry.requests:
        about["request"] = entry.requests[0]
    if hook.tenant_id is not None and _tenants(entry) != {hook.tenant_id}:
        about.pop("request", None)  # of what concerns several departments, it may be another one's
    tenants = sorted(codes[one] for one in _tenants(entry) if one in codes and hook.tenant_id in (None, one))
    data = {"number": entry.number, "outcome": entry.outcome, "tenants": tenants, **about}
    return {"type": entry.act, "timestamp": entry.at.isoformat(), "data": data}


def _tenants(entry: AuditEntry) -> set[str]:
    return {s.value.partition("/")[0] for s in entry.subjects if s.kind in ("tenant", "service")}


def allowed(url: str, targets: Sequence[str]) -> bool:
    """Whether an address is one of those that the centre sends to: scheme, host and port are those of a target."""
    found = _parts(url)
    return found is not None and any(
        (other := _parts(target)) is not None and _origin(other) == _origin(found) for target in targets
    )


def open_to_readers(url: str) -> bool:
    """Whether what is sent there could be read on the way: not over TLS, and to another machine than this one. Names
    below `.test` are a lab's own: no real centre has them (RFC 6761)."""
    parts = _parts(url)
    if parts is None or parts.scheme == "https":
        return False
    host = (parts.hostname or "").lower()
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost" and not f".{host}".endswith(".test")


def origin(url: str) -> str:
    """Scheme, host and port of an address that is allowed."""
    scheme, host, port = _origin(urlsplit(url))
    return f"{scheme}://{host}:{port}"


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    known = parts.scheme in ("https", "http") and parts.hostname and not parts.username and not parts.fragment
    return parts if known and url.isascii() and url.isprintable() and " " not in url else None


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)
