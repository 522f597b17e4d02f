"""Notices on my first home page: list, write, change, take off; preview and publish them as a release.

Writing changes nothing that anybody sees. Preview and publication are requests of a kind that is agreed on beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, NotFound
from control_plane.model.file_kind import ENDINGS
from control_plane.model.people import Act
from control_plane.model.site_post import LARGEST_FILE, MOST_TITLE
from control_plane.model.text import Text, language, t
from control_plane.web import door, show
from control_plane.web.door import needs
from control_plane.web.own_sites import asked, found
from control_plane.web.sent import download, sent_file
from control_plane.web.services import services
from control_plane.workflow import access

pages = Blueprint("posts", __name__)
#: Octets of a form with a file: the file and some room for the words.
LARGEST_FORM = LARGEST_FILE + (1 << 20)
DONE: Mapping[str, Text] = {
    "written": t("The notice is kept. Nobody sees it yet: look at the preview, then publish."),
    "waits": t(
        "The notice is kept. Its file could not be checked for malware just now: it is checked by itself, and nothing "
        "is published before."
    ),
    "withdrawn": t("The notice is taken off with the next publication."),
}


@pages.get("/portal/sites/<code>/<site>/notices")
@needs(Act.SEE_TENANT, tenant="code")
def posts(code: str, site: str) -> Any:
    """The notices of a site, and what of them is not published yet."""
    return _list(found(code, site))


@pages.post("/portal/sites/<code>/<site>/notices")
@needs(Act.ASK, tenant="code", largest=LARGEST_FORM)
def act(code: str, site: str) -> Any:
    """Write one, or preview or publish all."""
    row = found(code, site)
    wanted = request.form.get("act", "")
    try:
        if wanted == "write":
            return _save(row, None)
        if wanted in ("preview", "publish"):
            release = door.client().posts.build(row["site"])["release"]
            reference = asked(row, wanted, release)
            return redirect(url_for("requests.request_page", reference=reference, said="agreed"), 303)
        raise NotFound(t("There is no such act."))
    except ControlPlaneError as error:
        if wanted == "write":
            return _form(row, None, error), 422
        return _list(row, error), 422


@pages.get("/portal/sites/<code>/<site>/notices/new")
@needs(Act.ASK, tenant="code")
def new(code: str, site: str) -> Any:
    """The form of a new one."""
    return _form(found(code, site), None)


@pages.get("/portal/sites/<code>/<site>/notices/<int:number>")
@needs(Act.SEE_TENANT, tenant="code")
def post(code: str, site: str, number: int) -> Any:
    """One notice, to be changed or taken off."""
    row = found(code, site)
    return _form(row, _post(row, number))


@pages.post("/portal/sites/<code>/<site>/notices/<int:number>")
@needs(Act.ASK, tenant="code", largest=LARGEST_FORM)
def change(code: str, site: str, number: int) -> Any:
    """Change it, or take it off."""
    row = found(code, site)
    known = _post(row, number)
    try:
        if request.form.get("act") == "withdraw":
            door.client().posts.withdraw(row["site"], number)
            return redirect(url_for("posts.posts", code=code, site=row["site"], said="withdrawn"), 303)
        if request.form.get("act") == "write":
            return _save(row, known)
        raise NotFound(t("There is no such act."))
    except ControlPlaneError as error:
        return _form(row, known, error), 422


@pages.get("/portal/sites/<code>/<site>/notices/<int:number>/file")
@needs(Act.SEE_TENANT, tenant="code")
def file(code: str, site: str, number: int) -> Any:
    """Its file."""
    return download(*door.client().posts.file(found(code, site)["site"], number))


def _post(row: Json, number: int) -> Json:
    for one in door.client().posts.list(row["site"])["posts"]:
        if one["id"] == number:
            return dict(one)
    raise NotFound(t("There is no such notice."))


def _save(row: Json, known: Json | None) -> Any:
    form = request.form
    version = form.get("version", "")
    with sent_file("file") as (path, name):
        kept = door.client().posts.save(
            row["site"],
            column=form.get("column", ""),
            title=form.get("title", ""),
            day=form.get("day", ""),
            text=form.get("text", ""),
            file=path,
            file_name=name,
            post=known["id"] if known else None,
            version=int(version) if known and version.isascii() and version.isdigit() and len(version) < 10 else None,
            drop_file=bool(form.get("drop_file")),
            once=None if known else form.get("once") or None,
        )
    said = "waits" if kept["file"] is not None and kept["file"]["state"] == "waiting" else "written"
    return redirect(url_for("posts.posts", code=row["tenant"], site=row["site"], said=said), 303)


def _list(row: Json, error: ControlPlaneError | None = None) -> str:
    board = door.client().posts.list(row["site"])
    return render_template(
        "posts.html",
        site=row,
        board=board,
        columns=_columns(board),
        error=error,
        notice=DONE.get(request.args.get("said", "")),
        may_ask=access.allows(door.person(), Act.ASK, row["tenant"]),
    )


def _form(row: Json, known: Json | None, error: ControlPlaneError | None = None) -> str:
    board = door.client().posts.list(row["site"])
    sent = request.form if error is not None else {}
    today = services().clock().astimezone(show.ZONE).date().isoformat()
    values = {name: sent.get(name, (known or {}).get(name, "")) for name in ("column", "title", "day", "text")}
    values["column"] = values["column"] or next((c["id"] for c in board["columns"] if c["id"] == "notices/"), "")
    return render_template(
        "post.html",
        site=row,
        board=board,
        columns=_columns(board),
        post=known,
        values={**values, "day": values["day"] or today},
        today=today,
        most_title=MOST_TITLE,
        endings=" ".join(ENDINGS),
        most=LARGEST_FILE >> 20,
        error=error,
        may_ask=access.allows(door.person(), Act.ASK, row["tenant"]),
    )


def _columns(board: Json) -> dict[str, str]:
    """What each column is called to this reader."""
    own = "zh" if language() == "zh_CN" else "en"
    return {column["id"]: column[own] for column in board["columns"]}
