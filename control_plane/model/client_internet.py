"""What may be asked of internet access, beside plans and runs; and what the workflow needs of its offering."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from control_plane.model.client import Json, OnEvent
from control_plane.model.client_policies import PolicyRules
from control_plane.model.errors import Problem
from control_plane.model.internet import NetworkPolicy, ProxyPolicy, Refusal
from control_plane.model.offering import EstateView, SubscriptionView

SheetFormat = Literal["html", "text", "pdf"]


@dataclass(frozen=True, slots=True)
class Wish:
    """A change of a tenant's internet access: on or off, hosts to block, allow or take out of all its rules."""

    enabled: bool | None = None
    block: Sequence[str] = ()
    allow: Sequence[str] = ()
    remove: Sequence[str] = ()
    reason_zh: str = ""
    reason_en: str = ""


class InternetClient(Protocol):
    """Internet access of tenants: look, ask the real path, hand over, change."""

    def list(self) -> list[Json]:
        """[{tenant, name, enabled, tier, state: on|off|warned|throttled|unmeasured, used_octets, month_octets,
        used_percent, warned_at, throttled_at, until, rules, direct, peers}], by tenant; `used_*` is None when it could
        not be measured. `until`: when the month ends and its volume is there again (ISO 8601, +08:00)."""
        ...

    def show(self, tenant: str) -> Json:
        """One of `list` with {name_zh, name_en, v4, v6, rates, otherwise, rules: [...], direct: [...],
        peers: [{tenant, agreed}], contact, proxy, pac_url, why_url, notes: [...]}. Raises NotFound."""
        ...

    def pac(self, tenant: str) -> str:
        """The proxy configuration file of a tenant's browsers."""
        ...

    def sheet(self, tenant: str, form: SheetFormat) -> bytes:
        """The hand-over sheet."""
        ...

    def test(self, tenant: str, url: str, *, host: str | None = None) -> Json:
        """Open a URL from a machine of the tenant, as its browser would: {tenant, host, url, reachable, way:
        direct|proxy, addresses, status, seconds, verdict, rule, owner, since, reason_zh, reason_en, sees, needs}.
        Raises Rejected for what is no web address, TemporaryError when the machine does not answer."""
        ...

    def refusals(self, tenant: str) -> builtins.list[Json]:
        """What was refused to the tenant's own network lately, newest first, by host and rule, without who asked:
        [{at, host, encrypted, count, rule, owner, since, reason_zh, reason_en, reason, opens}]. `reason` has both
        languages, `opens`: whether a rule of the tenant's own can open it; else the centre decides. Raises
        CouldNotMeasureError, NotFound."""
        ...

    def excepted(self, tenant: str, host: str, rule: str, spec: Mapping[str, Any] | None = None) -> Json:
        """The form `spec` (None: that in force) of this tenant with a rule in it that opens a host which `rule`
        refused; its reason is left to who asks. Raises Invalid for what is no host, Rejected when no rule of the
        tenant's own can open it."""
        ...

    def preview(self, tenant: str, wish: Wish) -> Json:
        """What `change` would do now, as `Client.plan`, with the words that it would ask for; nothing is kept. Raises
        as `change` does."""
        ...

    def change(self, tenant: str, wish: Wish, *, confirm: str | None = None, on_event: OnEvent | None = None) -> Json:
        """Make another wish real: {tenant, enabled, rules, notes, run}. Raises Invalid with every bad entry, UnsafePlan
        when a guard of the plan wants `confirm`."""
        ...


class InternetRules(PolicyRules, Protocol):
    """The pure rules of the offering, as the workflow needs them."""

    def network_policy(self, subscription: SubscriptionView, estate: EstateView) -> NetworkPolicy:
        """What firewall and shaper are told."""

    def proxy_policy(self, subscription: SubscriptionView, estate: EstateView) -> ProxyPolicy:
        """What the proxy is told."""

    def agreed_peers(self, subscription: SubscriptionView, estate: EstateView) -> tuple[list[str], list[str]]:
        """Peers of which both sides agreed, and those of which the other has not."""

    def check(self, subscription: SubscriptionView, estate: EstateView) -> list[Problem]:
        """What cannot be met, and what should be known."""

    def addresses(self, estate: EstateView) -> Mapping[str, str]:
        """`proxy` (host:port), `pac_url`, `why_url`."""

    def expect(self, subscription: SubscriptionView, estate: EstateView, url: str) -> Mapping[str, Any]:
        """What the rules say of a URL, without asking: {way, host, action, rule, depends}."""

    def changed(self, spec: Mapping[str, Any], wish: Wish, today: str) -> dict[str, Any]:
        """The form with the wish in it. Raises Invalid with every bad entry."""

    def later(self, subscription: SubscriptionView, estate: EstateView) -> Collection[str]:
        """Ids of the centre's rules that come after all of the tenant's."""

    def opening(
        self, spec: Mapping[str, Any], code: str, host: str, rule: str, today: str, last: Collection[str]
    ) -> dict[str, Any] | None:
        """The form with a rule that allows a host before `rule` of the tenant `code` refuses it; None when that rule
        is the centre's and not one of `last` (`later`). Raises Invalid for what is no host."""

    def sheet(self, subscription: SubscriptionView, estate: EstateView, as_of: str, form: SheetFormat) -> bytes:
        """The hand-over sheet."""


class PathTester(Protocol):
    """Opens a URL from a host, as a browser there would."""

    def ask(self, host: str, url: str, proxy: str | None, why_url: str) -> Mapping[str, Any]:
        """{addresses, resolve_error, status, connect_status, error, seconds, remote, proxy_said, title, refusal}.
        Raises TemporaryError when the host does not answer."""


class UsageReader(Protocol):
    """Volume of this month, measured on the gateway."""

    def __call__(self) -> Mapping[str, Mapping[str, Any]]:
        """Tenant → as `model.internet.Usage`. Raises TemporaryError."""


class RefusalReader(Protocol):
    """What the proxy refused to a tenant's network lately, as the gateway's log says."""

    def __call__(self, tenant: str) -> Sequence[Refusal]:
        """Newest first. Raises TemporaryError when it cannot be read."""
