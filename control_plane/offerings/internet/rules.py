"""A department's proxy rules in their order, and what they say about a host: pure, for plans, probes and previews."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from control_plane.model.internet import RULE_OFF, RULE_OTHERWISE, ProxyPolicy, ProxyRule
from control_plane.model.offering import EstateView, SubscriptionView
from control_plane.offerings.internet.entries import fold, is_name
from control_plane.offerings.internet.form import InternetAccess, Rule
from control_plane.offerings.internet.policy import ordered, policy_of

CHECK = "centre-check"
#: Since when the address for trying refusals is refused.
SINCE = "2026-11-01"


def check_host(domain: str) -> str:
    """A name that the centre refuses to everybody, so that refusing and explaining can be tried at any time."""
    return f"refused.why.intra.{domain}"


def rule_id(code: str, rule: Rule) -> str:
    """`fgw-10`: whose rule and which number."""
    return f"{code}-{rule.number}"


def rules_of(subscription: SubscriptionView, estate: EstateView) -> list[ProxyRule]:
    """All rules in the order in which they are tried: the centre's first, the department's, the centre's last."""
    spec: InternetAccess = subscription.spec
    check = ProxyRule(
        id=CHECK,
        action="block",
        hosts=[check_host(estate.domain)],
        category=None,
        listed=None,
        hours=None,
        owner="centre",
        since=SINCE,
        reason_zh="此地址专供检验：拦截与说明是否正常",
        reason_en="This address is there to try that refusals work and are explained",
    )
    policy = policy_of(subscription, estate)
    rules = sorted(spec.rules, key=lambda r: r.number)
    own = [_own_rule(subscription.tenant.code, rule, policy.hashes) for rule in rules]
    return [*policy.first, check, *own, *policy.last]


def _own_rule(code: str, rule: Rule, hashes: Mapping[str, str]) -> ProxyRule:
    hours = rule.hours
    return ProxyRule(
        id=rule_id(code, rule),
        action=rule.action,
        hosts=fold(rule.hosts)[0],
        category=rule.category,
        listed=hashes[rule.category] if rule.category else None,
        hours={"days": ordered(hours.days), "begin": hours.begin, "end": hours.end} if hours else None,
        owner="tenant",
        since=rule.since.isoformat(),
        reason_zh=rule.reason.zh,
        reason_en=rule.reason.en,
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say about a host: for certain, or (`depends`) by time and by what is in a category."""

    action: str
    rule: str
    depends: tuple[str, ...] = ()


def verdict(policy: ProxyPolicy, host: str) -> Verdict:
    """The first rule that is certain to match, and those before it that may match (`depends`).

    `host` is an A-label name or an address.
    """
    if not policy["enabled"]:
        return Verdict("block", RULE_OFF)
    depends: list[str] = []
    for rule in policy["rules"]:
        if rule["category"] is not None or (rule["hours"] is not None and names_host(rule["hosts"], host)):
            depends.append(rule["id"])
        elif names_host(rule["hosts"], host):
            return Verdict(rule["action"], rule["id"], tuple(depends))
    return Verdict(policy["otherwise"], RULE_OTHERWISE, tuple(depends))


def names_host(hosts: Sequence[str], host: str) -> bool:
    """Whether folded entries name a host or address."""
    if is_name(host):
        return any(host == h or (h.startswith(".") and f".{host}".endswith(h)) for h in hosts if is_name(h))
    address = ip_address(host.strip("[]"))
    networks = [ip_network(h) for h in hosts if not is_name(h)]
    return any(address.version == n.version and address in n for n in networks)
