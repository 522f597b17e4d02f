"""TARGET: which enrolled machines are meant, in the same words wherever they are looked at.

Grammar: `estate` | NAME | `host:NAME` | `tenant:CODE` | `ring:NAME`, several with commas. Must not know who
is enrolled.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from control_plane.model.errors import Invalid, Problem
from control_plane.model.machine import Machine, Ring
from control_plane.model.scope import RINGS, scope_words
from control_plane.model.text import Listed, Text, t

HELP = t("estate, name of a machine, tenant:CODE or ring:NAME; several with commas.")
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Term:
    """One word of a target."""

    kind: Literal["estate", "host", "tenant", "ring"]
    value: str = ""

    def means(self, machine: Machine) -> bool:
        """Whether this machine is meant."""
        match self.kind:
            case "estate":
                return True
            case "host":
                return self.value in (machine.name, machine.id)
            case "tenant":
                return self.value == machine.tenant
            case "ring":
                return self.value == machine.ring.name.lower()


def parse_target(text: str, field: str) -> list[Term]:
    """Read TARGET; raises Invalid with every bad word. `field`: where it was typed."""
    terms, problems = [], []
    for word in (piece.strip() for piece in text.split(",")):
        term = _term(word)
        if term is None:
            problems.append(Problem("bad-target", t("“{word}” names no machines.", word=word), remedy(), field=field))
        else:
            terms.append(term)
    if problems:
        raise Invalid(problems)
    return terms


def check_paths(paths: Sequence[str], field: str = "paths") -> None:
    """Raises Invalid with every folder that is not written from the root on: a scan of it would look at nothing."""
    problems = [
        Problem(
            "bad-path",
            t("“{path}” is no whole path.", path=path),
            t("Write it from the root on, such as /home/li."),
            field=f"{field}[{number}]",
        )
        for number, path in enumerate(paths)
        if not path.startswith("/") or "\0" in path
    ]
    if problems:
        raise Invalid(problems)


def target_words(text: str) -> Text | Listed | str:
    """A target as people call it."""
    words = [word.strip() for word in text.split(",")]
    return scope_words(",".join(word if ":" in word or word == "estate" else f"host:{word}" for word in words))


def remedy() -> Text:
    """What can be written."""
    return t(
        "Write estate, the name of a machine, tenant:CODE, or ring:NAME ({rings}); several with commas.",
        rings=", ".join(RINGS),
    )


def _term(word: str) -> Term | None:
    kind, colon, value = word.partition(":")
    if not colon:
        kind, value = ("estate", "") if word == "estate" else ("host", word)
    match kind:
        case "estate" if not value:
            return Term("estate")
        case "ring":
            ring = next((r for r in Ring if value in (r.name.lower(), str(int(r)))), None)
            return Term("ring", ring.name.lower()) if ring is not None else None
        case "host" | "tenant" if _VALUE.fullmatch(value):
            return Term(kind, value)
        case "subscription" if value.partition("/")[2] == "security":  # the older word for a department's machines
            return Term("tenant", value.partition("/")[0])
        case "system" if value == "security":  # and for all of them
            return Term("estate")
        case _:
            return None
