"""Content: releases of websites, notices on first home pages, files that go with requests.

Uploading changes nothing that anybody sees: what is uploaded is published by a request, or by the centre.
"""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field

from control_plane.api.operation import Answer, Base64, Body, Call, Nothing, Query, operation
from control_plane.api.problems import Refused
from control_plane.api.requests import seen
from control_plane.model.attachment import LARGEST
from control_plane.model.client import Json
from control_plane.model.errors import NotFound
from control_plane.model.patching import merge
from control_plane.model.people import Act
from control_plane.model.site import LARGEST_ARCHIVE
from control_plane.model.site_post import LARGEST_FILE
from control_plane.model.text import t
from control_plane.workflow import access
from control_plane.workflow.idempotence import job_word

SITE = "/tenants/{code}/sites/{site}"
READ: Json = {"scope": "tenants:read", "act": Act.SEE_TENANT, "tenant": "code"}
PUTS: Json = {"scope": "requests:write", "act": Act.ASK, "tenant": "code", "status": 201, "starts": True}
FILES: Json = {"scope": "requests:write", "act": Act.ASK, "status": 201, "starts": True, "form": "attachment"}
NOTE = Query("note", "A line for the history.")
#: What may be said of a notice.
WORDS = ("column", "title", "day", "text")
_TAG = re.compile(r'(?:W/)?"(\d{1,9})"')


def _with(octets: int) -> int:
    """Octets of a body with a file of so many in base64, and some room for the words."""
    return octets * 4 // 3 + (1 << 20)


class NamedFile(Body):
    """A file."""

    name: str = Field(min_length=1, max_length=500)
    content: Base64 = Field(description="The file in base64.")


class Deletion(Body):
    """Which release is to be deleted."""

    release: str | None = Field(default=None, max_length=32, description="None: what the rule of the room says.")


class Notice(Body):
    """A notice."""

    title: str = Field(max_length=1000)
    text: str = Field(default="", max_length=100_000, description="An empty line begins a new paragraph.")
    column: str = Field(default="notices/", max_length=200)
    day: str = Field(max_length=40, description="Its date, such as 2026-11-24.")
    file: NamedFile | None = None


class NoticeChange(Body):
    """A merge patch (RFC 7396): what is not named stays."""

    title: str = Field(default="", max_length=1000)
    text: str = Field(default="", max_length=100_000)
    column: str = Field(default="", max_length=200)
    day: str = Field(default="", max_length=40)
    file: NamedFile | None = Field(default=None, description="null takes the file away.")


# releases of a site ----------------------------------------------------------------------------------------------
@operation("GET", SITE + "/releases", form="releases", rows="release", filters=("state", "check"), **READ)
def releases(call: Call, code: str, site: str) -> Any:
    """Releases of a site, newest first."""
    return call.client.releases(_site(call, code, site))


@operation("GET", SITE + "/room", form="site_room", **READ)
def room(call: Call, code: str, site: str) -> Any:
    """What the department stores of releases and may store, and what is too old."""
    return call.client.room(_site(call, code, site))


@operation("POST", SITE + "/releases", form="release", query=(NOTE,), takes_file=True, largest=LARGEST_ARCHIVE, **PUTS)
def upload_release(call: Call, code: str, site: str) -> Any:
    """Check and store a packed website (zip or tar, as the body) as a release; nobody sees it yet."""
    name = _site(call, code, site)
    assert call.file is not None
    stored = call.client.publish_release(name, call.file, note=call.query.get("note", ""))
    return Answer(stored, location=f"/tenants/{code}/sites/{name}/releases")


@operation("POST", SITE + "/release-deletions", form="sites_pruned", body=Deletion, **PUTS)
def delete_releases(call: Call, code: str, site: str) -> Any:
    """Delete a release that nothing needs, or all that are too old."""
    name = _site(call, code, site)
    return Answer(call.client.prune_releases(name, release=call.body.release))


# notices ---------------------------------------------------------------------------------------------------------
@operation("GET", SITE + "/notice-board", form="notice_board", **READ)
def notice_board(call: Call, code: str, site: str) -> Any:
    """All notices of a site with its columns, and whether the site shows them as they are."""
    return call.client.posts.list(_site(call, code, site))


@operation("GET", SITE + "/notices/{number}", form="post", tagged=True, **READ)
def notice(call: Call, code: str, site: str, number: int) -> Any:
    """One notice."""
    return _shown(_notice(call, _site(call, code, site), number))


@operation("POST", SITE + "/notices", form="post", body=Notice, largest=_with(LARGEST_FILE), **PUTS)
def write_notice(call: Call, code: str, site: str) -> Any:
    """Write a notice. Nobody sees it before a release with it is published."""
    name = _site(call, code, site)
    given = call.body.model_dump(include=set(WORDS))
    with _lying(call.body.file) as file:
        made = call.client.posts.save(name, **given, **file, once=job_word(call.token.id, call.key))
    return _shown(made, f"/tenants/{code}/sites/{name}/notices/{made['id']}")


@operation("PATCH", SITE + "/notices/{number}", form="post", body=NoticeChange, largest=_with(LARGEST_FILE),
           tagged=True, scope="requests:write", act=Act.ASK, tenant="code", refuses=("stale-plan",))  # fmt: skip
