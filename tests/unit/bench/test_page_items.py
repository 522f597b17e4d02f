"""Who visits the pages that are measured, and the peer beside them."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from werkzeug.exceptions import NotFound
from werkzeug.serving import make_server

from bench.bare_web import app
from bench.items import console
from bench.visitors import Order, Seen, Visitor, percentile, visit
from bench.web import family, memory_mb
from control_plane.app import make_app
from tests.drivers.slapd import Authority
from tests.unit.workflow.importing import Office
from tests.web.world import SMALL


def test_the_smallest_value_that_a_share_does_not_exceed():
    assert percentile([4, 1, 3, 2], 0.5) == 2
    assert percentile(range(1, 101), 0.95) == 95
    assert percentile([7.0], 0.95) == 7.0


def test_every_page_that_is_visited_is_one_of_ours():
    routes = make_app(MagicMock(), ["localhost"]).url_map.bind("localhost", url_scheme="https")  # type: ignore[arg-type]
    visitors = console.people("officer", "clerk", "fgw", "/portal/requests/R-2026-0001/form/sites")
    assert len(visitors) == console.USERS
    pages = {page.partition("?")[0] for visitor in visitors for page in visitor.pages}
    for page in pages:
        try:
            routes.match(page)
        except NotFound:
            pytest.fail(page)
    assert not any("CODE" in page or "FORM" in page for page in pages)


def test_the_slowest_pages_are_named():
    seen = [Seen("a", 0.1, 200, 1), Seen("b", 0.3, 200, 1), Seen("c", 0.2, 200, 1), Seen("b", 0.1, 200, 1)]
    assert console.worst(seen, 2) == [("b", 300.0), ("c", 200.0)]


def test_the_peer_shows_the_same_tenants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    office = Office(tmp_path)
    office.bring(SMALL)
    monkeypatch.setenv("GASP_BENCH_DATABASE", str(office.store.database.path))
    page = app.test_client().get("/tenants").text
    codes = [row.code for row in office.store.estate.tenants()]
    assert codes
    assert all(f"<code>{code}</code>" in page for code in codes)
    assert page.count("<tr>") == len(codes) + 1


def test_a_page_that_is_not_there_is_no_figure(tmp_path: Path):
    authority = Authority(tmp_path)
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=tuple(map(str, authority.issue("localhost"))))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="/missing: 404"):
            visit(Order(server.server_port, str(authority.certificate), [Visitor(["/missing"])] * 2, 0.1, 0))
    finally:
        server.shutdown()
        thread.join(30)


def test_memory_of_a_process_and_what_it_started():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert process.pid in family(process.pid)
        assert memory_mb([process.pid]) > 0
        process.communicate(b"\n")
