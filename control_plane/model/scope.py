"""SCOPE: which part of the estate a plan or an apply is about; and the words for scopes and for what one look covers.

Grammar: `estate` | `tenant:CODE` | `subscription:CODE/OFFERING` | `system:NAME` | `host:NAME`, comma-joined.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from control_plane.model.errors import Invalid, Problem
from control_plane.model.text import Listed, Text, t

SYSTEMS = ("dns", "directory", "web", "gateway", "security")
#: Rings as scopes name them.
RINGS: Mapping[str, Text] = {
    "centre": t("0 centre"),
    "pilot": t("1 pilot"),
    "broad": t("2 broad"),
    "all": t("3 all"),
    "servers": t("4 servers"),
}
#: So many terms are named; of more, one fewer.
_FEW = 4
#: Systems, and what a freeze may name besides.
_SYSTEM_WORDS: Mapping[str, Text] = {
    "dns": t("all names in the DNS"),
    "directory": t("the whole directory"),
    "web": t("all websites"),
    "gateway": t("the internet gateway"),
    "security": t("protection of machines"),
    "patches": t("patching"),
    "signatures": t("fetching of signatures"),
    "snapshots": t("publishing of snapshots"),
    "scans": t("scanning by itself"),
}
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


def scope_words(scope: str, titles: Mapping[str, Text] = MappingProxyType({})) -> Text | Listed | str:
    """A scope of a plan, a run or a freeze as people call it: `the whole estate`, `department fgw, host web`; of many
    terms the first. `titles`: what offerings are called."""
    terms = scope.split(",")
    shown = terms if len(terms) <= _FEW else terms[: _FEW - 1]
    named: list[Text | str] = [_term_words(*term.strip().partition(":")[::2], titles) for term in shown]
    if len(terms) > len(shown):
        named.append(t("and {count} more", count=len(terms) - len(shown)))
    return named[0] if len(named) == 1 else Listed(named)


def _term_words(kind: str, value: str, titles: Mapping[str, Text]) -> Text | str:
    match kind:
        case "estate":
            return t("the whole estate")
        case "tenant":
            return t("department {code}", code=value)
        case "subscription":
            code, _, offering = value.partition("/")
            return t("service {name} of department {code}", name=titles.get(offering, offering), code=code)
        case "host":
            return t("host {name}", name=value)
        case "ring":
            return t("ring {name}", name=RINGS.get(value, value))
        case "system" if value in _SYSTEM_WORDS:
            return _SYSTEM_WORDS[value]
        case _:
            return f"{kind}:{value}" if value else kind


def wave_words(title: str) -> Text | str:
    """Whom a wave is for that is not that of a ring; its title is kept as `group 2`."""
    word, _, number = title.partition(" ")
    return t("group {number}", number=number) if word == "group" and number else title


def part_words(part: str) -> Text | str:
    """A part of the estate, which is what one look covers, as people call it: `DNS zone qingdao.test`."""
    system, _, name = part.partition(":")
    match system:
        case "dns":
            return t("DNS zone {name}", name=name)
        case "directory":
            return t("the directory")
        case "web":
            return t("websites on host {host}", host=name)
        case "gateway":
            return t("the internet gateway") if name == system else t("internet gateway {host}", host=name)
        case "security":
            return t("protection of machines")
        case _:
            return part


def parts_words(parts: Iterable[str]) -> Listed:
    """Several parts, as one parameter of a sentence."""
    return Listed(map(part_words, parts))


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
                    t(
                        "Use estate, tenant:CODE, subscription:CODE/OFFERING, system:{systems} or host:NAME.",
                        systems="|".join(SYSTEMS),
                    ),
                    field="scope",
                )
            )
        else:
            terms.add((match[1], match[2]))
    if problems:
        raise Invalid(problems)
    return Scope(tuple(sorted(terms)))
