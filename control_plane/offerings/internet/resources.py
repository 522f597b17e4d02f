"""What internet access is made of on the gateway, and which of its wishes cannot be met."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

from control_plane.model.errors import Problem
from control_plane.model.internet import NETWORK, PROXY, Contact, Direct, NetworkPolicy, Peer, ProxyPolicy
from control_plane.model.internet_words import gateway_label
from control_plane.model.nearest import nearest_tenant
from control_plane.model.network import GENERATED_V4, GENERATED_V6
from control_plane.model.offering import Claim, EstateView, SubscriptionView
from control_plane.model.resource import Resource
from control_plane.model.text import Text, t
from control_plane.offerings.internet.centre import TIERS
from control_plane.offerings.internet.entries import Network, fold, is_name, lookalike, network_text, parse, shown
from control_plane.offerings.internet.form import DirectAccess, InternetAccess, Rule
from control_plane.offerings.internet.pac import pac
from control_plane.offerings.internet.policy import policy_of
from control_plane.offerings.internet.rules import rules_of

#: Nothing of the internet: this host, links, groups, and what stands for no address.
_NOWHERE = tuple(
    map(
        ip_network,
        ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/128", "::1/128", "fe80::/10", "ff00::/8"),
    )
)
MIB = 2**20


def _spec(subscription: SubscriptionView) -> InternetAccess:
    spec: InternetAccess = subscription.spec
    return spec


def agreed_peers(subscription: SubscriptionView, estate: EstateView) -> tuple[list[str], list[str]]:
    """Codes of the tenants with which both sides agreed, and of those that have not said yes."""
    code = subscription.tenant.code
    agreed: list[str] = []
    waiting: list[str] = []
    for other in sorted(set(_spec(subscription).peers) - {code}):
        tenant = estate.tenants.get(other)
        if tenant is None or tenant.network_index is None:
            continue
        listed = estate.specs.get(f"{other}/{subscription.offering}", {}).get("peers", ())
        (agreed if isinstance(listed, list | tuple) and code in listed else waiting).append(other)
    return agreed, waiting


# problems ----------------------------------------------------------------------------------------------------
def check(subscription: SubscriptionView, estate: EstateView) -> list[Problem]:
    """Everything that cannot be met; as warnings what was folded, says nothing, or waits for another tenant."""
    if subscription.tenant.network_index is None:
        return [
            Problem(
                "no-network",
                t("The tenant has no network, so it cannot have internet access."),
                t("Give it a network index first."),
                field="enabled",
            )
        ]
    return [
        *_check_rules(subscription, policy_of(subscription, estate).closed),
        *_check_direct(subscription, estate),
        *_check_peers(subscription, estate),
        *_check_limits(subscription),
    ]


def _warning(code: str, text: Text, remedy: Text, field: str) -> Problem:
    return Problem(code, text, remedy, field=field, severity="warning")


def _check_rules(subscription: SubscriptionView, closed: frozenset[str]) -> Iterator[Problem]:
    rules, limit = _spec(subscription).rules, TIERS[subscription.tier]["own_hosts"]
    seen: set[int] = set()
    for index, rule in enumerate(rules):
        field = f"rules[{index}]"
        if rule.number in seen:
            yield Problem(
                "double-number",
                t("The number {number} is given twice.", number=rule.number),
                t("Give every rule a number of its own; the lowest is tried first."),
                field=f"{field}.number",
            )
        seen.add(rule.number)
        yield from _check_category(rule, field, closed)
        yield from _folded(rule.hosts, f"{field}.hosts")
        yield from _alike(rule.hosts, f"{field}.hosts")
    count = sum(len(fold(rule.hosts)[0]) for rule in rules)
    if count > limit:
        yield Problem(
            "too-many-hosts",
            t("The rules name {count} hosts; {limit} are allowed.", count=count, limit=limit),
            t("Name domains with a leading dot instead of single hosts, or ask the centre for a category."),
            field="rules",
        )


def _check_category(rule: Rule, field: str, closed: frozenset[str]) -> Iterator[Problem]:
    if rule.category in closed and rule.action == "allow":
        yield Problem(
            "forbidden-category",
            t("The centre closes “{category}” for everybody; a department cannot open it.", category=rule.category),
            t("Ask the centre if a site is in the wrong category."),
            field=f"{field}.category",
        )
    elif rule.category in closed:
        yield _warning(
            "closed-anyway",
            t("“{category}” is closed for everybody already; the rule changes nothing.", category=rule.category),
            t("Remove the rule."),
            f"{field}.category",
        )


def _folded(entries: Sequence[str], field: str) -> Iterator[Problem]:
    for row in fold(entries)[1]:
        yield _warning(
            "entry-folded",
            t("“{entry}” is covered by {into} and was folded into it.", entry=row.entry, into=row.into),
            t("Nothing needs to be done; remove it to have a shorter list."),
            field,
        )


def _alike(entries: Sequence[str], field: str) -> Iterator[Problem]:
    for entry, name in ((entry, lookalike(entry)) for entry in entries):
        if name is not None:
            yield _warning(
                "entry-lookalike",
                t("“{entry}” has Cyrillic or Greek letters, which look like Latin ones; it is {name}.",
                  entry=shown(entry), name=name),
                t("See whether that is the site that is meant."),
                field,
            )  # fmt: skip


def _check_direct(subscription: SubscriptionView, estate: EstateView) -> Iterator[Problem]:
    assert subscription.tenant.network_index is not None
    segment = estate.plan.tenant(subscription.tenant.network_index)
    for index, row in enumerate(_spec(subscription).direct):
        field = f"direct[{index}]"
        if row.source is not None:
            outside = [n for n in parse(row.source).networks if not _inside(n, (segment.v4, segment.v6))]
            if outside:
                yield Problem(
                    "source-outside",
                    t("{source} is not in the tenant's own network.", source=network_text(outside[0])),
                    t("Use addresses of {v4} or {v6}.", v4=segment.v4, v6=segment.v6),
                    field=f"{field}.source",
                )
        for place, target in enumerate(row.to):
            refused = _refused_target(target, estate)
            if refused is not None:
                yield Problem(
                    "target-inside",
                    refused,
                    t("Direct access is to hosts on the internet; services of the centre need none, and access to "
                      "another tenant is agreed on under “peers”."),
                    field=f"{field}.to[{place}]",
                )  # fmt: skip
        yield from _folded(row.to, f"{field}.to")


def _inside(network: Network, others: Sequence[Network]) -> bool:
    return any(network.version == o.version and network.subnet_of(o) for o in others)  # type: ignore[arg-type]


def _refused_target(target: str, estate: EstateView) -> Text | None:
    entry = parse(target)
    for name in entry.names:
        if name == estate.domain or name.endswith(f".{estate.domain}"):
            return t("{name} is a name of the centre.", name=name)
    own: tuple[IPv4Network | IPv6Network, ...] = (estate.plan.v4, estate.plan.v6, GENERATED_V4, GENERATED_V6)
    for network in entry.networks:
        if any(network.version == o.version and network.overlaps(o) for o in own):
            return t("{network} lies in the networks of the centre and its tenants, or contains them.",
                     network=network_text(network))  # fmt: skip
        if any(network.version == o.version and network.overlaps(o) for o in _NOWHERE):
            return t("{network} is not, or not only, on the internet.", network=network_text(network))
    return None


def _check_peers(subscription: SubscriptionView, estate: EstateView) -> Iterator[Problem]:
    code = subscription.tenant.code
    _, waiting = agreed_peers(subscription, estate)
    for index, other in enumerate(_spec(subscription).peers):
        field, tenant = f"peers[{index}]", estate.tenants.get(other)
        if other == code:
            yield Problem("peer-is-self", t("A tenant is connected with itself."), t("Remove the entry."), field=field)
        elif tenant is None:
            yield Problem(
                "unknown-tenant",
                t("There is no tenant {code}.", code=other),
                nearest_tenant(other, estate.tenants),
                field=field,
            )
        elif tenant.network_index is None:
            yield Problem(
                "peer-without-network",
                t("{code} has no network.", code=other),
                t("Remove the entry, or give it a network."),
                field=field,
            )
        elif other in waiting:
            yield _warning(
                "peer-not-agreed",
                t("{other} has not agreed yet, so {code} and {other} stay apart.", other=other, code=code),
                t("Ask {other} to list {code} under “peers” of its internet access.", other=other, code=code),
                field,
            )


def _check_limits(subscription: SubscriptionView) -> Iterator[Problem]:
    limits, tier = _spec(subscription).limits, TIERS[subscription.tier]
    month = None if limits.month_mib is None else limits.month_mib * MIB
    for field, wish, most in (
        ("up_kbit", limits.up_kbit, tier["up_kbit"]),
        ("down_kbit", limits.down_kbit, tier["down_kbit"]),
        ("month_mib", month, tier["month_octets"]),
    ):
        if wish is not None and wish > most:
            shown = most // MIB if field == "month_mib" else most
            yield Problem(
                "above-tier",
                t("Tier {tier} gives {limit} at most.", tier=subscription.tier, limit=shown),
                t("Lower it, or take a larger tier."),
                field=f"limits.{field}",
            )


# resources ---------------------------------------------------------------------------------------------------
def claims(subscription: SubscriptionView, estate: EstateView) -> list[Claim]:
    """None: nothing of it is unique in the city."""
    return []


def network_policy(subscription: SubscriptionView, estate: EstateView) -> NetworkPolicy:
    """What the gateway's firewall and shaper are told. Raises ValueError for a tenant without network."""
    spec, tier, code = _spec(subscription), TIERS[subscription.tier], subscription.tenant.code
    v4, v6 = estate.tenant_networks(code)
    peers = [Peer(tenant=c, v4=n[0], v6=n[1]) for c in agreed_peers(subscription, estate)[0]
             for n in [estate.tenant_networks(c)]]  # fmt: skip
    return NetworkPolicy(
        tenant=code,
        interface=code,
        v4=v4,
        v6=v6,
        enabled=spec.enabled,
        up_kbit=spec.limits.up_kbit or tier["up_kbit"],
        down_kbit=spec.limits.down_kbit or tier["down_kbit"],
        throttle_kbit=min(tier["throttle_kbit"], spec.limits.up_kbit or tier["up_kbit"],
                          spec.limits.down_kbit or tier["down_kbit"]),
        month_octets=spec.limits.month_mib * MIB if spec.limits.month_mib else tier["month_octets"],
        warn_percent=tier["warn_percent"],
        direct=_direct(spec.direct, (v4, v6)),
        peers=peers,
    )  # fmt: skip


