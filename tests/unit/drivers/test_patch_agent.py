"""What is installed on a machine when its ring offers something else: newer, older, held there by dpkg or by a pin."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

AGENT = Path(__file__).parents[3] / "playbooks/deploys/patch_agent.py"
#: As `apt-cache policy` says it: package, what is installed, what apt would take, and the versions there are.
POLICY = """{name}:
  Installed: {old}
  Candidate: {takes}
  Version table:
     {offer} 500
        500 http://repository.test/patches ring1/main amd64 Packages
 *** {old} 1001
        100 /var/lib/dpkg/status
"""


@pytest.fixture
def agent() -> ModuleType:
    spec = importlib.util.spec_from_file_location("patch_agent", AGENT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Apt:
    """A machine: package → state and version, what its source offers, and what apt would take where that differs."""

    def __init__(self, has: dict[str, tuple[str, str]], offers: dict[str, str], takes: dict[str, str]) -> None:
        self.has, self.offers, self.takes = has, offers, takes
        self.ran: list[str] = []

    def run(self, *argv: str, check: bool = True) -> str:
        if argv[0] == "apt-cache":
            names = argv[argv.index("policy") + 1 :]
            assert set(names) <= self.has.keys()
            return "".join(
                POLICY.format(name=n, old=self.has[n][1], takes=self.takes.get(n, self.offers[n]), offer=self.offers[n])
                for n in names
            )
        assert argv[0] == "apt-get" and "install" in argv
        self.ran += argv[argv.index("install") + 1 :]
        for name, _, version in (word.partition("=") for word in self.ran):
            self.has[name] = ("ii", version)
        return ""


def bring(agent: ModuleType, monkeypatch: pytest.MonkeyPatch, apt: Apt) -> Any:
    """What the agent answers there."""
    monkeypatch.setattr(agent, "SOURCE", str(AGENT))
    monkeypatch.setattr(os, "statvfs", lambda place: SimpleNamespace(f_bavail=1 << 20, f_frsize=4096))
    monkeypatch.setattr(agent, "run", apt.run)
    monkeypatch.setattr(agent, "newer", lambda one, other: one.split(".") > other.split("."))
    for name, found in (("installed", lambda: dict(apt.has)), ("offered", lambda: apt.offers)):
        monkeypatch.setattr(agent, name, found)
    for name in ("update", "finish_interrupted"):
        monkeypatch.setattr(agent, name, lambda: None)
    return agent.bring()


@pytest.mark.parametrize(
    ("has", "offers", "takes", "installs"),
    [
        (("ii", "1.0"), "1.1", "1.1", ["demo=1.1"]),
        (("hi", "1.0"), "1.1", "1.1", []),
        (("ii", "1.0"), "1.1", "1.0", []),
        (("ii", "1.0"), "1.1", "(none)", []),
        (("ii", "1.0"), "1.2", "1.1", ["demo=1.2"]),
        (("ii", "1.1"), "1.0", "1.1", ["demo=1.0"]),
        (("ii", "1.0"), "1.0", "1.0", []),
        (("iF", "1.0"), "1.0", "1.0", ["demo=1.0"]),
    ],
    ids=["newer", "hold", "pin", "pin of nothing", "a pin to what is newer too", "way back", "as offered", "broken"],
)
def test_what_somebody_keeps_on_the_machine_stays_and_an_older_snapshot_goes_back(
    agent: ModuleType, monkeypatch: pytest.MonkeyPatch,
    has: tuple[str, str], offers: str, takes: str, installs: list[str],
) -> None:  # fmt: skip
    apt = Apt({"demo": has}, {"demo": offers, "elsewhere": "1.0"}, {"demo": takes})
    answer = bring(agent, monkeypatch, apt)
    assert apt.ran == installs
    assert answer["state"] == ("changed" if installs else "already")
    assert answer["packages"] == {"demo": offers if installs else has[1]}


def test_a_pin_of_one_package_holds_no_other(agent: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    apt = Apt({"demo": ("ii", "1.0"), "notes": ("ii", "1.0")}, {"demo": "1.1", "notes": "1.1"}, {"demo": "1.0"})
    answer = bring(agent, monkeypatch, apt)
    assert (apt.ran, answer["state"]) == (["notes=1.1"], "changed")
    assert answer["packages"] == {"demo": "1.0", "notes": "1.1"}


def test_it_runs_as_it_is_sent(tmp_path: Path) -> None:
    """By its text alone, from the standard input of an interpreter."""
    text = AGENT.read_text().replace("/etc/apt/sources.list.d/gasp.sources", str(tmp_path / "none"))
    done = subprocess.run([sys.executable, "-I", "-"], input=text, capture_output=True, text=True, check=True)
    assert done.stdout.strip().startswith('GASP {"state": "failed"')
