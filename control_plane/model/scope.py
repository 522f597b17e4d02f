"""SCOPE: which part of the estate a plan or an apply is about.

Grammar: `estate` | `tenant:CODE` | `subscription:CODE/OFFERING` | `system:NAME` | `host:NAME`, comma-joined.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from control_plane.model.errors import Invalid, Problem
from control_plane.model.text import t

SYSTEMS = ("dns", "directory", "web", "gateway", "security")
_TERM = re.compile(r"^(tenant|subscription|system|host):([A-Za-z0-9][A-Za-z0-9_./-]*)$")


@dataclass(frozen=True)
class Scope:
    """A union of terms; an empty tuple means the whole estate."""

    terms: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return ",".join(f"{kind}:{value}" for kind, value in self.terms) or "estate"

    @property
    def tenants(self) -> frozenset[str] | None:
        """Tenant codes the scope is limited to, or None when it is not limited by tenant."""
        codes = {value.split("/")[0] for kind, value in self.terms if kind in ("tenant", "subscription")}
        limited = self.terms and all(kind in ("tenant", "subscription") for kind, _ in self.terms)
        return frozenset(codes) if limited else None

    def covers(self, tenant: str, offering: str, part: str) -> bool:
        """Whether a resource of this tenant and offering, in this part, belongs to the scope."""
        return not self.terms or any(_matches(kind, v, tenant, offering, part) for kind, v in self.terms)

    def covers_part(self, part: str) -> bool:
        """Whether a look at this part can matter for the scope."""
        system, _, name = part.partition(":")
        return not self.terms or any(
            kind in ("tenant", "subscription")
            or (kind == "system" and value == system)
            or (kind == "host" and value == name)
            for kind, value in self.terms
        )


def _matches(kind: str, value: str, tenant: str, offering: str, part: str) -> bool:
    system, _, name = part.partition(":")
    match kind:
        case "tenant":
            return tenant == value
        case "subscription":
            return f"{tenant}/{offering}" == value
        case "system":
            return system == value
        case _:
            return name == value


def parse_scope(text: str) -> Scope:
    """Read SCOPE; raises Invalid with every bad term."""
    terms: set[tuple[str, str]] = set()
    problems = []
    for raw in (piece.strip() for piece in text.split(",")):
        match = _TERM.match(raw)
        if raw == "estate":
            return Scope()
        if not match or (match[1] == "system" and match[2] not in SYSTEMS):
            problems.append(
                Problem(
                    "bad-scope",
                    t("“{term}” is no scope.", term=raw),
                    t("Use estate, tenant:CODE, subscription:CODE/OFFERING, system:dns|directory|web or host:NAME."),
                    field="scope",
                )
            )
        else:
            terms.add((match[1], match[2]))
    if problems:
        raise Invalid(problems)
    return Scope(tuple(sorted(terms)))
