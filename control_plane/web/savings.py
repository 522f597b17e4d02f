"""The place of what sharing saves. Nothing computes it yet, so the page says so and shows no figure."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template

from control_plane.model.people import Act
from control_plane.web.door import needs

pages = Blueprint("savings", __name__)


@pages.get("/console/savings")
@needs(Act.SEE_ESTATE)
def savings() -> Any:
    """What will stand here, and what there is of it today."""
    return render_template("savings.html")
