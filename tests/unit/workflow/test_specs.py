"""Specs and rows that are read only when somebody asks for them."""

from __future__ import annotations

from pathlib import Path

from control_plane.workflow.catalogue import Specs
from tests.unit.workflow.importing import Office, directory, public_site, tenant


def test_specs_with_others_instead(tmp_path: Path) -> None:
    office = Office(tmp_path)
    for code, index in (("aaa", 1), ("bbb", 2)):
        office.write(f"{code}.yaml", tenant(code, index, public_site(f"{code}.qingdao.test"), directory("all")))
    office.bring(office.folder)
    estate = office.store.estate
    stored = {row.id: row for row in estate.subscriptions()}
    specs = Specs(stored, {"aaa/public_site": None, "ccc/internet": {"tier": 1}})
    assert set(specs) == {"aaa/directory", "bbb/directory", "bbb/public_site", "ccc/internet"}
    assert len(specs) == 4
    assert "aaa/public_site" not in specs
    assert specs.get("aaa/public_site") is None
    assert specs["ccc/internet"] == {"tier": 1}
    assert specs["bbb/public_site"] == stored["bbb/public_site"].spec
    assert estate.counts() == {"directory": (2, 2), "public_site": (2, 2)}
    assert [row.id for row in estate.subscriptions(tenant="aaa")] == ["aaa/directory", "aaa/public_site"]
    assert [row.id for row in estate.subscriptions(offering="directory")] == ["aaa/directory", "bbb/directory"]
    found = estate.tenant("bbb")
    assert found is not None
    assert found == next(row for row in estate.tenants() if row.code == "bbb")
    assert estate.tenant("ccc") is None
    assert [row.code for row in estate.tenants(codes={"bbb", "ccc"})] == ["bbb"]
    mine = estate.allocations({"aaa"})
    assert mine
    assert mine.items() < estate.allocations().items()
    assert ("dns_name", "bbb.qingdao.test") not in mine
