"""The nightly check: what it asked, what it found, what it left out, and when that was."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from control_plane.model.people import ROLES, Act
from control_plane.model.text import Text, t
from control_plane.web import exporting, show, states
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Table

pages = Blueprint("nightly", __name__)
#: Whose token it was.
WHO = {**{role.name: role.title for role in ROLES.values()}, "bound": t("operator, for one department only")}
COLUMNS = (
    Column("operation", t("Operation"), "code", filter=True),
    Column("who", t("Role"), filter=True, words=WHO),
    Column("what", t("Found")),
    Column("curl", t("The same by hand"), "code"),
)


@pages.get("/console/nightly")
@needs(Act.SEE_ESTATE)
def nightly() -> Any:
    """The last result."""
    last = services().nightly.last()
    rows = [{**row, "what": str(Text.from_json(row["what"]))} for row in (last or {}).get("findings", ())]
    table = Table(
        COLUMNS, rows, request.args, caption=t("Found"), empty=t("Nothing was found."), now=services().clock()
    )  # fmt: skip
    left_out = [Text.from_json(text) for text in (last or {}).get("left_out", ())]
    return exporting.page("nightly.html", table, last=last, facts=_facts(last) if last else (), left_out=left_out)


def _facts(last: dict[str, Any]) -> list[tuple[Text, Any]]:
    found: list[tuple[Text, Any]] = [
        (t("State"), states.mark(f"nightly-{last['state']}")),
        (t("Began"), show.moment(last["began_at"], services().clock())),
    ]
    if last["ended_at"] is None:
        return found
    return [
        *found,
        (t("Took"), t("{minutes} min", minutes=round(last["seconds"] / 60, 1))),
        (t("Operations"), t("{count} of {total}", count=last["operations"], total=last["of"])),
        (t("Cases"), last["cases"]),
        (t("Version of the centre"), last["version"]),
    ]
