"""Tenants and what they subscribe to."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for

from control_plane.model.errors import ControlPlaneError, NotFound
from control_plane.model.people import Act
from control_plane.model.restoring import TITLES
from control_plane.model.text import Text, t
from control_plane.web import door, exporting, show
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Row, Table
from control_plane.workflow import access

pages = Blueprint("tenants", __name__)
KINDS: dict[str, Text] = {
    "government_department": t("government department"),
    "government_body": t("government body"),
    "committee_organ": t("committee organ"),
    "party_organ": t("party organ"),
    "congress_cppcc": t("congress or consultative conference"),
    "court_procuratorate": t("court or procuratorate"),
    "mass_organisation": t("mass organisation"),
    "public_institution": t("public institution"),
    "district": t("district"),
    "county_level_city": t("county-level city"),
}


def tenant_link(row: Row) -> str | None:
    """Where a tenant's code leads."""
    code = row.get("tenant", row.get("code"))
    return url_for("tenants.tenant", code=code) if code else None


COLUMNS = (
    Column("code", t("Code"), "code", tenant_link),
    Column("name_zh", t("Name"), draw=show.name_of),
    Column("kind", t("Kind"), filter=True, words=KINDS),
    Column("status", t("State"), "state", filter=True),
    Column("subscriptions", t("Services"), "service", filter=True),
    Column("network_index", t("Network"), "id"),
)


@pages.get("/console/tenants")
@needs(Act.SEE_TENANT)
def tenants() -> Any:
    """The list."""
    table = Table(
        COLUMNS,
        door.rows("tenants"),
        request.args,
        caption=t("Tenants"),
        empty=t("No tenants yet. Import a folder of documents: gasp tenants import"),
        now=services().clock(),
    )
    return exporting.page("list.html", table, title=t("Tenants"))


@pages.get("/console/tenants/<code>")
@needs(Act.SEE_TENANT, tenant="code")
def tenant(code: str) -> Any:
    """One tenant."""
    return _page(code)


@pages.post("/console/tenants/<code>/restore")
@needs(Act.PLAN)
def restore(code: str) -> Any:
    """The plan that brings back what was wanted on a former day; nothing is changed yet."""
    given = request.form
    try:
        plan = door.client().restores.plan(code, to=given.get("to", ""), what=given.getlist("what"))
    except NotFound:
        access.no_such_tenant(code)
    except ControlPlaneError as error:
        return _page(code, error), 422
    return redirect(url_for("plans.plan", digest=plan["digest"]), 303)


def _page(code: str, error: ControlPlaneError | None = None) -> Any:
    try:
        found = door.client().tenant(code)
    except NotFound:
        access.no_such_tenant(code)
    return render_template(
        "tenant.html",
        tenant=found,
        kind=KINDS.get(found["kind"], found["kind"]),
        machines=[show.machine(row) for row in door.client().hosts() if row["tenant"] == code],
        sites=[row for row in door.rows("sites") if row["tenant"] == code],
        people=sum(1 for row in door.rows("accounts") if row["tenant"] == code),
        what=TITLES.items(),
        error=error,
    )


@pages.get("/console/tenants/<code>/services/<offering>")
@needs(Act.SEE_TENANT, tenant="code")
def subscription(code: str, offering: str) -> Any:
    """One service of a tenant: what is wished, what is real, and every wish before."""
    if code not in {row["code"] for row in door.rows("tenants")}:
        access.no_such_tenant(code)
    return render_template("subscription.html", service=door.client().subscription(f"{code}/{offering}"))
