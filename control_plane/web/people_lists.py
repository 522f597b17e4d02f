"""A list of people of any departments, or a row about one of them: what it would do, then the yes to just that.

The list goes back to the browser with its preview and comes again with the yes, so that nothing of it is kept here
meanwhile. Must not judge a row: `workflow/staff.py` does.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
from collections.abc import Mapping
from typing import Any

from flask import render_template, request

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, Invalid, Problem, StalePlan
from control_plane.model.field_words import PERSON
from control_plane.model.text import Text, t
from control_plane.web import door, exporting, jobs, show
from control_plane.web.own_people import HEADS, sent_list
from control_plane.web.services import services
from control_plane.web.tables import Column, Row, Table
from control_plane.workflow.staff_list import MOST_ROWS

#: What becomes of somebody.
WHAT: Mapping[str, Text] = {
    "joins": t("joins"),
    "moves": t("moves"),
    "returns": t("comes back"),
    "changes": t("changes"),
    "leaves": t("leaves"),
}
#: Rows of a preview that a page shows; the file has all.
SHOWN = 200


def _where(row: Row) -> str:
    return f"{row['from']} → {row['tenant']}" if row["from"] else str(row["tenant"])


def _fields(row: Row) -> str:
    return ", ".join(str(PERSON.get(name, name)) for name in row["columns"])


LINES = (
    Column("row", t("Row"), "number"),
    Column("what", t("What becomes of them"), words=WHAT),
    Column("uid", t("Login name"), "code"),
    Column("name", t("Name"), draw=lambda row: show.foreign(row["name"])),
    Column("tenant", t("Department"), draw=_where),
    Column("columns", t("Fields"), draw=_fields),
)


def departments() -> dict[str, str]:
    """Code → what it is called in a list to choose from, of those that have people here."""
    found = (row for row in door.rows("tenants") if "directory" in row["subscriptions"])
    return {row["code"]: f"{row['code']} · {row['name_zh']}" for row in found}


def one_row(given: Mapping[str, str]) -> bytes:
    """A list of one row, by field."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows([[*given], [*given.values()]])
    return buffer.getvalue().encode()


def page(error: ControlPlaneError | None = None, seen: Json | None = None, **values: Any) -> str:
    """The form, or what a list would do."""
    return render_template(
        "people-list.html",
        error=error,
        seen=seen,
        columns=LINES,
        now=services().clock(),
        shown=SHOWN,
        heads=HEADS,
        most=MOST_ROWS,
        tenants=departments(),
        chosen=request.values.get("tenant", ""),
        complete=bool(request.form.get("complete")),
        typed=request.form.get("confirm", ""),
        **values,
    )


def act() -> Any:
    """Look at a list, or take over the one that was looked at."""
    form = request.form
    content, seen = b"", None
    tenant, complete = form.get("tenant") or None, bool(form.get("complete"))
    try:
        content = _content()
        seen = door.client().staff.check(content, tenant=tenant, complete=complete)
        if form.get("act") == "csv":
            return exporting.as_csv(_whole(seen["lines"]))
        if form.get("act") != "take" or not seen["tenants"]:
            return page(seen=seen, content=_packed(content))
        return jobs.follow(_placed(content, seen, tenant, complete))
    except ControlPlaneError as error:
        return page(error, seen, content=_packed(content)), 422


def _whole(lines: list[Json]) -> Table:
    nobody = t("There are no people here.")
    return Table(LINES, lines, request.args, caption=t("People"), empty=nobody, now=services().clock())


def _placed(content: bytes, seen: Json, tenant: str | None, complete: bool) -> Json:
    """Raises StalePlan when something else would be done than was shown, Invalid without the word asked for."""
    if request.form.get("digest") != seen["digest"]:
        raise StalePlan(t("Something changed meanwhile; look at the preview once more."))
    typed, word = request.form.get("confirm", "").strip(), seen["confirm"]
    if word is not None and typed != word:
        text = t("“{given}” is not the word asked for; nothing was changed.", given=typed)
        raise Invalid([Problem("no-word", text, t("Read the preview, then type {word}.", word=word), field="confirm")])
    return jobs.place(
        "people_take", seen["digest"][:8], content=base64.b64encode(content).decode(), tenant=tenant,
        complete=complete, digest=seen["digest"], confirm=typed,
    )  # fmt: skip


def _content() -> bytes:
    """The list that is meant: a file, one that was looked at before, or one row that moves or brings back somebody."""
    form = request.form
    if form.get("act") == "move":
        return one_row({"tenant": form.get("to", ""), "uid": form.get("uid", ""), "status": "active"})
    if "content" not in form:
        return sent_list()
    try:
        return base64.b64decode(form["content"], altchars=b"-_", validate=True)
    except binascii.Error:
        text = t("The form lacks its list.")
        raise Invalid([Problem("no-file", text, t("Choose the file once more."), field="file")]) from None


def _packed(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode()
