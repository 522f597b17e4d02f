"""How requests for websites are treated: a department's own content is agreed on beforehand, names are public."""

from __future__ import annotations

from typing import Any

from control_plane.model.change_class import ChangeRules
from control_plane.model.names import name_both
from control_plane.model.text import Text, t
from control_plane.offerings._site.kind import SiteKind

#: What a department may change of its own sites without asking anybody.
_OWN = ("source", "preview", "maintenance")


def _only_content(before: Any, after: Any) -> Text | None:
    if before is None or after is None or len(before.sites) != len(after.sites):
        return None
    if getattr(before, "lends", ()) != getattr(after, "lends", ()):
        return None
    for old, new in zip(before.sites, after.sites, strict=True):
        if old.model_copy(update={name: getattr(new, name) for name in _OWN}) != new:
            return None
    return t("Only content of the department's own sites changes.")


def _names(form: Any) -> set[str]:
    return {name for site in form.sites for name in (site.main, *site.aliases)} if form is not None else set()


def _seen_by_all(before: Any, after: Any) -> Text | None:
    new = sorted(_names(after) - _names(before))
    return t("Everybody on the internet can see {names}.", names=", ".join(map(name_both, new[:5]))) if new else None


def rules_of(kind: SiteKind) -> ChangeRules:
    """Rules of one kind of site."""
    lead = {"new": 5, "change": 2, "end": 2}
    return ChangeRules(lead, _only_content, _seen_by_all) if kind.public else ChangeRules(lead, _only_content)
