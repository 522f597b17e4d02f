"""What internal websites are made of, and which of their wishes cannot be met."""

from __future__ import annotations

from control_plane.model.errors import Problem
from control_plane.model.offering import Claim, EstateView, SubscriptionView
from control_plane.model.resource import Resource
from control_plane.offerings._site.kind import INTRANET
from control_plane.offerings._site.resources import site_resources
from control_plane.offerings._site.rules import check_shared, check_sites, claim_names
from control_plane.offerings.intranet.form import IntranetSites


def _spec(subscription: SubscriptionView) -> IntranetSites:
    spec: IntranetSites = subscription.spec
    return spec


def check(subscription: SubscriptionView, estate: EstateView) -> list[Problem]:
    """Names outside the tenant's own label, doubles, too many sites, tenants that cannot be shared with."""
    sites = _spec(subscription).sites
    problems = check_sites(INTRANET, sites, subscription, estate)
    for index, site in enumerate(sites):
        problems += check_shared(index, site.shared_with, subscription, estate)
    return problems


def claims(subscription: SubscriptionView, estate: EstateView) -> list[Claim]:
    """Every name of every site."""
    return claim_names(INTRANET, _spec(subscription).sites, estate)


def desired(subscription: SubscriptionView, estate: EstateView) -> list[Resource]:
    """Record sets in the internal zone, certificates, releases and closed vhosts, sorted by id."""
    resources = [
        resource
        for site in _spec(subscription).sites
        for resource in site_resources(INTRANET, site, subscription, estate, site.shared_with)
    ]
    return sorted(resources, key=lambda r: r.id)