def change_notice(call: Call, code: str, site: str, number: int) -> Any:
    """Change a notice."""
    name = _site(call, code, site)
    known = _notice(call, name, number)
    version = known["version"] if (call.tag or "").strip() == "*" else _version(call.tag or "", known)
    sent = call.body.model_dump(exclude_unset=True, include=set(WORDS))
    given = merge({word: known[word] for word in WORDS}, sent, additions=False)
    drop = "file" in call.body.model_fields_set and call.body.file is None
    with _lying(call.body.file) as file:
        return _shown(call.client.posts.save(name, **given, **file, post=number, version=version, drop_file=drop))


@operation("POST", SITE + "/notices/{number}/withdrawals", form="post", body=Nothing, **PUTS)
def withdraw_notice(call: Call, code: str, site: str, number: int) -> Any:
    """Take a notice off, from the next release on."""
    name = _site(call, code, site)
    return _shown(call.client.posts.withdraw(name, number), f"/tenants/{code}/sites/{name}/notices/{number}")


@operation("GET", SITE + "/notices/{number}/file", form="file", **READ)
def notice_file(call: Call, code: str, site: str, number: int) -> Any:
    """The file of a notice."""
    return _content(*call.client.posts.file(_site(call, code, site), number))


@operation("POST", SITE + "/notice-releases", form="post_release", body=Nothing, **PUTS)
def build_notices(call: Call, code: str, site: str) -> Any:
    """Make and store a release of the first home page with all notices; nobody sees it yet."""
    name = _site(call, code, site)
    return Answer(call.client.posts.build(name), location=f"/tenants/{code}/sites/{name}/releases")


# files of requests -----------------------------------------------------------------------------------------------
@operation("GET", "/requests/{reference}/attachments", form="attachments", scope="tenants:read", act=Act.SEE_TENANT,
           rows="id", filters=("state", "kind"))  # fmt: skip
def attachments(call: Call, reference: str) -> Any:
    """Files that go with a request."""
    return call.client.attachments.list(seen(call, reference)["id"])


@operation("POST", "/requests/{reference}/attachments", body=NamedFile, largest=_with(LARGEST),
           refuses=("not-found",), **FILES)  # fmt: skip
def attach(call: Call, reference: str) -> Any:
    """Add a file while the request can be edited. Nobody gets it before the antivirus engine has passed it."""
    row = seen(call, reference)
    with _lying(call.body) as file:
        made = call.client.attachments.add(row["id"], file["file"], name=file["file_name"])
    return Answer(made, location=f"/requests/{row['reference']}/attachments")


@operation("POST", "/requests/{reference}/attachments/{number}/removals", body=Nothing, **FILES)
def detach(call: Call, reference: str, number: int) -> Any:
    """Take a file away while the request can be edited; the answer is what it was."""
    row = seen(call, reference)
    known = next((one for one in call.client.attachments.list(row["id"]) if one["id"] == number), None)
    if known is None:
        raise NotFound(t("There is no such file."))
    call.client.attachments.remove(row["id"], number)
    return Answer({**known, "mine": False}, location=f"/requests/{row['reference']}/attachments")


@operation("GET", "/requests/{reference}/attachments/{number}/content", form="file", scope="tenants:read",
           act=Act.SEE_TENANT, refuses=("rejected",))  # fmt: skip
def attachment_content(call: Call, reference: str, number: int) -> Any:
    """A file that was found clean."""
    return _content(*call.client.attachments.fetch(seen(call, reference)["id"], number))


# what they share -------------------------------------------------------------------------------------------------
def _site(call: Call, code: str, site: str) -> str:
    """The main name of a site of this department. Raises the NotFound of one that is not there."""
    if not access.in_sight(call.person, code):
        access.no_such_tenant(code)
    for row in call.rows("sites"):
        if row["tenant"] == code and site in (row["site"], row["name"]):
            return str(row["site"])
    if code not in {row["code"] for row in call.rows("tenants")}:
        access.no_such_tenant(code)
    raise NotFound(t("There is no site “{name}”.", name=site))


def _notice(call: Call, site: str, number: int) -> Json:
    for one in call.client.posts.list(site)["posts"]:
        if one["id"] == number:
            return dict(one)
    raise NotFound(t("There is no such notice."))


def _version(tag: str, known: Json) -> int:
    found = _TAG.fullmatch(tag.strip())
    if found is None or int(found[1]) != known["version"]:
        current = {name: known[name] for name in ("version", *WORDS)}
        raise Refused("changed-meanwhile", {"ETag": f'"{known["version"]}"'}, changed=["version"], current=current)
    return int(found[1])


def _shown(row: Json, location: str | None = None) -> Answer:
    return Answer(row, location=location, tag=str(row["version"]))


def _content(name: str, kind: str, content: bytes) -> Json:
    return {"name": name, "type": kind, "octets": len(content), "content": base64.b64encode(content).decode("ascii")}


@contextmanager
def _lying(sent: NamedFile | None) -> Iterator[Json]:
    """A file that was sent, lying where it can be read, as arguments."""
    if sent is None:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="gasp-upload-") as folder:
        path = Path(folder) / "sent"
        path.write_bytes(sent.content)
        yield {"file": path, "file_name": sent.name}
