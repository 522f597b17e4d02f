"""The department's own pages: what it has, what waits for whom, and what it may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, render_template

from control_plane.model.client import Json
from control_plane.model.errors import NotFound
from control_plane.model.offering import Offering
from control_plane.model.people import Act
from control_plane.model.request import FINAL, RequestState
from control_plane.model.text import Text, t, tn
from control_plane.web import door
from control_plane.web.director import operated
from control_plane.web.door import needs
from control_plane.web.forms import Form
from control_plane.web.services import services
from control_plane.workflow import access

pages = Blueprint("portal", __name__)
CLOSED = frozenset(state.value for state in FINAL)
#: Requests on the first page that are over.
RECENT = 5


@pages.get("/portal/")
@needs(Act.SEE_TENANT)
def home() -> Any:
    """My services, what waits for me, my requests."""
    client, found = door.client().requests, list[Json]()
    if own_tenants():  # apart, so that none that goes on is left out for many that are over
        for states in (frozenset(RequestState) - FINAL, FINAL):
            found += client.list(states=[state.value for state in states])
    turn = {"sign", "retry"}
    waiting = [row for row in found if turn & set(row["acts"])]
    return render_template(
        "portal.html",
        departments=[department(row) for row in own_tenants()],
        reviews={row["tenant"]: row for row in door.client().reviews.list() if row["state"] != "done"},
        mine=[row for row in found if row["state"] == "draft" or "answer" in row["acts"]],
        waiting=waiting,
        running=[r for r in found if r["state"] not in CLOSED | {RequestState.DRAFT, RequestState.RETURNED}],
        over=[row for row in found if row["state"] in CLOSED][:RECENT],
    )


@pages.get("/portal/catalogue")
@needs(Act.SEE_TENANT)
def catalogue() -> Any:
    """Everything that can be asked for."""
    return render_template(
        "catalogue.html",
        within=within,
        offerings=offerings(),
        cards={row["code"]: cards(row["code"]) for row in own_tenants()},
    )


@pages.get("/portal/catalogue/<offering>")
@needs(Act.SEE_TENANT)
def offering(offering: str) -> Any:
    """One service: what one gets, what to have ready, how long it takes; and the start."""
    found = asked_for(offering)
    mine = [(row, cards(row["code"]).get(offering)) for row in own_tenants()]
    return render_template(
        "offering.html",
        offering=found,
        asking=found.questions,
        within=within,
        mine=[(row, card) for row, card in mine if card is not None],
        may_ask=lambda code: access.allows(door.person(), Act.ASK, code),
    )


@pages.get("/portal/services/<code>/<offering>")
@needs(Act.SEE_TENANT, tenant="code")
def service(code: str, offering: str) -> Any:
    """One service of the department: how it is, where it is, what was asked for; change and end."""
    if code not in {row["code"] for row in door.rows("tenants")}:
        access.no_such_tenant(code)
    found = door.client().subscription(f"{code}/{offering}")
    known = services().catalogue.get(offering)
    answers = {"spec": found["spec"], "tier": found["tier"], "reason": ""}
    form = Form(known, answers) if known is not None and known.questions is not None else None
    card = cards(code).get(offering)
    return render_template(
        "service.html",
        service=found,
        code=code,
        shown=shown(found),
        card=card,
        sections=[section for section in form.sections() if section.stop != "reason"] if form else [],
        places=[row for row in door.rows("sites") if row["tenant"] == code and row["offering"] == offering],
        actions=card["actions"] if card is not None and access.allows(door.person(), Act.ASK, code) else [],
    )


def within(days: int) -> Text:
    """How long something may take at most."""
    return (
        t("within one working day")
        if days == 1
        else tn("within {days} working day", "within {days} working days", count=days, days=days)
    )


def own_tenants() -> list[Json]:
    """Rows of those departments that this person acts for; whoever sees the whole estate acts for none."""
    codes = {grant.tenant for grant in door.person().grants if grant.tenant is not None}
    return [row for row in door.rows("tenants") if row["code"] in codes]


def offerings() -> Sequence[Offering]:
    """Services that can be asked for."""
    return [offering for offering in services().catalogue.values() if offering.questions is not None]


def asked_for(name: str) -> Offering:
    """A service that can be asked for. Raises NotFound."""
    found = services().catalogue.get(name)
    if found is None or found.questions is None:
        raise NotFound(t("There is no such service in the catalogue."))
    return found


def cards(code: str) -> dict[str, Json]:
    """What a department may ask for, by service."""
    return {row["offering"]: row for row in door.client().requests.catalogue(code)}


def department(row: Json) -> Json:
    """A department with its services, each with addresses."""
    code = row["code"]
    sites = [site for site in door.rows("sites") if site["tenant"] == code]
    found = []
    for one in door.client().tenant(code)["subscriptions"]:
        places = [site for site in sites if site["offering"] == one["offering"]]
        closed = any(site["state"] == "maintenance" for site in places)
        found.append({**one, "places": places, "shown": "maintenance" if closed else shown(one)})
    return {**row, "services": found}


def shown(row: Json) -> str:
    """The state of a service as its department sees it; nothing is provided of one that is only declared."""
    if not operated(row["offering"]):
        return "listed"
    return "pending" if row["state"] == "pending" else "in_use"
