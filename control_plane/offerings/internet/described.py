"""What the workflow asks of this offering beside resources and promises; see `InternetRules` in the model."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from control_plane.model.client_internet import SheetFormat, Wish
from control_plane.model.errors import Invalid, Problem, ProblemError
from control_plane.model.internet import RULE_OTHERWISE
from control_plane.model.offering import EstateView, SubscriptionView
from control_plane.model.text import t
from control_plane.offerings.internet.entries import covers, fold, parse
from control_plane.offerings.internet.pac import goes_direct, pac_address, proxy_address
from control_plane.offerings.internet.policy import Policy, policy_changes, policy_of, shipped
from control_plane.offerings.internet.resources import agreed_peers, check, network_policy, proxy_policy
from control_plane.offerings.internet.rules import verdict

__all__ = [
    "addresses",
    "agreed_peers",
    "changed",
    "check",
    "expect",
    "later",
    "network_policy",
    "opening",
    "policy_changes",
    "policy_form",
    "proxy_policy",
    "sheet",
    "shipped",
]
STEP = 10
policy_form = Policy


def addresses(estate: EstateView) -> Mapping[str, str]:
    """See `InternetRules`."""
    why = f"http://why.intra.{estate.domain}/"
    return {"proxy": proxy_address(estate), "pac_url": pac_address(estate), "why_url": why}


def expect(subscription: SubscriptionView, estate: EstateView, url: str) -> Mapping[str, Any]:
    """See `InternetRules`."""
    host = urlsplit(url).hostname or ""
    if goes_direct(network_policy(subscription, estate), estate, url):
        return {"way": "direct", "host": host, "action": None, "rule": None, "depends": []}
    said = verdict(proxy_policy(subscription, estate), host)
    return {"way": "proxy", "host": host, "action": said.action, "rule": said.rule, "depends": list(said.depends)}


def changed(spec: Mapping[str, Any], wish: Wish, today: str) -> dict[str, Any]:
    """See `InternetRules`. Hosts to block or to allow leave the tenant's rules that say the opposite and become one new
    rule each: before a rule of the tenant that would decide otherwise about one of them, else after all."""
    problems = [
        Problem(e.problem.code, e.problem.text, e.problem.remedy, field=f"{field}[{index}]")
        for field, entries in (("block", wish.block), ("allow", wish.allow), ("remove", wish.remove))
        for index, entry in enumerate(entries)
        if (e := _fault(entry)) is not None
    ]
    problems += [
        Problem(
            "both", t("“{entry}” is to be blocked and allowed.", entry=entry), t("Name it once."), field=f"allow[{n}]"
        )
        for n, entry in enumerate(wish.allow)
        if not problems and any(_same(entry, other) for other in wish.block)
    ]
    if problems:
        raise Invalid(problems)
    made = copy.deepcopy(dict(spec))
    if wish.enabled is not None:
        made["enabled"] = wish.enabled
    rules = [rule for row in made.get("rules", ()) if (rule := _without(row, wish)) is not None]
    if wish.remove:
        listed = [row.get("hosts") or () for row in made.get("rules", ())]
        problems += [
            Problem(
                "not-listed",
                t("“{entry}” is in no rule of the tenant.", entry=entry),
                t("See gasp internet show for its rules."),
                field=f"remove[{index}]",
            )
            for index, entry in enumerate(wish.remove)
            if not any(_taken(hosts, entry) for hosts in listed)
        ]
    if problems:
        raise Invalid(problems)
    for action, entries in (("block", wish.block), ("allow", wish.allow)):
        rules = [row for rule in rules if (row := _yielding(rule, action, entries)) is not None]
        before = min((rule["number"] for rule in rules if _decides_otherwise(rule, action, entries)), default=None)
        if fresh := [entry for entry in entries if not any(_holds(r, action, entry, before) for r in rules)]:
            number = _number({rule["number"] for rule in rules}, before)
            reason = {"zh": wish.reason_zh or wish.reason_en, "en": wish.reason_en or wish.reason_zh}
            rules.append({"number": number, "action": action, "hosts": fresh, "since": today, "reason": reason})
    if rules or "rules" in made:
        made["rules"] = rules
    return made


def later(subscription: SubscriptionView, estate: EstateView) -> frozenset[str]:
    """See `InternetRules`."""
    return frozenset(rule["id"] for rule in policy_of(subscription, estate).last)


def opening(
    spec: Mapping[str, Any], code: str, host: str, rule: str, today: str, last: Collection[str]
) -> dict[str, Any] | None:
    """See `InternetRules`. The new rule has a number of its own, just before a rule of the tenant that refused it."""
    mine = rule.removeprefix(f"{code}-")
    own = mine != rule and mine.isdecimal()
    if not own and rule not in {RULE_OTHERWISE, f"{code}/{RULE_OTHERWISE}", *last}:
        return None
    problem = _fault(host)
    if problem is not None:
        raise Invalid([Problem(problem.problem.code, problem.problem.text, problem.problem.remedy, field="host")])
    made = copy.deepcopy(dict(spec))
    rules = [dict(row) for row in made.get("rules") or ()]
    if any(row.get("action") == "allow" and host in row.get("hosts", ()) for row in rules):
        return made
    used = {row.get("number") for row in rules}
    after = max((n for n in used if isinstance(n, int)), default=0) // STEP * STEP + STEP
    number = next((n for n in range(int(mine) - 1, 0, -1) if n not in used), None) if own else after
    if number is None:
        return None
    fresh = {"number": number, "action": "allow", "hosts": [host], "since": today, "reason": {"zh": "", "en": ""}}
    made["rules"] = [*rules, fresh]
    return made


def _fault(entry: str) -> ProblemError | None:
    try:
        parse(entry)
    except ProblemError as error:
        return error
    return None


def _without(rule: Mapping[str, Any], wish: Wish) -> dict[str, Any] | None:
    """A rule without the hosts to be removed; None when nothing is left of it."""
    hosts = rule.get("hosts")
    if not hosts or not wish.remove:
        return dict(rule)
    gone = {host for entry in wish.remove for host in _taken(hosts, entry)}
    left = [host for host in hosts if host not in gone]
    return {**rule, "hosts": left} if left else None


def _same(one: str, other: str) -> bool:
    return parse(one).texts == parse(other).texts


def _yielding(rule: dict[str, Any], action: str, entries: Sequence[str]) -> dict[str, Any] | None:
    """A rule without hosts about which the opposite is wished now; None when nothing is left of it."""
    hosts = rule.get("hosts")
    if not hosts or rule["action"] == action:
        return rule
    left = [host for host in hosts if not any(_same(host, entry) for entry in entries)]
    return {**rule, "hosts": left} if left else None


def _decides_otherwise(rule: Mapping[str, Any], action: str, entries: Sequence[str]) -> bool:
    """Whether a rule says the opposite about more than one of these hosts alone; a category may hold any of them."""
    if not entries or rule["action"] == action:
        return False
    hosts = rule.get("hosts")
    return not hosts or any(covers(parse(host), parse(entry)) for host in hosts for entry in entries)


def _holds(rule: Mapping[str, Any], action: str, entry: str, before: int | None) -> bool:
    """Whether this is so already, at any hour."""
    first = before is None or rule["number"] < before
    return (
        first
        and rule["action"] == action
        and not rule.get("hours")
        and any(_same(host, entry) for host in rule.get("hosts") or ())
    )


def _number(used: Collection[int], before: int | None) -> int:
    """A free number before one, else the next round one after all. Raises Invalid."""
    if before is None:
        return max(used, default=0) // STEP * STEP + STEP
    free = next((number for number in range(before - 1, 0, -1) if number not in used), None)
    if free is None:
        text = t("Rule {number} of the tenant decides first, and there is no number before it.", number=before)
        raise Invalid([Problem("no-room", text, t("Give that rule a greater number in the tenant's document."))])
    return free


def _taken(hosts: Sequence[str], entry: str) -> list[str]:
    """The hosts of one rule that go with an entry: those that are the same, and where the rule shows the entry those
    that were folded into it as well."""
    wanted = parse(entry)
    if set(wanted.texts) <= set(fold(hosts)[0]):
        return [host for host in hosts if covers(wanted, parse(host))]
    return [host for host in hosts if set(parse(host).texts) & set(wanted.texts)]


def sheet(subscription: SubscriptionView, estate: EstateView, as_of: str, form: SheetFormat) -> bytes:
    """See `InternetRules`."""
    from control_plane.offerings.internet.sheet import as_html, as_pdf, as_text, facts

    made = facts(subscription, estate, as_of)
    match form:
        case "html":
            return as_html(made).encode()
        case "text":
            return as_text(made).encode()
        case "pdf":
            return as_pdf(made)
