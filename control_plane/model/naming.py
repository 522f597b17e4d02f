"""What actors, kinds of runs, causes of wishes and events of machines are called. They are kept as words that programs
read."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from control_plane.model.text import Text, t
from control_plane.model.windows import moment_words

RUN_KINDS: Mapping[str, Text] = {
    "apply": t("plan carried out"),
    "resume": t("finished later"),
    "undo": t("undone"),
    "restore": t("back to a former day"),
    "revert": t("reverted by hand"),
    "request": t("requests"),
    "emergency": t("emergency"),
    "rollout": t("rollout"),
    "site": t("content of a website"),
    "internet": t("Internet access"),
    "people": t("list of people"),
    "offboard": t("end of a tenant"),
    "retire": t("rest of removed websites"),
}
#: What hosts are for.
HOST_ROLES: Mapping[str, Text] = {
    "gateway": t("internet gateway"),
    "ns-primary": t("first name server"),
    "ns-secondary": t("second name server"),
    "directory": t("directory server"),
    "web": t("public web server"),
    "intranet": t("internal web server"),
    "monitor": t("monitoring"),
    "repository": t("repository host"),
    "mail": t("mail host"),
    "citizen": t("a citizen's machine"),
    "workstation": t("workstation"),
}
#: Where hosts are.
HOST_ZONES: Mapping[str, Text] = {
    "core": t("the centre"),
    "tenant": t("departments"),
    "internet": t("outside"),
}
#: What happens to a machine in the inventory.
MACHINE_HISTORY: Mapping[str, Text] = {
    "enrolled": t("enrolled"),
    "observed": t("seen in a list"),
    "ring": t("given to another ring"),
    "transferred": t("given to another tenant"),
    "retired": t("retired"),
}


def same_person(one: str, other: str) -> bool:
    """Whether two names that somebody gave or has are one person's: without the source of accounts before them, in
    whatever case and width of letters."""
    plain = (unicodedata.normalize("NFKC", name).rpartition(":")[2].strip().casefold() for name in (one, other))
    return next(plain) == next(plain)


def actor_words(name: str) -> Text | str:
    """Who did something: the login name of people of the directory, others with what they are."""
    kind, _, login = name.partition(":")
    match kind:
        case "directory" if login:
            return login
        case "account" if login:
            return t("{name} (local account)", name=login)
        case "local" if login:
            return t("{name} (on the machine itself)", name=login)
        case "system" if login:
            return t("the centre, by itself")
        case _:
            return name


def cause_words(cause: str) -> Text | str:
    """Why a version of a wish came to be: `import 3` is “import 3”, `undo 482` is “undo of run 482”."""
    kind, _, what = cause.partition(" ")
    match kind:
        case "import":
            return t("import {what}", what=what)
        case "undo":
            return t("undo of run {what}", what=what)
        case "request":
            return t("request {what}", what=what)
        case "emergency":
            return t("emergency {what}", what=what)
        case "rollout":
            return t("rollout {what}", what=what)
        case "offboard":
            return t("end of {what}", what=what)
        case "restore":
            code, _, moment = what.partition(" ")
            return t("{code} as it was at {moment}", code=code, moment=moment_words(moment))
        case "preview" if what:
            return t("preview of release {what}", what=what)
        case "activate":
            release, _, site = what.partition(" ")
            return t("publication of {release} on {site}", release=release, site=site)
        case "maintenance":
            _, _, site = what.partition(" ")
            return t("{site} closed", site=site) if what.startswith("on ") else t("{site} opened again", site=site)
        case "leavers":
            return t("people who left")
        case "people":
            return t("list of people")
        case _:
            return cause
