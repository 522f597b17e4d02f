"""What internal websites are made of, and which of their wishes cannot be met."""

from __future__ import annotations

from control_plane.model.errors import Problem
from control_plane.model.names import to_unicode
from control_plane.model.offering import Claim, EstateView, SubscriptionView
from control_plane.model.resource import Resource
from control_plane.model.site import preview_name
from control_plane.model.site_sign_in import EVERYBODY, Gate
from control_plane.model.text import t
from control_plane.offerings._site.kind import INTRANET, intra_zone
from control_plane.offerings._site.resources import site_resources
from control_plane.offerings._site.rules import check_shared, check_sites, claim_names
from control_plane.offerings.intranet.form import IntranetSite, IntranetSites

#: Departments that one rule may name; more are better said as all of them.
MOST_NAMED = 200


def _spec(subscription: SubscriptionView) -> IntranetSites:
    spec: IntranetSites = subscription.spec
    return spec


def check(subscription: SubscriptionView, estate: EstateView) -> list[Problem]:
    """Names outside the tenant's own label, doubles, too many sites, tenants that cannot be shared with, rules of
    sign-in that nobody could meet."""
    sites = _spec(subscription).sites
    problems = check_sites(INTRANET, sites, subscription, estate)
    for index, site in enumerate(sites):
        problems += check_shared(index, site.shared_with, subscription, estate)
        problems += _check_sign_in(index, site, subscription, estate)
    return problems


def _check_sign_in(index: int, site: IntranetSite, subscription: SubscriptionView, estate: EstateView) -> list[Problem]:
    """What is wrong with who may read a site after a sign-in."""
    field = f"sites[{index}]"
    if site.sign_in != "groups" and site.groups:
        return [
            Problem(
                "groups-without-sign-in",
                t("Groups are named, but the website does not ask for them."),
                t("Choose that only members of groups may read it, or leave the groups out."),
                field=f"{field}.groups",
            )
        ]
    if site.sign_in == "none":
        return []
    code = subscription.tenant.code
    directory = estate.specs.get(f"{code}/directory")
    if directory is None:
        return [
            Problem(
                "nobody-to-sign-in",
                t("{code} has no accounts in the directory, so nobody of it could sign in.", code=code),
                t("Ask for the directory first, or do not ask for sign-in."),
                field=f"{field}.sign_in",
            )
        ]
    if site.sign_in == "department":
        return _check_departments(field, site)
    if not site.groups:
        return [
            Problem(
                "no-group",
                t("Only members of groups shall read it, but no group is named."),
                t("Name a group, or let everybody of the department read it."),
                field=f"{field}.groups",
            )
        ]
    known = sorted(str(group.get("name")) for group in directory.get("groups", ()))
    problems = [
        Problem(
            "unknown-group",
            t("There is no group {group} in {code}.", group=group, code=code),
            t("Its groups are: {groups}.", groups=", ".join(known[:20]) or "–"),
            field=f"{field}.groups[{number}]",
        )
        for number, group in enumerate(site.groups)
        if group not in known
    ]
    if site.shared_with:
        problems.append(
            Problem(
                "shared-with-nobody",
                t(
                    "People of other departments reach {name}, but are in none of its groups.",
                    name=to_unicode(site.main),
                ),
                t("Share it with nobody, or let whole departments read it."),
                field=f"{field}.shared_with",
                severity="warning",
            )
        )
    return problems


def _check_departments(field: str, site: IntranetSite) -> list[Problem]:
    if EVERYBODY in site.shared_with or len(site.shared_with) <= MOST_NAMED:
        return []
    return [
        Problem(
            "too-many-departments",
            t(
                "{count} departments are named; with sign-in {limit} can be.",
                count=len(site.shared_with),
                limit=MOST_NAMED,
            ),
            t("Name fewer, or all with *."),
            field=f"{field}.shared_with",
        )
    ]


def gate_of(site: IntranetSite, subscription: SubscriptionView, estate: EstateView) -> Gate | None:
    """Who may read a site after a sign-in; None when it asks nobody."""
    own = subscription.tenant.code
    if site.sign_in == "none":
        return None
    if site.sign_in == "groups":
        return Gate(estate.console, (own,), tuple(sorted(set(site.groups))))
    everybody = EVERYBODY in site.shared_with
    return Gate(estate.console, (EVERYBODY,) if everybody else tuple(sorted({own, *site.shared_with})))


def entrances(subscription: SubscriptionView, estate: EstateView) -> list[str]:
    """Names at which visitors are sent to the sign-in, previews included."""
    found: list[str] = []
    for site in _spec(subscription).sites:
        if site.sign_in != "none":
            found += [site.main, *site.aliases]
            if site.preview is not None:
                found.append(preview_name(site.main, INTRANET.zone(estate), intra_zone(estate)))
    return found


def claims(subscription: SubscriptionView, estate: EstateView) -> list[Claim]:
    """Every name of every site."""
    return claim_names(INTRANET, _spec(subscription).sites, estate)


def desired(subscription: SubscriptionView, estate: EstateView) -> list[Resource]:
    """Record sets in the internal zone, certificates, releases and closed vhosts, sorted by id."""
    resources = [
        resource
        for site in _spec(subscription).sites
        for resource in site_resources(
            INTRANET, site, subscription, estate, site.shared_with, gate_of(site, subscription, estate)
        )
    ]
    return sorted(resources, key=lambda r: r.id)
