"""How requests for internet access are treated: single hosts on a department's own list, within a limit and behind
everything that it closes itself, are agreed on beforehand; every other change is the security officer's too."""

from __future__ import annotations

from control_plane.model.change_class import ChangeRules
from control_plane.model.text import Text, t
from control_plane.offerings.internet.entries import parse
from control_plane.offerings.internet.form import InternetAccess, Rule

MOST_ENTRIES = 20


def _own_list(before: InternetAccess | None, after: InternetAccess | None) -> Text | None:
    if before is None or after is None or before.model_copy(update={"rules": after.rules}) != after:
        return None
    known = {rule.number: rule for rule in before.rules}
    found = {rule.number: rule for rule in after.rules}
    if len(known) != len(before.rules) or len(found) != len(after.rules) or known.keys() - found.keys():
        return None
    fresh = [rule for number, rule in found.items() if rule != known.get(number)]
    closed = max((rule.number for rule in before.rules if rule.action == "block"), default=0)
    if not fresh or not all(rule.number > closed and _widened(known.get(rule.number), rule) for rule in fresh):
        return None
    if sum(len(rule.hosts) for rule in after.rules if rule.action == "allow") > MOST_ENTRIES:
        return None
    return t("Entries are added to the department's own list, at most {limit} in all.", limit=MOST_ENTRIES)


def _widened(old: Rule | None, new: Rule) -> bool:
    """Whether nothing but single hosts is allowed that an older rule of its number did not allow, at any hour."""
    if new.action != "allow" or not new.hosts:
        return False
    if old is None:
        return new.hours is None and all(parse(host).one_host for host in new.hosts)
    added = set(new.hosts) - set(old.hosts)
    return (
        set(old.hosts) < set(new.hosts)
        and old.model_copy(update={"hosts": new.hosts}) == new
        and all(parse(host).one_host for host in added)
    )


def _opened(before: InternetAccess | None, after: InternetAccess | None) -> Text:
    return t("Access to the internet is changed; the security officer signs that.")


RULES = ChangeRules({"new": 3, "change": 1, "end": 1}, _own_list, _opened)
