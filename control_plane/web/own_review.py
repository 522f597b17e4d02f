"""A department's review: who is still there. Everybody with one decision, all others with one button.

The department alone says it; the centre sees the page. Who left is cut in the answer to the form; what follows is a
job. Other groups become a draft of a request.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, NotFound
from control_plane.model.people import Act
from control_plane.model.people_review import TITLES
from control_plane.web import door, jobs
from control_plane.web.door import needs
from control_plane.web.own_people import common
from control_plane.workflow import access

pages = Blueprint("own_review", __name__)
#: Octets of a form that decides of everybody.
LARGEST = 4 << 20


@pages.get("/portal/people/<code>/review")
@needs(Act.SEE_TENANT, tenant="code")
def review(code: str) -> Any:
    """Everybody, with what may be said of them; or that nothing is to be done."""
    return _page(code)


@pages.post("/portal/people/<code>/review")
@needs(Act.ASK, tenant="code", largest=LARGEST)
def decide(code: str) -> Any:
    """Take what was said."""
    door.known(code)
    form = request.form
    words = {key.removeprefix("what-"): value for key, value in form.items() if key.startswith("what-") and value}
    said = {uid: {"what": what, "more": form.get(f"more-{uid}", "").strip()} for uid, what in words.items()}
    try:
        done = door.client().reviews.decide(code, said, rest=form.get("act") == "rest", ask=True)
    except NotFound:
        return redirect(url_for("own_review.review", code=code), 303)  # somebody else has done it meanwhile
    except ControlPlaneError as error:
        return _page(code, error), 422
    if done["counts"]["left"]:
        jobs.place("people_settle", code, tenant=code)
    if done["request"] is not None:
        return redirect(url_for("asking.check", reference=done["request"]), 303)
    return redirect(url_for("own_review.review", code=code, said="done" if done["locked"] else "later"), 303)


def _page(code: str, error: ControlPlaneError | None = None) -> str:
    door.known(code)
    client, form = door.client().reviews, request.form
    try:
        found: Json | None = client.show(code)
    except NotFound:
        found = None
    last = next((row for row in client.list(everything=True) if row["tenant"] == code and row["decided_at"]), None)
    return render_template(
        "own-review.html",
        review=found,
        last=last,
        titles=TITLES,
        wrong={problem.field: problem for problem in (error.problems if error else ())},
        form=form,
        error=error,
        said=request.args.get("said", ""),
        may_decide=access.allows(door.person(), Act.ASK, code),
        **common(code),
    )
