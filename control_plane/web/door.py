"""What stands before every page: the language, the session, the token of each form, what the person may do, headers.

A page without `@needs` or `@open_to_all` answers nobody. Cookies carry random values only.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar

from flask import Flask, Response, current_app, g, redirect, request, url_for
from werkzeug.exceptions import BadRequest, Forbidden, NotFound

from control_plane.model.client import Client, Json
from control_plane.model.people import Act, Person, Session, Stage
from control_plane.model.text import choose_language, language, set_language
from control_plane.web.services import services
from control_plane.workflow import access

SESSION, VISIT, LANGUAGE, THEME = "__Host-gasp", "__Host-gasp-visit", "gasp-language", "gasp-theme"
THEMES = ("auto", "light", "dark")
#: Where each stage of a sign-in goes on.
NEXT = {
    Stage.PASSWORD: "sign_in.password",
    Stage.CODE: "sign_in.code",
    Stage.ENROL: "sign_in.enrol",
    Stage.OPEN: "overview.overview",
}
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Needs:
    """What a page wants: an act, the argument of its address that names the tenant, and how far the sign-in has come.
    `act` None: nobody has to be signed in. `largest`: octets that may be sent to it by who may, where that is more than
    usual."""

    act: Act | None
    tenant: str | None = None
    stages: tuple[Stage, ...] = (Stage.OPEN,)
    largest: int | None = None


def needs(
    act: Act, tenant: str | None = None, stages: tuple[Stage, ...] = (Stage.OPEN,), *, largest: int | None = None
) -> Callable[[F], F]:
    """Say what a page needs; innermost decorator."""

    def mark(view: F) -> F:
        view.needs = Needs(act, tenant, stages, largest)  # type: ignore[attr-defined]
        return view

    return mark


def open_to_all(view: F) -> F:
    """A page for everybody, such as the sign-in."""
    view.needs = Needs(None)  # type: ignore[attr-defined]
    return view


def home(somebody: Person) -> str:
    """The page where somebody starts: their department's, or the centre's."""
    local = any(grant.tenant is not None for grant in somebody.grants)
    return "portal.home" if local and not access.allows(somebody, Act.SEE_ESTATE) else NEXT[Stage.OPEN]


def onward(found: Session) -> str:
    """The page that follows in a sign-in."""
    return home(found.person) if found.stage is Stage.OPEN else NEXT[found.stage]


def client() -> Client:
    """The control plane, with the person of this request as its actor."""
    if "client" not in g:
        g.client = services().client(person().name)
    found: Client = g.client
    return found


def rows(name: Literal["tenants", "sites", "accounts", "probes"]) -> list[Json]:
    """A list of the control plane, of tenants that this person may see. Kept between requests; not to be changed."""
    found = services().kept.rows(f"{name}/{language()}", _stamp(), getattr(client(), name))
    return in_sight(found, "code" if name == "tenants" else "tenant")


def known(code: str) -> None:
    """Raises NotFound for a department that is not there."""
    if code not in {row["code"] for row in rows("tenants")}:
        access.no_such_tenant(code)


def in_sight(found: list[Json], field: str = "tenant") -> list[Json]:
    """Those rows that belong to tenants which this person may see; `field` names the tenant."""
    seen = access.tenants_in_sight(person())
    return found if seen is None else [row for row in found if row[field] in seen]


def recent(what: str, make: Callable[[], Any]) -> tuple[datetime, Any]:
    """What a real system said in the last half minute, and when; not to be changed. Raises what `make` raises."""
    return services().recent.get(f"{what}/{language()}", _stamp(), services().clock(), make)


def freezes() -> list[Json]:
    """Freezes in force, read once a request."""
    if "freezes" not in g:
        g.freezes = client().freezes.list()
    found: list[Json] = g.freezes
    return found


def _stamp() -> str:
    if "stamp" not in g:
        g.stamp = client().stamp()
    found: str = g.stamp
    return found


def session() -> Session:
    """The session of this request."""
    found: Session = g.session
    return found


def person() -> Person:
    """Who asks."""
    return session().person


def csrf_token() -> str:
    """What every form carries: bound to this browser's cookie, which no other site can read or set."""
    key = g.get("token") or g.get("visit") or ""
    return hmac.new(key.encode(), b"form", hashlib.sha256).hexdigest()


def once() -> str:
    """The own word of one form: sent twice, it is one act."""
    return secrets.token_urlsafe(18)


