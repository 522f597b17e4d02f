"""The Vagrantfile is one that Vagrant accepts; booting it needs a hypervisor and is not done here."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[3]
CASES = [
    {},
    {"GASP_VAGRANT_HOSTS": "gateway,mail,citizen", "GASP_VAGRANT_TENANTS": "fgw:17"},
]


@pytest.mark.skipif(shutil.which("vagrant") is None, reason="vagrant is not installed; `make test` installs it")
@pytest.mark.parametrize("choice", CASES)
def test_vagrant_accepts_it(choice, tmp_path):
    places = {"VAGRANT_HOME": str(tmp_path / "home"), "VAGRANT_DOTFILE_PATH": str(tmp_path / "dot")}
    done = subprocess.run(
        ["vagrant", "validate", "--ignore-provider"],
        cwd=REPO,
        env={**os.environ, **places, **choice},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "validated successfully" in done.stdout
