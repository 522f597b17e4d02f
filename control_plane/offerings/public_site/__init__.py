"""Public websites of a department: names, certificate, content and web server, for everybody."""

from __future__ import annotations

from pathlib import Path

from control_plane.model.offering import Offering
from control_plane.model.text import t
from control_plane.offerings._site.asking import rules_of
from control_plane.offerings._site.form import ASPECTS
from control_plane.offerings._site.kind import PUBLIC
from control_plane.offerings._site.posts import posting_of
from control_plane.offerings._site.rules import TIERS
from control_plane.offerings.public_site.form import EXAMPLE, PublicSites
from control_plane.offerings.public_site.probes import probes
from control_plane.offerings.public_site.questions import QUESTIONS
from control_plane.offerings.public_site.resources import check, claims, desired

OFFERING = Offering(
    id="public_site",
    status="operated",
    title=t("Public website"),
    folder=Path(__file__).parent,
    systems=("dns", "web"),
    spec=PublicSites,
    tiers=TIERS,
    check=check,
    claims=claims,
    desired=desired,
    probes=probes,
    example=EXAMPLE,
    questions=QUESTIONS,
    asking=rules_of(PUBLIC),
    posting=posting_of(PUBLIC),
    aspects=ASPECTS,
)
