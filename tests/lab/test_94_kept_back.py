"""What looks well and is not, on a real machine: updates that apt defers or keeps back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Centre

pytestmark = pytest.mark.lab

#: Run on a machine: two packages of the department's own in version 1.0, and a source with 1.1 of both. One of these is
#: given to no machine yet, the other one needs what nobody has.
OWN = r"""
import hashlib, pathlib, shutil, subprocess
top = pathlib.Path("/srv/own")
index = ""
for name, version, more in [
    ("slow-tool", "1.0", ""), ("slow-tool", "1.1", "Phased-Update-Percentage: 0\n"),
    ("stuck-tool", "1.0", ""), ("stuck-tool", "1.1", "Depends: nobody-has-this\n"),
]:
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@x.x>\n{more}Description: x\n"
    (top / "p/DEBIAN").mkdir(parents=True)
    (top / "p/DEBIAN/control").write_text(control)
    file = top / f"{name}-{version}.deb"
    subprocess.run(["dpkg-deb", "-b", str(top / "p"), str(file)], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(top / "p")
    if version == "1.0":
        subprocess.run(["dpkg", "-i", str(file)], check=True, stdout=subprocess.DEVNULL)
    else:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        index += f"{control}Filename: ./{file.name}\nSize: {file.stat().st_size}\nSHA256: {digest}\n\n"
(top / "Packages").write_text(index)
pathlib.Path("/etc/apt/sources.list.d/own.list").write_text("deb [trusted=yes] file:/srv/own ./\n")
subprocess.run(["apt-get", "-q", "update"], check=True, stdout=subprocess.DEVNULL)
"""
FORGET = (
    "dpkg -P slow-tool stuck-tool >/dev/null 2>&1 || true; rm -rf /srv/own /etc/apt/sources.list.d/own.list;"
    " apt-get -q update >/dev/null"
)


def measured(centre: Centre, name: str) -> Any:
    (found,) = centre.json("hosts", "measure", f"host:{name}")["machines"]
    return found


@pytest.fixture
def own_source(centre: Centre) -> Iterator[None]:
    centre.reach("gaj", "python3", "-", stdin=OWN.encode())
    yield
    centre.shell("gaj", FORGET)
    assert measured(centre, "gaj")["patch_state"] == "patched"


def test_what_apt_defers_or_keeps_back_is_not_patched(centre: Centre, own_source: None):  # open-26
    assert "0 upgraded" in centre.shell("gaj", "apt-get -s dist-upgrade"), "apt itself sees nothing to do"
    found = measured(centre, "gaj")
    assert (found["patch_state"], found["pending"]) == ("pending", 1), "one waits for its turn"
    missing = {item["package"]: item for item in centre.json("hosts", "show", "gaj")["missing"]}
    assert {name: (i["waiting"], i["kept_back"], i["held"]) for name, i in missing.items()} == {
        "slow-tool": (True, True, False),
        "stuck-tool": (False, True, False),
    }
    shown = centre.run("hosts", "show", "gaj").stdout.decode()
    assert "it is given to a share of machines first" in shown and "kept back: apt does not take it" in shown
    centre.shell("gaj", "dpkg -P stuck-tool >/dev/null")
    found = measured(centre, "gaj")
    assert (found["patch_state"], found["faults"]) == ("waiting", [])
    (tenant,) = centre.json("security", "show", "gaj")["items"]
    assert tenant["sentence"] == "0 of 1 patched, 0 unknown"
