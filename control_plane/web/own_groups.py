"""A department's groups: who is in them, make one, rename it, end it. What a department wants becomes a request.

Must not change anything itself: whoever is in a group may get in somewhere, so the department's approver signs; what
the centre does is in `accounts.py`.
"""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, render_template, request, url_for

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, NotFound
from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.web import door, show
from control_plane.web.door import needs
from control_plane.web.own_people import common, desk, draft_of
from control_plane.web.services import services
from control_plane.web.tables import Column, Row, Table

pages = Blueprint("own_groups", __name__)


def _place(row: Row) -> str:
    return url_for(desk().group, code=row["tenant"], group=row["name"])


COLUMNS = (
    Column("name", t("Short name"), "code", _place),
    Column("zh", t("Name in Chinese"), draw=lambda row: show.foreign(row["zh"])),
    Column("en", t("Name in English")),
    Column("count", t("People"), "number"),
)


@pages.get("/portal/people/<code>/groups")
@needs(Act.SEE_TENANT, tenant="code")
def groups(code: str) -> Any:
    """The groups of a department."""
    return listed(code)


@pages.post("/portal/people/<code>/groups")
@needs(Act.ASK, tenant="code")
def make(code: str) -> Any:
    """Ask for one more."""
    door.known(code)
    try:
        return _asked(code, wish_to_make())
    except ControlPlaneError as error:
        return listed(code, error), 422


@pages.get("/portal/people/<code>/groups/<group>")
@needs(Act.SEE_TENANT, tenant="code")
def group(code: str, group: str) -> Any:
    """One, with who is in it."""
    return one(code, group)


@pages.post("/portal/people/<code>/groups/<group>")
@needs(Act.ASK, tenant="code")
def act(code: str, group: str) -> Any:
    """Ask for other people in it, another name, or its end."""
    door.known(code)
    wish = wish_of(group)
    try:
        return _asked(code, wish)
    except NotFound:
        raise
    except ControlPlaneError as error:
        return one(code, group, error), 422


def wish_to_make() -> Json:
    """What the form for one more says."""
    return {"act": "make", **{name: request.form.get(name, "").strip() for name in ("name", "zh", "en")}}


def wish_of(group: str) -> Json:
    """What a form of one group says. Raises NotFound for an act that there is not."""
    form = request.form
    wanted = form.get("act", "")
    wish: Json = {"act": wanted, "name": group}
    if wanted == "people":
        wish |= {"put": re.findall(r"[^\s,;，；、]+", form.get("put", "").lower()), "out": form.getlist("out")}
    elif wanted == "rename":
        wish |= {name: form.get(name, "").strip() for name in ("to", "zh", "en")}
    elif wanted != "end":
        raise NotFound(t("There is no such act."))
    return wish


def _asked(code: str, wish: Json) -> Any:
    found = door.client().groups.wished(code, wish)
    return draft_of(code, found["offering"], found["spec"], found["sentence"])


def listed(code: str, error: ControlPlaneError | None = None) -> str:
    """The page of all."""
    door.known(code)
    table = Table(
        COLUMNS,
        door.client().groups.list(code),
        request.args,
        caption=t("Groups"),
        empty=t("There are no groups yet."),
        now=services().clock(),
    )
    return render_template("own-groups.html", table=table, error=error, **common(code))


def one(code: str, name: str, error: ControlPlaneError | None = None) -> str:
    """The page of one."""
    door.known(code)
    found = door.client().groups.show(code, name)
    return render_template("own-group.html", group=found, error=error, **common(code))
