"""Changes made real ahead of their signatures: the list, the review by a second person, and the act itself."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, request, url_for
from markupsafe import Markup

from control_plane.model.change_class import CLASSES
from control_plane.model.errors import ControlPlaneError, NotFound, Rejected
from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.web import door, exporting, jobs, show
from control_plane.web.door import needs
from control_plane.web.requests import review_page
from control_plane.web.services import services
from control_plane.web.states import mark
from control_plane.web.tables import Column, Row, Table

pages = Blueprint("emergencies", __name__)


def _request(row: Row) -> str:
    return url_for("requests.review", reference=row["request"])


def _state(row: Row) -> Markup:
    return mark(f"emergency-{row['state']}")


COLUMNS = (
    Column("id", t("Emergency"), "id"),
    Column("state", t("State"), draw=_state),
    Column("request", t("Request"), "code", _request),
    Column("tenant_name", t("Department"), draw=lambda row: show.foreign(row["tenant_name"]), filter=True),
    Column("title", t("Service")),
    Column("by_name", t("Done by"), draw=lambda row: show.foreign(row["by_name"])),
    Column("at", t("Since"), "time"),
    Column("reason", t("Reason")),
    Column("reviewed_by", t("Reviewed by"), "who"),
    Column("review", t("Review")),
)


@pages.get("/console/emergencies")
@needs(Act.SEE_TENANT)
def emergencies() -> Any:
    """All of them; those that are open first, each with its form."""
    return _page()


@pages.post("/console/emergencies/<int:number>/review")
@needs(Act.REVIEW)
def review(number: int) -> Any:
    """Say what one found."""
    try:
        door.client().emergencies.review(number, text=request.form.get("text", ""))
    except NotFound:
        raise
    except ControlPlaneError as error:
        return _page(error, number), 422
    return redirect(url_for("emergencies.emergencies", said="reviewed"), 303)


@pages.post("/console/requests/<reference>/emergency")
@needs(Act.EMERGENCY)
def apply(reference: str) -> Any:
    """Make a request real at once."""
    row, form = door.client().requests.show(reference), request.form
    given = {"request": row["id"], "digest": form.get("digest", ""), "reason": form.get("reason", "").strip()}
    try:
        job = jobs.place("emergency", row["reference"], **given)
    except Rejected as error:
        return review_page(row, error), 422
    if job["error"]:
        return review_page(door.client().requests.show(reference), job["error"]), 422
    return jobs.follow(job)


def _page(error: Any = None, reviewing: int | None = None) -> Any:
    rows = door.client().emergencies.list(everything=True)
    open_ = {row["id"] for row in door.client().emergencies.list()}
    living = [row for row in rows if row["id"] in open_]
    table = Table(
        COLUMNS, rows, request.args, caption=t("Emergencies"), empty=t("There never was an emergency."),
        now=services().clock(),
    )  # fmt: skip
    return exporting.page(
        "emergencies.html",
        table,
        living=living,
        kind=CLASSES["emergency"],
        error=error,
        reviewing=reviewing,
        notice=t("Your review is recorded.") if request.args.get("said") == "reviewed" else None,
    )
