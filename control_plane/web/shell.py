"""What surrounds every page: navigation by what the person may do, filters for templates, errors as pages, files."""

from __future__ import annotations

import gzip
import hashlib
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, abort, g, render_template, request, url_for
from flask.globals import request_ctx
from werkzeug.exceptions import HTTPException
from werkzeug.routing import IntegerConverter

from control_plane.model.client import Json
from control_plane.model.errors import (
    ControlPlaneError,
    Invalid,
    NotFound,
    PermanentError,
    StalePlan,
    TemporaryError,
    UnsafePlan,
)
from control_plane.model.people import Act, Stage
from control_plane.model.text import Text, language, t, tn
from control_plane.web import door, duties, missing, show, states, views
from control_plane.web.remedies import remedy
from control_plane.web.services import services
from control_plane.workflow import access
from control_plane.workflow.sign_in import SignInRefused, TooManyAttempts

STATIC = Path(__file__).parent / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}
log = logging.getLogger("gasp.web")


@dataclass(frozen=True)
class Entry:
    """One line of the navigation: a page and what it needs."""

    endpoint: str
    title: Text
    act: Act


@dataclass(frozen=True)
class Group:
    """Lines under one head."""

    title: Text
    entries: Sequence[Entry]


NAVIGATION: Sequence[Group] = (
    Group(
        t("My department"),
        (
            Entry("portal.home", t("Start"), Act.ASK),
            Entry("portal.catalogue", t("Catalogue"), Act.ASK),
            Entry("requests.mine", t("My requests"), Act.ASK),
        ),
    ),
    Group(
        t("Watch"),
        (
            Entry("overview.overview", t("Overview"), Act.SIGNED_IN),
            Entry("runs.runs", t("Runs"), Act.SEE_ESTATE),
            Entry("jobs.jobs", t("Acts"), Act.SEE_ESTATE),
            Entry("probes.probes", t("Promises"), Act.SEE_TENANT),
            Entry("security.security", t("Security"), Act.SEE_TENANT),
        ),
    ),
    Group(
        t("Decide"),
        (
            Entry("requests.queue", t("Requests"), Act.SIGN),
            Entry("requests.queue", t("Requests"), Act.SEE_ESTATE),
            Entry("plans.plans", t("Plans"), Act.SEE_ESTATE),
            Entry("drift.drift", t("Hand-made changes"), Act.SEE_ESTATE),
            Entry("rollouts.rollouts", t("Rollouts"), Act.SEE_ESTATE),
            Entry("policies.policies", t("Internet rules of the centre"), Act.SEE_ESTATE),
            Entry("freezes.freezes", t("Freezes"), Act.SEE_ESTATE),
            Entry("emergencies.emergencies", t("Emergencies"), Act.SEE_TENANT),
            Entry("classes.classes", t("Classes of changes"), Act.SEE_ESTATE),
            Entry("substitutes.substitutes", t("Substitutes"), Act.SEE_TENANT),
        ),
    ),
    Group(
        t("Inventory"),
        (
            Entry("tenants.tenants", t("Tenants"), Act.SEE_TENANT),
            Entry("sites.sites", t("Websites"), Act.SEE_TENANT),
            Entry("internet.internet", t("Internet access"), Act.SEE_TENANT),
            Entry("hosts.hosts", t("Hosts and machines"), Act.SEE_TENANT),
            Entry("snapshots.snapshots", t("Snapshots"), Act.SEE_ESTATE),
            Entry("accounts.accounts", t("Accounts"), Act.SEE_TENANT),
            Entry("reviews.reviews", t("Reviews of people"), Act.SEE_ESTATE),
        ),
    ),
    Group(
        t("Records"),
        (
            Entry("director.director", t("Page for the director"), Act.SEE_ESTATE),
            Entry("savings.savings", t("Savings"), Act.SEE_ESTATE),
            Entry("audit.audit", t("Audit trail"), Act.SEE_AUDIT),
            Entry("people.people", t("People and roles"), Act.SEE_PEOPLE),
            Entry("people.sign_ins", t("Sign-ins"), Act.SEE_PEOPLE),
            Entry("webhooks.webhooks", t("Webhooks"), Act.WEBHOOKS),
            Entry("nightly.nightly", t("Nightly check"), Act.SEE_ESTATE),
        ),
    ),
)
#: In a lab only.
TRIAL = Entry("trial.trial", t("Try it as"), Act.APPLY)
STATUS: Sequence[tuple[type[ControlPlaneError], int]] = (
    (NotFound, 404),
    (access.Forbidden, 403),
    (Invalid, 422),
    (SignInRefused, 422),
    (StalePlan, 409),
    (UnsafePlan, 409),
    (TooManyAttempts, 429),
    (TemporaryError, 503),
    (PermanentError, 500),
    (ControlPlaneError, 409),
)
HTTP: Mapping[int, tuple[Text, Text]] = {
    400: (t("This request cannot be understood."), t("Go back, load the page again and try once more.")),
    403: (t("This request did not come from a page of this console."), t("Open the console and try again.")),
    404: (t("There is no such page."), t("Search for what you wanted, or go to the overview.")),
    405: (t("This address takes no such request."), t("Go back and use the page's own buttons.")),
    413: (t("That is too much at once."), t("Send less.")),
}
#: Of a thing that an address names and that is not there, or not for who asks.
GONE = t("It may have been removed meanwhile, in another window or by somebody else, or the address is not right.")
ENDED = (
    t("Your session has ended, so nothing was taken from this form."),
    t("Sign in and fill in that page again; what was saved before is still there."),
)
UNKNOWN = (t("Something went wrong here."), t("Nothing was changed. Tell the centre the reference below."))


