"""The web driver against a real private nginx: one site, many sites, bad sites, hand-made changes, retirement."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from control_plane.model.resource import CouldNotMeasure
from tests.drivers.nginx import PART, Bench, available, snapshot, states

pytestmark = pytest.mark.skipif(not available(), reason="needs nginx and root")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.nginx.start()
    yield bench
    bench.nginx.stop()


def test_one_site_from_nothing_to_an_empty_plan(bench: Bench) -> None:
    site = bench.site("fgw")
    outcomes, notices = bench.bring(site)
    assert states(outcomes) == {"applied": 3}
    assert [n.stage for n in notices] == list(bench.driver.stages)
    assert bench.nginx.get("fgw.qingdao.test") == (200, "page of fgw")
    assert bench.nginx.certificate("fgw.qingdao.test") == next(iter(bench.certificates.current.values()))[2]
    assert not bench.plan(site).changes
    first = bench.file("/etc/nginx/sites-enabled/fgw.qingdao.test.conf").read_text().splitlines()[0]
    assert first == f"# managed by gasp: owner=t_fgw/public_site id={PART}/vhost/fgw.qingdao.test"
    key = bench.file("/etc/nginx/tls/fgw.qingdao.test.key")
    assert key.stat().st_mode & 0o777 == 0o600
    assert bench.file("/var/lib/gasp/manifest.json").stat().st_mode & 0o777 == 0o600
    assert not bench.file("/etc/nginx/.gasp").exists()
