"""The repository host: what it fetches from a real upstream, what it refuses, and what machines get of it."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import GASP, Centre
from tests.hunting import files
from tests.lab.upstream import Outside
from tests.waiting import wait_until

pytestmark = pytest.mark.lab
BASE = "http://repository.core.qingdao.test"


class Depot:
    """What the repository says of itself, and an apt client of ring 1 on a workstation that knows nothing else."""

    def __init__(self, centre: Centre, outside: Outside) -> None:
        self.centre, self.at = centre, outside.at

    def rows(self, kind: str = "patches") -> list[dict[str, Any]]:
        """As listed, newest first."""
        found: list[dict[str, Any]] = self.centre.json("snapshots", "list", "--kind", kind)["items"]
        return found

    def of_ring(self, ring: int, kind: str = "patches") -> str:
        """What a ring has."""
        return next(row["id"] for row in self.rows(kind) if ring in row["rings"])

    def sync(self, kind: str = "patches", check: bool | int = True) -> Any:
        """Fetch; the answer of one kind, or the error."""
        done = self.centre.run("snapshots", "sync", "--kind", kind, "--yes", "-o", "json", check=check)
        if not done.returncode:
            return json.loads(done.stdout)["items"][0]
        said = "\n" + done.stderr.decode()
        return json.loads(said[said.index("\n{") :])

    def begin_sync(self) -> subprocess.Popen[bytes]:
        """Fetch patches in a process of its own; returns when a package is on its way."""
        command = [str(GASP), "snapshots", "sync", "--kind", "patches", "--yes"]
        process = subprocess.Popen(
            command, env=self.centre.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        probe = "find /srv/repository/aptly/pool/.fetching -type f -size +0 | grep -q . && echo yes"
        wait_until(lambda: self.at("repository", probe, check=False), 60, "a package on its way")
        return process

    def publish(self, snapshot: str, ring: int = 1) -> None:
        """Give a ring a snapshot or set."""
        self.centre.run("snapshots", "publish", snapshot, "--ring", str(ring), "--yes")

    def apt(self, host: str, *words: str) -> str:
        """apt-get with the repository's ring 1 as its only source."""
        options = ("Etc::sourcelist=/dev/null", f"Etc::sourceparts={APT}/parts", f"State::lists={APT}/lists")
        places = " ".join(f"-o Dir::{option}" for option in options)
        script = f"DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=60 {places} {' '.join(words)} 2>&1"
        return self.at(host, script)

    def status(self, host: str, path: str, *options: str) -> str:
        """Status code that a host gets for a path of the repository, or for another URL; 000: no connection."""
        url = path if "://" in path else f"{BASE}/{path}"
        return self.at(host, f"curl -s -o /dev/null -w '%{{http_code}}' -m 5 {' '.join(options)} {url}", check=False)

    def version(self, host: str) -> str:
        """Installed version of the demo package."""
        return self.at(host, "dpkg-query -W -f '${Version}' gasp-demo", check=False)


APT = "/var/tmp/test93"


@pytest.fixture(scope="module")
def outside(centre: Centre) -> Outside:
    return Outside(centre)


@pytest.fixture(scope="module")
def depot(centre: Centre, outside: Outside) -> Iterator[Depot]:
    """Rings and upstream are put back afterwards."""
    made = Depot(centre, outside)
    outside.begin_again()
    before = {(kind, ring): made.of_ring(ring, kind) for kind in ("patches", "signatures") for ring in range(5)}
    yield made
    outside.begin_again()
    for (kind, ring), snapshot in before.items():
        if made.of_ring(ring, kind) != snapshot:
            made.publish(snapshot, ring)


@pytest.fixture
def client(centre: Centre, depot: Depot) -> Iterator[str]:
    """A workstation with hand-written sources for ring 1."""
    key = (centre.state / "repository" / "archive-key.asc").read_text()
    source = f"Types: deb\nURIs: {BASE}/debian\nSuites: ring1\nComponents: main\nSigned-By: {APT}/key.asc\n"
    depot.at(
        "fgw", f"mkdir -p {APT}/parts {APT}/lists/partial; cat > {APT}/key.asc <<'END'\n{key}\nEND\n"
        f"cat > {APT}/parts/test.sources <<'END'\n{source}END\n",
    )  # fmt: skip
    yield "fgw"
    depot.at("fgw", f"dpkg --purge gasp-demo; rm -rf {APT}")


