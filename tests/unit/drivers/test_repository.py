"""What the repository believes and refuses, without a host: media, ids, signatures, documents."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control_plane.drivers import repository_sets as sets
from control_plane.drivers.agents import LOADER, bundle
from control_plane.drivers.repository import MODULES
from control_plane.drivers.repository_medium import read_medium
from control_plane.drivers.repository_state import AgentError, Layout, from_os, stamp
from control_plane.drivers.repository_upstream import fresh, safe, seconds_of, verified
from control_plane.drivers.repository_words import WORDS, error_of
from control_plane.drivers.upstream_file import read_upstream
from control_plane.model.errors import Invalid, NotFound, PermanentError, Rejected, TemporaryError

HASH = "0" * 64


def gpg(home: Path, *argv: str, text: bytes = b"") -> bytes:
    command = ["gpg", "--batch", "--quiet", *argv]
    return subprocess.run(
        command, input=text, capture_output=True, check=True, env={**os.environ, "GNUPGHOME": str(home)}
    ).stdout


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Three keys: the upstream's, the centre's, a stranger's. The path of an agent's socket must be short."""
    found = {}
    for name in ("upstream", "centre", "stranger"):
        found[name] = tmp_path_factory.mktemp(name[0])
        found[name].chmod(0o700)
        gpg(found[name], "--passphrase", "", "--quick-gen-key", name, "ed25519", "sign", "never")
    yield found
    for home in found.values():  # no agent outlives the tests
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=True)


@pytest.fixture
def layout(tmp_path: Path, homes: dict[str, Path]) -> Layout:
    keys = tmp_path / "etc/gasp/repository"
    keys.mkdir(parents=True)
    (keys / "up.gpg").write_bytes(gpg(homes["upstream"], "--export"))
    config = {
        "origin": "x",
        "reserve_octets": 0,
        "packages": [],
        "signatures": {"url": "http://127.0.0.1:9", "key": "up"},
    }
    (keys / "repository.json").write_text(json.dumps(config))
    made = Layout({"root": tmp_path})
    made.gnupg = homes["centre"]
    return made


def signed_set(folder: Path, home: Path, files: dict[str, str], **more: Any) -> Path:
    """A signature set as an upstream has it."""
    import hashlib

    folder.mkdir(parents=True, exist_ok=True)
    rows = {}
    for name, text in files.items():
        (folder / Path(name).name).write_text(text)
        rows[name] = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "octets": len(text.encode())}
    manifest = json.dumps({"version": 1, "made_at": stamp(), "files": rows, **more}).encode()
    (folder / "manifest.json").write_bytes(manifest)
    (folder / "manifest.json.asc").write_bytes(gpg(home, "--armor", "--detach-sign", "--output", "-", text=manifest))
    return folder


def test_a_set_is_taken_signed_anew_and_given_to_a_ring(layout: Layout, homes: dict[str, Path], tmp_path: Path) -> None:
    medium = signed_set(
        tmp_path / "m/signatures", homes["upstream"], {"a.hdb": "x:1:y\n\n", "b.ndb": "n:0:*:00\nm:0:*:01\n"}
    )
    told: list[tuple[int, int, str]] = []
    first = sets.sync(layout, lambda *step: told.append(step), medium.parent)
    assert first["snapshot"] == first["latest"]
    assert told[-1][0] == told[-1][1]
    record = layout.record(first["snapshot"])
    assert record["signatures"] == 3
    ours = layout.sets / first["snapshot"] / "manifest.json"
    layout.config["signatures"]["key"] = "centre"
    (layout.keys / "centre.gpg").write_bytes(gpg(homes["centre"], "--export"))
    content, signature = ours.read_bytes(), ours.with_suffix(".json.asc").read_bytes()
    assert verified(layout, "centre", content, "manifest.json", signature)[0] == content
    assert json.loads(content)["id"] == first["snapshot"]
    assert sets.publish(layout, "1", first["snapshot"])
    assert not sets.publish(layout, "1", first["snapshot"])
    assert sets.published(layout)["1"] == first["snapshot"]
    assert (layout.signatures / "ring1" / "a.hdb").read_text().startswith("x:1:y")


