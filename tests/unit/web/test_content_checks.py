"""Archives of sites and the antivirus engine: found, not answering, too large, killed, and every way onto a host."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import stream_encode_multipart

from control_plane.model import content_check
from control_plane.model.errors import Invalid, Rejected, TemporaryError
from control_plane.model.notice import NoticeKind
from control_plane.model.text import t
from control_plane.store.estate_rows import SubscriptionChange
from control_plane.workflow import content_checks
from control_plane.workflow.applying import Order
from tests.web.world import BASE, World, send, token_of

SITE, PLACE = "fgw.qingdao.test", "/portal/sites/fgw/fgw.qingdao.test"
HOME = b"<h1>our own</h1>"


def packed(world: World, **files: bytes) -> Path:
    path = world.folder / "site.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {"index.html": HOME, **files}.items():
            archive.writestr(name, content)
    return path


def site(world: World) -> dict[str, Any]:
    return dict(world.client.subscription("fgw/public_site")["spec"]["sites"][0])


def on_host(world: World) -> set[str]:
    """Releases that the web server in memory has."""
    things = world.drivers[2].things["web:web"].values()
    return {thing.attributes["release"] for thing in things if thing.kind == "web.release" and "fgw" in thing.id}


@pytest.fixture
def ready(fresh: World) -> World:
    fresh.client.apply("estate")
    return fresh


def test_an_upload_with_malware_is_refused_with_the_name_of_the_file(ready: World) -> None:
    clerk = ready.enter(ready.person("clerk"))
    send(clerk, "/language", language="en")
    archive = packed(ready, **{"下载/软件.exe": b"EVIL"}).read_bytes()
    form = {"token": token_of(clerk), "act": "upload", "archive": FileStorage(io.BytesIO(archive), "site.zip")}
    body, _, boundary = stream_encode_multipart(form, use_tempfile=False)
    answer = clerk.post(
        PLACE, base_url=BASE, data=body.read(), content_type=f"multipart/form-data; boundary={boundary}"
    )
    assert answer.status_code == 422
    assert "下载/软件.exe" in answer.text
    assert "Test.Evil" in answer.text
    assert "take that file out" in answer.text
    assert ready.client.releases(SITE) == []
    assert not list(ready.client.contents.releases.names())


def test_while_the_engine_is_silent_nothing_is_shown_whatever_the_way(ready: World) -> None:
    client = ready.client
    ready.rooms.scanner.away = True
    release = client.publish_release(SITE, packed(ready))
    assert release["check"] == "waiting"
    before = on_host(ready)
    for act in (client.preview_release, client.activate_release):
        with pytest.raises(TemporaryError, match="not checked for malware yet"):
            act(SITE, release["release"])
    spec = client.subscription("fgw/public_site")["spec"]
    spec["sites"][0]["source"] = {"kind": "release", "release": release["release"]}
    row = client.store.estate.subscription("fgw/public_site")
    assert row is not None
    change = SubscriptionChange(row.code, row.offering, row.tier, spec, row.generation)
    order = Order(
        "subscription:fgw/public_site", commit=lambda: client.store.estate.change(client.actor, "x", [change], {})
    )
    run = client.applier.apply(order, client.actor)
    assert client.run(run)["state"] == "failed"
    assert on_host(ready) == before, "held, whoever wished it"
    ready.rooms.scanner.away = False
    assert client.checks.look_at_releases(due=True)["clean"] == 1
    client.apply("subscription:fgw/public_site")
    assert release["release"] in on_host(ready)


def test_a_large_release_waits_for_the_worker_and_is_refused_by_name(
    ready: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_checks, "AT_ONCE", 10)
    monkeypatch.setattr(content_checks, "TOGETHER", 20)
    client = ready.client
    clerk = ready.enter(ready.person("clerk"))
    send(clerk, "/language", language="en")
    release = client.publish_release(SITE, packed(ready, **{"empty.txt": b"", "a/b.js": b"x EVIL"}))["release"]
    assert send(clerk, PLACE, act=f"publish:{release}").status_code == 303
    ready.work()
    assert client.requests.list(tenant="fgw")[0]["state"] == "approved", "it waits"
    assert client.checks.look_at_releases(due=True)["infected"] == 1
    assert not list(client.contents.releases.names()), "its content is gone"
    ready.work()
    found = client.requests.show(client.requests.list(tenant="fgw")[0]["id"])
    assert found["state"] == "refused"
    assert "a/b.js" in found["why"]
    page = clerk.get(PLACE, base_url=BASE).text
    assert "In the file a/b.js of release" in page
    assert f"publish:{release}" not in page, "it cannot be asked for again"
    answer = send(clerk, PLACE, act=f"publish:{release}")
    assert answer.status_code == 422
    assert "Test.Evil" in answer.text
    with pytest.raises(Rejected, match="malware was found"):
        client.activate_release(SITE, release)
    entry = client.audit.list({"act": "release.checked"})[0]
    assert entry["outcome"] == "infected"
    assert client.room(SITE)["used"] == 0
    again = client.publish_release(SITE, packed(ready, **{"empty.txt": b"", "a/b.js": b"x EVIL"}))
    assert (again["release"], again["check"]) == (release, "waiting"), "brought in anew, looked at anew"


def test_what_is_live_is_looked_at_again_when_signatures_are_new(ready: World) -> None:
    client, scanner = ready.client, ready.rooms.scanner
    release = client.publish_release(SITE, packed(ready, **{"a/b.js": b"LATE"}))["release"]
    stored = client.publish_release(SITE, packed(ready, **{"stored.js": b"LATE"}))["release"]
    client.activate_release(SITE, release)
    nothing = {"clean": 0, "infected": 0, "odd": 0, "error": None}
    assert client.checks.look_again() == nothing, "by these signatures it has passed"
    scanner.signatures = "27001"
    assert client.checks.look_again() == {**nothing, "clean": 1}
    assert client.checks.look_again() == nothing
    assert len(client.audit.list({"act": "release.checked"})) == 0, "that it still is clean goes without saying"

    scanner.signatures, scanner.bad = "27002", b"LATE"
    scanner.away = True
    with pytest.raises(TemporaryError):
        client.checks.look_again()
    assert client.releases(SITE)[1]["check"] == "clean"
    scanner.away = False
    assert client.checks.look_again()["infected"] == 1
    rows = {row["release"]: row["check"] for row in client.releases(SITE)}
    assert rows == {release: "infected", stored: "clean"}, "what is only stored is shown to nobody"
    assert [row["state"] for row in client.sites() if row["site"] == SITE] == ["site-infected"]
    assert release in on_host(ready)
    assert release in client.contents.releases.names(), "and its content stays while it is shown"
    (notice,) = [
        row.notice for row in client.store.mail.unaddressed() if row.notice.kind is NoticeKind.CONTENT_INFECTED
    ]
    assert notice.tenant == client.store.estate.tenant("fgw").id
    assert {"a/b.js", "Test.Evil", SITE} <= set(notice.params.values())
    operator = ready.enter(ready.person("operator"))
    send(operator, "/language", language="en")
    assert f"Malware was found in what these websites show: {SITE}." in operator.get("/console/", base_url=BASE).text

    clean = client.publish_release(SITE, packed(ready, **{"a/b.js": b"fine"}))["release"]
    client.activate_release(SITE, clean)
    assert [row["state"] for row in client.sites() if row["site"] == SITE] == ["live"]


def test_a_file_that_the_engine_cannot_take_holds_up_no_other(ready: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client = ready.client
    ready.rooms.scanner.away = True
    odd = client.publish_release(SITE, packed(ready, **{"film.mp4": b"x" * 100}))["release"]
    good = client.publish_release("gaj.qingdao.test", packed(ready))["release"]
    ready.rooms.scanner.away = False
    monkeypatch.setattr(content_checks, "LARGEST_CHECKED", 50)
    assert client.checks.look_at_releases(due=True) == {"clean": 1, "infected": 0, "odd": 1, "error": None}
    assert client.releases("gaj.qingdao.test")[0]["check"] == "clean"
    assert client.releases(SITE)[0]["why"].startswith("The file film.mp4 is larger than the engine takes")
    assert client.checks.look_at_releases(due=True)["odd"] == 0, "tried again after some minutes"
    with pytest.raises(Rejected, match=r"film\.mp4 is larger") as refused:
        client.preview_release(SITE, odd)
    assert "upload the archive again" in str(refused.value.hint)
    ready.clock.advance(301)
    monkeypatch.setattr(content_checks, "LARGEST_CHECKED", content_check.LARGEST_CHECKED)
    assert client.checks.look_at_releases(due=True)["clean"] == 1
    assert {odd, good} == set(client.contents.releases.names())


def test_an_engine_that_comes_back_between_two_looks_makes_nothing_odd(
    ready: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It did not answer, and then it did: the content waits for nothing. What it never reads is odd."""
    client, scanner = ready.client, ready.rooms.scanner
    scanner.away = True
    client.publish_release(SITE, packed(ready, **{"film.mp4": b"ODD"}))
    client.publish_release("gaj.qingdao.test", packed(ready))
    scanner.away = False
    real, looks = type(scanner).scan, list[bool]()

    def once_away(self: Any, contents: dict[str, bytes]) -> Any:
        looks.append(any(content == b"ODD" for content in contents.values()))
        if len(looks) == 1:
            raise TemporaryError(t("no signatures"))
        return real(self, contents)

    with monkeypatch.context() as patch:
        patch.setattr(type(scanner), "scan", once_away)
        assert client.checks.look_at_releases(due=True) == {"clean": 2, "infected": 0, "odd": 0, "error": None}
    assert looks[0] and looks.count(True) == 2

    def never_read(self: Any, contents: dict[str, bytes]) -> Any:
        if any(content == b"NEVER" for content in contents.values()):
            raise TemporaryError(t("clamscan ended with 2"))
        return real(self, contents)

    scanner.away = True
    never = client.publish_release(SITE, packed(ready, **{"film.mp4": b"NEVER"}))["release"]
    scanner.away = False
    monkeypatch.setattr(type(scanner), "scan", never_read)
    assert client.checks.look_at_releases(due=True) == {"clean": 0, "infected": 0, "odd": 1, "error": None}
    assert {row["release"]: row["why"] for row in client.releases(SITE)}[never] == "clamscan ended with 2"


