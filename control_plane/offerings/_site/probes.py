"""How the promises of sites are measured: names, pages on both address families, redirects, and closed doors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from control_plane.model.names import to_unicode
from control_plane.model.offering import EstateView, SubscriptionView
from control_plane.model.ports import Probe
from control_plane.model.site import preview_name
from control_plane.model.text import Text, t
from control_plane.offerings._site.form import Site
from control_plane.offerings._site.kind import INTRANET, PUBLIC, SiteKind, intra_zone
from control_plane.offerings._site.resources import CAA, audience_of
from control_plane.offerings.vantage import CITIZEN, name_servers, stranger_to, workstation_of

MAINTENANCE_STATUS = 503
#: A visitor who has not signed in is sent to the sign-in, and sees nothing.
SIGN_IN_STATUS = 302


def _probe(
    subscription: SubscriptionView, main: str, what: str, kind: str, vantage: str, title: Text, spec: dict[str, Any]
) -> Probe:
    return Probe(
        id=f"{subscription.id}/{main}/{what}",
        kind=kind,
        vantage=vantage,
        tenant=subscription.tenant.code,
        offering=subscription.offering,
        title=title,
        spec=spec,
    )


def dns_probe(kind: SiteKind, site: Site, subscription: SubscriptionView, estate: EstateView, vantage: str) -> Probe:
    """All names of a site give the wanted answers at both name servers."""
    v4, v6 = kind.addresses(estate)
    checks: list[list[Any]] = []
    for name in (site.main, *site.aliases):
        checks += [[name, "A", v4], [name, "AAAA", v6]]
    if kind.public:
        checks.append([site.main, "CAA", list(CAA)])
    title = t("{name} resolves at both name servers", name=to_unicode(site.main))
    spec = {"servers": name_servers(vantage, estate), "checks": checks}
    return _probe(subscription, site.main, "names", "dns", vantage, title, spec)


def page_probes(
    kind: SiteKind, site: Site, subscription: SubscriptionView, vantage: str, *, asks: bool = False
) -> list[Probe]:
    """The home page over HTTPS on IPv4 and IPv6 with a verified certificate, each alias, and the redirect; `asks`:
    who has not signed in is sent to the sign-in instead."""
    status = MAINTENANCE_STATUS if site.maintenance else SIGN_IN_STATUS if asks else 200
    found: list[Probe] = []
    for family in (4, 6):
        title = t("{name} answers over HTTPS on IPv{family}", name=to_unicode(site.main), family=family)
        spec = {"url": f"https://{site.main}/", "family": family, "status": status}
        found.append(_probe(subscription, site.main, f"https{family}", "http", vantage, title, spec))
    for alias in site.aliases:
        title = t("{name} answers over HTTPS", name=to_unicode(alias))
        spec = {"url": f"https://{alias}/", "family": 4, "status": status}
        found.append(_probe(subscription, site.main, f"alias:{alias}", "http", vantage, title, spec))
    title = t("{name} sends plain HTTP on to HTTPS", name=to_unicode(site.main))
    spec = {"url": f"http://{site.main}/", "family": 4, "status": 301, "location": f"https://{site.main}/"}
    found.append(_probe(subscription, site.main, "redirect", "http", vantage, title, spec))
    return found


def preview_probe(
    kind: SiteKind, site: Site, subscription: SubscriptionView, estate: EstateView, *, asks: bool = False
) -> list[Probe]:
    """The preview address answers in the tenant's own network while a preview is shown; `asks` as above."""
    own = workstation_of(subscription.tenant.code, estate)
    if site.preview is None or own is None:
        return []
    name = preview_name(site.main, kind.zone(estate), intra_zone(estate))
    title = t("The preview {name} answers over HTTPS", name=to_unicode(name))
    spec = {"url": f"https://{name}/", "family": 4, "status": SIGN_IN_STATUS if asks else 200}
    return [_probe(subscription, site.main, "preview", "http", own, title, spec)]


def closed_probes(
    site: Site, subscription: SubscriptionView, estate: EstateView, shared_with: Sequence[str]
) -> list[Probe]:
    """An internal site does not open from a tenant it is not shared with, nor from outside by name or address."""
    own, main, shown = subscription.tenant.code, site.main, to_unicode(site.main)
    found: list[Probe] = []
    stranger = stranger_to(own, frozenset(audience_of(own, shared_with, estate)), estate)
    inside = [address for addresses in INTRANET.addresses(estate) for address in addresses]
    outside = [address for addresses in PUBLIC.addresses(estate) for address in addresses]
    if stranger is not None:
        title = t("{name} is closed to {tenant}", name=shown, tenant=stranger)
        spec: dict[str, Any] = {"url": f"https://{main}/", "addresses": inside}
        found.append(_probe(subscription, main, "closed", "http_closed", stranger, title, spec))
    title = t("{name} is closed from outside", name=shown)
    spec = {"url": f"https://{main}/", "addresses": [*outside, *inside]}
    found.append(_probe(subscription, main, "outside", "http_closed", CITIZEN, title, spec))
    title = t("{name} is unknown outside", name=shown)
    spec = {"servers": name_servers(CITIZEN, estate), "checks": [[main, "A", None]]}
    found.append(_probe(subscription, main, "unknown", "dns", CITIZEN, title, spec))
    return found
