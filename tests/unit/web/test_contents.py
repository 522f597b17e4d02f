"""A content and the row that names it are one: whoever puts, takes away or is killed in the same moment."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from control_plane.model.attachment import KEPT_DAYS
from control_plane.model.errors import Invalid
from tests.unit.web.test_site_space import SITE, stored
from tests.web.world import World

PDF = b"%PDF-1.4 minutes of a meeting %%EOF"
DIGEST = hashlib.sha256(PDF).hexdigest()
GIVEN: dict[str, Any] = {"column": "notices/", "title": "通知", "day": "2026-11-24", "text": "x"}


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def paper(fresh: World) -> Path:
    fresh.client.apply("estate")
    path = fresh.folder / "会议.pdf"
    path.write_bytes(PDF)
    return path


def draft(world: World, name: str = "clerk1", offering: str = "public_site") -> tuple[Any, str]:
    world.person("clerk")
    mine = world.client.acting_as(f"directory:{name}")
    return mine, str(mine.requests.draft("fgw", offering, "change")["reference"])


def between(monkeypatch: pytest.MonkeyPatch, on: Any, name: str, act: Callable[[], Any]) -> None:
    """Once, while `name` is at work: something else happens in another thread, as of another process."""
    real, done = getattr(type(on), name), []

    def slow(self: Any, *given: Any, **named: Any) -> Any:
        found = real(self, *given, **named)
        if not done:
            done.append(True)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(act).result(60)
        return found

    monkeypatch.setattr(type(on), name, slow)


def test_a_content_that_is_put_while_its_last_use_goes_is_there(
    fresh: World, paper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, one = draft(fresh)
    _, two = draft(fresh, offering="internet")
    first = mine.attachments.add(one, paper)
    # the second file is written and its row not yet, when the first one's row and content go
    between(monkeypatch, fresh.client.contents.files, "ended", lambda: mine.attachments.remove(one, first["id"]))
    mine.attachments.add(two, paper)
    assert mine.attachments.list(one) == []
    assert fresh.client.contents.files.get(DIGEST) == PDF


def test_a_file_of_a_notice_that_is_put_while_its_last_use_goes_is_there(
    fresh: World, paper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posts = fresh.client.posts
    first = posts.save(SITE, file=paper, **GIVEN)

    def drop() -> None:
        posts.save(SITE, post=first["id"], drop_file=True, **GIVEN)

    between(monkeypatch, fresh.client.contents.files, "ended", drop)
    second = posts.save(SITE, file=paper, **GIVEN)
    assert posts.file(SITE, second["id"])[2] == PDF


def test_a_release_that_is_stored_while_its_last_use_goes_is_there(
    fresh: World, paper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, other = stored(fresh, "same"), "gaj.qingdao.test"
    between(
        monkeypatch, fresh.client.contents.releases, "ended",
        lambda: fresh.client.prune_releases(SITE, release=release),
    )  # fmt: skip
    assert stored(fresh, "same", other) == release
    assert fresh.client.contents.releases.open_archive({"kind": "release", "release": release})


@pytest.mark.parametrize("where", ["place", "commit"])
def test_whoever_is_killed_while_putting_leaves_nothing_for_good(
    fresh: World, paper: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    mine, reference = draft(fresh)
    with monkeypatch.context() as patched:
        if where == "place":
            patched.setattr("control_plane.drivers.content_folder.Staged.place", _killed)
        else:
            patched.setattr(type(fresh.store), "transaction", _killed_at_the_end)
        with pytest.raises(Killed):
            mine.attachments.add(reference, paper)
    assert mine.attachments.list(reference) == []
    assert (fresh.folder / "files" / DIGEST).exists() is (where == "commit")
    assert fresh.client.contents.sweep()["files"] == (1 if where == "commit" else 0)
    assert not (fresh.folder / "files" / DIGEST).exists()


def _killed(*_: Any) -> None:
    raise Killed


@contextmanager
def _killed_at_the_end(self: Any) -> Iterator[None]:
    with self.database.write():
        yield
        raise Killed


def test_whoever_is_killed_after_a_row_has_gone_leaves_the_content_to_the_sweep(
    fresh: World, paper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, reference = draft(fresh)
    one = mine.attachments.add(reference, paper)
    release = stored(fresh, "old")
    with monkeypatch.context() as patched:
        patched.setattr("control_plane.workflow.contents.Contents.let_go_files", _killed)
        patched.setattr("control_plane.workflow.contents.Contents.let_go_releases", _killed)
        with pytest.raises(Killed):
            mine.attachments.remove(reference, one["id"])
        with pytest.raises(Killed):
            fresh.client.prune_releases(SITE, release=release)
    assert fresh.client.contents.sweep() == {"files": 1, "releases": 1, "begun": 0}
    assert fresh.client.contents.sweep() == {"files": 0, "releases": 0, "begun": 0}


def test_an_ended_department_leaves_no_file_though_its_end_was_killed(fresh: World, paper: Path) -> None:
    world, code = fresh, "gaj"
    site = next(row["site"] for row in world.client.sites() if row["tenant"] == code)
    world.client.posts.save(site, file=paper, **GIVEN)
    release = stored(world, "its own", site)
    tenant = world.client.planner.catalogue.estate().tenants[code].id
    world.store.estate.end_tenant(code, world.store.actors.get("local:test"))  # and nothing after it, as once it was
    assert world.client.contents.sweep() == {"files": 1, "releases": 1, "begun": 0}
    assert world.store.posts.list(tenant) == []
    assert not (world.folder / "releases" / f"{release}.tar").exists()


def test_what_a_website_shows_is_never_swept_and_a_database_that_knows_nothing_sweeps_nothing(
    fresh: World, paper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = stored(fresh, "shown")
    fresh.client.activate_release(SITE, release)
    row = fresh.store.releases.get(release, SITE)
    fresh.store.releases.delete(row, fresh.store.actors.get("local:test"), "a test")
    assert fresh.client.contents.sweep()["releases"] == 0
    spare = stored(fresh, "spare")
    monkeypatch.setattr(type(fresh.store.estate), "document", lambda _: None)
    monkeypatch.setattr(type(fresh.store.contents), "releases", lambda *_: set())
    assert fresh.client.contents.sweep() == {"files": 0, "releases": 0, "begun": 0}
    assert (fresh.folder / "releases" / f"{spare}.tar").exists()


def test_nothing_is_let_go_of_in_a_transaction_that_may_be_undone(fresh: World) -> None:
    with fresh.store.transaction(), pytest.raises(RuntimeError):
        fresh.client.contents.let_go_files([DIGEST])


def test_of_two_uploads_at_once_the_second_finds_the_room_taken(
    fresh: World, paper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = fresh.client
    client.sites_ = replace(client.sites_, space=replace(client.sites_.space, limit=3 << 20))
    between(monkeypatch, client.contents.releases, "ended", lambda: stored(fresh, "fast", octets=2 << 20))
    with pytest.raises(Invalid, match=r"stores 2\.0 MiB"):
        stored(fresh, "slow", octets=2 << 20)
    assert len(client.releases(SITE)) == 1
    assert len(list((fresh.folder / "releases").iterdir())) == 1


def test_files_count_while_the_request_is_open_and_are_kept_a_year_for_the_record(fresh: World, paper: Path) -> None:
    mine, reference = draft(fresh)
    octets = fresh.store.attachments.octets
    one = mine.attachments.add(reference, paper)
    fresh.client.attachments.scan()
    assert octets("fgw") == len(PDF)
    mine.requests.withdraw(reference)
    assert octets("fgw") == 0, "it is over"
    fresh.client.contents.sweep()
    assert mine.attachments.list(reference)[0]["state"] == "expired", "what was taken back goes at once"
    assert not (fresh.folder / "files" / DIGEST).exists()
    asked = fresh.ask("clerk1", "fgw", "paper", submit=False)
    mine.attachments.add(asked, paper)
    fresh.client.attachments.scan()
    mine.requests.submit(asked)
    chief = fresh.client.acting_as(f"directory:{fresh.person('approver')}").requests
    chief.refuse(asked, reason="no")
    assert octets("fgw") == 0
    fresh.client.contents.sweep()
    kept = mine.attachments.list(asked)[0]
    assert kept["state"] == "clean"
    assert mine.attachments.fetch(asked, kept["id"])[2] == PDF
    fresh.clock.advance(timedelta(days=KEPT_DAYS, hours=1).total_seconds())
    fresh.client.contents.sweep()
    over = mine.attachments.list(asked)[0]
    assert (over["state"], over["name"]) == ("expired", paper.name)
    assert not (fresh.folder / "files" / DIGEST).exists()
    gone = [row for row in fresh.client.audit.list({"act": "attachment.removed"}) if row["outcome"] == "expired"]
    assert len(gone) == 2
    assert one["state"] == "waiting"


def test_the_list_of_sites_is_another_when_a_release_came_and_an_old_one_went(fresh: World, paper: Path) -> None:
    for n in range(3):
        stored(fresh, f"release {n}")
    before, count = fresh.client.stamp(), len(fresh.client.releases(SITE))
    stored(fresh, "one more")
    assert len(fresh.client.releases(SITE)) == count
    assert fresh.client.stamp() != before


def test_any_white_space_in_a_title_is_one_blank(fresh: World, paper: Path) -> None:
    title = "国庆\u3000放假\t通知\u00a0 二\u2028三"
    assert fresh.client.posts.save(SITE, **GIVEN | {"title": title})["title"] == "国庆 放假 通知 二 三"
