"""What is offered where a page was asked for that is not there: the list it would be in, and a search for it.

Everything here follows from the address and from who asks, nothing from what there is: a thing of others looks as one
that never was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flask import g, request, url_for
from flask.globals import request_ctx
from werkzeug.exceptions import HTTPException

from control_plane.model.people import Act
from control_plane.model.text import Text, t
from control_plane.web import door
from control_plane.workflow import access

#: Lists of one department, beside those of the navigation.
LISTS: Mapping[str, Text] = {
    "tenants.tenant": t("Department {code}"),
    "own_people.people": t("People of the department"),
    "own_groups.groups": t("Groups of the department"),
    "accounts.people": t("People of the department"),
    "accounts.groups": t("Groups of the department"),
}


def ways(titles: Mapping[str, Text]) -> list[tuple[str, Text]]:
    """(address, what is there), the nearest list first. `titles`: lists of everybody, by endpoint."""
    found: list[tuple[str, Text]] = []
    for path in _above(request.path):
        at = _page(path)
        if at is None or at[0] == door.home(door.person()):
            continue
        endpoint, given = at
        title = titles.get(endpoint) or LISTS.get(endpoint)
        if title is not None:
            found = [(path, Text(title.msgid, given) if given else title)]
            break
    thing = _thing()
    if thing and access.allows(door.person(), Act.SEE_TENANT):
        found.append((url_for("search.search", q=thing), t("Search for “{text}”", text=thing)))
    return found


def _above(path: str) -> Iterator[str]:
    parts = path.strip("/").split("/")
    for count in range(len(parts) - 1, 0, -1):
        yield "/" + "/".join(parts[:count])


def _page(path: str) -> tuple[str, dict[str, str]] | None:
    """Endpoint and arguments of a page that this person may open, as far as the address says it."""
    if request_ctx.url_adapter is None:
        return None
    try:
        endpoint, given = request_ctx.url_adapter.match(path, method="GET")
    except HTTPException:
        return None
    wanted = door.needs_of(endpoint)
    if wanted is None or wanted.act is None or g.session.stage not in wanted.stages:
        return None
    tenant = given.get(wanted.tenant) if wanted.tenant else None
    if tenant is not None and tenant not in {row["code"] for row in door.rows("tenants")}:
        return None
    allowed = access.allows(door.person(), wanted.act, tenant)
    return (endpoint, dict(given)) if allowed else None


def _thing() -> str:
    """The word of the address that names what was asked for; a number is no word."""
    if request.view_args is None:
        return request.path.rstrip("/").rpartition("/")[2][:60]
    words = [value for value in request.view_args.values() if isinstance(value, str)]
    return words[-1][:60] if words else ""
