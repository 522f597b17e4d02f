"""Internet access of tenants: who has it and uses how much, one tenant's rules in their order.

The volume is what the gateway says; what it does not say is “could not measure”, never 0.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request, url_for
from markupsafe import Markup

from control_plane.model.client import Json
from control_plane.model.errors import NotFound
from control_plane.model.internet_words import ACTIONS, CATEGORIES, OWNERS, hours_words
from control_plane.model.people import Act
from control_plane.model.text import language, t
from control_plane.model.volume import what_next
from control_plane.web import door, exporting, jobs, show
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Row, Table
from control_plane.workflow import access

pages = Blueprint("internet", __name__)


def used(row: Row) -> Markup | str:
    """Volume of this month beside its limit."""
    if row["used_octets"] is None:
        return show.mark("unmeasured") if row["enabled"] else show.NOTHING
    limit = show.octets(row["month_octets"]) if row["month_octets"] else str(t("no limit"))
    return Markup("{} / {}").format(show.octets(row["used_octets"]), limit)


COLUMNS = (
    Column("tenant", t("Tenant"), "code", lambda row: url_for("internet.tenant", code=row["tenant"])),
    Column("name", t("Name"), draw=lambda row: show.name_of({"name_zh": row["name"], **row})),
    Column("state", t("State"), "state", filter=True),
    Column("tier", t("Tier"), filter=True),
    Column("used_octets", t("This month"), "number", draw=used, unit=t("octets"), total=show.octets),
    Column("used_percent", t("Used %"), "number"),
    Column("rules", t("Rules"), "number", total=show.plain),
    Column("direct", t("Direct ways"), "number", total=show.plain),
    Column("peers", t("Connected with")),
)


@pages.get("/console/internet")
@needs(Act.SEE_TENANT)
def internet() -> Any:
    """The list."""
    seen, found = door.recent("internet", door.client().internet.list)
    rows = door.in_sight(found)
    table = Table(
        COLUMNS,
        rows,
        request.args,
        caption=t("Internet access"),
        empty=t("No tenant has internet access."),
        now=services().clock(),
    )
    unseen = sum(1 for row in rows if row["state"] == "unmeasured")
    return exporting.page("internet.html", table, seen=seen, unseen=unseen)


@pages.get("/console/internet/<code>")
@needs(Act.SEE_TENANT, tenant="code")
def tenant(code: str) -> Any:
    """One tenant's access: volume, rates, rules in their order, direct ways, connections."""
    named = {row["code"]: row for row in door.rows("tenants")}
    if code not in named:
        access.no_such_tenant(code)
    try:
        seen, found = door.recent(f"internet/{code}", lambda: door.client().internet.show(code))
    except NotFound:
        return render_template("internet-none.html", tenant=named[code])
    return render_template(
        "internet-tenant.html",
        access=found,
        seen=seen,
        rules=[worded(rule) for rule in found["rules"]],
        otherwise=ACTIONS[found["otherwise"]],
        used=used(found),
        next=what_next(found),
    )


@pages.post("/console/internet")
@needs(Act.PLAN)
def test() -> Any:
    """Open an address from a machine of a tenant, as its browser would."""
    code, url = request.form.get("tenant", ""), request.form.get("url", "").strip()
    return jobs.follow(jobs.place("internet_test", f"{url} ({code})", tenant=code, url=url))


def worded(rule: Json) -> Json:
    """A rule in words of the reader's language."""
    hours = rule["hours"]
    own, other = ("reason_zh", "reason_en") if language() == "zh_CN" else ("reason_en", "reason_zh")
    return {
        **rule,
        "word": ACTIONS.get(rule["action"], rule["action"]),
        "subject": CATEGORIES.get(rule["category"], rule["category"]) or ", ".join(rule["hosts"]),
        "when": hours_words(hours) if hours else t("always"),
        "reason": rule[own] or show.foreign(rule[other] or ""),
        "whose": OWNERS.get(rule["owner"], OWNERS["tenant"]),
    }
