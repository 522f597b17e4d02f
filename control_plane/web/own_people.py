"""A department's people: list, add, a list from a file, somebody leaves, first passwords on sheets opened once.

In the portal whoever joins or changes is asked for like any service; in the console (`accounts.py`) the centre does it
at once, on the same pages. Who leaves is cut at once on both. Must not keep or show a password but in the one answer
that is a sheet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, request, url_for

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, Invalid, NotFound, Problem
from control_plane.model.password_sheet import sheet_csv, sheet_pdf
from control_plane.model.people import Act
from control_plane.model.text import Text, t
from control_plane.model.windows import day_words
from control_plane.web import door, exporting, jobs, show
from control_plane.web.door import needs
from control_plane.web.sent import download, sent_file
from control_plane.web.services import services
from control_plane.web.tables import Column, Row, Table
from control_plane.workflow import access
from control_plane.workflow.request_begun import untouched
from control_plane.workflow.staff_list import COLUMNS as LIST_COLUMNS
from control_plane.workflow.staff_list import LARGEST

pages = Blueprint("own_people", __name__)


@dataclass(frozen=True)
class Desk:
    """From where somebody looks at a department's people: the endpoints of its pages, and the act that lets them change
    something there. `centre`: what is wanted is done at once, and not asked for."""

    people: str
    groups: str
    group: str
    review: str
    act: Act
    centre: bool = False


PORTAL = Desk("own_people.people", "own_groups.groups", "own_groups.group", "own_review.review", Act.ASK)
CENTRE = Desk("accounts.people", "accounts.groups", "accounts.group", "accounts.review", Act.APPLY, centre=True)


def desk() -> Desk:
    """The one of this page."""
    return CENTRE if request.blueprint == "accounts" else PORTAL


def common(code: str) -> Json:
    """What each page of a department's people is drawn with."""
    at = desk()
    return {"code": code, "desk": at, "may_act": access.allows(door.person(), at.act, code)}


def person_link(row: Row) -> str | None:
    """The page of one person, which the console has."""
    return url_for("accounts.person", code=row["tenant"], uid=row["uid"]) if desk().centre else None


COLUMNS = (
    Column("name", t("Name"), draw=lambda row: show.foreign(row["name"])),
    Column("uid", t("Login name"), "code", person_link),
    Column("groups", t("Groups"), filter=True),
    Column("status", t("State"), "state", filter=True),
)
#: So many sheets are shown.
RECENT = 20
#: Heads that a list may have, with what they are.
HEADS = [(column.heads[0], column.label) for column in LIST_COLUMNS]
DONE: Mapping[str, Text] = {
    "reset": t("The new password lies on a sealed sheet below. The old one does not work any more."),
    "issue": t("The passwords are being set; their sheet appears below and can be opened once it is sealed."),
    "leave": t("The account is locked, and every session has ended. The rest follows within a minute."),
    "later": t("Every session has ended. The directory does not answer just now: the account is locked when it does."),
}


@pages.get("/portal/people/<code>")
@needs(Act.SEE_TENANT, tenant="code")
def people(code: str) -> Any:
    """The people of a department, and sheets of passwords."""
    return _page(code)


@pages.post("/portal/people/<code>")
@needs(Act.ASK, tenant="code", largest=LARGEST + (1 << 20))
def act(code: str) -> Any:
    """Ask for somebody more or for what a file says; all else is done at once."""
    door.known(code)
    try:
        match request.form.get("act"):
            case "add":
                row = door.client().requests.draft(code, "directory", "change")
                return redirect(url_for("asking.page", reference=row["reference"], step="people"), 303)
            case "list":
                return _taken(code)
    except ControlPlaneError as error:
        return _page(code, error), 422
    return at_once(code)