def test_bring_up_gave_every_ring_something_and_serves_nothing_else(centre: Centre, depot: Depot) -> None:
    for kind in ("patches", "signatures"):
        assert sorted(ring for row in depot.rows(kind) for ring in row["rings"]) == [0, 1, 2, 3, 4]
    paths = ("debian/dists/ring1/InRelease", "signatures/ring1/manifest.json", "db/", "aptly/db/LOCK", "")
    assert [depot.status("fgw", path) for path in paths] == ["200", "200", "404", "404", "404"]
    assert depot.status("fgw", "debian/dists/ring1/InRelease", "-X", "PUT") == "405"
    kept = files(centre.state, "lab")
    assert kept
    assert not [name for name, content in kept.items() if b"PGP PRIVATE KEY" in content]


def test_the_repository_host_reaches_its_upstream_only(centre: Centre, depot: Depot) -> None:
    needs = centre.json("snapshots", "estimate", "--kind", "patches")["items"][0]
    assert needs["enough"]
    public = next(h["ipv4"] for h in centre.json("hosts", "list")["items"] if h["name"] == "citizen")
    assert depot.status("repository", f"http://{public}/") != "000"
    assert depot.status("repository", f"https://{public}/", "-m", "2") == "000"
    assert depot.status("fgw", f"http://{public}/debian/dists/stable/InRelease", "-m", "2") == "000"


def test_a_client_of_a_ring_gets_what_the_ring_has_and_goes_back(depot: Depot, outside: Outside, client: str) -> None:
    outside.offer("1.0")
    first = depot.sync()["latest"]
    depot.publish(first)
    depot.apt(client, "update")
    depot.apt(client, "-y install gasp-demo")
    assert depot.version(client) == "1.0"
    outside.offer("1.1")
    second = depot.sync()["snapshot"]
    assert second > first
    depot.apt(client, "update")
    assert "gasp-demo" not in depot.apt(client, "-s upgrade"), "a sync alone gives a ring nothing"
    depot.publish(second)
    depot.apt(client, "update")
    depot.apt(client, "-y upgrade")
    assert depot.version(client) == "1.1"
    depot.publish(first)
    depot.apt(client, "update")
    depot.apt(client, "-y --allow-downgrades install gasp-demo=1.0")
    assert depot.version(client) == "1.0"
    shown = depot.centre.json("snapshots", "show", second)
    assert {"name": "gasp-demo", "architecture": "all", "version": "1.1"} in shown["contents"]
    assert shown["before_in"] == [1]
    assert {row["severity"] for row in shown["advisories"]} == {"critical", "medium"}
    assert depot.sync()["snapshot"] is None, "nothing new makes no snapshot"


MORE = {"name": "gasp-more", "version": "7", "octets": 5000}
WRONG: dict[str, tuple[Callable[[Outside], None], str]] = {
    "changed": (Outside.change_what_is_signed, "is wrong"),
    "stranger": (Outside.sign_by_a_stranger, "not trusted here"),
    "unsigned": (Outside.take_signature_away, "is not signed"),
    "expired": (lambda o: o.offer("1.1", MORE, valid_seconds=-3600), "was valid until"),
    "damaged": (lambda o: o.damage("gasp-more_7_all.deb"), "is not what the signed index says"),
    "shortened": (lambda o: o.shorten("gasp-more_7_all.deb"), "broke off"),
    "silent": (lambda o: o.silent(True), "does not answer"),
}


def test_a_wrong_upstream_gives_no_snapshot_and_says_why(depot: Depot, outside: Outside) -> None:
    before = depot.rows()
    for fault, (break_it, words) in WRONG.items():
        outside.offer("1.1", MORE)
        break_it(outside)
        error = depot.sync(check=False)
        assert words in error["detail"], (fault, error)
        assert error["hint"], (fault, error)
        outside.begin_again()
    assert depot.rows() == before


