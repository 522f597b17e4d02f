"""The smallest things managed on real systems, and what a look at a system can come back with.

A *part* is what one look covers: a DNS zone, the directory's tenant branch, one host's web tree, all machines.
A look at a part ends in `Measured` or in `CouldNotMeasure`, never in an empty answer that means either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

import orjson

from control_plane.model.text import Text

Attributes = Mapping[str, Any]
"""Comparable content: JSON values only; lists that mean sets are sorted by who makes them."""


def content_hash(attributes: Attributes) -> str:
    """SHA-256 (hex) of the canonical JSON of `attributes`."""
    return hashlib.sha256(orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(frozen=True, slots=True)
class Owner:
    """Who a resource belongs to: the tenant's opaque id, its code for people, and the offering."""

    tenant_id: str
    tenant: str
    offering: str

    @property
    def marker(self) -> str:
        """What is written into real systems: `<tenant id>/<offering>` (survives a rename of the code)."""
        return f"{self.tenant_id}/{self.offering}"


@dataclass(frozen=True, slots=True)
class Resource:
    """One desired thing.

    `id` is unique in the estate and stable over time; for persons it carries an opaque key, and
    `label` carries what people call it. `part` names the look that covers it. `phase` orders
    creation (lower first) and, reversed, removal. `audience` lists tenants that use the thing
    without owning it. `payload` is what a driver needs to build it but never compares (a release's
    source, a certificate's names); it is not stored and takes no part in the digest.
    """

    id: str
    kind: str
    part: str
    owner: Owner
    attributes: Attributes
    label: str = ""
    audience: tuple[str, ...] = ()
    payload: Any = field(default=None, compare=False)
    retire_seconds: int = 0

    @property
    def system(self) -> str:
        """`dns`, `directory`, `web`, `gateway` or `security`: the first word of the part."""
        return self.part.split(":", 1)[0]


@dataclass(frozen=True, slots=True)
class Observed:
    """One thing seen on a real system that carries our owner marker.

    `hint` may name why it differs when content alone does not tell (`renew`).
    `retiring_until` is set while a removed site waits for its names to leave all caches.
    `token` is what the driver wants back as a precondition (a hash, an entryCSN); opaque to all else.
    """

    id: str
    kind: str
    owner_marker: str
    attributes: Attributes
    label: str = ""
    hint: str | None = None
    token: str | None = None
    retiring_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Foreign:
    """Something in a managed place without our marker: reported, never touched.

    `blocks` lists ids of resources that cannot be created while it is there.
    """

    id: str
    kind: str
    label: str
    blocks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """A complete look at one part.

    `blocked`: ids that can never exist in this part, with what rules them out (a CNAME at a zone's apex).
    `waiting`: ids on machines that are off or do not answer, with the reason. Only for parts that are many machines of
    the tenants: nothing is planned for such an id, and its subscription is not brought to life before it was seen.
    """

    part: str
    at: datetime
    resources: Mapping[str, Observed]
    foreign: tuple[Foreign, ...] = ()
    reads: int = 1
    blocked: Mapping[str, str] = field(default_factory=dict)
    waiting: Mapping[str, Text] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CouldNotMeasure:
    """A look that failed or came back incomplete. Nothing may be concluded from it."""

    part: str
    at: datetime
    reason: Text


Look = Measured | CouldNotMeasure


class Sensitivity(Enum):
    """How a kind's content may be shown and kept."""

    PLAIN = "plain"
    """May appear in plans, events and logs."""
    PERSONAL = "personal"
    """Kept apart from the history so that it can be erased; the history keeps hashes and an opaque key."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What the engine must know of a kind of resource; declared by its driver.

    `phase`: creation order (10 directory units … 60 machines); removal runs in reverse. `cuts_off(before, after)`
    says whether a change takes a tenant's network access away; the guard on cutting off many counts these. `retires`:
    what is removed may stay for a while (`Observed.retiring_until`), and somebody has to come back for it.
    """

    name: str
    system: str
    phase: int
    destroys_data: bool = False
    sensitivity: Sensitivity = Sensitivity.PLAIN
    cuts_off: Callable[[Attributes | None, Attributes | None], bool] | None = None
    retires: bool = False
