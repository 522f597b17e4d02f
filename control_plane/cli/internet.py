"""`gasp internet`: internet access of departments."""

from __future__ import annotations

from control_plane.cli.base import Group
from control_plane.model.text import t

internet = Group(
    name="internet",
    sentence=t("Internet access of departments."),
    examples=(
        (
            "gasp internet log --case Q-118 --reason police --from 2026-11-24T09:00 --to 2026-11-24T09:10"
            " --nat-port 40112",
            t("who had this port outside"),
        ),
        (
            "gasp internet log --case Q-119 --reason audit --from 2026-11-24 --to 2026-11-24 --tenant fgw -o csv",
            t("a department's day, for a spreadsheet"),
        ),
    ),
    lazy={"log": ("internet_log", t("Ask the access record, for a case."))},
)
