"""Room for releases: old ones go by the rule that is shown, a full department is told figures, nothing in use goes."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from control_plane.model.errors import Invalid, NotFound, Rejected
from tests.unit.web.test_own_sites import packed
from tests.web.world import BASE, World, send

SITE = "fgw.qingdao.test"
PLACE = f"/portal/sites/fgw/{SITE}"


def stored(world: World, text: str, site: str = SITE, octets: int = 0) -> str:
    path = world.folder / "site.zip"
    path.write_bytes(packed(**{"index.html": text, "big.bin": random.Random(text).randbytes(octets)}))
    world.clock.advance(1)
    return str(world.client.publish_release(site, path)["release"])


def there(world: World) -> list[str]:
    return [row["release"] for row in world.client.releases(SITE)]


def content(world: World, release: str) -> Path:
    return world.folder / "releases" / f"{release}.tar"


def test_what_is_live_was_live_is_in_preview_or_asked_for_stays(fresh: World) -> None:
    world = fresh
    world.client.apply("estate")
    first = stored(world, "one")
    world.client.activate_release(SITE, first)
    second = stored(world, "two")
    world.client.activate_release(SITE, second)
    third = stored(world, "three")
    world.client.preview_release(SITE, third)
    world.person("clerk")
    requests = world.client.acting_as("directory:clerk1").requests
    draft = requests.draft("fgw", "public_site", "change")
    asked = stored(world, "four")
    spec = draft["spec"]
    spec["sites"][0]["source"] = {"kind": "release", "release": asked}
    requests.save(draft["id"], spec=spec, note="x")
    plain = [stored(world, f"later {n}") for n in range(5)]
    assert there(world) == [*reversed(plain[2:]), asked, third, second, first]
    assert not content(world, plain[0]).exists()
    assert content(world, first).exists()
    for release in (first, second, third, asked):
        with pytest.raises(Rejected, match="is live, was live before"):
            world.client.prune_releases(SITE, release=release)
    assert world.client.prune_releases(SITE, release=plain[4])["removed"] == [plain[4]]
    world.client.rollback_release(SITE)
    acts = world.client.audit.list({"act": "release.deleted"})
    assert len(acts) == 3
    assert "newest 3" in acts[-1]["reason"]


def test_a_content_that_two_sites_have_stays_for_the_other(fresh: World) -> None:
    world = fresh
    release = stored(world, "same")
    assert stored(world, "same", "gaj.qingdao.test") == release
    world.client.prune_releases(SITE, release=release)
    assert content(world, release).exists()
    world.client.prune_releases("gaj.qingdao.test", release=release)
    assert not content(world, release).exists()
    with pytest.raises(NotFound):
        world.client.prune_releases(SITE, release=release)


def test_a_full_department_is_told_figures_and_loses_nothing(fresh: World) -> None:
    world = fresh
    world.client.sites_ = replace(world.client.sites_, space=replace(world.client.sites_.space, limit=3 << 20))
    kept = [stored(world, name, octets=1 << 20) for name in ("a", "b")]
    with pytest.raises(Invalid, match=r"stores 2\.0 MiB of releases; with these 1\.5 MiB it would be 3\.5 of 3\.0 MiB"):
        stored(world, "c", octets=3 << 19)
    assert there(world) == list(reversed(kept))
    assert len(list((world.folder / "releases").iterdir())) == 2, "what was refused is not kept"
    room = world.client.room(SITE)
    assert (room["used"] >> 20, room["limit"], room["keep"]) == (2, 3 << 20, 3)
    stored(world, "c", "gaj.qingdao.test", octets=3 << 19)


def test_the_page_says_room_and_rule_and_deletes_on_request(world: World) -> None:
    clerk = world.enter(world.person("clerk"))
    send(clerk, "/language", language="en")
    release = stored(world, "to be deleted")
    text = clerk.get(PLACE, base_url=BASE).text
    assert "the newest 3. Older ones are deleted" in text
    assert "of 67.1 MB" in text
    answer = send(clerk, PLACE, act=f"delete:{release}")
    assert answer.status_code == 303
    assert f"Release {release[:8]} is deleted." in clerk.get(answer.location, base_url=BASE).text
    assert send(clerk, PLACE, act=f"delete:{release}").status_code == 422
    assert send(clerk, PLACE, act="delete:").status_code == 422


def test_an_undo_to_content_that_was_deleted_says_so_before_anything_happens(fresh: World) -> None:
    world = fresh
    world.client.apply("estate")
    first = stored(world, "one")
    world.client.activate_release(SITE, first)
    run = world.client.activate_release(SITE, stored(world, "two"))["run"]
    for text in ("three", "four", "five", "six"):
        world.client.activate_release(SITE, stored(world, text))
    assert first not in there(world)
    with pytest.raises(Rejected, match=f"release {first[:8]} of {SITE} was deleted") as caught:
        world.client.undo_run(run)
    assert "same number" in str(caught.value.hint)
    assert stored(world, "one") == first
    assert world.client.undo_run(run)["changes"]
