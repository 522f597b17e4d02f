"""Files of namespaces that lead nowhere: what a lab leaves that died with the mount namespace it was started in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from control_plane.model.network import plan_for
from lab import network
from lab.topology import load_topology

LABT = load_topology(plan_for("labt"), [])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(network, "NETNS", tmp_path)
    return tmp_path


def test_a_dead_name_is_no_namespace_and_is_removed(folder: Path):
    for name in ("labt-sw", "labt-web", "lab-sw", "other"):
        (folder / name).touch()
    assert network.names(LABT) == {"labt-sw", "labt-web"}
    assert network.namespaces(LABT) == set()
    network.remove_dead_names(LABT)
    assert sorted(file.name for file in folder.iterdir()) == ["lab-sw", "other"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts are made by root")
def test_a_living_name_stays(folder: Path):
    place = folder / "labt-web"
    place.touch()
    subprocess.run(["mount", "--bind", "/proc/self/ns/net", place], check=True)
    try:
        network.remove_dead_names(LABT)
        assert network.namespaces(LABT) == {"labt-web"}
    finally:
        subprocess.run(["umount", place], check=True)
