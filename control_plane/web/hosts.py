"""Hosts of the centre and machines of tenants: what the lab says, and what the last look at each enrolled one found.

A page looks at nothing itself: a machine that was silent is shown as silent, never as clean or patched. What is asked
for here the worker does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, render_template, request, url_for

from control_plane.model.client import Json
from control_plane.model.errors import Invalid, NotFound, Problem
from control_plane.model.machine_rules import FAULT_NAMES, NOTES
from control_plane.model.naming import MACHINE_HISTORY
from control_plane.model.people import Act
from control_plane.model.text import Text, t
from control_plane.web import door, exporting, jobs, show
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.web.tables import Column, Table
from control_plane.web.tenants import tenant_link
from control_plane.workflow import access

pages = Blueprint("hosts", __name__)
RINGS: dict[str, Text] = {
    "0": t("0 centre"),
    "1": t("1 pilot"),
    "2": t("2 broad"),
    "3": t("3 all"),
    "4": t("4 servers"),
}
SEVERITIES: dict[str, Text] = {
    "critical": t("critical"),
    "high": t("high"),
    "medium": t("medium"),
    "low": t("low"),
    "unknown": t("not rated"),
}
COLUMNS = (
    Column("name", t("Host"), "code", lambda row: url_for("hosts.host", name=row["name"])),
    Column("shown", t("State"), "state", filter=True),
    Column("role", t("Role"), filter=True, words=show.HOST_ROLES),
    Column("tenant", t("Tenant"), "code", tenant_link, filter=True),
    Column("ring_shown", t("Ring"), filter=True, words=RINGS),
    Column("patches", t("Patches"), "state", filter=True),
    Column("pending", t("Lacking"), "number"),
    Column("overdue", t("Overdue"), "number"),
    Column("antivirus", t("Antivirus"), "state", filter=True),
    Column("faults", t("Faults"), filter=True, words=FAULT_NAMES),
    Column("last_contact", t("Last contact"), "time"),
    Column("ipv4", t("IPv4"), "code"),
)


def rows() -> list[Json]:
    """Hosts and machines that this person may see, with words for lists."""
    return [show.machine(row) for row in door.in_sight(door.client().hosts())]


@pages.get("/console/hosts")
@needs(Act.SEE_TENANT)
def hosts() -> Any:
    """The list."""
    found = rows()
    centre = access.allows(door.person(), Act.SEE_ESTATE)
    table = Table(
        COLUMNS,
        found,
        request.args,
        caption=t("Hosts and machines"),
        empty=t("There are no hosts. Bring the lab up: gasp lab up")
        if centre
        else t("Your department has no machines here."),
        now=services().clock(),
    )
    silent = sum(1 for row in found if row["silent_because"])
    return exporting.page("hosts.html", table, silent=silent)


@pages.post("/console/hosts")
@needs(Act.HOSTS)
def act() -> Any:
    """Measure, mend, enrol, retire or transfer."""
    form = {key: value.strip() for key, value in request.form.items()}
    name, wanted = form.get("name", ""), form.get("act", "")
    scope = f"host:{name}" if name else "estate"
    ways: Mapping[str, Json] = {
        "measure": {"scope": scope},
        "mend": {"name": name},
        "enrol": {"name": name, "tenant": form.get("tenant", ""), "ring": _ring(form.get("ring", ""))},
        "retire": {"name": name, "lost": bool(form.get("lost")), "reason": form.get("reason", "")},
        "transfer": {"name": name, "tenant": form.get("tenant", "")},
    }
    given = ways.get(wanted, {})
    problems = []
    if not given:
        problems.append(Problem("no-act", t("No act is chosen."), t("Use one of the buttons.")))
    if wanted != "measure" and not name:
        problems.append(Problem("no-name", t("No machine is named."), t("Begin at a machine's page."), field="name"))
    if wanted == "retire" and form.get("typed", "") != name:
        text = t("“{given}” is not the name of the machine; nothing was changed.", given=form.get("typed", ""))
        problems.append(Problem("no-word", text, t("Type {word}.", word=name), field="typed"))
    if problems:
        raise Invalid(problems)
    return jobs.follow(jobs.place(wanted, name or "estate", **given))


def _ring(text: str) -> int:
    return int(text) if text in RINGS else -1


@pages.get("/console/hosts/<name>")
@needs(Act.SEE_TENANT)
def host(name: str) -> Any:
    """One machine: what it lacks, what is wrong and what helps. One of others is as one that is not there."""
    missing = NotFound(t("There is no host “{name}”.", name=name))
    try:
        found = door.client().machines.show(name)
    except NotFound:
        raise missing from None
    if not access.in_sight(door.person(), found["tenant"]):
        raise missing
    findings = (
        [
            row
            for row in door.client().machines.findings(found["tenant"], only_open=True)
            if row["machine"] == found["name"]
        ]
        if found["machine"]
        else []
    )
    return render_template(
        "host.html",
        host=show.machine(found),
        centre=access.allows(door.person(), Act.SEE_ESTATE),
        rings=RINGS,
        rings_of_departments={name: title for name, title in RINGS.items() if name != "centre"},
        severities=SEVERITIES,
        histories=MACHINE_HISTORY,
        notes=[NOTES[note][1] for note in found["notes"]],
        findings=findings,
    )