class Number(IntegerConverter):
    """A number in an address; one that no database has is no such page."""

    regex = r"\d{1,9}"


def install(app: Flask) -> None:
    """Everything for templates, and errors of any kind."""
    app.url_map.converters["int"] = Number
    app.jinja_env.globals.update(emergencies=duties.emergencies, saved_views=views.mine)
    app.jinja_env.globals.update(
        t=t, tn=tn, asset=asset, mark=states.mark, shape=states.shape, show=show, word=states.word
    )
    app.jinja_env.filters.update(
        plain=show.plain, moment=_moment, content=show.content, service=show.service, remedy=remedy
    )
    app.context_processor(_surroundings)
    app.register_error_handler(ControlPlaneError, _told)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)
    app.view_functions["static"] = _static


def _moment(value: Any) -> Any:
    return show.moment(value, services().clock())


def _surroundings() -> dict[str, Any]:
    session = g.get("session")
    inside = session is not None and session.stage is Stage.OPEN
    groups = []
    for group in NAVIGATION if inside else ():
        seen = {entry.endpoint: entry for entry in group.entries if access.allows(session.person, entry.act)}
        entries = list(seen.values())
        if entries:
            groups.append((group.title, entries))
    if inside and services().trial is not None and access.allows(session.person, TRIAL.act):
        groups.append((t("Lab"), [TRIAL]))
    return {
        "navigation": groups,
        "me": session.person if inside else None,
        "signed_in": session is not None,
        "form_token": door.csrf_token,
        "nonce": door.nonce,
        "theme": g.get("theme", "auto"),
        "lang": "zh-CN" if language() == "zh_CN" else "en",
        "other": "en" if language() == "zh_CN" else "zh",
        "may": lambda act, tenant=None: inside and access.allows(session.person, Act(act), tenant),
        "home": door.home(session.person) if inside else "overview.overview",
        "version": services().version,
        "blueprint": request.blueprint,
        "once": door.once,
        "done": _done() if inside else None,
        "frozen": _frozen() if inside else (),
        "at_work": _at_work() if inside and access.allows(session.person, Act.SEE_ESTATE) else (),
    }


