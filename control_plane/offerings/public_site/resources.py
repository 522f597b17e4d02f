"""What public websites are made of, and which of their wishes cannot be met."""

from __future__ import annotations

from control_plane.model.errors import Problem
from control_plane.model.offering import Claim, EstateView, SubscriptionView
from control_plane.model.resource import Resource
from control_plane.model.text import Listed, t
from control_plane.offerings._site.form import ascii_name
from control_plane.offerings._site.kind import PUBLIC
from control_plane.offerings._site.questions import MARKS
from control_plane.offerings._site.resources import site_resources
from control_plane.offerings._site.rules import check_lends, check_sites, claim_names
from control_plane.offerings.public_site.form import PublicSites


def _spec(subscription: SubscriptionView) -> PublicSites:
    spec: PublicSites = subscription.spec
    return spec


#: What has to stand in the footer, as the form calls it.
NEEDED = {
    name: next(ask.label for ask in MARKS.asks if ask.path == f"marks.{name}")
    for name in ("organiser", "icp", "police", "site_code")
}


def check(subscription: SubscriptionView, estate: EstateView) -> list[Problem]:
    """Names outside the tenant's own label that nobody lends it, doubles, too many sites, what cannot be lent; missing
    footer marks as warnings."""
    sites = _spec(subscription).sites
    problems = check_sites(PUBLIC, sites, subscription, estate)
    lends = [(ascii_name(one.name), one.to) for one in _spec(subscription).lends]
    problems += check_lends(PUBLIC, lends, subscription, estate)
    for index, site in enumerate(sites):
        missing = [label for name, label in NEEDED.items() if getattr(site.marks, name) is None]
        if missing:
            problems.append(
                Problem(
                    "marks-missing",
                    t("The footer of a public site must show {names}.", names=Listed(missing)),
                    t("Fill them in before the site goes live to the public."),
                    field=f"sites[{index}].marks",
                    severity="warning",
                )
            )
    return problems


def claims(subscription: SubscriptionView, estate: EstateView) -> list[Claim]:
    """Every name of every site."""
    return claim_names(PUBLIC, _spec(subscription).sites, estate)


def desired(subscription: SubscriptionView, estate: EstateView) -> list[Resource]:
    """Record sets, certificates, releases and vhosts, sorted by id."""
    resources = [r for site in _spec(subscription).sites for r in site_resources(PUBLIC, site, subscription, estate)]
    return sorted(resources, key=lambda r: r.id)
