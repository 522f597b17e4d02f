"""What is promised of a public website, measured as a citizen: answers, page, redirect, on IPv4 and IPv6."""

from __future__ import annotations

from control_plane.model.offering import EstateView, SubscriptionView
from control_plane.model.ports import Probe
from control_plane.offerings._site.kind import PUBLIC
from control_plane.offerings._site.probes import dns_probe, page_probes, preview_probe
from control_plane.offerings.vantage import CITIZEN


def probes(subscription: SubscriptionView, estate: EstateView) -> list[Probe]:
    """All probes of a subscription's sites, from the `citizen` host."""
    return [
        probe
        for site in subscription.spec.sites
        for probe in (
            dns_probe(PUBLIC, site, subscription, estate, CITIZEN),
            *page_probes(PUBLIC, site, subscription, CITIZEN),
            *preview_probe(PUBLIC, site, subscription, estate),
        )
    ]
