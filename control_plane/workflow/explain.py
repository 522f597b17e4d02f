"""Explain one thing: who asked for it, what should be, what is, since when, and what changed last.

The subject may be a tenant code, host name, address, DN, URL, uid machine name or resource id.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from control_plane.model.dn import normalise_dn
from control_plane.model.errors import NotFound
from control_plane.model.internet import SERVICE
from control_plane.model.names import to_ascii
from control_plane.model.offering import HostView, TenantView
from control_plane.model.plan import Change
from control_plane.model.resource import CouldNotMeasure, Look, Measured, Resource, content_hash
from control_plane.model.scope import Scope
from control_plane.model.text import t
from control_plane.store.estate_rows import Revision
from control_plane.store.repository import Store
from control_plane.workflow.catalogue import World
from control_plane.workflow.observe import observe, parts_of
from control_plane.workflow.planning import Planner

LIMIT = 25


class Explainer:
    """Answers `gasp explain`."""

    def __init__(self, planner: Planner, store: Store) -> None:
        self.planner = planner
        self.store = store

    def explain(self, subject: str) -> dict[str, Any]:
        """All matches, most specific first. Raises NotFound with near names."""
        world = self.planner.catalogue.world()
        subject = subject.strip()
        resources = _find_resources(subject, world)
        foreign: list[dict[str, Any]] = []
        looks: Sequence[Look] = ()
        if resources:
            tenants = frozenset(r.owner.tenant for r in resources)
            parts = [(d, p) for d, p in parts_of(self.planner.drivers, Scope()) if p in {r.part for r in resources}]
            looks = observe(parts, tenants, self.planner.clock)
        else:
            foreign = self._foreign(subject)
        plan = self.planner.compare(Scope(), world, looks).plan if looks else None
        changes = {c.id: c for c in plan.changes} if plan else {}
        by_part = {look.part: look for look in looks}
        matches = [self._tenant(v, world) for v in _find_tenants(subject, world)]
        matches += [_host(h, t_) for h, t_ in _find_hosts(subject, world)]
        matches += [self._resource(r, world, by_part.get(r.part), changes.get(r.id)) for r in resources[:LIMIT]]
        matches += foreign
        if not matches:
            known = [*world.estate.tenants, *(r.attributes.get("name", "") for r in world.desired.values())]
            near = difflib.get_close_matches(subject, [k for k in known if k], 1)
            raise NotFound(
                t("Nothing here is called “{subject}”.", subject=subject),
                t("Did you mean {near}?", near=near[0])
                if near
                else t("Give a tenant code, host name, address, DN, URL, uid or resource id."),
            )
        return {"subject": subject, "matches": matches, "more": max(0, len(resources) - LIMIT)}

    def _tenant(self, tenant: TenantView, world: World) -> dict[str, Any]:
        subscriptions = self.store.estate.subscriptions(tenant=tenant.code)
        return {
            "type": "tenant",
            "id": tenant.code,
            "title": tenant.names.zh,
            "tenant": tenant.code,
            "offering": None,
            "asked_by": None,
            "desired": {
                s.offering: {"tier": s.tier, "generation": s.generation}
                | ({"policy": s.policy} if s.offering == SERVICE else {})
                for s in subscriptions
            },
            "observed": {s.offering: {"generation": s.observed_generation} for s in subscriptions},
            "since": None,
            "state": tenant.status.value,
            "last_change": None,
            "next": f"gasp plan tenant:{tenant.code}",
        }

    def _resource(self, resource: Resource, world: World, look: Look | None, change: Change | None) -> dict[str, Any]:
        last = self.store.runs.last_change(resource.id)
        revisions = self.store.estate.revisions(f"{resource.owner.tenant}/{resource.owner.offering}")
        asked = revisions[-1] if revisions else None
        observed: Mapping[str, Any] | None = None
        if isinstance(look, CouldNotMeasure):
            state = "could_not_measure"
            observed = {"reason": str(look.reason)}
        elif look is not None and resource.id in look.waiting:
            state, observed = "waiting", {"reason": str(look.waiting[resource.id])}
        else:
            seen = look.resources.get(resource.id) if isinstance(look, Measured) else None
            observed = seen.attributes if seen else None
            same = seen is not None and content_hash(seen.attributes) == content_hash(resource.attributes)
            state = "in_sync" if same else (change.reason if change else "missing")
        return {
            "type": resource.kind,
            "id": resource.id,
            "title": resource.label or resource.id,
            "tenant": resource.owner.tenant,
            "offering": resource.owner.offering,
            "asked_by": {
                "actor": self._asker(asked),
                "cause": asked.cause,
                "at": asked.at.isoformat(),
            }
            if asked
            else None,
            "desired": resource.attributes,
            "observed": observed,
            "since": last.at.isoformat() if last else None,
            "state": state,
            "last_change": {
                "run": last.run,
                "at": last.at.isoformat(),
                "actor": last.actor.name,
                "action": last.action,
            }
            if last
            else None,
            "next": f"gasp plan subscription:{resource.owner.tenant}/{resource.owner.offering}",
        }

    def _asker(self, revision: Revision) -> str:
        """Who wanted this version: of a request who asked for it, not who signed it last."""
        cause, _, number = revision.cause.partition(" ")
        if cause == "request" and number.isdecimal():
            try:
                return self.store.requests.get(int(number)).asker.name
            except NotFound:
                pass
        return self.store.actors.name(revision.actor_key)

    def _foreign(self, subject: str) -> list[dict[str, Any]]:
        """Things in managed systems that are not ours and carry this name."""
        wanted = _host_name(subject) or subject
        looks = observe(parts_of(self.planner.drivers, Scope()), None, self.planner.clock)
        rows = []
        for look in looks:
            for thing in look.foreign if isinstance(look, Measured) else ():
                if wanted in (thing.id, thing.label) or wanted in thing.id.replace("/", ":").split(":"):
                    rows.append(
                        {
                            "type": "foreign",
                            "id": thing.id,
                            "title": thing.label,
                            "tenant": None,
                            "offering": None,
                            "asked_by": None,
                            "desired": None,
                            "observed": {"part": look.part},
                            "since": None,
                            "state": "foreign",
                            "last_change": None,
                            "next": None,
                        }
                    )
        return rows[:LIMIT]


def _find_tenants(subject: str, world: World) -> list[TenantView]:
    found = [
        view
        for view in world.estate.tenants.values()
        if subject in (view.code, view.names.zh, view.names.short_zh, view.names.en)
    ]
    try:
        address = ip_address(subject)
    except ValueError:
        return found
    for view in world.estate.tenants.values():
        if view.network_index is not None:
            networks = world.estate.tenant_networks(view.code)
            found += [view for network in networks if address in ip_network(network)]
    return found


def _find_hosts(subject: str, world: World) -> Iterable[tuple[HostView, str]]:
    name = subject.removesuffix(f".core.{world.estate.domain}")
    for hosts in world.estate.hosts.values():
        for host in hosts:
            if name == host.name or subject in (host.ipv4, host.ipv6, host.public_ipv4, host.public_ipv6):
                yield host, host.role


def _host(host: HostView, role: str) -> dict[str, Any]:
    return {
        "type": "host",
        "id": host.name,
        "title": host.name,
        "tenant": None,
        "offering": None,
        "asked_by": None,
        "desired": {"role": role},
        "observed": {"ipv4": host.ipv4, "ipv6": host.ipv6},
        "since": None,
        "state": "in_sync",
        "last_change": None,
        "next": f"gasp plan host:{host.name}",
    }


def _host_name(subject: str) -> str | None:
    try:
        return to_ascii((urlsplit(subject).hostname if "://" in subject else subject) or "")
    except ValueError:
        return None


def _dn(subject: str) -> str | None:
    try:
        return normalise_dn(subject)
    except ValueError:
        return None


def _find_resources(subject: str, world: World) -> list[Resource]:
    if subject in world.desired:
        return [world.desired[subject]]
    name = _host_name(subject)
    dn = _dn(subject) if "=" in subject and "://" not in subject else None
    found = []
    for resource in world.desired.values():
        attributes = resource.attributes
        names = (attributes.get("name"), *attributes.get("names", ()))
        if (
            (name is not None and "." in name and name in names)
            or (dn is not None and normalise_dn(attributes.get("dn", "")) == dn)
            or subject in attributes.get("uid", ())
            or subject in attributes.get("values", ())
            or subject == attributes.get("machine")
        ):
            found.append(resource)
    return sorted(found, key=lambda r: (r.system, r.id))