def _direct(rows: Sequence[DirectAccess], lan: tuple[str, str]) -> list[Direct]:
    """One row for each source and target of the same family; a name may be of both."""
    found: set[tuple[str, str, str, str]] = set()
    for row in rows:
        sources = [network_text(n) for n in parse(row.source).networks] if row.source is not None else list(lan)
        for to in fold(row.to)[0]:
            family = None if is_name(to) else (6 if ":" in to else 4)
            found |= {
                (source, to, row.protocol, _ports(row.ports))
                for source in sources
                if family is None or (family == 6) == (":" in source)
            }
    return [
        Direct(source=source, to=to, protocol="udp" if protocol == "udp" else "tcp", ports=ports)
        for source, to, protocol, ports in sorted(found)
    ]


def _ports(ports: str) -> str:
    first, _, last = ports.strip().partition("-")
    return str(int(first)) if not last or int(first) == int(last) else f"{int(first)}-{int(last)}"


def proxy_policy(subscription: SubscriptionView, estate: EstateView) -> ProxyPolicy:
    """What the gateway's proxy is told. Raises ValueError for a tenant without network."""
    spec, tenant = _spec(subscription), subscription.tenant
    v4, v6 = estate.tenant_networks(tenant.code)
    return ProxyPolicy(
        tenant=tenant.code,
        policy=policy_of(subscription, estate).number,
        name_zh=tenant.names.zh,
        name_en=tenant.names.en,
        contact=exception_contact(subscription),
        pac=pac(tenant.code, _direct(spec.direct, (v4, v6)), (v4, v6), estate),
        v4=v4,
        v6=v6,
        enabled=spec.enabled,
        otherwise=spec.otherwise,
        rules=rules_of(subscription, estate),
    )


