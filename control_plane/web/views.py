"""My views of lists: a name for what stands in the address of a page, shown above its list to me alone."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, current_app, redirect, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from control_plane.model.client import Json
from control_plane.model.errors import Invalid, Problem
from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.web import door
from control_plane.web.door import needs

pages = Blueprint("views", __name__)
#: What in an address is no part of a view.
_PASSING = frozenset({"page", "export", "done", "said"})


@pages.post("/console/views")
@needs(Act.SIGNED_IN)
def keep() -> Any:
    """Give the view that was looked at a name."""
    form = request.form
    page, query = _page(form.get("page", "")), plain_query(form.get("query", ""))
    return _back(door.client().views.keep(page, name=form.get("name", ""), query=query))


@pages.post("/console/views/end")
@needs(Act.SIGNED_IN)
def remove() -> Any:
    """Forget one of mine."""
    number = request.form.get("number", "")
    if not number:
        raise Invalid([Problem("no-choice", t("Nothing is chosen."), t("Use the button of a view."))])
    gone = door.client().views.remove(int(number) if number.isdecimal() and len(number) < 10 else 0)
    return _back({**gone, "query": ""})


def mine() -> list[Json]:
    """Those of the page that is asked for."""
    return door.client().views.list(request.path)


def plain_query(text: str) -> str:
    """What of an address is the view, in one spelling."""
    return urlencode([(name, value) for name, value in parse_qsl(text) if name not in _PASSING])


def _page(path: str) -> str:
    """A path that is a page of ours."""
    try:
        known = path.startswith(("/console/", "/portal/")) and current_app.url_map.bind("x").match(path, method="GET")
    except (HTTPException, RequestRedirect):
        known = False
    if not known:
        raise Invalid([Problem("no-page", t("There is no such page."), t("Begin at a list."), field="page")])
    return path


def _back(view: Json) -> Any:
    return redirect(view["page"] + ("?" + view["query"] if view["query"] else ""), 303)
