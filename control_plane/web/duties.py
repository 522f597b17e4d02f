"""What the first page says of signatures: requests that wait for the reader, roles that lack people, a proposal."""

from __future__ import annotations

from collections.abc import Sequence

from flask import url_for

from control_plane.model.client import Json
from control_plane.model.people import Act
from control_plane.model.text import Text, t, tn
from control_plane.web import door, show
from control_plane.workflow import access

Need = tuple[str, Text, str]


def emergencies() -> list[Json]:
    """Open emergencies that this person may see: they stand on every start page."""
    return door.client().emergencies.list()


def requests() -> list[Need]:
    """One line: how many requests wait for this person, and until when the first of them."""
    signs = access.allows(door.person(), Act.SIGN)
    rows = door.client().requests.list(waiting_for_me=True) if signs else []
    if not rows:
        return []
    late = any(row["overdue"] or row["state"] == "failed" for row in rows)
    dates = [row["due"] for row in rows if row["due"]]
    text = tn("{count} request waits for you.", "{count} requests wait for you.", count=len(rows))
    if dates:
        text = tn(
            "{count} request waits for you, the first until {when}.",
            "{count} requests wait for you, the first until {when}.",
            count=len(rows), when=show.moment(min(dates)).striptags(),
        )  # fmt: skip
    return [("bad" if late else "busy", text, url_for("requests.queue"))]


def short() -> Sequence[Json]:
    """Roles that lack people."""
    return _signing()[0]


def _signing() -> tuple[list[Json], Json | None]:
    client = door.client()
    found: tuple[list[Json], Json | None] = door.recent(
        "signing", lambda: (client.substitutes.staffing(), client.classes.show()["proposal"])
    )[1]
    return found


def needs() -> list[Need]:
    """Lines of “needs you”: tone, sentence, page. Who holds which role is not read anew for every page."""
    where, tones = url_for("substitutes.substitutes"), {"failed": "bad", "warning": "warn"}
    short, waiting = _signing()
    found = [(tones[one["state"]], t("{text}", text=one["sentence"]), where) for one in short]
    if waiting and waiting["by"] != door.person().name and access.allows(door.person(), Act.SIGN_CLASSES):
        text = t("Proposal {id} for the table of classes waits for your signature.", id=waiting["number"])
        found.append(("busy", text, url_for("classes.classes", _anchor="proposal")))
    return found
