"""Antivirus and patching of a department's machines: package source, keyring, settings of the engine."""

from __future__ import annotations

from pathlib import Path

from control_plane.model.offering import Offering
from control_plane.model.text import t
from control_plane.offerings.security.asking import RULES
from control_plane.offerings.security.form import EXAMPLE, SecuritySpec
from control_plane.offerings.security.probes import probes
from control_plane.offerings.security.resources import TIERS, check, claims, desired

OFFERING = Offering(
    id="security",
    status="operated",
    title=t("Antivirus and patching"),
    folder=Path(__file__).parent,
    systems=("security",),
    spec=SecuritySpec,
    tiers=TIERS,
    check=check,
    claims=claims,
    desired=desired,
    probes=probes,
    example=EXAMPLE,
    asking=RULES,
)
