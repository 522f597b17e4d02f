"""What somebody who has just brought a centre up does first: a list on the first page, which goes away once all of it
is done. Must not ask for anything that the page has not read anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import url_for

from control_plane.model.client import Json
from control_plane.model.people import ROLES
from control_plane.model.text import Text, t, tn
from control_plane.web import door
from control_plane.web.services import services


@dataclass(frozen=True)
class First:
    """One thing to do, in words that say how it stands, and the page for it."""

    done: bool
    text: Text
    address: str


def steps(status: Json, runs: Sequence[Json], short: Sequence[Json]) -> list[First]:
    """All of them; none once people are there and a change was carried out: a host that stops later is no beginning.
    `short`: rows of `SubstitutesClient.staffing`. That a change was carried out is told from a second run: the first
    one is that of bring-up."""
    alone = any(row["role"] is not None and ROLES[row["role"]].reach == "estate" for row in short)
    changed = len(runs) > 1
    if changed and not alone:
        return []
    hosts, tenants = sum(status["hosts"].values()), sum(status["tenants"].values())
    running, pending = status["hosts"].get("running", 0), status["subscriptions"]["pending"]
    people = "people.people" if door.may_open("people.people") else "substitutes.substitutes"
    trial = "trial.trial" if services().trial is not None and door.may_open("trial.trial") else "plans.plans"
    return [
        First(
            0 < running == hosts,
            t("{count} of {all} hosts run.", count=running, all=hosts),
            url_for("hosts.hosts"),
        ),
        First(
            tenants > 0,
            tn("{count} department is here.", "{count} departments are here.", count=tenants)
            if tenants
            else t("Bring the departments in: gasp tenants import"),
            url_for("tenants.tenants"),
        ),
        First(
            tenants > 0 and not pending,
            t("Make real what was wished.") if pending else t("What was wished is real."),
            url_for("plans.plans"),
        ),
        First(
            not alone,
            t("Give others their roles: nobody signs what they asked for.")
            if alone
            else t("Every role of the centre has its people."),
            url_for(people),
        ),
        First(
            changed,
            t("A first change was carried out.") if changed else t("Carry out a first change; it can be undone."),
            url_for(trial),
        ),
    ]
