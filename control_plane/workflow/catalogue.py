"""From rows to the desired world: tenants, subscriptions, and every resource they declare.

A subscription whose rules fail is set apart with its reason; it keeps what it has on real systems and
stops nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

from pydantic import ValidationError

from control_plane.model.errors import ControlPlaneError, NotFound, PermanentError, Rejected
from control_plane.model.internet import CentrePolicy
from control_plane.model.network import AddressPlan
from control_plane.model.offering import EstateView, HostView, Offering, SubscriptionView, TenantView
from control_plane.model.ports import Probe
from control_plane.model.resource import Resource, content_hash
from control_plane.model.scope import Scope
from control_plane.model.tenant import TenantStatus
from control_plane.model.text import Text, t, tn
from control_plane.store.estate_rows import SubscriptionRow
from control_plane.store.repository import Store

Replacements = Mapping[str, Mapping[str, Any] | None]
"""Subscription id → spec to use instead of the stored one (None: as if it had ended)."""


class Specs(Mapping[str, Mapping[str, Any]]):
    """Specs by subscription id, read when one is asked for; `instead` stands before what is stored."""

    def __init__(self, stored: Mapping[str, SubscriptionRow], instead: Replacements | None = None) -> None:
        self._stored = stored
        self._instead = dict(instead or {})

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        found = self._instead[name] if name in self._instead else self._stored[name].spec
        if found is None:
            raise KeyError(name)
        return found

    def __contains__(self, name: object) -> bool:
        return self._instead[name] is not None if name in self._instead else name in self._stored

    def __iter__(self) -> Iterator[str]:
        return (name for name in dict.fromkeys([*self._stored, *self._instead]) if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Policies(Mapping[str, CentrePolicy]):
    """Revisions of the centre's policy by subscription id, read when one is asked for; absent: the shipped one."""

    def __init__(self, numbers: Mapping[str, int], read: Callable[[int], CentrePolicy]) -> None:
        self._numbers = {name: number for name, number in numbers.items() if number}
        self._read = cache(read)

    def __getitem__(self, name: str) -> CentrePolicy:
        return self._read(self._numbers[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


@dataclass(frozen=True)
class World:
    """Everything that should be, at one moment.

    `desired`: resource id → resource, with accepted hand-made states applied. `broken`: subscription id →
    why its resources could not be computed. `generations`: subscription id → (generation, observed one).
    """

    estate: EstateView
    subscriptions: Mapping[str, SubscriptionView]
    desired: Mapping[str, Resource]
    broken: Mapping[str, Text]
    generations: Mapping[str, tuple[int, int]]

    def covers(self, scope: Scope) -> Callable[[str, str, str], bool]:
        """The scope's test, without subscriptions that could not be computed."""
        if not self.broken:
            return scope.covers
        return lambda tenant, offering, part: (
            f"{tenant}/{offering}" not in self.broken and scope.covers(tenant, offering, part)
        )


class Catalogue:
    """Knows the offerings, the hosts of the centre and the address plan; reads rows from the store."""

    def __init__(
        self,
        store: Store,
        discover: Callable[[], Mapping[str, Offering]],
        plan: AddressPlan,
        hosts: Callable[[], Sequence[HostView]],
        ttl: int,
        network_probes: Callable[[EstateView], list[Probe]],
        console_url: str | None = None,
    ) -> None:
        self.store = store
        self._discover = discover
        self._plan = plan
        self._hosts = hosts
        self._ttl = ttl
        self._network_probes = network_probes
        self._console_url = console_url
        self._entrances: tuple[str, frozenset[str]] = "", frozenset()

    @cached_property
    def offerings(self) -> Mapping[str, Offering]:
        """All offerings by id, found when first wanted. Raises Invalid for a broken one."""
        return self._discover()

    def estate(
        self,
        subscriptions: Sequence[SubscriptionRow] | None = None,
        tenants: Collection[str] | None = None,
        instead: Replacements | None = None,
    ) -> EstateView:
        """The centre as offerings see it; who has read the subscriptions hands them on. `tenants`: whose numbers and
        keys are wanted (None: everybody's), `instead`: other specs for some. Raises NotFound before the first import.
        """
        document = self.store.estate.document()
        if document is None:
            raise NotFound(
                t("No estate has been imported yet."), t("Run make up, or gasp tenants import tenants/qingdao.")
            )
        by_role: dict[str, list[HostView]] = {}
        for host in self._hosts():
            by_role.setdefault(host.role, []).append(host)
        views = {
            row.code: TenantView(row.id, row.code, row.names, row.status, row.network_index, row.document.contacts)
            for row in self.store.estate.tenants()
        }
        rows = subscriptions or self.store.estate.subscriptions()
        return EstateView(
            name=document.name,
            title=document.title,
            domain=document.domain,
            base_dn=document.base_dn,
            plan=self._plan,
            hosts=by_role,
            tenants=views,
            allocations=self.store.estate.allocations(tenants),
            ttl=self._ttl,
            machines=self.store.machines.all(),
            specs=Specs({row.id: row for row in rows}, instead),
            policies=Policies({row.id: row.policy for row in rows}, self.store.policies.get),
            console_url=self._console_url,
        )

    def entrances(self) -> frozenset[str]:
        """Names of all sites whose visitors are sent to the console's sign-in; kept while the store's stamp is the
        same."""
        stamp = self.store.stamp()
        if self._entrances[0] != stamp:
            rows = [row for row in self.store.estate.subscriptions() if self._asks(row.offering)]
            estate = self.estate(rows, tenants=()) if rows else None
            found: set[str] = set()
            for row in rows:
                offering, tenant = self.offerings[row.offering], estate.tenants.get(row.code) if estate else None
                if estate is None or tenant is None or offering.spec is None or offering.entrances is None:
                    continue
                try:
                    view = SubscriptionView(tenant, row.offering, row.tier, offering.spec.model_validate(row.spec))
                except ValidationError:  # a broken subscription is told of elsewhere; it opens nothing
                    continue
                found.update(offering.entrances(view, estate))
            self._entrances = stamp, frozenset(found)
        return self._entrances[1]

    def _asks(self, offering: str) -> bool:
        found = self.offerings.get(offering)
        return found is not None and found.entrances is not None

    def world(
        self,
        replacements: Replacements | None = None,
        tenants: frozenset[str] | None = None,
        systems: frozenset[str] | None = None,
    ) -> World:
        """Compute the desired world, optionally with other specs for some subscriptions, of these tenants only, or of
        offerings that have something on these systems."""
        rows = self.store.estate.subscriptions()
        changed = replacements or {}
        estate = self.estate(rows, tenants, changed)
        views: dict[str, SubscriptionView] = {}
        desired: dict[str, Resource] = {}
        broken: dict[str, Text] = {}
        generations: dict[str, tuple[int, int]] = {}
        for row in rows:
            generations[row.id] = (row.generation, row.observed_generation)
            offering = self.offerings.get(row.offering)
            tenant = estate.tenants[row.code]
            if tenant.status is TenantStatus.LISTED or (tenants is not None and row.code not in tenants):
                continue
            if offering is None or offering.status != "operated" or row.id not in estate.specs:
                continue
            if systems is not None and systems.isdisjoint(offering.systems or systems):
                continue
            spec = estate.specs[row.id]
            try:
                view, resources = self._compute(offering, tenant, row.tier, spec, estate)
            except ValidationError as error:
                field = ".".join(map(str, error.errors()[0]["loc"]))
                broken[row.id] = tn(
                    "Its stored form has {count} fault, at {field}.",
                    "Its stored form has {count} faults, the first at {field}.",
                    count=error.error_count(),
                    field=field,
                )
                continue
            except KeyError:
                broken[row.id] = t("A number or key that it needs has not been recorded; import its document again.")
                continue
            except (ControlPlaneError, ValueError) as error:
                broken[row.id] = t("{error}", error=error)
                continue
            views[row.id] = view
            for resource in resources:
                if resource.id in desired:
                    other = desired[resource.id].owner
                    broken[row.id] = t("{id} is also declared by {tenant}.", id=resource.id, tenant=other.tenant)
                desired.setdefault(resource.id, resource)
        return World(estate, views, self._with_accepted(desired), broken, generations)

    def _compute(
        self, offering: Offering, tenant: TenantView, tier: Any, spec: Mapping[str, Any], estate: EstateView
    ) -> tuple[SubscriptionView, list[Resource]]:
        if offering.spec is None or offering.desired is None:
            raise PermanentError(t("The offering {offering} declares no resources.", offering=offering.id))
        view = SubscriptionView(tenant, offering.id, tier, offering.spec.model_validate(spec))
        return view, offering.desired(view, estate)

    def _with_accepted(self, desired: dict[str, Resource]) -> dict[str, Resource]:
        """Replace content by hand-made states that somebody accepted, while the declared content stands."""
        for resource_id, override in self.store.drift.overrides().items():
            resource = desired.get(resource_id)
            if resource is None or content_hash(resource.attributes) != override.base_hash:
                continue
            if override.attributes is None:
                del desired[resource_id]
            else:
                desired[resource_id] = replace(resource, attributes=override.attributes)
        return desired

    def probes(self, scope: Scope) -> list[Probe]:
        """All promises in scope and how each is measured. Raises Rejected for a scope of systems or hosts."""
        if scope.terms and scope.tenants is None:
            raise Rejected(
                t("Promises belong to tenants, not to “{scope}”.", scope=scope),
                t("Use estate, tenant:CODE or subscription:CODE/OFFERING."),
            )
        world = self.world(tenants=scope.tenants)
        probes = [*self._network_probes(world.estate)]
        for view in world.subscriptions.values():
            rule = self.offerings[view.offering].probes
            probes.extend(rule(view, world.estate) if rule else [])
        return [p for p in probes if scope.covers(p.tenant, p.offering, "")]
