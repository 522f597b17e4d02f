"""How requests for antivirus and patching are treated: all of them are the security officer's too."""

from __future__ import annotations

from typing import Any

from control_plane.model.change_class import ChangeRules
from control_plane.model.text import Text, t


def _protection(before: Any, after: Any) -> Text:
    return t("Protection of machines is changed; the security officer signs that.")


RULES = ChangeRules({"new": 3, "change": 3, "end": 3}, public=_protection)
