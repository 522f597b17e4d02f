"""A sheet of one-time passwords on paper: one slip a person, to be cut apart. As PDF, which carries its fonts, and as
CSV; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from control_plane.model.paper import as_pdf
from control_plane.model.spreadsheet import as_csv
from control_plane.model.text import t

FIELDS = ("uid", "name", "password")
STYLE = """
@page { size: A4; margin: 17mm }
body { font: 10pt "WenQuanYi Micro Hei", sans-serif; margin: 0 }
p { margin: 0 0 4mm }
div { border-top: .6pt dashed; break-inside: avoid; padding: 4mm 0 5mm }
b { display: block; font-size: 13pt; font-weight: normal }
code { display: block; font: bold 16pt "WenQuanYi Micro Hei Mono", monospace; margin: 2.5mm 0 }
small { font-size: 9pt }
"""


def sheet_csv(rows: Sequence[Mapping[str, str]]) -> bytes:
    """For a spreadsheet."""
    return as_csv(FIELDS, rows).encode()


def sheet_pdf(tenant: str, until: str, rows: Sequence[Mapping[str, str]]) -> bytes:
    """A4 pages with a slip for each person; `until`: the last day. A second or two."""
    return as_pdf(_page(tenant, until, rows))


def _page(tenant: str, until: str, rows: Sequence[Mapping[str, str]]) -> str:
    title = t(
        "{tenant}: first passwords, good until {day}. Cut apart and hand out one by one.", tenant=tenant, day=until
    )
    once = escape(str(t("Good for one sign-in: you then choose a password of your own.")))
    slips = (
        f"<div><b>{escape(row['name'])}&emsp;{escape(row['uid'])}</b><code>{escape(row['password'])}</code>"
        f"<small>{once}</small></div>"
        for row in rows
    )
    return f"<style>{STYLE}</style><p>{escape(str(title))}</p>{''.join(slips)}"
