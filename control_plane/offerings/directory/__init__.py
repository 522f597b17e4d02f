"""A department's unit in the directory: people, groups and service accounts."""

from __future__ import annotations

from pathlib import Path

from control_plane.model.offering import Offering
from control_plane.model.restoring import Aspects
from control_plane.model.text import t
from control_plane.offerings.directory.asking import RULES
from control_plane.offerings.directory.form import EXAMPLE, DirectorySpec
from control_plane.offerings.directory.probes import probes
from control_plane.offerings.directory.questions import QUESTIONS
from control_plane.offerings.directory.resources import TIERS, check, claims, desired

OFFERING = Offering(
    id="directory",
    status="operated",
    title=t("Directory"),
    folder=Path(__file__).parent,
    systems=("directory",),
    spec=DirectorySpec,
    tiers=TIERS,
    check=check,
    claims=claims,
    desired=desired,
    probes=probes,
    example=EXAMPLE,
    questions=QUESTIONS,
    asking=RULES,
    aspects=Aspects("accounts"),
)
