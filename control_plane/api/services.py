"""What the interface works with, put together by `app.py` once a process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import current_app

from control_plane.model.client import Client
from control_plane.workflow.idempotence import Answers
from control_plane.workflow.tokens import TokenUse

Rows = list[dict[str, Any]]
#: Requests that one token may send within a minute, and failures that one address may.
RATE, FAILURES = 600, 60


@dataclass(frozen=True)
class Services:
    """`client` gives the control plane with somebody as its actor; `kept` a list as of a stamp, made once; `answers`
    first answers to keys; `rate`: requests of a token in a minute."""

    client: Callable[[str], Client]
    tokens: TokenUse
    answers: Answers
    clock: Callable[[], datetime]
    version: str
    kept: Callable[[str, str, Callable[[], Rows]], Rows]
    rate: int = RATE


def services() -> Services:
    """Those of the running application."""
    found: Services = current_app.extensions["gasp-api"]
    return found
