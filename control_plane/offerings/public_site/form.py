"""The form of public websites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from control_plane.model.form_faults import written
from control_plane.model.names import TENANT_CODE
from control_plane.model.tenant import Document
from control_plane.model.text import t
from control_plane.offerings._site.form import HostName, Site, at_least_one

_CODE = t("Write the code of a tenant. See gasp tenants list.")


class Lent(Document):
    """A name of this department that another one's public website may have."""

    name: HostName
    to: Annotated[str, written(TENANT_CODE.pattern, _CODE)]


class PublicSites(Document):
    """A department's public websites; by the rules of 2017 a unit should have one.

    `lends`: names of this department that others' sites may have. The change that lends a name is signed like any
    other, and so is the other department's change that takes it. Taken back, the name stays where it is until that site
    is changed the next time, which is then refused.
    """

    sites: Annotated[tuple[Site, ...], AfterValidator(at_least_one)]
    lends: tuple[Lent, ...] = Field((), max_length=50)


EXAMPLE: Mapping[str, Any] = {
    "sites": [
        {
            "title": {"zh": "示例局", "en": "Example Bureau"},
            "names": {
                "main": "example.qingdao.test",
                "aliases": ["www.example.qingdao.test", "示例.example.qingdao.test"],
            },
            "source": {"kind": "starter"},
            "marks": {
                "organiser": "示例局",
                "icp": "鲁ICP备05000001号-1",
                "police": "鲁公网安备 37020200000001号",
                "site_code": "3702000001",
            },
        }
    ]
}
