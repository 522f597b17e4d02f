"""What is promised of an internal website: open from its own workstation, closed to everybody it is not shared with."""

from __future__ import annotations

from control_plane.model.offering import EstateView, SubscriptionView
from control_plane.model.ports import Probe
from control_plane.offerings._site.kind import INTRANET
from control_plane.offerings._site.probes import closed_probes, dns_probe, page_probes, preview_probe
from control_plane.offerings.vantage import workstation_of


def probes(subscription: SubscriptionView, estate: EstateView) -> list[Probe]:
    """Probes from the tenant's own workstation (where there is one), a stranger's, and the citizen."""
    own = workstation_of(subscription.tenant.code, estate)
    found: list[Probe] = []
    for site in subscription.spec.sites:
        if own is not None:
            found.append(dns_probe(INTRANET, site, subscription, estate, own))
            found += page_probes(INTRANET, site, subscription, own, asks=site.sign_in != "none")
        found += closed_probes(site, subscription, estate, site.shared_with)
        found += preview_probe(INTRANET, site, subscription, estate, asks=site.sign_in != "none")
    return found