def exception_contact(subscription: SubscriptionView) -> Contact:
    """Whom to ask: the contact of the form, else the telephone of the department's technical contact, without a
    person's name, because the page that shows it is open to the whole department."""
    given, contacts = _spec(subscription).contact, subscription.tenant.contacts
    if given is not None:
        return Contact(name=given.name, phone=given.phone or "", email=given.email or "")
    phones = [c.phone for role in ("technical", "liaison") for c in contacts if c.role == role and c.phone]
    return Contact(name="", phone=phones[0] if phones else "", email="")


def desired(subscription: SubscriptionView, estate: EstateView) -> list[Resource]:
    """The tenant's rules on the gateway, sorted by id; none where no gateway is known."""
    code = subscription.tenant.code
    if subscription.tenant.network_index is None:
        raise ValueError(f"tenant {code} has no network")
    gateways = estate.hosts.get("gateway", ())
    made: list[Resource] = []
    for host in gateways[:1]:
        part = f"gateway:{host.name}"
        network, proxy = network_policy(subscription, estate), proxy_policy(subscription, estate)
        lists = policy_of(subscription, estate).lists
        named = {rule["listed"] for rule in proxy["rules"] if rule["listed"]}
        made += [
            Resource(f"gateway:{code}/network", NETWORK, part, subscription.owner, dict(network),
                     label=gateway_label(NETWORK, code).render("en"),
                     audience=tuple(peer["tenant"] for peer in network["peers"])),
            Resource(f"gateway:{code}/proxy", PROXY, part, subscription.owner, dict(proxy),
                     label=gateway_label(PROXY, code).render("en"),
                     payload={"lists": {name: lists[name] for name in sorted(named)}}),
        ]  # fmt: skip
    return sorted(made, key=lambda resource: resource.id)