def test_a_wrong_signature_set_is_refused(depot: Depot, outside: Outside) -> None:
    before = depot.rows("signatures")
    outside.offer_signatures("evil")
    outside.shell("sed -i s/Lab.Marker/Lab.Parker/ /srv/upstream/signatures/city.ndb")
    assert "is not what the signed index says" in depot.sync("signatures", check=False)["detail"]
    outside.offer_signatures("evil")
    outside.shell("sed -i 's/city.hdb/city.hsb/' /srv/upstream/signatures/manifest.json")
    assert "is wrong" in depot.sync("signatures", check=False)["detail"]
    outside.offer_signatures("old", valid_seconds=-3600)
    assert "was valid until" in depot.sync("signatures", check=False)["detail"]
    assert depot.rows("signatures") == before


BIG = {"name": "gasp-big", "version": "1", "octets": 3_000_000}


def test_a_sync_cut_in_the_middle_gives_nothing_and_the_next_one_all(depot: Depot, outside: Outside) -> None:
    outside.offer("1.1", BIG)
    outside.slow("200k")
    before = depot.rows()
    process = depot.begin_sync()
    outside.silent(True)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (1, 6), said
    assert b"broke off" in said or b"does not answer" in said
    assert depot.rows() == before
    outside.silent(False)
    outside.slow(None)
    assert depot.sync()["snapshot"]
    assert len(depot.rows()) == len(before) + 1


def test_a_killed_sync_is_finished_and_a_dead_host_starts_again(centre: Centre, depot: Depot, outside: Outside) -> None:
    outside.offer("1.1", {**BIG, "version": "2"})
    outside.slow("600k")
    before = depot.rows()
    process = depot.begin_sync()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    again = depot.sync()
    assert again["snapshot"] is None
    assert again["latest"] > before[0]["id"], "what was begun was finished although nobody listened"
    outside.offer("1.1", {**BIG, "version": "3"})
    outside.slow("30k")  # long enough for the host to be stopped on the way
    process = depot.begin_sync()
    centre.run("lab", "stop", "repository")
    try:
        _, said = process.communicate(timeout=60)
        assert process.returncode not in (0, None), said
    finally:
        outside.slow(None)
        centre.run("lab", "start", "repository")
    assert len(depot.rows()) == len(before) + 1
    assert depot.sync()["snapshot"]
    assert depot.status("fgw", "debian/dists/ring1/InRelease") == "200"


def test_a_publication_that_was_killed_is_finished(centre: Centre, depot: Depot) -> None:
    newest, ring = depot.rows()[0]["id"], depot.of_ring(1)
    assert newest != ring
    pending = json.dumps({"ring": "1", "id": newest})
    depot.at("repository", f"echo '{pending}' > /var/lib/gasp/repository/pending.json")
    assert depot.of_ring(1) == newest
    assert "Codename: ring1" in depot.at("fgw", f"curl -s {BASE}/debian/dists/ring1/Release")
    depot.publish(ring)
    assert depot.of_ring(1) == ring


def test_freshclam_takes_the_set_of_its_ring(centre: Centre, depot: Depot, outside: Outside) -> None:
    outside.offer_signatures("fresh")
    new = depot.sync("signatures")["snapshot"]
    depot.publish(new)
    names = ("city.hdb", "city.hsb", "city.ndb")
    lines = ["DatabaseDirectory /var/tmp/t93av", "DatabaseOwner root", f"PrivateMirror {BASE}/signatures/ring1"]
    lines += [f"ExcludeDatabase {name}" for name in ("main", "daily", "bytecode")] + ["DNSDatabaseInfo no"]
    lines += [f"DatabaseCustomURL {BASE}/signatures/ring1/{name}" for name in names]
    try:
        depot.at(
            "fgw", "mkdir -p /var/tmp/t93av; cat > /var/tmp/t93.conf <<'END'\n" + "\n".join(lines) + "\nEND\n"
            "freshclam --config-file=/var/tmp/t93.conf",
        )  # fmt: skip
        manifest = json.loads(depot.at("fgw", f"curl -s {BASE}/signatures/ring1/manifest.json"))
        assert manifest["id"] == new
        for name in names:
            digest = depot.at("fgw", f"sha256sum /var/tmp/t93av/{name}").split()[0]
            assert digest == manifest["files"][name]["sha256"]
    finally:
        depot.at("fgw", "rm -rf /var/tmp/t93av /var/tmp/t93.conf")


