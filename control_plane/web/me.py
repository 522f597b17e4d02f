"""Myself: roles, sessions, language and theme, password, second factor."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for

from control_plane.model.people import ROLES, Act
from control_plane.web import door
from control_plane.web.door import LANGUAGE, THEME, THEMES, needs
from control_plane.web.services import services

pages = Blueprint("me", __name__)


@pages.get("/console/me")
@needs(Act.SIGNED_IN)
def me() -> Any:
    """The page."""
    session = door.session()
    return render_template(
        "me.html",
        person=session.person,
        roles=ROLES,
        here=session.id,
        sessions=services().sign_in.sessions(session),
        themes=THEMES,
        said=request.args.get("said"),
    )


@pages.post("/console/me")
@needs(Act.SIGNED_IN)
def prefer() -> Any:
    """Keep language and theme."""
    wanted = request.form.get("language")
    language = wanted if wanted in ("zh", "en") else None
    theme = request.form.get("theme", "auto")
    theme = theme if theme in THEMES else "auto"
    services().sign_in.prefer(door.session(), language, theme)
    answer = redirect(url_for("me.me", said="kept"), 303)
    if language:
        answer.set_cookie(LANGUAGE, language, max_age=31536000, secure=True, httponly=True, samesite="Lax")
    else:
        answer.delete_cookie(LANGUAGE)
    answer.set_cookie(THEME, theme, max_age=31536000, secure=True, httponly=True, samesite="Lax")
    return answer
