"""From an intranet site to the sign-in and back: the console's half of the way (docs/adr/0024)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from flask import Blueprint, render_template, request

from control_plane.model.errors import NotFound
from control_plane.model.names import to_unicode
from control_plane.model.people import Act
from control_plane.model.site_sign_in import ENTRANCE
from control_plane.model.text import t
from control_plane.web import door
from control_plane.web.door import needs
from control_plane.web.services import services

pages = Blueprint("site_entry", __name__)


@pages.get(ENTRANCE)
@needs(Act.SIGNED_IN)
def enter() -> Any:
    """Somebody who has signed in goes on to the site they came from. Everything behind `back=` is the page there, as
    nginx got it."""
    gate = services().gate
    if gate is None:
        raise NotFound(t("This centre has no websites that ask for sign-in."))
    first, _, back = request.query_string.decode("ascii", "replace").partition("&back=")
    given = parse_qs(first)
    name, state = (given.get(field, [""])[0] for field in ("site", "state"))
    target = gate.admit(door.session(), name, state, back or "/")
    return render_template("site-entry.html", target=target, name=to_unicode(name))
