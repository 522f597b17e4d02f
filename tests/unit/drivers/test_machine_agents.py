"""What is sent to machines, without a machine: what it may import, what it refuses, what it asks."""

from __future__ import annotations

import ast
import os
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from control_plane.drivers import machine_link
from control_plane.drivers.host_state import AgentError
from control_plane.drivers.machine_acts import cursor, files_below, from_cursor, hashes, infected
from control_plane.drivers.machine_files import PROBE, marker
from control_plane.drivers.machine_link import ACTS, WORDS, sentence
from control_plane.drivers.machine_measure import holder, newer_there, valid_until

FOLDER = Path(machine_link.__file__).parent


@pytest.mark.parametrize("name", ACTS)
def test_agents_are_python_3_9_and_import_the_standard_library_and_each_other(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text(), feature_version=(3, 9))
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for module in names:
            own = module.removeprefix("control_plane.drivers.") in ACTS[: ACTS.index(name)]
            assert own or module.partition(".")[0] in sys.stdlib_module_names, module


def test_every_code_of_the_agents_has_a_sentence() -> None:
    used = {
        node.args[0].value
        for name in ACTS[1:]
        for node in ast.walk(ast.parse((FOLDER / f"{name}.py").read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "AgentError"
        if isinstance(node.args[0], ast.Constant)
    }
    assert used <= WORDS.keys()
    assert "fgw" in str(sentence({"code": "something-new", "detail": "x"}, "fgw"))


@pytest.mark.parametrize("name", ["../etc/passwd", "a/b.hdb", ".hidden.hdb", "gasp-set.hdb"])
def test_a_set_cannot_name_files_elsewhere(name: str) -> None:
    with pytest.raises(AgentError):
        hashes({"files": {name: {"sha256": "0" * 64}}})


def test_the_marker_is_a_signature_of_the_probe_alone() -> None:
    digest, size, name = marker("s1").decode().strip().split(":")
    assert (len(digest), int(size)) == (32, len(PROBE))
    assert bytes.fromhex(name.removeprefix("Gasp.Set.")).decode() == "s1"


@pytest.mark.parametrize(("offset", "answer"), [(0, False), (60, True)])
def test_whether_the_repository_has_other_lists(tmp_path: Path, offset: int, answer: bool) -> None:
    index = tmp_path / "InRelease"
    index.write_text("x")
    os.utime(index, (1_700_000_000, 1_700_000_000))
    when = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(1_700_000_000 + offset))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        asked: list[bytes] = []

        def serve() -> None:
            link, _ = server.accept()
            with link:
                asked.append(link.recv(4096))
                link.sendall(f"HTTP/1.1 200 OK\r\nLast-Modified: {when}\r\n\r\n".encode())

        thread = threading.Thread(target=serve)
        thread.start()
        manifest = {"attributes": {"uri": f"http://127.0.0.1:{port}/debian", "suite": "ring1"}}
        assert newer_there(manifest, index) is answer
        thread.join()
    assert asked[0].startswith(b"HEAD /debian/dists/ring1/InRelease HTTP/1.0\r\n")
    assert newer_there(manifest, index) is False, "nobody answers: nothing is known, and age decides"


def test_a_date_in_an_index(tmp_path: Path) -> None:
    index = tmp_path / "InRelease"
    assert valid_until(index) is None
    index.write_text("Suite: ring1\nValid-Until: Thu, 26 Nov 2026 00:00:00 UTC\n")
    assert valid_until(index) == 1795651200.0


def test_who_holds_a_lock_is_named_and_nobody_holding_is_none(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert holder(path) is None
    path.touch()
    assert holder(path) is None
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        import fcntl

        with path.open("w") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            os.write(write, b"x")
            time.sleep(60)
        os._exit(0)
    try:
        os.read(read, 1)
        assert (holder(path) or "").startswith(f"{child} ")
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def test_what_is_found_has_its_whole_name_whatever_is_in_it() -> None:
    odd = ["/home/a b/u\u2028sep", "/home/x\x0b\x85y", "/home/报告: final.com", "/home/z: Fake FOUND: z"]
    text = "".join(f"{path}: Lab.Eicar FOUND\n" for path in odd) + "/home/w: No such file or directory. ERROR\n"
    assert infected(text) == [(path, "Lab.Eicar") for path in odd]
    for name in ("/home/new\nline", "/home/a: Fake FOUND\nb: Other FOUND"):
        assert infected(f"{name}: Lab.Eicar FOUND\n", name) == [(name, "Lab.Eicar")]
        assert infected("", name) == []


def test_links_are_not_followed_by_a_scan(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_text("x")
    (tmp_path / "a/link").symlink_to("/etc/passwd")
    (tmp_path / "up").symlink_to(tmp_path)
    assert [path for _, path in files_below([str(tmp_path), "/nowhere"])] == [str(tmp_path / "a/file")]


def test_a_scan_goes_on_behind_every_file_of_its_order(tmp_path: Path) -> None:
    for name in ("b/x/1", "b/2", "a/y", "a.d/z", "c", "b.txt", "b/x y/3"):
        (tmp_path / "one" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "one" / name).write_text("x")
    (tmp_path / "two").mkdir()
    (tmp_path / "two/last").write_text("x")
    tops = [str(tmp_path / "one"), str(tmp_path / "two"), str(tmp_path / "one/c")]
    whole = list(files_below(tops))
    assert [place for place, _ in whole] == sorted(place for place, _ in whole)
    assert len(whole) == 9
    for number, (here, path) in enumerate(whole):
        assert from_cursor(cursor(here)) == here
        assert list(files_below(tops, here)) == whole[number + 1 :]
        Path(path).unlink()  # also when the file where it stood is gone
        assert list(files_below(tops, here)) == [one for one in whole[number + 1 :] if one[1] != path]
        Path(path).write_text("x")
