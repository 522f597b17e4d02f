"""Secrets live in one place. Nothing else that the suite left behind holds one, plain, base64 or URL form."""

from __future__ import annotations

import base64
import csv
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.conftest import Centre

pytestmark = pytest.mark.lab


def secrets_of(centre: Centre) -> dict[str, str]:
    names = ["tsig-internal", "tsig-external", "ldap-control-plane", "ldap-admin"]
    found = {name: centre.secret(name) for name in names}
    with (centre.state / "secrets" / "first-passwords.csv").open() as file:
        found |= {row["uid"]: row["password"] for row in csv.DictReader(file)}
    for key in (centre.state / "secrets" / "tls").glob("*.key"):
        found[key.name] = key.read_text().splitlines()[1]
    return found


def test_secrets_are_private_files(centre: Centre):
    for path in [centre.state, *(centre.state / "secrets").rglob("*"), *(centre.state / "ca").rglob("*.key")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_no_secret_is_in_database_logs_runs_or_processes(centre: Centre):
    forms: dict[bytes, str] = {}
    for name, secret in secrets_of(centre).items():
        forms[secret.encode()] = name
        forms[base64.b64encode(secret.encode())] = name
        forms[quote(secret, safe="").encode()] = name
    places = [p for p in centre.state.iterdir() if p.name not in ("secrets", "lab", "ca")]
    files = [f for place in places for f in ([place] if place.is_file() else place.rglob("*")) if f.is_file()]
    files += list((centre.state / "lab").rglob("*.log"))
    blobs = {str(f): f.read_bytes() for f in files}
    blobs["processes"] = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, check=True).stdout
    for argv in (["runs", "list", "-o", "json"], ["config", "-o", "json"], ["status", "-o", "json"]):
        blobs[" ".join(argv)] = centre.run(*argv).stdout
    blobs["events"] = b"".join(
        centre.run("runs", "show", str(r["id"]), "-o", "json").stdout
        for r in centre.json("runs", "list", "--limit", "5")["items"]
    )
    assert any(name.endswith("gasp.db") for name in blobs)
    leaks = [(place, name) for place, blob in blobs.items() for form, name in forms.items() if form in blob]
    assert leaks == []
    assert not list(Path("/tmp").glob("ansible-*")), "a run's folder was left behind"