def test_the_same_set_again_is_nothing_new_and_an_older_one_is_refused(
    layout: Layout, homes: dict[str, Path], tmp_path: Path
) -> None:
    medium = signed_set(tmp_path / "m", homes["upstream"], {"a.hdb": "x:1:y\n"})
    first = sets.sync(layout, lambda *_: None, medium)
    assert sets.sync(layout, lambda *_: None, medium)["snapshot"] is None
    old = signed_set(tmp_path / "o", homes["upstream"], {"a.hdb": "w:1:y\n"}, made_at="2020-01-01T00:00:00Z")
    with pytest.raises(AgentError) as refused:
        sets.sync(layout, lambda *_: None, old)
    assert refused.value.code == "older"
    assert [row["id"] for row in layout.all_records("signatures")] == [first["snapshot"]]


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("stranger", "unknown-key"),
        ("changed", "bad-signature"),
        ("unsigned", "unsigned"),
        ("file", "wrong-digest"),
        ("short", "cut-off"),
        ("gone", "upstream-lacks"),
        ("link", "upstream-lacks"),
        ("expired", "expired"),
        ("traversal", "bad-name"),
        ("kind", "bad-name"),
        ("empty", "bad-index"),
    ],
)
def test_a_wrong_set_leaves_nothing(
    layout: Layout, homes: dict[str, Path], tmp_path: Path, how: str, code: str
) -> None:
    files = {"a.hdb": "x:1:y\n", "b.hdb": "z:1:y\n"}
    files |= {"traversal": {"../../e.hdb": "e"}, "kind": {"run.sh": "e"}}.get(how, {})
    more = {"valid_until": "2020-01-01T00:00:00Z"} if how == "expired" else {}
    key = homes["stranger" if how == "stranger" else "upstream"]
    medium = signed_set(tmp_path / "m", key, {} if how == "empty" else files, **more)
    match how:
        case "changed":
            (medium / "manifest.json").write_bytes((medium / "manifest.json").read_bytes() + b" ")
        case "unsigned":
            (medium / "manifest.json.asc").write_text("")
        case "file":
            (medium / "b.hdb").write_text("Z:1:y\n")
        case "short":
            (medium / "b.hdb").write_text("z")
        case "gone":
            (medium / "b.hdb").unlink()
        case "link":
            (medium / "b.hdb").rename(tmp_path / "b.hdb")
            (medium / "b.hdb").symlink_to(tmp_path / "b.hdb")
    with pytest.raises(AgentError) as refused:
        sets.sync(layout, lambda *_: None, medium)
    assert refused.value.code == code
    assert not layout.all_records("signatures")
    assert not [p for p in layout.sets.iterdir() if not p.name.startswith(".")]


def test_one_good_signature_is_enough_and_only_signed_text_is_read(layout: Layout, homes: dict[str, Path]) -> None:
    text = gpg(homes["upstream"], "--clear-sign", "--output", "-", text=b"Suite: stable\n")
    content, signer = verified(layout, "up", b"Evil: yes\n\n" + text, "InRelease")
    assert content == b"Suite: stable\n"
    assert len(signer) == 40
    with pytest.raises(AgentError, match="bad-signature"):
        verified(layout, "up", text.replace(b"stable", b"broken"), "InRelease")
    with pytest.raises(AgentError, match="no-key"):
        verified(layout, "other", text, "InRelease")


def test_a_silent_upstream_and_a_full_disk_have_codes_of_their_own(layout: Layout) -> None:
    with pytest.raises(AgentError) as silent:
        sets.sync(layout, lambda *_: None)
    assert silent.value.code == "upstream-silent"
    assert from_os(OSError(28, "No space left on device", "/x")).code == "disk-full"
    layout.config["signatures"] = None
    with pytest.raises(AgentError) as none:
        sets.sync(layout, lambda *_: None)
    assert none.value.code == "no-source"


