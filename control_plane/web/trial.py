"""“Try it as”: one account a role and five tasks of ten minutes. In the lab only; elsewhere there is no such page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.exceptions import NotFound

from control_plane.model.people import ROLES, Act
from control_plane.model.text import Text, t
from control_plane.web import door
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.workflow.trial import Trial

pages = Blueprint("trial", __name__)


@dataclass(frozen=True)
class Task:
    """Something to do: as whom, how, and how one knows that it worked; where it begins; a command that it
    needs."""

    title: Text
    roles: Sequence[str]
    how: Text
    end: Text
    address: str
    command: str = ""


@pages.get("/console/try")
@needs(Act.APPLY)
def trial() -> Any:
    """The page."""
    found = _trial()
    return render_template("trial.html", accounts=found.accounts(), tasks=tasks(found.tenant()), titles=ROLES)


@pages.post("/console/try")
@needs(Act.APPLY)
def make() -> Any:
    """Make the accounts."""
    _trial().make(door.client().people)
    return redirect(url_for("trial.trial"), 303)


def _trial() -> Trial:
    found = services().trial
    if found is None:
        raise NotFound
    return found


def tasks(tenant: str | None) -> list[Task]:
    """Five of them, with links; there is nothing to try before a department has a website."""
    sites = [row["site"] for row in door.rows("sites") if (row["tenant"], row["offering"]) == (tenant, "public_site")]
    if tenant is None or not sites:
        return []
    by_hand = f"gasp lab run web -- sh -c 'echo \"# by hand\" >> /etc/nginx/sites-enabled/{sites[0]}.conf'"
    return [
        Task(
            t("Ask for one more name for a website"),
            ("clerk",),
            t(
                "Press “Change”, add the name {name}, say what it is for, look at the preview, hand it in.",
                name=f"hello.{sites[0]}",
            ),
            t("The request has a reference and a due date, and says whose turn it is."),
            url_for("portal.service", code=tenant, offering="public_site"),
        ),
        Task(
            t("Sign what the clerk asked for"),
            ("approver", "security_officer"),
            t("Open the request, read what would change, sign it; then come in as the other one and sign too."),
            t("Within seconds the request is live, and the new name answers."),
            url_for("requests.queue"),
        ),
        Task(
            t("Change something by hand and find it"),
            ("operator",),
            t("Change a file of the web host by this command; then look for hand-made changes, and revert this one."),
            t("The list is empty again, and a run says what was put back."),
            url_for("drift.drift"),
            by_hand,
        ),
        Task(
            t("Stop everything, and let it go on"),
            ("operator", "deputy_director"),
            t("Freeze the whole estate with a reason. Who set it cannot lift it: come in as the deputy director."),
            t("The freeze stands on every page while it lasts, and in the audit trail afterwards."),
            url_for("freezes.freezes"),
        ),
        Task(
            t("Find out who did what"),
            ("auditor",),
            t("Filter the audit trail by the department, find the request, and export what is shown."),
            t("You can name who asked, who signed, and which run made it real."),
            url_for("audit.audit"),
        ),
    ]
