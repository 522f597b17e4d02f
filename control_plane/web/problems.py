"""What each type of problem means that the interface for programs answers with; for everybody."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, render_template

from control_plane.model.problem_type import PROBLEM_TYPES
from control_plane.web.door import open_to_all

pages = Blueprint("problems", __name__)


@pages.get("/problems")
@open_to_all
def problems() -> Any:
    """All of them."""
    return render_template("problems.html", kinds=sorted(PROBLEM_TYPES.values(), key=lambda kind: kind.status))


@pages.get("/problems/<slug>")
@open_to_all
def problem(slug: str) -> Any:
    """One."""
    if slug not in PROBLEM_TYPES:
        abort(404)
    return render_template("problem.html", kind=PROBLEM_TYPES[slug])