def at_once(code: str) -> Any:
    """Reset a password, issue first ones, or let somebody leave: the department does it, and so does the centre."""
    door.known(code)
    wanted = request.form.get("act", "")
    uid, reason = request.form.get("uid", "").strip().lower(), request.form.get("reason", "").strip()
    try:
        match wanted:
            case "reset":
                _own(code, uid, reason)
                jobs.place("password_reset", f"{uid} ({code})", tenant=code, uids=[uid], reason=reason)
            case "issue":
                _reasoned(reason)
                jobs.place("passwords_issue", code, tenant=code, uids=[], reason=reason)
            case "leave":
                _own(code, uid, reason)
                locked = door.client().staff.cut(uid, tenant=code, reason=reason)["locked"]
                jobs.place("account_leave", f"{uid} ({code})", tenant=code, uid=uid, reason=reason)
                wanted = "leave" if locked else "later"
            case _:
                raise NotFound(t("There is no such act."))
    except ControlPlaneError as error:
        return _page(code, error), 422
    return redirect(url_for(desk().people, code=code, said=wanted, _anchor="sheets"), 303)


@pages.post("/portal/people/<code>/sheets/<int:number>")
@needs(Act.ASK, tenant="code")
def sheet(code: str, number: int) -> Any:
    """Open a sealed sheet, once."""
    door.known(code)
    try:
        found = door.client().sheets.open(number, tenant=code)
    except ControlPlaneError as error:
        return _page(code, error), 422
    name, rows = f"passwords-{code}-{number}", found["rows"]
    if request.form.get("form") == "csv":
        return download(f"{name}.csv", "text/csv; charset=utf-8", sheet_csv(rows))
    return download(f"{name}.pdf", "application/pdf", sheet_pdf(code, day_words(found["expires_at"]), rows))


def _taken(code: str) -> Any:
    """A draft with what the file says; its last look is the preview."""
    wish = door.client().staff.wished(sent_list(), tenant=code, complete=bool(request.form.get("complete")))
    if wish["spec"] is None:
        raise Invalid([Problem("nothing-changes", t("All of this is there already; nothing would change."))])
    return draft_of(code, wish["offering"], wish["spec"], str(wish["sentence"]))


def sent_list() -> bytes:
    """The file that was chosen. Raises Invalid without one."""
    with sent_file("file") as (path, _):
        if path is None:
            raise Invalid([Problem("no-file", t("No file was chosen."), t("Choose a file."), field="file")])
        return path.read_bytes()


def draft_of(code: str, offering: str, spec: Json, note: str) -> Any:
    """A draft of what a department wants of its people; its last look is the preview. Raises Rejected when one was
    begun by hand."""
    client = door.client().requests
    row = untouched(client, code, offering)
    row = client.save(row["id"], spec=spec, note=note, version=row["version"], computed=True)
    return redirect(url_for("asking.check", reference=row["reference"]), 303)


def _reasoned(reason: str) -> None:
    if not reason:
        raise Invalid([Problem("no-reason", t("A reason is needed."), t("Say why in one sentence."), field="reason")])


def _own(code: str, uid: str, reason: str) -> None:
    """Somebody of this department is meant, with a reason. Raises Invalid; it says nothing of others' people."""
    problems = []
    if uid not in {row["uid"] for row in door.rows("accounts") if row["tenant"] == code}:
        text = t("Nobody of {tenant} has the account “{uid}”.", tenant=code, uid=uid)
        problems.append(Problem("unknown-person", text, t("Take a login name from the list."), field="uid"))
    if not reason:
        problems.append(Problem("no-reason", t("A reason is needed."), t("Say why in one sentence."), field="reason"))
    if problems:
        raise Invalid(problems)


def _page(code: str, error: ControlPlaneError | None = None) -> Any:
    door.known(code)
    rows = [row for row in door.rows("accounts") if row["tenant"] == code]
    table = Table(
        COLUMNS,
        rows,
        request.args,
        caption=t("People"),
        empty=t("There are no people here."),
        now=services().clock(),
    )
    return exporting.page(
        "own-people.html",
        table,
        sheets=door.client().sheets.list(code)[:RECENT],
        heads=HEADS,
        error=error,
        of_file=request.form.get("act") == "list",
        notice=DONE.get(request.args.get("said", "")),
        may_open=access.allows(door.person(), Act.ASK, code),
        **common(code),
    )