def test_an_undo_leaves_a_preview_out_that_was_pruned_and_says_so(ready: World) -> None:
    client = ready.client
    first = client.publish_release(SITE, packed(ready))["release"]
    client.preview_release(SITE, first)
    second = client.publish_release(SITE, packed(ready, **{"b.html": b"b"}))["release"]
    run = client.preview_release(SITE, second)["run"]
    space = client.sites_.space
    client.sites_ = replace(client.sites_, space=replace(space, keep=1))
    client.prune_releases(SITE, release=first)
    plan = client.undo_run(run)
    assert first[:8] in plan["restores"][0]["without"][0]
    done = client.apply(plan["digest"])
    assert done["state"] == "done"
    assert "preview" not in site(ready)
    assert client.plan("estate")["changes"] == []


def test_an_undo_to_content_with_malware_is_refused_before_it_begins(ready: World) -> None:
    client = ready.client
    first = client.publish_release(SITE, packed(ready))["release"]
    client.activate_release(SITE, first)
    second = client.publish_release(SITE, packed(ready, **{"b.html": b"b"}))["release"]
    run = client.activate_release(SITE, second)["run"]
    scan = content_checks.Scan("Test.Late", "s20261125-020000")
    client.store.content_checks.checked(first, scan, "index.html")
    with pytest.raises(Rejected, match="malware was found"):
        client.undo_run(run)
    assert site(ready)["source"]["release"] == second


def test_all_faults_of_an_archive_come_before_the_engine_is_asked(ready: World) -> None:
    ready.rooms.scanner.away = True
    with pytest.raises(Invalid):
        ready.client.publish_release(SITE, packed(ready, **{"../x": b"y"}))
