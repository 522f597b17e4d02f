"""The web driver against a real private nginx: one site, many sites, bad sites, hand-made changes, retirement."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from control_plane.model.resource import CouldNotMeasure
from tests.drivers.nginx import PART, Bench, available, snapshot, states

pytestmark = pytest.mark.skipif(not available(), reason="needs nginx and root")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.nginx.start()
    yield bench
    bench.nginx.stop()


def test_one_site_from_nothing_to_an_empty_plan(bench: Bench) -> None:
    site = bench.site("fgw")
    outcomes, notices = bench.bring(site)
    assert states(outcomes) == {"applied": 3}
    assert [n.stage for n in notices] == list(bench.driver.stages)
    assert bench.nginx.get("fgw.qingdao.test") == (200, "page of fgw")
    assert bench.nginx.certificate("fgw.qingdao.test") == next(iter(bench.certificates.current.values()))[2]
    assert not bench.plan(site).changes
    first = bench.file("/etc/nginx/sites-enabled/fgw.qingdao.test.conf").read_text().splitlines()[0]
    assert first == f"# managed by gasp: owner=t_fgw/public_site id={PART}/vhost/fgw.qingdao.test"
    key = bench.file("/etc/nginx/tls/fgw.qingdao.test.key")
    assert key.stat().st_mode & 0o777 == 0o600
    assert bench.file("/var/lib/gasp/manifest.json").stat().st_mode & 0o777 == 0o600
    assert not bench.file("/etc/nginx/.gasp").exists()


@pytest.mark.parametrize("count", [1, 30])
def test_any_number_of_vhosts_is_one_command_one_check_one_reload(bench: Bench, count: int) -> None:
    plan = bench.plan([r for i in range(count) for r in bench.site(f"s{i}")])
    calls = bench.runner.calls
    outcomes, notices = bench.carry_out(plan)
    assert states(outcomes) == {"applied": 3 * count}
    assert bench.runner.calls == calls + 1
    assert [n.detail["checks"] for n in notices if n.stage == "check.passed"] == [1]
    assert [n.detail["reloads"] for n in notices if n.stage == "reload.done"] == [1]


def test_one_bad_vhost_among_82_stops_no_other(bench: Bench) -> None:
    codes = [f"d{i:02}" for i in range(82)]
    good = {code: bench.site(code) for code in codes}
    desired = [r for code in codes for r in (good[code] if code != "d41" else bench.site("d41", extra="no_such 1;"))]
    outcomes, notices = bench.bring(desired)
    assert states(outcomes) == {"applied": 3 * 82 - 1, "failed": 1}
    bad = outcomes["vhost/d41.qingdao.test"]
    assert (bad.state, bad.file) == ("failed", "/etc/nginx/sites-enabled/d41.qingdao.test.conf")
    text = bench.site("d41", extra="no_such 1;")[2].payload["text"].splitlines()
    assert bad.line == text.index("  no_such 1;") + 2
    assert 'unknown directive "no_such"' in str(bad.text)
    assert [n.detail["checks"] for n in notices if n.stage == "check.passed"] == [2]
    assert len([n for n in notices if n.stage == "reload.done"]) == 1
    assert {bench.nginx.get(f"{c}.qingdao.test")[0] for c in codes if c != "d41"} == {200}
    assert bench.nginx.get("d41.qingdao.test")[0] == 421
    bench.settle([r for code in codes for r in good[code]])
    assert bench.nginx.get("d41.qingdao.test") == (200, "page of d41")


def test_a_bad_update_keeps_what_the_site_had(bench: Bench) -> None:
    bench.settle(bench.site("fgw") + bench.site("gaj"))
    outcomes, _ = bench.bring(bench.site("fgw", extra="no_such 1;") + bench.site("gaj", page="new"))
    assert outcomes["vhost/fgw.qingdao.test"].state == "failed"
    assert outcomes["release/gaj.qingdao.test"].state == "applied"
    assert bench.nginx.get("fgw.qingdao.test") == (200, "page of fgw")
    assert bench.nginx.get("gaj.qingdao.test") == (200, "new")
    assert not bench.plan(bench.site("fgw") + bench.site("gaj", page="new")).changes


def test_faults_for_which_nginx_names_no_line(bench: Bench) -> None:
    """A key of another certificate, a second default server (nginx blames the innocent), a certificate that is not
    there, a folder that does not exist: each is found, and all others are applied."""
    innocent = [r for code in ("aa", "mm", "zz") for r in bench.site(code)]
    wrong_key = bench.site("wrongkey")
    bench.certificates.obtain(["wrongkey.qingdao.test"], bench.now)
    chain, _, mark = bench.certificates.current[("wrongkey.qingdao.test",)]
    _, other, _ = (*bench.certificates.obtain(["other"], bench.now), "")[:3]
    bench.certificates.current[("wrongkey.qingdao.test",)] = (chain, other, mark)
    default = bench.site("default", extra=f"listen 127.0.0.1:{bench.nginx.http} default_server;")
    lonely = [r for r in bench.site("lonely") if r.kind != "web.certificate"]
    nolog = bench.site("nolog", extra="access_log /no/such/folder/x.log;")
    outcomes, _ = bench.bring(innocent + wrong_key + default + lonely + nolog)
    failed = sorted(i for i, o in outcomes.items() if o.state == "failed")
    assert failed == [
        "certificate/wrongkey.qingdao.test",
        "vhost/default.qingdao.test",
        "vhost/lonely.qingdao.test",
        "vhost/nolog.qingdao.test",
        "vhost/wrongkey.qingdao.test",
    ]
    assert "key values mismatch" in str(outcomes["certificate/wrongkey.qingdao.test"].text)
    assert outcomes["certificate/wrongkey.qingdao.test"].file == "/etc/nginx/tls/wrongkey.qingdao.test.key"
    assert "/no/such/folder" in str(outcomes["vhost/nolog.qingdao.test"].text)
    assert [bench.nginx.get(f"{c}.qingdao.test")[0] for c in ("aa", "mm", "zz")] == [200, 200, 200]
    assert bench.nginx.test()


def test_somebody_elses_broken_file_stops_all_and_is_named(bench: Bench) -> None:
    bench.settle(bench.site("fgw"))
    foreign = bench.file("/etc/nginx/sites-enabled/zz-by-hand.conf")
    foreign.write_text("server {\n  broken here;\n}\n")
    before = snapshot(bench.nginx.root / "etc")
    outcomes, notices = bench.bring(bench.site("fgw", extra="# changed") + bench.site("gaj"))
    changed = [outcomes[i] for i in ("vhost/fgw.qingdao.test", "vhost/gaj.qingdao.test")]
    assert {o.state for o in changed} == {"failed"}
    assert {o.file for o in changed} == {"/etc/nginx/sites-enabled/zz-by-hand.conf:2"}
    assert "reload.done" not in [n.stage for n in notices]
    assert snapshot(bench.nginx.root / "etc") == before
    foreign.unlink()
    bench.settle(bench.site("fgw", extra="# changed") + bench.site("gaj"))


def test_a_configuration_that_does_not_read_the_vhosts_is_refused(bench: Bench) -> None:
    text = bench.nginx.conf.read_text()
    bench.nginx.conf.write_text(
        text.replace("include sites-enabled", f"include {bench.nginx.root}/etc/nginx/sites-enabled")
    )
    outcomes, _ = bench.bring(bench.site("fgw"))
    assert outcomes["vhost/fgw.qingdao.test"].state == "failed"
    assert "relative to itself" in str(outcomes["vhost/fgw.qingdao.test"].text)


CONF = "/etc/nginx/sites-enabled/fgw.qingdao.test.conf"
CRT, KEY = "/etc/nginx/tls/fgw.qingdao.test.crt", "/etc/nginx/tls/fgw.qingdao.test.key"
SITE = "/srv/sites/t_fgw/fgw.qingdao.test"


def _replace(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


HAND_MADE = {
    "vhost edited": (
        "vhost",
        lambda b: b.file(CONF).write_text(b.file(CONF).read_text() + "# by hand\n"),
        CONF,
        "+# by hand",
    ),
    "vhost removed": ("vhost", lambda b: b.file(CONF).unlink(), CONF, "missing"),
    "vhost mode": ("vhost", lambda b: b.file(CONF).chmod(0o666), CONF, "mode or owner is 666 instead of 644"),
    "certificate overwritten": ("certificate", lambda b: b.file(CRT).write_text("x"), "chain.pem", "content differs"),
    "certificate moved in": ("certificate", lambda b: _replace(b.file(CRT), "x"), CRT, "is now: file"),
    "key readable": ("certificate", lambda b: b.file(KEY).chmod(0o644), "key.pem", "mode or owner is 644"),
    "key removed": ("certificate", lambda b: b.file(KEY).unlink(), KEY, "missing"),
    "release link": (
        "release",
        lambda b: (b.file(SITE + "/current").unlink(), b.file(SITE + "/current").symlink_to("/etc")),
        SITE + "/current",
        "points to /etc instead of releases/",
    ),
    "page edited": (
        "release",
        lambda b: b.file(SITE + "/current/index.html").write_text("defaced"),
        "/releases/",
        "changed: index.html",
    ),
    "page added": (
        "release",
        lambda b: b.file(SITE + "/current/shell.php").write_text("x"),
        "/releases/",
        "added: shell.php",
    ),
}


@pytest.mark.parametrize("name", HAND_MADE)
def test_a_hand_made_change_is_named_and_planned_away(bench: Bench, name: str) -> None:
    kind, edit, where, words = HAND_MADE[name]
    desired = bench.site("fgw") + bench.site("gaj")
    bench.settle(desired)
    edit(bench)
    plan = bench.plan(desired)
    assert [(c.action, c.id, c.tenant) for c in plan.changes] == [("update", f"{PART}/{kind}/fgw.qingdao.test", "fgw")]
    assert plan.changes[0].before is not None
    described = plan.changes[0].before["hand_made"]
    assert any(where in path and words in text for path, text in described.items()), described
    assert "PRIVATE" not in str(described)
    outcomes, _ = bench.carry_out(plan)
    assert states(outcomes) == {"applied": 1}
    assert not bench.plan(desired).changes
    assert bench.nginx.get("fgw.qingdao.test") == (200, "page of fgw")
    assert bench.nginx.test()


def test_a_late_writer_is_refused(bench: Bench) -> None:
    desired = bench.site("fgw") + bench.site("gaj")
    bench.settle(desired)
    plan = bench.plan(bench.site("fgw", extra="# new") + bench.site("gaj", page="new") + bench.site("wjw"))
    bench.file(CONF).write_text("# somebody was here\n")
    bench.file("/etc/nginx/sites-enabled/wjw.qingdao.test.conf").write_text("# and here\n")
    outcomes, _ = bench.carry_out(plan)
    assert outcomes["vhost/fgw.qingdao.test"].state == "refused"
    assert CONF in str(outcomes["vhost/fgw.qingdao.test"].text)
    assert outcomes["vhost/wjw.qingdao.test"].state == "refused"
    assert outcomes["release/gaj.qingdao.test"].state == "applied"
    assert bench.file(CONF).read_text() == "# somebody was here\n"
    assert bench.file("/etc/nginx/sites-enabled/wjw.qingdao.test.conf").read_text() == "# and here\n"


def test_a_late_removal_is_refused(bench: Bench) -> None:
    bench.settle(bench.site("fgw"))
    plan = bench.plan([])
    bench.settle(bench.site("fgw", page="still wanted"))
    outcomes, _ = bench.carry_out(plan)
    assert outcomes["release/fgw.qingdao.test"].state == "refused"
    assert bench.file(SITE + "/current/index.html").read_text() == "still wanted"


def test_the_same_plan_twice_is_already_done(bench: Bench) -> None:
    plan = bench.plan(bench.site("fgw"))
    bench.carry_out(plan)
    outcomes, notices = bench.carry_out(plan)
    assert states(outcomes) == {"already": 3}
    assert [n.stage for n in notices] == ["archive.sent"]


def test_two_applies_at_once_come_one_after_the_other(bench: Bench) -> None:
    plan = bench.plan([r for i in range(10) for r in bench.site(f"s{i}")])
    for change in plan.steps:
        if change.kind == "web.certificate" and change.resource:
            bench.certificates.obtain(change.resource.payload["names"], bench.now)
    with ThreadPoolExecutor(2) as pool:
        results = [f.result()[0] for f in [pool.submit(bench.carry_out, plan) for _ in range(2)]]
    assert sorted(tuple(states(r).items()) for r in results) == [(("already", 30),), (("applied", 30),)]


def test_a_removed_site_answers_410_until_its_time_and_comes_back_or_goes(bench: Bench) -> None:
    site, other = bench.site("fgw", retire=600), bench.site("gaj")
    bench.settle(site + other)
    outcomes, _ = bench.bring(other)
    assert states(outcomes) == {"applied": 3}
    assert bench.nginx.get("fgw.qingdao.test")[0] == 410
    plan = bench.plan(other)
    assert not plan.changes
    assert {until for _, until in plan.retiring} == {bench.now + timedelta(seconds=600)}
    bench.settle(site + other)  # wanted again
    assert bench.nginx.get("fgw.qingdao.test") == (200, "page of fgw")
    bench.bring(other)
    bench.now += timedelta(seconds=601)
    outcomes, _ = bench.bring(other)
    assert states(outcomes) == {"applied": 3}
    assert bench.nginx.get("fgw.qingdao.test")[0] == 421
    assert bench.nginx.get("gaj.qingdao.test")[0] == 200
    left = [str(p) for p in bench.nginx.root.rglob("*fgw*") if "/centre/" not in str(p) and "/log/" not in str(p)]
    assert left == []
    assert not bench.plan(other).changes
    assert not [p for p in bench.file("/etc/nginx/tls/.pairs").iterdir() if "fgw" in p.name]


def test_a_site_without_retirement_goes_at_once_and_leaves_what_is_not_ours(bench: Bench) -> None:
    bench.settle(bench.site("fgw"))
    stranger = bench.file(SITE + "/notes.txt")
    stranger.write_text("mine")
    bench.settle([])
    assert stranger.read_text() == "mine"
    assert not bench.file(SITE + "/releases").exists()
    assert bench.nginx.get("fgw.qingdao.test")[0] == 421


def test_releases_switch_without_reload_and_roll_back_without_upload(bench: Bench) -> None:
    bench.settle(bench.site("fgw", page="one"))
    for page in ("two", "three", "four"):
        bench.settle(bench.site("fgw", page=page))
        assert bench.nginx.get("fgw.qingdao.test") == (200, page)
    assert len(list(bench.file(SITE + "/releases").iterdir())) == 3
    opened = bench.releases.opened
    outcomes, notices = bench.bring(bench.site("fgw", page="three"))
    assert states(outcomes) == {"applied": 1}
    assert bench.releases.opened == opened
    assert [n.stage for n in notices] == ["archive.sent", "files.replaced"]
    assert bench.nginx.get("fgw.qingdao.test") == (200, "three")
    bench.settle(bench.site("fgw", page="one"))  # pruned by now, so it is sent again
    assert bench.releases.opened == opened + 1


def test_a_kept_release_that_was_changed_is_not_brought_back(bench: Bench) -> None:
    bench.settle(bench.site("fgw", page="one"))
    old = bench.file(SITE + "/current").resolve()
    bench.settle(bench.site("fgw", page="two"))
    (old / "index.html").write_text("planted")
    outcomes, _ = bench.bring(bench.site("fgw", page="one"))
    assert states(outcomes) == {"failed": 1}
    assert bench.nginx.get("fgw.qingdao.test") == (200, "two")
    bench.settle(bench.site("fgw", page="one"))
    assert bench.nginx.get("fgw.qingdao.test") == (200, "one")
    assert not old.exists() or (old / "index.html").read_text() == "one"


def test_certificates_are_renewed_as_a_pair(bench: Bench) -> None:
    site = bench.site("fgw")
    bench.settle(site)
    first = bench.nginx.certificate("fgw.qingdao.test")
    bench.certificates.due = True
    plan = bench.plan(site)
    assert [(c.reason, c.kind) for c in plan.changes] == [("renew", "web.certificate")]
    for change in plan.steps:
        assert change.resource is not None
        bench.certificates.obtain(change.resource.payload["names"], bench.now)
    bench.certificates.due = False
    outcomes, _ = bench.carry_out(plan)
    assert states(outcomes) == {"applied": 1}
    assert bench.nginx.certificate("fgw.qingdao.test") != first
    assert not bench.plan(site).changes
    assert len(list(bench.file("/etc/nginx/tls/.pairs").iterdir())) == 1


def test_500_foreign_things_survive_byte_for_byte(bench: Bench) -> None:
    bench.settle(bench.site("fgw", retire=10))
    for i in range(250):
        bench.file(f"/etc/nginx/sites-enabled/stranger{i}.conf").write_text(f"# {i}\n")
        bench.file(f"/etc/nginx/tls/stranger{i}.crt").write_text(f"{i}\n")
    bench.file("/srv/sites/stranger").mkdir()
    bench.file("/srv/sites/t_fgw/stranger.qingdao.test").mkdir()
    bench.file("/srv/sites/stranger/index.html").write_text("x")
    before = {p: c for p, c in snapshot(bench.nginx.root).items() if "stranger" in p}
    look = bench.look()
    assert len(look.foreign) == 502
    taken = next(f for f in look.foreign if f.label == "/etc/nginx/sites-enabled/stranger7.conf")
    assert taken.blocks == (f"{PART}/vhost/stranger7",)
    bench.settle(bench.site("fgw", page="new", extra="# new", retire=10) + bench.site("gaj"))
    bench.bring([])
    bench.now += timedelta(seconds=11)
    bench.settle([])
    assert {p: c for p, c in snapshot(bench.nginx.root).items() if "stranger" in p} == before


def test_a_foreign_file_in_the_way_is_a_conflict_and_stops_nobody_else(bench: Bench) -> None:
    bench.file(CONF).write_text("# mine\n")
    outcomes, _ = bench.bring(bench.site("fgw") + bench.site("gaj"))
    assert states(outcomes) == {"applied": 5}
    plan = bench.plan(bench.site("fgw") + bench.site("gaj"))
    assert [(c.action, c.id) for c in plan.changes] == [("conflict", f"{PART}/vhost/fgw.qingdao.test")]
    assert bench.file(CONF).read_text() == "# mine\n"


def test_planted_links_are_never_followed(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("keep")
    bench.file("/srv/sites/t_fgw").symlink_to(outside)
    outcomes, _ = bench.bring(bench.site("fgw") + bench.site("gaj"))
    assert outcomes["release/fgw.qingdao.test"].state == "failed"
    assert outcomes["vhost/fgw.qingdao.test"].state == "failed"
    assert outcomes["vhost/gaj.qingdao.test"].state == "applied"
    bench.file("/srv/sites/t_fgw").unlink()
    bench.settle(bench.site("fgw") + bench.site("gaj"))
    site = bench.file(SITE)
    site.rename(outside / "site")
    site.symlink_to(outside / "site")
    assert [c.kind for c in bench.plan(bench.site("fgw") + bench.site("gaj")).changes] == ["web.release"]
    outcomes, _ = bench.bring(bench.site("gaj"))
    assert outcomes["release/fgw.qingdao.test"].state == "failed"
    assert SITE in str(outcomes["release/fgw.qingdao.test"].text)
    assert (outside / "site/current/index.html").read_text() == "page of fgw"
    assert sorted(p.name for p in outside.iterdir()) == ["secret", "site"]


@pytest.mark.parametrize("bad", ["../x", "/abs", "a/../../x", "link", "device"])
def test_a_bad_archive_is_refused_before_anything_is_live(bench: Bench, bad: str) -> None:
    def archive(_: object) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("index.html"))
            member = tarfile.TarInfo(bad)
            if bad == "link":
                member.type, member.linkname = tarfile.SYMTYPE, "/etc"
            if bad == "device":
                member.type = tarfile.CHRTYPE
            tar.addfile(member)
        return buffer.getvalue()

    bench.releases.open_archive = archive  # type: ignore[method-assign, assignment]
    outcomes, _ = bench.bring(bench.site("fgw"))
    assert outcomes["release/fgw.qingdao.test"].state == "failed"
    assert outcomes["vhost/fgw.qingdao.test"].state == "failed"
    assert not list(bench.file("/srv/sites").iterdir())


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda b: b.file("/var/lib/gasp/manifest.json").write_text("{"), "cannot be read"),
        (lambda b: b.file("/var/lib/gasp/manifest.json").write_text('{"version":1,"resources":{"a":{}}}'), "cannot"),
        (lambda b: b.file("/var/lib/gasp/manifest.json").unlink(), "is gone"),
        (lambda b: b.file("/var/lib/gasp/journal.json").write_text("[]"), "interrupted"),
        (lambda b: b.runner.dead.add("web"), "cannot be reached"),
    ],
)
def test_what_cannot_be_seen_is_not_empty(bench: Bench, spoil: Callable[[Bench], object], words: str) -> None:
    bench.settle(bench.site("fgw"))
    plan = bench.plan(bench.site("fgw", page="new"))
    spoil(bench)
    look = bench.driver.observe(PART)
    assert isinstance(look, CouldNotMeasure)
    assert words in str(look.reason)
    assert not bench.plan([], look).changes
    outcomes, _ = bench.carry_out(plan)
    assert set(states(outcomes)) <= {"failed", "unknown"}
    assert bench.nginx.get("fgw.qingdao.test") == (200, "page of fgw")


def test_a_host_that_was_never_prepared_is_not_empty(bench: Bench) -> None:
    bench.file("/var/lib/gasp/ready").unlink()
    look = bench.driver.observe(PART)
    assert isinstance(look, CouldNotMeasure)
    assert "never prepared" in str(look.reason)


def test_names_that_give_no_file_name_are_refused_with_the_limit(bench: Bench) -> None:
    label = "a" * 60
    long = bench.site(f"{label}.{label}.{label}.{label}")  # 256 octets with the suffix: no DNS name, but hostile input
    longest = bench.site(f"{label}.{label}.{label}")
    outcomes, _ = bench.bring(long + longest)
    assert {outcomes[f"{r.kind[4:]}/{r.label}"].state for r in long} == {"failed"}
    assert "240" in str(outcomes[f"vhost/{long[0].label}"].text)
    assert {outcomes[f"{r.kind[4:]}/{r.label}"].state for r in longest} == {"applied"}
