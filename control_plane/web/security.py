"""How tenants' machines are protected: how many, numbers of their health that are never added up, what was found."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request, url_for

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, Invalid, Problem
from control_plane.model.people import Act
from control_plane.model.text import t
from control_plane.web import door, exporting, jobs, show
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Row, Table
from control_plane.web.tenants import tenant_link
from control_plane.workflow import access

pages = Blueprint("security", __name__)
LIMIT = 100


def machines_link(row: Row) -> str:
    """The machines of a tenant."""
    return url_for("hosts.hosts", **{"f.tenant": row["tenant"]})


COLUMNS = (
    Column("tenant", t("Tenant"), "code", tenant_link, filter=True),
    Column("machines", t("Machines"), "number", machines_link, total=show.plain),
    Column("clean", t("Clean"), "number"),
    Column("old_signatures", t("Old signatures"), "number"),
    Column("not_scanned", t("Not scanned"), "number"),
    Column("silent", t("Silent"), "number"),
    Column("unprotected", t("Unprotected"), "number"),
    Column("findings", t("Open findings"), "number"),
    Column("sentence", t("Patches")),
    Column("overdue", t("Overdue"), "number"),
)


@pages.get("/console/security")
@needs(Act.SEE_TENANT)
def security() -> Any:
    """By tenant, as of each machine's last look; then what is found and not settled."""
    return _page()


def _page(error: ControlPlaneError | Json | None = None) -> Any:
    machines = door.client().machines
    table = Table(
        COLUMNS,
        door.in_sight(machines.security()),
        request.args,
        caption=t("Security by tenant"),
        empty=t("No department has this service."),
        now=services().clock(),
    )
    found = door.in_sight(machines.findings(only_open=True))
    centre = access.allows(door.person(), Act.SEE_ESTATE)
    return exporting.page(
        "security.html",
        table,
        findings=found[:LIMIT],
        more=max(0, len(found) - LIMIT),
        going=door.client().by_itself.status() if centre else (),
        error=error,
        chosen=request.form.getlist("findings"),
    )


@pages.post("/console/security")
@needs(Act.SECURITY)
def act() -> Any:
    """Scan machines, let them fetch their ring's signatures, or settle findings."""
    wanted, target = request.form.get("act", ""), request.form.get("target", "").strip() or "estate"
    paths = request.form.get("paths", "").split()
    if wanted == "scan":
        job = jobs.place("scan", target, target=target, paths=paths)
    elif wanted == "refresh":
        job = jobs.place("refresh", target, scope=target)
    elif wanted == "clear":
        return _settle()
    else:
        raise Invalid([Problem("no-act", t("No act is chosen."), t("Use one of the buttons."))])
    return jobs.follow(job)


def _settle() -> Any:
    ids, reason = request.form.getlist("findings"), request.form.get("reason", "").strip()
    subject = ", ".join(ids[:3]) + (f" (+{len(ids) - 3})" if len(ids) > 3 else "")
    try:
        job = jobs.place("findings_clear", subject, ids=ids, reason=reason)
    except ControlPlaneError as error:
        return _page(error), 422
    return (_page(job["error"]), 422) if job["error"] else jobs.there(job, "security.security")
