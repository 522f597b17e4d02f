"""`gasp lab`: words, input, output and exit code pass through; every disturbance names its host."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from types import SimpleNamespace
from typing import Any

import pytest

from lab.lab import HostStatus, Progress

from .conftest import Gasp
from .test_json_forms import hold


class FakeLab:
    supervised = True

    def __init__(self, code: int = 0) -> None:
        self.code, self.did = code, list[Any]()
        self.topology = SimpleNamespace(name="lab", hosts=[SimpleNamespace(name=n) for n in ("web", "ns1")])

    def status(self) -> list[HostStatus]:
        v4, v6 = IPv4Address("10.94.0.14"), IPv6Address("fd94:0:0:1::14")
        return [
            HostStatus("web", "web", "core", None, v4, v6, v4, "running"),
            HostStatus("ns1", "ns-primary", "core", None, v4, v6, v4, "cut"),
        ]

    def run(self, host: str, argv: list[str]) -> subprocess.CompletedProcess[bytes]:
        self.did.append((host, argv))
        return subprocess.CompletedProcess(argv, self.code)

    def up(self, progress: Callable[[Progress], None]) -> None:
        for done in (0, 1, 2):
            progress(Progress("boot", done, 2, "web"))
        self.did.append("up")

    def down(self, progress: Callable[[Progress], None]) -> None:
        self.did.append("down")

    def stop(self, host: str, hard: bool) -> None:
        self.did.append(("stop hard" if hard else "stop", host))

    def __getattr__(self, verb: str) -> Callable[[str], None]:
        if verb not in ("start", "cut", "heal"):
            raise AttributeError(verb)
        return lambda host: self.did.append((verb, host))


def test_status(gasp: Gasp) -> None:
    answer = gasp("lab", "status", "-o", "json", lab=FakeLab())
    hold("lab", answer.json)
    assert [h["state"] for h in answer.json["hosts"]] == ["running", "cut"]
    table = gasp("lab", "status", lab=FakeLab())
    assert "● up" in table.out
    assert "cut off" in table.out
    assert gasp("lab", "status", "-o", "name", "--filter", "state!=running", lab=FakeLab()).out == "ns1\n"


@pytest.mark.parametrize("code", [0, 1, 3, 137])
def test_run_passes_words_and_exit_code(gasp: Gasp, code: int) -> None:
    lab = FakeLab(code)
    assert gasp("lab", "run", "web", "--", "sh", "-c", "exit 3", "--help", "-o", "json", "a b", lab=lab).code == code
    assert lab.did == [("web", ["sh", "-c", "exit 3", "--help", "-o", "json", "a b"])]
    without = FakeLab()
    gasp("lab", "run", "web", "nginx", "-t", lab=without)
    assert without.did == [("web", ["nginx", "-t"])]


def test_unknown_hosts(gasp: Gasp) -> None:
    for argv in (["run", "wbe", "--", "true"], ["stop", "wbe"], ["ssh", "wbe"], ["cut", "web", "wbe"]):
        lab = FakeLab()
        answer = gasp("lab", *argv, lab=lab)
        assert answer.code == 4
        assert "Did you mean web?" in answer.err
        assert lab.did == []


@pytest.mark.parametrize("verb", ["stop", "stop --hard", "start", "cut", "heal"])
def test_disturbances(gasp: Gasp, verb: str) -> None:
    lab = FakeLab()
    assert gasp("lab", *verb.split(), "web", "ns1", lab=lab).code == 0
    assert lab.did == [(verb.replace("--", ""), "web"), (verb.replace("--", ""), "ns1")]
    assert gasp("lab", *verb.split(), "web", "--dry-run", lab=(calm := FakeLab())).code == 0
    assert calm.did == []


def test_up_and_down(gasp: Gasp) -> None:
    lab = FakeLab()
    answer = gasp("lab", "up", lab=lab)
    assert "hosts that answer  2/2" in answer.err
    assert gasp("lab", "down", lab=lab).code == 0
    assert lab.did == ["up", "down"]
    assert gasp("lab", "up", "--dry-run", lab=(calm := FakeLab())).code == 0
    assert calm.did == []


def test_clean_wants_a_yes(gasp: Gasp) -> None:
    assert gasp("lab", "clean", lab=FakeLab()).code == 4
    assert gasp("lab", "clean", "--dry-run", lab=FakeLab()).code == 0
