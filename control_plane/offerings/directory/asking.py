"""How requests for the directory are treated: a few new accounts are agreed on beforehand."""

from __future__ import annotations

from control_plane.model.change_class import ChangeRules
from control_plane.model.text import Text, tn
from control_plane.offerings.directory.form import DirectorySpec

MOST_ACCOUNTS = 5


def _few_accounts(before: DirectorySpec | None, after: DirectorySpec | None) -> Text | None:
    if before is None or after is None or (before.groups, before.services) != (after.groups, after.services):
        return None
    known = {person.uid: person for person in before.people}
    kept = {person.uid: person for person in after.people if person.uid in known}
    added = len(after.people) - len(kept)
    if kept != known or not 0 < added <= MOST_ACCOUNTS:
        return None
    return tn(
        "{count} account is added; up to {limit} at a time are agreed on.",
        "{count} accounts are added; up to {limit} at a time are agreed on.",
        count=added,
        limit=MOST_ACCOUNTS,
    )


RULES = ChangeRules({"new": 3, "change": 1, "end": 3}, _few_accounts)
