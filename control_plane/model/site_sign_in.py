"""What sites that ask for sign-in, nginx before them and the control plane's gate agree on (docs/adr/0024).

The rule of a site stands in its vhost and travels in headers, so what is in force is what was applied.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

#: Seconds that nginx keeps a yes, and that a look at the directory counts: together less than a minute.
CACHE_SECONDS, LOOK_SECONDS = 20, 30.0
#: Name of the secret that nginx shows, below the secrets' folder.
SECRET = "site-gate"
COOKIE = "__Host-gasp-site"
#: Where departments' browsers find the sign-in, on the console.
ENTRANCE = "/sign-in/site"
#: Where a site takes the code; nginx hands it on.
DOOR = "/.gasp/sign-in"
EVERYBODY = "*"


@dataclass(frozen=True, slots=True)
class Gate:
    """Who may read a site: people of `departments` (codes; `*`: all), or, when there are `groups`, only members of one
    of these of the one department named. `console` is the address at which browsers sign in, without a slash at the
    end."""

    console: str
    departments: tuple[str, ...]
    groups: tuple[str, ...] = ()


class Said(Enum):
    """What the gate says of a visitor."""

    YES = 204
    UNKNOWN = 401
    NO = 403


def admits(departments: Iterable[str], groups: Iterable[str], department: str | None, member_of: Iterable[str]) -> bool:
    """Whether somebody of this department and these groups may read."""
    allowed, wanted = frozenset(departments), frozenset(groups)
    if department is None or not (EVERYBODY in allowed or department in allowed):
        return False
    return not wanted or not wanted.isdisjoint(member_of)
