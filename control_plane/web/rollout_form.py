"""A new rollout: one form, a preview of its waves, and a draft that is begun on its own page."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request

from control_plane.model.client import Json
from control_plane.model.errors import ControlPlaneError, Invalid, Problem, Rejected, TemporaryError
from control_plane.model.people import Act
from control_plane.model.rollout import KINDS, Thresholds
from control_plane.model.scope import RINGS
from control_plane.model.text import t
from control_plane.web import door, jobs
from control_plane.web.door import needs
from control_plane.web.services import services
from control_plane.workflow.yaml_form import read_form

pages = Blueprint("rollout_form", __name__)
THRESHOLDS = ("success", "errors", "error_count", "reached", "soak")


@pages.get("/console/rollouts/new")
@needs(Act.ROLLOUTS)
def new() -> Any:
    """The form, empty."""
    return _page()


@pages.post("/console/rollouts/new")
@needs(Act.ROLLOUTS)
def make() -> Any:
    """Show the waves, or make the draft."""
    try:
        order = _order()
        if request.form.get("act") != "create":
            return _page(preview=door.client().rollouts.preview(**order))
        job = jobs.place("rollout_create", order["snapshot"] or order["offering"] or "–", order=order)
    except ControlPlaneError as error:
        return _page(error), 503 if isinstance(error, TemporaryError) else 422
    if job["error"]:
        return _page(job["error"]), 422
    return jobs.there(job, "rollouts.rollout", number=job["answer"]["rollout"])


def _order() -> Json:
    """What the form says, in the words of `RolloutsClient.create`. Raises Invalid."""
    form = {key: value.strip() for key, value in request.form.items()}
    kind = form.get("kind", "")
    if kind not in KINDS:
        raise Invalid([Problem("no-kind", t("No kind is chosen."), t("Choose what goes out."), field="kind")])
    configuration = kind == "configuration"
    return {
        "kind": kind,
        "reason": form.get("reason", ""),
        "snapshot": None if configuration else form.get("snapshot", ""),
        "offering": form.get("offering") or None if configuration else None,
        "patch": read_form(form["patch"], field="patch") if configuration and form.get("patch") else None,
        "tier": form.get("tier") or None if configuration else None,
        "tenants": form.get("tenants", "").replace(",", " ").split() if configuration else [],
        "groups": [line.replace(",", " ").split() for line in form.get("groups", "").splitlines() if line.strip()]
        if configuration
        else [],
        "thresholds": {name: form[name] for name in THRESHOLDS if form.get(name)},
        "ignore_windows": form.get("ignore_windows") or None,
        "not_before": form.get("not_before") or None,
        "replace_lists": configuration and bool(form.get("replace_lists")),
    }


def _page(error: Any = None, preview: Json | None = None) -> Any:
    try:
        snapshots = door.recent("snapshots", door.client().snapshots.all)[1]
    except (TemporaryError, Rejected):
        snapshots = []
    return render_template(
        "rollout-new.html",
        error=error,
        preview=preview,
        kinds=KINDS,
        rings=RINGS,
        snapshots=snapshots,
        offerings=services().offerings,
        given=request.form,
        usual=Thresholds(),
    )
