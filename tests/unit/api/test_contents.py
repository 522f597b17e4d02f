"""Content by program: uploaded as a file, written, changed, taken off, attached; and what is refused."""

from __future__ import annotations

import base64
import io
import zipfile
from typing import Any

import pytest

from tests.unit.api.conftest import Programs

SITE = "/tenants/fgw/sites/fgw.qingdao.test"
OCTETS = {"Content-Type": "application/octet-stream"}


def packed(text: str = "<h1>Autumn</h1>") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("index.html"), text)  # the same octets whenever it is packed
    return out.getvalue()


def put(programs: Programs, content: bytes, role: str = "clerk", where: str = SITE, **more: Any) -> Any:
    headers = OCTETS | more.pop("headers", {})
    return programs.as_(role, "POST", f"{where}/releases?note=autumn", data=content, headers=headers, **more)


def test_a_release_is_stored_once_for_its_key_and_deleted(programs: Programs) -> None:
    key = {"Idempotency-Key": "autumn-1"}
    first = put(programs, packed(), headers=key)
    assert first.status_code == 201, first.text
    assert (first.json["files"], first.headers["Location"]) == (1, f"/api/v1{SITE}/releases")
    again = put(programs, packed(), headers=key)
    assert (again.json, again.headers["Idempotency-Replayed"]) == (first.json, "true")
    other = put(programs, packed("<h1>Winter</h1>"), headers=key)
    assert (other.status_code, other.json["code"]) == (422, "key-reused")
    rows = programs.get(f"{SITE}/releases", "clerk").json["items"]
    assert [(row["release"], row["note"], row["state"]) for row in rows] == [
        (first.json["release"], "autumn", "stored")
    ]
    assert programs.get(f"{SITE}/room", "clerk").json["used"] > 0
    gone = programs.post(f"{SITE}/release-deletions", {"release": first.json["release"]}, "clerk")
    assert gone.json["removed"] == [first.json["release"]]


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b"", 422, "invalid"), (b"no archive", 422, "invalid"), (b"PK\x03\x04", 422, "invalid")],
)
def test_what_is_no_archive_is_refused(programs: Programs, content: bytes, status: int, code: str) -> None:
    before = programs.get(f"{SITE}/releases", "clerk").json["total"]
    answer = put(programs, content)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert answer.json["errors"][0]["remedy"]
    assert programs.get(f"{SITE}/releases", "clerk").json["total"] == before


def test_a_file_may_be_larger_than_other_bodies_and_has_its_own_limit(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    from control_plane.api.operation import OPERATIONS

    large = packed("x" * 10) + b"\0" * (2 << 20)  # two mebibytes of what is behind the archive
    assert put(programs, large).status_code in (201, 422)
    note = {"title": "x", "day": "2026-11-20", "text": "x" * (2 << 20)}
    assert programs.post(f"{SITE}/notices", note, "clerk").json["code"] == "invalid", "read, and found too long"
    assert programs.post("/plans", {"scope": "x" * (2 << 20)}).status_code == 413
    object.__setattr__(OPERATIONS["upload_release"], "largest", 1 << 20)
    try:
        assert put(programs, large).status_code == 413
    finally:
        object.__setattr__(OPERATIONS["upload_release"], "largest", 256 << 20)


def test_others_sites_are_as_those_that_are_not_there(programs: Programs) -> None:
    programs.world.person("clerk")
    for site in ("jyj.qingdao.test", "nobody.qingdao.test"):
        for where in (f"/tenants/fgw/sites/{site}", f"/tenants/jyj/sites/{site}"):
            for answer in (
                put(programs, packed(), where=where),
                programs.get(f"{where}/releases", "clerk"),
                programs.post(f"{where}/notices", {"title": "x", "day": "2026-11-20"}, "clerk"),
            ):
                assert (answer.status_code, answer.json["code"]) == (404, "not-found")


def test_a_notice_is_written_changed_by_who_read_it_and_taken_off(programs: Programs) -> None:
    file = {"name": "安排.txt", "content": base64.b64encode(b"Seven days.").decode()}
    written = programs.post(f"{SITE}/notices", {"title": "放假通知", "day": "2026-11-20", "file": file}, "clerk")
    assert written.status_code == 201, written.text
    where = written.headers["Location"].removeprefix("/api/v1")
    got = programs.get(where, "clerk")
    assert got.json == written.json and got.json["text"] == ""
    content = programs.get(f"{where}/file", "clerk").json
    assert (content["name"], base64.b64decode(content["content"])) == ("安排.txt", b"Seven days.")

    def change(patch: Any, tag: str) -> Any:
        return programs.as_("clerk", "PATCH", where, json=patch, headers={"If-Match": tag})

    changed = change({"text": "Seven days off."}, got.headers["ETag"])
    assert (changed.status_code, changed.json["title"], changed.json["file"]["name"]) == (200, "放假通知", "安排.txt")
    stale = change({"text": "Eight."}, got.headers["ETag"])
    assert (stale.status_code, stale.json["code"]) == (412, "changed-meanwhile")
    assert (stale.json["current"]["text"], stale.headers["ETag"]) == ("Seven days off.", changed.headers["ETag"])
    assert programs.as_("clerk", "PATCH", where, json={"text": "x"}).status_code == 428
    without = change({"file": None}, changed.headers["ETag"])
    assert without.json["file"] is None and programs.get(f"{where}/file", "clerk").status_code == 404
    empty = change({"text": "", "title": "x"}, without.headers["ETag"])
    assert [error["pointer"] for error in empty.json["errors"]] == ["text"]
    built = programs.post(f"{SITE}/notice-releases", None, "clerk")
    assert built.status_code == 201 and built.json["posts"] >= 1
    assert programs.post(f"{where}/withdrawals", None, "clerk").json["withdrawn"] is True
    board = programs.get(f"{SITE}/notice-board", "clerk").json
    assert [post["withdrawn"] for post in board["posts"]] == [True]


def test_a_file_goes_with_a_request_while_it_can_be_edited(programs: Programs) -> None:
    world = programs.world
    world.person("clerk")
    draft = world.ask("clerk1", "fgw", "attached", submit=False)
    where = f"/requests/{draft}/attachments"
    page = {"name": "会议.txt", "content": base64.b64encode(b"minutes").decode()}
    added = programs.post(where, page, "clerk")
    assert (added.status_code, added.json["state"]) == (201, "waiting")
    waiting = programs.get(f"{where}/{added.json['id']}/content", "clerk")
    assert (waiting.status_code, waiting.json["code"]) == (409, "rejected")
    assert world.client.attachments.scan()["clean"] == 1
    got = programs.get(f"{where}/{added.json['id']}/content", "clerk").json
    assert (got["name"], base64.b64decode(got["content"])) == ("会议.txt", b"minutes")
    for content in ("no base64!", "eA", "eA===", "=eA=="):
        answer = programs.post(where, {**page, "content": content}, "clerk")
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "content"), content
    assert programs.post(f"{where}/999999/removals", None, "clerk").status_code == 404
    assert programs.post(f"{where}/{added.json['id']}/removals", None, "clerk").json["id"] == added.json["id"]
    assert programs.get(where, "clerk").json["total"] == 0
    assert programs.get(where, "operator").status_code == 404, "a draft is its author's"
