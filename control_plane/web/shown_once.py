"""A secret on its way from the act that made it to the page that shows it, once: a reload does nothing again.

It lies with the browser, sealed and for the same person only, for a minute; nowhere else.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import orjson
from flask import after_this_request, request

from control_plane.model.client import Json
from control_plane.model.errors import PermanentError
from control_plane.web import door
from control_plane.web.services import services

COOKIE = "gasp-once"
LIFE = timedelta(minutes=1)


def after(answer: Any, words: Json) -> Any:
    """Let the page that `answer` leads to show them."""
    until = services().clock() + LIFE
    sealed = orjson.dumps({"words": words, "key": door.person().key, "until": until.isoformat()}).decode()
    value = services().sign_in.proofs.seal(sealed)
    answer.set_cookie(COOKIE, value, LIFE, secure=True, httponly=True, samesite="Strict", path="/console")
    return answer


def taken() -> Json | None:
    """What is to be shown now, and never again."""
    value = request.cookies.get(COOKIE)
    if not value:
        return None
    after_this_request(_forget)
    try:
        found = orjson.loads(services().sign_in.proofs.unseal(value))
    except (PermanentError, ValueError):
        return None
    mine = found["key"] == door.person().key and services().clock() < datetime.fromisoformat(found["until"])
    return dict(found["words"]) if mine else None


def _forget(answer: Any) -> Any:
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="Strict", path="/console")
    return answer
