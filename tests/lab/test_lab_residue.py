"""A lab that is down has left nothing on the machine. Runs alone: every lab of the machine is in the picture."""

from __future__ import annotations

import pytest

from lab.residue import difference, snapshot

pytestmark = pytest.mark.lab


def test_down_leaves_nothing_and_up_brings_the_disks_back(centre, before_lab):
    centre.shell("web", "echo kept > /root/kept")
    centre.run("lab", "down")
    came = [line for line in difference(before_lab, snapshot()) if line.startswith("+")]
    centre.run("lab", "up")
    assert came == []
    assert centre.on("web", "cat", "/root/kept") == "kept\n"


def test_a_second_down_has_nothing_to_do(centre, before_lab):
    centre.run("lab", "down")
    centre.run("lab", "down")
    centre.run("lab", "up")
    assert centre.on("web", "hostname") == "web\n"
