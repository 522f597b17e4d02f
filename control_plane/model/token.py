"""Tokens of programs: how one looks, what it may be used for, and what is known of it. Scopes are data.

A token's value is shown once and kept nowhere; its checksum tells a mistyped one from another word.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from control_plane.model.text import Text, t

PREFIX = "gasp_"
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM, _CHECK = 32, 6
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM + _CHECK}}}")
#: A token lives so many days at most.
LONGEST_DAYS = 365
#: Tokens of one person that live at the same time.
MOST = 50

#: What a token may be used for; its owner must hold a role that allows it besides.
SCOPES: Mapping[str, Text] = {
    "tenants:read": t("read what its owner sees: departments, services, machines, runs, plans, requests"),
    "audit:read": t("read the audit trail"),
    "plans:write": t("make plans"),
    "runs:write": t("carry out plans, stop, finish and undo runs, answer hand-made changes"),
    "rollouts:write": t("make and steer rollouts"),
    "machines:write": t("tend machines, scan them, settle findings"),
    "people:write": t("add people, let them leave, change groups, confirm reviews, issue first passwords"),
    "tokens:write": t("end its owner’s tokens"),
    "webhooks:write": t("end webhooks, let them be told again"),
    "requests:write": t("ask for services, change and withdraw requests"),
    "signoffs:write": t("sign requests"),
    "freezes:write": t("set and lift freezes"),
}


def new_token() -> str:
    """A fresh value: 190 bits, and a checksum."""
    body = "".join(secrets.choice(_LETTERS) for _ in range(_RANDOM))
    return f"{PREFIX}{body}{_checksum(body)}"


def well_formed(value: str) -> bool:
    """Whether this can be a token at all."""
    if not _FORM.fullmatch(value):
        return False
    body = value[len(PREFIX) : -_CHECK]
    return value.endswith(_checksum(body))


def fingerprint(value: str) -> str:
    """What is kept of a token. It has more randomness than anybody can try, so a plain hash is enough."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def _checksum(body: str) -> str:
    number, letters = zlib.crc32(body.encode("ascii")), ""
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_LETTERS))
        letters = _LETTERS[digit] + letters
    return letters


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `owner` is the name of a person, `tenant` the only department it sees, `hint` its last four
    characters, by which its owner tells it from others."""

    id: int
    owner: str
    owner_key: str
    name: str
    hint: str
    scopes: tuple[str, ...]
    tenant: str | None
    made_at: datetime
    made_by: str
    expires_at: datetime
    used_at: datetime | None
    used_from: str | None
    ended_at: datetime | None
    end_reason: Text | None


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What was answered when a program sent a key of idempotence for the first time."""

    status: int
    headers: Mapping[str, str]
    body: str
