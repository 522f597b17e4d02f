"""What a site is made of on real systems: record sets, a certificate, a release and a vhost on each web host.

Pure and deterministic: no clock, no look at the network; content is named by hashes and built only when applied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import Any

from control_plane.model.names import to_unicode
from control_plane.model.offering import EstateView, SubscriptionView
from control_plane.model.resource import Owner, Resource
from control_plane.model.site import preview_name
from control_plane.model.site_sign_in import Gate
from control_plane.offerings._site import starter
from control_plane.offerings._site.form import Site
from control_plane.offerings._site.kind import INTRANET, SiteKind, intra_zone
from control_plane.offerings._site.rules import TIERS
from control_plane.offerings._site.vhost import Vhost

KEY_TYPE = "EC P-256"
#: The only authority that may issue for these names (RFC 8659).
CAA = ('0 issue "gasp-lab"',)
#: Host number of the machine that runs the control plane, in the core network.
MACHINE = 1


def site_resources(
    kind: SiteKind,
    site: Site,
    subscription: SubscriptionView,
    estate: EstateView,
    shared_with: Sequence[str] = (),
    gate: Gate | None = None,
) -> list[Resource]:
    """All resources of one site, with its preview when one is shown; `gate`: who may read both after a sign-in."""
    owner, main, aliases = subscription.owner, site.main, site.aliases
    zone, own = kind.zone(estate), subscription.tenant.code
    audience = audience_of(own, shared_with, estate)
    networks = None if kind.public else networks_of([own, *audience], estate)
    rate = TIERS[subscription.tier]["requests_per_second"]
    release = _release(kind, site, subscription, estate)
    resources = _names(kind, (main, *aliases), main, owner, zone, estate)
    resources += _on_hosts(
        kind,
        main,
        aliases,
        owner,
        estate,
        release,
        rate,
        networks,
        audience,
        "maintenance" if site.maintenance else "live",
        gate,
    )
    if site.preview is not None:
        preview = preview_name(main, zone, intra_zone(estate))
        source = {"kind": "release", "release": site.preview}
        core = estate.plan.core
        allowed = [*networks_of([own], estate), f"{core.host_v4(MACHINE)}/32", f"{core.host_v6(MACHINE)}/128"]
        resources += _names(INTRANET, (preview,), preview, owner, intra_zone(estate), estate)
        resources += _on_hosts(INTRANET, preview, (), owner, estate, source, rate, allowed, (), "live", gate)
    return resources


def _names(
    kind: SiteKind, names: Sequence[str], main: str, owner: Owner, zone: str, estate: EstateView
) -> list[Resource]:
    v4, v6 = kind.addresses(estate)
    sets: list[tuple[str, str, list[str]]] = []
    for name in names:
        sets += [(name, "A", v4), (name, "AAAA", v6)]
        if kind.public and (name == main or not name.endswith(f".{main}")):  # below it, the main name's holds
            sets.append((name, "CAA", list(CAA)))
    return [
        Resource(
            id=f"dns:{name}/{rtype}",
            kind="dns.rrset",
            part=f"dns:{zone}",
            owner=owner,
            attributes={"name": name, "type": rtype, "ttl": estate.ttl, "values": values},
            label=f"{to_unicode(name)} {rtype}",
        )
        for name, rtype, values in sets
        if values
    ]


def _on_hosts(
    kind: SiteKind,
    main: str,
    aliases: Sequence[str],
    owner: Owner,
    estate: EstateView,
    source: Mapping[str, Any],
    rate: int,
    networks: Sequence[str] | None,
    audience: tuple[str, ...],
    state: Any,
    gate: Gate | None,
) -> list[Resource]:
    names = [main, *aliases]
    site_dir = f"{owner.tenant_id}/{main}"
    resources: list[Resource] = []
    for host in kind.hosts(estate):
        part, label = f"web:{host.name}", f"{to_unicode(main)} @ {host.name}"

        def resource(what: str, attributes: Mapping[str, Any], payload: Any) -> Resource:
            return Resource(
                id=f"{part}/{what}/{main}",  # noqa: B023 - called in this iteration only
                kind=f"web.{what}",
                part=part,  # noqa: B023
                owner=owner,
                attributes=attributes,
                label=label,  # noqa: B023
                audience=audience,
                payload=payload,
                retire_seconds=estate.ttl,
            )

        vhost = Vhost(f"{part}/vhost/{main}", owner.marker, main, names, site_dir, rate, networks, state, gate)
        text = vhost.text()
        resources += [
            resource(
                "certificate",
                {"names": sorted(names), "issuer": estate.issuer, "key_type": KEY_TYPE, "state": "valid"},
                {"main": main, "names": names},
            ),
            resource(
                "release",
                {"release": source["release"]},
                {"main": main, "site_dir": site_dir, "source": dict(source)},
            ),
            resource(
                "vhost",
                {"names": sorted(names), "config": hashlib.sha256(text.encode()).hexdigest()},
                {"main": main, "text": text, "gone_text": vhost.gone_text, "site_dir": site_dir},
            ),
        ]
    return resources


def _release(kind: SiteKind, site: Site, subscription: SubscriptionView, estate: EstateView) -> Mapping[str, Any]:
    if site.source.kind == "release" and site.source.release is not None:
        return {"kind": "release", "release": site.source.release}
    inputs = starter_inputs(kind, site, subscription, estate)
    return {
        "kind": "starter",
        "release": starter.release_id(inputs),
        "render": partial(starter.render, inputs),  # called by who keeps releases, when the host wants the content
    }


def starter_inputs(kind: SiteKind, site: Site, subscription: SubscriptionView, estate: EstateView) -> Mapping[str, Any]:
    """What the first home page of a site says."""
    names = subscription.tenant.names
    return {
        "kind": kind.id,
        "main": site.main,
        "title_zh": site.title.zh,
        "title_en": site.title.en,
        "tenant_zh": names.zh,
        "tenant_en": names.en,
        "portal_zh": estate.title.zh,
        "portal_en": estate.title.en,
        "marks": {"organiser": names.zh} | site.marks.model_dump(exclude_none=True),
    }


def audience_of(own: str, shared_with: Sequence[str], estate: EstateView) -> tuple[str, ...]:
    """Codes of the other tenants that an internal site is shared with, sorted; `*` stands for all with a network."""
    if "*" in shared_with:
        codes = {tenant.code for tenant in estate.tenants.values() if tenant.network_index is not None}
    else:
        codes = set(shared_with)
    return tuple(sorted(codes - {own}))


def networks_of(codes: Sequence[str], estate: EstateView) -> list[str]:
    """IPv4 and IPv6 prefixes of these tenants, neighbours joined; a code without a network adds none."""
    v4: list[IPv4Network] = []
    v6: list[IPv6Network] = []
    for code in codes:
        tenant = estate.tenants.get(code)
        if tenant is None or tenant.network_index is None:
            continue
        segment = estate.plan.tenant(tenant.network_index)
        v4.append(segment.v4)
        v6.append(segment.v6)
    return [*map(str, collapse_addresses(v4)), *map(str, collapse_addresses(v6))]
