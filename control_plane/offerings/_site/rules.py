"""Rules of sites that need the estate: whose a name is, how many sites a tier has, who it is shared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from control_plane.model.errors import Problem
from control_plane.model.names import RESERVED_LABELS, name_both, to_unicode
from control_plane.model.offering import Claim, EstateView, SubscriptionView
from control_plane.model.site import PREVIEW_PREFIX, preview_name
from control_plane.model.tenant import Tier
from control_plane.model.text import Text, t
from control_plane.offerings._site.form import Site, ascii_name
from control_plane.offerings._site.kind import SiteKind, intra_zone

#: Suffixes that a government site's name has on the real internet (`xn--zfr164b` is 政务); `.test` is for the lab.
OFFICIAL_SUFFIXES = ("gov.cn", "xn--zfr164b", "test")
GIB = 1 << 30
#: storage_bytes: unpacked size of one release; requests_per_second: of one site, over all visitors.
TIERS: Mapping[Tier, Mapping[str, int]] = {
    "S": {"sites": 3, "storage_bytes": 5 * GIB, "requests_per_second": 20},
    "M": {"sites": 10, "storage_bytes": 20 * GIB, "requests_per_second": 100},
    "L": {"sites": 30, "storage_bytes": 100 * GIB, "requests_per_second": 500},
}


def typed_names(site: Site, index: int) -> list[tuple[str, str]]:
    """(field, A-label name) of every name as typed, the main name first."""
    base = f"sites[{index}].names"
    return [
        (f"{base}.main", site.main),
        *((f"{base}.aliases[{i}]", ascii_name(name)) for i, name in enumerate(site.names.aliases)),
    ]


def check_sites(
    kind: SiteKind, sites: Sequence[Site], subscription: SubscriptionView, estate: EstateView
) -> list[Problem]:
    """Every problem of the names and numbers of a subscription's sites."""
    problems: list[Problem] = []
    limit = TIERS[subscription.tier]["sites"]
    if len(sites) > limit:
        problems.append(
            Problem(
                "too-many-sites",
                t(
                    "There are {count} sites; tier {tier} has {limit}.",
                    count=len(sites),
                    tier=subscription.tier,
                    limit=limit,
                ),
                t("Choose a larger tier or remove sites."),
                field="sites",
            )
        )
    if not all(kind.addresses(estate)):
        problems.append(
            Problem(
                "no-host",
                t("The centre has no host with an IPv4 and an IPv6 address for the role {role}.", role=kind.role),
                t("Add the host to the topology first."),
                field="sites",
            )
        )
    first: dict[str, int] = {}
    for index, site in enumerate(sites):
        for field, name in typed_names(site, index):
            if name in first:
                problems.append(_double(None if first[name] == index else sites[first[name]].main, field, name))
                continue
            first[name] = index
            problems += _place(kind, name, field, subscription, estate)
    return problems + (_official(sites, estate) if kind.public else [])


def _double(other: str | None, field: str, name: str) -> Problem:
    """A name that another site has (its main name), or with None the same site."""
    shown = name_both(name)
    if other is None:
        return Problem(
            "double-name",
            t("{name} is named twice; it is kept once.", name=shown),
            t("Nothing needs to be done; the line may be removed."),
            field=field,
            severity="warning",
        )
    return Problem(
        "name-of-two-sites",
        t("{name} is already a name of the website {other}.", name=shown, other=to_unicode(other)),
        t("Give every site names of its own."),
        field=field,
    )


def _place(kind: SiteKind, name: str, field: str, subscription: SubscriptionView, estate: EstateView) -> list[Problem]:
    zone = kind.zone(estate)
    own = f"{subscription.tenant.code}.{zone}"
    if not _lies_in(own, name) and not lent(name, zone, subscription, estate):
        return [_not_own(name, own, t("Use {own} or a name below it.", own=own), field)]
    top = name.removesuffix(f".{zone}").rpartition(".")[2]
    if top in RESERVED_LABELS:
        return [
            Problem(
                "reserved-name",
                t("“{label}” is reserved for the centre below {zone}.", label=top, zone=zone),
                t("Choose another code or name."),
                field=field,
            )
        ]
    if not kind.public and name.startswith(PREVIEW_PREFIX):
        return [
            Problem(
                "reserved-name",
                t("{name} begins with “{prefix}”, which is kept for previews.", name=name, prefix=PREVIEW_PREFIX),
                t("Choose another first label."),
                field=field,
            )
        ]
    return []


