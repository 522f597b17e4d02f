"""How requests for internet access are treated: entries of a department's own list within a limit are agreed on
beforehand, every other change is the security officer's too."""

from __future__ import annotations

from control_plane.model.change_class import ChangeRules
from control_plane.model.text import Text, t
from control_plane.offerings.internet.form import InternetAccess, Rule

MOST_ENTRIES = 20


def _own_list(before: InternetAccess | None, after: InternetAccess | None) -> Text | None:
    if before is None or after is None or before.model_copy(update={"rules": after.rules}) != after:
        return None
    known = {rule.number: rule for rule in before.rules}
    found = {rule.number: rule for rule in after.rules}
    if len(found) != len(after.rules) or known.keys() - found.keys():
        return None
    if not all(found[n] == known.get(n) or _widened(known.get(n), found[n]) for n in found):
        return None
    entries = sum(len(rule.hosts) for rule in after.rules if rule.action == "allow")
    if found == known or entries > MOST_ENTRIES:
        return None
    return t("Entries are added to the department's own list, at most {limit} in all.", limit=MOST_ENTRIES)


def _widened(old: Rule | None, new: Rule) -> bool:
    """Whether a rule allows single hosts, and an older one of its number allowed a part of them."""
    if new.action != "allow" or not new.hosts or any(host.strip().startswith((".", "*")) for host in new.hosts):
        return False
    if old is None:
        return True
    return set(old.hosts) < set(new.hosts) and old.model_copy(update={"hosts": new.hosts}) == new


def _opened(before: InternetAccess | None, after: InternetAccess | None) -> Text:
    return t("Access to the internet is changed; the security officer signs that.")


RULES = ChangeRules({"new": 3, "change": 1, "end": 1}, _own_list, _opened)