def _at_work() -> list[tuple[Text, str]]:
    """What goes on just now, on every page of those who see the estate: what it is called, and its address."""
    found = []
    for row in door.client().at_work():
        number = row["id"]
        match row["kind"]:
            case "run":
                found.append((t("Run {number}", number=number), url_for("runs.run", number=number)))
            case "rollout":
                found.append((t("Rollout {number}", number=number), url_for("rollouts.rollout", number=number)))
            case _:
                found.append((t("Act {number}", number=number), url_for("jobs.job", number=number)))
    return found


def _done() -> Json | None:
    """What this person just did, when the address of the page says so."""
    number = request.args.get("done", "")
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        return None
    try:
        job = door.client().jobs.show(int(number))
    except ControlPlaneError:
        return None
    return job if job["actor"] == door.person().name and job["error"] is None else None


def _frozen() -> list[Json]:
    """Freezes in force that concern this person: the estate's first, newest first."""
    seen = access.tenants_in_sight(door.person())
    mine = None if seen is None else {"estate", *(f"tenant:{code}" for code in seen)}
    rows = (row for row in door.freezes() if mine is None or row["scope"] in mine)
    return sorted(rows, key=lambda row: row["scope"] != "estate")


# errors ----------------------------------------------------------------------------------------------------------
def _told(error: ControlPlaneError) -> Any:
    status = next(code for kind, code in STATUS if isinstance(error, kind))
    if status == 500:
        return _unexpected(error)
    answer = _page(status, error.text, error.hint if status != 404 else GONE, problems=error.problems)
    if isinstance(error, TemporaryError):
        answer.headers["Retry-After"] = str(int(error.delay) + 1)
    return answer


def _http(error: HTTPException) -> Any:
    if error.response is not None or (error.code or 500) < 400:
        return error
    text, remedy = ENDED if isinstance(error, door.Ended) else HTTP.get(error.code or 500, UNKNOWN)
    if request_ctx.url_adapter is None:  # asked by a name that is not ours: no page, no link
        return Response(f"{text}\n", error.code or 500, mimetype="text/plain")
    came_from = urlsplit(request.referrer or "").path if isinstance(error, door.Ended) else ""
    answer = _page(error.code or 500, text, remedy, came_from=came_from)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            answer.headers[name] = value
    return answer


def _unexpected(error: Exception) -> Any:
    reference = secrets.token_hex(4)
    log.error("%s %s reference %s", request.method, request.path, reference, exc_info=error)
    return _page(500, *UNKNOWN, reference=reference)


def _page(status: int, text: Text, remedy: Text | None, **more: Any) -> Response:
    session = g.get("session")
    if status == 404 and session is not None and session.stage is Stage.OPEN:
        more["ways"] = missing.ways({entry.endpoint: entry.title for group in NAVIGATION for entry in group.entries})
    return Response(
        render_template("error.html", status=status, text=text, remedy=remedy, **more), status, mimetype="text/html"
    )


# files -----------------------------------------------------------------------------------------------------------
@cache
def _file(name: str) -> tuple[bytes, bytes, str, str]:
    """Content, compressed content, type and hash of a file of ours."""
    path = STATIC / name
    body = path.read_bytes()
    return body, gzip.compress(body, 9, mtime=0), TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:12]


@cache
def _names() -> frozenset[str]:
    return frozenset(str(p.relative_to(STATIC)) for p in STATIC.rglob("*") if p.suffix in TYPES)


def asset(name: str) -> str:
    """Address of a file, with its hash, so that a browser may keep it for good."""
    return url_for("static", filename=name, v=_file(name)[3])


@door.open_to_all
def _static(filename: str) -> Response:
    if filename not in _names():
        abort(404)
    body, packed, kind, digest = _file(filename)
    small = "gzip" in request.headers.get("Accept-Encoding", "")
    response = Response(packed if small else body, mimetype=kind)
    if small:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = (
        "public, max-age=31536000, immutable" if request.args.get("v") == digest else "no-cache"
    )
    return response
