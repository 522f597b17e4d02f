"""The step that every role takes on a host: nothing changes twice, the old files survive a refused check."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[2] / "playbooks" / "files" / "put.py"
ME = {"owner": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name}


class Host:
    """A pretended host: a folder for its files, one for the state, a log of what was activated."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.state = folder / "state"
        self.log = folder / "activations"
        self.service = folder / "service-is-up"
        self.root.mkdir()

    def entry(self, name: str, content: str, **keys: Any) -> dict[str, Any]:
        return {"path": str(self.root / name), "content": content, **ME, **keys}

    def role(self, *files: dict[str, Any], **keys: Any) -> dict[str, Any]:
        activate = f'echo "first=$FIRST" $CHANGED >> {self.log}; touch {self.service}'
        return {"name": "role", "files": list(files), "alive": f"test -e {self.service}", "activate": activate, **keys}

    def put(self, role: dict[str, Any], check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.read_text()],
            input=json.dumps(role),
            text=True,
            capture_output=True,
            env={**os.environ, "GASP_ROLE_STATE": str(self.state)},
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def answer(self, role: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.put(role).stdout)
        return answer

    def activations(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def read(self, name: str) -> str:
        return (self.root / name).read_text()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_second_run_changes_nothing(host: Host) -> None:
    folder = {"path": str(host.root / "made"), "mode": "0750", **ME}
    role = host.role(host.entry("made/a.conf", "one\n", mode="0640"), folders=[folder])
    first = host.answer(role)
    assert first["activated"]
    assert set(first["changed"]) == {str(host.root / "made"), str(host.root / "made/a.conf")}
    assert (host.root / "made/a.conf").stat().st_mode & 0o777 == 0o640
    assert host.answer(role) == {"missing": [], "changed": [], "activated": False}
    assert len(host.activations()) == 1
    assert host.activations()[0].startswith("first=1 ")


@pytest.mark.parametrize("harm", ["content", "mode", "missing", "service", "link"])
def test_what_was_changed_by_hand_is_repaired(host: Host, harm: str) -> None:
    role = host.role(host.entry("a.conf", "one\n"))
    host.put(role)
    path = host.root / "a.conf"
    if harm == "content":
        path.write_text("two\n")
    elif harm == "mode":
        path.chmod(0o666)
    elif harm == "missing":
        path.unlink()
    elif harm == "service":
        host.service.unlink()
    else:
        path.unlink()
        path.symlink_to("/dev/null")
    assert host.answer(role)["activated"]
    assert (host.read("a.conf"), path.stat().st_mode & 0o777, path.is_symlink()) == ("one\n", 0o644, False)
    assert host.service.exists()
    assert not host.answer(role)["activated"]


def test_refused_check_keeps_the_old_files_and_activates_nothing(host: Host) -> None:
    host.put(host.role(host.entry("a.conf", "good\n"), host.entry("old", "old\n")))
    check = f"if grep -q bad {host.root}/a.conf; then echo line 1 is bad; exit 1; fi"
    worse = host.role(
        host.entry("a.conf", "bad\n"), host.entry("new", "new\n"), {"path": str(host.root / "old"), "absent": True},
        check=check,
    )  # fmt: skip
    done = host.put(worse, check=False)
    assert done.returncode == 1
    assert "line 1 is bad" in done.stderr
    assert (host.read("a.conf"), host.read("old")) == ("good\n", "old\n")
    assert not (host.root / "new").exists()
    assert len(host.activations()) == 1
    assert sorted(path.name for path in host.root.iterdir()) == ["a.conf", "old"]


def test_failed_activation_brings_the_old_files_back_into_force(host: Host) -> None:
    host.put(host.role(host.entry("a.conf", "good\n")))
    activate = f"cat {host.root}/a.conf >> {host.log}; ! grep -q bad {host.root}/a.conf || {{ echo broken; exit 1; }}"
    done = host.put(host.role(host.entry("a.conf", "bad\n"), activate=activate), check=False)
    assert done.returncode == 1
    assert "broken" in done.stderr
    assert "in force again" in done.stderr
    assert host.read("a.conf") == "good\n"
    assert host.activations()[-2:] == ["bad", "good"]
    assert not host.answer(host.role(host.entry("a.conf", "good\n")))["activated"]


def test_a_step_killed_before_activation_is_finished_by_the_next(host: Host) -> None:
    host.put(host.role(host.entry("a.conf", "one\n")))
    kill = host.role(host.entry("a.conf", "two\n"), check="kill -9 $PPID")
    assert host.put(kill, check=False).returncode == -9
    assert host.read("a.conf") == "two\n"
    answer = host.answer(host.role(host.entry("a.conf", "two\n")))
    assert answer["activated"]
    assert host.activations()[-1] == f"first= {host.root}/a.conf"
    assert not host.answer(host.role(host.entry("a.conf", "two\n")))["activated"]


def test_a_step_killed_and_then_refused_goes_back_to_the_last_good_files(host: Host) -> None:
    host.put(host.role(host.entry("a.conf", "one\n")))
    assert host.put(host.role(host.entry("a.conf", "bad\n"), check="kill -9 $PPID"), check=False).returncode == -9
    assert host.put(host.role(host.entry("a.conf", "bad\n"), check="false"), check=False).returncode == 1
    assert host.read("a.conf") == "one\n"


def test_data_files_are_made_once_and_never_put_back(host: Host) -> None:
    zone = host.entry("zone", "first\n", once=True)
    assert host.put(host.role(zone, check="false"), check=False).returncode == 1
    assert host.read("zone") == "first\n"
    (host.root / "zone").write_text("grown\n")
    host.put(host.role(host.entry("zone", "other\n", once=True)))
    assert host.read("zone") == "grown\n"


def test_serial_rises_with_a_change_only(host: Host) -> None:
    def serial() -> int:
        found = re.search(r"(\d+) ; serial", host.read("zone"))
        assert found
        return int(found.group(1))

    def zone(address: str) -> dict[str, Any]:
        return host.role(host.entry("zone", f"@ IN SOA a b (\n\t@SERIAL@ ; serial\n\t1 1 1 1 )\n@ A {address}\n"))

    host.put(zone("192.0.2.1"))
    first = serial()
    assert abs(first - time.time()) < 600
    assert not host.answer(zone("192.0.2.1"))["activated"]
    assert serial() == first
    ahead = host.read("zone").replace(str(first), str(first + 5000))
    (host.root / "zone").write_text(ahead)
    assert not host.answer(zone("192.0.2.1"))["activated"]
    host.put(zone("192.0.2.2"))
    assert serial() == first + 5001


def test_missing_packages_are_named_and_nothing_else_happens(host: Host) -> None:
    role = host.role(host.entry("a.conf", "one\n"), packages=["dpkg", "no-such-package-of-ours"])
    assert host.answer(role) == {"missing": ["no-such-package-of-ours"], "changed": [], "activated": False}
    assert not host.activations()
    assert not (host.root / "a.conf").exists()


def test_secrets_are_in_no_message(host: Host) -> None:
    secret = "S3cr;et\"$(id)'"
    role = host.role(host.entry("key", secret, mode="0600"), check=f"cat {host.root}/key; exit 1", secrets=[secret])
    done = host.put(role, check=False)
    assert secret not in done.stderr + done.stdout
    assert "(secret)" in done.stderr


def test_unknown_owner_is_told_and_touches_nothing(host: Host) -> None:
    done = host.put(host.role({**host.entry("a.conf", "one\n"), "owner": "nobody-of-ours"}), check=False)
    assert done.returncode == 1
    assert "nobody-of-ours" in done.stderr
    assert not (host.root / "a.conf").exists()
