"""The first page: what needs attention, what is at work, what changed last. Asks no outside system but what carries
signals to the worker, two seconds at most.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, url_for

from control_plane.model.client import Json
from control_plane.model.people import Act
from control_plane.model.run import RESUMABLE
from control_plane.model.text import Text, t, tn
from control_plane.web import door, duties
from control_plane.web.beginning import steps
from control_plane.web.door import needs
from control_plane.web.seen import Need, hand_made, promises
from control_plane.web.services import services
from control_plane.workflow import access

pages = Blueprint("overview", __name__)
RECENT = 10
CHORES: dict[str, Text] = {
    "requests": t("making approved requests real"),
    "mail": t("sending mail"),
    "webhooks": t("telling other systems"),
    "volume": t("telling departments of their volume"),
    "contents": t("deleting files that nothing names any more"),
    "retirements": t("removing what is left of websites that went"),
    "answers": t("forgetting old answers to programs"),
    "jobs": t("carrying out what was asked for on pages"),
    "errands": t("errands to machines"),
    "rollouts": t("moving rollouts on"),
    "runs": t("closing runs whose process ended"),
    "emergencies": t("taking back emergencies that nobody signed"),
    "substitutes": t("ending substitutions of people who left"),
    "accounts": t("locking and removing accounts of people who left"),
    "reviews": t("asking departments whether everybody is still there"),
    "record": t("collecting the access record"),
    "old_record": t("purging old days of the access record"),
    "machines": t("measuring machines"),
    "scans": t("scanning machines"),
    "files": t("having files checked for malware"),
    "releases": t("having releases of sites checked for malware"),
    "live_releases": t("checking what websites show with new signatures"),
    "signatures": t("fetching signatures and giving them out"),
}


@pages.get("/console/")
@needs(Act.SIGNED_IN)
def overview() -> Any:
    """The page, by what this person may see."""
    person, client = door.person(), door.client()
    if access.allows(person, Act.SEE_ESTATE):
        status, runs = client.status(), client.runs(limit=RECENT)
        worker = client.worker.status()
        return render_template(
            "overview.html",
            status=status,
            runs=runs,
            worker=worker,
            chores=CHORES,
            first=steps(status, runs, duties.short()) if access.allows(person, Act.PLAN) else [],
            needs=[
                *duties.requests(),
                *_by_itself(worker),
                *_antivirus(),
                *duties.needs(),
                *_attention(status, runs),
                *_going_out(),
            ],
            drift=services().looks.last("drift:estate"),
        )
    return render_template("welcome.html", tenants=door.rows("tenants"))


def _by_itself(worker: Json) -> list[Need]:
    """What is wrong with what goes on by itself."""
    here = url_for("overview.overview", _anchor="worker")
    if not worker["running"]:
        return [("bad", t("The worker does not run: nothing goes on by itself. Start it: gasp worker start"), here)]
    silent: list[Need] = [("bad", t("{text}", text=worker["signals"]), here)] if worker["signals"] else []
    bad = [chore["name"] for chore in worker["chores"] if chore["state"] in ("failed", "late")]
    late: list[Need] = [("bad", t("Chores that fail or are late: {names}.", names=", ".join(bad)), here)] if bad else []
    return [*late, *silent]


def _antivirus() -> list[Need]:
    """What should go on by itself and does not. A rollout that stands still has a line of its own."""
    rows = door.client().by_itself.failed()
    return [("bad", t("{text}", text=row["sentence"]), url_for("security.security")) for row in rows]


def _going_out() -> list[Need]:
    """Rollouts that wait for a person, findings that nobody settled, websites with malware, freezes in force."""
    client, found = door.client(), list[Need]()
    for row in client.rollouts.list():
        if row["state"] in ("waiting", "stopped"):
            text = t("Rollout {number}: {sentence}", number=row["id"], sentence=row["sentence"])
            found.append(("bad", text, url_for("rollouts.rollout", number=row["id"])))
    findings = client.machines.findings(only_open=True)
    if findings:
        text = tn(
            "{count} finding on machines is not settled.",
            "{count} findings on machines are not settled.",
            count=len(findings),
        )
        found.append(("bad", text, url_for("security.security")))
    bad = client.infected_sites()
    if bad:
        text = t("Malware was found in what these websites show: {sites}.", sites=", ".join(bad))
        found.append(("bad", text, url_for("sites.sites")))
    late = sum(1 for row in client.reviews.list() if row["state"] == "overdue")
    if late:
        text = tn("{count} department has not confirmed who is still there.",
                  "{count} departments have not confirmed who is still there.", count=late)  # fmt: skip
        found.append(("held", text, url_for("reviews.reviews")))
    freezes = door.freezes()
    if freezes:
        found.append(
            (
                "held",
                tn("{count} freeze is in force.", "{count} freezes are in force.", count=len(freezes)),
                url_for("freezes.freezes"),
            )
        )
    return found


def _attention(status: Json, runs: list[Json]) -> list[Need]:
    """(tone, sentence, address), worst first."""
    found: list[Need] = []
    down = {state: count for state, count in status["hosts"].items() if state != "running"}
    if down:
        text = tn("{count} host does not run.", "{count} hosts do not run.", count=sum(down.values()))
        found.append(("bad", text, url_for("hosts.hosts")))
    if runs and runs[0]["state"] in {state.value for state in RESUMABLE}:
        text = t("The last run, {run}, was not finished: {sentence}", run=runs[0]["id"], sentence=runs[0]["sentence"])
        found.append(("bad", text, url_for("runs.run", number=runs[0]["id"])))
    if status["subscriptions"]["pending"]:
        text = tn(
            "{count} service waits to be made real.",
            "{count} services wait to be made real.",
            count=status["subscriptions"]["pending"],
        )
        found.append(("busy", text, url_for("plans.plans")))
    found += [*hand_made(), *promises()]
    if status["drift_kept"]:
        text = tn(
            "{count} hand-made change is kept for a while.",
            "{count} hand-made changes are kept for a while.",
            count=status["drift_kept"],
        )
        found.append(("held", text, url_for("drift.drift")))
    return found
