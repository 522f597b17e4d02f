"""Words for rules of internet access, as the command line and the pages show them."""

from __future__ import annotations

from collections.abc import Mapping

from control_plane.model.internet import NETWORK, PROXY, Hours
from control_plane.model.text import Text, t

CATEGORIES: Mapping[str, Text] = {
    "video": t("video"),
    "malware": t("harmful"),
    "gambling": t("gambling"),
    "adult": t("adult"),
}
#: Whose a rule is.
OWNERS: Mapping[str, Text] = {"centre": t("the centre's"), "tenant": t("the tenant's")}
ACTIONS: Mapping[str, Text] = {"allow": t("allowed"), "block": t("blocked")}
DAYS: Mapping[str, Text] = {
    "M": t("Mon"),
    "T": t("Tue"),
    "W": t("Wed"),
    "H": t("Thu"),
    "F": t("Fri"),
    "A": t("Sat"),
    "S": t("Sun"),
}


def gateway_label(kind: str, code: str) -> Text:
    """What the gateway has of a tenant, in words."""
    return (
        t("{code}: rates, volume, direct access", code=code) if kind == NETWORK else t("{code}: proxy rules", code=code)
    )


def label_words(kind: str, label: str) -> Text | str:
    """The label of a resource as it is kept, in the reader's language where it is a sentence and not a name."""
    return gateway_label(kind, label.partition(":")[0]) if kind in (NETWORK, PROXY) else label


def hours_words(hours: Hours) -> str:
    """`Mon Tue 08:00–18:00`."""
    days = " ".join(str(DAYS[letter]) for letter in hours["days"] if letter in DAYS)
    return f"{days} {hours['begin']}–{hours['end']}"
