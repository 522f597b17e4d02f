"""The way in: name and password, a code, a first password, a second factor; and the way out."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for

from control_plane.model.errors import ControlPlaneError, TemporaryError
from control_plane.model.password import SHORTEST
from control_plane.model.people import Act, Stage
from control_plane.web import door
from control_plane.web.door import LANGUAGE, NEXT, needs, open_to_all
from control_plane.web.services import services
from control_plane.workflow.sign_in import TooManyAttempts

pages = Blueprint("sign_in", __name__)
EVERY_STAGE = tuple(Stage)
#: Where somebody wanted to go who has steps of the sign-in before them still.
BACK = "__Host-gasp-back"


@pages.get("/")
@open_to_all
def root() -> Any:
    """Where somebody starts."""
    return redirect(url_for(door.onward(g.session) if g.session is not None else NEXT[Stage.OPEN]))


@pages.route("/sign-in", methods=["GET", "POST"])
@open_to_all
def start() -> Any:
    """Name and password."""
    if g.session is not None and request.method != "POST":
        return redirect(url_for(door.onward(g.session)))
    if request.method != "POST":
        return render_template("sign-in.html", name="", back=_back(request.args.get("next")), error=None)
    name, back = request.form.get("name", ""), _back(request.form.get("next"))
    try:
        token = services().sign_in.start(
            name, request.form.get("password", ""), request.remote_addr or "", request.user_agent.string
        )
    except ControlPlaneError as error:
        return _again("sign-in.html", error, name=name, back=back)
    if g.session is not None:
        services().sign_in.sign_out(g.session)
    session = services().sign_in.session(token)
    target = url_for(door.onward(session)) if session else url_for("sign_in.start")
    if back and session and session.stage is Stage.OPEN:
        return door.hold(redirect(back, 303), token)
    answer = door.hold(redirect(target, 303), token)
    answer.set_cookie(BACK, back, max_age=900 if back else 0, secure=True, httponly=True, samesite="Lax", path="/")
    return answer


@pages.route("/sign-in/code", methods=["GET", "POST"])
@needs(Act.SIGNED_IN, stages=(Stage.CODE,))
def code() -> Any:
    """The code of the second factor."""
    if request.method != "POST":
        return render_template("code.html", error=None)
    try:
        token = services().sign_in.confirm_code(door.session(), request.form.get("code", ""))
    except ControlPlaneError as error:
        return _again("code.html", error)
    return _on(token)


@pages.route("/sign-in/password", methods=["GET", "POST"])
@needs(Act.SIGNED_IN, stages=(Stage.PASSWORD, Stage.OPEN))
def password() -> Any:
    """A password of one's own, at the first sign-in or whenever wanted."""
    form = request.form
    forced = door.session().stage is Stage.PASSWORD
    if request.method != "POST":
        return render_template("password.html", error=None, forced=forced, shortest=SHORTEST)
    try:
        token = services().sign_in.change_password(
            door.session(), form.get("old", ""), form.get("new", ""), form.get("again", "")
        )
    except ControlPlaneError as error:
        return _again("password.html", error, forced=forced, shortest=SHORTEST)
    return _on(token, "password")


@pages.route("/sign-in/second-factor", methods=["GET", "POST"])
@needs(Act.SIGNED_IN, stages=(Stage.ENROL, Stage.OPEN))
def enrol() -> Any:
    """A second factor."""
    if door.person().enrolled:
        return redirect(url_for("me.me"))
    secret, address = services().sign_in.factor(door.session())
    shown = {"secret": " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)), "address": address}
    forced = door.session().stage is Stage.ENROL
    if request.method != "POST":
        return render_template("enrol.html", error=None, forced=forced, **shown)
    try:
        token = services().sign_in.enrol(door.session(), request.form.get("code", ""))
    except ControlPlaneError as error:
        return _again("enrol.html", error, forced=forced, **shown)
    return _on(token, "second-factor")


@pages.post("/sign-out")
@needs(Act.SIGNED_IN, stages=EVERY_STAGE)
def out() -> Any:
    """End this session, or all of this person."""
    if request.form.get("everywhere"):
        services().sign_in.sign_out_everywhere(door.session())
    else:
        services().sign_in.sign_out(door.session())
    return door.let_go(redirect(url_for("sign_in.start"), 303))


@pages.post("/language")
@open_to_all
def language() -> Any:
    """The other language, for this browser, and for the person who is signed in."""
    chosen = "en" if request.form.get("language") == "en" else "zh"
    if g.session is not None:
        services().sign_in.prefer(g.session, chosen, g.session.person.theme)
    answer = redirect(_back(request.form.get("next")) or url_for("sign_in.root"), 303)
    answer.set_cookie(LANGUAGE, chosen, max_age=31536000, secure=True, httponly=True, samesite="Lax")
    return answer


def _back(target: str | None) -> str:
    """A page of our own to go back to, or nothing."""
    fits = target and target.startswith(("/console/", "/portal/", "/sign-in")) and not set(target) & set("\\\r\n")
    return target or "" if fits else ""


def _on(token: str, said: str | None = None) -> Any:
    session = services().sign_in.session(token)
    if session is None:
        return redirect(url_for("sign_in.start"), 303)
    here = session.stage is Stage.OPEN and door.session().stage is Stage.OPEN
    target = url_for("me.me", said=said) if here and said else url_for(door.onward(session))
    back = _back(request.cookies.get(BACK)) if session.stage is Stage.OPEN else ""
    answer = door.hold(redirect(back or target, 303), token)
    if back:
        answer.delete_cookie(BACK, secure=True, httponly=True, samesite="Lax", path="/")
    return answer


def _again(template: str, error: ControlPlaneError, **shown: Any) -> Any:
    """The form once more, with everything that is wrong."""
    status = 429 if isinstance(error, TooManyAttempts) else 503 if isinstance(error, TemporaryError) else 422
    headers = {"Retry-After": str(int(error.delay) + 1)} if isinstance(error, TemporaryError) else {}
    return render_template(template, error=error, **shown), status, headers
