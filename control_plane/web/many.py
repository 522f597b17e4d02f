"""Many at once from a file: rows of one list of a form are checked whole, then put into a draft or not at all.

The file is CSV or an Excel workbook; its columns are the fields of the list (`workflow/request_tables.py` reads it).
What follows is the last look of any request, with its preview.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, Invalid, NotFound, Problem
from control_plane.model.people import Act
from control_plane.model.questions import Several
from control_plane.model.spreadsheet import BOM, csv_cell
from control_plane.model.table_file import LARGEST, MOST_ROWS
from control_plane.model.text import language, t
from control_plane.web import door
from control_plane.web.asking import TAKEN, Locked, form_of
from control_plane.web.door import needs
from control_plane.web.forms import Form
from control_plane.web.sent import download, sent_file
from control_plane.web.services import services
from control_plane.workflow.request_tables import columns_of

pages = Blueprint("many", __name__)
#: So many faults are shown; the rest is counted.
MOST_SHOWN = 200


@pages.get("/portal/requests/<reference>/many/<part>")
@needs(Act.ASK)
def start(reference: str, part: str) -> Any:
    """The template, and where the file goes."""
    row, form, several = _found(reference, part)
    return _page(row, form, several)


@pages.post("/portal/requests/<reference>/many/<part>")
@needs(Act.ASK, largest=LARGEST + (1 << 20))
def take(reference: str, part: str) -> Any:
    """Check a file whole; what is right goes into the draft at once."""
    row, form, several = _found(reference, part)
    try:
        with sent_file("file") as (path, _):
            if path is None:
                raise Invalid([Problem("no-file", t("No file was chosen."), t("Choose a file."), field="file")])
            content = path.read_bytes()
        taken = door.client().requests.take_rows(row["id"], several.name, content, version=row["version"])
    except ControlPlaneError as error:
        return _page(row, form, several, error), 422
    counts = {name: taken[name] for name in TAKEN}
    return redirect(url_for("asking.check", reference=row["reference"], **counts), 303)


@pages.get("/portal/requests/<reference>/many/<part>/table.csv")
@needs(Act.ASK)
def template(reference: str, part: str) -> Response:
    """The empty table, or with `now` what the draft holds, to be edited and sent back."""
    row, form, several = _found(reference, part)
    columns = columns_of(services().catalogue[row["offering"]], several)
    things = form.items(several) if request.args.get("now") else []
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([str(column.ask.label) for column in columns])
    writer.writerows([[csv_cell(column.cell(thing)) for column in columns] for thing in things])
    return download(f"{several.name}.csv", "text/csv; charset=utf-8", (BOM + buffer.getvalue()).encode())


# pages ----------------------------------------------------------------------------------------------------------------
def _found(reference: str, part: str) -> tuple[Json, Form, Several]:
    row = door.client().requests.show(reference)
    if "save" not in row["acts"] or row["action"] == "end":
        raise Locked(row["reference"])
    form = form_of(row)
    for one in form.parts:
        if isinstance(one, Several) and one.name == part and one.from_file:
            return row, form, one
    raise NotFound(t("There is no such page in this form."))


@pages.errorhandler(Locked)
def _locked(error: Locked) -> Any:
    return redirect(url_for("requests.request_page", reference=error.reference, said="locked"), 303)


def _page(row: Json, form: Form, several: Several, error: ControlPlaneError | None = None) -> str:
    columns = columns_of(services().catalogue[row["offering"]], several)
    problems = list(error.problems) if error is not None else []
    return render_template(
        "many.html",
        row=row,
        part=several,
        columns=columns,
        key=next((column.ask.label for column in columns if column.ask.path == several.key), None),
        gathered=several.gather is not None,
        there=len(form.items(several)),
        most=MOST_ROWS,
        error=error,
        problems=problems[:MOST_SHOWN],
        more=max(0, len(problems) - MOST_SHOWN),
        chinese=language() == "zh_CN",
    )
