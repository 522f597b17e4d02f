"""Uploaded archives: what is refused, with every reason; what is kept, and how; nothing written before the check."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import subprocess
import sys
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.drivers.archive_check import resolve
from control_plane.drivers.archives import Damaged, TooLarge, charset, members
from control_plane.drivers.releases import Checked, Limits, ReleaseFolder, check_archive, pack
from control_plane.model.errors import Invalid, NotFound

HOME = {"index.html": b"<h1>home</h1>"}
UNLIMITED = Limits()
Maker = Callable[[Path, Mapping[str, bytes]], Path]


def make_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tar_bytes(files: Mapping[str, bytes], extra: list[tarfile.TarInfo] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in extra or []:
            archive.addfile(info)
    return out.getvalue()


def make_tar(path: Path, files: Mapping[str, bytes]) -> Path:
    path.write_bytes(tar_bytes(files))
    return path


MAKERS: dict[str, Maker] = {
    "zip": make_zip,
    "tar": make_tar,
    "tar.gz": lambda path, files: written(path, gzip.compress(tar_bytes(files))),
    "tar.bz2": lambda path, files: written(path, bz2.compress(tar_bytes(files))),
    "tar.xz": lambda path, files: written(path, lzma.compress(tar_bytes(files))),
}


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def faults(path: Path, limits: Limits = UNLIMITED) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        check_archive(path, limits)
    assert all(p.where == path.name and p.remedy for p in caught.value.problems)
    return [(p.field or p.code, str(p.text)) for p in caught.value.problems]


@pytest.mark.parametrize("form", MAKERS)
def test_every_form_is_read_and_means_the_same(tmp_path: Path, form: str) -> None:
    files = {**HOME, "新闻/第一条.html": "新闻".encode(), "a/b/c.css": b"x" * 100_000, "empty.txt": b""}
    checked = check_archive(MAKERS[form](tmp_path / f"site.{form}", files))
    assert (checked.files, checked.bytes) == (4, sum(map(len, files.values())))
    assert checked == check_archive(make_tar(tmp_path / "other.tar", dict(reversed(files.items()))))
    assert checked.release_id == checked.sha256[:32]
    assert checked.warnings == ()


def test_everything_bad_is_named_with_its_reason(tmp_path: Path) -> None:  # open-20
    path = tmp_path / "site.tar"
    path.write_bytes(
        tar_bytes(
            {
                **HOME,
                "../../gaj/index.html": b"x",
                "/etc/cron.d/x": b"x",
                "C:\\temp\\x.html": b"x",
                "a/./b/../../../x": b"x",
                "INDEX.HTML": b"x",
                "data/gaj/index.html": b"x",
                "a\nb.html": b"x",
                "u\u202elmth.exe": b"x",
                "n" * 300: b"x",
                "a/../ok.html": b"x",
                "tw/ice.html": b"x",
                "./tw//ice.html": b"x",
            },
            [
                special("img/logo.png", tarfile.SYMTYPE, "/etc/shadow"),
                special("data", tarfile.SYMTYPE, "../../"),
                special("hard", tarfile.LNKTYPE, "index.html"),
                special("dev", tarfile.CHRTYPE),
                special("disk", tarfile.BLKTYPE),
                special("pipe", tarfile.FIFOTYPE),
            ],
        )
    )
    found = faults(path)
    assert sorted(found) == sorted(
        [
            ("../../gaj/index.html", "it leads out of the site's folder"),
            ("/etc/cron.d/x", "it is an absolute path"),
            ("C:\\temp\\x.html", "it has backslashes"),
            ("C:\\temp\\x.html", "it names a drive"),
            ("a/./b/../../../x", "it leads out of the site's folder"),
            ("INDEX.HTML", "it differs from index.html by case only"),
            ("data/gaj/index.html", "it leads through the link data"),
            ("a\\u000ab.html", "its name has control characters"),
            ("u\\u202elmth.exe", "its name has control characters"),
            ("n" * 300, "its name is too long"),
            ("a/../ok.html", "it goes up a folder (..)"),
            ("./tw//ice.html", "it is there twice"),
            ("img/logo.png", "it is a symbolic link"),
            ("data", "it is a symbolic link"),
            ("hard", "it is a hard link"),
            ("dev", "it is a device"),
            ("disk", "it is a device"),
            ("pipe", "it is a named pipe"),
        ]
    )


def test_nothing_is_written_when_anything_is_bad(tmp_path: Path) -> None:
    folder = ReleaseFolder(tmp_path / "releases")
    bad = make_zip(tmp_path / "site.zip", {**HOME, "../x": b"x"})
    with pytest.raises(Invalid), folder.take(bad):
        pass
    assert not (tmp_path / "releases").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["site.zip"]


def zip_with(path: Path, *entries: tuple[zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("index.html", "home")
        for info, content in entries:
            archive.writestr(info, content)
    return path


def zip_info(name: str, mode: int = 0, system: int = 3) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr, info.create_system = mode << 16, system
    return info


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (stat.S_IFLNK | 0o777, "symbolic link"),
        (stat.S_IFIFO | 0o644, "named pipe"),
        (stat.S_IFCHR | 0o644, "device"),
        (stat.S_IFBLK | 0o644, "device"),
        (stat.S_IFSOCK | 0o644, "neither a file nor a folder"),
    ],
)
def test_special_files_in_a_zip(tmp_path: Path, mode: int, words: str) -> None:
    ((name, text),) = faults(zip_with(tmp_path / "s.zip", (zip_info("img/x", mode), b"/etc/shadow")))
    assert name == "img/x"
    assert words in text


def test_a_file_through_a_link_in_a_zip(tmp_path: Path) -> None:
    link = zip_info("data", stat.S_IFLNK | 0o777)
    found = faults(zip_with(tmp_path / "s.zip", (link, b"../.."), (zip_info("data/x.html"), b"x")))
    assert found == [("data", "it is a symbolic link"), ("data/x.html", "it leads through the link data")]


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "s.zip", {**HOME, "a.html": b"x"})
    content = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(magic)
        content[at + offset] |= 1
    path.write_bytes(content)
    assert ("index.html", "it is encrypted") in faults(path)


@pytest.mark.parametrize(
    "entries",
    [
        {"a": b"file", "a/b.html": b"below"},
        {"a/b.html": b"below", "a": b"file"},
        {"a": b"file", "a/": b""},
    ],
)
def test_a_file_is_no_folder(tmp_path: Path, entries: dict[str, bytes]) -> None:
    assert faults(make_zip(tmp_path / "s.zip", {**HOME, **entries}))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_doubles_in_one_zip(tmp_path: Path) -> None:
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("index.html", "a.html", "a.html", "B/x", "b/y", "e\u0301.html", "\u00e9.html"):
            archive.writestr(name, name)
    found = faults(path)
    assert ("a.html", "it is there twice") in found
    assert ("b/y", "it differs from B by case only") in found
    assert ("\u00e9.html", "it is there twice") in found  # composed and decomposed are one name


# names ---------------------------------------------------------------------------------------------------------
def old_windows_zip(path: Path, names: list[bytes], system: int = 0) -> Path:
    """A zip as Windows Explorer writes it: names in the local code page, not declared."""
    stand_in = {f"{'n' * len(name)}"[:-4] + f"{i:04d}": name for i, name in enumerate(names)}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("index.html", "home")
        for placeholder in stand_in:
            archive.writestr(zip_info(placeholder, 0, system), "x")
    content = path.read_bytes()
    for placeholder, name in stand_in.items():
        content = content.replace(placeholder.encode(), name)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("encoding", "system", "names"),
    [
        ("gb18030", 0, ["新闻中心.html", "图片/照片一.jpg"]),
        ("gb18030", 0, ["小小.htm"]),  # valid UTF-8 by accident
        ("gb18030", 3, ["通知公告.html", "联通公司.html"]),
        ("gb18030", 0, ["㐀㐁罕见字.html"]),
        ("utf-8", 0, ["新闻中心.html"]),
        ("utf-8", 3, ["新闻中心.html", "Bücher.html"]),
    ],
)
def test_names_without_a_declared_charset(tmp_path: Path, encoding: str, system: int, names: list[str]) -> None:
    path = old_windows_zip(tmp_path / "s.zip", [n.encode(encoding) for n in names], system)
    checked = check_archive(path)
    assert sorted(checked.contents) == sorted([*names, "index.html"])
    assert len(checked.warnings) == (encoding != "utf-8")


def test_names_in_no_charset_are_refused(tmp_path: Path) -> None:
    path = old_windows_zip(tmp_path / "s.zip", [b"\xff\xff\xff\xff\xff.html"])
    assert any("neither UTF-8 nor GB18030" in text for _, text in faults(path))


def test_gb18030_names_in_a_tar(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT, encoding="gb18030") as archive:
        for name in ("index.html", "新闻.html"):
            archive.addfile(tarfile.TarInfo(name))
    assert sorted(check_archive(written(tmp_path / "s.tar", out.getvalue())).contents) == ["index.html", "新闻.html"]


def test_the_unicode_path_field_of_a_zip_wins(tmp_path: Path) -> None:
    name = "新闻.html"
    info = zip_info("xxxx.html")
    raw = b"xxxx.html"
    body = b"\x01" + struct.pack("<I", zlib.crc32(raw)) + name.encode()
    info.extra = struct.pack("<HH", 0x7075, len(body)) + body
    assert name in check_archive(zip_with(tmp_path / "s.zip", (info, b"x"))).contents


def test_a_nul_in_a_zip_name(tmp_path: Path) -> None:
    path = old_windows_zip(tmp_path / "s.zip", [b"a.html\x00.exe"])
    assert ("a.html\\u0000.exe", "its name has control characters") in faults(path)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(name=st.text(st.sampled_from("ab./\\:C~ \0\n京é\u202e"), max_size=24))
def test_a_name_without_reasons_stays_below_the_folder(name: str) -> None:
    place, reasons = resolve(name)
    root = "/srv/sites/t/site"
    if not reasons:
        target = os.path.normpath(f"{root}/{name}")
        assert target == root or target.startswith(f"{root}/")
        assert os.path.normpath(f"{root}/{place}") == os.path.normpath(f"{root}/{unicodedata.normalize('NFC', name)}")
        assert ".." not in place.split("/")
        assert place.isprintable() or " " in place


@settings(derandomize=True, deadline=None, max_examples=200)
@given(names=st.lists(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1), min_size=1))
def test_chinese_names_survive_either_charset(names: list[str]) -> None:
    for encoding in ("utf-8", "gb18030"):
        raw = [n.encode(encoding) for n in names]
        assert [r.decode(charset(raw, windows=True)) for r in raw] == names


# damage and bombs ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("form", MAKERS)
def test_a_truncated_archive_is_refused_wherever_it_ends(tmp_path: Path, form: str) -> None:
    files = {**HOME, "a.bin": os.urandom(4000), "b.bin": os.urandom(4000)}
    whole = MAKERS[form](tmp_path / "whole", files).read_bytes()
    # the padding behind a tar's end mark means nothing
    end = len(whole.rstrip(b"\0")) if form == "tar" else len(whole) - 1
    for length in range(1, end, max(1, end // 60)):
        path = written(tmp_path / "cut", whole[:length])
        with pytest.raises(Invalid):
            check_archive(path)


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_flipped_bit_in_content_is_refused(tmp_path: Path, form: str) -> None:
    files = {**HOME, "a.bin": bytes(range(256)) * 40}
    whole = bytearray(MAKERS[form](tmp_path / "whole", files).read_bytes())
    whole[len(whole) // 3] ^= 0x10
    with pytest.raises(Invalid):
        check_archive(written(tmp_path / "flipped", bytes(whole)))


def test_a_damaged_header_in_a_tar_is_not_its_end(tmp_path: Path) -> None:
    whole = bytearray(tar_bytes({**HOME, "a.html": b"a" * 600, "b.html": b"b"}))
    at = whole.find(b"a.html")
    whole[at] ^= 1
    ((code, _),) = faults(written(tmp_path / "s.tar", bytes(whole)))
    assert code == "damaged-archive"


@pytest.mark.parametrize(
    "content", [b"", b"no archive", b"\x1f\x8b\x08 no gzip", b"PK\x03\x04", b"BZh9", b"\xfd7zXZ\x00", b"\0" * 2048]
)
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    codes = {code for code, _ in faults(written(tmp_path / "s.zip", content))}
    assert codes <= {"damaged-archive", "no-home-page"}


def test_bad_entries_before_the_damage_are_named_too(tmp_path: Path) -> None:
    whole = tar_bytes({"../x": b"x", **HOME, "b.bin": os.urandom(5000)})
    found = [code for code, _ in faults(written(tmp_path / "s.tar", whole[:4000]))]
    assert found == ["../x", "damaged-archive"]


def test_a_bomb_is_refused_without_much_memory(tmp_path: Path) -> None:
    maker = (
        "import gzip,sys,tarfile,io,zipfile\n"
        "zero=bytes(1<<20)\n"
        "with gzip.open(sys.argv[1],'wb',9) as out:\n"
        "  i=tarfile.TarInfo('index.html');i.size=120<<20;out.write(i.tobuf())\n"
        "  for _ in range(120): out.write(zero)\n"
        "  out.write(bytes(1024))\n"
        "with zipfile.ZipFile(sys.argv[2],'w',zipfile.ZIP_DEFLATED) as z:\n"
        "  with z.open('index.html','w') as f:\n"
        "    for _ in range(120): f.write(zero)\n"
    )
    paths = [str(tmp_path / "s.tar.gz"), str(tmp_path / "s.zip")]
    subprocess.run([sys.executable, "-c", maker, *paths], check=True)
    checker = (
        "import resource,sys,pathlib\n"
        "from control_plane.drivers.releases import check_archive\n"
        "from control_plane.model.errors import Invalid\n"
        "before=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for name in sys.argv[1:]:\n"
        "  try: check_archive(pathlib.Path(name)); print('accepted')\n"
        "  except Invalid as e: print([p.code for p in e.problems])\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss-before)//1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", checker, *paths], check=True, capture_output=True, text=True)
    gz, zip_, grown = done.stdout.splitlines()
    assert "archive-too-large" in gz
    assert "bad-entry" in zip_
    assert int(grown) < 64  # MiB


def test_a_header_that_claims_gigabytes_is_refused(tmp_path: Path) -> None:
    info = special("PaxHeader", tarfile.XHDTYPE)
    info.size = 6 << 30
    path = written(tmp_path / "s.tar", info.tobuf() + bytes(4096))
    ((code, _),) = faults(path)
    assert code == "archive-too-large"


def test_a_zip_that_lies_about_a_size(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "s.zip", {"index.html": b"x" * 5000})
    content = bytearray(path.read_bytes())
    at = content.find(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 10)
    path.write_bytes(content)
    with pytest.raises(Invalid):
        check_archive(path)


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_limits_on_count_and_size(tmp_path: Path, form: str) -> None:
    path = MAKERS[form](tmp_path / "s", {**HOME, **{f"{i}.txt": os.urandom(2000) for i in range(20)}})
    assert check_archive(path, Limits(max_files=21, max_bytes=50_000)).files == 21
    assert [c for c, _ in faults(path, Limits(max_files=20))] == ["too-many-files"]
    assert len(faults(path, Limits(max_bytes=30_000))) == 6
    assert len(faults(path, Limits(max_file_bytes=1999))) == 20
    with pytest.raises(Invalid) as wrong:
        check_archive(path, Limits(max_file_bytes=1999))
    assert "the most that can be checked for malware" in str(wrong.value.problems[0].text)


def test_of_a_file_that_is_too_large_to_be_checked_no_more_is_read_than_shows_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control_plane.drivers.releases.LARGEST_CHECKED", 1000)
    store = ReleaseFolder(tmp_path / "releases")
    with store.take_files({"index.html": b"x" * 1000, "large.bin": b"y" * 5000}) as (checked, staged):
        staged.place()
    sizes = {path: len(content) for path, content in store.files(checked.release_id)}
    assert sizes == {"index.html": 1000, "large.bin": 1001}


# shape ---------------------------------------------------------------------------------------------------------
def test_one_folder_around_everything_is_taken_away(tmp_path: Path) -> None:
    checked = check_archive(make_zip(tmp_path / "s.zip", {"site/index.html": b"x", "site/a/b.html": b"y"}))
    assert sorted(checked.contents) == ["a/b.html", "index.html"]
    assert "site" in str(checked.warnings[0])
    plain = check_archive(make_zip(tmp_path / "t.zip", {"index.html": b"x", "a/b.html": b"y"}))
    assert checked.release_id == plain.release_id


@pytest.mark.parametrize(
    "files", [{"a.html": b"x"}, {"a/index.html": b"x", "b/index.html": b"y"}, {"a/b/index.html": b""}]
)
def test_a_home_page_is_needed(tmp_path: Path, files: dict[str, bytes]) -> None:
    ((code, _),) = faults(make_zip(tmp_path / "s.zip", files))
    assert code == "no-home-page"


def test_traces_of_desktops_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    junk = ["__MACOSX/._index.html", ".DS_Store", "img/Thumbs.db", ".git/config", ".htaccess", "a/.env"]
    checked = check_archive(
        make_zip(tmp_path / "s.zip", {**HOME, **dict.fromkeys(junk, b"x"), ".well-known/security.txt": b"y"})
    )
    assert sorted(checked.contents) == [".well-known/security.txt", "index.html"]
    assert "6" in str(checked.warnings[0])


# keeping -------------------------------------------------------------------------------------------------------
def unpacked(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        found = {}
        for info in archive:
            assert info.isfile() or info.isdir()
            assert (info.uid, info.gid, info.uname) == (0, 0, "")
            assert info.mode == (0o755 if info.isdir() else 0o644)
            if info.isfile():
                source = archive.extractfile(info)
                assert source is not None
                found[info.name] = source.read()
        return found


@pytest.mark.parametrize("form", MAKERS)
def test_a_release_is_kept_and_given_back(tmp_path: Path, form: str) -> None:
    folder = ReleaseFolder(tmp_path / "releases")
    files = {"top/index.html": b"home", "top/新闻/一.html": b"x" * 70_000, "top/.git/x": b"no"}
    archive = MAKERS[form](tmp_path / "upload", files)
    with folder.take(archive) as (checked, staged):
        assert not folder.path(checked.release_id).exists()
        assert list(folder.names()) == []
        staged.place()
    assert list(folder.names()) == [checked.release_id]
    path = folder.path(checked.release_id)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    content = folder.open_archive({"kind": "release", "release": checked.release_id})
    assert unpacked(content) == {"index.html": b"home", "新闻/一.html": b"x" * 70_000}
    path.write_bytes(b"damaged")
    with folder.take(archive) as (again, staged):
        staged.place()
    assert again == checked
    assert folder.open_archive({"kind": "release", "release": checked.release_id}) == content
    with folder.take(archive):
        pass
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_changed_file_never_keeps_its_time_and_size(tmp_path: Path) -> None:
    times = set()
    for content in (b"one", b"two"):
        with tarfile.open(fileobj=io.BytesIO(pack({"index.html": content}))) as archive:
            times.add(archive.getmember("index.html").mtime)
    assert len(times) == 2


def test_an_archive_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_tar(tmp_path / "s.tar", {**HOME, "a.html": b"before"})
    from control_plane.drivers import releases

    def check_then_change(path: Path, limits: Limits) -> Checked:
        checked = check_archive(path, limits)
        make_tar(path, {**HOME, "a.html": b"after!"})
        return checked

    monkeypatch.setattr(releases, "check_archive", check_then_change)
    with pytest.raises(Invalid, match="changed while"), ReleaseFolder(tmp_path / "releases").take(archive):
        pass
    assert list((tmp_path / "releases").iterdir()) == []


def test_a_starter_is_rendered_when_it_is_wanted(tmp_path: Path) -> None:
    source = {"kind": "starter", "release": "0" * 32, "render": lambda: {"index.html": b"hi", "en/index.html": b"x"}}
    content = ReleaseFolder(tmp_path).open_archive(source)
    assert unpacked(content) == {"index.html": b"hi", "en/index.html": b"x"}
    assert content == ReleaseFolder(tmp_path).open_archive(source)


@pytest.mark.parametrize("release", ["0" * 32, "../../etc/passwd", "", "x" * 32])
def test_an_unknown_release_is_not_found(tmp_path: Path, release: str) -> None:
    with pytest.raises(NotFound):
        ReleaseFolder(tmp_path).open_archive({"kind": "release", "release": release})


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6),
    form=st.sampled_from(["zip", "tar"]),
)
def test_no_damage_makes_it_fail_in_another_way(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]], form: str
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    content = bytearray(MAKERS[form](folder / "s", {**HOME, "a/b.txt": b"text" * 50}).read_bytes())
    for at, value in flips:
        content[at % len(content)] = value
    path = written(folder / "t", bytes(content))
    try:
        checked = check_archive(path)
    except Invalid:
        return
    for place in checked.contents:
        assert not resolve(place)[1]


def test_members_of_a_damaged_archive_raise_one_error(tmp_path: Path) -> None:
    path = written(tmp_path / "x", b"\x1f\x8b" + os.urandom(500))
    with pytest.raises((Damaged, TooLarge)):
        list(members(path, 1 << 30, 200))
