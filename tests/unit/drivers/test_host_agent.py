"""The agent without a host: what it may import, its words, its states, how it reads nginx and finds culprits."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from control_plane.drivers import host_files, host_look, host_stage, host_state
from control_plane.drivers.agents import LOADER
from control_plane.drivers.host_apply import Blob, validate
from control_plane.drivers.host_check import Proposal, Service, Verdict, settle
from control_plane.drivers.host_files import LOOK_MODULES, MODULES, request_pieces
from control_plane.drivers.host_journal import STEPS, without_doubles
from control_plane.drivers.host_state import AgentError, Layout, state_of
from control_plane.drivers.host_words import WORDS, sentence

SOURCES = {name: (Path(host_files.__file__).parent / f"{name}.py").read_text() for name in MODULES}


@pytest.mark.parametrize("name", MODULES)
def test_the_agent_is_python_3_9_and_imports_nothing_but_the_standard_library_and_itself(name: str) -> None:
    tree = ast.parse(SOURCES[name], feature_version=(3, 9))
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for module in names:
            own = module.removeprefix("control_plane.drivers.") in MODULES
            assert own or module.partition(".")[0] in sys.stdlib_module_names, module


def test_every_code_has_a_sentence_and_every_sentence_a_code() -> None:
    used = {
        node.args[0].value
        for source in SOURCES.values()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "AgentError" and node.args
        if isinstance(node.args[0], ast.Constant)
    }
    # chosen by an expression or sent without an exception
    used |= {"no-space", "os-error", "moved", "exists", "internal"}
    assert used == set(WORDS)
    for code in WORDS:
        assert "{" not in str(sentence({"code": code, "path": "/p", "detail": "d"}, "web"))


def test_every_step_of_a_kill_is_in_the_code() -> None:
    text = "".join(SOURCES.values())
    assert [step for step in STEPS if f'step("{step}")' not in text] == []
    assert len(STEPS) == text.count(".step(")


@pytest.mark.parametrize("modules", [LOOK_MODULES, MODULES])
def test_the_bundle_runs_in_a_bare_interpreter(modules: tuple[str, ...], tmp_path: Path) -> None:
    verb = "observe" if modules == LOOK_MODULES else "apply"
    request = {"verb": verb, "options": {"root": str(tmp_path)}, "now": 0, "changes": [], "archives": []}
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-S", "-c", LOADER],
        input=b"".join(request_pieces(request)),
        capture_output=True,
        cwd=tmp_path,
        check=True,
    )
    first = orjson.loads(done.stdout.splitlines()[0])
    assert first in (
        {"is": "error", "code": "not-ready", "path": "/var/lib/gasp/ready", "detail": ""},
        {"is": "end"},
    )
    assert done.stderr == b""


def test_states_tell_things_apart(tmp_path: Path) -> None:
    file, link, folder = tmp_path / "file", tmp_path / "link", tmp_path / "folder"
    assert state_of(file) == "missing"
    file.write_text("x")
    file.chmod(0o600)
    assert state_of(file) == host_state.file_state(b"x", 0o600)
    link.symlink_to("file")
    assert state_of(link) == "link file"
    folder.mkdir()
    (folder / "a").mkdir()
    (folder / "a/page").write_text("x")
    one = state_of(folder)
    (folder / "a/page").chmod(0o640)
    two = state_of(folder)
    (folder / "a/other").symlink_to("/etc")
    three = state_of(folder)
    (folder / "a/page").rename(folder / "page")
    assert len({one, two, three, state_of(folder)}) == 4
    assert one.startswith("tree ")


def test_large_files_are_known_by_size_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_state, "SMALL", 3)
    (tmp_path / "film").write_text("1234")
    assert host_state.tree_listing(tmp_path)["film"].startswith("big 4 ")


def test_planted_links_on_the_way_are_named(tmp_path: Path) -> None:
    layout = Layout({"root": str(tmp_path)})
    (tmp_path / "srv/sites/t_a").mkdir(parents=True)
    (tmp_path / "srv/sites/t_b").symlink_to("/etc")
    assert layout.bad_parent("/srv/sites/t_a/main/current") is None
    assert layout.bad_parent("/srv/sites/t_b/main/current") == "/srv/sites/t_b"


SAYINGS = [
    ('nginx: [emerg] unknown directive "x" in TREE/sites-enabled/a.conf:7', 'unknown directive "x"',
     "/etc/nginx/sites-enabled/a.conf", 7),
    ('2026/11/25 01:02:03 [emerg] 77#77: bad "a b" in TREE/nginx.conf:1', 'bad "a b"', "/etc/nginx/nginx.conf", 1),
    ('nginx: [emerg] cannot load certificate "TREE/tls/a.crt": BIO_new_file() failed (SSL: x)',
     'cannot load certificate "/etc/nginx/tls/a.crt": BIO_new_file() failed (SSL: x)', "/etc/nginx/tls/a.crt", 0),
    ('nginx: [emerg] open() "/var/log/x.log" failed (2: No such file or directory)',
     'open() "/var/log/x.log" failed (2: No such file or directory)', "", 0),
    ("nginx: [emerg] could not build server_names_hash, you should increase server_names_hash_bucket_size: 64",
     "could not build server_names_hash, you should increase server_names_hash_bucket_size: 64", "", 0),
    ("Segmentation fault", "Segmentation fault", "", 0),
]  # fmt: skip


@pytest.mark.parametrize(("said", "words", "file", "line"), SAYINGS)
def test_what_nginx_says_is_read_in_live_names(tmp_path: Path, said: str, words: str, file: str, line: int) -> None:
    (tmp_path / "said").write_text(said.replace("TREE", str(tmp_path)) + "\n")
    script = ["sh", "-c", f"cat {tmp_path}/said >&2; exit 1", "nginx"]
    verdict, _ = Service(Layout({}), {"nginx": script}).check(tmp_path)
    assert (verdict.ok, verdict.words, verdict.file, verdict.line) == (False, words, file, line)


class FakeCandidate:
    """A tree that nginx refuses while a bad name is shown; it names no file unless told to."""

    def __init__(self, bad: Mapping[str, str], foreign: bool = False) -> None:
        self.bad, self.foreign, self.shown, self.checks = bad, foreign, set[str](), 0

    def put(self, views: Mapping[str, Path | None]) -> None:
        self.shown |= set(views)

    def drop(self, views: Mapping[str, Path | None]) -> None:
        self.shown -= set(views)

    def check(self) -> Verdict:
        self.checks += 1
        if self.foreign:
            return Verdict(False, "broken", "/etc/nginx/nginx.conf", 3)
        for name in sorted(self.shown & set(self.bad)):
            return Verdict(False, f"refused {name}", self.bad[name])
        return Verdict(True)


def proposals(count: int) -> list[Proposal]:
    return [Proposal(f"id{i:03}", {f"sites-enabled/{i:03}.conf": None}) for i in range(count)]


@pytest.mark.parametrize("culprit", [0, 1, 40, 80, 81])
def test_a_culprit_that_is_not_named_is_found_by_halves(culprit: int) -> None:
    name = f"sites-enabled/{culprit:03}.conf"
    candidate = FakeCandidate({name: ""})
    refused, _ = settle(candidate, proposals(82))  # type: ignore[arg-type]
    assert {i: v.words for i, v in refused.items()} == {f"id{culprit:03}": f"refused {name}"}
    assert candidate.checks <= 2 + 1 + 7 + 1
    assert len(candidate.shown) == 81


def test_named_culprits_cost_one_check_each() -> None:
    names = [f"sites-enabled/{i:03}.conf" for i in (3, 50, 81)]
    candidate = FakeCandidate({name: f"/etc/nginx/{name}" for name in names})
    refused, _ = settle(candidate, proposals(82))  # type: ignore[arg-type]
    assert sorted(refused) == ["id003", "id050", "id081"]
    assert candidate.checks == 4


def test_a_tree_that_is_bad_without_us_fails_with_the_file_and_line() -> None:
    with pytest.raises(AgentError) as error:
        settle(FakeCandidate({}, foreign=True), proposals(3))  # type: ignore[arg-type]
    assert (error.value.code, error.value.path) == ("foreign-fault", "/etc/nginx/nginx.conf:3")


def test_a_cut_off_upload_is_an_error_and_a_rest_is_skipped() -> None:
    source = io.BytesIO(b"abcdef.")
    blob = Blob(source, 6)
    assert blob.read(2) == b"ab"
    blob.drain()
    assert source.read() == b"."
    with pytest.raises(AgentError, match="cut-off"):
        Blob(io.BytesIO(b"abc"), 4).read(4)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kind": "web.vhost", "main": "fgw.qingdao.test", "site_dir": "t_1/fgw.qingdao.test"}, None),
        ({"kind": "web.vhost", "main": "../x", "site_dir": "t_1/x"}, "bad-name"),
        ({"kind": "web.vhost", "main": "a..b", "site_dir": "t_1/x"}, "bad-name"),
        ({"kind": "web.vhost", "main": "A.b", "site_dir": "t_1/x"}, "bad-name"),
        ({"kind": "web.vhost", "main": "a" * 241, "site_dir": "t_1/x"}, "name-too-long"),
        ({"kind": "web.vhost", "main": "a.b", "site_dir": "../x"}, "bad-name"),
        ({"kind": "web.vhost", "main": "a.b", "site_dir": "/etc/x"}, "bad-name"),
        ({"kind": "web.release", "main": "a.b", "site_dir": "t_1/x", "release": "../../etc"}, "bad-name"),
        ({"kind": "web.release", "main": "a.b", "site_dir": "t_1/x", "release": "r1"}, None),
        ({"kind": "web.certificate", "main": "a.b", "site_dir": None}, None),
    ],
)
def test_names_cannot_lead_outside_their_place(change: dict[str, str], code: str | None) -> None:
    if code is None:
        validate(change)
        return
    with pytest.raises(AgentError) as error:
        validate(change)
    assert error.value.code == code


def test_unpacking_takes_over_times_but_not_zero(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, mtime in (("a/b/old.html", 1_000_000_000), ("zero.html", 0)):
            member = tarfile.TarInfo(name)
            member.mtime = mtime
            tar.addfile(member)
    buffer.seek(0)
    host_stage.unpack(buffer, tmp_path / "out")
    assert (tmp_path / "out/a/b/old.html").stat().st_mtime == 1_000_000_000
    assert (tmp_path / "out/zero.html").stat().st_mtime > 1_000_000_000


def test_folders_are_made_once_and_before_their_first_use() -> None:
    operations = [["folder", "/a"], ["move", "x", "/a/x"], ["folder", "/a"], ["folder", "/b"], ["move", "y", "/b/y"]]
    assert without_doubles(operations) == [operations[0], operations[1], operations[3], operations[4]]


def test_a_fingerprint_is_that_of_the_first_certificate(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no certificate")
    assert host_look.fingerprint(str(tmp_path / "x")) is None
    assert host_look.fingerprint(str(tmp_path / "missing")) is None
