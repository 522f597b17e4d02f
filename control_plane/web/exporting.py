"""A page with a list, or the list as a file: what fits the view, with its columns, for whoever may see the page.

`?export=csv` or `?export=xlsx` behind the address of the page is the file; so who gets it is asked at the same door.
"""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import Any

from flask import Response, render_template, request

from control_plane.model.spreadsheet import BOM, csv_cell
from control_plane.model.table_file import TableFile, read_table
from control_plane.model.text import t
from control_plane.model.workbook import MIMETYPE, Sheet, as_xlsx
from control_plane.web import show
from control_plane.web.tables import Table

FORMS = ("csv", "xlsx")


def page(template: str, table: Table | None, **values: Any) -> Any:
    """The page, or its list as a file when the address asks for one."""
    form = request.args.get("export", "")
    if table is None or not table.exports or form not in FORMS or request.method != "GET":
        return render_template(template, table=table, **values)
    return as_csv(table) if form == "csv" else _as_xlsx(table)


def workbook_of(text: str, name: str, title: str) -> Response:
    """A table that is CSV already, as a workbook."""
    found = read_table(text.encode(), "export", most_rows=1 << 20)
    head, rows = (found.head, [cells for _, cells in found.rows]) if isinstance(found, TableFile) else ([], [])
    full = [[*cells, *[""] * (len(head) - len(cells))] for cells in rows]
    return _file(as_xlsx([Sheet(title, head, full)]), MIMETYPE, f"{name}.xlsx")


def _heads(table: Table) -> list[str]:
    return [f"{c.head} ({c.unit})" if c.unit is not None else str(c.head) for c in table.columns]


def _rows(table: Table) -> list[list[Any]]:
    return [[column.value(row, table.now) for column in table.columns] for row in table.fitting]


def as_csv(table: Table) -> Response:
    """The whole of a list that is shown in part."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(map(csv_cell, _heads(table)))
    writer.writerows([[csv_cell(_plain(value)) for value in row] for row in _rows(table)])
    return _file((BOM + buffer.getvalue()).encode(), "text/csv", f"{_name()}.csv")


def _as_xlsx(table: Table) -> Response:
    asked = [f"{c.head}: {table.choice(c, table.filters[c.field])}" for c in table.every if c.field in table.filters]
    about = [
        (t("List"), table.caption),
        (t("Made"), table.now),
        (t("Rows"), len(table.fitting)),
        (t("Rows without the filter"), table.total),
        (t("Text in this list"), table.text),
        (t("Filter"), "; ".join(asked)),
        (t("Times"), t("Times are those of Asia/Shanghai.")),
    ]
    read_me = Sheet(str(t("Read me")), [str(t("About this file")), ""], [[str(name), what] for name, what in about])
    sheet = Sheet(str(table.caption), _heads(table), _rows(table))
    return _file(as_xlsx([sheet, read_me]), MIMETYPE, f"{_name()}.xlsx")


def _plain(value: Any) -> Any:
    return f"{value.astimezone(show.ZONE):%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else value


def _name() -> str:
    """Of the file: what the page is called in its address."""
    return request.path.strip("/").removeprefix("console/").removeprefix("portal/").replace("/", "-") or "list"


def _file(content: bytes, mimetype: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, mimetype=mimetype, headers=headers)
