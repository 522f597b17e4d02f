"""Notices: from the form to a release that is published; hostile words and files; sites that show something else."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, stream_encode_multipart

from control_plane.model.errors import StalePlan
from tests.web.world import BASE, World, send, token_of

SITE = "fgw.qingdao.test"
PLACE = f"/portal/sites/fgw/{SITE}/notices"
PDF = b"%PDF-1.4 a paper %%EOF"


@pytest.fixture
def clerk(world: World) -> FlaskClient:
    browser = world.enter(world.person("clerk"))
    send(browser, "/language", language="en")
    return browser


def write(browser: FlaskClient, file: tuple[bytes, str] | None = None, place: str = PLACE, **form: Any) -> TestResponse:
    given = {"column": "notices/", "title": "国庆节放假通知", "day": "2026-11-24", "text": "放假七天。", **form}
    sent: dict[str, Any] = {"token": token_of(browser), "act": "write", **given}
    if file is not None:
        sent["file"] = FileStorage(io.BytesIO(file[0]), file[1])
    body, _, boundary = stream_encode_multipart(sent, use_tempfile=False)
    return browser.post(
        place, base_url=BASE, data=body.read(), content_type=f"multipart/form-data; boundary={boundary}"
    )


def source(world: World) -> dict[str, Any]:
    found = world.client.subscription("fgw/public_site")["spec"]["sites"][0]
    return dict(found.get("source") or {"kind": "starter"})


def files_of(world: World, release: str) -> dict[str, bytes]:
    packed = world.client.contents.releases.open_archive({"kind": "release", "release": release})
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}  # type: ignore[union-attr]


def test_from_the_form_to_the_published_release_and_back_to_nothing(fresh: World) -> None:
    world = fresh
    world.client.apply("estate")
    clerk = world.enter(world.person("clerk"))
    send(clerk, "/language", language="en")
    assert "No notice yet" in clerk.get(PLACE, base_url=BASE).text
    answer = write(
        clerk, (PDF, "../关于<放假>的\u202e通知.exe"), text="放假七天。\n请注意安全。\n\n值班 <b>电话</b> 8123"
    )
    assert answer.status_code == 303, answer.text
    text = clerk.get(answer.location, base_url=BASE).text
    assert "Nobody sees it yet" in text
    assert "is not what the website shows" in text
    assert "关于&lt;放假&gt;的通知.exe.pdf" in text
    assert source(world) == {"kind": "starter"}
    assert send(clerk, PLACE, act="publish").status_code == 303
    world.work()
    release = source(world)["release"]
    files = files_of(world, release)
    page = files["notices/1.html"].decode()
    assert "<h1>国庆节放假通知</h1>" in page
    assert "<p>放假七天。<br>请注意安全。</p>" in page
    assert "值班 &lt;b&gt;电话&lt;/b&gt; 8123" in page
    assert [name for name in files if name.startswith("files/")] == [re.findall(r"files/1-\w{8}\.pdf", page)[0]]
    assert files[re.findall(r"files/1-\w{8}\.pdf", page)[0]] == PDF
    assert 'href="/notices/1.html"' in files["index.html"].decode()
    assert 'href="/en/notices/1.html"' in files["en/notices/index.html"].decode()
    assert "is not what the website shows" not in clerk.get(PLACE, base_url=BASE).text
    changed = write(clerk, place=f"{PLACE}/1", version="0", title="更正", drop_file="1")
    assert changed.status_code == 303, changed.text
    assert "is not what the website shows" in clerk.get(PLACE, base_url=BASE).text
    assert write(clerk, place=f"{PLACE}/1", version="0", title="晚了").status_code == 422, "another window was faster"
    assert send(clerk, PLACE, act="preview").status_code == 303
    world.work()
    assert source(world)["release"] == release, "a preview publishes nothing"
    assert send(clerk, PLACE, act="publish").status_code == 303
    world.work()
    assert "files/" not in "".join(files_of(world, source(world)["release"]))
    send(clerk, f"{PLACE}/1", act="withdraw")
    assert send(clerk, PLACE, act="publish").status_code == 303
    world.work()
    assert "notices/1.html" not in files_of(world, source(world)["release"])
    rows = world.client.requests.list(tenant="fgw")
    assert {row["state"] for row in rows} == {"live"}
    assert {row["class"] for row in rows} == {"standard"}
    acts = [row["act"] for row in world.client.audit.list({"act": "post"})]
    assert acts == ["post.withdrawn", "post.saved", "post.saved"]


def test_a_site_with_content_of_its_own_takes_none_and_says_why(fresh: World) -> None:
    world = fresh
    world.client.apply("estate")
    archive = world.folder / "site.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("index.html", "<h1>our own</h1>")
    world.client.activate_release(SITE, world.client.publish_release(SITE, archive)["release"])
    clerk = world.enter(world.person("clerk"))
    send(clerk, "/language", language="en")
    assert "shows content of your own, not the first home page" in clerk.get(PLACE, base_url=BASE).text
    assert write(clerk).status_code == 422
    assert send(clerk, PLACE, act="publish").status_code == 422
    world.client.activate_release(SITE, "starter")
    assert write(clerk).status_code == 303


def test_a_form_that_is_sent_twice_is_one_notice(world: World, clerk: FlaskClient) -> None:
    before = len(world.client.posts.list(SITE)["posts"])
    for _ in range(2):
        assert write(clerk, once="o" * 24).status_code == 303
    assert len(world.client.posts.list(SITE)["posts"]) == before + 1


@pytest.mark.parametrize(
    ("form", "file", "words"),
    [
        ({"title": "", "day": "2026-02-30", "column": "x", "text": ""}, None,
         ["The title is missing.", "This is no date.", "There is no such column.", "says nothing beside"]),
        ({"day": "2026-11-25"}, None, ["not dated ahead"]),
        ({"day": "1066-10-14"}, None, ["not dated ahead"]),
        ({"title": "x" * 201, "text": "x" * 20_001}, None, ["201 characters", "20001 characters"]),
        ({"title": "a\u202eb", "text": "a\x00b"}, None, ["cannot be seen"]),
        ({}, (b"MZ\x90\x00", "report.pdf"), ["This kind of file is not taken"]),
        ({}, (b"<html><script>alert(1)</script>", "a.txt"), ["This kind of file is not taken"]),
        ({}, (b"%PDF-1.4 cut", "a.pdf"), ["ends before its end"]),
        ({}, (b"", "a.pdf"), ["The file is empty"]),
    ],
)  # fmt: skip
def test_what_cannot_be_posted_is_told_all_at_once_and_what_was_typed_stays(
    world: World, clerk: FlaskClient, form: dict[str, str], file: tuple[bytes, str] | None, words: list[str]
) -> None:
    before = world.client.posts.list(SITE)["posts"]
    answer = write(clerk, file, **form)
    assert answer.status_code == 422
    for word in words:
        assert word in answer.text, word
    if form.get("title", "x") != "":
        assert (form.get("title") or "国庆节放假通知")[:1] in answer.text
    assert world.client.posts.list(SITE)["posts"] == before


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "{{ 7919*7907 }}",
        "=cmd|'/c calc'!A1",
        "${jndi:ldap://x}",
        "a'\"><img src=x>",
        "龘𠀀",
        "x" * 200,
    ],
)
def test_hostile_words_are_text_wherever_they_appear(world: World, clerk: FlaskClient, evil: str) -> None:
    assert write(clerk, (PDF, f"{evil}.pdf"), title=evil, text=f"{evil}\n\n{evil}").status_code == 303
    post = world.client.posts.list(SITE)["posts"][0]
    release = world.client.posts.build(SITE)["release"]
    pages = [files_of(world, release)[name].decode() for name in ("index.html", f"notices/{post['id']}.html")]
    pages += [clerk.get(PLACE, base_url=BASE).text, clerk.get(f"{PLACE}/{post['id']}", base_url=BASE).text]
    for page in pages:
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "62615533" not in page  # what the template would have made of it
    sent = clerk.get(f"{PLACE}/{post['id']}/file", base_url=BASE)
    assert sent.data == PDF
    assert sent.headers["Content-Type"] == "application/pdf"
    assert sent.headers["Content-Disposition"].startswith('attachment; filename="')
    assert "\n" not in sent.headers["Content-Disposition"]
    assert sent.headers["X-Content-Type-Options"] == "nosniff"


def test_the_file_of_others_is_as_one_that_is_not_there(world: World, clerk: FlaskClient) -> None:
    given = {"column": "notices/", "title": "x", "day": "2026-11-24", "text": "x"}
    post = world.client.posts.save("gaj.qingdao.test", **given)["id"]
    for place in (f"gaj/gaj.qingdao.test/notices/{post}", f"fgw/{SITE}/notices/{post}", f"fgw/{SITE}/notices/999/file"):
        assert clerk.get(f"/portal/sites/{place}", base_url=BASE).status_code == 404, place
    assert send(clerk, f"{PLACE}/{post}", act="withdraw").status_code == 404


def test_two_windows_do_not_undo_each_other(world: World) -> None:
    client = world.client.acting_as("directory:clerk1").posts
    given = {"column": "news/", "title": "x", "day": "2026-11-24", "text": "x"}
    post = client.save(SITE, **given)
    client.save(SITE, post=post["id"], version=post["version"], **given | {"text": "y"})
    with pytest.raises(StalePlan):
        client.save(SITE, post=post["id"], version=post["version"], **given)


def test_a_file_with_malware_is_not_kept_and_one_that_nobody_could_look_at_waits(fresh: World) -> None:
    world, client = fresh, fresh.client
    client.apply("estate")
    clerk = world.enter(world.person("clerk"))
    send(clerk, "/language", language="en")
    answer = write(clerk, (b"%PDF-1.4 EVIL %%EOF", "发票.pdf"))
    assert answer.status_code == 422
    assert "malware was found: Test.Evil" in answer.text
    assert "国庆节放假通知" in answer.text, "what was typed stays"
    assert not list(client.contents.files.names())
    world.rooms.scanner.away = True
    answer = write(clerk, (PDF, "a.pdf"))
    assert answer.location.endswith("said=waits"), "the clerk's words are kept"
    page = clerk.get(answer.location, base_url=BASE).text
    assert "could not be checked for malware just now" in page
    assert "The engine said: No route to host" in page
    assert clerk.get(f"{PLACE}/1/file", base_url=BASE).status_code != 200, "nobody opens it"
    assert client.checks.look_at_files(due=True)["error"] == "No route to host"
    assert send(clerk, PLACE, act="publish").status_code == 303
    world.work()
    row = client.requests.list(tenant="fgw")[0]
    assert "not checked for malware yet" in client.requests.show(row["id"])["next"], "it waits and says so"
    assert source(world) == {"kind": "starter"}, "never published unscanned"
    assert client.checks.look_at_releases(due=True)["error"] == "No route to host"
    world.work()
    assert source(world) == {"kind": "starter"}
    world.rooms.scanner.away = False
    assert client.checks.look_at_files(due=True)["clean"] == 1
    assert client.checks.look_at_releases(due=True)["clean"] == 1
    world.work()
    assert source(world)["kind"] == "release"
    assert clerk.get(f"{PLACE}/1/file", base_url=BASE).data == PDF


def test_malware_that_is_found_later_keeps_a_notice_from_being_published(fresh: World) -> None:
    world, client = fresh, fresh.client
    client.apply("estate")
    clerk = world.enter(world.person("clerk"))
    send(clerk, "/language", language="en")
    world.rooms.scanner.away = True
    write(clerk, (b"%PDF-1.4 EVIL %%EOF", "发票.pdf"))
    world.rooms.scanner.away = False
    assert client.checks.look_at_files(due=True)["infected"] == 1
    assert not list(client.contents.files.names()), "its content is gone"
    assert "Malware was found in it" in clerk.get(PLACE, base_url=BASE).text
    answer = send(clerk, PLACE, act="publish")
    assert answer.status_code == 422
    assert "发票.pdf" in answer.text and "Test.Evil" in answer.text
    assert write(clerk, place=f"{PLACE}/1", version="0", drop_file="1").status_code == 303
    assert send(clerk, PLACE, act="publish").status_code == 303