def test_a_medium_is_taken_whole_or_not_at_all(centre: Centre, depot: Depot, outside: Outside, tmp_path: Path) -> None:
    outside.offer("1.1", {"name": "gasp-carried", "version": "1"})
    outside.offer_signatures("carried")
    packed = outside.shell("tar -C /srv/upstream -cz debian signatures | base64 -w0")
    medium = tmp_path / "disk.tar.gz"
    medium.write_bytes(base64.b64decode(packed))
    (tmp_path / "disk").mkdir()
    subprocess.run(["tar", "-xzf", medium, "-C", tmp_path / "disk"], check=True)
    before = depot.rows()
    release = tmp_path / "disk/debian/dists/stable/InRelease"
    good = release.read_text()
    release.write_text(good.replace("Label: Lab", "Label: Bad"))
    refused = centre.run("snapshots", "import", str(tmp_path / "disk"), "--kind", "patches", "--yes", check=1)
    assert b"is wrong" in refused.stderr
    release.write_text(good)
    (tmp_path / "disk/debian/pool/main/link.deb").symlink_to("/etc/shadow")
    refused = centre.run("snapshots", "import", str(tmp_path / "disk"), "--yes", check=4)
    assert b"neither a file nor a folder" in refused.stderr
    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w") as archive:
        for name in ("signatures/manifest.json.asc", "../../etc/cron.d/evil"):
            info = tarfile.TarInfo(name)
            info.size = 4
            archive.addfile(info, io.BytesIO(b"evil"))
    refused = centre.run("snapshots", "import", str(evil), "--yes", check=4)
    assert b"leads out" in refused.stderr
    assert depot.rows() == before
    outside.silent(True)
    try:
        taken = centre.json("snapshots", "import", str(medium), "--yes")["items"]
    finally:
        outside.silent(False)
    assert [row["kind"] for row in taken] == ["patches", "signatures"]
    assert all(row["snapshot"] for row in taken), taken
    assert "gasp-carried" in {row["name"] for row in centre.json("snapshots", "show", taken[0]["snapshot"])["contents"]}
    assert not depot.at("repository", "ls -d /srv/repository/medium 2>/dev/null || true").strip()


def test_a_disk_without_room_is_refused_before_anything_is_fetched(
    centre: Centre, depot: Depot, outside: Outside
) -> None:
    outside.offer("1.1", {**BIG, "version": "9"})
    outside.offer_signatures("large")
    before = {kind: depot.rows(kind) for kind in ("patches", "signatures")}
    places = {"patches": "/srv/repository/aptly/pool", "signatures": "/srv/repository/signatures/sets"}
    for kind, place in places.items():
        depot.at("repository", f"mount -t tmpfs -o size=2m tmpfs {place}")
        try:
            needs = centre.json("snapshots", "estimate", "--kind", kind)["items"][0]
            assert needs["enough"] is False
            assert needs["need"] + needs["reserve"] > needs["free"]
            assert "not enough room" in depot.sync(kind, check=1)["detail"]
            assert not depot.at("repository", f"find {place} -type f").strip()
        finally:
            depot.at("repository", f"umount {place}")
        assert depot.rows(kind) == before[kind]


def test_pruning_keeps_what_a_ring_has_or_had_before(centre: Centre, depot: Depot) -> None:
    rows = depot.rows()
    held = {row["id"] for row in rows if row["rings"]}
    held |= {row["id"] for row in rows if centre.json("snapshots", "show", row["id"])["before_in"]}
    gone = centre.json("snapshots", "prune", "--kind", "patches", "--keep", "1", "--yes")["removed"]
    assert gone
    left = {row["id"] for row in depot.rows()}
    assert left == held | {rows[0]["id"]}
    assert set(gone) == {row["id"] for row in rows} - left
    assert depot.status("fgw", "debian/dists/ring1/InRelease") == "200"
