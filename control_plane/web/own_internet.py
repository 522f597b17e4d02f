"""My internet use: the month's volume, rates, rules in words, what was refused and how to ask for it, a test.

Must not say who of the department asked for something that was refused.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, Invalid, NotFound, Problem
from control_plane.model.internet_words import ACTIONS
from control_plane.model.names import to_unicode
from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.model.volume import what_next
from control_plane.web import door, jobs
from control_plane.web.asking import form_of, told
from control_plane.web.door import needs
from control_plane.web.internet import used, worded
from control_plane.workflow import access

pages = Blueprint("own_internet", __name__)
#: Kinds of tests whose outcome this page shows.
TESTS = ("own_internet_test",)


@pages.get("/portal/internet/<code>")
@needs(Act.SEE_TENANT, tenant="code")
def own(code: str) -> Any:
    """A department's use, its rules and its last refusals."""
    return _page(code)


@pages.post("/portal/internet/<code>")
@needs(Act.ASK, tenant="code")
def act(code: str) -> Any:
    """Test an address from a machine of the department, or begin to ask for an exception."""
    door.known(code)
    try:
        match request.form.get("act", ""):
            case "test":
                url = request.form.get("url", "").strip()
                if not url:
                    remedy = t("Write it like https://www.example.test/page.")
                    raise Invalid([Problem("no-address", t("There is no address."), remedy, field="url")])
                made = jobs.place("own_internet_test", f"{url} ({code})", tenant=code, url=url)
                return redirect(url_for("own_internet.own", code=code, test=made["id"], _anchor="tested"), 303)
            case "except":
                return _begun(code, request.form.get("host", ""), request.form.get("rule", ""))
        raise NotFound(t("There is no such act."))
    except ControlPlaneError as error:
        return _page(code, error), 422


def _begun(code: str, host: str, rule: str) -> Any:
    """A draft in which the host is open, at the page that still lacks something: why it is needed."""
    client = door.client()
    client.internet.excepted(code, host, rule)
    row = client.requests.draft(code, "internet", "change")
    spec = client.internet.excepted(code, host, rule, row["spec"])
    row = client.requests.save(row["id"], spec=spec, version=row["version"])
    form = form_of(row)
    lacking = (stop for stop in form.stops if form.problems(stop, told(row["problems"])))
    step = next(lacking, form.stop("reason")).name
    return redirect(url_for("asking.page", reference=row["reference"], step=step), 303)


def _page(code: str, error: ControlPlaneError | None = None) -> str:
    door.known(code)
    client = door.client()
    try:
        seen, found = door.recent(f"internet/{code}", lambda: client.internet.show(code))
    except NotFound:
        return render_template("portal-internet-none.html", code=code)
    refused, blind = [], None
    try:
        refused = door.recent(f"refusals/{code}", lambda: client.internet.refusals(code))[1]
    except ControlPlaneError as unseen:
        blind = unseen
    return render_template(
        "portal-internet.html",
        code=code,
        access=found,
        seen=seen,
        used=used(found),
        next=what_next(found),
        rules=[worded(rule) for rule in found["rules"]],
        otherwise=ACTIONS[found["otherwise"]],
        refused=[
            {**row, "name": to_unicode(row["host"]), "reason": worded({**row, **_NO_HOURS})["reason"]}
            for row in refused
        ],
        blind=blind,
        tested=_tested(code),
        error=error,
        url=request.form.get("url", ""),
        may_ask=access.allows(door.person(), Act.ASK, code),
    )


#: What a refusal has not, of what a rule has.
_NO_HOURS: Json = {"hours": None, "action": "block", "category": None, "hosts": ()}


def _tested(code: str) -> Json | None:
    """The test that the address of the page names, if it is this person's own and of this department."""
    number = request.args.get("test", "")
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        return None
    try:
        job = door.client().jobs.show(int(number))
    except ControlPlaneError:
        return None
    mine = job["actor"] == door.person().name and job["kind"] in TESTS and job["given"].get("tenant") == code
    return {**job, "opens": _opens(code, job["answer"])} if mine else None


def _opens(code: str, answer: Json) -> Json | None:
    """Host and rule of a refusal that a rule of the department's own can open."""
    rule = answer.get("rule") or answer.get("expected_rule") or ""
    if answer.get("verdict") != "blocked" or not rule:
        return None
    host = answer["url"].split("/")[2].rpartition("@")[2]
    host = host if host.endswith("]") else host.partition(":")[0]
    try:
        door.client().internet.excepted(code, host, rule)
    except ControlPlaneError:
        return None
    return {"host": host, "rule": rule}
