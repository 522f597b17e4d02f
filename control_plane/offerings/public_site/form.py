"""The form of public websites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

from control_plane.model.tenant import Document
from control_plane.offerings._site.form import Site, at_least_one


class PublicSites(Document):
    """A department's public websites; by the rules of 2017 a unit should have one."""

    sites: Annotated[tuple[Site, ...], AfterValidator(at_least_one)]


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
