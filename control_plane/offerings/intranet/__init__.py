"""Internal websites of a department: names, certificate, content and web server, for the networks it is shared with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from control_plane.model.offering import Offering
from control_plane.model.text import t
from control_plane.offerings._site.asking import rules_of
from control_plane.offerings._site.form import ASPECTS
from control_plane.offerings._site.kind import INTRANET
from control_plane.offerings._site.posts import posting_of
from control_plane.offerings._site.rules import TIERS
from control_plane.offerings.intranet.asking import sign_in_words
from control_plane.offerings.intranet.form import EXAMPLE, IntranetSites
from control_plane.offerings.intranet.probes import probes
from control_plane.offerings.intranet.questions import QUESTIONS
from control_plane.offerings.intranet.resources import check, claims, desired, entrances

OFFERING = Offering(
    id="intranet",
    status="operated",
    title=t("Internal website"),
    folder=Path(__file__).parent,
    systems=("dns", "web"),
    spec=IntranetSites,
    tiers=TIERS,
    check=check,
    claims=claims,
    desired=desired,
    probes=probes,
    example=EXAMPLE,
    questions=QUESTIONS,
    asking=replace(rules_of(INTRANET), words=sign_in_words),
    posting=posting_of(INTRANET),
    aspects=ASPECTS,
    entrances=entrances,
)
