"""Information disclosure: declared only. It is counted in costs and savings; nothing is provisioned for it."""

from __future__ import annotations

from pathlib import Path

from control_plane.model.offering import Offering
from control_plane.model.text import t

OFFERING = Offering(id="disclosure", status="declared", title=t("Information disclosure"), folder=Path(__file__).parent)