def test_no_room_is_refused_before_a_file_is_fetched(layout: Layout, homes: dict[str, Path], tmp_path: Path) -> None:
    layout.config["reserve_octets"] = 1 << 62
    medium = signed_set(tmp_path / "m", homes["upstream"], {"a.hdb": "x:1:y\n"})
    with pytest.raises(AgentError) as refused:
        sets.sync(layout, lambda *_: None, medium)
    assert refused.value.code == "no-room"
    assert not list(layout.sets.iterdir())


def test_ids_rise_even_when_the_clock_goes_back(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0)
    first = layout.new_id("patches")
    (layout.records / f"{first}.json").write_text(json.dumps({"id": first}))
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    second = layout.new_id("patches")
    assert second > first
    assert second.startswith("p2027")
    for bad in ("../x", "p1", first + "\n", "x20270115-080000"):
        with pytest.raises(AgentError, match="unknown"):
            layout.record(bad)


def test_history_remembers_each_change_once(layout: Layout) -> None:
    for id_ in ("a", "a", "b", "a"):
        layout.remember("patches", "1", id_)
    assert layout.history() == {"patches": {"1": ["a", "b", "a"]}, "signatures": {}}


@pytest.mark.parametrize("path", ["../x", "a/../b", "/etc/passwd", "a//b", "a b", "a\nb", ""])
def test_names_that_lead_elsewhere_are_refused(path: str) -> None:
    with pytest.raises(AgentError, match="bad-name"):
        safe(path)
    assert safe("pool/main/g/g++_1%3a2~rc+b1_amd64.deb")


def test_times() -> None:
    assert seconds_of("Sat, 28 Nov 2026 17:48:21 UTC") == seconds_of("2026-11-28T17:48:21Z")
    fresh(None, "x")
    fresh(stamp(time.time() + 60), "x")
    with pytest.raises(AgentError, match="expired"):
        fresh(stamp(time.time() - 60), "x")


def archive(path: Path, *entries: tuple[str, Any]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if content not in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content, "/etc/shadow"
                tar.addfile(info)
    return path


def test_a_medium_is_sent_by_kind_wherever_its_top_lies(tmp_path: Path) -> None:
    found = archive(
        tmp_path / "a.tar.gz",
        ("disk/debian/dists/stable/InRelease", b"release"),
        ("disk/debian/pool/main/x.deb", b"deb" * 400),
        ("disk/signatures/manifest.json", b"{}"),
        ("disk/signatures/manifest.json.asc", b"sig"),
        ("disk/README", b"hello"),
    )
    medium = read_medium(found)
    assert medium.holds == ["patches", "signatures"]
    for kind, wanted in (
        ("patches", {"debian/dists/stable/InRelease": 7, "debian/pool/main/x.deb": 1200}),
        ("signatures", {"signatures/manifest.json": 2, "signatures/manifest.json.asc": 3}),
    ):
        part = medium.of(kind)  # type: ignore[arg-type]
        with tarfile.open(fileobj=io.BytesIO(b"".join(part.pieces()))) as tar:
            assert {m.name: m.size for m in tar} == wanted
        assert part.octets == sum(wanted.values())


def test_a_folder_is_the_same_as_an_archive(tmp_path: Path) -> None:
    (tmp_path / "d/dists/stable").mkdir(parents=True)
    (tmp_path / "d/dists/stable/InRelease").write_text("x")
    (tmp_path / "d/pool").mkdir()
    (tmp_path / "d/pool/y.deb").write_bytes(b"y" * 600)
    part = read_medium(tmp_path / "d").of("patches")
    with tarfile.open(fileobj=io.BytesIO(b"".join(part.pieces()))) as tar:
        assert {m.name: m.size for m in tar} == {"debian/dists/stable/InRelease": 1, "debian/pool/y.deb": 600}


def test_every_bad_entry_of_a_medium_is_named(tmp_path: Path) -> None:
    found = archive(
        tmp_path / "a.tar.gz",
        ("dists/stable/InRelease", b"x"),
        ("../out", b"x"),
        ("/etc/cron.d/x", b"x"),
        ("link", tarfile.SYMTYPE),
        ("hard", tarfile.LNKTYPE),
        ("dev", tarfile.CHRTYPE),
        ("twice", b"1"),
        ("./twice", b"2"),
    )
    with pytest.raises(Invalid) as refused:
        read_medium(found)
    assert {p.field for p in refused.value.problems} >= {"../out", "/etc/cron.d/x", "link", "hard", "dev", "twice"}
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "link").symlink_to("/etc")
    os.mkfifo(folder / "pipe")
    with pytest.raises(Invalid) as refused:
        read_medium(folder)
    assert {p.field for p in refused.value.problems} == {"link", "pipe"}
    (tmp_path / "no.tar").write_bytes(b"no archive at all")
    with pytest.raises(Invalid):
        read_medium(tmp_path / "no.tar")
    with pytest.raises(NotFound):
        read_medium(tmp_path / "absent")
    with pytest.raises(Invalid):
        read_medium(archive(tmp_path / "e.tar.gz", ("README", b"x"))).holds  # noqa: B018


