"""Internet access of a department: rates and volume, rules of the proxy, direct access, agreed connections."""

from __future__ import annotations

from pathlib import Path

from control_plane.model.offering import Offering
from control_plane.model.text import t
from control_plane.offerings.internet.asking import RULES
from control_plane.offerings.internet.centre import TIERS
from control_plane.offerings.internet.form import EXAMPLE, InternetAccess
from control_plane.offerings.internet.probes import probes
from control_plane.offerings.internet.resources import check, claims, desired

OFFERING = Offering(
    id="internet",
    status="operated",
    title=t("Internet access"),
    folder=Path(__file__).parent,
    systems=("gateway",),
    spec=InternetAccess,
    tiers=TIERS,
    check=check,
    claims=claims,
    desired=desired,
    probes=probes,
    example=EXAMPLE,
    asking=RULES,
)
