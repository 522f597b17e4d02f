"""The audit trail on pages: filters in the address, export, hostile words, one's own."""

from __future__ import annotations

import csv
import io
import json

from tests.web.world import BASE, World, send

HOSTILE = "<script>alert(1)</script>'\"=cmd()"


def test_filters_are_in_the_address_and_the_export_follows(world: World) -> None:
    world.client.freezes.set("tenant:sjj", reason=HOSTILE)
    browser = world.enter(world.person("auditor"))
    send(browser, "/language", language="en")
    page = browser.get("/console/audit?tenant=sjj&act=freeze", base_url=BASE)
    assert page.status_code == 200
    assert "set a freeze" in page.text
    assert "<script>alert(1)" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert "signed in" not in page.text
    link = "/console/audit/export.csv?tenant=sjj&amp;act=freeze"
    assert link in page.text
    answer = browser.get(link.replace("&amp;", "&"), base_url=BASE)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit.csv"'
    assert answer.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))
    assert [row["reason"] for row in rows] == [HOSTILE]
    found = json.loads(browser.get("/console/audit/export.json?act=sign_in", base_url=BASE).data)
    assert {row["act"] for row in found} <= {"sign_in.opened", "sign_in.refused"}
    assert browser.get("/console/audit/export.exe", base_url=BASE).status_code == 404


def test_what_is_wrong_with_a_question_is_told_at_its_head(world: World) -> None:
    browser = world.enter(world.person("security_officer"))
    send(browser, "/language", language="en")
    page = browser.get("/console/audit?tenant=zzz&begin=yesterday", base_url=BASE)
    assert page.status_code == 422
    assert "There was never a tenant “zzz”." in page.text
    assert "“yesterday” is no time." in page.text


def test_the_list_keeps_the_question(world: World) -> None:
    browser = world.enter(world.person("auditor"))
    page = browser.get("/console/audit?tenant=fgw", base_url=BASE)
    assert '<input type="hidden" name="tenant" value="fgw">' in page.text


def test_a_clerk_sees_what_was_done_to_their_own(world: World) -> None:
    world.client.freezes.set("tenant:fgw", reason="secret of the centre")
    browser = world.enter(world.person("clerk"))
    send(browser, "/language", language="en")
    page = browser.get("/console/tenants/fgw/audit", base_url=BASE).text
    assert "set a freeze" in page
    assert "the centre" in page
    assert "secret of the centre" not in page
    assert "local:test" not in page
