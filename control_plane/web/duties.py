"""What the first page says of signatures, in one list: roles that lack people, a proposal that waits."""

from __future__ import annotations

from flask import url_for

from control_plane.model.client import Json
from control_plane.model.people import Act
from control_plane.model.text import Text, t
from control_plane.web import door
from control_plane.workflow import access

Need = tuple[str, Text, str]


def emergencies() -> list[Json]:
    """Open emergencies that this person may see: they stand on every start page."""
    return door.client().emergencies.list()


def needs() -> list[Need]:
    """Lines of “needs you”: tone, sentence, page. Who holds which role is not read anew for every page."""
    client, where = door.client(), url_for("substitutes.substitutes")
    tones = {"failed": "bad", "warning": "warn"}
    short, waiting = door.recent("signing", lambda: (client.substitutes.staffing(), client.classes.show()["proposal"]))[
        1
    ]
    found = [(tones[one["state"]], t("{text}", text=one["sentence"]), where) for one in short]
    if waiting and waiting["by"] != door.person().name and access.allows(door.person(), Act.SIGN_CLASSES):
        text = t("Proposal {id} for the table of classes waits for your signature.", id=waiting["number"])
        found.append(("busy", text, url_for("classes.classes", _anchor="proposal")))
    return found