def _lies_in(own: str, name: str) -> bool:
    return name == own or name.endswith(f".{own}")


def _not_own(name: str, own: str, remedy: Text, field: str) -> Problem:
    text = t("{name} does not lie in {own}, where the names of this tenant live.", name=name, own=own)
    return Problem("not-own-name", text, remedy, field=field)


def lent(name: str, zone: str, subscription: SubscriptionView, estate: EstateView) -> bool:
    """Whether the tenant in whose part of the zone this name lies lends it to this one: both wish it."""
    owner = name.removesuffix(f".{zone}").rpartition(".")[2]
    return any(
        ascii_name(item["name"]) == name and item["to"] == subscription.tenant.code
        for item in estate.specs.get(f"{owner}/{subscription.offering}", {}).get("lends", ())
    )


def check_lends(
    kind: SiteKind, lends: Sequence[tuple[str, str]], subscription: SubscriptionView, estate: EstateView
) -> list[Problem]:
    """Every problem of (A-label name, tenant) that a subscription lends."""
    problems: list[Problem] = []
    own = f"{subscription.tenant.code}.{kind.zone(estate)}"
    for index, (name, code) in enumerate(lends):
        field = f"lends[{index}]"
        if not _lies_in(own, name):
            problems.append(_not_own(name, own, t("Lend names of your own."), f"{field}.name"))
        if code not in estate.tenants or code == subscription.tenant.code:
            text = t("“{code}” is no other tenant.", code=code)
            problems.append(Problem("no-tenant", text, t("See gasp tenants list."), field=f"{field}.to"))
    return problems


def _official(sites: Sequence[Site], estate: EstateView) -> list[Problem]:
    """Rules of 2017 and 2018 for government sites, as warnings: the suffix, and one Chinese + one English main name."""
    problems: list[Problem] = []
    if not any(estate.domain == s or estate.domain.endswith(f".{s}") for s in OFFICIAL_SUFFIXES):
        problems.append(
            Problem(
                "unofficial-suffix",
                t("{domain} ends neither in .gov.cn nor in .政务.", domain=estate.domain),
                t("Government sites should use one of these suffixes."),
                field="sites",
                severity="warning",
            )
        )
    for chinese in (False, True):
        mains = [s.main for s in sites if s.main.startswith("xn--") is chinese]
        if len(mains) > 1:
            problems.append(
                Problem(
                    "several-main-names",
                    t("There are {count} main names of one kind: {names}.", count=len(mains), names=", ".join(mains)),
                    t("A unit should have one site, with one English and one Chinese main name."),
                    field="sites",
                    severity="warning",
                )
            )
    return problems


def check_shared(
    site_index: int, shared_with: Sequence[str], subscription: SubscriptionView, estate: EstateView
) -> list[Problem]:
    """Problems of an internal site's list of tenants; `*` means every tenant with a network."""
    problems: list[Problem] = []
    for i, code in enumerate(shared_with):
        field = f"sites[{site_index}].shared_with[{i}]"
        tenant = estate.tenants.get(code)
        if code == "*":
            continue
        if tenant is None:
            problems.append(
                Problem(
                    "unknown-tenant",
                    t("There is no tenant {code}.", code=code),
                    t("Use the code of a tenant of this centre, or * for all of them."),
                    field=field,
                )
            )
        elif tenant.network_index is None:
            problems.append(
                Problem(
                    "tenant-without-network",
                    t("{code} has no network from which the site could be read.", code=code),
                    t("Remove it from the list."),
                    field=field,
                )
            )
    if subscription.tenant.network_index is None:
        problems.append(
            Problem(
                "tenant-without-network",
                t("{code} has no network from which the site could be read.", code=subscription.tenant.code),
                t("Give the tenant a network first."),
                field=f"sites[{site_index}]",
            )
        )
    return problems


def claim_names(kind: SiteKind, sites: Sequence[Site], estate: EstateView) -> list[Claim]:
    """Each name once, with the preview addresses in use."""
    claims: dict[str, Claim] = {}
    for index, site in enumerate(sites):
        for field, name in typed_names(site, index):
            claims.setdefault(name, Claim("dns_name", name, field))
        if site.preview is not None:
            name = preview_name(site.main, kind.zone(estate), intra_zone(estate))
            claims.setdefault(name, Claim("dns_name", name, f"sites[{index}].preview"))
    return list(claims.values())