def nonce() -> str:
    """The word of this answer that its scripts carry."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    found: str = g.nonce
    return found


def needs_of(endpoint: str | None) -> Needs | None:
    """What a route needs; None when it never said so."""
    return getattr(current_app.view_functions.get(endpoint or ""), "needs", None)


def may_open(endpoint: str) -> bool:
    """Whether who is signed in may open a page whose address names no department."""
    wanted = needs_of(endpoint)
    return wanted is not None and (wanted.act is None or access.allows(person(), wanted.act))


def install(app: Flask) -> None:
    """Put the door before every page of `app`."""
    app.before_request(_enter)
    app.after_request(_leave)
    app.teardown_request(_forget)


def _enter() -> Any:
    _speak(None)
    wanted = needs_of(request.endpoint)
    if request.endpoint == "static":
        return None
    if request.method in ("GET", "HEAD"):
        g.sharing = ExitStack()
        g.sharing.enter_context(services().sharing())
    g.session = None
    g.visit = request.cookies.get(VISIT, "")
    if len(g.visit) < 40:
        g.visit = g.new_visit = secrets.token_urlsafe(32)
    g.token = request.cookies.get(SESSION)
    g.session = services().sign_in.session(g.token)
    if g.session is None:
        g.token = None
    else:
        _speak(g.session.person)
    if wanted is not None and wanted.largest is not None and _admitted(wanted):
        request.max_content_length = wanted.largest
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        _check_form(wanted or Needs(None))
    if request.routing_exception is not None:
        raise request.routing_exception
    if wanted is None:
        raise NotFound
    return _admit(wanted)


def _admitted(wanted: Needs) -> bool:
    """Whether somebody who is signed in may do it, before anything of what they send is read."""
    tenant = (request.view_args or {}).get(wanted.tenant) if wanted.tenant else None
    found = g.session
    if found is None or wanted.act is None or found.stage not in wanted.stages:
        return False
    return access.allows(found.person, wanted.act, tenant)


def _admit(wanted: Needs) -> Any:
    if wanted.act is None:
        return None
    if g.session is None:
        if request.method == "GET":
            back = request.full_path.rstrip("?")
            return redirect(url_for("sign_in.start", next=back if back != "/console/" else None))
        return redirect(url_for("sign_in.start"))
    if g.session.stage not in wanted.stages:
        return redirect(url_for(onward(g.session)))
    tenant = (request.view_args or {}).get(wanted.tenant) if wanted.tenant else None
    access.require(g.session.person, wanted.act, tenant)
    return None


def _speak(somebody: Person | None) -> None:
    """Language and theme: the person's own, else the cookie's, else the browser's; Chinese without any."""
    chosen = (somebody.language if somebody else None) or request.cookies.get(LANGUAGE)
    if not chosen and request.accept_languages:
        chosen = request.accept_languages.best_match(["zh-CN", "zh", "en"], "en")
    set_language(choose_language(chosen or "zh"))
    theme = somebody.theme if somebody else request.cookies.get(THEME, "auto")
    g.theme = theme if theme in THEMES else "auto"


class Ended(BadRequest):
    """A form of somebody whose session ended meanwhile."""


def _check_form(wanted: Needs) -> None:
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden
    given = request.form.get("token", "") or request.headers.get("X-Form-Token", "")
    if not hmac.compare_digest(given.encode(), csrf_token().encode()):
        raise Ended if g.session is None and request.cookies.get(VISIT) and wanted.act is not None else BadRequest


def _forget(_error: BaseException | None = None) -> None:
    """What was read for this page is not known any more: a stream that follows it reads anew."""
    if "sharing" in g:
        g.pop("sharing").close()


def _leave(response: Response) -> Response:
    _forget()
    headers = response.headers
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if request.endpoint == "static":
        return response
    headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'nonce-{nonce()}'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
    headers["X-Frame-Options"] = "DENY"
    headers.setdefault("Cache-Control", "no-store")
    headers["Vary"] = "Cookie, Accept-Language"
    if "new_visit" in g:
        response.set_cookie(VISIT, g.new_visit, secure=True, httponly=True, samesite="Lax", path="/")
    return response


def hold(response: Any, token: str) -> Any:
    """Give the browser the value of its session."""
    response.set_cookie(SESSION, token, secure=True, httponly=True, samesite="Lax", path="/")
    return response


def let_go(response: Any) -> Any:
    """Take it back, and everything this browser kept of us."""
    response.delete_cookie(SESSION, secure=True, httponly=True, samesite="Lax", path="/")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response
