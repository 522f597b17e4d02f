"""What the first page says of signatures: roles that lack people. One list, so that the page has one place for it."""

from __future__ import annotations

from flask import url_for

from control_plane.model.client import Json
from control_plane.model.text import Text, t

Need = tuple[str, Text, str]


def needs_of(status: Json) -> list[Need]:
    """Lines of “needs you”: tone, sentence, page."""
    where = url_for("substitutes.substitutes")
    tones = {"failed": "bad", "warning": "warn"}
    return [(tones[one["state"]], t("{text}", text=one["sentence"]), where) for one in status["staffing"]]
