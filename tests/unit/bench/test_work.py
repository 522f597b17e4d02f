"""What is measured is what the issue says: the contents of workload W, and peers that do the same."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from bench import bare, estates
from bench.items import records, workload
from control_plane.drivers.dns import DnsDriver
from control_plane.drivers.dns_zone import Zone
from control_plane.model.plan import Memory, diff
from control_plane.model.resource import Measured
from tests.unit.workflow.importing import Office


def test_a_tenant_of_w_is_two_record_sets_a_vhost_with_certificate_and_a_unit_with_three_groups(tmp_path: Path):
    office = Office(tmp_path / "state")
    office.bring(estates.write_workload(tmp_path / "w", tenants=3))
    desired = office.catalogue.world().desired.values()
    kinds = Counter(r.kind for r in desired if r.owner.tenant == "t00002")
    assert kinds == {
        "dns.rrset": 2,
        "web.vhost": 1,
        "web.certificate": 1,
        "web.release": 1,
        "directory.unit": 4,
        "directory.group": 3,
    }
    entries = {e["dn"] for code_at in enumerate(estates.codes(3), 1) for e in workload.unit(code_at[1], code_at[0])}
    assert entries == {r.attributes["dn"] for r in desired if r.part == "directory:tenants"}


def test_the_bare_script_knows_nothing_of_the_product():
    tree = ast.parse(Path(bare.__file__).read_text("utf-8"))
    names = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    names |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert not any((name or "").startswith(("control_plane", "lab", "bench")) for name in names)


def test_nsupdate_is_fed_every_record_marker_and_prerequisite(monkeypatch):
    wanted = records.resources(tenants=2)
    soa = (records.ZONE, 6, 300, "ns1.core.qingdao.test. hostmaster.qingdao.test. 1 2 3 4 5", None, None)
    driver = DnsDriver("192.0.2.53", 53, [records.ZONE], "key.", b"")
    zone = Zone(records.ZONE, [soa, soa])
    monkeypatch.setattr(driver, "_read", lambda part: zone)
    owners = {r.owner.marker: r.owner for r in wanted.values()}
    look = driver.observe(records.PART)
    assert isinstance(look, Measured)
    kinds = {kind.name: kind for kind in driver.kinds}
    changes = diff("estate", wanted, [look], kinds, Memory({}, {}, owners), lambda *_: True, look.at).steps
    text = records.as_text(driver, changes, "192.0.2.53").splitlines()
    added = Counter(row.split()[4] for row in text if row.startswith("update add"))
    assert added == {"A": 6, "AAAA": 6, "TXT": 6}
    assert sum(row.startswith("prereq") for row in text) >= 6
    assert text[0] == "server 192.0.2.53" and text[-1] == "send"
