"""The tenant document: what a file under `tenants/` says and what the database keeps.

Shapes only; rules that need the whole estate (unique codes, unique names) live in `workflow`.
"""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from control_plane.model.errors import Problem, ProblemError
from control_plane.model.form_faults import written
from control_plane.model.names import TENANT_CODE
from control_plane.model.text import t

Tier = Literal["S", "M", "L"]
RegionCode = Annotated[str, written(r"^\d{6}$", t("Write the six digits of the region, such as 370200."))]
_ONE_LINE = t("Write it on one line, without signs that cannot be seen.")
#: Printable text of one line: no control characters, none that turn the direction of what follows, not blank.
Line = Annotated[
    str,
    written(
        r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$",
        _ONE_LINE,
        strip=True,
        shortest=1,
        longest=200,
    ),
]
_GROUP = t("Write at most 64 small letters of a to z, digits, dots, hyphens and underscores, beginning with a letter.")
GroupName = Annotated[str, written(r"^[a-z][a-z0-9._-]{0,63}$", _GROUP, strip=True)]


class Document(BaseModel):
    """Base of all documents: unknown fields are errors, instances do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TenantStatus(StrEnum):
    """How much the centre does for a tenant."""

    SERVED = "served"
    """A department with services of its own."""
    NETWORK_ONLY = "network_only"
    """On the network and in the directory; no sites."""
    LISTED = "listed"
    """Name and code are reserved; nothing is provisioned."""


class TenantNames(Document):
    """Official name, short name and English name."""

    zh: Line
    short_zh: Line | None = None
    en: Line


class Network(Document):
    """Which LAN is the tenant's: its index in the address plan, from 1 in estate order."""

    index: Annotated[int, Field(ge=1, le=20000)]


class Contact(Document):
    """Somebody to call."""

    name: Line
    phone: Line | None = None
    email: Line | None = None
    role: Literal["liaison", "approver", "technical", "security"] = "liaison"


class SubscriptionDocument(Document):
    """A tenant's instance of an offering; `spec` is validated by the offering's own model."""

    offering: Annotated[
        str, written(r"^[a-z][a-z_]{1,30}$", t("Write the name of a service; docs/tenant-document.md has them."))
    ]
    tier: Tier = "S"
    spec: dict[str, Any] = Field(default_factory=dict)


class TenantDocument(Document):
    """One tenant with everything it subscribes to."""

    code: str
    names: TenantNames
    kind: Line
    status: TenantStatus = TenantStatus.SERVED
    region_code: RegionCode = "370200"
    parent: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    network: Network | None = None
    contacts: tuple[Contact, ...] = ()
    subscriptions: tuple[SubscriptionDocument, ...] = ()

    @field_validator("code")
    @classmethod
    def _code(cls, value: str) -> str:
        if not TENANT_CODE.match(value):
            fault = t("{value} does not have the right form.", value=f"“{value[:40]}”")
            remedy = t("Write 2 to 15 small letters of a to z and digits, beginning with a letter.")
            raise ProblemError(Problem("bad-value", fault, remedy))
        return value


class EstateDocument(Document):
    """`estate.yaml` of a folder of tenant files: what is true for the whole centre."""

    version: Literal[1] = 1
    name: Line
    title: TenantNames
    domain: Annotated[
        str, written(r"^[a-z0-9.-]+$", t("Write small letters of a to z, digits, hyphens and dots, such as city.test."))
    ]
    base_dn: Annotated[
        str, written(r"^[a-z0-9=,]+$", t("Write it in small letters and without blanks, such as dc=city,dc=test."))
    ]
    region_code: RegionCode
    provenance: str = ""


def slug(text: str) -> str:
    """`text` reduced to a-z, 0-9 and hyphens, for file names."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
