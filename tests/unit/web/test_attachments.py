"""Files of requests: by content, checked before anybody opens them, part of what is signed, hostile names harmless."""

from __future__ import annotations

import io
import itertools
import re
import tarfile
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, stream_encode_multipart

from control_plane.model.errors import Invalid, Rejected, StalePlan, TemporaryError
from control_plane.model.text import t
from tests.web.world import BASE, World, send, token_of

_numbers = itertools.count()
PDF = b"%PDF-1.4 minutes of a meeting %%EOF"


@pytest.fixture
def clerk(world: World) -> FlaskClient:
    browser = world.enter(world.person("clerk"))
    send(browser, "/language", language="en")
    return browser


@pytest.fixture
def draft(world: World, clerk: FlaskClient) -> Any:
    world.rooms.scanner.away = False
    reference = world.ask("clerk1", "fgw", f"paper{next(_numbers)}", submit=False)
    yield reference
    mine = world.client.acting_as("directory:clerk1").requests
    if "withdraw" in mine.show(reference)["acts"]:
        mine.withdraw(reference)


def attach(browser: FlaskClient, reference: str, content: bytes, name: str = "paper.pdf") -> TestResponse:
    sent = {"token": token_of(browser), "act": "add", "file": FileStorage(io.BytesIO(content), name)}
    body, _, boundary = stream_encode_multipart(sent, use_tempfile=False)
    return browser.post(
        f"/portal/requests/{reference}/files", base_url=BASE, data=body.read(),
        content_type=f"multipart/form-data; boundary={boundary}",
    )  # fmt: skip


def get(browser: FlaskClient, address: str) -> TestResponse:
    return browser.get(address, base_url=BASE)


def test_nobody_opens_or_signs_what_was_not_checked(world: World, clerk: FlaskClient, draft: str) -> None:
    mine = world.client.acting_as("directory:clerk1")
    seen = mine.requests.preview(draft)["digest"]
    assert attach(clerk, draft, PDF, "会议纪要.pdf").status_code == 303
    assert attach(clerk, draft, PDF, "the same again.pdf").status_code == 303
    one = mine.attachments.list(draft)[0]
    assert (one["name"], one["state"], one["kind"]) == ("会议纪要.pdf", "waiting", "pdf")
    assert len(mine.attachments.list(draft)) == 1
    with pytest.raises(StalePlan):
        mine.requests.submit(draft, digest=seen)
    world.rooms.scanner.away = True
    assert world.client.attachments.scan()["error"] == "No route to host"
    text = get(clerk, f"/portal/requests/{draft}/check").text
    assert "not checked yet" in text
    assert "No route to host" in text
    assert f'/files/{one["id"]}"' not in text, "it is no link"
    assert get(clerk, f"/portal/requests/{draft}/files/{one['id']}").status_code == 409
    mine.requests.submit(draft)
    chief = world.client.acting_as(f"directory:{world.person('approver')}").requests
    with pytest.raises(Rejected, match="cannot be opened"):
        chief.sign(draft, digest=chief.show(draft)["digest"])
    world.rooms.scanner.away = False
    assert world.client.attachments.scan()["clean"] == 1
    sent = get(clerk, f"/portal/requests/{draft}/files/{one['id']}")
    assert sent.data == PDF
    assert sent.headers["Content-Disposition"].startswith("attachment; ")
    assert sent.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in sent.headers["Content-Security-Policy"]
    review = world.enter(world.person("approver"))
    assert f'/files/{one["id"]}"' in get(review, f"/console/requests/{draft}").text
    chief.sign(draft, digest=chief.show(draft)["digest"])
    with pytest.raises(Rejected):
        mine.attachments.remove(draft, one["id"])
    acts = {row["act"] for row in world.client.audit.list({"subject": draft})}
    assert {"attachment.added", "attachment.checked", "request.submitted"} <= acts
    assert "会议纪要" not in str(world.client.audit.list({"subject": draft})), "names are not in the trail"


