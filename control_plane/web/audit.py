"""The audit trail: all of it for auditors and security officers, and of one tenant for its own people.

Filters are in the address, so that a view, and its export, is an address.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, render_template, request
from markupsafe import Markup

from control_plane.model.errors import Invalid
from control_plane.model.people import ROLES, Act
from control_plane.model.text import Text, t
from control_plane.web import door, exporting, show
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Row, Table

pages = Blueprint("audit", __name__)
#: So many of the newest entries that fit are on the page; the export has all.
NEWEST = 500
FILTERS = ("tenant", "subject", "actor", "act", "begin", "end")
FAMILIES: dict[str, Text] = {
    "run": t("runs"),
    "tenant": t("tenants"),
    "service": t("services"),
    "drift": t("hand-made changes"),
    "release": t("releases of sites"),
    "machine": t("machines"),
    "finding": t("findings"),
    "snapshot": t("snapshots"),
    "rollout": t("rollouts"),
    "freeze": t("freezes"),
    "request": t("requests"),
    "mail": t("mail"),
    "role": t("roles"),
    "account": t("accounts and passwords"),
    "sign_in": t("sign-ins"),
    "token": t("tokens of programs"),
    "webhook": t("webhooks"),
    "record": t("the access record"),
}


#: So many tenants or subjects of one entry stand in a cell.
FEW = 4


def _cell(things: Sequence[Any], draw: Callable[[Any], Markup], between: str = " ") -> Markup:
    """Several things as one, also where rows are cards; only those that are shown are drawn."""
    if not things:
        return show.NOTHING
    more = Markup("\N{NO-BREAK SPACE}+{}").format(len(things) - FEW) if len(things) > FEW else Markup()
    return Markup("<span>{}{}</span>").format(Markup(between).join(map(draw, things[:FEW])), more)


def _code(text: str) -> Markup:
    return Markup("<code>{}</code>").format(text)


def _role(name: str) -> str:
    return str(ROLES[name].title) if name in ROLES else name


def _who(row: Row) -> Markup:
    roles = ", ".join(_role(role.partition(" ")[0]) for role in row["roles"])
    said = [_code(row["actor"]["name"])]
    return _cell([*said, roles] if roles else said, Markup.escape, "<br>")


def _did(row: Row) -> Markup:
    return Markup('<span class="act">{}</span>').format(row["sentence"])


def _what(row: Row) -> Markup:
    kinds = {subject["kind"] for subject in row["subjects"]}
    hidden = {"tenant", "machine"} if "host" in kinds else {"tenant"}
    shown = [s for s in row["subjects"] if s["kind"] not in hidden]
    return _cell(shown, lambda s: _code(f"{s['kind']}:{s['name']}"))


def _signed(row: Row) -> Markup:
    unsure = str(t("(as said)"))
    return _cell(
        row["signoffs"],
        lambda s: _code(s["name"]) + Markup(" {} {}").format(_role(s["role"]), "" if s["verified"] else unsure),
        ", ",
    )


def _tenants(row: Row) -> Markup:
    return _cell(sorted(row["tenants"]), _code, ",\N{NO-BREAK SPACE}")


def _digest(row: Row) -> Markup:
    if not row["digest"]:
        return show.NOTHING
    return Markup('<code title="{}">{}</code>').format(row["digest"], row["digest"][:8])


COLUMNS = (
    Column("number", t("No."), "id"),
    Column("at", t("When"), "time"),
    Column("who", t("Who"), draw=_who),
    Column("sentence", t("Did"), draw=_did),
    Column("tenants", t("Tenants"), draw=_tenants),
    Column("about", t("To what"), draw=_what),
    Column("outcome", t("Outcome"), "state", filter=True),
    Column("signoffs", t("Signed by"), draw=_signed),
    Column("digest", t("Digest"), draw=_digest),
    Column("reason", t("Reason")),
)
OWN = (
    Column("number", t("No."), "id"),
    Column("at", t("When"), "time"),
    Column("who", t("Who")),
    Column("sentence", t("Did"), filter=True),
    Column("services", t("Services"), "service"),
    Column("outcome", t("Outcome"), "state", filter=True),
    Column("requests", t("Requests")),
    Column("reason", t("Reason")),
)


def _asked() -> dict[str, str | None]:
    return {name: request.args.get(name, "").strip()[:200] or None for name in FILTERS}


@pages.get("/console/audit")
@needs(Act.SEE_AUDIT)
def audit() -> Any:
    """The newest entries that fit."""
    asked, error, found = _asked(), None, []
    try:
        found = door.client().audit.list(asked, limit=NEWEST)
    except Invalid as wrong:
        error = wrong
    table = Table(
        COLUMNS, found, request.args, caption=t("Audit trail"), empty=t("No entry fits."), now=services().clock()
    )
    table.keep, table.exports = {name: value for name, value in asked.items() if value}, False
    newest = NEWEST if len(found) == NEWEST else 0
    page = render_template(
        "audit.html", table=table, asked=asked, error=error, families=FAMILIES, newest=newest,
        query=urlencode(table.keep),
    )  # fmt: skip
    return page, 422 if error else 200


@pages.get("/console/audit/export.<form>")
@needs(Act.SEE_AUDIT)
def export(form: str) -> Any:
    """Everything that fits, as a file."""
    if form not in ("csv", "json", "xlsx"):
        abort(404)
    text = door.client().audit.export("json" if form == "json" else "csv", _asked())
    if form == "xlsx":
        return exporting.workbook_of(text, "audit", str(t("Audit trail")))
    kind = "text/csv" if form == "csv" else "application/json"
    answer = Response(text, mimetype=kind)
    answer.headers["Content-Disposition"] = f'attachment; filename="audit.{form}"'
    return answer


@pages.get("/console/tenants/<code>/audit")
@needs(Act.SEE_TENANT, tenant="code")
def trail(code: str) -> Any:
    """What was done to one tenant, for its own people."""
    found = [
        {**row, "who": row["actor"] or str(t("the centre"))} for row in door.client().audit.trail(code, limit=NEWEST)
    ]
    table = Table(
        OWN, found, request.args, caption=t("Audit trail"), empty=t("Nothing was done yet."), now=services().clock()
    )
    title = t("What was done: {code}", code=code)
    return exporting.page("list.html", table, title=title)