def test_errors_say_what_to_do() -> None:
    for code in WORDS:
        words = dict.fromkeys(("path", "key", "url", "what", "id", "date", "known", "until", "host"), "X")
        found = error_of(code, {**words, "need": 2_000_000, "free": 1000, "reserve": 5, "reason": "R"}, "repository")
        assert "{" not in str(found), code
        assert found.hint is not None
        assert "{" not in str(found.hint)
    assert isinstance(error_of("upstream-silent", {"url": "u", "reason": "r"}, "h"), TemporaryError)
    assert isinstance(error_of("expired", {"path": "p", "until": "u"}, "h"), PermanentError)
    assert isinstance(error_of("no-source", {"what": "patches"}, "h"), Rejected)
    assert "2.0 MB" in str(error_of("no-room", {"need": 2_000_000, "free": 1000, "reserve": 5}, "h"))


def test_the_agent_runs_as_it_is_sent(tmp_path: Path) -> None:
    request = json.dumps({"verb": "look", "what": None, "options": {"root": str(tmp_path)}}).encode()
    sent = bundle(MODULES) + b"%d\n" % len(request) + request
    done = subprocess.run(["python3", "-I", "-S", "-c", LOADER], input=sent, capture_output=True, check=True)
    assert json.loads(done.stdout)["code"] == "not-ready"


SOURCES = """
version: 1
packages:
  - {name: debian, url: "http://deb.example.test/debian", suite: bookworm, components: [main], key: debian}
  - {name: security, url: "https://sec.example.test/debian-security", suite: bookworm-security, key: debian}
signatures: {url: "http://av.example.test:8080/sets", key: av}
reach: [198.51.100.7, 198.51.100.8/31]
"""


def test_the_estate_says_where_things_come_from(tmp_path: Path) -> None:
    assert read_upstream(tmp_path) is None
    folder = tmp_path / "upstream"
    folder.mkdir()
    (folder / "sources.yaml").write_text(SOURCES)
    with pytest.raises(Invalid) as refused:
        read_upstream(tmp_path)
    assert "av.asc, debian.asc" in str(refused.value.problems[0].text)
    for name in ("av", "debian"):
        (folder / f"{name}.asc").write_text("KEY")
    found = read_upstream(tmp_path)
    assert found is not None
    assert found.ports == [80, 443, 8080]
    assert [str(network) for network in found.reach] == ["198.51.100.7/32", "198.51.100.8/31"]
    (folder / "sources.yaml").write_text(
        SOURCES.replace("http://deb", "ftp://deb").replace("suite: bookworm,", "suite: '../x',")
    )
    with pytest.raises(Invalid) as refused:
        read_upstream(tmp_path)
    assert {p.field for p in refused.value.problems} == {"packages.0.url", "packages.0.suite"}
    (folder / "sources.yaml").write_text("- no\n- mapping")
    with pytest.raises(Invalid):
        read_upstream(tmp_path)