def test_a_file_that_cannot_be_looked_at_holds_up_no_other(
    world: World, clerk: FlaskClient, draft: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(4):
        attach(clerk, draft, b"%PDF-1.4 " + (b"ODD" if n == 0 else b"plain%d" % n) + b"%%EOF")
    lost = world.client.acting_as("directory:clerk1").attachments.list(draft)[1]["sha256"]
    (world.folder / "files" / lost).unlink()
    real = type(world.rooms.scanner).scan

    def odd(self: Any, contents: dict[str, bytes]) -> Any:
        if any(b"ODD" in content for content in contents.values()):
            raise TemporaryError(t("clamscan ended with 2"))
        return real(self, contents)

    monkeypatch.setattr(type(world.rooms.scanner), "scan", odd)
    world.client.attachments.scan()
    found = world.client.attachments.scan()
    assert (found["waiting"], found["odd"], found["error"]) == (2, 2, None), "the engine is well"
    mine = world.client.acting_as("directory:clerk1").attachments.list(draft)
    assert [one["state"] for one in mine] == ["waiting", "waiting", "clean", "clean"]
    assert [one["why"] for one in mine[:2]] == [
        "clamscan ended with 2", "The content of this file is not there any more."
    ]  # fmt: skip
    assert mine[0]["checked_at"] is None
    assert world.store.attachments.waiting(9, due=True) == [], "not tried again at every turn"
    attach(clerk, draft, b"%PDF-1.4 one more%%EOF")
    assert world.client.attachments.scan(due=True)["clean"] == 1, "no other waits for it"
    world.clock.advance(301)
    assert len(world.store.attachments.waiting(9, due=True)) == 2
    alone = world.client.attachments.scan(due=True)
    assert (alone["odd"], alone["error"]) == (2, None)


def test_an_engine_that_comes_back_between_two_looks_makes_no_file_odd(
    world: World, clerk: FlaskClient, draft: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach(clerk, draft, b"%PDF-1.4 back %%EOF")
    real, looks = type(world.rooms.scanner).scan, list[int]()

    def once_away(self: Any, contents: dict[str, bytes]) -> Any:
        looks.append(len(contents))
        if len(looks) == 1:
            raise TemporaryError(t("no signatures"))
        return real(self, contents)

    monkeypatch.setattr(type(world.rooms.scanner), "scan", once_away)
    found = world.client.attachments.scan(due=True)
    assert (found["clean"], found["odd"], found["error"], len(looks)) == (1, 0, None, 3)


def test_a_file_that_goes_between_two_looks_stops_no_other(
    world: World, clerk: FlaskClient, draft: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (b"gone", b"there"):
        attach(clerk, draft, b"%PDF-1.4 " + name + b"%%EOF")
    mine = world.client.acting_as("directory:clerk1").attachments
    gone = world.folder / "files" / mine.list(draft)[0]["sha256"]
    real, asked = type(world.rooms.scanner).scan, list[str]()

    def away_until_asked(self: Any, contents: dict[str, bytes]) -> Any:
        asked.extend(contents)
        if "nothing" not in asked:
            raise TemporaryError(t("no signatures"))
        gone.unlink(missing_ok=True)
        return real(self, contents)

    monkeypatch.setattr(type(world.rooms.scanner), "scan", away_until_asked)
    found = world.client.attachments.scan(due=True)
    assert (found["clean"], found["odd"], found["error"]) == (1, 1, None)
    assert [one["why"] for one in mine.list(draft)] == ["The content of this file is not there any more.", None]


def test_malware_is_deleted_and_keeps_the_request_back(world: World, clerk: FlaskClient, draft: str) -> None:
    mine = world.client.acting_as("directory:clerk1")
    attach(clerk, draft, b"%PDF-1.4 EVIL %%EOF")
    assert world.client.attachments.scan()["infected"] == 1
    one = mine.attachments.list(draft)[0]
    assert (one["state"], one["found"]) == ("infected", "Test.Evil")
    assert not (world.folder / "files" / one["sha256"]).exists()
    assert get(clerk, f"/portal/requests/{draft}/files/{one['id']}").status_code == 409
    assert "Test.Evil" in attach(clerk, draft, b"%PDF-1.4 EVIL %%EOF").text
    assert not (world.folder / "files" / one["sha256"]).exists()
    with pytest.raises(Invalid, match=r"Test\.Evil"):
        mine.requests.submit(draft)
    assert "Test.Evil" in get(clerk, f"/portal/requests/{draft}/check").text
    answer = send(clerk, f"/portal/requests/{draft}/files", act=f"remove:{one['id']}")
    assert answer.status_code == 303
    assert mine.requests.submit(draft)["state"] in ("submitted", "approved")


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"MZ\x90\x00", "invoice.pdf", "whatever its name says"),
        (b"", "a.pdf", "The file is empty"),
        (b"<svg onload=alert(1)>", "a.png", "whatever its name says"),
        (b"%PDF-" + b"x" * (10 << 20) + b"%%EOF", "a.pdf", "10.0 MiB"),
    ],
)
def test_what_is_not_taken_is_told(
    world: World, clerk: FlaskClient, draft: str, content: bytes, name: str, words: str
) -> None:
    answer = attach(clerk, draft, content, name)
    assert answer.status_code == 422
    assert words in answer.text
    assert world.client.acting_as("directory:clerk1").attachments.list(draft) == []


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "<script>alert(1)</script>.pdf",
        'a".pdf\r\nSet-Cookie: x=1',
        "=cmd|x!A1.pdf",
        "\u202efdp.exe",
        "报告 (终稿).pdf",
        "",
        "x" * 400,
    ],
)
def test_hostile_names_are_harmless(world: World, clerk: FlaskClient, draft: str, name: str) -> None:
    if name == "":
        assert attach(clerk, draft, PDF, name).status_code == 422
        return
    content = b"%PDF-1.4 " + name.encode() + b"%%EOF"
    assert attach(clerk, draft, content, name).status_code == 303
    world.client.attachments.scan()
    page = get(clerk, f"/portal/requests/{draft}/check").text
    assert "<script>alert" not in page
    for one in world.client.acting_as("directory:clerk1").attachments.list(draft):
        sent = get(clerk, f"/portal/requests/{draft}/files/{one['id']}")
        assert sent.status_code == 200
        assert "Set-Cookie: x" not in str(sent.headers)
        assert re.fullmatch(
            r"attachment; filename=\"[A-Za-z0-9._-]+\"; filename\*=UTF-8''[A-Za-z0-9._~%-]+",
            sent.headers["Content-Disposition"],
        )


