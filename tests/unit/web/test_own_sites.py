"""My websites: an upload is shown to nobody, preview and publication run by themselves; hostile files."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, stream_encode_multipart

from control_plane.workflow.requests import Requests
from tests.web.world import BASE, World, send, token_of

PLACE = "/portal/sites/fgw/fgw.qingdao.test"


@pytest.fixture
def clerk(world: World) -> FlaskClient:
    browser = world.enter(world.person("clerk"))
    send(browser, "/language", language="en")
    return browser


def packed(**files: bytes | str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def upload(
    browser: FlaskClient, content: bytes, name: str = "site.zip", place: str = PLACE, **form: Any
) -> TestResponse:
    sent = {"token": token_of(browser), "act": "upload", "archive": FileStorage(io.BytesIO(content), name), **form}
    body, _, boundary = stream_encode_multipart(sent, use_tempfile=False)
    return browser.post(
        place, base_url=BASE, data=body.read(), content_type=f"multipart/form-data; boundary={boundary}"
    )


def stored(answer: TestResponse) -> str:
    assert answer.status_code == 303, answer.text.partition("data-focus")[2][:900]
    return re.findall("release=([0-9a-f]{32})", answer.location)[0]


def spec(world: World) -> dict[str, Any]:
    return dict(world.client.subscription("fgw/public_site")["spec"]["sites"][0])


def test_from_the_upload_to_the_live_site_and_back(world: World, clerk: FlaskClient) -> None:
    assert "Only the first home page so far" in clerk.get(PLACE, base_url=BASE).text
    release = stored(upload(clerk, packed(**{"index.html": "<h1>new</h1>"}), note="autumn <b>"))
    page = clerk.get(PLACE, base_url=BASE).text
    assert "autumn &lt;b&gt;" in page
    assert spec(world).get("source", {"kind": "starter"}) == {"kind": "starter"}, "nobody sees it yet"
    asked = send(clerk, PLACE, act=f"preview:{release}")
    assert asked.location.endswith("?said=agreed")
    assert "agreed on beforehand" in clerk.get(asked.location, base_url=BASE).text
    world.work()
    assert spec(world)["preview"] == release
    assert "in preview" in clerk.get(PLACE, base_url=BASE).text
    assert send(clerk, PLACE, act=f"publish:{release}").status_code == 303
    world.work()
    assert spec(world)["source"] == {"kind": "release", "release": release}
    assert "preview" not in spec(world)
    assert send(clerk, PLACE, act="close").status_code == 303
    world.work()
    assert "Open the website again" in clerk.get(PLACE, base_url=BASE).text
    for act in ("open", "starter"):
        assert send(clerk, PLACE, act=act).status_code == 303
        world.work()
    assert spec(world).get("source") == {"kind": "starter"}
    row = world.client.requests.list(tenant="fgw")[0]
    assert (row["state"], row["class"], row["needs"]) == ("live", "standard", [])
    assert row["note"] == "Go back to the first home page."


def test_a_large_upload_is_taken_from_who_may_and_from_nobody_else(world: World, clerk: FlaskClient) -> None:
    import random

    large = packed(**{"index.html": "x", "big.bin": random.Random(1).randbytes(3 << 20)})
    stored(upload(clerk, large))
    assert upload(world.browser(), large).status_code == 413
    assert upload(world.enter(world.person("auditor")), large).status_code == 413
    assert upload(clerk, large, place="/portal/sites/gaj/gaj.qingdao.test").status_code == 413


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("site.zip", b""),
        ("site.zip", b"not an archive"),
        ("../../etc/passwd", b"x"),
        ("site.exe", b"MZ"),
        ("", b"x"),
        ("<script>alert(1)</script>.zip", b"x"),
        ("site.zip", packed(**{"../evil": "x", "index.html": "x"})),
        ("site.zip", packed(**{"a.html": "x"})),
        ("site.tar.gz", packed(**{"index.html": "x"}) + b"\0" * 10),
    ],
)
def test_hostile_uploads_are_refused_with_reasons(world: World, clerk: FlaskClient, name: str, content: bytes) -> None:
    before = len(world.client.releases("fgw.qingdao.test"))
    answer = upload(clerk, content, name)
    assert answer.status_code in (422, 303)
    assert "<script>alert" not in answer.text
    if answer.status_code == 422:
        assert 'role="alert"' in answer.text
        assert len(world.client.releases("fgw.qingdao.test")) == before


@pytest.mark.parametrize(
    "act", ["", "publish", "publish:zz", f"publish:{'0' * 32}", "preview:*", "nothing:x", "upload"]
)
def test_what_is_not_there_is_told(clerk: FlaskClient, act: str) -> None:
    assert send(clerk, PLACE, act=act).status_code == 422


def test_a_begun_change_is_not_handed_in_along_with_it(world: World, clerk: FlaskClient) -> None:
    reference = world.ask("clerk1", "fgw", "halfway", submit=False)
    answer = send(clerk, PLACE, act="close")
    assert answer.status_code == 422
    assert reference in answer.text
    assert world.client.acting_as("directory:clerk1").requests.show(reference)["state"] == "draft"
    send(clerk, f"/portal/requests/{reference}", act="withdraw")


@pytest.mark.parametrize("moment", ["save", "preview", "submit"])
def test_what_another_window_saved_is_neither_handed_in_nor_taken_back(
    world: World, clerk: FlaskClient, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    mine = world.client.acting_as("directory:clerk1").requests
    real, begun = getattr(Requests, moment), list[str]()

    def late(self: Requests, request: int, **given: Any) -> Any:
        if not begun:
            draft = mine.show(request)
            begun.append(draft["reference"])
            draft["spec"]["sites"][0]["title"]["zh"] = "另一个"
            mine.save(request, spec=draft["spec"], note="the other window")
        return real(self, request, **given)

    monkeypatch.setattr(Requests, moment, late)
    answer = send(clerk, PLACE, act="close")
    assert answer.status_code == 422
    left = mine.show(begun[0])
    assert (left["state"], left["note"]) == ("draft", "the other window")
    assert left["spec"]["sites"][0]["title"]["zh"] == "另一个"
    mine.withdraw(begun[0])
    assert "maintenance" not in spec(world) or not spec(world)["maintenance"]


def test_the_site_of_others_is_as_one_that_is_not_there(world: World, clerk: FlaskClient) -> None:
    for place in ("gaj/gaj.qingdao.test", "fgw/gaj.qingdao.test", "fgw/none.test", "zzz/zzz.qingdao.test"):
        assert clerk.get(f"/portal/sites/{place}", base_url=BASE).status_code == 404, place
        assert send(clerk, f"/portal/sites/{place}", act="close").status_code == 404, place


def test_a_chinese_name_is_shown_as_it_is_read_and_found_by_it(world: World, clerk: FlaskClient) -> None:
    reference = world.ask("clerk1", "fgw", "双创")
    reasons = world.client.requests.show(reference)["reasons"]
    assert reasons == ["Everybody on the internet can see 双创.fgw.qingdao.test (xn--5brz4b.fgw.qingdao.test)."]
    mine = world.client.acting_as("directory:clerk1").requests
    mine.withdraw(reference)
    row = mine.draft("fgw", "public_site", "change")
    spec = {
        **row["spec"],
        "sites": [
            *row["spec"]["sites"],
            {"title": {"zh": "双创", "en": "New"}, "names": {"main": "双创.fgw.qingdao.test"}},
        ],
    }
    mine.save(row["id"], spec=spec, note="two of them")
    mine.submit(row["id"])
    for role in ("approver", "security_officer"):
        signer = world.client.acting_as(f"directory:{world.person(role)}").requests
        signer.sign(row["id"], digest=signer.show(row["id"])["digest"], role=role)
    world.work()
    shown = "双创.fgw.qingdao.test (xn--5brz4b.fgw.qingdao.test)"
    ascii_place, place = "/portal/sites/fgw/xn--5brz4b.fgw.qingdao.test", "/portal/sites/fgw/双创.fgw.qingdao.test"
    for page in ("/portal/", "/portal/services/fgw/public_site", ascii_place, f"{ascii_place}/notices", place):
        answer = clerk.get(page, base_url=BASE)
        assert answer.status_code == 200, page
        assert shown in answer.text or "https://双创.fgw.qingdao.test/ (https://xn--" in answer.text, page
    assert clerk.get("/portal/sites/fgw/双.fgw.qingdao.test", base_url=BASE).status_code == 404
