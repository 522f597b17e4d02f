"""What a look at a machine makes of kernels, of what apt does not take, and of an engine that was killed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from control_plane.drivers.machine_files import Machine
from control_plane.drivers.machine_measure import Measuring, _is_kernel, on_hold

Look = Callable[..., Measuring]
APT = SimpleNamespace(
    SELSTATE_HOLD=2,
    version_compare=lambda one, two: (key(one) > key(two)) - (key(one) < key(two)),
)


def key(version: str) -> list[int]:
    """Order of versions that are numbers with dots and hyphens."""
    return [int(part) for part in version.replace("-", ".").split(".")]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    def made(**request: Any) -> Measuring:
        return Measuring(Machine({"root": str(tmp_path)}), {"now": 0, **request})

    return made


# kernels ---------------------------------------------------------------------------------------------------------
RUNS = ("6.1.0-13-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.55-1 (2023-09-29)")
UBUNTU = ("5.15.0-91-generic", "#101-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023")
#: What runs, what is installed, whether the file asks for it; and what is said.
KERNELS: list[tuple[str, tuple[str, str], dict[str, str], bool, str | None]] = [
    ("the newest runs", RUNS, {"6.1.55-1": "6.1.0-13-amd64", "6.1.52-1": "6.1.0-12-amd64"}, False, None),
    ("a newer one waits", RUNS, {"6.1.55-1": "6.1.0-13-amd64", "6.1.66-1": "6.1.0-15-amd64"}, False, "6.1.0-15-amd64"),
    ("newer by number, not by letters", RUNS, {"6.1.9-1": "6.1.0-9-amd64", "6.1.55-1": "6.1.0-13-amd64"}, False, None),
    ("a new build of the same name", RUNS, {"6.1.55-2": "6.1.0-13-amd64"}, False, "6.1.55-1 runs"),
    ("no word of its build", UBUNTU, {"5.15.0-91": "5.15.0-91-generic"}, False, None),
    ("what runs was removed", UBUNTU, {"5.15.0-92": "5.15.0-92-generic"}, False, "5.15.0-91-generic runs"),
    ("no kernel of its own", RUNS, {}, False, None),
    ("the file alone", RUNS, {"6.1.55-1": "6.1.0-13-amd64"}, True, "/run/reboot-required"),
]


@pytest.mark.parametrize(("runs", "installed", "file", "said"), [k[1:] for k in KERNELS], ids=[k[0] for k in KERNELS])
def test_a_restart_is_needed_when_an_older_kernel_runs_than_is_installed(
    look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    runs: tuple[str, str], installed: dict[str, str], file: bool, said: str | None,
) -> None:  # fmt: skip  # open-26
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release=runs[0], version=runs[1]))
    if file:
        (tmp_path / "run").mkdir()
        (tmp_path / "run/reboot-required").touch()
    kernels = [(SimpleNamespace(ver_str=version), release) for version, release in installed.items()]
    for order in (kernels, kernels[::-1]):
        reasons = look()._restart(APT, order)
        assert (len(reasons), said or "") == (bool(said), said if reasons and said in reasons[0] else "")


@pytest.mark.parametrize(
    ("package", "is_one"),
    [
        ("linux-image-6.1.0-13-amd64", True),
        ("linux-image-amd64", False),
        ("linux-image-6.1.0-13-amd64-dbg", False),
        ("linux-headers-6.1.0-13-amd64", False),
        ("linux-image-", False),
    ],
)
def test_which_packages_are_kernels(package: str, is_one: bool) -> None:
    assert _is_kernel(package) is is_one


# what apt does not take --------------------------------------------------------------------------------------------
class Records(dict[str, str]):
    """Fields of a version's record; a look at none leaves them as they are."""

    def lookup(self, file: Any) -> bool:
        return True


def missing(look: Measuring, *, held: bool = False, taken: bool = False, share: str | None = None) -> Any:
    """What is said of a package with 1.0 installed and 1.1 offered, which apt takes or not."""
    file = SimpleNamespace(label="Lab", archive="stable", not_automatic=False, site="x")
    candidate = SimpleNamespace(ver_str="1.1", file_list=[(file, 0)])
    package = SimpleNamespace(
        name="demo",
        current_ver=SimpleNamespace(ver_str="1.0"),
        selected_state=APT.SELSTATE_HOLD if held else 1,
    )
    policy = SimpleNamespace(
        marked_upgrade=lambda package: taken,
        marked_install=lambda package: False,
    )
    records = Records({} if share is None else {"Phased-Update-Percentage": share})
    item = look._missing(APT, policy, records, package, candidate, [])
    assert item is not None and (item["installed"], item["candidate"]) == ("1.0", "1.1")
    return {name for name in ("held", "kept_back", "phased", "security") if item[name]}


def test_held_phased_and_kept_back_are_told_apart(look: Look) -> None:  # open-26
    assert missing(look(), taken=True) == set()
    assert missing(look(), taken=True, share="10") == set(), "its turn has come"
    assert missing(look(), held=True, share="10") == {"held"}
    assert missing(look(), share="10") == {"kept_back", "phased"}
    assert missing(look(), share="100") == {"kept_back"}
    assert missing(look(), share="many") == {"kept_back"}
    assert missing(look()) == {"kept_back"}
    advisory = {"id": "LAB-1", "package": "demo", "fixed": "1.1"}
    assert missing(look(advisories=[advisory]), share="10") == {"kept_back", "phased", "security"}
    assert missing(look(advisories=[{**advisory, "fixed": "1.2"}]), share="10") == {"kept_back", "phased"}


def test_a_package_on_hold_counts_though_nothing_waits_for_it() -> None:
    states = {"demo": APT.SELSTATE_HOLD, "bash": APT.SELSTATE_HOLD, "free": 1}
    packages = [
        SimpleNamespace(name=name, current_ver=object(), selected_state=state) for name, state in states.items()
    ]
    gone = SimpleNamespace(name="gone", current_ver=None, selected_state=APT.SELSTATE_HOLD)
    assert on_hold(APT, SimpleNamespace(packages=[*packages, gone])) == ["bash", "demo"]


# the engine ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("ActiveState=failed\nResult=oom-kill\nExecMainStatus=9\nExecMainCode=2", "killed, out of memory"),
        ("ActiveState=failed\nResult=signal\nExecMainStatus=9\nExecMainCode=2", "killed by signal 9"),
        ("ActiveState=activating\nResult=oom-kill\nExecMainStatus=9\nExecMainCode=2", "killed, out of memory"),
        ("ActiveState=failed\nResult=exit-code\nExecMainStatus=1\nExecMainCode=1", "failed, exit-code"),
        ("ActiveState=inactive\nResult=success\nExecMainStatus=0\nExecMainCode=1", "inactive, success"),
        ("", "?, ?"),
    ],
)
def test_an_engine_that_was_ended_is_dead_with_its_reason(
    look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: str, said: str
) -> None:
    program = tmp_path / "systemctl"
    program.write_text(f"#!/bin/sh\ncat <<'.'\n{unit}\n.\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    home = tmp_path / "var/lib/gasp"
    home.mkdir(parents=True)
    (home / "signatures.json").write_text('{"id": "s1", "files": {}, "known": {"s1": "2026-11-28T00:00:00Z"}}')
    measuring = look()
    answer = measuring._engine()
    assert measuring.faults == {"engine-dead": said}
    assert (answer["engine"], answer["set"], answer["disk_set"]) == (False, None, "s1")
