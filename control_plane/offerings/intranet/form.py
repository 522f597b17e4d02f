"""The form of internal websites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from control_plane.model.form_faults import written
from control_plane.model.tenant import Document, GroupName
from control_plane.model.text import t
from control_plane.offerings._site.form import Site, at_least_one

_CODE = t("Write the code of a tenant (see gasp tenants list), or * for all.")


class IntranetSite(Site):
    """A site for the own networks and those of the tenants named in `shared_with` (codes, or `*` for all).

    `sign_in`: `none`; `department`: whoever signs in and belongs to the own tenant or one in `shared_with`; `groups`:
    only members of one of `groups`, which are the own tenant's.
    """

    shared_with: tuple[Annotated[str, written(r"^(\*|[a-z][a-z0-9]{1,14})$", _CODE)], ...] = Field((), max_length=1000)
    sign_in: Literal["none", "department", "groups"] = "none"
    groups: tuple[GroupName, ...] = Field((), max_length=20)


class IntranetSites(Document):
    """A department's internal websites."""

    sites: Annotated[tuple[IntranetSite, ...], AfterValidator(at_least_one)]


EXAMPLE: Mapping[str, Any] = {
    "sites": [
        {
            "title": {"zh": "示例局内网", "en": "Example Bureau: intranet"},
            "names": {"main": "example.intra.qingdao.test", "aliases": ["oa.example.intra.qingdao.test"]},
            "source": {"kind": "starter"},
            "shared_with": [],
        }
    ]
}
