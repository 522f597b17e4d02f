"""Online approval: declared only. It is counted in costs and savings; nothing is provisioned for it."""

from __future__ import annotations

from pathlib import Path

from control_plane.model.offering import Offering
from control_plane.model.text import t

OFFERING = Offering(id="approval", status="declared", title=t("Online approval"), folder=Path(__file__).parent)
