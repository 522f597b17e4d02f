"""What a request says in plain words of who may read an internal website."""

from __future__ import annotations

from typing import Any

from control_plane.model.names import to_unicode
from control_plane.model.site_sign_in import EVERYBODY
from control_plane.model.text import Text, t
from control_plane.offerings.intranet.form import IntranetSite


def sign_in_words(before: Any, after: Any) -> list[Text]:
    """One sentence for each website of which it changes; None stands for no service."""
    if after is None:
        return []
    old = {site.main: _rule(site) for site in before.sites} if before is not None else {}
    free = ("none", (), ())
    return [_sentence(site) for site in after.sites if _rule(site) != old.get(site.main, free)]


def _rule(site: IntranetSite) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    if site.sign_in == "none":
        return "none", (), ()
    shared = tuple(sorted(site.shared_with)) if site.sign_in == "department" else ()
    return site.sign_in, tuple(sorted(site.groups)), shared


def _sentence(site: IntranetSite) -> Text:
    name = to_unicode(site.main)
    if site.sign_in == "none":
        return t("{site} is read without a sign-in from the networks of its departments.", site=name)
    if site.sign_in == "groups":
        groups = ", ".join(sorted(site.groups))
        return t("Whoever reads {site} has to sign in and be in one of the groups {groups}.", site=name, groups=groups)
    if EVERYBODY in site.shared_with:
        return t("Whoever reads {site} has to sign in, whatever their department.", site=name)
    if site.shared_with:
        others = ", ".join(sorted(site.shared_with))
        return t(
            "Whoever reads {site} has to sign in and belong to the department itself or to {others}.",
            site=name, others=others,
        )  # fmt: skip
    return t("Whoever reads {site} has to sign in and belong to the department.", site=name)
