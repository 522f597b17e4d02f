"""Words for rules of internet access, as the command line and the pages show them."""

from __future__ import annotations

from collections.abc import Mapping

from control_plane.model.internet import Hours
from control_plane.model.text import Text, t

CATEGORIES: Mapping[str, Text] = {
    "video": t("video"),
    "malware": t("harmful"),
    "gambling": t("gambling"),
    "adult": t("adult"),
}
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


def hours_words(hours: Hours) -> str:
    """`Mon Tue 08:00–18:00`."""
    days = " ".join(str(DAYS[letter]) for letter in hours["days"] if letter in DAYS)
    return f"{days} {hours['begin']}–{hours['end']}"