def test_limits_of_a_request_and_of_a_department_are_told_with_figures(
    world: World, clerk: FlaskClient, draft: str
) -> None:
    mine = world.client.acting_as("directory:clerk1").attachments
    path = world.folder / "big.pdf"
    for number in range(3):
        path.write_bytes(b"%PDF-" + bytes([65 + number]) * (9 << 20) + b"%%EOF")
        mine.add(draft, path)
    path.write_bytes(b"%PDF-Z" + b"Z" * (9 << 20) + b"%%EOF")
    with pytest.raises(Invalid, match="36 MiB; 30 MiB"):
        mine.add(draft, path)
    other = world.client.acting_as("directory:clerk1").requests.draft("fgw", "internet", "change")["reference"]
    path.write_bytes(b"%PDF-Y" + b"Y" * (9 << 20) + b"%%EOF")
    mine.add(other, path)
    path.write_bytes(b"%PDF-X" + b"X" * (9 << 20) + b"%%EOF")
    with pytest.raises(Invalid, match="45 MiB of files; 40 MiB are the most"):
        mine.add(other, path)
    world.client.acting_as("directory:clerk1").requests.withdraw(other)


def test_files_of_a_department_that_ends_go_with_its_archive(fresh: World) -> None:
    world = fresh
    world.client.apply("estate")
    world.store.people.ensure("directory:clerk7", "七", "shinan", "directory:person/clerk7")
    world.client.people.grant("clerk7", "clerk", tenant="shinan", reason="test")
    mine = world.client.acting_as("directory:clerk7")
    draft = mine.requests.draft("shinan", "directory", "change")
    path = world.folder / "会议.pdf"
    path.write_bytes(PDF)
    one = mine.attachments.add(draft["id"], path)
    archive = world.folder / "shinan.tar.gz"
    world.client.offboard("shinan", confirm="shinan", archive=archive)
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    assert f"shinan/files/{one['sha256']}.pdf" in names
    assert {"shinan/posts.json", "shinan/attachments.json"} <= set(names)
    assert not (world.folder / "files" / one["sha256"]).exists()
    assert world.store.attachments.of(draft["id"]) == []


def test_what_two_departments_have_stays_for_the_other(fresh: World) -> None:
    world = fresh
    path = world.folder / "会议.pdf"
    path.write_bytes(PDF)
    given = {"column": "notices/", "title": "通知", "day": "2026-11-24", "text": "x", "file": path}
    for code in ("fgw", "gaj"):
        world.client.posts.save(f"{code}.qingdao.test", **given)
    brought = world.client.offboarding.brought
    tenant = world.client.planner.catalogue.estate().tenants["fgw"].id
    assert [name.partition("/")[0] for name, _ in brought.archived(tenant)] == [
        "posts.json",
        "attachments.json",
        "files",
    ]
    world.client.contents.forget(tenant)
    world.client.contents.sweep()
    assert world.client.posts.list("fgw.qingdao.test")["posts"] == []
    post = world.client.posts.list("gaj.qingdao.test")["posts"][0]
    assert world.client.posts.file("gaj.qingdao.test", post["id"])[2] == PDF
