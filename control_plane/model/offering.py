"""What one service of the catalogue is: an `Offering` with a typed form and pure rules.

A folder under `control_plane/offerings/` exports `OFFERING`. It declares resources and probes; it never
talks to a system, reads a clock or makes a random choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from control_plane.model.change_class import ChangeRules
from control_plane.model.errors import Problem
from control_plane.model.internet import CentrePolicy
from control_plane.model.machine import Machine
from control_plane.model.network import AddressPlan
from control_plane.model.ports import Probe
from control_plane.model.questions import Questions
from control_plane.model.resource import Owner, Resource
from control_plane.model.restoring import Aspects
from control_plane.model.site_post import Posting
from control_plane.model.tenant import Contact, Document, TenantNames, TenantStatus, Tier
from control_plane.model.text import Text


@dataclass(frozen=True, slots=True)
class HostView:
    """A host of the centre as offerings see it."""

    name: str
    role: str
    ipv4: str
    ipv6: str
    public_ipv4: str | None = None
    public_ipv6: str | None = None


@dataclass(frozen=True, slots=True)
class TenantView:
    """A tenant as offerings see it."""

    id: str
    code: str
    names: TenantNames
    status: TenantStatus
    network_index: int | None
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True)
class EstateView:
    """The centre as offerings see it: addresses, hosts by role, other tenants, recorded allocations.

    `domain` is `qingdao.test`; internal names live below `intra.<domain>`, infrastructure below
    `core.<domain>`. `machines` is the inventory without retired ones. `allocations[(pool, subject)]` is a recorded
    value (`uid_number`, `uid:zhangsan`).
    `specs`: subscription id → spec as it is stored, for what two tenants must agree on; it may be invalid.
    `policies`: subscription id → the revision of the centre's policy that it has; absent: the one that was shipped.
    `console_url`: where departments' browsers find the console, None: under its name in `core.<domain>`.
    """

    name: str
    title: TenantNames
    domain: str
    base_dn: str
    plan: AddressPlan
    hosts: Mapping[str, Sequence[HostView]]
    tenants: Mapping[str, TenantView]
    allocations: Mapping[tuple[str, str], str]
    issuer: str = "GASP lab authority"
    ttl: int = 300
    machines: Sequence[Machine] = ()
    specs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    policies: Mapping[str, CentrePolicy] = field(default_factory=dict)
    console_url: str | None = None

    @property
    def console(self) -> str:
        """Where departments' browsers find the console, without a slash at the end."""
        return self.console_url or f"https://console.core.{self.domain}"

    def tenant_networks(self, code: str) -> tuple[str, str]:
        """IPv4 and IPv6 prefix of a tenant's LAN."""
        index = self.tenants[code].network_index
        if index is None:
            raise ValueError(f"tenant {code} has no network")
        segment = self.plan.tenant(index)
        return str(segment.v4), str(segment.v6)


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    """One subscription with its validated spec."""

    tenant: TenantView
    offering: str
    tier: Tier
    spec: Any

    @property
    def id(self) -> str:
        """`fgw/public_site`."""
        return f"{self.tenant.code}/{self.offering}"

    @property
    def owner(self) -> Owner:
        """Owner of everything this subscription declares."""
        return Owner(self.tenant.id, self.tenant.code, self.offering)


@dataclass(frozen=True, slots=True)
class Claim:
    """Something of which there is only one in the city, to be recorded before it is used.

    pool `dns_name` | `uid`: `subject` itself is unique and belongs to the tenant.
    pool `uid_number` | `gid_number` | `person_key`: the store picks a value for `subject`.
    `field` says where in the spec the wish stands, for error messages.
    """

    pool: str
    subject: str
    field: str


@dataclass(frozen=True)
class Offering:
    """One folder of the catalogue.

    `spec` is the form; `check` finds problems that need the estate (a name outside the tenant's own
    label, too many seats for the tier) and returns all of them; `claims` lists what must be unique;
    `desired` and `probes` are pure and deterministic. A declared offering has none of these.
    `example` is a spec that validates, used by the contract test and by help. `systems` names every system that its
    resources can be in: a plan of one subscription looks at these only, and does not need the others to answer.
    `questions`: its form in words; `asking`: how requests for it are treated; both None when it cannot be asked for.
    `posting`: where notices of a department can be shown on its first home page.
    `aspects`: what of its form can go back to a former day alone.
    `entrances`: names at which its visitors are sent to the console's sign-in.
    """

    id: str
    status: Literal["operated", "declared"]
    title: Text
    folder: Path
    systems: tuple[str, ...] | None = None
    spec: type[Document] | None = None
    tiers: Mapping[Tier, Mapping[str, int]] | None = None
    check: Callable[[SubscriptionView, EstateView], list[Problem]] | None = None
    claims: Callable[[SubscriptionView, EstateView], list[Claim]] | None = None
    desired: Callable[[SubscriptionView, EstateView], list[Resource]] | None = None
    probes: Callable[[SubscriptionView, EstateView], list[Probe]] | None = None
    example: Mapping[str, Any] | None = None
    questions: Questions | None = None
    asking: ChangeRules | None = None
    posting: Posting | None = None
    aspects: Aspects = field(default_factory=Aspects)
    entrances: Callable[[SubscriptionView, EstateView], list[str]] | None = None
